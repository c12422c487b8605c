//! The table `[task.ftp]`, and the URLs `ftp://` and `ftps://` (RFC 1738 section 3.2).

use std::sync::Arc;

use probes::address::Endpoint;
use probes::ftp::{Ftp, Path};
use probes::ftp_control::{self, Encryption, Server};
use probes::net::tls::Client;
use probes::secret::Secret;
use probes::spec::Spec;

use super::login::{Login, line, line_of_url};
use super::service::{Schemes, Written};
use super::{Around, Specs, Target, tls};
use crate::reader::Table;

const SCHEMES: Schemes = Schemes {
    plain: ("ftp", 21),
    tls: ("ftps", 990),
    // RFC 1738 knows no query here.
    ends: &['/'],
    help: "an FTP target is ftp://host/path, ftps://host/path or host:port",
};

/// Who logs in without a user name, and with what (RFC 1635).
pub(super) const ANONYMOUS: &str = "anonymous";
pub(super) const ANONYMOUS_PASSWORD: &str = "ftp@example.com";

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref()).ready();
    let table = around.task.table("ftp");
    let Some(table) = table else { return Specs { probes: Vec::new(), trust: None } };
    let keys = Keys::read(&table);
    let probe = |target: &Target<'_>| {
        let written = Written::read(target, &SCHEMES)?;
        let shown = written.shown.clone();
        Some((shown, Spec::Ftp(keys.join(target, written, &table, &encryption.client)?)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

/// The keys of the table.
struct Keys {
    encryption: Option<Encryption>,
    login: Login,
    account: Option<Secret>,
    path: Option<String>,
}

impl Keys {
    fn read(table: &Table<'_>) -> Self {
        Self {
            encryption: table.parsed("tls", |text| match text {
                "none" => Ok(Encryption::None),
                "explicit" => Ok(Encryption::Explicit),
                "implicit" => Ok(Encryption::Implicit),
                _ => Err(format!("`{text}` is none of \"none\", \"explicit\" and \"implicit\"")),
            }),
            login: Login::of_lines(table),
            account: line(table, "account", table.secret("account")).map(Secret::new),
            path: line(table, "path", table.text("path")),
        }
    }

    /// A target and the keys together.
    fn join(&self, target: &Target<'_>, written: Written, table: &Table<'_>, client: &Arc<Client>) -> Option<Ftp> {
        let encryption = self.encryption(target, written.secure)?;
        let endpoint = endpoint(target, &written, encryption)?;
        let path = read_path(target, &written.path);
        if path.is_some() && self.path.is_some() {
            table.fail_at("path", "the path stands both in the URL and in [task.ftp]");
        }
        let path = path.as_ref().or(self.path.as_ref());
        Some(Ftp {
            server: Server { endpoint, encryption, tls: client.clone() },
            path: Path::new(path.map_or("", String::as_str)),
            login: self.login(target, written.login, table),
        })
    }

    fn encryption(&self, target: &Target<'_>, secure: Option<bool>) -> Option<Encryption> {
        match (secure, self.encryption) {
            (Some(true), Some(Encryption::None)) => {
                target.fail("the scheme ftps means TLS, and [task.ftp] has tls = \"none\"");
                None
            }
            (Some(true), None) => Some(Encryption::Implicit),
            (_, named) => Some(named.unwrap_or_default()),
        }
    }

    fn login(&self, target: &Target<'_>, url: Login, table: &Table<'_>) -> ftp_control::Login {
        url.refuse_twice(&self.login, table);
        if url.password.is_some() && url.username.is_none() && self.login.username.is_none() {
            target.fail("the username is empty");
        }
        let username = url.username.or_else(|| self.login.username.clone()).unwrap_or_else(|| ANONYMOUS.to_owned());
        let default = if matches!(username.as_str(), ANONYMOUS | "ftp") { ANONYMOUS_PASSWORD } else { "" };
        let password = url.password.or_else(|| self.login.password.clone()).unwrap_or_else(|| Secret::new(default));
        ftp_control::Login { username, password, account: self.account.clone() }
    }
}

fn endpoint(target: &Target<'_>, written: &Written, encryption: Encryption) -> Option<Endpoint> {
    if written.secure.is_none() && !written.path.is_empty() {
        target.fail_with_help("a path needs a scheme before it", SCHEMES.help);
        return None;
    }
    let (_, port) = if encryption == Encryption::Implicit { SCHEMES.tls } else { SCHEMES.plain };
    written.endpoint(target, port, &SCHEMES)
}

/// The path behind the slash that ends the authority; none if nothing is there.
fn read_path(target: &Target<'_>, path: &str) -> Option<String> {
    if path.contains('#') {
        target.fail_with_help("the path has a `#`", "in a URL it is written %23");
        return None;
    }
    if path.to_ascii_lowercase().contains(";type=") {
        target.fail_with_help(
            "the path has a `;type=`",
            "a path that ends in / is a directory; of all others the server is asked, and files come as they are",
        );
        return None;
    }
    line_of_url(target, "path", path.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Source;
    use crate::settings::Settings;

    /// The login and path of a target with these keys.
    fn read(target: &str, keys: &str) -> Result<(String, Ftp), String> {
        let text = format!("[[task]]\nname = \"name\"\ntarget = {target:?}\n[task.ftp]\n{keys}");
        let mut tasks = crate::task::read(Source::inline("test", text), &Settings::default())
            .map_err(|problems| problems.to_string())?;
        let probe = tasks.remove(0).probes.remove(0);
        match probe.spec {
            Spec::Ftp(ftp) => Ok((probe.identity.target, ftp)),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_target_and_keys_become_a_server_and_a_login() {
        let rows = [
            ("ftp.test", "", "ftp.test:21 None anonymous ftp@example.com"),
            ("ftp://ftp.test", "", "ftp.test:21 None anonymous ftp@example.com"),
            ("FTPS://ftp.test/", "", "ftp.test:990 Implicit anonymous ftp@example.com"),
            ("ftps://ftp.test/", "tls = \"explicit\"", "ftp.test:21 Explicit anonymous ftp@example.com"),
            ("0x7f.1:2121", "tls = \"implicit\"", "127.0.0.1:2121 Implicit anonymous ftp@example.com"),
            ("ftp://bob:p%40w@[::1]:21/a", "", "[::1]:21 None bob p@w"),
            ("ftp://bob@ftp.test/", "", "ftp.test:21 None bob "),
            ("ftp://bob@ftp.test/", "password = \"pw\"", "ftp.test:21 None bob pw"),
            ("ftp.test", "username = \"bob\"\npassword = \"pw\"", "ftp.test:21 None bob pw"),
        ];
        for (target, keys, wanted) in rows {
            let (_, Ftp { server, login, .. }) = read(target, keys).unwrap_or_else(|error| panic!("{target}: {error}"));
            let (username, password) = (login.username, login.password.expose());
            assert_eq!(
                format!("{} {:?} {username} {password}", server.endpoint, server.encryption),
                wanted,
                "{target}"
            );
        }
    }

    #[test]
    fn paths_of_urls_begin_at_the_log_in_and_keys_are_taken_as_they_are() {
        let rows = [
            ("ftp://ftp.test/dir/file", "", "dir/file"),
            ("ftp://ftp.test/%2Fetc/motd?x", "", "/etc/motd?x"),
            ("ftp://ftp.test/a%20b/", "", "a b/"),
            ("ftp://ftp.test/", "path = \"/pub/\"", "/pub/"),
            ("ftp://ftp.test/", "", ""),
        ];
        for (target, keys, path) in rows {
            let (_, ftp) = read(target, keys).unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!(ftp.path, Path::new(path), "{target}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let (shown, ftp) = read("ftp://bob:hidden@ftp.test:2121/x", "").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(shown, "ftp://bob:***@ftp.test:2121/x");
        assert!(!format!("{ftp:?}").contains("hidden"));
    }

    #[test]
    fn what_cannot_be_a_task_is_refused() {
        let rows = [
            ("http://ftp.test/", "", "neither ftp nor ftps"),
            ("ftp:///x", "", "the host is not usable"),
            ("ftp://ftp.test:0/", "", "no number from 1 to 65535"),
            ("ftp://ftp.test/a%0D%0ADELE%20b", "", "the path has a line end"),
            ("ftp://a%0Ab:c@ftp.test/", "", "the username has a line end"),
            ("ftp://a:c%00@ftp.test/", "", "the password has a line end or NUL"),
            ("ftp://ftp.test/%ff", "", "not UTF-8"),
            ("ftp://ftp.test/a#b", "", "`#`"),
            ("ftp://ftp.test/a;type=a", "", ";type="),
            ("ftps://ftp.test/", "tls = \"none\"", "the scheme ftps means TLS"),
            ("ftp://a:b@ftp.test/", "username = \"c\"", "the username stands both"),
            ("ftp://a:b@ftp.test/", "password = \"c\"", "the password stands both"),
            ("ftp://:b@ftp.test/", "", "the username is empty"),
            ("ftp://ftp.test/a", "path = \"b\"", "the path stands both"),
            ("ftp.test", "path = \"a\\nb\"", "path becomes part of a command"),
            ("ftp.test", "account = \"a\\r\"", "account becomes part of a command"),
            ("ftp.test", "tls = \"yes\"", "none of"),
        ];
        for (target, keys, wanted) in rows {
            let problem = read(target, keys).expect_err(target);
            assert!(problem.contains(wanted), "{target} {keys}: {problem}");
        }
    }
}
