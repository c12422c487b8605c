//! The settings of a host: config/agent.toml.

pub mod daemon;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use probes::net::policy::{Entry, Internal, Policy};
use probes::net::{Host, resolve};

use crate::reader::{Document, Problems, Source, Table};
use crate::resolver;

/// What a host says to every task.
#[derive(Debug, Default)]
pub struct Settings {
    /// Joined to every task's own labels.
    pub labels: BTreeMap<String, String>,
    /// Files and patterns of task files.
    pub tasks: Vec<PathBuf>,
    /// Which addresses may be contacted.
    pub policy: Policy,
    /// The source address for IPv4.
    pub source_ipv4: Option<Ipv4Addr>,
    /// The source address for IPv6.
    pub source_ipv6: Option<Ipv6Addr>,
    /// The interface to send through.
    pub interface: Option<String>,
    /// How names become addresses where a task does not say.
    pub resolver: resolve::Settings,
    /// The keys of `[resolver]` that say something, as TOML has their values, for task files that stand alone.
    pub resolver_keys: Vec<(String, String)>,
    /// What only the daemon acts on.
    pub daemon: daemon::Settings,
}

/// Where a settings file that does not say has its tasks, seen from its own folder.
const DEFAULT_TASKS: &str = "tasks/*.toml";

impl Settings {
    /// Reads a settings file.
    pub fn read_file(path: &Path) -> Result<Self, Problems> {
        Self::read(Source::read(path).map_err(|problem| Problems(vec![problem]))?)
    }

    /// Reads settings from a text.
    pub fn read(source: Source) -> Result<Self, Problems> {
        let document = Document::new(source);
        let settings = document.read(|root| read_root(&root));
        let problems = document.into_problems();
        if problems.is_empty() { Ok(settings.unwrap_or_default()) } else { Err(problems) }
    }

    /// The host as the probes see it.
    #[must_use]
    pub fn host(&self) -> Host {
        let mut host = Host::default();
        host.policy = self.policy.clone();
        host.source_ipv4 = self.source_ipv4;
        host.source_ipv6 = self.source_ipv6;
        host.interface.clone_from(&self.interface);
        host
    }
}

fn read_root(root: &Table<'_>) -> Settings {
    let mut settings = Settings { tasks: vec![root.document().path(DEFAULT_TASKS)], ..Settings::default() };
    for (key, item) in root.table("labels").map(Table::entries).unwrap_or_default() {
        if let Some(text) = item.text().filter(|text| !text.value.is_empty()) {
            settings.labels.insert(key.to_owned(), text.value);
        }
    }
    if let Some(files) = root.table("tasks").and_then(|tasks| tasks.texts("files")) {
        settings.tasks = files.iter().map(|(text, _)| root.document().path(&text.value)).collect();
    }
    if let Some(policy) = root.table("policy") {
        settings.policy = read_policy(&policy);
    }
    if let Some(network) = root.table("network") {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        settings.source_ipv4 = address(&network, "source_ipv4", "IPv4");
        settings.source_ipv6 = address(&network, "source_ipv6", "IPv6");
        settings.interface = given(network.text("interface").map(|text| text.value));
    }
    settings.daemon = daemon::read(root);
    if let Some(resolver) = root.table("resolver") {
        settings.resolver = resolver::read(&resolver, &resolve::Settings::default());
        settings.resolver_keys = resolver::written(&resolver);
    }
    settings
}

fn read_policy(table: &Table<'_>) -> Policy {
    let internal = table.parsed("internal", |text| match text {
        "local" => Ok(Internal::Local),
        "allow" => Ok(Internal::Allow),
        "deny" => Ok(Internal::Deny),
        _ => Err(format!("`{text}` is none of local, allow, deny")),
    });
    let entries = |key| -> Vec<Entry> {
        let texts = table.texts(key).unwrap_or_default();
        texts.iter().filter_map(|(_, item)| item.parsed(str::parse)).collect()
    };
    Policy { internal: internal.unwrap_or_default(), allow: entries("allow"), deny: entries("deny") }
}

/// An address; empty for the kernel's choice.
fn address<A: std::str::FromStr>(table: &Table<'_>, key: &'static str, family: &str) -> Option<A> {
    table.parsed(key, |text| match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| format!("`{text}` is no {family} address")),
    })?
}
