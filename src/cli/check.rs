//! `agent check`: reads and validates everything, starts nothing.

use super::{Check, Status, complain, print};
use crate::config::Config;

pub(super) fn run(call: &Check) -> Status {
    match Config::read(call.config.as_deref(), &call.files) {
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
