//! The running configuration: how it is read, what a new one changes, and what only a restart can.

use std::path::{Path, PathBuf};

use super::files::Files;
use crate::config::Config;
use crate::reader::{Problems, noting};
use crate::settings::daemon::Settings;

/// Reads a settings file with its tasks, and notes the files; `patterns` are those of the configuration before, for one
/// that is refused.
pub(super) fn read(path: &Path, patterns: &[PathBuf]) -> (Result<Config, Problems>, Files) {
    let (config, read) = noting(|| Config::read(Some(path), &[]));
    let patterns = config.as_ref().map_or(patterns, |config| &config.settings.tasks).to_vec();
    (config, Files { read, patterns })
}

/// How many probes a configuration has.
pub(super) fn probes(config: &Config) -> usize {
    config.tasks.iter().map(|task| task.probes.len()).sum()
}

/// The sections with changes that a reload cannot make.
pub(super) fn needing_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let rows = [
        ("[state] dir", old.state != new.state),
        ("[store] path", old.store.path != new.store.path),
        ("[web] listen", old.web.listen != new.web.listen),
        ("[log]", old.log != new.log),
    ];
    rows.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
