//! The table `[task.tls]`: files are read and keys are tried here, so that a run finds everything ready.
//!
//! A table can be wrong in two ways. Mistakes of form (a type, an unknown key, versions that cross) are mistakes of the
//! task in every book. What this host cannot set up (a file that is missing, an engine that does not start) is a
//! [`Failure`] of the closed list [`Local`]: for most books that is a mistake as well, at the key that it comes from, and a
//! book with codes for it makes the first one, in the order of that list, the result of its run.

mod files;

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use probes::codes::Protocol;
use probes::fault::{Failure, Local};
use probes::net::tls::{self, Client, Revocation, Settings, SetupError, Version};
use probes::net::verdict::Anchors;
use rustls::pki_types::ServerName;

use crate::reader::{Item, Table};

/// What a task's TLS came to.
///
/// A book with codes for obstacles takes `client.map_err(|obstacles| obstacles.first.failure)`, all others `ready()`.
pub(super) struct Tls<'d> {
    /// For the probes of the task, or what stands in the way.
    pub(super) client: Result<Arc<Client>, Obstacles<'d>>,
    /// The trust anchors that the task names.
    pub(super) trust: Option<Arc<Anchors>>,
}

/// Everything that stands in the way.
pub(super) struct Obstacles<'d> {
    /// The one that decides where only one can.
    pub(super) first: Obstacle<'d>,
    others: Vec<Obstacle<'d>>,
}

/// TLS that is ready for runs.
pub(super) struct Ready {
    /// For the probes of the task.
    pub(super) client: Arc<Client>,
    /// The trust anchors that the task names.
    pub(super) trust: Option<Arc<Anchors>>,
}

/// What cannot be set up on this host, and the key that asks for it.
pub(super) struct Obstacle<'d> {
    /// What it is.
    pub(super) failure: Failure<Local>,
    item: Item<'d>,
}

impl Tls<'_> {
    /// For a book without codes for it: what cannot be set up is a mistake at its place, and a client without demands
    /// stands in, so that the rest of the task is read as well.
    pub(super) fn ready(self) -> Ready {
        let client = self.client.unwrap_or_else(|obstacles| {
            for Obstacle { failure, item } in std::iter::once(obstacles.first).chain(obstacles.others) {
                item.fail(failure.detail);
            }
            Arc::default()
        });
        Ready { client, trust: self.trust }
    }
}

/// Reads the table, or makes the defaults of none.
pub(super) fn read<'d>(table: Option<&Table<'d>>) -> Tls<'d> {
    read_for(table, None)
}

/// The same for a host that a certificate must be for where the table names none.
pub(super) fn read_for<'d>(table: Option<&Table<'d>>, hostname: Option<&str>) -> Tls<'d> {
    let server_name = hostname.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    let Some(table) = table else {
        let named = |_| Client::new(Settings { server_name: server_name.clone(), ..Settings::default() }).ok();
        let client = server_name.as_ref().and_then(named).map(Arc::new).unwrap_or_default();
        return Tls { client: Ok(client), trust: None };
    };
    let mut reading = Reading::default();
    let mut settings = reading.settings(table);
    settings.server_name = settings.server_name.or(server_name);
    let trust = settings.anchors.clone();
    let client = Client::new(settings).unwrap_or_else(|error| {
        reading.note_setup(table, error);
        Client::default()
    });
    let rank = |obstacle: &Obstacle<'_>| Local::ALL.iter().position(|local| *local == obstacle.failure.fault);
    reading.obstacles.sort_by_key(rank);
    let mut obstacles = reading.obstacles.into_iter();
    let client = match obstacles.next() {
        Some(first) => Err(Obstacles { first, others: obstacles.collect() }),
        None => Ok(Arc::new(client)),
    };
    Tls { client, trust }
}

/// Demands of a protocol that does not meet them are refused, not forgotten.
pub(super) fn refuse_strict_shutdown(table: Option<&Table<'_>>, protocol: Protocol) {
    let Some(table) = table else { return };
    let met = matches!(protocol, Protocol::Http | Protocol::Tcp | Protocol::Transfer);
    if !met && table.boolean("strict_shutdown") == Some(true) {
        let protocol = protocol.name();
        table.fail_at("strict_shutdown", format!("a strict end of TLS cannot be demanded of [task.{protocol}]"));
    }
}

/// A table under way, and what stood in the way so far.
#[derive(Default)]
struct Reading<'d> {
    obstacles: Vec<Obstacle<'d>>,
}

impl<'d> Reading<'d> {
    fn note(&mut self, item: Item<'d>, failure: Failure<Local>) {
        self.obstacles.push(Obstacle { failure, item });
    }

    /// The value of what could be set up.
    fn take<T>(&mut self, item: &Item<'d>, result: Result<T, Failure<Local>>) -> Option<T> {
        result.map_err(|failure| self.note(item.clone(), failure)).ok()
    }

    fn note_setup(&mut self, table: &Table<'d>, error: SetupError) {
        let (fault, detail, keys): (_, _, &[&'static str]) = match error {
            SetupError::NoVersion => return table.fail_at("min_version", "min_version is newer than max_version"),
            SetupError::NoCipher => {
                (Local::NoCipher, "none of `ciphers` is a suite that can be used with these versions", &["ciphers"])
            }
            // Without a word about versions there are suites for them.
            SetupError::Library => {
                (Local::Library, "the TLS library has no suite for these versions", &["min_version", "max_version"])
            }
        };
        match keys.iter().find_map(|key| table.take(key)) {
            Some(item) => self.note(item, Failure::new(fault, detail)),
            None => table.fail(detail),
        }
    }

    fn settings(&mut self, table: &Table<'d>) -> Settings {
        let defaults = Settings::default();
        let verify = table.boolean("verify").unwrap_or(defaults.verify);
        let engine = self.engine(table);
        Settings {
            anchors: self.file(table, "ca_file", files::anchors),
            crls: self.file(table, "crl_file", files::revocation_lists).unwrap_or_default(),
            identity: files::identity(self, table, engine.as_ref()),
            server_name: table.parsed("server_name", |text| {
                ServerName::try_from(text.to_owned())
                    .map_err(|_| format!("`{text}` is no name that a certificate can have"))
            }),
            min_version: table.parsed("min_version", version).unwrap_or(defaults.min_version),
            max_version: table.parsed("max_version", version).unwrap_or(defaults.max_version),
            ciphers: table.texts("ciphers").unwrap_or_default().into_iter().map(|(text, _)| text.value).collect(),
            verify,
            cert_sha256: table.parsed("cert_sha256", fingerprint),
            pins: table.texts("pins").unwrap_or_default().iter().filter_map(|(_, item)| item.parsed(pin)).collect(),
            issuer: table.take("issuer_cert").and_then(|item| files::issuer(&item)),
            revocation: revocation(table, verify),
            verify_status: table.boolean("verify_status").unwrap_or(false),
            strict_shutdown: table.boolean("strict_shutdown").unwrap_or(false),
        }
    }

    /// A file that a key names, read.
    fn file<T>(
        &mut self,
        table: &Table<'d>,
        key: &'static str,
        read: impl FnOnce(&Item<'d>, &str) -> Result<T, Failure<Local>>,
    ) -> Option<T> {
        let item = table.take(key)?;
        let path = item.text()?.value;
        let read = read(&item, &path);
        self.take(&item, read)
    }

    /// The engine: the library's own, or a PKCS#11 module, which is started.
    fn engine(&mut self, table: &Table<'d>) -> Option<tls::Engine> {
        let named = table.take("engine").and_then(|item| Some((item.text()?.value, item)));
        let mut engine = None;
        let mut fips = tls::is_fips();
        if let Some((name, item)) = &named {
            if let Some(module) = name.strip_prefix("pkcs11:") {
                engine = self.take(item, tls::Engine::load(&item.path(module)));
                fips = false;
            } else if !tls::is_engine(name) {
                let detail =
                    format!("there is no TLS engine `{name}`: it is \"{}\" or \"pkcs11:/path/module.so\"", tls::ENGINE);
                self.note(item.clone(), Failure::new(Local::EngineUnknown, detail));
            }
        }
        if table.boolean("fips") == Some(true)
            && !fips
            && let Some(item) = table.take("fips")
        {
            let name = named.as_ref().map_or(tls::ENGINE, |(name, _)| name);
            let detail = format!("the engine `{name}` of this build of the agent does not work in FIPS mode");
            self.note(item, Failure::new(Local::EngineUnfit, detail));
        }
        engine
    }
}

/// Whether it must be known that certificates are not revoked.
fn revocation(table: &Table<'_>, verify: bool) -> Revocation {
    let wanted = table.parsed("revocation", |text| match text {
        "off" => Ok(Revocation::Off),
        "require" => Ok(Revocation::Require),
        _ => Err(format!("`{text}` is neither \"off\" nor \"require\"")),
    });
    if wanted == Some(Revocation::Require) && !verify {
        table.fail_at(
            "revocation",
            "revocation = \"require\" needs verify = true: there is no proven path to ask about",
        );
    }
    wanted.unwrap_or_default()
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "1.2" => Ok(Version::Tls12),
        "1.3" => Ok(Version::Tls13),
        _ => Err(format!("`{text}` is none of the versions \"1.2\" and \"1.3\"")),
    }
}

/// 64 hex digits, with or without colons.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let bad = || "a SHA-256 is 64 hex digits".to_owned();
    let digits: Vec<char> = text.chars().filter(|letter| *letter != ':').collect();
    if digits.len() != 64 {
        return Err(bad());
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        let value = |digit: char| digit.to_digit(16).and_then(|value| u8::try_from(value).ok());
        let (high, low) = (value(pair[0]).ok_or_else(bad)?, value(pair[1]).ok_or_else(bad)?);
        *byte = high << 4 | low;
    }
    Ok(hash)
}

/// `sha256//` and the Base64 of a public key's SHA-256, as curl's --pinnedpubkey.
fn pin(text: &str) -> Result<[u8; 32], String> {
    let bad = || format!("`{text}` is no pin: write sha256// and the Base64 of the public key's SHA-256");
    let encoded = text.strip_prefix("sha256//").ok_or_else(bad)?;
    BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::{Document, Source};

    /// The first obstacle of a table, as the book of transfers takes it, and the lines of all mistakes, as others do.
    fn obstacles(text: &str) -> (Option<Local>, Vec<String>) {
        let both = |text: &str| {
            let document = Document::new(Source::inline("t", text.to_owned()));
            let first = document.read(|root| {
                let client = read(root.table("tls").as_ref()).client;
                client.map_err(|obstacles| obstacles.first.failure.fault).err()
            });
            let document = Document::new(Source::inline("t", text.to_owned()));
            document.read(|root| drop(read(root.table("tls").as_ref()).ready()));
            (first.flatten(), document.into_problems().0.iter().map(ToString::to_string).collect())
        };
        both(&format!("[tls]\n{text}\n"))
    }

    #[test]
    fn the_first_obstacle_is_that_of_the_documented_order() {
        let rows = [
            ("crl_file = '/none'", "", Some(Local::CrlFile)),
            ("client_cert = '/none'", "crl_file = '/none'", Some(Local::CrlFile)),
            ("ca_file = '/none'", "crl_file = '/none'", Some(Local::CaFile)),
            ("ciphers = ['RC4-MD5']", "ca_file = '/none'", Some(Local::NoCipher)),
            ("fips = true", "ciphers = ['RC4-MD5']", Some(Local::EngineUnfit)),
            ("engine = 'pkcs11:/dev/null'", "fips = true", Some(Local::EngineFails)),
            ("engine = 'pkcs11:/none'", "fips = true", Some(Local::EngineUnknown)),
            ("client_cert = '/none'", "client_key = '/dev/null'", Some(Local::IdentityAbsent)),
            ("client_cert = '/dev/null'", "client_key = '/dev/null'", Some(Local::IdentityUnusable)),
            ("verify = true", "", None),
        ];
        for (one, other, wanted) in rows {
            for text in [format!("{one}\n{other}"), format!("{other}\n{one}")] {
                let (first, problems) = obstacles(&text);
                assert_eq!(first, wanted, "{text}");
                let all = text.lines().filter(|line| !line.is_empty() && !line.starts_with("verify")).count();
                assert_eq!(problems.len(), all, "{text}: {problems:?}");
            }
        }
    }

    #[test]
    fn mistakes_of_form_are_no_obstacles() {
        let rows = [
            "verify = 1",
            "no_such_key = 1",
            "min_version = '1.3'\nmax_version = '1.2'",
            "min_version = '1.1'",
            "cert_sha256 = '00'",
            "pins = ['sha256//']",
            "revocation = 'maybe'",
            "verify = false\nrevocation = 'require'",
            "client_key = '/none'",
            "client_cert = '/none'\nclient_key = 'pkcs11:object=a'",
        ];
        for text in rows {
            let (first, problems) = obstacles(text);
            assert_eq!((first, problems.len()), (None, 1), "{text}: {problems:?}");
        }
    }

    #[test]
    fn fingerprints_and_pins_are_thirty_two_bytes() {
        assert_eq!(fingerprint(&"0a".repeat(32)), Ok([10; 32]));
        assert_eq!(fingerprint(&["0A"; 32].join(":")), Ok([10; 32]));
        for text in ["", "0a", &"0g".repeat(32), &"é".repeat(64)] {
            assert!(fingerprint(text).is_err(), "{text}");
        }
        assert_eq!(pin(&format!("sha256//{}", BASE64_STANDARD.encode([7; 32]))), Ok([7; 32]));
        for text in ["sha256//", "sha256//AAAA", "AAAA"] {
            assert!(pin(text).is_err(), "{text}");
        }
    }
}
