//! File transfer: download and upload over HTTP(S) and FTP(S), measured; book `cat-transfer`.
//!
//! The order of looking. The first part that is not in order decides, and within a part the order of its module:
//!
//! | part | what | where |
//! |---|---|---|
//! | P0 | the task: URL, scheme, policy on a literal host, what TLS needs on this host, the source of an upload | [`place`], [`Transfer::run`], [`supply`] |
//! | P1 | the name, which gets 20 s | `hop` |
//! | P2 | the connection | `hop` |
//! | P3 | TLS, with the verdict on the certificates | `hop` |
//! | P4 | sending: what the peer's TCP has acknowledged decides | [`crate::exchange`] |
//! | P5 | waiting and receiving | [`crate::exchange`] |
//! | P6 | redirects | `hop` |
//! | P7 | a final status other than 2xx is the code | `hop` |
//! | P8 | the body: its encoding, its length, its parts | `download`, `ranges` |
//! | P9 | the header text, the MD5 | `verify` |
//! | P10 | the end of TLS, where the task is strict about it | [`Attempt::end_tls`] |
//!
//! FTP has its own order of P1 to P8, the one of its conversation (`ftp`).

mod download;
mod fault;
mod ftp;
mod hop;
mod listing;
pub mod place;
mod ranges;
mod sink;
pub mod supply;
mod table;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::exchange::Versions;
use crate::fault::{Failure, Local};
use crate::net::{Attempt, tls};
use crate::secret::Secret;
pub use fault::{Content, Fault, Leg, Lookup, Redirect, Task, Unsent};
use place::{FtpPlace, Place, Scheme};
use supply::Source;

/// What to transfer, and what to expect of it.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Where to begin, or why that is no place.
    pub place: Result<Place, Failure<Fault>>,
    /// What to do there.
    pub work: Work,
    /// Who the task says it is; sent to the first origin only.
    pub login: Option<Login>,
    /// For `https`, `ftps` and AUTH TLS.
    pub tls: Result<Arc<tls::Client>, Failure<Local>>,
    /// Whether the task leaves it to the host whom to trust.
    pub trusts_as_host: bool,
    /// What only HTTP has.
    pub http: HttpOptions,
    /// What only FTP has.
    pub ftp: FtpOptions,
    /// How long the first byte of a response, or a reply, may take.
    pub response_timeout: Duration,
    /// How far it is, for whoever wants to watch.
    pub progress: Arc<Progress>,
}

/// A direction.
#[derive(Clone, Debug)]
pub enum Work {
    /// From the server.
    Download(Download),
    /// To the server.
    Upload(Upload),
}

/// What to expect of a download.
#[derive(Clone, Debug)]
pub struct Download {
    /// How many connections to spread it over, where the server allows ranges.
    pub connections: usize,
    /// It has at least so many bytes.
    pub size: Option<u64>,
    /// Its MD5.
    pub md5: Option<[u8; 16]>,
    /// Where to write it; nowhere if absent.
    pub save_to: Option<PathBuf>,
    /// Whether to offer and undo compression.
    pub decode: bool,
    /// Whether a response without a byte of body is as good as any.
    pub allow_empty: bool,
    /// No more bytes than this are taken in.
    pub limit: Option<u64>,
}

/// What to upload.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Where the bytes come from.
    pub source: Source,
    /// The MD5 that they must have.
    pub source_md5: Option<[u8; 16]>,
    /// PUT or POST.
    pub method: Method,
}

/// Who logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// FTP: sent with ACCT, if the server asks for it.
    pub account: Option<Secret>,
}

/// What only HTTP has.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The versions to speak.
    pub versions: Versions,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// A text that one header line of the final response must have in it.
    pub header_contains: Option<String>,
}

/// What only FTP has.
#[derive(Clone, Copy, Debug)]
pub struct FtpOptions {
    /// AUTH TLS after the greeting, whatever the scheme.
    pub explicit: bool,
    /// Whether EPSV is tried before PASV.
    pub epsv: bool,
}

/// How far a transfer is.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    over: AtomicBool,
}

impl Progress {
    /// Bytes transferred so far.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many there will be; `None` as long as that is not known.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0)
    }

    /// Whether it has ended, in whatever way.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn begin(&self, total: Option<u64>) {
        self.over.store(false, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total.unwrap_or(0), Ordering::Relaxed);
    }

    fn advance(&self, by: u64) {
        self.done.fetch_add(by, Ordering::Relaxed);
    }
}

impl Check for Transfer {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Transfer;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let result = self.transfer(attempt).await;
        self.progress.end();
        result.map(|()| Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault))
    }

    fn faults() -> Vec<Fault> {
        Fault::all()
    }
}

impl Transfer {
    async fn transfer(&self, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
        // P0: what is wrong with the task comes before any packet to the target.
        let place = self.place.clone()?;
        attempt.permit_literal(place.endpoint().as_ref()).map_err(|failure| failure.map(first))?;
        if let (Place::Ftp(FtpPlace { name, .. }), Work::Upload(_)) = (&place, &self.work)
            && name.is_empty()
        {
            return fails(Task::UrlInvalid, "the URL names no file to store");
        }
        self.look_at_tls(attempt, &place)?;
        let supply = match &self.work {
            Work::Upload(upload) => Some(supply::open(attempt, upload).await?),
            Work::Download(_) => None,
        };
        match place {
            Place::Http(url) => self.over_http(attempt, url, supply).await,
            Place::Ftp(place) => self.over_ftp(attempt, &place, supply).await,
        }
    }
}

impl Transfer {
    /// What TLS needs on this host, where the first hop has any: files, engine, suites, anchors.
    fn look_at_tls(&self, attempt: &Attempt<'_>, place: &Place) -> Result<(), Failure<Fault>> {
        let encrypted = match place {
            Place::Http(url) => url.scheme() == "https",
            Place::Ftp(place) => place.implicit || self.ftp.explicit,
        };
        if encrypted { self.tls(attempt).map(|_| ()) } else { Ok(()) }
    }

    /// What stands in the way of TLS first: that the host trusts nobody comes before lists and identities.
    fn first_obstacle(&self, attempt: &Attempt<'_>, found: &Failure<Local>) -> Failure<Local> {
        let rank = |fault: Local| Local::ALL.iter().position(|local| *local == fault);
        let nobody = if self.trusts_as_host { tls::Client::default().find_anchors(attempt.host).err() } else { None };
        nobody.filter(|nobody| rank(nobody.fault) < rank(found.fault)).unwrap_or_else(|| found.clone())
    }

    /// TLS as the task wants it, or the first thing that stands in its way.
    fn tls(&self, attempt: &Attempt<'_>) -> Result<&Arc<tls::Client>, Failure<Fault>> {
        let client = self.tls.as_ref().map_err(|failure| self.first_obstacle(attempt, failure).map(Fault::Local))?;
        client.find_anchors(attempt.host).map_err(|failure| failure.map(Fault::Local))?;
        Ok(client)
    }
}

/// A failure of the first hop.
fn first(cause: crate::fault::Fault) -> Fault {
    Fault::Net(Leg::First, cause)
}

fn fails<T>(fault: impl Into<Fault>, detail: impl Into<String>) -> Result<T, Failure<Fault>> {
    Err(Failure { fault: fault.into(), detail: detail.into(), errno: None })
}

/// The schemes that a task takes if it does not say.
pub const ALL_SCHEMES: [Scheme; 4] = Scheme::ALL;
