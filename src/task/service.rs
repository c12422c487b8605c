//! Targets that are servers, with or without a URL around them, and when TLS begins with them.

use probes::address::Endpoint;
use probes::dialogue::Encryption;
use probes::secret::{MASK, mask_url};

use super::Target;
use super::login::Login;
use crate::reader::Table;

/// The schemes of a protocol and their ports.
pub(super) struct Schemes {
    /// Begins in clear text.
    pub(super) plain: (&'static str, u16),
    /// Begins with TLS.
    pub(super) tls: (&'static str, u16),
    /// What ends host and port.
    pub(super) ends: &'static [char],
    /// What a target looks like.
    pub(super) help: &'static str,
}

/// What ends host and port in most URLs.
pub(super) const ENDS: &[char] = &['/', '?', '#'];

/// A target as it is written.
pub(super) struct Written {
    /// Whether the scheme is the one that begins with TLS; none without a scheme.
    pub(super) secure: Option<bool>,
    /// `host` or `host:port`.
    server: String,
    /// Who the URL says logs in.
    pub(super) login: Login,
    /// The target without a password.
    pub(super) shown: String,
    /// What stands behind host and port.
    pub(super) path: String,
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
}

const PASSWORD_HELP: &str = "in a URL a `/`, `?` or `#` of a password is written %2F, %3F or %23";

impl Written {
    /// Reads `scheme://user:password@host:port/path`, or the same without a scheme.
    pub(super) fn read(target: &Target<'_>, schemes: &Schemes) -> Option<Self> {
        let (scheme, rest) = match target.text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, target.text.as_str()),
        };
        let secure = match scheme.map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some(scheme) if scheme == schemes.plain.0 => Some(false),
            Some(scheme) if scheme == schemes.tls.0 => Some(true),
            Some(scheme) => {
                let message = format!("the scheme `{scheme}` is neither {} nor {}", schemes.plain.0, schemes.tls.0);
                target.fail_with_help(message, schemes.help);
                return None;
            }
        };
        let (authority, path) = rest.split_at(rest.find(schemes.ends).unwrap_or(rest.len()));
        let (user, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let shown = if password.is_empty() {
            target.text.clone()
        } else {
            let scheme = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
            format!("{scheme}{name}:{MASK}@{server}{path}")
        };
        let login = Login::of_url_for_lines(target, name, password);
        if let Some(password) = &login.password {
            target.item.document().hide(password.expose());
        }
        Some(Self { secure, server: server.to_owned(), login, shown, path: path.to_owned() })
    }

    /// Host and port.
    pub(super) fn endpoint(&self, target: &Target<'_>, port: u16, schemes: &Schemes) -> Option<Endpoint> {
        let wrong = |error: &dyn std::fmt::Display| {
            let help = if self.path.contains('@') { PASSWORD_HELP } else { schemes.help };
            target.fail_with_help(format!("`{}`: {error}", mask_url(&target.text)), help);
        };
        let endpoint = Endpoint::parse(&self.server, Some(port)).map_err(|error| wrong(&error)).ok()?;
        target.can_be_looked_up(&endpoint.host).then_some(endpoint)
    }

    /// Adds a mistake where something stands behind the server that the protocol has no use for.
    fn refuse_path(&self, target: &Target<'_>) {
        match self.path.as_str() {
            "" | "/" => {}
            // It may be the rest of a password.
            path if path.contains('@') => {
                let message = format!("something stands behind the server in `{}`", mask_url(&target.text));
                target.fail_with_help(message, PASSWORD_HELP);
            }
            path => target.fail(&format!("nothing may stand behind the server, and `{path}` does")),
        }
    }
}

/// Reads a target of which nothing but the server counts; without a port it is the scheme's.
pub(super) fn read_server(target: &Target<'_>, schemes: &Schemes, wanted: Option<Encryption>) -> Option<Server> {
    let written = Written::read(target, schemes)?;
    let encryption = match (written.secure, wanted) {
        (Some(true), None | Some(Encryption::Implicit)) => Encryption::Implicit,
        (Some(true), Some(_)) => {
            target.fail(&format!("{}:// begins with TLS, and `tls` says otherwise", schemes.tls.0));
            return None;
        }
        (_, wanted) => wanted.unwrap_or_default(),
    };
    let port = if encryption == Encryption::Implicit { schemes.tls.1 } else { schemes.plain.1 };
    let endpoint = written.endpoint(target, port, schemes)?;
    written.refuse_path(target);
    Some(Server { endpoint, encryption, login: written.login, shown: written.shown })
}

/// RFC 3986 section 3.1; what else stands before `://` is part of a password.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
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

/// The key `tls`.
pub(super) fn read_encryption(table: &Table<'_>, start: &'static str) -> Option<Encryption> {
    table.parsed("tls", |text| match text {
        "none" => Ok(Encryption::None),
        "implicit" => Ok(Encryption::Implicit),
        _ if text == start => Ok(Encryption::StartTls),
        _ => Err(format!("`{text}` is none of \"none\", \"{start}\" and \"implicit\"")),
    })
}
