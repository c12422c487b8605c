//! What the service keeps: files and folders, uploads in slices, signatures that were spent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use super::answer::Refusal;
use super::describe::{Description, Rate};
use super::slices::{Life, Session};
use super::url::{Place, is_folder, is_path};
use crate::lab::tls::to_hex;

/// A file or folder.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Any text.
    pub biz_attr: String,
    /// When it was made, in Unix seconds.
    pub ctime: u64,
    /// When it was changed last.
    pub mtime: u64,
    /// What is in it, if it is a file.
    pub file: Option<File>,
}

/// What a file has beside folders.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its bytes.
    pub content: Bytes,
    /// Their SHA-1, in lower-case hex.
    pub sha: String,
    /// Who may read and write it; empty or `eInvalid`: as the bucket says.
    pub authority: String,
    /// The header fields of its downloads.
    pub custom_headers: BTreeMap<String, String>,
}

impl File {
    /// A file with bytes.
    pub fn new(content: Bytes, authority: &str) -> Self {
        let sha = sha1_hex(&content);
        Self { content, sha, authority: authority.to_owned(), custom_headers: BTreeMap::new() }
    }
}

/// Files and folders by path; a folder's ends in a slash. The root is not among them.
pub type Entries = BTreeMap<String, Entry>;

/// All that the service keeps.
#[derive(Debug, Default)]
pub struct State {
    buckets: BTreeMap<(String, String), Entries>,
    /// Uploads in slices, by session.
    pub sessions: BTreeMap<String, Session>,
    spent: BTreeSet<String>,
    requests: BTreeMap<String, VecDeque<Instant>>,
}

impl State {
    /// What a case says is there at the start.
    pub fn new(description: &Description) -> Result<Self, String> {
        let mut state = Self::default();
        for (appid, account) in &description.accounts {
            let names = account.buckets.keys().map(|bucket| (appid.clone(), bucket.clone()));
            state.buckets.extend(names.map(|name| (name, Entries::new())));
        }
        let first = description.first_bucket();
        let place = |bucket: Option<&String>, path: &str| {
            let bucket = bucket.or(first.as_ref()).and_then(|bucket| bucket.split_once('/'));
            let (appid, bucket) = bucket.ok_or(format!("{path} has no bucket"))?;
            Ok::<_, String>(Place { appid: appid.to_owned(), bucket: bucket.to_owned(), path: path.to_owned() })
        };
        let now = description.clock.now();
        for (path, object) in &description.objects {
            let place = place(object.bucket.as_ref(), path)?;
            let content = Bytes::from(object.text.repeat(object.times));
            let file = (!is_folder(path)).then(|| File::new(content, &object.authority));
            let entry = Entry { biz_attr: object.biz_attr.clone(), ctime: now, mtime: now, file };
            let entries = state.bucket(&place).ok().filter(|_| is_path(path)).ok_or(format!("{path} cannot be"))?;
            entries.insert(path.clone(), entry);
        }
        for begun in &description.sessions {
            let session = Session::begun(begun, place(None, &begun.path)?);
            state.sessions.insert(begun.id.clone(), session);
        }
        Ok(state)
    }

    /// What is in a bucket.
    pub fn bucket(&mut self, place: &Place) -> Result<&mut Entries, Refusal> {
        let name = (place.appid.clone(), place.bucket.clone());
        self.buckets.get_mut(&name).ok_or(Refusal("ErrParamInvalidFilePathInvalid"))
    }

    /// A file or folder, if it is there. Folders are there as long as something is in them.
    pub fn entry(&self, place: &Place) -> Option<Entry> {
        let entries = self.buckets.get(&(place.appid.clone(), place.bucket.clone()))?;
        let implied = || exists(entries, &place.path).then(Entry::default);
        entries.get(&place.path).cloned().or_else(implied)
    }

    /// The content with a SHA-1 and a length, if an account has it already.
    pub fn content(&self, appid: &str, sha: &str, length: u64) -> Option<Bytes> {
        let own = self.buckets.iter().filter(|((owner, _), _)| owner == appid);
        let mut files = own.flat_map(|(_, entries)| entries.values()).filter_map(|entry| entry.file.as_ref());
        files.find(|file| file.sha == sha && file.content.len() as u64 == length).map(|file| file.content.clone())
    }

    /// Takes a signature that is good once; false if it was taken before.
    pub fn spend(&mut self, sign: &str) -> bool {
        self.spent.insert(sign.to_owned())
    }

    /// Counts a request; false if it is one too many.
    pub fn count(&mut self, appid: &str, rate: Rate) -> bool {
        let (now, requests) = (Instant::now(), self.requests.entry(appid.to_owned()).or_default());
        requests.retain(|at| now.duration_since(*at) < rate.within.0);
        requests.push_back(now);
        requests.len() <= rate.requests
    }

    /// Marks the uploads to a path as removed; false if there is none.
    pub fn abandon(&mut self, place: &Place) -> bool {
        let open = self.sessions.values_mut().filter(|session| session.place == *place && session.life == Life::Open);
        open.map(|session| session.life = Life::Removed).count() > 0
    }

    /// Whether an upload to a path was begun and not finished.
    pub fn is_unfinished(&self, place: &Place) -> bool {
        self.sessions.values().any(|session| session.place == *place && session.life == Life::Open)
    }

    /// Everything that is kept, a line each: path, length, and what it is marked with.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for ((appid, bucket), entries) in &self.buckets {
            lines.extend(entries.iter().map(|(path, entry)| format!("/{appid}/{bucket}{path}{}", marks(entry))));
        }
        let open = self.sessions.values().filter(|session| session.life == Life::Open);
        lines.extend(open.map(|session| {
            format!("{} unfinished, {} of {} bytes", session.place.resource(), session.content.len(), session.filesize)
        }));
        lines
    }
}

/// Whether something is at a path: the root, a file, a folder that was made or that has something in it.
pub fn exists(entries: &Entries, path: &str) -> bool {
    path == "/" || entries.contains_key(path) || (is_folder(path) && has_entries(entries, path))
}

/// Whether a folder has something in it.
pub fn has_entries(entries: &Entries, folder: &str) -> bool {
    entries.range(folder.to_owned()..).any(|(path, _)| path.starts_with(folder) && path != folder)
}

fn marks(entry: &Entry) -> String {
    let mut marks = entry.file.as_ref().map_or_else(String::new, |file| format!(" {} bytes", file.content.len()));
    if !entry.biz_attr.is_empty() {
        marks.push_str(&format!(" biz_attr={}", entry.biz_attr));
    }
    if let Some(file) = &entry.file {
        if !file.authority.is_empty() {
            marks.push_str(&format!(" authority={}", file.authority));
        }
        marks.extend(file.custom_headers.iter().map(|(name, value)| format!(" {name}={value}")));
    }
    marks
}

/// The SHA-1 of bytes, in lower-case hex.
pub fn sha1_hex(bytes: &[u8]) -> String {
    to_hex(&Sha1::digest(bytes))
}
