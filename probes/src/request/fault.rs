//! What can go wrong in a request over HTTP, from the way to the server to the rules on the final response.

use http::StatusCode;

use crate::exchange;
use crate::fault::{self, Failure, Named, Side, faults};

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

/// What can go wrong in a request.
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

/// A fault of the response.
pub(super) fn unwanted(fault: Unwanted, detail: impl Into<String>) -> Failure<Fault> {
    Failure { fault: Fault::Unwanted(fault), detail: detail.into(), errno: None }
}

impl Fault {
    /// Every fault of a request.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = fault::Fault::all().into_iter().map(Self::Net).collect();
        all.extend(exchange::Broken::ALL.iter().copied().map(Self::Broken));
        all.extend(Unwanted::ALL.iter().copied().map(Self::Unwanted));
        all.push(Self::Status(StatusCode::NOT_FOUND.as_u16()));
        all.push(Self::ProxyStatus(StatusCode::FORBIDDEN.as_u16()));
        all
    }
}
