//! `agent check`: reads and validates everything, starts nothing.

use std::path::Path;

use super::{Check, Status, complain, print};
use crate::config::Config;
use crate::reader::{Problem, Problems};
use crate::web;

pub(super) fn run(call: &Check) -> Status {
    // What the web of a daemon is to show can be looked at, too.
    let config = Config::read(call.config.as_deref(), &call.files).and_then(|config| {
        let file = call.config.as_deref().unwrap_or(Path::new("")).display().to_string();
        let unusable = |why: String| Problems(vec![Problem::of_file(file, &why)]);
        web::check(&config.settings.daemon.web).map_err(unusable).map(|()| config)
    });
    match config {
        Ok(config) => {
            let tasks = config.tasks.len();
            print(&format!("{tasks} task{} ok\n", plural(tasks)));
            Status::Ok
        }
        Err(found) => {
            let mistakes = found.0.len();
            complain(&format!("{found}\n{mistakes} mistake{}; nothing was started\n", plural(mistakes)));
            Status::Usage
        }
    }
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
