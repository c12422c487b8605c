//! The sections of config/agent.toml that only the daemon acts on. They are checked by every verb, so that one file
//! serves all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use probes::codes::Protocol;
use url::Url;

use crate::reader::{Problem, Table};

/// What only the daemon acts on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Where the daemon keeps what must outlast it; absent: `$STATE_DIRECTORY`, else `./var`.
    pub state: Option<PathBuf>,
    /// The results.
    pub store: Store,
    /// Status page, metrics and API.
    pub web: Web,
    /// How many probes run at once.
    pub schedule: Schedule,
    /// URLs of which one must answer, or the agent itself is cut off; none switches the guard off.
    pub guard: Vec<Watched>,
    /// Where failures are sent.
    pub export: Export,
    /// What the daemon says of itself.
    pub log: Log,
}

/// One of `[guard] targets`.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The URL.
    pub url: String,
    /// The place of the URL, for the reason why it is none that can be probed.
    pub place: Problem,
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The file, relative to the state folder.
    pub path: PathBuf,
    /// Older results are removed.
    pub retention: Duration,
    /// The oldest results are removed when the file would grow above so many bytes.
    pub max_size: u64,
}

/// `[web]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate chain and key of HTTPS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// What `Authorization: Bearer` must say.
    pub token: Option<String>,
    /// User name and password of HTTP Basic.
    pub basic: Option<(String, String)>,
}

/// `[schedule]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// How many probes run at once.
    pub concurrency: u32,
    /// How many of one protocol, where that is fewer.
    pub per_protocol: BTreeMap<Protocol, u32>,
}

/// `[export]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// A file that gets one JSON object a line.
    pub jsonl: Option<PathBuf>,
    /// A URL that gets each of them by POST.
    pub webhook: Option<String>,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Log {
    /// The least important thing that is said.
    pub level: Level,
    /// JSON, one object a line, instead of text.
    pub json: bool,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something needs attention.
    Warn,
    /// What happens now and then.
    Info,
    /// What happens in every run.
    Debug,
    /// Everything.
    Trace,
}

impl Default for Store {
    fn default() -> Self {
        let retention = Duration::from_secs(90 * 24 * 60 * 60);
        Self { path: PathBuf::from("agent.db"), retention, max_size: 4 << 30 }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9640)), tls: None, token: None, basic: None }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self { concurrency: 512, per_protocol: BTreeMap::new() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, json: false }
    }
}

impl Settings {
    /// Where the daemon keeps what must outlast it.
    #[must_use]
    pub fn state_folder(&self) -> PathBuf {
        let given = std::env::var("STATE_DIRECTORY").ok().filter(|given| !given.is_empty());
        // The service manager may name several; the first is the one of the unit's name.
        let given = given.and_then(|given| given.split(':').next().map(PathBuf::from));
        self.state.clone().or(given).unwrap_or_else(|| PathBuf::from("var"))
    }

    /// Where the results are.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.state_folder().join(&self.store.path)
    }
}

/// Reads the daemon's sections; a key that is absent has its default.
pub(super) fn read(root: &Table<'_>) -> Settings {
    Settings {
        state: root.table("state").and_then(|state| path(&state, "dir")),
        store: root.table("store").map(|store| read_store(&store)).unwrap_or_default(),
        web: root.table("web").map(|web| read_web(&web)).unwrap_or_default(),
        schedule: root.table("schedule").map(|schedule| read_schedule(&schedule)).unwrap_or_default(),
        guard: root.table("guard").map(|guard| read_guard(&guard)).unwrap_or_default(),
        export: root.table("export").map(|export| read_export(&export)).unwrap_or_default(),
        log: root.table("log").map(|log| read_log(&log)).unwrap_or_default(),
    }
}

/// A path, relative to the file it stands in.
fn path(table: &Table<'_>, key: &'static str) -> Option<PathBuf> {
    let text = table.text(key)?;
    if text.value.is_empty() {
        table.fail_at(key, format!("`{key}` must not be empty"));
        return None;
    }
    Some(table.document().path(&text.value))
}

fn read_store(table: &Table<'_>) -> Store {
    let default = Store::default();
    let path = table.text("path").map(|text| text.value);
    if path.as_deref() == Some("") {
        table.fail_at("path", "`path` must not be empty");
    }
    Store {
        // Relative to the state folder, which is not known here.
        path: path.map_or(default.path, PathBuf::from),
        retention: table.duration("retention").unwrap_or(default.retention),
        max_size: table.size("max_size").unwrap_or(default.max_size),
    }
}

fn read_web(table: &Table<'_>) -> Web {
    let listen = table.parsed("listen", |text| {
        text.parse::<SocketAddr>().map_err(|_| format!("`{text}` is no address and port, as in 127.0.0.1:9640"))
    });
    let tls = path(table, "tls_cert").zip(path(table, "tls_key"));
    let username = table.text("username").map(|text| text.value);
    let basic = username.zip(table.secret("password").map(|text| text.value));
    if basic.as_ref().is_some_and(|(name, _)| name.contains(':')) {
        table.fail_at("username", "a user name of HTTP Basic has no colon (RFC 7617)");
    }
    if basic.as_ref().is_some_and(|(_, password)| password.is_empty()) {
        table.fail_at("password", "an empty password keeps nobody out");
    }
    for (one, other) in [("tls_cert", "tls_key"), ("username", "password")] {
        for (one, other) in [(one, other), (other, one)] {
            if table.has(one) && !table.has(other) {
                table.fail_at(one, format!("`{one}` needs `{other}` beside it"));
            }
        }
    }
    let token = table.secret("token").map(|text| text.value);
    if token.as_deref() == Some("") {
        table.fail_at("token", "an empty token keeps nobody out: leave the key out, or give one");
    }
    Web { listen: listen.unwrap_or(Web::default().listen), tls, token, basic }
}

fn read_schedule(table: &Table<'_>) -> Schedule {
    let limit = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut per_protocol = BTreeMap::new();
    for (name, item) in table.table("per_protocol").map(Table::entries).unwrap_or_default() {
        let number = item.integer(1..u64::from(u32::MAX));
        let Some(protocol) = Protocol::ALL.into_iter().find(|protocol| protocol.name() == name) else {
            let known = Protocol::ALL.map(Protocol::name).join(", ");
            item.fail_name(format!("`{name}` is no protocol"), &format!("the protocols are {known}"));
            continue;
        };
        per_protocol.insert(protocol, number.map_or(1, limit));
    }
    let concurrency = table.integer("concurrency", 1..u64::from(u32::MAX));
    Schedule { concurrency: concurrency.map_or(Schedule::default().concurrency, limit), per_protocol }
}

fn read_guard(table: &Table<'_>) -> Vec<Watched> {
    let texts = table.texts("targets").unwrap_or_default().into_iter();
    let watched = texts
        .map(|(text, item)| Watched { url: text.value, place: item.problem("the guard cannot watch this".to_owned()) });
    watched.collect()
}

fn read_export(table: &Table<'_>) -> Export {
    let webhook = table.secret("webhook").map(|text| text.value);
    if let Some(text) = &webhook
        && !Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    {
        table.fail_at("webhook", "this is no URL that can be posted to, as in https://hooks.example.com/agent");
    }
    Export { jsonl: path(table, "jsonl"), webhook }
}

fn read_log(table: &Table<'_>) -> Log {
    let level = table.parsed("level", |text| match text {
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        _ => Err(format!("`{text}` is none of error, warn, info, debug, trace")),
    });
    let json = table.parsed("format", |text| match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err(format!("`{text}` is none of text, json")),
    });
    Log { level: level.unwrap_or(Level::Info), json: json.unwrap_or(false) }
}
