//! A whole configuration: the settings of a host and the tasks of all files that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::reader::{Problem, Problems};
use crate::settings::Settings;
use crate::task::{self, Probe, Task};

/// The settings of a host and its tasks.
#[derive(Debug, Default)]
pub struct Config {
    /// What the host says to every task.
    pub settings: Settings,
    /// The tasks, in the order of their files; no two have the same name.
    pub tasks: Vec<Task>,
    /// What `[guard]` watches: one of them must answer, or the agent itself is cut off.
    pub guard: Vec<Probe>,
}

impl Config {
    /// Reads a settings file, if one is given, and with it all files that it and `more` name. Every mistake is found, not
    /// only the first.
    pub fn read(path: Option<&Path>, more: &[PathBuf]) -> Result<Self, Problems> {
        let mut found = Problems::default();
        let mut settings =
            path.map_or_else(|| Ok(Settings::default()), Settings::read_file).unwrap_or_else(|problems| {
                found.0.extend(problems.0);
                Settings::default()
            });
        if let (Some(_), Some(name)) = (path, machine()) {
            settings.labels.entry("host".to_owned()).or_insert(name);
        }
        let listed = expand(&settings.tasks).unwrap_or_else(|message| {
            let file = path.unwrap_or(Path::new("")).display().to_string();
            found.0.push(Problem::of_file(file, &message));
            Vec::new()
        });
        let mut tasks = Vec::new();
        let mut read = BTreeSet::new();
        let mut names: BTreeMap<String, &Path> = BTreeMap::new();
        for file in more.iter().chain(&listed) {
            // A file that is named and listed too is one file.
            if !read.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())) {
                continue;
            }
            match task::read_file(file, &settings) {
                Ok(read) => {
                    for mut task in read {
                        found.0.extend(task.unfit.take());
                        if let Some(other) = names.insert(task.name.clone(), file) {
                            let message = format!("{} has a task with the name `{}` too", other.display(), task.name);
                            found.0.push(Problem::of_file(file.display().to_string(), &message));
                        }
                        tasks.push(task);
                    }
                }
                Err(problems) => found.0.extend(problems.0),
            }
        }
        let guard = read_guard(&settings, &mut found);
        if found.is_empty() { Ok(Self { settings, tasks, guard }) } else { Err(found) }
    }
}

/// How long a guard's target may take to answer.
const GUARD_TIMEOUT: Duration = Duration::from_secs(3);

fn read_guard(settings: &Settings, found: &mut Problems) -> Vec<Probe> {
    let mut guard = Vec::new();
    for watched in &settings.daemon.guard {
        match task::read_url(&watched.url, "[guard]", settings) {
            Ok(tasks) => guard.extend(tasks.into_iter().flat_map(|task| task.probes)),
            Err(problems) => found.0.extend(problems.0.iter().map(|problem| watched.place.clone().because(problem))),
        }
    }
    for limits in guard.iter_mut().map(|probe| &mut probe.conditions.limits) {
        limits.timeout = GUARD_TIMEOUT.min(limits.timeout);
    }
    guard
}

/// The name of this machine.
fn machine() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The files behind patterns such as `tasks/*.toml`; a plain name must exist.
pub fn expand(patterns: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for pattern in patterns {
        let text = pattern.to_string_lossy();
        if !text.contains(['*', '?', '[']) {
            files.push(pattern.clone());
            continue;
        }
        let found = glob::glob(&text).map_err(|error| format!("the pattern `{text}`: {error}"))?;
        files.extend(found.filter_map(Result::ok));
    }
    Ok(files)
}
