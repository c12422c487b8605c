//! What a case file says of the service: whose buckets it has, what is in them, its limits, and what goes wrong.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};

use super::faults::Fault;
use super::meddle::Meddling;
use crate::lab::script::{Span, parse_span};

/// The table `service` of a peer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    /// The accounts by their numbers; one with one private bucket if the case names none.
    pub accounts: BTreeMap<String, Account>,
    /// What is there at the start, by path.
    pub objects: BTreeMap<String, Object>,
    /// Uploads that were begun before.
    pub sessions: Vec<Begun>,
    /// The most bytes of a file that is uploaded in slices.
    pub largest_file: u64,
    /// The most bytes of a request's body; 413 above.
    pub largest_body: usize,
    /// The size of slices that is granted, whatever is asked for.
    pub slice_size: Option<u64>,
    /// How many requests an account may make.
    pub rate: Option<Rate>,
    /// How far the clock of the service is ahead.
    pub clock: Offset,
    /// What a broken service says.
    pub faults: Vec<Fault>,
    /// What a middlebox does to requests.
    pub meddle: Vec<Meddling>,
}

impl Default for Description {
    fn default() -> Self {
        let keys = BTreeMap::from([("AKIDexample".to_owned(), "secretexample".to_owned())]);
        let buckets = BTreeMap::from([("probe".to_owned(), Bucket::default())]);
        Self {
            accounts: BTreeMap::from([("10001".to_owned(), Account { keys, buckets, blocked: false })]),
            objects: BTreeMap::new(),
            sessions: Vec::new(),
            largest_file: 1 << 29,
            largest_body: 21 << 20,
            slice_size: None,
            rate: None,
            clock: Offset::default(),
            faults: Vec::new(),
            meddle: Vec::new(),
        }
    }
}

impl Description {
    /// The bucket of objects that do not name theirs: the first there is, as `appid/bucket`.
    pub fn first_bucket(&self) -> Option<String> {
        self.accounts.iter().find_map(|(appid, account)| Some(format!("{appid}/{}", account.buckets.keys().next()?)))
    }

    /// The account and the key that a secret id stands for.
    pub fn key(&self, secret_id: &str) -> Option<(&str, &str)> {
        let mut accounts = self.accounts.iter();
        accounts.find_map(|(appid, account)| Some((appid.as_str(), account.keys.get(secret_id)?.as_str())))
    }
}

/// An account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its keys by their ids.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// Its buckets.
    #[serde(default)]
    pub buckets: BTreeMap<String, Bucket>,
    /// Whether it may do nothing any more.
    #[serde(default)]
    pub blocked: bool,
}

/// Who may download from a bucket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bucket {
    /// Everybody may; else a signature is wanted.
    pub public: bool,
    /// The only pages that may refer to its objects; none: all may.
    pub referers: Vec<String>,
}

/// A file or folder that is there at the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// `appid/bucket`, if it is not the first.
    #[serde(rename = "in")]
    pub bucket: Option<String>,
    /// What stands in the file.
    #[serde(default)]
    pub text: String,
    /// How many times.
    #[serde(default = "once")]
    pub times: usize,
    /// Its mark.
    #[serde(default)]
    pub biz_attr: String,
    /// Who may read and write it.
    #[serde(default)]
    pub authority: String,
}

impl Default for Object {
    fn default() -> Self {
        Self { bucket: None, text: String::new(), times: 1, biz_attr: String::new(), authority: String::new() }
    }
}

const fn once() -> usize {
    1
}

/// An upload in slices that was begun before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The session: 32 hex digits.
    pub id: String,
    /// Where the file goes to.
    pub path: String,
    /// The whole file.
    pub text: String,
    /// How many of its bytes are there.
    pub stored: usize,
    /// The size of slices.
    pub slice_size: u64,
}

/// So many requests within so long.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub requests: usize,
    /// Within how long.
    pub within: Span,
}

/// How far a clock is off: `+100d`, `-1h`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offset {
    ahead: bool,
    by: Duration,
}

impl Offset {
    /// What such a clock says, in Unix seconds.
    pub fn now(self) -> u64 {
        let now = SystemTime::now();
        let shown = if self.ahead { now + self.by } else { now - self.by };
        shown.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let by = |span: &str| match span.strip_suffix('d') {
            Some(days) => days.parse().ok().map(|days: u64| Duration::from_secs(days * 86_400)),
            None => parse_span(span),
        };
        let read = text.split_at_checked(1).and_then(|(sign, span)| match sign {
            "+" => Some(Self { ahead: true, by: by(span)? }),
            "-" => Some(Self { ahead: false, by: by(span)? }),
            _ => None,
        });
        read.ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no offset of a clock, such as +100d")))
    }
}
