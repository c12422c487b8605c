//! Task files: TOML in, runnable probes out. Everything that can be wrong with a task is found here, before
//! anything is sent; it never looks like a broken server.

mod api;
mod definition;
mod dns;
mod ftp;
mod http;
mod login;
mod module;
mod object;
mod payload;
mod ping;
mod pop3;
mod service;
mod smtp;
mod tcp;
mod tls;
mod transfer;
mod udp;
mod url;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use probes::codes::Protocol;
use probes::net::policy::Demand;
use probes::net::resolve::check_name;
use probes::net::{Conditions, Host, Limits};
use probes::outcome::{Identity, Outcome};
use probes::spec::Spec;

use crate::reader::{Document, Item, Problem, Problems, Source, Table, Text, read_text};
use crate::resolver;
use crate::settings::Settings;
use definition::Definition;
pub use module::{Asked, Module};
pub use url::read_url;

/// One task: what to probe, how and how often.
#[derive(Debug)]
pub struct Task {
    /// Unique within the files read together.
    pub name: String,
    /// How often the daemon runs it; 60 s.
    pub interval: Duration,
    /// Further attempts after a failed one; 0.
    pub retries: u32,
    /// One probe for each target; none makes the task a module for `/probe`.
    pub probes: Vec<Probe>,
    /// What `/probe` makes probes of, where there is no target.
    pub module: Option<Module>,
    /// What hinders a daemon alone: a run could outlast the interval, or the results of two targets could not be told apart.
    pub unfit: Option<Problem>,
}

/// One target of a task, ready to run.
#[derive(Debug)]
pub struct Probe {
    /// Who the results belong to.
    pub identity: Identity,
    /// How to run it.
    pub conditions: Conditions,
    /// What to do.
    pub spec: Spec,
    /// The task file that makes this probe, without its secrets.
    pub definition: Arc<str>,
}

impl Probe {
    /// The name of its task and its target as results have them: both may come from the environment, and are secret then.
    #[must_use]
    pub fn shown(&self) -> (String, String) {
        let long = self.conditions.secrets.long();
        (long.strike(&self.identity.task), long.strike(&self.identity.target))
    }

    /// Runs it once.
    pub async fn run(&self, host: &Host) -> Outcome {
        self.spec.run(&self.identity, host, &self.conditions).await
    }
}

/// Without a table of its own saying otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a transfer and of object storage.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_PHASE_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_WARN_CERTIFICATE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Reads the tasks of one file.
pub fn read_file(path: &Path, settings: &Settings) -> Result<Vec<Task>, Problems> {
    let source = Source::read(path).map_err(|problem| Problems(vec![problem]))?;
    read(source, settings)
}

/// Reads the tasks of a text.
pub fn read(source: Source, settings: &Settings) -> Result<Vec<Task>, Problems> {
    let document = Document::new(source);
    let tasks = document.read(|root| {
        let Some(list) = root.take("task") else {
            document.push(Problem::of_file(document.source().name.clone(), "there is no [[task]] in the file"));
            return Vec::new();
        };
        let tables = list.items().unwrap_or_default();
        let mut names = BTreeSet::new();
        let ends = tables.iter().skip(1).map(Item::begin).chain([document.source().text.len()]);
        let task = |(item, end): (&Item<'_>, usize)| {
            let (mut task, protocol) = read_task(item, settings, &mut names, None)?;
            if task.probes.is_empty() {
                task.module = Some(Module::cut(document.source(), protocol, item.begin()..end));
                // Nobody runs it at an interval.
                task.unfit = None;
            }
            Some(task)
        };
        tables.iter().zip(ends).filter_map(task).collect()
    });
    let problems = document.into_problems();
    if problems.is_empty() { Ok(tasks.unwrap_or_default()) } else { Err(problems) }
}

/// Reads the one task of a text that has this name, for a target that the text does not name.
fn read_asked(source: Source, name: &str, asked: &Asked, settings: &Settings) -> Result<Probe, Problems> {
    let file = source.name.clone();
    let document = Document::new(source);
    let probe = document.read(|root| {
        let tables = root.take("task").and_then(|list| list.items()).unwrap_or_default();
        let mut names = BTreeSet::new();
        let tasks = tables.iter().filter_map(|item| read_task(item, settings, &mut names, Some(asked)));
        tasks.map(|(task, _)| task).find(|task| task.name == name).and_then(|mut task| task.probes.pop())
    });
    let problems = document.into_problems();
    match probe.flatten() {
        Some(probe) if problems.is_empty() => Ok(probe),
        None if problems.is_empty() => {
            Err(Problems(vec![Problem::of_file(file, &format!("the module `{name}` cannot probe this target"))]))
        }
        Some(_) | None => Err(problems),
    }
}

/// What a protocol's table may need from the keys around it.
struct Around<'t, 'd> {
    task: &'t Table<'d>,
    tls: Option<Table<'d>>,
    /// How long a run may take.
    timeout: Duration,
    /// The host to ask for, where somebody who asks a module says another one than the target's.
    hostname: Option<&'t str>,
}

/// One target as it was written, with its place.
struct Target<'d> {
    text: String,
    item: Item<'d>,
    /// In a targets file.
    line: Option<usize>,
}

impl Target<'_> {
    fn fail(&self, message: &str) {
        self.item.fail(self.placed(message));
    }

    fn fail_with_help(&self, message: impl AsRef<str>, help: &str) {
        self.item.fail_with_help(self.placed(message.as_ref()), help);
    }

    /// Whether a host can be looked up, if it is a name; if not, that is a mistake.
    fn can_be_looked_up(&self, host: &probes::address::Host) -> bool {
        check_name(host).map_err(|why| self.fail(&why)).is_ok()
    }

    fn placed(&self, message: &str) -> String {
        self.line.map_or_else(|| message.to_owned(), |line| format!("line {line} of the file: {message}"))
    }
}

fn read_task(
    item: &Item<'_>,
    settings: &Settings,
    names: &mut BTreeSet<String>,
    asked: Option<&Asked>,
) -> Option<(Task, Protocol)> {
    let table = item.table("[[task]]".to_owned())?;
    let name = read_name(&table, names);
    let mut targets = read_targets(&table);
    targets.extend(asked.map(|asked| Target { text: asked.target.clone(), item: item.clone(), line: None }));
    let hostname = asked.and_then(|asked| asked.hostname.as_deref());
    let interval = table.duration("interval").unwrap_or(DEFAULT_INTERVAL);
    let retries = table.integer("retries", 0..101).unwrap_or(0);
    let labels = read_labels(&table, settings);
    let warn_after = table.duration("warn_after");
    let warn_certificate = table.duration("warn_certificate").unwrap_or(DEFAULT_WARN_CERTIFICATE);
    let demand = Demand { deny_internal: read_internal(&table), from_network: false };
    let source_ip =
        table.parsed("source_ip", |text| text.parse::<IpAddr>().map_err(|_| format!("`{text}` is no IP address")));
    let resolver = read_resolver(&table, settings);
    // What follows needs the protocol; what came before is checked in any case.
    let protocol = read_protocol(&table);
    let limits = read_limits(&table, protocol);
    let around = Around { tls: table.table("tls"), task: &table, timeout: limits.timeout, hostname };
    let protocol = protocol?;
    tls::refuse_strict_shutdown(around.tls.as_ref(), protocol);
    let specs = read_specs(protocol, &around, &targets);
    let trust = specs.trust;
    let conditions = Conditions {
        limits,
        resolver: probes::net::resolve::Settings { anchors: trust, ..resolver },
        source_ip,
        demand,
        secrets: table.document().take_secrets(),
    };
    let name = name?;
    let definition = Definition::new(&table, protocol, &labels, settings, &conditions.secrets);
    let probe = |(place, (target, spec)): (usize, (String, Spec))| Probe {
        identity: Identity { task: name.clone(), target, labels: labels.clone(), warn_after, warn_certificate },
        conditions: conditions.clone(),
        spec,
        definition: definition.of(targets.get(place)).into(),
    };
    let probes: Vec<Probe> = specs.probes.into_iter().enumerate().map(probe).collect();
    let unfit = too_slow(&table, item, limits.timeout, interval).or_else(|| alike(&probes, &targets));
    let retries = u32::try_from(retries).unwrap_or(0);
    Some((Task { name: name.clone(), interval, retries, probes, module: None, unfit }, protocol))
}

/// A run may take longer than the time until the next one.
fn too_slow(table: &Table<'_>, item: &Item<'_>, timeout: Duration, interval: Duration) -> Option<Problem> {
    (timeout > interval).then(|| {
        let place = table.take("timeout").or_else(|| table.take("interval")).unwrap_or_else(|| item.clone());
        place.problem(format!("a run may take {timeout:?}, longer than the interval of {interval:?}"))
    })
}

/// Two targets with one name in results, where secrets and passwords are masked.
fn alike(probes: &[Probe], targets: &[Target<'_>]) -> Option<Problem> {
    let mut names = BTreeSet::new();
    let (place, name) = probes.iter().map(|probe| probe.shown().1).enumerate().find(|(_, name)| {
        // The first one of a name is well.
        !names.insert(name.clone())
    })?;
    let message = format!("another target of the task is shown as `{name}` too, and results could not be told apart");
    targets
        .get(place)
        .map(|target| target.item.problem(target.placed(&message)).with_help("give them tasks of their own".to_owned()))
}

fn read_specs(protocol: Protocol, around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    match protocol {
        Protocol::Http => http::read(around, targets),
        Protocol::Ping => ping::read(around, targets),
        Protocol::Tcp => tcp::read(around, targets),
        Protocol::Udp => udp::read(around, targets),
        Protocol::Dns => dns::read(around, targets),
        Protocol::Smtp => smtp::read(around, targets),
        Protocol::Pop3 => pop3::read(around, targets),
        Protocol::Ftp => ftp::read(around, targets),
        Protocol::Transfer => transfer::read(around, targets),
        Protocol::Api => api::read(around, targets),
        Protocol::Object => object::read(around, targets),
    }
}

/// What a protocol's table came to: a probe for each target, and the trust anchors that the task names.
struct Specs {
    probes: Vec<(String, Spec)>,
    trust: Option<std::sync::Arc<probes::net::verdict::Anchors>>,
}

fn read_name(table: &Table<'_>, names: &mut BTreeSet<String>) -> Option<String> {
    let Some(item) = table.take("name") else {
        table.fail("a task needs a `name`");
        return None;
    };
    let name = item.text()?.value;
    if name.is_empty() {
        item.fail("a name must not be empty");
        return None;
    }
    if !names.insert(name.clone()) {
        item.fail(format!("there is another task with the name `{name}`"));
        return None;
    }
    Some(name)
}

fn read_targets<'d>(table: &Table<'d>) -> Vec<Target<'d>> {
    let single = table.take("target");
    let list = table.take("targets");
    let file = table.take("targets_file");
    if let Some(second) = [&single, &list, &file].into_iter().flatten().nth(1) {
        second.fail("a task has only one of `target`, `targets` and `targets_file`");
    }
    if list.as_ref().and_then(Item::items).is_some_and(|items| items.is_empty())
        && let Some(list) = &list
    {
        list.fail("the list is empty; a task without any target is a module for /probe, and has no `targets`");
    }
    let mut targets = Vec::new();
    let items = list.as_ref().and_then(Item::items).unwrap_or_default();
    for item in single.into_iter().chain(items) {
        if let Some(Text { value, .. }) = item.text() {
            targets.push(Target { text: value, item, line: None });
        }
    }
    if let Some(item) = file
        && let Some(path) = item.text()
    {
        match read_text(&table.document().path(&path.value)) {
            Ok(text) => {
                targets.extend(lines(&text).map(|(line, text)| Target { text, item: item.clone(), line: Some(line) }));
            }
            Err(error) => item.fail(format!("the file `{}` cannot be read: {error}", path.value)),
        }
    }
    targets
}

/// The lines of a targets file with their numbers: one target each, `#` begins a comment.
fn lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let target = |line: &str| {
        let line = line.trim();
        let commented = line.starts_with('#').then_some(0).or_else(|| line.find(" #"));
        line[..commented.unwrap_or(line.len())].trim_end().to_owned()
    };
    text.lines().map(target).enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.is_empty())
}

fn read_labels(table: &Table<'_>, settings: &Settings) -> BTreeMap<String, String> {
    let mut labels = settings.labels.clone();
    for (key, item) in table.table("labels").map(Table::entries).unwrap_or_default() {
        if let Some(text) = item.text() {
            labels.insert(key.to_owned(), text.value);
        }
    }
    labels
}

fn read_internal(table: &Table<'_>) -> bool {
    let deny = |text: &str| match text {
        "deny" => Ok(true),
        _ => Err(format!("`{text}`: a task can only be stricter than its host, with internal = \"deny\"")),
    };
    table.parsed("internal", deny).unwrap_or(false)
}

fn read_limits(table: &Table<'_>, protocol: Option<Protocol>) -> Limits {
    let connect = table.duration("connect_timeout");
    let tls = table.duration("tls_timeout");
    let long = matches!(protocol, Some(Protocol::Transfer | Protocol::Object));
    let timeout = table.duration("timeout").unwrap_or(if long { LONG_TIMEOUT } else { DEFAULT_TIMEOUT });
    // The book cloudmonitor/http gives connect and TLS 30 s together, unless the task sets them.
    // cat-api's end with the step, unless they are set.
    let own = |limit: Option<Duration>| match protocol {
        Some(Protocol::Http | Protocol::Api) => limit,
        _ => limit.or(Some(DEFAULT_PHASE_TIMEOUT)),
    };
    Limits { timeout, connect: own(connect), tls: own(tls), setup: DEFAULT_TIMEOUT }
}

/// How the task resolves names, where it says; else as the host does.
fn read_resolver(table: &Table<'_>, settings: &Settings) -> probes::net::resolve::Settings {
    let Some(resolver) = table.table("resolver") else { return settings.resolver.clone() };
    // For a host an empty list is the default and means the system's; a task that wants those leaves it out.
    if resolver.take("servers").is_some_and(|item| item.items().is_some_and(|servers| servers.is_empty())) {
        resolver.fail_at("servers", "an empty list asks nobody: leave `servers` out to ask those of the host");
    }
    resolver::read(&resolver, &settings.resolver)
}

/// The protocol of a task: the one table it has for it.
fn read_protocol(table: &Table<'_>) -> Option<Protocol> {
    let named: Vec<_> = Protocol::ALL
        .into_iter()
        .filter_map(|protocol| table.take(protocol.name()).map(|item| (protocol, item)))
        .collect();
    for (protocol, item) in named.iter().skip(1) {
        item.fail(format!("a task has one protocol table, and [task.{}] is a second one", protocol.name()));
    }
    if named.is_empty() {
        table.fail("a task needs one protocol table, such as [task.http]");
    }
    named.first().map(|(protocol, _)| *protocol)
}

/// What is wrong with an expression; the library draws it over several lines, of which the last one is the gist.
fn no_regex(error: &regex::Error) -> String {
    let message = error.to_string();
    let gist = message.lines().last().unwrap_or_default();
    format!("this is no regular expression: {}", gist.strip_prefix("error: ").unwrap_or(gist))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_file_has_a_target_a_line() {
        let text = "# shops\nhttps://a.test/#fragment\n\n  https://b.test/  # the second\n#https://c.test/\n";
        let wanted = [(2, "https://a.test/#fragment".to_owned()), (4, "https://b.test/".to_owned())];
        assert_eq!(lines(text).collect::<Vec<_>>(), wanted);
    }
}
