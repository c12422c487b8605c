//! Targets that are servers, with or without a URL around them, and when TLS begins with them.

use probes::address::Endpoint;
use probes::dialogue::Encryption;
use probes::secret::MASK;

use super::Target;
use super::login::Login;
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
    pub(super) login: Login,
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
    if !target.can_be_looked_up(&endpoint.host) {
        return None;
    }
    let shown = match user.and_then(|user| user.split_once(':')) {
        Some((name, _)) => {
            let scheme = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
            format!("{scheme}{name}:{MASK}@{server}{path}")
        }
        None => target.text.clone(),
    };
    let (name, password) = user.map(|user| user.split_once(':').unwrap_or((user, ""))).unwrap_or_default();
    let login = Login::of_url(name, password);
    Some(Server { endpoint, encryption, login, shown, path: path.to_owned() })
}

/// Reads `host:port`, with or without the scheme around it, of a protocol that has no port of its own.
pub(super) fn host_and_port(target: &Target<'_>, scheme: &str, help: &str) -> Option<Endpoint> {
    let text = authority(target, scheme, "port", help)?;
    let read = Endpoint::parse(text, None);
    let endpoint = read.map_err(|error| target.fail_with_help(format!("`{text}`: {error}"), help)).ok()?;
    target.can_be_looked_up(&endpoint.host).then_some(endpoint)
}

/// What stands between the scheme, if there is one, and the end of a target that has nothing more to it.
pub(super) fn authority<'t>(target: &'t Target<'_>, scheme: &str, last: &str, help: &str) -> Option<&'t str> {
    let (own, rest) = target.text.split_once("://").unwrap_or((scheme, &target.text));
    match (own.eq_ignore_ascii_case(scheme), bare(rest, last)) {
        (true, Ok(bare)) => return Some(bare),
        (true, Err(why)) => target.fail_with_help(why, help),
        (false, _) => target.fail_with_help(format!("the scheme `{own}` is not {scheme}"), help),
    }
    None
}

/// A server without anything around it; what is too much is named, but for a password.
pub(super) fn bare<'t>(text: &'t str, last: &str) -> Result<&'t str, String> {
    let (server, behind) = text.split_at(text.find(['/', '?', '#']).unwrap_or(text.len()));
    if text.contains('@') {
        return Err("the target takes no user name and password".to_owned());
    }
    match behind {
        "" | "/" => Ok(server),
        _ => Err(format!("nothing may stand behind the {last}, and `{behind}` does")),
    }
}

fn help(schemes: &Schemes) -> String {
    let (plain, port) = schemes.plain;
    format!(
        "the target is a server, as in {plain}://host.example.com/, {}://host.example.com/ or host.example.com:{port}",
        schemes.tls.0
    )
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
