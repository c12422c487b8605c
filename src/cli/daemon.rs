//! `agent daemon`: all tasks at their times, until a signal ends it.

use super::{Daemon, Status, complain};
use crate::daemon::{self, Trouble};

pub(super) fn run(call: &Daemon) -> Status {
    match daemon::run(&call.config) {
        Ok(()) => Status::Ok,
        Err(Trouble::Configuration(problems)) => {
            complain(&format!("{problems}\nnothing was started\n"));
            Status::Usage
        }
        Err(Trouble::Start(reason)) => {
            complain(&format!("error: {reason}\n"));
            Status::Error
        }
        Err(Trouble::Hurry) => Status::Error,
    }
}
