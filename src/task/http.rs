//! The table `[task.http]`.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderName, HeaderValue, Method, header};
use probes::address::Endpoint;
use probes::exchange::{self, Versions};
use probes::http::Http;
use probes::request::{Credentials, Field, HeaderRule, Proxy, Request, Rules, TextRule};
use probes::secret::{MASK, Secret, is_secret_name};
use probes::spec::Spec;
use regex::bytes::Regex;
use serde_json_path::JsonPath;
use url::Url;

use super::login::Login;
use super::{Around, Specs, Target, no_regex, tls};
use crate::reader::{Table, Text, read_file};

/// Redirects that an ECS probe point follows.
const DEFAULT_REDIRECTS: u32 = 5;
/// Nobody's chain of redirects is longer than this and meant so.
const MOST_REDIRECTS: u64 = 50;
/// How much of a body is searched.
const DEFAULT_BODY_LIMIT: usize = 64 * 1024;
/// A body limit above this would let one probe take the host's memory.
const LARGEST_BODY_LIMIT: u64 = 32 << 20;
const HEADER_HELP: &str = "a header name has letters, digits and hyphens, as in User-Agent";

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read_for(around.tls.as_ref(), around.hostname.map(without_port)).ready();
    let table = around.task.table("http");
    let Some(table) = table else { return Specs { probes: Vec::new(), trust: None } };
    let mut template = read_template(&table, encryption.client, DEFAULT_REDIRECTS);
    if let Some(hostname) = around.hostname {
        ask_for(&table, &mut template, hostname);
    }
    let keys = Login::of_table(&table);
    let probe = |target: &Target<'_>| {
        let (shown, request) = join(target, &table, &template, &keys)?;
        Some((shown, Spec::Http(Box::new(Http { request }))))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

/// The host without the port behind it.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Asks for a host other than the target's; the module may have said the same, and nothing else.
fn ask_for(table: &Table<'_>, template: &mut Request, hostname: &str) {
    let Ok(value) = HeaderValue::from_str(hostname) else {
        return table.fail("the hostname cannot be sent in a header");
    };
    match template.headers.iter().find(|field| field.name == header::HOST) {
        Some(field) if field.value != value => {
            table.fail("the module has a header `Host` of its own, and it is another one than the hostname asked for");
        }
        Some(_) => {}
        None => template.headers.push(Field { name: header::HOST, value, secret: false }),
    }
}

/// A target and the keys together, and the target as results show it.
pub(super) fn join(
    target: &Target<'_>,
    table: &Table<'_>,
    template: &Request,
    keys: &Login,
) -> Option<(String, Request)> {
    let (url, mut login) = read_url(target)?;
    let shown = shown(&target.text, &url);
    if template.credentials.is_some() && !(keys.is_empty() && login.is_empty()) {
        let message = "a request has one kind of credentials: username and password, or bearer_token";
        table.fail_at("bearer_token", message);
    }
    // A token may stand in the place of a password, with no name before it.
    if login.password.is_some() && keys.username.is_none() {
        login.username.get_or_insert_default();
    }
    let credentials = login.join(keys, target, table).map(|(username, password)| {
        if username.contains(':') {
            let message = "a username with a colon cannot be sent (RFC 7617)";
            if keys.username.is_some() { table.fail_at("username", message) } else { target.fail(message) }
        }
        Credentials::Basic { username, password }
    });
    let credentials = credentials.or_else(|| template.credentials.clone());
    Some((shown, Request { url, credentials, ..template.clone() }))
}

/// Everything but the target.
pub(super) fn read_template(
    table: &Table<'_>,
    tls: std::sync::Arc<probes::net::tls::Client>,
    redirects: u32,
) -> Request {
    let (body, secret_body) = read_body(table);
    let limit = table.size("body_limit");
    if limit.is_some_and(|limit| limit > LARGEST_BODY_LIMIT) {
        table.fail_at("body_limit", "body_limit is 32MiB at most: what is searched is held in memory");
    }
    Request {
        method: table.parsed("method", read_method).unwrap_or(Method::GET),
        headers: read_headers(table),
        body: body.into(),
        secret_body,
        credentials: read_bearer(table),
        max_redirects: table
            .integer("max_redirects", 0..MOST_REDIRECTS + 1)
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or(redirects),
        versions: table.parsed("http_version", read_versions).unwrap_or_default(),
        proxy: read_proxy(table),
        compression: table.boolean("compression").unwrap_or(true),
        body_limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_BODY_LIMIT),
        rules: read_rules(table),
        ..defaults(tls, redirects)
    }
}

/// A request of which no key was given.
pub(super) fn defaults(tls: std::sync::Arc<probes::net::tls::Client>, redirects: u32) -> Request {
    Request {
        // Every target puts its own here.
        url: Url::parse("http://localhost/").unwrap_or_else(|error| unreachable!("a literal URL parses: {error}")),
        method: Method::GET,
        headers: Vec::new(),
        body: Vec::new().into(),
        secret_body: false,
        credentials: None,
        max_redirects: redirects,
        versions: Versions::default(),
        proxy: None,
        compression: true,
        body_limit: DEFAULT_BODY_LIMIT,
        rules: Rules::default(),
        tls,
    }
}

/// The URL without credentials, and the credentials that were in it.
fn read_url(target: &Target<'_>) -> Option<(Url, Login)> {
    let help = "an HTTP target is a URL such as https://shop.example.com/";
    let mut url = match Url::parse(&target.text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            target.fail_with_help("the target is no URL: it has no scheme", help);
            return None;
        }
        Err(error) => {
            target.fail_with_help(format!("the target is no URL: {error}"), help);
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        target.fail_with_help(format!("the scheme `{}` is neither http nor https", url.scheme()), help);
        return None;
    }
    if url.port() == Some(0) {
        target.fail_with_help("the target has the port 0, which nothing can listen on", help);
        return None;
    }
    if !exchange::fits_a_request(&url) {
        target.fail("the target is longer than a request can carry (64 KiB)");
        return None;
    }
    if has_no_authority(&target.text) {
        target.fail_with_help("the target names no host", help);
        return None;
    }
    if !url.host().is_none_or(|host| target.can_be_looked_up(&host.into())) {
        return None;
    }
    let login = Login::of_url(url.username(), url.password().unwrap_or_default());
    // Only URLs without a host refuse this, and this one has one.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    Some((url, login))
}

/// `http:///x` names no host, although URL parsers mend it to one named `x`.
fn has_no_authority(text: &str) -> bool {
    text.split_once(':').is_some_and(|(_, rest)| !rest.starts_with("//") || rest.starts_with("///"))
}

/// The target as results show it: as it was written, with the password masked.
fn shown(text: &str, bare: &Url) -> String {
    let Ok(url) = Url::parse(text) else { return bare.to_string() };
    if url.password().is_none() {
        return text.to_owned();
    }
    let rest = &bare[url::Position::BeforeHost..];
    format!("{}://{}:{MASK}@{rest}", url.scheme(), url.username())
}

fn read_method(text: &str) -> Result<Method, String> {
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no HTTP method"))?;
    if method == Method::CONNECT {
        return Err("CONNECT opens a tunnel: name the proxy in `proxy`".to_owned());
    }
    Ok(method)
}

fn read_versions(text: &str) -> Result<Versions, String> {
    match text {
        "auto" => Ok(Versions::Auto),
        "1.1" => Ok(Versions::Http1),
        "2" => Ok(Versions::Http2),
        _ => Err(format!("`{text}` is none of \"auto\", \"1.1\" and \"2\"")),
    }
}

fn read_headers(table: &Table<'_>) -> Vec<Field> {
    let mut fields = Vec::new();
    for (name, item) in table.table("headers").map(Table::secret_entries).unwrap_or_default() {
        let Some(Text { value, secret }) = item.text() else { continue };
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            (Ok(header::CONTENT_LENGTH), Ok(_)) => {
                item.fail_name(format!("`{name}` is the agent's to write"), "it counts the body that it sends");
            }
            (Ok(name), Ok(_)) if fields.iter().any(|field: &Field| field.name == name) => {
                item.fail_name(format!("the header `{name}` stands twice, in different spellings"), "write it once");
            }
            (Ok(name), Ok(mut value)) => {
                let secret = secret || is_secret_name(name.as_str());
                if secret && let Ok(text) = value.to_str() {
                    item.mark_secret();
                    item.document().hide_header(text);
                }
                value.set_sensitive(secret);
                fields.push(Field { name, value, secret });
            }
            (Err(_), _) => item.fail_name(format!("`{name}` is no header name"), HEADER_HELP),
            (_, Err(_)) => item.fail_with_help(
                format!("the header `{name}` has a value that cannot be sent"),
                "a value has no line breaks and no other control characters",
            ),
        }
    }
    fields
}

fn read_body(table: &Table<'_>) -> (Vec<u8>, bool) {
    let text = table.text("body");
    let file = table.take("body_file");
    if let (Some(_), Some(item)) = (&text, &file) {
        item.fail("a request has one body: `body` or `body_file`");
    }
    if let Some(Text { value, secret }) = text {
        return (value.into_bytes(), secret);
    }
    let Some(item) = file else { return (Vec::new(), false) };
    let Some(path) = item.text() else { return (Vec::new(), false) };
    match read_file(&item.path(&path.value)) {
        Ok(bytes) => (bytes, false),
        Err(error) => {
            item.fail(format!("the file `{}` cannot be read: {error}", path.value));
            (Vec::new(), false)
        }
    }
}

/// The key `bearer_token`.
fn read_bearer(table: &Table<'_>) -> Option<Credentials> {
    let token = table.secret("bearer_token")?;
    if HeaderValue::from_str(&token.value).is_err() {
        table.fail_at("bearer_token", "the bearer_token cannot be sent in a header");
    }
    Some(Credentials::Bearer(Secret::new(token.value)))
}

fn read_proxy(table: &Table<'_>) -> Option<Proxy> {
    let item = table.take("proxy")?;
    let text = item.text()?.value;
    let help = "a proxy is http://host:port";
    let url = match Url::parse(&text) {
        Ok(url) if url.scheme() == "http" && !has_no_authority(&text) => url,
        Ok(_) => {
            item.fail_with_help("the proxy is no http URL", help);
            return None;
        }
        Err(error) => {
            item.fail_with_help(format!("the proxy is no URL: {error}"), help);
            return None;
        }
    };
    let login = Login::of_url(url.username(), url.password().unwrap_or_default());
    let authorization = (!login.is_empty()).then(|| {
        let username = login.username.unwrap_or_default();
        let password = login.password.unwrap_or_else(|| Secret::new(""));
        item.document().hide_basic(&username, password.expose());
        Secret::new(format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{}", password.expose()))))
    });
    Some(Proxy { endpoint: Endpoint::of_url(&url)?, authorization })
}

fn read_rules(table: &Table<'_>) -> Rules {
    let present = table.parsed("match_rule", |text| match text {
        "contains" => Ok(true),
        "absent" => Ok(false),
        _ => Err(format!("`{text}` is none of \"contains\" and \"absent\"")),
    });
    let text = table.text("match").map(|text| TextRule { text: text.value, present: present.unwrap_or(true) });
    if text.is_none() && present.is_some() {
        table.fail_at("match_rule", "match_rule says what becomes of `match`, and there is none");
    }
    let statuses = table.texts("expect_status").unwrap_or_default();
    Rules {
        statuses: statuses.iter().filter_map(|(_, item)| item.parsed(str::parse)).collect(),
        text,
        regex: table.parsed("match_regex", regex),
        not_regex: table.parsed("not_match_regex", regex),
        json: read_json(table).into(),
        headers: read_header_rules(table, "match_header"),
        not_headers: read_header_rules(table, "not_match_header"),
        tls: table.boolean("require_tls"),
    }
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| no_regex(&error))
}

/// How often a path descends to any depth, and how often it begins at the root; texts in it do not count.
fn descents_and_roots(path: &str) -> (usize, usize) {
    let mut quote = None;
    let mut escaped = false;
    let mut outside = String::new();
    for letter in path.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None => outside.push(letter),
        }
    }
    (outside.matches("..").count(), outside.matches('$').count())
}

fn read_json(table: &Table<'_>) -> Vec<(JsonPath, serde_json::Value)> {
    let mut rules = Vec::new();
    for (path, item) in table.table("match_json").map(Table::entries).unwrap_or_default() {
        match json_path(path) {
            Ok(path) => rules.extend(item.json().map(|value| (path, value))),
            Err((message, help)) => item.fail_name(message, help),
        }
    }
    rules
}

/// A path into a JSON body, or what is wrong with it and what would be right.
pub(super) fn json_path(path: &str) -> Result<JsonPath, (String, &'static str)> {
    const MOST_DESCENTS: usize = 2;
    let (descents, roots) = descents_and_roots(path);
    match JsonPath::parse(path) {
        // The nodes that each of these leads to multiply, and a page can be made of nodes.
        Ok(_) if descents > MOST_DESCENTS || roots > 1 => Err((
            format!("`{path}` could take longer than any run"),
            "a path has `..` twice at most, and no `$` in a filter",
        )),
        Ok(path) => Ok(path),
        Err(error) => Err((format!("`{path}` is no JSONPath: {error}"), "RFC 9535, as in \"$.status\"")),
    }
}

fn read_header_rules(table: &Table<'_>, key: &'static str) -> Vec<HeaderRule> {
    let mut rules = Vec::new();
    for (name, item) in table.table(key).map(Table::entries).unwrap_or_default() {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => rules.extend(item.parsed(regex).map(|regex| HeaderRule { name, regex })),
            Err(_) => item.fail_name(format!("`{name}` is no header name"), HEADER_HELP),
        }
    }
    rules
}
