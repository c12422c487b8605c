//! What the protocols of dialogues have in common: a server with or without a URL around it, TLS, and who logs in.

use percent_encoding::percent_decode_str;
use probes::address::Endpoint;
use probes::dialogue::{Credentials, Encryption, fits_a_line};
use probes::secret::{MASK, Secret};

use super::Target;
use crate::reader::Table;

/// The schemes of a protocol and their ports.
pub(super) struct Schemes {
    /// Begins in clear text.
    pub(super) plain: (&'static str, u16),
    /// Begins with TLS.
    pub(super) tls: (&'static str, u16),
}

/// A target that is a server.
pub(super) struct Server {
    /// Host and port.
    pub(super) endpoint: Endpoint,
    /// When TLS begins.
    pub(super) encryption: Encryption,
    /// Who the URL says logs in.
    pub(super) credentials: Option<Credentials>,
    /// The target without a password.
    pub(super) shown: String,
    /// What stands behind host and port.
    pub(super) path: String,
}

impl Server {
    /// Adds a mistake where something stands behind the server that the protocol has no use for.
    pub(super) fn has_no_path(&self, target: &Target<'_>) {
        if !matches!(self.path.as_str(), "" | "/") {
            target.fail(&format!("nothing may stand behind the server, and `{}` does", self.path));
        }
    }
}

/// Reads `scheme://user:password@host:port/path`, or `host:port`; without a port it is the scheme's.
pub(super) fn read_server(target: &Target<'_>, schemes: &Schemes, wanted: Option<Encryption>) -> Option<Server> {
    let (scheme, rest) = match target.text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, target.text.as_str()),
    };
    let implicit = match scheme.as_deref() {
        Some(scheme) if scheme == schemes.tls.0 => true,
        Some(scheme) if scheme != schemes.plain.0 => {
            target.fail_with_help(
                format!("the scheme `{scheme}` is neither {} nor {}", schemes.plain.0, schemes.tls.0),
                &help(schemes),
            );
            return None;
        }
        _ => false,
    };
    let encryption = match (implicit, wanted) {
        (true, None | Some(Encryption::Implicit)) => Encryption::Implicit,
        (true, Some(_)) => {
            target.fail(&format!("{}:// begins with TLS, and `tls` says otherwise", schemes.tls.0));
            return None;
        }
        (false, wanted) => wanted.unwrap_or_default(),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, server) = match authority.rsplit_once('@') {
        Some((user, server)) => (Some(user), server),
        None => (None, authority),
    };
    let port = if encryption == Encryption::Implicit { schemes.tls.1 } else { schemes.plain.1 };
    let endpoint = match Endpoint::parse(server, Some(port)) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            target.fail_with_help(format!("`{server}`: {error}"), &help(schemes));
            return None;
        }
    };
    let credentials = user.map(url_credentials);
    let shown = match (&credentials, user.and_then(|user| user.split_once(':'))) {
        (Some(_), Some((name, _))) => {
            let scheme = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
            format!("{scheme}{name}:{MASK}@{server}{path}")
        }
        _ => target.text.clone(),
    };
    Some(Server { endpoint, encryption, credentials, shown, path: path.to_owned() })
}

fn help(schemes: &Schemes) -> String {
    let (plain, port) = schemes.plain;
    format!(
        "the target is a server, as in {plain}://host.example.com/, {}://host.example.com/ or host.example.com:{port}",
        schemes.tls.0
    )
}

fn url_credentials(user: &str) -> Credentials {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Credentials { username: decoded(name), password: Secret::new(decoded(password)) }
}

/// The key `tls`.
pub(super) fn read_encryption(table: &Table<'_>, start: &'static str) -> Option<Encryption> {
    table.parsed("tls", |text| match text {
        "none" => Ok(Encryption::None),
        "implicit" => Ok(Encryption::Implicit),
        _ if text == start => Ok(Encryption::StartTls),
        _ => Err(format!("`{text}` is none of \"none\", \"{start}\" and \"implicit\"")),
    })
}

/// The keys `username` and `password`.
pub(super) fn read_credentials(table: &Table<'_>) -> Option<Credentials> {
    let username = table.text("username");
    let password = table.secret("password");
    match (username, password) {
        (Some(username), password) => {
            let password = password.map(|password| password.value).unwrap_or_default();
            Some(Credentials { username: username.value, password: Secret::new(password) })
        }
        (None, Some(_)) => {
            table.fail_at("password", "a password needs a username");
            None
        }
        (None, None) => None,
    }
}

/// The credentials of the URL or of the table, which must fit a line and stay hidden.
pub(super) fn settle_credentials(
    target: &Target<'_>,
    of_url: Option<Credentials>,
    of_table: Option<&Credentials>,
    protocol: &str,
) -> Option<Credentials> {
    if of_url.is_some() && of_table.is_some() {
        target.fail(&format!("credentials stand both in the URL and in [task.{protocol}]"));
    }
    let credentials = of_url.or_else(|| of_table.cloned())?;
    if credentials.username.is_empty() {
        target.fail("the user name is empty");
    }
    if !fits_a_line(&credentials.username) || !fits_a_line(credentials.password.expose()) {
        target.fail("a user name or password with a line end or NUL in it, or of more than 4096 bytes, cannot be sent");
    }
    target.item.document().hide_basic(&credentials.username, credentials.password.expose());
    Some(credentials)
}
