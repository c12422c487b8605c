//! HTTP and HTTPS: a request, its redirects, and rules on the final response; book `cloudmonitor/http`.
//!
//! The order of looking, hop by hop: the address policy, the name, the connection with TLS, the answer, the
//! redirect; then once: credentials refused, a status that is the code, the rules on status, TLS, headers and body.
//! A status listed in `expect_status` counts as wanted whatever its number. Statuses and redirects are judged when
//! the head is complete; below 400 the body is read up to `body_limit` whether or not a rule looks at it.

mod hop;
mod proxy;
mod rules;
mod table;

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::exchange::{self, Answer, Ask, Versions, close_hop, location, note_answer, open_hop, same_origin, taint};
use crate::fault::{self, Failure, Handshake, Named, Side, faults};
use crate::net::{Attempt, tls};
use crate::secret::Secret;
use hop::Hop;
pub use proxy::Proxy;
pub use rules::{HeaderRule, Rules, StatusRange, TextRule};

/// How much of a body is searched for secrets before the excerpt is taken from it.
const SEARCHED: usize = 16 * EXCERPT;

/// How a failed body rule shows the beginning of the body.
const EXCERPT: usize = 512;

/// What to probe, and what to expect of it.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where to begin; without credentials in it.
    pub url: Url,
    /// The method of the first request.
    pub method: Method,
    /// Header fields to send.
    pub headers: Vec<Field>,
    /// The body to send; empty for none.
    pub body: Bytes,
    /// Whether the body holds a secret, so that no redirect may carry it to another origin.
    pub secret_body: bool,
    /// Sent to the origin of `url` only.
    pub credentials: Option<Credentials>,
    /// How many redirects are followed; 0 makes the first redirect the final response.
    pub max_redirects: u32,
    /// The versions of HTTP to speak.
    pub versions: Versions,
    /// A proxy to tunnel through by CONNECT.
    pub proxy: Option<Proxy>,
    /// Whether to offer compression and to decode bodies.
    pub compression: bool,
    /// How many bytes of the decoded body are read, and searched.
    pub body_limit: usize,
    /// What the final response must be like.
    pub rules: Rules,
    /// For `https` hops.
    pub tls: Arc<tls::Client>,
}

/// A header field to send.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name.
    pub name: HeaderName,
    /// The value.
    pub value: HeaderValue,
    /// Whether the value is a secret, which stays with the first origin.
    pub secret: bool,
}

/// Who the task says it is.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// RFC 7617.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
}

impl Credentials {
    fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::Basic { username, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{}", password.expose())))
            }
            Self::Bearer(token) => format!("Bearer {}", token.expose()),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

faults! {
    /// What HTTP itself can find wrong with a response.
    pub enum Unwanted {
        /// A redirect has no Location, or one that is no http or https URL.
        RedirectUnusable = "http.redirect.unusable", Target;
        /// There are more redirects than the task follows.
        RedirectTooMany = "http.redirect.too_many", Target;
        /// A redirect asks for the secret body of the task at another origin.
        RedirectSecret = "http.redirect.secret", Task;
        /// The credentials of the task were refused.
        LoginRefused = "http.login_refused", Target;
        /// The status is below 400 and not one that the task expects.
        Status = "http.content.status", Target;
        /// The final response came with TLS where the task wants none, or without where it wants it.
        Tls = "http.content.tls", Target;
        /// A header field breaks a rule of the task.
        Header = "http.content.header", Target;
        /// The text is not in the body.
        TextAbsent = "http.content.absent", Target;
        /// The text that must not be there is in the body.
        TextPresent = "http.content.present", Target;
        /// A regular expression on the body fails.
        Regex = "http.content.regex", Target;
        /// A rule on the JSON of the body fails.
        Json = "http.content.json", Target;
        /// The proxy's answer to CONNECT is no HTTP response.
        ProxyMalformed = "http.proxy.malformed", Path;
    }
}

/// What can go wrong in an HTTP probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// On the way to the server of a hop.
    Net(fault::Fault),
    /// On the way to the proxy.
    Proxy(fault::Fault),
    /// In the exchange of messages.
    Broken(exchange::Broken),
    /// In what the response says.
    Unwanted(Unwanted),
    /// The final status is the code.
    Status(u16),
    /// The proxy's answer to CONNECT is the code.
    ProxyStatus(u16),
}

impl From<exchange::Fault> for Fault {
    fn from(fault: exchange::Fault) -> Self {
        match fault {
            exchange::Fault::Net(fault) => Self::Net(fault),
            exchange::Fault::Broken(broken) => Self::Broken(broken),
        }
    }
}

impl Named for Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Net(fault) | Self::Proxy(fault) => fault.name(),
            Self::Broken(broken) => broken.name(),
            Self::Unwanted(unwanted) => unwanted.name(),
            Self::Status(_) => "http.status",
            Self::ProxyStatus(_) => "http.proxy.status",
        }
    }

    fn side(self) -> Side {
        match self {
            Self::Broken(broken) => broken.side(),
            Self::Unwanted(unwanted) => unwanted.side(),
            Self::Status(_) => Side::Target,
            // Which of the proxy's troubles it is does not matter to the target: it lies between.
            Self::Proxy(fault) if fault.side() == Side::Target => Side::Path,
            Self::Net(fault) | Self::Proxy(fault) => fault.side(),
            Self::ProxyStatus(_) => Side::Path,
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Net(fault) | Self::Proxy(fault) => fault.meaning(),
            Self::Broken(broken) => broken.meaning(),
            Self::Unwanted(unwanted) => unwanted.meaning(),
            Self::Status(_) => "The final status is one of failure, and it is the code.",
            Self::ProxyStatus(_) => "The proxy refused the tunnel, and its status is the code.",
        }
    }
}

fn unwanted(fault: Unwanted, detail: impl Into<String>) -> Failure<Fault> {
    Failure { fault: Fault::Unwanted(fault), detail: detail.into(), errno: None }
}

impl Check for Http {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Http;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let result = self.follow(attempt).await;
        close_hop(attempt);
        // One request is no chain: what there is to say stands in the result itself.
        if attempt.evidence.hops.len() == 1 {
            attempt.evidence.hops.clear();
        }
        result
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault))
    }

    fn faults() -> Vec<Fault> {
        let mut all: Vec<Fault> = fault::Fault::all().into_iter().map(Fault::Net).collect();
        all.extend(exchange::Broken::ALL.iter().copied().map(Fault::Broken));
        all.extend(Unwanted::ALL.iter().copied().map(Fault::Unwanted));
        all.push(Fault::Status(StatusCode::NOT_FOUND.as_u16()));
        all.push(Fault::ProxyStatus(StatusCode::FORBIDDEN.as_u16()));
        all
    }
}

impl Http {
    fn first_hop(&self) -> Hop {
        Hop { url: self.url.clone(), method: self.method.clone(), body: self.body.clone(), followed: 0 }
    }

    /// Walks the chain of redirects to the final response, and judges that.
    async fn follow(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let mut hop = self.first_hop();
        loop {
            let answer = self.visit(attempt, &hop).await?;
            note_answer(attempt, &answer);
            match self.next_hop(attempt, &hop, &answer) {
                Ok(None) => return self.finish(attempt, &hop, answer).await,
                Ok(Some(next)) => {
                    answer.leave_body(attempt);
                    close_hop(attempt);
                    hop = next;
                }
                Err(failure) => {
                    answer.leave_body(attempt);
                    return Err(failure);
                }
            }
        }
    }

    /// Goes to the server of a hop, asks, and waits for the head of the response.
    async fn visit(&self, attempt: &mut Attempt<'_>, hop: &Hop) -> Result<Answer, Failure<Fault>> {
        open_hop(attempt, &hop.url);
        let endpoint = Endpoint::of_url(&hop.url)
            .ok_or_else(|| unwanted(Unwanted::RedirectUnusable, format!("{} names no host", hop.url)))?;
        let mut stream = if let Some(proxy) = &self.proxy {
            proxy.tunnel(attempt, &endpoint).await?
        } else {
            let addresses = attempt.resolve(&endpoint).await.map_err(|failure| failure.map(Fault::Net))?;
            attempt.connect(&addresses).await.map_err(|failure| failure.map(Fault::Net))?
        };
        if hop.url.scheme() == "https" {
            let wire = stream
                .into_wire()
                .ok_or_else(|| Failure::new(Handshake::Other, "the connection is encrypted already").map(Fault::Net))?;
            let encrypted = attempt.encrypt(&self.tls, wire, &endpoint.host, self.versions.alpn()).await;
            stream = encrypted.map_err(|failure| failure.map(Fault::Net))?;
        }
        let answer = exchange::send(attempt, stream, self.versions, self.ask(hop)).await;
        answer.map_err(|failure| failure.map(Fault::from))
    }

    /// The request of a hop.
    fn ask(&self, hop: &Hop) -> Ask {
        let at_home = same_origin(&hop.url, &self.url);
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("agent/", env!("CARGO_PKG_VERSION"))));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if self.compression {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(exchange::ACCEPT_ENCODING));
        }
        if let (true, Some(value)) = (at_home, self.credentials.as_ref().and_then(Credentials::header)) {
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut own = HeaderMap::new();
        for field in &self.headers {
            let stays_home = field.secret || field.name == header::HOST;
            let of_body =
                matches!(field.name, header::CONTENT_TYPE | header::CONTENT_LENGTH | header::TRANSFER_ENCODING);
            let of_dropped_body = of_body && hop.body.is_empty() && !self.body.is_empty();
            if (at_home || !stays_home) && !of_dropped_body {
                own.append(field.name.clone(), field.value.clone());
            }
        }
        headers.extend(own);
        Ask {
            method: hop.method.clone(),
            url: hop.url.clone(),
            headers,
            body: hop.body.clone().into(),
            patience: None,
            keep: false,
        }
    }

    /// Where a response sends us; `None` if it is the final one.
    fn next_hop(&self, attempt: &mut Attempt<'_>, hop: &Hop, answer: &Answer) -> Result<Option<Hop>, Failure<Fault>> {
        let rewrites = match answer.status {
            StatusCode::SEE_OTHER => hop.method != Method::HEAD,
            // Browsers and curl turn a POST into a GET here (RFC 9110 sections 15.4.2 and 15.4.3).
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => hop.method == Method::POST,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
            _ => return Ok(None),
        };
        if self.max_redirects == 0 {
            return Ok(None);
        }
        let url = location(&hop.url, answer, &attempt.conditions.secrets)
            .map_err(|why| unwanted(Unwanted::RedirectUnusable, why))?;
        taint(attempt, answer, &url);
        if hop.followed == self.max_redirects {
            let detail = format!("{} redirects followed, and {} sends us on to {url}", hop.followed, hop.url);
            return Err(unwanted(Unwanted::RedirectTooMany, detail));
        }
        let mut next = Hop { url, method: hop.method.clone(), body: hop.body.clone(), followed: hop.followed + 1 };
        if rewrites {
            next.method = Method::GET;
            next.body = Bytes::new();
        }
        if self.secret_body && !next.body.is_empty() && !same_origin(&next.url, &self.url) {
            let detail = format!("the body of the task is secret and is not sent on to {}", next.url);
            return Err(unwanted(Unwanted::RedirectSecret, detail));
        }
        Ok(Some(next))
    }

    /// Judges the final response, with its body where one is looked at.
    async fn finish(&self, attempt: &mut Attempt<'_>, hop: &Hop, answer: Answer) -> Result<Code, Failure<Fault>> {
        let status = answer.status.as_u16();
        let expected = self.rules.expects(status);
        let available = status < StatusCode::BAD_REQUEST.as_u16();
        let headers = answer.headers.clone();
        let tap = answer.tap();
        let body = if available || (expected && self.rules.look_at_body()) {
            let body = answer.read_body(attempt, self.body_limit, self.compression).await;
            body.map_err(|failure| failure.map(Fault::from))?
        } else {
            answer.leave_body(attempt);
            Vec::new()
        };
        let body = Bytes::from(body);
        let mut judged = self.judge(status, expected, hop.url.scheme() == "https", &headers, &body);
        if judged.is_ok() {
            let late = || Err((Unwanted::Json, "the rules on JSON were not applied to the end in time".to_owned()));
            let verdict = attempt.within(self.rules.judge_json(body.clone())).await.unwrap_or_else(late);
            judged = verdict.map_err(|(fault, detail)| unwanted(fault, detail));
        }
        if let (Err(_), Some(http), false) = (&judged, &mut attempt.evidence.http, body.is_empty()) {
            let shown = attempt.conditions.secrets.strike_bytes(&body[..body.len().min(SEARCHED)]);
            http.body = Some(String::from_utf8_lossy(&shown[..shown.len().min(EXCERPT)]).into_owned());
        }
        judged?;
        attempt.end_tls(&tap).await.map_err(|failure| failure.map(Fault::Net))?;
        Ok(Code::status(status))
    }

    fn judge(
        &self,
        status: u16,
        expected: bool,
        encrypted: bool,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Failure<Fault>> {
        if !expected {
            if status == StatusCode::UNAUTHORIZED.as_u16() && self.gives_credentials() {
                let detail = format!("the server refused the credentials of the task with status {status}");
                return Err(unwanted(Unwanted::LoginRefused, detail));
            }
            if status >= StatusCode::BAD_REQUEST.as_u16() {
                let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
                let detail = format!("the server answered {status} {}", reason.unwrap_or_default());
                return Err(Failure {
                    fault: Fault::Status(status),
                    detail: detail.trim_end().to_owned(),
                    errno: None,
                });
            }
        }
        self.rules.judge(status, encrypted, headers, body).map_err(|(fault, detail)| unwanted(fault, detail))
    }

    fn gives_credentials(&self) -> bool {
        self.credentials.is_some() || self.headers.iter().any(|field| field.name == header::AUTHORIZATION)
    }
}
