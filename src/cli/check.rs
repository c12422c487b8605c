//! `agent check`: reads and validates everything, starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Check, Status, complain, print};
use crate::reader::{Problem, Problems};
use crate::settings::Settings;
use crate::task;

pub(super) fn run(call: &Check) -> Status {
    let mut found = Problems::default();
    let settings = super::settings(call.config.as_ref()).unwrap_or_else(|problems| {
        found.0.extend(problems.0);
        Settings::default()
    });
    let listed = expand(&settings.tasks).unwrap_or_else(|message| {
        let file = call.config.as_deref().unwrap_or(Path::new("")).display().to_string();
        found.0.push(Problem::of_file(file, &message));
        Vec::new()
    });
    let mut tasks = 0;
    let mut read = BTreeSet::new();
    let mut names: BTreeMap<String, &Path> = BTreeMap::new();
    for file in call.files.iter().chain(&listed) {
        // A file that is named and listed too is one file.
        if !read.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())) {
            continue;
        }
        match task::read_file(file, &settings) {
            Ok(read) => {
                tasks += read.len();
                for task in read {
                    found.0.extend(task.too_slow);
                    if let Some(other) = names.get(&task.name) {
                        let message = format!("{} has a task with the name `{}` too", other.display(), task.name);
                        found.0.push(Problem::of_file(file.display().to_string(), &message));
                    }
                    names.insert(task.name, file);
                }
            }
            Err(problems) => found.0.extend(problems.0),
        }
    }
    if !found.is_empty() {
        let mistakes = found.0.len();
        complain(&format!("{found}\n{mistakes} mistake{}; nothing was started\n", plural(mistakes)));
        return Status::Usage;
    }
    print(&format!("{tasks} task{} ok\n", plural(tasks)));
    Status::Ok
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The files behind patterns such as `tasks/*.toml`; a plain name must exist.
fn expand(patterns: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
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
