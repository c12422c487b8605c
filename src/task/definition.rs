//! The task file that makes one probe again: one task with one target, and no secret in it.
//!
//! It is written from what was read, not copied: comments may hold secrets, and paths lead elsewhere from another
//! folder. What stood there as a secret becomes `{ env = "AGENT_SECRET_N" }`, in the order of the text.

use std::collections::BTreeMap;

use probes::codes::Protocol;
use probes::net::policy::{Internal, Policy};
use probes::secret::{Secrets, password_of_url};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Target;
use crate::reader::{Document, Mark, Table, quoted};
use crate::settings::Settings;

/// What the definitions of one task have in common.
pub(super) struct Definition<'d> {
    document: &'d Document,
    keys: &'d DeTable<'d>,
    protocol: Protocol,
    labels: &'d BTreeMap<String, String>,
    settings: &'d Settings,
    /// The secrets that are looked for inside other texts.
    secrets: Secrets,
}

/// One file while it is written.
struct Writing<'w, 'd> {
    task: &'w Definition<'d>,
    /// What each secret is, in the order of their numbers.
    secrets: Vec<String>,
    text: String,
}

/// A value that stands on the line of its key, or tables of their own.
type Entry<'d> = (&'d str, &'d Spanned<DeValue<'d>>);

impl<'d> Definition<'d> {
    pub(super) fn new(
        table: &Table<'d>,
        protocol: Protocol,
        labels: &'d BTreeMap<String, String>,
        settings: &'d Settings,
        secrets: &Secrets,
    ) -> Self {
        let (document, keys) = (table.document(), table.keys());
        Self { document, keys, protocol, labels, settings, secrets: secrets.long() }
    }

    /// The file for a target; for a task that needs none, without.
    pub(super) fn of(&self, target: Option<&Target<'_>>) -> String {
        let mut writing = Writing { task: self, secrets: Vec::new(), text: "[[task]]\n".to_owned() };
        let of_name = |(name, _): &Entry<'_>| *name == "name";
        let (name, entries): (Vec<_>, Vec<_>) = entries(self.keys).into_iter().partition(of_name);
        writing.leaves("task", &name);
        let password = target.and_then(|target| writing.target(target));
        writing.task(entries, password.as_deref());
        let Writing { secrets, text, .. } = writing;
        let mut head = "# The task that made a run, with its one target.\n".to_owned();
        if !secrets.is_empty() {
            head.push_str("# Its secrets were left out: give them in the environment, as `agent probe` finds them.\n");
            for (index, what) in secrets.iter().enumerate() {
                head.push_str(&format!("#   AGENT_SECRET_{}: {what}\n", index + 1));
            }
        }
        head.push_str(&self.host());
        head + &text
    }

    /// What the settings of the host say that no task can say.
    fn host(&self) -> String {
        let Settings { policy: Policy { internal, allow, deny }, source_ipv4, source_ipv6, interface, .. } =
            self.settings;
        let mut said = Vec::new();
        match internal {
            Internal::Local => {}
            Internal::Allow => said.push("[policy] internal = \"allow\"".to_owned()),
            Internal::Deny => said.push("[policy] internal = \"deny\"".to_owned()),
        }
        for (key, entries) in [("allow", allow), ("deny", deny)] {
            if !entries.is_empty() {
                let entries: Vec<_> = entries.iter().map(|entry| format!("\"{entry}\"")).collect();
                said.push(format!("[policy] {key} = [{}]", entries.join(", ")));
            }
        }
        if !self.keys.contains_key("source_ip") {
            said.extend(source_ipv4.map(|source| format!("[network] source_ipv4 = \"{source}\"")));
            said.extend(source_ipv6.map(|source| format!("[network] source_ipv6 = \"{source}\"")));
        }
        said.extend(interface.as_ref().map(|interface| format!("[network] interface = {}", quoted(interface))));
        if said.is_empty() {
            return String::new();
        }
        let said = said.iter().fold(String::new(), |said, line| said + "#   " + line + "\n");
        format!("# The settings of the host that ran it say more, for `agent probe --config`:\n{said}")
    }

    fn mark(&self, value: &Spanned<DeValue<'_>>) -> Option<Mark> {
        self.document.mark_of(&value.span())
    }

    /// Whether a value is a table that says where a text is.
    fn is_reference(&self, value: &Spanned<DeValue<'_>>) -> bool {
        let says = |table: &DeTable<'_>| table.len() == 1 && (table.contains_key("env") || table.contains_key("file"));
        value.get_ref().as_table().is_some_and(says) && matches!(self.mark(value), Some(Mark::Reference))
    }

    fn is_table(&self, value: &Spanned<DeValue<'_>>) -> bool {
        value.get_ref().is_table() && !self.is_reference(value)
    }

    fn is_list_of_tables(&self, value: &Spanned<DeValue<'_>>) -> bool {
        let list = value.get_ref().as_array();
        list.is_some_and(|list| !list.is_empty() && list.iter().all(|value| self.is_table(value)))
    }
}

impl<'d> Writing<'_, 'd> {
    /// Writes the target; the password of its URL is handed back where the protocol's table has a place for it.
    fn target(&mut self, target: &Target<'_>) -> Option<String> {
        let value = target.line.is_none().then_some(target.item.value());
        let literal = value.is_none_or(DeValue::is_str);
        if !literal && let Some(value) = value {
            let words = self.task.document.reference(value).unwrap_or_default();
            self.text.push_str(&format!("target = {words}\n"));
            return None;
        }
        let takes_password = match self.task.protocol {
            Protocol::Http | Protocol::Smtp | Protocol::Pop3 | Protocol::Ftp | Protocol::Transfer => true,
            Protocol::Ping | Protocol::Tcp | Protocol::Udp | Protocol::Dns | Protocol::Api | Protocol::Object => false,
        };
        let password = password_of_url(&target.text).filter(|password| !password.is_empty());
        if let (true, Some(password)) = (takes_password, password) {
            let without = [&target.text[..password.start - 1], &target.text[password.end..]].concat();
            let secret = self.secret("the password of the target's URL, decoded");
            self.text.push_str(&format!("target = {}\n", quoted(&without)));
            return Some(secret);
        }
        let words = self.string("the target", &target.text, None);
        self.text.push_str(&format!("target = {words}\n"));
        None
    }

    /// Writes the keys of the task that are neither its name nor its target.
    fn task(&mut self, mut entries: Vec<Entry<'d>>, password: Option<&str>) {
        let own =
            |(name, _): &Entry<'_>| !matches!(*name, "target" | "targets" | "targets_file" | "labels" | "resolver");
        entries.retain(own);
        self.leaves("task", &entries);
        if !self.task.labels.is_empty() {
            self.text.push_str("[task.labels]\n");
            let own = self.task.keys.get("labels").and_then(|value| value.get_ref().as_table());
            for (name, text) in self.task.labels {
                let what = format!("the label {name}");
                let value = match own.and_then(|own| own.get(name.as_str())) {
                    Some(value) => self.value(&what, value),
                    None => quoted(text),
                };
                self.text.push_str(&format!("{} = {value}\n", key(name)));
            }
        }
        self.resolver();
        for (name, value) in entries {
            let path = format!("task.{}", key(name));
            let more = (name == self.task.protocol.name()).then_some(password).flatten();
            self.tables(&path, value, more);
        }
    }

    /// The task's own way to resolve names, and what the host says where the task does not.
    fn resolver(&mut self) {
        let own = self.task.keys.get("resolver").and_then(|value| value.get_ref().as_table());
        let of_host: Vec<_> = self.task.settings.resolver_keys.iter().collect();
        let missing = of_host.into_iter().filter(|(name, _)| own.is_none_or(|own| !own.contains_key(name.as_str())));
        let missing: Vec<_> = missing.collect();
        if own.is_none() && missing.is_empty() {
            return;
        }
        self.text.push_str("[task.resolver]\n");
        for (name, value) in missing {
            self.text.push_str(&format!("{name} = {value}\n"));
        }
        if let Some(own) = own {
            let own = entries(own);
            self.leaves("task.resolver", &own);
            for (name, value) in own {
                self.tables(&format!("task.resolver.{}", key(name)), value, None);
            }
        }
    }

    /// The values of a table that stand on a line.
    fn leaves(&mut self, path: &str, entries: &[Entry<'d>]) {
        for (name, value) in entries {
            if !self.task.is_table(value) && !self.task.is_list_of_tables(value) {
                let words = self.value(&format!("{} of [{path}]", key(name)), value);
                self.text.push_str(&format!("{} = {words}\n", key(name)));
            }
        }
    }

    /// A table, or a list of tables, under headers of their own; nothing for any other value.
    fn tables(&mut self, path: &str, value: &'d Spanned<DeValue<'d>>, password: Option<&str>) {
        let (tables, header): (Vec<_>, _) = match value.get_ref() {
            DeValue::Table(table) if self.task.is_table(value) => (vec![table], format!("[{path}]\n")),
            DeValue::Array(list) if self.task.is_list_of_tables(value) => {
                (list.iter().filter_map(|value| value.get_ref().as_table()).collect(), format!("[[{path}]]\n"))
            }
            _ => return,
        };
        for table in tables {
            self.text.push_str(&header);
            if let Some(password) = password {
                self.text.push_str(&format!("password = {password}\n"));
            }
            let entries = entries(table);
            self.leaves(path, &entries);
            for (name, value) in entries {
                self.tables(&format!("{path}.{}", key(name)), value, None);
            }
        }
    }

    /// A value on its line.
    fn value(&mut self, what: &str, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref() {
            DeValue::String(text) => self.string(what, text, self.task.mark(value)),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(list) => {
                let values: Vec<_> = list.iter().map(|value| self.value(what, value)).collect();
                format!("[{}]", values.join(", "))
            }
            DeValue::Table(_) if self.task.is_reference(value) => {
                self.task.document.reference(value.get_ref()).unwrap_or_default()
            }
            DeValue::Table(table) => {
                let entries = entries(table);
                let pairs = entries.iter().map(|(name, value)| format!("{} = {}", key(name), self.value(what, value)));
                let pairs: Vec<_> = pairs.collect();
                if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
            }
        }
    }

    /// A text, unless it is a secret or has one in it.
    fn string(&mut self, what: &str, text: &str, mark: Option<Mark>) -> String {
        let has_secret = || {
            let mut struck = text.to_owned();
            self.task.secrets.strike_in(&mut struck);
            let scheme = text.split_once("://").is_some_and(|(scheme, _)| scheme.chars().all(char::is_alphanumeric));
            struck != text || scheme && password_of_url(text).is_some_and(|password| !password.is_empty())
        };
        match mark {
            Some(Mark::Secret) if self.task.protocol == Protocol::Api && is_all_variables(text) => quoted(text),
            Some(Mark::Secret) => self.secret(what),
            Some(Mark::Path(path)) if !has_secret() => {
                let before = text.strip_suffix(path.as_str()).unwrap_or_default();
                quoted(&(before.to_owned() + &self.task.document.absolute(&path)))
            }
            _ if has_secret() => self.secret(what),
            _ => quoted(text),
        }
    }

    fn secret(&mut self, what: &str) -> String {
        self.secrets.push(what.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect());
        format!("{{ env = \"AGENT_SECRET_{}\" }}", self.secrets.len())
    }
}

/// Whether a text of a step has nothing of its own but the word for the kind of a log-in: its variables come from the
/// steps before.
fn is_all_variables(text: &str) -> bool {
    let (mut own, mut rest) = (String::new(), text);
    while let Some((before, (_, behind))) =
        rest.split_once("{{").and_then(|(before, from)| Some((before, from.split_once("}}")?)))
    {
        own.push_str(before);
        rest = behind;
    }
    let has_variables = rest.len() < text.len();
    own.push_str(rest);
    has_variables && matches!(own.trim().to_ascii_lowercase().as_str(), "" | "basic" | "bearer" | "token")
}

/// The keys of a table in the order of the text.
fn entries<'d>(table: &'d DeTable<'d>) -> Vec<Entry<'d>> {
    let mut entries: Vec<_> = table.iter().map(|(name, value)| (name.span().start, &**name.get_ref(), value)).collect();
    entries.sort_by_key(|(place, ..)| *place);
    entries.into_iter().map(|(_, name, value)| (name, value)).collect()
}

/// A key as TOML has it.
fn key(name: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}
