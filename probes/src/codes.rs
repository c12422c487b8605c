//! The catalogue: every documented code with its number, names, meaning, trigger and what to do next.
//!
//! The rows come from `catalogue/*.toml` at build time, the one place with numbers and texts. For the codes that the
//! agent itself gives, the build also makes an enum per protocol ([`HttpCode`], [`TcpCode`], …), so that a
//! protocol's `classify` names its row and can name no other.

mod object;

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

pub use object::Layer;

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// One vendor document with codes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Book {
    /// Alibaba CloudMonitor site monitoring.
    Cloudmonitor,
    /// The HTTP statuses that CloudMonitor lists and every book passes on.
    HttpStatus,
    /// Tencent CAT file transfer.
    CatTransfer,
    /// Tencent CAT API monitoring.
    CatApi,
    /// Tencent COS, the files/v1 JSON API.
    Cos,
}

impl Book {
    /// Every book, in the order of the listing.
    pub const ALL: [Self; 5] = [Self::Cloudmonitor, Self::HttpStatus, Self::CatTransfer, Self::CatApi, Self::Cos];

    /// The name in results and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cloudmonitor => "cloudmonitor",
            Self::HttpStatus => "http-status",
            Self::CatTransfer => "cat-transfer",
            Self::CatApi => "cat-api",
            Self::Cos => "cos",
        }
    }
}

/// What a probe speaks; decides the book.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// HTTP and HTTPS.
    Http,
    /// ICMP echo.
    Ping,
    /// A TCP connection, with or without TLS and a conversation.
    Tcp,
    /// UDP datagrams.
    Udp,
    /// DNS queries.
    Dns,
    /// SMTP up to RCPT TO.
    Smtp,
    /// POP3 up to STAT.
    Pop3,
    /// FTP listing or retrieval.
    Ftp,
    /// Measured upload and download over HTTP(S) and FTP(S).
    Transfer,
    /// A sequence of protocol steps.
    Api,
    /// The object storage API.
    Object,
}

impl Protocol {
    /// Every protocol, in the order of the books.
    pub const ALL: [Self; 11] = [
        Self::Http,
        Self::Ping,
        Self::Tcp,
        Self::Udp,
        Self::Dns,
        Self::Smtp,
        Self::Pop3,
        Self::Ftp,
        Self::Transfer,
        Self::Api,
        Self::Object,
    ];

    /// The name in results, task files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Ping => "ping",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Dns => "dns",
            Self::Smtp => "smtp",
            Self::Pop3 => "pop3",
            Self::Ftp => "ftp",
            Self::Transfer => "transfer",
            Self::Api => "api",
            Self::Object => "object",
        }
    }

    /// The book whose codes a probe of this protocol reports.
    #[must_use]
    pub const fn book(self) -> Book {
        match self {
            Self::Http | Self::Ping | Self::Tcp | Self::Udp | Self::Dns | Self::Smtp | Self::Pop3 | Self::Ftp => {
                Book::Cloudmonitor
            }
            Self::Transfer => Book::CatTransfer,
            Self::Api => Book::CatApi,
            Self::Object => Book::Cos,
        }
    }
}

/// Who makes the number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MadeBy {
    /// The agent, from what it saw.
    Agent,
    /// The probed service; the agent recognises it and passes it on.
    Server,
}

/// One row of the catalogue.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The document.
    pub book: Book,
    /// The protocol within the book.
    pub protocol: Protocol,
    /// Object storage: the layer that makes the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<&'static str>,
    /// Object storage: the part of the layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'static str>,
    /// Object storage: the symbolic name on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<&'static str>,
    /// Object storage: the HTTP status it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The documented number.
    #[serde(rename = "code")]
    pub number: i32,
    /// The stable name for machines.
    pub name: &'static str,
    /// The title in English.
    pub title_en: &'static str,
    /// The title in Chinese.
    pub title_zh: &'static str,
    /// What it says to the one who is paged.
    pub meaning: &'static str,
    /// What exactly is seen when this code is given.
    pub trigger: &'static str,
    /// What to do next.
    pub action: &'static str,
    /// Who makes the number.
    pub made_by: MadeBy,
    /// HTTP statuses: whether CloudMonitor counts it as available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// Whether the row is not of the document the book follows, but of a later page of the same vendor.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub extension: bool,
}

/// Every row, book by book.
#[must_use]
pub fn entries() -> &'static [Entry] {
    &ROWS
}

/// The code of one run: a row of the catalogue, a success, or a status or number passed on.
#[derive(Clone, Copy, Debug)]
pub struct Code(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Row(&'static Entry),
    Success,
    Status(u16, Option<&'static Entry>),
    /// What an object store says and its table does not have.
    Unlisted(i32),
}

impl Code {
    /// The number every book but cloudmonitor/http reports for a success.
    const SUCCESS: i32 = 0;

    /// What a success reports where it is not an HTTP status.
    #[must_use]
    pub const fn success() -> Self {
        Self(Kind::Success)
    }

    /// An HTTP status passed on as the code.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let row = ROWS.iter().find(|entry| entry.book == Book::HttpStatus && entry.number == i32::from(status));
        Self(Kind::Status(status, row))
    }

    /// A row of the catalogue.
    #[must_use]
    pub const fn row(entry: &'static Entry) -> Self {
        Self(Kind::Row(entry))
    }

    /// The documented number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self.0 {
            Kind::Row(entry) => entry.number,
            Kind::Success => Self::SUCCESS,
            Kind::Status(status, _) => i32::from(status),
            Kind::Unlisted(number) => number,
        }
    }

    /// The stable name; a status without a row is `http_<n>`, another number without one `cos_<n>`.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self.0 {
            Kind::Row(entry) | Kind::Status(_, Some(entry)) => entry.name.into(),
            Kind::Success => "ok".into(),
            Kind::Status(status, None) => format!("http_{status}").into(),
            Kind::Unlisted(number) => format!("{}_{number}", Book::Cos.name()).into(),
        }
    }

    /// The title in English.
    #[must_use]
    pub fn title(self) -> Cow<'static, str> {
        match self.0 {
            Kind::Row(entry) | Kind::Status(_, Some(entry)) => entry.title_en.into(),
            Kind::Success => "Success".into(),
            Kind::Status(status, None) => format!("HTTP status {status}").into(),
            Kind::Unlisted(number) => format!("{number} of the service, which its table does not have").into(),
        }
    }

    /// The row of the catalogue, where there is one.
    #[must_use]
    pub const fn entry(self) -> Option<&'static Entry> {
        match self.0 {
            Kind::Row(entry) => Some(entry),
            Kind::Success | Kind::Unlisted(_) => None,
            Kind::Status(_, entry) => entry,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(formatter)
    }
}

impl Serialize for Book {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
