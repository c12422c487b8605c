//! The URL of a transfer: whether it is one, of which scheme, and where it leads (RFC 3986, RFC 1738 section 3.2).

use percent_encoding::percent_decode_str;
use url::Url;

use crate::address::Endpoint;
use crate::dialogue::{fits_a_line, is_one_line};
use crate::exchange::fits_a_request;
use crate::fault::Failure;

use super::{Fault, Task};

/// How a transfer is spoken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// `http://`
    Http,
    /// `https://`
    Https,
    /// `ftp://`
    Ftp,
    /// `ftps://`: TLS from the beginning.
    Ftps,
}

impl Scheme {
    /// Every scheme of a transfer.
    pub const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Ftp, Self::Ftps];

    /// The name before `://`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ftp => "ftp",
            Self::Ftps => "ftps",
        }
    }

    /// Reads the name, in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(text))
    }
}

/// Where a transfer begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A resource of a web server; the URL has no credentials.
    Http(Url),
    /// A file of an FTP server.
    Ftp(FtpPlace),
}

/// A file of an FTP server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FtpPlace {
    /// Host and port.
    pub endpoint: Endpoint,
    /// Whether the URL names the port.
    pub has_port: bool,
    /// Whether TLS begins with the connection, unless the task says otherwise.
    pub implicit: bool,
    /// The directory to go to; that of the log-in if absent.
    pub directory: Option<Vec<u8>>,
    /// The file; empty for none.
    pub name: Vec<u8>,
}

/// Credentials as they stand in a URL, decoded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserInfo {
    /// The user name; none if it is empty.
    pub username: Option<String>,
    /// The password; none if it is empty.
    pub password: Option<String>,
}

fn no_url(detail: impl Into<String>) -> Failure<Fault> {
    Failure { fault: Fault::Task(Task::UrlInvalid), detail: detail.into(), errno: None }
}

impl Place {
    /// Reads a target: first whether it is a URL, then its scheme, then whether the task takes that.
    pub fn parse(text: &str, taken: &[Scheme]) -> Result<(Self, UserInfo), Failure<Fault>> {
        let (name, rest) = split_scheme(text).ok_or_else(|| no_url("the target is no URL: it has no scheme"))?;
        let Some(scheme) = Scheme::parse(name) else {
            Url::parse(text).map_err(|error| no_url(format!("the target is no URL: {error}")))?;
            let detail = format!("the scheme `{name}` is none of http, https, ftp and ftps");
            return Err(Failure { fault: Fault::Task(Task::SchemeUnknown), detail, errno: None });
        };
        let read = match scheme {
            Scheme::Http | Scheme::Https => read_http(text, rest),
            Scheme::Ftp | Scheme::Ftps => read_ftp(scheme, rest),
        }?;
        if taken.contains(&scheme) {
            return Ok(read);
        }
        let names: Vec<_> = taken.iter().map(|scheme| scheme.name()).collect();
        let detail = format!("the scheme is {}, and the task takes {} only", scheme.name(), names.join(", "));
        Err(Failure { fault: Fault::Task(Task::SchemeNotTaken), detail, errno: None })
    }

    /// The host and port it begins with.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Http(url) => Endpoint::of_url(url),
            Self::Ftp(place) => Some(place.endpoint.clone()),
        }
    }
}

/// The scheme of a URL (RFC 3986 section 3.1) and what follows its colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.trim().split_once(':')?;
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    let goes_on = letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.'));
    (begins && goes_on).then_some((name, rest))
}

/// What stands between `//` and the path; an empty authority names no host, although URL parsers mend it.
fn authority(rest: &str) -> Result<(&str, &str), Failure<Fault>> {
    let rest = rest.strip_prefix("//").ok_or_else(|| no_url("the target has no `//` and so no host"))?;
    let (authority, path) = rest.split_at(rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.is_empty() || host.starts_with(':') {
        Err(no_url("the target names no host"))
    } else {
        Ok((authority, path))
    }
}

fn read_http(text: &str, rest: &str) -> Result<(Place, UserInfo), Failure<Fault>> {
    authority(rest)?;
    let mut url = Url::parse(text).map_err(|error| no_url(format!("the target is no URL: {error}")))?;
    if url.port() == Some(0) {
        return Err(no_url("the target has the port 0, which nothing can listen on"));
    }
    if !fits_a_request(&url) {
        return Err(no_url("the target is longer than a request can carry (64 KiB)"));
    }
    let user = UserInfo::decoded(url.username(), url.password().unwrap_or_default())?;
    // Only URLs without a host refuse this, and this one has one.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    Ok((Place::Http(url), user))
}

fn read_ftp(scheme: Scheme, rest: &str) -> Result<(Place, UserInfo), Failure<Fault>> {
    let (authority, path) = authority(rest)?;
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let (username, password) = user.split_once(':').unwrap_or((user, ""));
    let implicit = scheme == Scheme::Ftps;
    // The task may want AUTH TLS on the usual port of a `ftps` URL; then the port is none that stands here.
    // A port may be left empty (RFC 3986 section 3.2.3).
    let host = host.strip_suffix(':').unwrap_or(host);
    let endpoint = Endpoint::parse(host, Some(if implicit { IMPLICIT_PORT } else { PORT }))
        .map_err(|error| no_url(format!("the target is no URL: {error}")))?;
    // `[::1]` has colons of its own.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let user = UserInfo::decoded(username, password)?;
    if user.username.iter().chain(&user.password).any(|part| !fits_a_line(part)) {
        return Err(no_url(
            "the user name or the password has a line end or NUL in it, or over 4096 bytes, once it is decoded",
        ));
    }
    let path = path.split('#').next().unwrap_or_default();
    let path = without_type(path)?;
    let mut parts = path.split('/').skip(1).map(decoded).collect::<Result<Vec<_>, _>>()?;
    let last = parts.pop().unwrap_or_default();
    // A slash that was written %2F belongs to the path all the same, and what stands before it to the directory.
    let (above, name) = match last.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (Some(last[..at].to_vec()), last[at + 1..].to_vec()),
        None => (None, last),
    };
    parts.extend(above);
    // An empty first one is the root.
    let directory = (!parts.is_empty()).then(|| match parts.join(&b'/') {
        root if root.is_empty() => b"/".to_vec(),
        path => path,
    });
    Ok((Place::Ftp(FtpPlace { endpoint, has_port, implicit, directory, name }), user))
}

/// RFC 959 section 8 and RFC 4217 section 16.
pub const PORT: u16 = 21;
/// The port of TLS from the beginning.
pub const IMPLICIT_PORT: u16 = 990;

/// One part of the path of an FTP URL; it becomes part of a command.
fn decoded(part: &str) -> Result<Vec<u8>, Failure<Fault>> {
    let bytes: Vec<u8> = percent_decode_str(part).collect();
    if is_one_line(&bytes) {
        Ok(bytes)
    } else {
        Err(no_url("the path has a line end or NUL in it, once it is decoded"))
    }
}

/// Files are sent as they are; `;type=i` says so (RFC 1738 section 3.2.2). What is encoded belongs to the name.
fn without_type(path: &str) -> Result<&str, Failure<Fault>> {
    const TYPE: &str = ";type=";
    let lower = path.to_ascii_lowercase();
    let name = lower.rfind('/').unwrap_or(0);
    match lower[name..].rfind(TYPE).map(|at| name + at).map(|at| (at, &lower[at + TYPE.len()..])) {
        None => Ok(path),
        Some((at, "i")) => Ok(&path[..at]),
        Some(_) => Err(no_url("files are transferred as they are: the only type of an FTP URL is `;type=i`")),
    }
}

impl UserInfo {
    /// What cannot be decoded could not be recognised where a peer shows it.
    fn decoded(username: &str, password: &str) -> Result<Self, Failure<Fault>> {
        let part = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(decoded) => Ok((!decoded.is_empty()).then(|| decoded.into_owned())),
            Err(_) => Err(no_url("the user name or the password is not UTF-8 once it is decoded")),
        };
        Ok(Self { username: part(username)?, password: part(password)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Named as _;

    fn fault(text: &str) -> Option<&'static str> {
        Place::parse(text, &[Scheme::Http, Scheme::Ftp, Scheme::Ftps]).err().map(|failure| failure.fault.name())
    }

    #[test]
    fn what_is_no_url_comes_before_the_scheme_and_that_before_what_the_task_takes() {
        let rows = [
            ("", "transfer.url.invalid"),
            ("host/file", "transfer.url.invalid"),
            ("http://[::1/", "transfer.url.invalid"),
            ("http:///x", "transfer.url.invalid"),
            ("http:x", "transfer.url.invalid"),
            ("http://:80/", "transfer.url.invalid"),
            ("https://user@/", "transfer.url.invalid"),
            ("http://h:99999/", "transfer.url.invalid"),
            ("http://h:0/", "transfer.url.invalid"),
            ("https:///x", "transfer.url.invalid"),
            ("ftp:///x", "transfer.url.invalid"),
            ("ftp://h:65536/x", "transfer.url.invalid"),
            ("ftps://[::1/", "transfer.url.invalid"),
            ("ftp://h/a%0d%0aDELE%20b", "transfer.url.invalid"),
            ("ftp://h/a%00", "transfer.url.invalid"),
            ("ftp://a:%ff@h/b", "transfer.url.invalid"),
            ("http://a:%ff@h/b", "transfer.url.invalid"),
            ("ftp://a%0ab:c@h/", "transfer.url.invalid"),
            ("ftp://h/a;type=a", "transfer.url.invalid"),
            ("gopher://[::1/", "transfer.url.invalid"),
            ("gopher://h/", "transfer.url.scheme"),
            ("mailto:a", "transfer.url.scheme"),
            ("ws://127.0.0.1/", "transfer.url.scheme"),
            ("file:///etc/passwd", "transfer.url.scheme"),
            ("https://h/", "transfer.url.not_taken"),
        ];
        for (text, wanted) in rows {
            assert_eq!(fault(text), Some(wanted), "{text}");
        }
        for text in [
            "http://h",
            "HTTP://h:80?x",
            "ftp://h",
            "ftp://h:/f",
            "ftp://h/%ff",
            "ftps://u:p@[::1]:21/a/b",
            "ftp://0x7f.1/%2Fetc/x;type=I",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn the_path_of_an_ftp_url_is_directories_and_a_name() {
        let rows = [
            ("ftp://h", None, ""),
            ("ftp://h/", None, ""),
            ("ftp://h/f", None, "f"),
            ("ftp://h/d/e%20e/f", Some("d/e e"), "f"),
            ("ftp://h/%2Fetc/motd", Some("/etc"), "motd"),
            ("ftp://h/%2Ff", Some("/"), "f"),
            ("ftp://h/a%2Fb", Some("a"), "b"),
            ("ftp://h/d/a%2Fb#c", Some("d/a"), "b"),
            ("ftp://h//etc/motd", Some("/etc"), "motd"),
            ("ftp://h//f", Some("/"), "f"),
            ("ftp://h/d/", Some("d"), ""),
            ("ftp://h/f;type=i", None, "f"),
            ("ftp://h/d;type=a/f", Some("d;type=a"), "f"),
            ("ftp://h/f%3Btype=a", None, "f;type=a"),
        ];
        for (text, directory, name) in rows {
            let Ok((Place::Ftp(place), _)) = Place::parse(text, &Scheme::ALL) else { panic!("{text}") };
            assert_eq!(
                (place.directory.as_deref(), &place.name[..]),
                (directory.map(str::as_bytes), name.as_bytes()),
                "{text}"
            );
        }
    }

    #[test]
    fn users_are_decoded_and_leave_the_url() {
        let Ok((Place::Http(url), user)) = Place::parse("http://u%40:p%3A@h/x", &Scheme::ALL) else { panic!() };
        assert_eq!(url.as_str(), "http://h/x");
        assert_eq!((user.username.as_deref(), user.password.as_deref()), (Some("u@"), Some("p:")));
    }
}
