//! The table `[task.ftp]`, and the URLs `ftp://` and `ftps://` (RFC 1738 section 3.2).

use std::sync::Arc;

use probes::address::Endpoint;
use probes::dialogue::fits_a_line;
use probes::ftp::{Ftp, Path};
use probes::ftp_control::{Encryption, Login, Server};
use probes::net::tls::Client;
use probes::secret::{MASK, Secret};
use probes::spec::Spec;

use super::{Around, Specs, Target, tls};
use crate::reader::{Table, Text};

const TARGET_HELP: &str = "an FTP target is ftp://host/path, ftps://host/path or host:port";

/// Who logs in without a user name, and with what (RFC 1635).
const ANONYMOUS: &str = "anonymous";
const ANONYMOUS_PASSWORD: &str = "ftp@example.com";

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref()).ready();
    let table = around.task.table("ftp");
    let Some(table) = table else { return Specs { probes: Vec::new(), trust: None } };
    let keys = read_keys(&table);
    let probe = |target: &Target<'_>| {
        let address = read_target(target)?;
        let shown = address.shown.clone();
        Some((shown, Spec::Ftp(join(target, address, &keys, &encryption.client)?)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

/// The keys of the table.
struct Keys {
    encryption: Option<Encryption>,
    username: Option<String>,
    password: Option<String>,
    account: Option<Secret>,
    path: Option<String>,
}

fn read_keys(table: &Table<'_>) -> Keys {
    let line = |key: &'static str, text: Option<Text>| {
        if text.as_ref().is_some_and(|text| !fits_a_line(&text.value)) {
            table.fail_at(
                key,
                format!("{key} becomes part of a command: it has no line end and no NUL, and is not long"),
            );
        }
        text.map(|text| text.value)
    };
    Keys {
        encryption: table.parsed("tls", |text| match text {
            "none" => Ok(Encryption::None),
            "explicit" => Ok(Encryption::Explicit),
            "implicit" => Ok(Encryption::Implicit),
            _ => Err(format!("`{text}` is none of \"none\", \"explicit\" and \"implicit\"")),
        }),
        username: line("username", table.text("username")),
        password: line("password", table.secret("password")),
        account: line("account", table.secret("account")).map(Secret::new),
        path: line("path", table.text("path")),
    }
}

/// What a target says.
#[derive(Default)]
struct Address {
    /// As results show it: without the password.
    shown: String,
    /// Whether the scheme is `ftps`; bare hosts have none.
    secure: Option<bool>,
    /// `host` or `host:port`.
    host: String,
    username: Option<String>,
    password: Option<String>,
    path: Option<String>,
}

fn read_target(target: &Target<'_>) -> Option<Address> {
    let Some((scheme, rest)) = target.text.split_once("://") else {
        return Some(Address { shown: target.text.clone(), host: target.text.clone(), ..Address::default() });
    };
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "ftp" => false,
        "ftps" => true,
        _ => {
            target.fail_with_help(format!("the scheme `{scheme}` is neither ftp nor ftps"), TARGET_HELP);
            return None;
        }
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let (username, password) = user.map(|user| user.split_once(':').unwrap_or((user, ""))).unzip();
    let password = password.filter(|password| !password.is_empty());
    let shown = match (username, password) {
        (Some(username), Some(_)) => format!("{scheme}://{username}:{MASK}@{host}{path}"),
        _ => target.text.clone(),
    };
    Some(Address {
        shown,
        secure: Some(secure),
        host: host.to_owned(),
        username: part_of_a_line(target, "user name", username),
        password: part_of_a_line(target, "password", password),
        path: read_path(target, path),
    })
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
    part_of_a_line(target, "path", path.get(1..).filter(|path| !path.is_empty()))
}

/// A part of a URL that becomes part of a command, decoded, if it is there and can be.
fn part_of_a_line(target: &Target<'_>, name: &str, text: Option<&str>) -> Option<String> {
    let wrong = match percent_encoding::percent_decode_str(text?).decode_utf8() {
        Ok(decoded) if fits_a_line(&decoded) => return Some(decoded.into_owned()),
        Ok(_) => "has a line end or NUL once it is decoded, or is too long",
        Err(_) => "is not UTF-8 once it is decoded",
    };
    target.fail(&format!("the {name} {wrong}"));
    None
}

/// A target and the keys together.
fn join(target: &Target<'_>, address: Address, keys: &Keys, client: &Arc<Client>) -> Option<Ftp> {
    refuse_twice(target, &address, keys);
    let encryption = encryption(target, &address, keys)?;
    let endpoint = endpoint(target, &address, encryption)?;
    if let Some(password) = &address.password {
        target.item.document().hide(password);
    }
    let path = address.path.as_ref().or(keys.path.as_ref());
    Some(Ftp {
        server: Server { endpoint, encryption, tls: client.clone() },
        path: Path::new(path.map_or("", String::as_str)),
        login: login(target, address, keys),
    })
}

fn refuse_twice(target: &Target<'_>, address: &Address, keys: &Keys) {
    let twice = [
        ("user name", address.username.is_some() && keys.username.is_some()),
        ("password", address.password.is_some() && keys.password.is_some()),
        ("path", address.path.is_some() && keys.path.is_some()),
    ];
    for (name, _) in twice.iter().filter(|(_, twice)| *twice) {
        target.fail(&format!("a {name} stands both in the URL and in [task.ftp]"));
    }
}

fn encryption(target: &Target<'_>, address: &Address, keys: &Keys) -> Option<Encryption> {
    match (address.secure, keys.encryption) {
        (Some(true), Some(Encryption::None)) => {
            target.fail("the scheme ftps means TLS, and [task.ftp] has tls = \"none\"");
            None
        }
        (Some(true), None) => Some(Encryption::Implicit),
        (_, named) => Some(named.unwrap_or_default()),
    }
}

fn endpoint(target: &Target<'_>, address: &Address, encryption: Encryption) -> Option<Endpoint> {
    let port = if encryption == Encryption::Implicit { 990 } else { 21 };
    match Endpoint::parse(&address.host, Some(port)) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            target.fail_with_help(format!("`{}`: {error}", address.shown), TARGET_HELP);
            None
        }
    }
}

fn login(target: &Target<'_>, address: Address, keys: &Keys) -> Login {
    let username = address.username.or_else(|| keys.username.clone()).unwrap_or_else(|| ANONYMOUS.to_owned());
    if username.is_empty() {
        target.fail("the user name is empty");
    }
    let default = if matches!(username.as_str(), ANONYMOUS | "ftp") { ANONYMOUS_PASSWORD } else { "" };
    let password = address.password.or_else(|| keys.password.clone()).unwrap_or_else(|| default.to_owned());
    Login { username, password: Secret::new(password), account: keys.account.clone() }
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
            ("ftp://a%0Ab:c@ftp.test/", "", "the user name has a line end"),
            ("ftp://a:c%00@ftp.test/", "", "the password has a line end or NUL"),
            ("ftp://ftp.test/%ff", "", "not UTF-8"),
            ("ftp://ftp.test/a#b", "", "`#`"),
            ("ftp://ftp.test/a;type=a", "", ";type="),
            ("ftps://ftp.test/", "tls = \"none\"", "the scheme ftps means TLS"),
            ("ftp://a:b@ftp.test/", "username = \"c\"", "a user name stands both"),
            ("ftp://a:b@ftp.test/", "password = \"c\"", "a password stands both"),
            ("ftp://:b@ftp.test/", "", "the user name is empty"),
            ("ftp://ftp.test/a", "path = \"b\"", "a path stands both"),
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
