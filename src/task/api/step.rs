//! One `[[task.api.step]]`.

use std::sync::Arc;
use std::time::Duration;

use probes::api::{Action, Data, Extract, From, Mode, Step, Template, Timers, Verify, Web, is_name};
use probes::net::tls::Client;
use probes::request::{Credentials, Request};
use probes::secret::mask_url;
use regex::bytes::Regex;

use super::super::http::{defaults, join, json_path, read_template};
use super::super::login::Login;
use super::super::service::host_and_port;
use super::super::{Target, no_regex};
use crate::reader::{Item, Table};

/// An IP packet of 65,535 bytes without the headers of IPv4 and UDP.
const LARGEST_DATAGRAM: usize = 65_507;

const HELP: &str = "the target of a tcp, ssl or udp step is host:port, as in db.example.com:5432; that of an http or \
                    https step is a URL";

/// What the keys around the steps say for all of them.
pub(super) struct Outer {
    pub(super) tls: Arc<Client>,
    pub(super) connect: Option<Duration>,
    pub(super) handshake: Option<Duration>,
}

/// What a step speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Tcp,
    Ssl,
    Udp,
    Http,
    Https,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ssl => "ssl",
            Self::Udp => "udp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Tcp, Self::Ssl, Self::Udp, Self::Http, Self::Https];
        let found = all.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("`{text}` is none of \"tcp\", \"ssl\", \"udp\", \"http\" and \"https\""))
    }

    const fn asks(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

/// A step whose target may still be the task's.
pub(super) struct Draft<'d> {
    table: Table<'d>,
    http: Option<Table<'d>>,
    name: String,
    kind: Kind,
    own: Option<Own<'d>>,
    send: Data,
    web: Option<(Request, Login, Variable)>,
    verify: Verify,
    extract: Vec<Extract>,
    timers: Timers,
    /// What this step and those before it extract.
    known: Vec<String>,
}

/// A target of the step's own, and what of it has variables.
struct Own<'d> {
    target: Target<'d>,
    written: String,
    path: Option<Template>,
}

/// What of a request has variables.
#[derive(Default)]
struct Variable {
    headers: Vec<(usize, Template)>,
    body: Option<Template>,
}

impl<'d> Draft<'d> {
    pub(super) fn read(table: Table<'d>, before: &[Self], outer: &Outer) -> Self {
        let known = before.last().map(|draft| draft.known.clone()).unwrap_or_default();
        let name = read_name(&table, before);
        let kind = table.parsed("protocol", Kind::parse).unwrap_or(Kind::Tcp);
        let send = read_send(&table, kind, &known);
        let verify = read_verify(&table, &known);
        let timers = Timers {
            step: table.duration("timeout"),
            connect: table.duration("connect_timeout").or(outer.connect),
            tls: table.duration("tls_timeout").or(outer.handshake),
            receive: table.duration("receive_timeout"),
        };
        let extract = read_extract(&table, kind);
        let own = read_own(&table, kind, &known);
        let item = table.take("http");
        if let (Some(item), false) = (&item, kind.asks()) {
            item.fail(format!("a step over {} has no http table", kind.name()));
        }
        let http = table.table("http");
        let web = kind.asks().then(|| read_web(http.as_ref(), outer, &known));
        let mut draft = Self { table, http, name, kind, own, send, web, verify, extract, timers, known };
        draft.known.extend(draft.extract.iter().map(|extract| extract.name.clone()));
        draft
    }

    /// The step at its own target, or at the task's.
    pub(super) fn at(&self, of_task: &Target<'_>) -> Option<Step> {
        let target = self.own.as_ref().map_or(of_task, |own| &own.target);
        if self.own.is_none() && self.kind.asks() && of_task.text.contains("{{") {
            of_task.fail("the target of a task has no variables: give the step a `target` of its own");
        }
        let action = match &self.web {
            None => {
                let endpoint = host_and_port(target, self.kind.name(), HELP)?;
                match self.kind {
                    Kind::Ssl => Action::Ssl(endpoint, self.send.clone()),
                    Kind::Udp => Action::Udp(endpoint, self.send.clone()),
                    Kind::Tcp | Kind::Http | Kind::Https => Action::Tcp(endpoint, self.send.clone()),
                }
            }
            Some((template, keys, variable)) => {
                let table = self.http.as_ref().unwrap_or(&self.table);
                let (_, request) = join(target, table, template, keys)?;
                if request.url.scheme() != self.kind.name() {
                    let (scheme, kind) = (request.url.scheme(), self.kind.name());
                    target.fail(&format!("the scheme `{scheme}` is not the protocol of the step, {kind}"));
                }
                let path = self.own.as_ref().and_then(|own| own.path.clone());
                let Variable { headers, body } = variable;
                Action::Http(Box::new(Web { request, path, headers: headers.clone(), body: body.clone() }))
            }
        };
        let written = self.own.as_ref().map_or(&of_task.text, |own| &own.written);
        Some(Step {
            name: self.name.clone(),
            target: mask_url(written),
            action,
            verify: self.verify.clone(),
            extract: self.extract.clone(),
            timers: self.timers,
        })
    }
}

fn read_name(table: &Table<'_>, before: &[Draft<'_>]) -> String {
    let Some(name) = table.text("name") else { return format!("step-{}", before.len() + 1) };
    if name.value.is_empty() {
        table.fail_at("name", "a name must not be empty");
    }
    if before.iter().any(|draft| draft.name == name.value) {
        table.fail_at("name", format!("there is another step with the name `{}`", name.value));
    }
    name.value
}

/// A text with variables. What comes from the environment or a file stands as it is: a secret is no place for them.
fn template(item: &Item<'_>, known: &[String]) -> Option<Template> {
    let text = item.text()?;
    if text.secret {
        return Some(Template::literal(text.value));
    }
    let template = Template::parse(&text.value)
        .map_err(|why| item.fail_with_help(why, "a variable is written {{token}}, and {{{{ stands for {{ itself"))
        .ok()?;
    if let Some(unknown) = template.variables().find(|name| !known.iter().any(|known| known == name)) {
        let list = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        let help = format!("the steps before this one extract {list}");
        item.fail_with_help(format!("no earlier step extracts the variable `{unknown}`"), help);
    }
    Some(template)
}

fn read_mode(table: &Table<'_>, key: &'static str) -> Option<Mode> {
    table.parsed(key, |text| match text {
        "text" => Ok(Mode::Text),
        "buffer" => Ok(Mode::Buffer),
        _ => Err(format!("`{text}` is none of \"text\" and \"buffer\"")),
    })
}

fn read_send(table: &Table<'_>, kind: Kind, known: &[String]) -> Data {
    let mode = read_mode(table, "send_mode").unwrap_or_default();
    let item = table.take("send");
    if kind.asks() {
        for key in ["send", "send_mode"] {
            if let Some(item) = table.take(key) {
                item.fail("a request sends the `body` of its http table");
            }
        }
    }
    let data = Data { mode, template: item.as_ref().and_then(|item| template(item, known)).unwrap_or_default() };
    if let Some(item) = &item {
        hide(item, &data);
        let length = data.known().map_or(0, |bytes| bytes.len());
        if kind == Kind::Udp && length > LARGEST_DATAGRAM {
            item.fail(format!("a datagram has at most {LARGEST_DATAGRAM} bytes, and this has {length}"));
        }
    }
    data
}

/// Hex from elsewhere is as secret as what it stands for.
fn hide(item: &Item<'_>, data: &Data) {
    if item.is_table()
        && data.mode == Mode::Buffer
        && let Some(bytes) = data.known()
    {
        item.document().hide_bytes(&bytes);
    }
}

fn read_verify(table: &Table<'_>, known: &[String]) -> Verify {
    let mode = read_mode(table, "verify_mode");
    let item = table.take("expect");
    let kind = table.text("verify").map_or_else(|| "none".to_owned(), |text| text.value);
    let compares = matches!(kind.as_str(), "full" | "partial");
    if mode.is_some() && !compares {
        table
            .fail_at("verify_mode", "`verify_mode` says how `expect` is written for verify = \"full\" and \"partial\"");
    }
    let expected = item.as_ref().and_then(|item| template(item, known));
    let data = Data { mode: mode.unwrap_or_default(), template: expected.unwrap_or_default() };
    if let Some(item) = &item {
        hide(item, &data);
    }
    match (kind.as_str(), &item) {
        ("none", Some(item)) => item.fail("`expect` needs verify = \"full\", \"partial\" or \"md5\""),
        ("full" | "partial" | "md5", None) => {
            table.fail_at("verify", format!("verify = \"{kind}\" needs `expect`"));
        }
        ("full" | "partial", Some(item)) if data.known().is_some_and(|bytes| bytes.is_empty()) => {
            item.fail("`expect` is empty, and says nothing about an answer");
        }
        ("none" | "full" | "partial" | "md5", _) => {}
        _ => table.fail_at("verify", format!("`{kind}` is none of \"none\", \"full\", \"partial\" and \"md5\"")),
    }
    match kind.as_str() {
        "full" => Verify::Full(data),
        "partial" => Verify::Partial(data),
        "md5" => Verify::Md5(data.template),
        _ => Verify::None,
    }
}

fn read_extract(table: &Table<'_>, kind: Kind) -> Vec<Extract> {
    let mut extracts = Vec::new();
    for (name, item) in table.table("extract").map(Table::entries).unwrap_or_default() {
        if !is_name(name) {
            item.fail_name(format!("`{name}` is no name of a variable"), "a name has letters, digits and underscores");
        }
        let from = if item.is_table() { read_place(&item, kind) } else { item.parsed(regex).map(From::Regex) };
        extracts.extend(from.map(|from| Extract { name: name.to_owned(), from }));
    }
    extracts
}

fn regex(text: &str) -> Result<Regex, String> {
    const WITH_ONE_GROUP: usize = 2;
    let regex = Regex::new(text).map_err(|error| no_regex(&error))?;
    match regex.captures_len() {
        WITH_ONE_GROUP => Ok(regex),
        count => Err(format!("the expression has {} groups, and the value is what one group matches", count - 1)),
    }
}

/// `{ json = "$.id" }` or `{ header = "X-Id" }`.
fn read_place(item: &Item<'_>, kind: Kind) -> Option<From> {
    let table = item.table("`extract`".to_owned())?;
    let json = table.take("json");
    let header = table.take("header");
    if !kind.asks() {
        item.fail(format!("a step over {} extracts with regular expressions only", kind.name()));
    }
    match (json, header) {
        (Some(json), None) => {
            let text = json.text()?.value;
            json_path(&text)
                .map(|path| From::Json(path, text.clone()))
                .map_err(|(message, help)| json.fail_with_help(message, help))
                .ok()
        }
        (None, Some(header)) => {
            let parse = |text: &str| text.parse().map_err(|_| format!("`{text}` is no header name"));
            header.parsed(parse).map(From::Header)
        }
        _ => {
            item.fail("a variable comes from a regular expression, { json = \"$.id\" } or { header = \"X-Id\" }");
            None
        }
    }
}

/// The step's own target. Variables may stand behind host and port of a URL, so that no answer decides who is asked.
fn read_own<'d>(table: &Table<'d>, kind: Kind, known: &[String]) -> Option<Own<'d>> {
    let item = table.take("target")?;
    let text = item.text()?;
    let plain = |text: &str| Own {
        target: Target { text: text.to_owned(), item: item.clone(), line: None },
        written: text.to_owned(),
        path: None,
    };
    let Some(first) = text.value.find("{{").filter(|_| !text.secret && kind.asks()) else {
        return Some(plain(&text.value));
    };
    let begin = text.value.find("://").map_or(0, |at| at + 3);
    let path = text.value[begin..].find(['/', '?', '#']).map(|at| begin + at);
    let Some(at) = path.filter(|at| *at <= first) else {
        item.fail("variables stand behind host and port of a URL");
        return None;
    };
    template(&item, known)?;
    let path = Template::parse(&text.value[at..]).ok()?;
    let sample = format!("{}{}", &text.value[..at], path.sample());
    Some(Own { written: text.value.clone(), path: Some(path), ..plain(&sample) })
}

fn read_web(http: Option<&Table<'_>>, outer: &Outer, known: &[String]) -> (Request, Login, Variable) {
    let Some(table) = http else { return (defaults(outer.tls.clone(), 0), Login::default(), Variable::default()) };
    let request = read_template(table, outer.tls.clone(), 0);
    let variable = |item: &Item<'_>| {
        let varies = !item.is_table() && item.text().is_some_and(|text| text.value.contains("{{"));
        if varies { template(item, known) } else { None }
    };
    let mut headers = Vec::new();
    for (name, item) in table.table("headers").map(Table::secret_entries).unwrap_or_default() {
        let place = request.headers.iter().position(|field| field.name.as_str().eq_ignore_ascii_case(name));
        headers.extend(place.and_then(|place| Some((place, variable(&item)?))));
    }
    let body = table.take("body").and_then(|item| variable(&item));
    refuse_variables(table);
    if let Some(Credentials::Bearer(token)) = &request.credentials
        && token.expose().contains("{{")
        && table.take("bearer_token").is_some_and(|item| !item.is_table())
    {
        let help = "write headers = { Authorization = \"Bearer {{token}}\" }";
        table.fail_at("bearer_token", format!("a bearer_token has no variables: {help}"));
    }
    (request, Login::of_table(table), Variable { headers, body })
}

/// Where a variable would be sent or compared as it is written.
fn refuse_variables(table: &Table<'_>) {
    let varies = |item: &Item<'_>| match item.json() {
        Some(serde_json::Value::String(text)) => Template::parse(&text).is_ok_and(|text| text.varies()),
        _ => false,
    };
    let single = ["username", "password", "match"].into_iter().filter_map(|key| table.take(key));
    let tables = ["match_json", "match_header", "not_match_header"].into_iter().filter_map(|key| table.table(key));
    let several = tables.flat_map(Table::secret_entries).map(|(_, item)| item);
    for item in single.chain(several).filter(|item| !item.is_table() && varies(item)) {
        item.fail_with_help(
            "there are no variables here",
            "they stand in the target, in headers and in the body of a step",
        );
    }
}
