//! Whether a file has changed that the configuration was read from, or another one has come that belongs to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::expand;
use crate::reader::Stamp;

/// Editors and configuration management write in several steps: a change is looked at when nothing has happened for so
/// long.
const QUIET: Duration = Duration::from_millis(200);
/// A folder in which something happens all the time is looked at all the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// The files of a configuration, as they were when it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    /// What was read.
    pub(super) read: BTreeMap<PathBuf, Stamp>,
    /// What else belongs to it when it comes.
    pub(super) patterns: Vec<PathBuf>,
}

impl Files {
    /// Whether they are not what they were.
    pub(super) fn have_changed(&self) -> bool {
        let others = expand(&self.patterns).unwrap_or_default();
        others.iter().any(|file| !self.read.contains_key(file))
            || self.read.iter().any(|(file, stamp)| Stamp::of(file) != *stamp)
    }

    /// The folders they are in, and whether those below count too.
    fn folders(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        let mut folders = BTreeMap::new();
        for pattern in &self.patterns {
            let fixed: PathBuf =
                pattern.components().take_while(|part| !is_pattern(part.as_os_str().as_ref())).collect();
            let levels = pattern.components().count() - fixed.components().count();
            let (folder, mode) = match levels {
                0 => (parent(pattern), RecursiveMode::NonRecursive),
                1 => (fixed, RecursiveMode::NonRecursive),
                _ => (fixed, RecursiveMode::Recursive),
            };
            folders.insert(folder, mode);
        }
        for file in self.read.keys() {
            folders.entry(parent(file)).or_insert(RecursiveMode::NonRecursive);
        }
        folders
    }
}

fn is_pattern(part: &Path) -> bool {
    part.to_string_lossy().contains(['*', '?', '['])
}

/// The folder of a file; that of a bare name is where the agent was started.
fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Hears of changes in the folders of a configuration.
pub(super) struct Watcher {
    inotify: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    news: mpsc::Receiver<()>,
    /// Something has happened that nobody was told of yet.
    heard: bool,
}

impl Watcher {
    pub(super) fn new() -> Self {
        let (sender, news) = mpsc::channel(1);
        let hear = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                // One that is waiting already says the same.
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(hear);
        if let Err(error) = &watcher {
            tracing::warn!("changes of files are noticed late: they cannot be watched: {error}");
        }
        Self { inotify: watcher.ok(), watched: BTreeSet::new(), news, heard: false }
    }

    /// Watches the folders of these files, and no others; one that was away and is back is watched again.
    pub(super) fn follow(&mut self, files: &Files) {
        let Some(watcher) = &mut self.inotify else { return };
        let wanted = files.folders();
        for folder in self.watched.iter().filter(|folder| !wanted.contains_key(*folder)) {
            // A folder that is gone is not watched any more anyway.
            let _ = watcher.unwatch(folder);
        }
        let watch = |(folder, mode): (PathBuf, RecursiveMode)| match watcher.watch(&folder, mode) {
            Ok(()) => Some(folder),
            Err(error) => {
                tracing::warn!("changes in {} are noticed late: it cannot be watched: {error}", folder.display());
                None
            }
        };
        self.watched = wanted.into_iter().filter_map(watch).collect();
    }

    /// Waits until something has happened and it is quiet again. Whoever gives up waiting loses nothing.
    pub(super) async fn change(&mut self) {
        if !self.heard {
            match self.news.recv().await {
                Some(()) => self.heard = true,
                None => std::future::pending().await,
            }
        }
        let latest = Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                Some(()) = self.news.recv() => if Instant::now() >= latest { break },
                () = tokio::time::sleep_until((Instant::now() + QUIET).min(latest)) => break,
            }
        }
        self.heard = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_are_those_of_files_and_patterns() {
        let path = PathBuf::from;
        let read = ["agent.toml", "/a/tls/ca.pem", "/a/tasks/x.toml"].map(|file| (path(file), Stamp::of(&path(file))));
        let patterns = ["/a/tasks/*.toml", "/b/*/tasks/*.toml", "/c/one.toml"].map(path).to_vec();
        let folders = Files { read: read.into(), patterns }.folders();
        let (flat, deep) = (RecursiveMode::NonRecursive, RecursiveMode::Recursive);
        let wanted = [(".", flat), ("/a/tasks", flat), ("/a/tls", flat), ("/b", deep), ("/c", flat)];
        assert_eq!(folders, wanted.map(|(folder, mode)| (path(folder), mode)).into());
    }
}
