//! `agent replay`: the task file that made a stored run, to run it again.

use ulid::Ulid;

use super::{Replay as Call, Status, complain, print, store};
use crate::reader::printable;

pub(super) fn run(call: &Call) -> Status {
    match definition(call) {
        Ok(text) => {
            print(&text);
            Status::Ok
        }
        Err(message) => {
            complain(&message);
            Status::Usage
        }
    }
}

fn definition(call: &Call) -> Result<String, String> {
    let id = Ulid::from_string(&call.id).map_err(|_| {
        let id = printable(&call.id);
        format!("error: `{id}` is no id of a run; `agent history` lists them, as in 01J9Z0V2N4Q7S8T9A1B2C3D4E5\n")
    })?;
    let found = store(&call.asked)?.definition(id).map_err(|error| format!("error: {error}\n"))?;
    found.ok_or_else(|| format!("error: the store has no run {id}\n"))
}
