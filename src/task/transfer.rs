//! The table `[task.transfer]`.
//!
//! What is wrong with the URL, the source or the files of TLS is no mistake of the task here: the book has codes for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use probes::exchange::Versions;
use probes::fault::{Failure, Local};
use probes::net::tls;
use probes::secret::{Secret, mask_url, password_of_url};
use probes::spec::Spec;
use probes::transfer::place::{Place, Scheme, UserInfo};
use probes::transfer::supply::{LARGEST_FETCHED, Source};
use probes::transfer::{Download, FtpOptions, HttpOptions, Login, Transfer, Upload, Work};

use super::ftp::{ANONYMOUS, ANONYMOUS_PASSWORD};
use super::login;
use super::tls as encryption;
use super::{Around, Specs, Target};
use crate::reader::{Item, Table};

/// TLS, or what stands in its way: here that is a result.
type Client = Result<Arc<tls::Client>, Failure<Local>>;

/// How long the first byte of a response may take.
const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// More connections than this to one server are an attack.
const MOST_CONNECTIONS: u64 = 16;

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = encryption::read(around.tls.as_ref());
    let client = encryption.client.map_err(|obstacles| obstacles.first.failure);
    let Some(table) = around.task.table("transfer") else { return Specs { probes: Vec::new(), trust: None } };
    // What a source is fetched with: neither the pins nor the identity that are meant for the target.
    let trusting = tls::Settings { anchors: encryption.trust.clone(), ..tls::Settings::default() };
    let plain = tls::Client::new(trusting).map_or_else(|_| client.clone(), |plain| Ok(Arc::new(plain)));
    let unverified = around.tls.as_ref().and_then(|tls| tls.boolean("verify")) == Some(false);
    let trusts_as_host = encryption.trust.is_none() && !unverified;
    let keys = Keys { trusts_as_host, ..read_keys(&table, &client, &plain) };
    let probe = |target: &Target<'_>| (shown(&target.text), Spec::Transfer(Box::new(keys.join(target, &table))));
    Specs { probes: targets.iter().map(probe).collect(), trust: encryption.trust }
}

/// The target as results show it: with the password masked, even where it is no URL.
fn shown(text: &str) -> String {
    mask_url(text)
}

/// Everything but the target.
struct Keys {
    taken: Vec<Scheme>,
    work: Work,
    login: login::Login,
    account: Option<Secret>,
    tls: Client,
    trusts_as_host: bool,
    http: HttpOptions,
    ftp: FtpOptions,
    response_timeout: Duration,
}

fn read_keys(table: &Table<'_>, tls: &Client, plain: &Client) -> Keys {
    let response_timeout = table.duration("response_timeout").unwrap_or(DEFAULT_RESPONSE_TIMEOUT);
    let http = HttpOptions {
        versions: table.parsed("http_version", read_versions).unwrap_or(Versions::Http1),
        follow_redirects: table.boolean("follow_redirects").unwrap_or(true),
        header_contains: not_empty(table, "header_contains"),
    };
    let ftp = FtpOptions {
        explicit: table.parsed("ftp_tls", read_explicit).unwrap_or(false),
        epsv: table.boolean("epsv").unwrap_or(true),
    };
    let taken = read_schemes(table);
    let work = read_work(table, plain, &http, ftp, response_timeout);
    let login = login::Login::of_lines(table);
    let account = login::line(table, "account", table.secret("account")).map(Secret::new);
    Keys { taken, work, login, account, tls: tls.clone(), trusts_as_host: true, http, ftp, response_timeout }
}

/// A text that would say nothing if it were empty.
fn not_empty(table: &Table<'_>, key: &'static str) -> Option<String> {
    let text = table.text(key)?.value;
    if text.is_empty() {
        table.fail_at(key, format!("`{key}` is empty; without the key there is none"));
    }
    Some(text)
}

fn read_versions(text: &str) -> Result<Versions, String> {
    match text {
        "auto" => Ok(Versions::Auto),
        "1.1" => Ok(Versions::Http1),
        "2" => Ok(Versions::Http2),
        _ => Err(format!("`{text}` is none of \"auto\", \"1.1\" and \"2\"")),
    }
}

fn read_explicit(text: &str) -> Result<bool, String> {
    match text {
        "none" => Ok(false),
        "explicit" => Ok(true),
        _ => Err(format!("`{text}` is none of \"none\" and \"explicit\"; ftps:// is implicit TLS")),
    }
}

fn read_schemes(table: &Table<'_>) -> Vec<Scheme> {
    let Some(texts) = table.texts("protocols") else { return Scheme::ALL.to_vec() };
    if texts.is_empty() {
        table.fail_at("protocols", "the list is empty; without the key all four are taken");
    }
    let read = |text: &str| {
        Scheme::parse(text).ok_or_else(|| format!("`{text}` is none of \"http\", \"https\", \"ftp\" and \"ftps\""))
    };
    texts.iter().filter_map(|(_, item)| item.parsed(read)).collect()
}

fn read_work(table: &Table<'_>, tls: &Client, http: &HttpOptions, ftp: FtpOptions, response_timeout: Duration) -> Work {
    let direction = table.parsed("direction", |text| match text {
        "download" => Ok(false),
        "upload" => Ok(true),
        _ => Err(format!("`{text}` is none of \"download\" and \"upload\"")),
    });
    let size = table.size("size");
    if direction.unwrap_or(false) {
        refuse(table, &["connections", "md5", "save_to", "decode", "allow_empty"], "a download, and this is an upload");
        return Work::Upload(read_upload(table, size, tls, http, ftp, response_timeout));
    }
    refuse(table, &["source", "source_md5", "method"], "an upload, and this is a download");
    let connections = table.integer("connections", 1..MOST_CONNECTIONS + 1).unwrap_or(1);
    Work::Download(Download {
        connections: usize::try_from(connections).unwrap_or(1),
        size,
        md5: table.parsed("md5", read_md5),
        save_to: not_empty(table, "save_to").map(|path| table.path("save_to", &path)),
        decode: table.boolean("decode").unwrap_or(false),
        allow_empty: table.boolean("allow_empty").unwrap_or(false),
        limit: None,
    })
}

/// Keys of the other direction would be forgotten in silence.
fn refuse(table: &Table<'_>, keys: &[&'static str], of: &str) {
    for key in keys {
        if let Some(item) = table.take(key) {
            item.fail(format!("`{key}` is for {of}"));
        }
    }
}

fn read_upload(
    table: &Table<'_>,
    size: Option<u64>,
    tls: &Client,
    http: &HttpOptions,
    ftp: FtpOptions,
    response_timeout: Duration,
) -> Upload {
    let method = table.parsed("method", |text| match text {
        "PUT" => Ok(Method::PUT),
        "POST" => Ok(Method::POST),
        _ => Err(format!("`{text}` is none of \"PUT\" and \"POST\"")),
    });
    let source_md5 = table.parsed("source_md5", read_md5);
    let named = table.take("source");
    let source = match (&named, size) {
        (Some(item), None) => item.text().map(|text| {
            let url = text.value.contains("://");
            if url {
                // As any other transfer, without the demands on this one.
                let http = HttpOptions { header_contains: None, ..http.clone() };
                Source::Url(Box::new(source_of_url(item, &text.value, tls, http, ftp, response_timeout)))
            } else {
                Source::File(item.path(&text.value))
            }
        }),
        (Some(item), Some(_)) => {
            item.fail("an upload has either a `source` or a `size` of bytes to make up");
            None
        }
        (None, Some(size)) => Some(Source::Generated(size)),
        (None, None) => {
            table.fail("an upload needs a `source` (a file or a URL), or the `size` of what to send");
            None
        }
    };
    if let (None, Some(item), true) = (&named, table.take("source_md5"), source_md5.is_some()) {
        item.fail("`source_md5` needs the `source` that it belongs to");
    }
    Upload { source: source.unwrap_or(Source::File(PathBuf::new())), source_md5, method: method.unwrap_or(Method::PUT) }
}

fn source_of_url(
    item: &Item<'_>,
    text: &str,
    tls: &Client,
    http: HttpOptions,
    ftp: FtpOptions,
    response_timeout: Duration,
) -> Transfer {
    let (place, user) = split(Place::parse(text, &Scheme::ALL));
    if let Some(secret) = &user.password {
        item.document().hide(secret);
    }
    let keys = Keys {
        taken: Scheme::ALL.to_vec(),
        work: Work::Download(Download {
            connections: 1,
            size: None,
            md5: None,
            save_to: None,
            decode: false,
            // A source of no bytes is one, as an empty file is.
            allow_empty: true,
            limit: Some(LARGEST_FETCHED),
        }),
        login: login::Login::default(),
        account: None,
        tls: tls.clone(),
        trusts_as_host: true,
        http,
        ftp,
        response_timeout,
    };
    let login = user.username.map(|username| Login {
        username,
        password: Secret::new(user.password.unwrap_or_default()),
        account: None,
    });
    keys.with(place, login)
}

type Read = Result<Place, probes::fault::Failure<probes::transfer::Fault>>;

fn split(read: Result<(Place, UserInfo), probes::fault::Failure<probes::transfer::Fault>>) -> (Read, UserInfo) {
    match read {
        Ok((place, user)) => (Ok(place), user),
        Err(failure) => (Err(failure), UserInfo::default()),
    }
}

/// Demands that a scheme does not meet would be forgotten in silence.
fn refuse_of_other_scheme(table: &Table<'_>, place: &Read, explicit: bool) {
    match place {
        Ok(Place::Ftp(_)) => {
            const OF: &str = "HTTP, and the target is FTP";
            refuse(table, &["header_contains"], OF);
            if table.boolean("decode") == Some(true) {
                refuse(table, &["decode"], OF);
            }
        }
        Ok(Place::Http(_)) if explicit => {
            refuse(table, &["ftp_tls"], "FTP, and the target is HTTP");
        }
        Ok(Place::Http(_)) | Err(_) => {}
    }
}

impl Keys {
    /// These keys at a place.
    fn with(&self, place: Read, login: Option<Login>) -> Transfer {
        let login = login.or_else(|| {
            let ftp = matches!(place, Ok(Place::Ftp(_)));
            ftp.then(|| Login {
                username: ANONYMOUS.to_owned(),
                password: Secret::new(ANONYMOUS_PASSWORD),
                account: self.account.clone(),
            })
        });
        Transfer {
            place,
            work: self.work.clone(),
            login,
            tls: self.tls.clone(),
            trusts_as_host: self.trusts_as_host,
            http: self.http.clone(),
            ftp: self.ftp,
            response_timeout: self.response_timeout,
            progress: Arc::default(),
        }
    }

    /// A target and the keys together.
    fn join(&self, target: &Target<'_>, table: &Table<'_>) -> Transfer {
        let (place, user) = split(Place::parse(&target.text, &self.taken));
        refuse_of_other_scheme(table, &place, self.ftp.explicit);
        let of_url = login::Login { username: user.username, password: user.password.map(Secret::new) };
        if let Some(password) = &of_url.password {
            target.item.document().hide(password.expose());
        }
        let login = of_url.join(&self.login, target, table).map(|(username, password)| {
            // As for those who name nobody (RFC 1635).
            let nameless = matches!(username.as_str(), ANONYMOUS | "ftp") && password.expose().is_empty();
            let password = if nameless { Secret::new(ANONYMOUS_PASSWORD) } else { password };
            Login { username, password, account: self.account.clone() }
        });
        // What was no URL may hold a password all the same.
        if let (true, Some(password)) = (place.is_err(), password_of_url(&target.text)) {
            target.item.document().hide(&target.text[password]);
        }
        self.with(place, login)
    }
}

/// 32 hex digits.
fn read_md5(text: &str) -> Result<[u8; 16], String> {
    let bad = || "an MD5 is 32 hex digits".to_owned();
    let mut hash = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return Err(bad());
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        let digits = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(pair, 16).ok().filter(|_| digits).ok_or_else(bad)?;
    }
    Ok(hash)
}
