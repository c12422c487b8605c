//! The table `[task.dns]`: the target is the name and `server` the server, or the target is the server and `query` the name,
//! or the target is both, as `dns://server/name?type=A` (RFC 4501).

use percent_encoding::percent_decode_str;
use probes::address::Endpoint;
use probes::dns::{Dns, Question, Rcode, Rule, Rules, Transport};
use probes::net::resolve::check_name;
use probes::spec::Spec;
use regex::bytes::Regex;
use url::Url;

use super::service::bare;
use super::{Around, Specs, Target, no_regex, tls};
use crate::reader::{Item, Table, Text};

const DEFAULT_TYPE: &str = "A";

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let nothing = || Specs { probes: Vec::new(), trust: None };
    let encryption = tls::read(around.tls.as_ref()).ready();
    let Some(table) = around.task.table("dns") else { return nothing() };
    let keys = Keys::read(&table);
    let expected = table.texts("expect");
    let rules = read_rules(&table, expected.as_deref());
    if targets.is_empty()
        && let Ok(question) = Question::parse(".", keys.record_type.as_deref().unwrap_or(DEFAULT_TYPE))
    {
        check_values(&question, expected.as_deref());
    }
    let probe = |target: &Target<'_>| {
        let asked = keys.asked(target)?;
        check_values(&asked.question, expected.as_deref());
        let dns = Dns {
            server: asked.server,
            transport: asked.transport,
            question: asked.question,
            recursion: keys.recursion,
            rules: rules.clone(),
            tls: encryption.client.clone(),
        };
        Some((target.text.clone(), Spec::Dns(Box::new(dns))))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust.clone() }
}

/// How a server is spoken to, as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Udp,
    Tcp,
    Tls,
    Https,
}

impl Way {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            "tls" => Ok(Self::Tls),
            "https" => Ok(Self::Https),
            _ => Err(format!("`{text}` is none of udp, tcp, tls, https")),
        }
    }
}

/// The keys that say who is asked what.
struct Keys {
    server: Option<String>,
    query: Option<String>,
    record_type: Option<String>,
    way: Option<Way>,
    recursion: bool,
    /// Whether a mistake in them was named already.
    spoilt: bool,
}

/// What a target comes to.
struct Asked {
    server: Endpoint,
    transport: Transport,
    question: Question,
}

impl Keys {
    fn read(table: &Table<'_>) -> Self {
        let mut spoilt = false;
        let mut checked = |item: Option<Item<'_>>, check: &dyn Fn(&str) -> Result<(), String>| {
            let text = item.as_ref()?.text()?.value;
            if let (Err(why), Some(item)) = (check(&text), &item) {
                item.fail(why);
                spoilt = true;
            }
            Some(text)
        };
        let record_type = checked(table.take("type"), &|text| Question::parse(".", text).map(drop));
        let query = checked(table.take("query"), &|text| {
            // A type that is none was named already.
            let known = record_type.as_deref().filter(|text| Question::parse(".", text).is_ok());
            Question::parse(text, known.unwrap_or(DEFAULT_TYPE)).map(drop)
        });
        let way = table.parsed("transport", Way::parse);
        let server = table.take("server");
        if let (Some(server), Some(_)) = (&server, &query) {
            server.fail("`server` makes the target the name, and `query` makes it the server: give one of them");
        }
        let server = checked(server, &|text| endpoint(text, way).map(drop));
        let recursion = table.boolean("recursion").unwrap_or(true);
        Self { server, query, record_type, way, recursion, spoilt }
    }

    fn asked(&self, target: &Target<'_>) -> Option<Asked> {
        if self.spoilt {
            return None;
        }
        match self.try_asked(&target.text) {
            Ok(asked) => Some(asked),
            Err(why) => {
                let help = "the target is a name with `server = \"192.0.2.53\"`, a server with `query = \"www.example.com\"`, \
                            or dns://server/name?type=A";
                target.fail_with_help(why, help);
                None
            }
        }
    }

    fn try_asked(&self, target: &str) -> Result<Asked, String> {
        let is_url = target.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("dns://"));
        let (server, name, record_type) = match (&self.server, &self.query) {
            (None, None) if is_url => self.of_url(target)?,
            (Some(_), _) | (_, Some(_)) if is_url => {
                return Err(format!(
                    "`{target}` names server and name; `server` or `query` would name one of them again"
                ));
            }
            (Some(server), _) => (server.clone(), target.to_owned(), self.record_type.clone()),
            (None, Some(query)) => (target.to_owned(), query.clone(), self.record_type.clone()),
            (None, None) => {
                return Err(format!("`{target}` is a server or a name, and the task does not say the other one"));
            }
        };
        let (server, transport) = endpoint(&server, self.way)?;
        let question = Question::parse(&name, record_type.as_deref().unwrap_or(DEFAULT_TYPE))?;
        Ok(Asked { server, transport, question })
    }

    /// `dns://server:port/name?type=A`.
    fn of_url(&self, text: &str) -> Result<(String, String, Option<String>), String> {
        let rest = text.get(6..).unwrap_or_default();
        let (server, rest) = rest.split_once('/').ok_or_else(|| format!("`{text}` names no name to ask for"))?;
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        if server.is_empty() {
            return Err(format!("`{text}` names no server"));
        }
        bare(server, "server")?;
        let name = percent_decode_str(name).decode_utf8().map_err(|_| format!("the name in `{text}` is no UTF-8"))?;
        let mut record_type = self.record_type.clone();
        for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').map(|(key, value)| (key.to_ascii_lowercase(), value)) {
                Some((key, _)) if key == "type" && record_type.is_some() => {
                    return Err(format!("the type is given twice, the second time in `{text}`"));
                }
                Some((key, value)) if key == "type" => record_type = Some(value.to_owned()),
                Some((key, value)) if key == "class" && value.eq_ignore_ascii_case("in") => {}
                _ => return Err(format!("`{pair}` in `{text}` is neither type=… nor class=IN")),
            }
        }
        Ok((server.to_owned(), name.into_owned(), record_type))
    }
}

/// A server as users write it: host, host:port, or with the transport before it.
fn endpoint(text: &str, way: Option<Way>) -> Result<(Endpoint, Transport), String> {
    let (own, rest) = match text.split_once("://") {
        Some(("dns", _)) => return Err(format!("`{text}` is a whole question; a server is an address or a name")),
        Some((scheme, rest)) => (Some(Way::parse(scheme).map_err(|why| format!("`{text}`: {why}"))?), rest),
        None => (None, text),
    };
    if own.is_some() && way.is_some() && own != way {
        return Err(format!("`{text}` is another transport than `transport` says"));
    }
    let endpoint = |port| {
        let endpoint =
            Endpoint::parse(bare(rest, "server")?, Some(port)).map_err(|error| format!("`{rest}`: {error}"))?;
        check_name(&endpoint.host).map(|()| endpoint)
    };
    match own.or(way).unwrap_or(Way::Udp) {
        Way::Udp => Ok((endpoint(53)?, Transport::Udp)),
        Way::Tcp => Ok((endpoint(53)?, Transport::Tcp)),
        Way::Tls => Ok((endpoint(853)?, Transport::Tls)),
        Way::Https => {
            // RFC 8484 writes the template for GET; questions are posted to what it is a template of.
            let rest = rest.strip_suffix("{?dns}").unwrap_or(rest);
            let bare = rest.parse::<std::net::Ipv6Addr>().is_ok();
            let rest = if bare { format!("[{rest}]") } else { rest.to_owned() };
            let mut url = Url::parse(&format!("https://{rest}")).map_err(|error| format!("`{text}`: {error}"))?;
            if !url.username().is_empty() || url.password().is_some() {
                return Err("a DNS-over-HTTPS server takes no user name and password".to_owned());
            }
            if url.path() == "/" {
                url.set_path("/dns-query");
            }
            let server = Endpoint::of_url(&url).ok_or_else(|| format!("`{text}` names no host"))?;
            check_name(&server.host)?;
            Ok((server, Transport::Https(Box::new(url))))
        }
    }
}

/// Values that no record of the type can have are mistakes; the type may be the target's.
fn check_values(question: &Question, expected: Option<&[(Text, Item<'_>)]>) {
    for (text, item) in expected.unwrap_or_default() {
        if let Err(why) = question.check_value(&text.value) {
            item.fail(why);
        }
    }
}

fn read_rules(table: &Table<'_>, expect: Option<&[(Text, Item<'_>)]>) -> Rules {
    if expect.is_some_and(<[_]>::is_empty) {
        table.fail_at("expect", "an empty list expects nothing: leave `expect` out");
    }
    let rule = table.parsed("rule", |text| match text {
        "IN_DNS" => Ok(Rule::InDns),
        "DNS_IN" => Ok(Rule::DnsIn),
        "EQUAL" => Ok(Rule::Equal),
        "ANY" => Ok(Rule::Any),
        _ => Err(format!("`{text}` is none of IN_DNS, DNS_IN, EQUAL, ANY")),
    });
    if rule.is_some() && expect.is_none() {
        table.fail_at("rule", "`rule` compares the answer with `expect`, which is not there");
    }
    let regex = |key| table.parsed(key, |text| Regex::new(text).map_err(|error| no_regex(&error)));
    let (matching, not_matching) = (regex("answer_regex"), regex("answer_not_regex"));
    let rcodes = read_rcodes(table);
    if !rcodes.contains(&Rcode::NOERROR) && (expect.is_some() || matching.is_some() || not_matching.is_some()) {
        table.fail_at("expect_rcode", "without NOERROR no answer is good that has records to compare");
    }
    let expect = expect.unwrap_or_default().iter().map(|(text, _)| text.value.clone()).collect();
    Rules { rcodes, expect, rule: rule.unwrap_or_default(), matching, not_matching }
}

fn read_rcodes(table: &Table<'_>) -> Vec<Rcode> {
    let Some(items) = table.take("expect_rcode").and_then(|item| {
        let items = item.items()?;
        if items.is_empty() {
            item.fail("no answer has none of the rcodes");
        }
        Some(items)
    }) else {
        return vec![Rcode::NOERROR];
    };
    let parse = |text: &str| {
        Rcode::parse(text).ok_or_else(|| format!("`{text}` is no rcode such as NOERROR, NXDOMAIN, SERVFAIL or 23"))
    };
    items.iter().filter_map(|item| item.parsed(parse)).collect()
}
