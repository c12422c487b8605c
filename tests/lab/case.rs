//! The case file: peers that misbehave in one way, the task that probes them, and what the agent must say.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::peer::Spec;
use super::script::{Span, Step, parse_span};

/// The keys that must be known before the peers listen, and before places in the text are filled.
#[derive(Debug, Deserialize)]
pub struct Draft {
    /// The peer called `server`.
    server: Option<toml::Value>,
    /// All other peers.
    #[serde(default)]
    peer: BTreeMap<String, toml::Value>,
    /// Commands that need a network of one's own.
    namespace: Option<Vec<String>>,
    /// Commands in a second network behind that one.
    beyond: Option<Vec<String>>,
    /// The tasks as they stand.
    #[serde(default)]
    task: Vec<toml::Value>,
}

impl Draft {
    /// Reads the keys.
    pub fn read(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Every peer by name, as it stands in the file.
    pub fn peers(&self) -> impl Iterator<Item = (&str, &toml::Value)> {
        let server = self.server.iter().map(|value| ("server", value));
        server.chain(self.peer.iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// Whether the case needs a network of its own.
    pub const fn wants_namespace(&self) -> bool {
        self.namespace.is_some() || self.beyond.is_some()
    }

    /// The commands in a second network, if the case needs one.
    pub fn beyond(&self) -> Option<&[String]> {
        self.beyond.as_deref()
    }

    /// A peer that changes the network it is in needs one of its own.
    pub fn check(&self) -> Result<(), String> {
        let changes = |value: &toml::Value| value.get("kind").and_then(toml::Value::as_str) == Some("icmp");
        match self.peers().find(|(_, value)| changes(value)) {
            Some((name, _)) if !self.wants_namespace() => Err(format!("peer {name}: kind icmp needs `namespace = []`")),
            _ => Ok(()),
        }
    }

    /// The time after which the agent must have ended by itself.
    pub fn deadline(&self) -> Duration {
        let timeout = |task: &toml::Value| parse_span(task.get("timeout")?.as_str()?);
        self.task.iter().filter_map(timeout).max().unwrap_or(Duration::from_secs(30))
    }
}

/// A case with every place filled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the agent must say.
    pub expect: Expect,
    #[serde(default, deserialize_with = "script_or_peer")]
    server: Option<Spec>,
    #[serde(default)]
    peer: BTreeMap<String, Spec>,
    /// Further arguments of `agent probe`.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment variables of the agent.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files beside the task file.
    #[serde(default)]
    pub files: BTreeMap<String, Content>,
    /// The text of the agent's configuration, given as `--config`.
    pub config: Option<String>,
    /// Tries these limits of open files, from the first to the last, until the agent gets as far as a verdict.
    pub open_files: Option<[u32; 2]>,
    /// Commands run in the case's own network once the peers listen.
    #[serde(default)]
    pub namespace: Vec<String>,
    /// Commands run in the network behind it, before anything else.
    #[serde(default, rename = "beyond")]
    _beyond: Vec<String>,
    /// The agent has no privileges: it may open unprivileged ICMP sockets (true) or none (false).
    pub icmp_sockets: Option<bool>,
    /// Of a table of cases.
    #[serde(rename = "columns", default)]
    _columns: Vec<toml::Value>,
    #[serde(rename = "rows", default)]
    _rows: Vec<toml::Value>,
    /// The tasks; the agent gets the text itself, from the first `[[task]]` on.
    #[serde(rename = "task", default)]
    _task: Vec<toml::Value>,
}

impl Case {
    /// Every peer by name.
    pub fn peers(&self) -> impl Iterator<Item = (&str, &Spec)> {
        let server = self.server.iter().map(|spec| ("server", spec));
        server.chain(self.peer.iter().map(|(name, spec)| (name.as_str(), spec)))
    }
}

/// What stands in a file beside the task file.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// This text.
    Text(String),
    /// A text many times.
    Repeated {
        /// The text.
        text: String,
        /// How many times.
        times: usize,
    },
}

impl Content {
    /// The text.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Repeated { text, times } => text.repeat(*times),
        }
    }
}

/// A peer is a table; one that only plays a script may be the script alone.
fn script_or_peer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Spec>, D::Error> {
    use serde::de::Error as _;

    let value = toml::Value::deserialize(deserializer)?;
    if value.is_array() {
        let script: Vec<Step> = value.try_into().map_err(D::Error::custom)?;
        return Ok(Some(Spec::scripted(script)));
    }
    value.try_into().map(Some).map_err(D::Error::custom)
}

/// What the agent must say and what its peers must have heard. What is absent here is not compared.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The code; the file is named after it.
    pub code: Option<i64>,
    /// The name of the code, where its number does not tell: it stands twice, or in no row.
    pub name: Option<String>,
    /// Whether the run is a success; `up-` files are.
    pub ok: Option<bool>,
    /// The exit status; 0 for a success, 1 for a failure.
    pub exit: Option<i32>,
    /// The outcome; `ok` for a success, `failed` for a failure.
    pub outcome: Option<String>,
    /// The fault.
    pub fault: Option<String>,
    /// The phase in which the run failed; `none` for null.
    pub phase: Option<String>,
    /// Exactly the phases that were begun.
    pub phases: Option<Vec<String>>,
    /// Whose fault it is.
    pub side: Option<String>,
    /// Values in `evidence` by JSON pointer; `*` in texts stands for anything.
    #[serde(default)]
    pub evidence: BTreeMap<String, toml::Value>,
    /// Lengths of arrays in `evidence`.
    #[serde(default)]
    pub evidence_count: BTreeMap<String, usize>,
    /// Pointers that `evidence` must not have.
    #[serde(default)]
    pub evidence_absent: Vec<String>,
    /// Values in the whole result by JSON pointer.
    #[serde(default)]
    pub result: BTreeMap<String, toml::Value>,
    /// A text that `detail` contains, letters of either case.
    pub detail_contains: Option<String>,
    /// A text that the standard error output contains.
    pub stderr_contains: Option<String>,
    /// Phases that took at least so long, because the peer made them.
    #[serde(default)]
    pub phase_at_least: BTreeMap<String, Span>,
    /// Phases that took less than so long, because the peer's delay was elsewhere.
    #[serde(default)]
    pub phase_below: BTreeMap<String, Span>,
    /// The agent ended within this time, because a deadline said so.
    pub ends_within: Option<Span>,
    /// Lines that peers must have heard.
    #[serde(default, deserialize_with = "lines_by_peer")]
    pub heard: BTreeMap<String, Vec<String>>,
    /// Lines that peers must not have heard.
    #[serde(default, deserialize_with = "lines_by_peer")]
    pub heard_not: BTreeMap<String, Vec<String>>,
    /// All that object storages must keep in the end, a line each.
    #[serde(default, deserialize_with = "lines_by_peer")]
    pub stored: BTreeMap<String, Vec<String>>,
    /// How many connections peers must have seen.
    #[serde(default)]
    pub connections: BTreeMap<String, usize>,
    /// Texts that appear nowhere in what the agent prints.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// The most memory the agent may ever have held.
    pub max_rss_mib: Option<u64>,
}

/// Lines by peer; lines alone are those of `server`.
fn lines_by_peer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Lines {
        Server(Vec<String>),
        Peers(BTreeMap<String, Vec<String>>),
    }
    Ok(match Lines::deserialize(deserializer)? {
        Lines::Server(lines) => BTreeMap::from([("server".to_owned(), lines)]),
        Lines::Peers(lines) => lines,
    })
}

/// The part of a case file that the agent reads: everything from the first `[[task]]` on.
pub fn task_text(text: &str) -> &str {
    text.match_indices("[[task]]")
        .find(|(at, _)| *at == 0 || text[..*at].ends_with('\n'))
        .map_or("", |(at, _)| &text[at..])
}
