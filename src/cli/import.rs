//! `agent import`: modules of `blackbox_exporter` as a task file.

use std::fs;
use std::path::Path;

use super::{Import, Status, complain, print};
use crate::import;
use crate::reader::read_text;

pub(super) fn run(call: &Import) -> Status {
    let name = call.file.display().to_string();
    let text = match read_text(&call.file) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("error: {name}: the file cannot be read: {error}\n"));
            return Status::Usage;
        }
    };
    let folder = call.file.parent().unwrap_or(Path::new(""));
    match import::read(&name, folder, &text) {
        Ok(tasks) => write(call, &tasks),
        Err(stops) => {
            for stop in stops {
                complain(&format!("error: {stop}\n"));
            }
            complain("nothing was imported\n");
            Status::Usage
        }
    }
}

fn write(call: &Import, tasks: &str) -> Status {
    let Some(output) = &call.output else {
        print(tasks);
        return Status::Ok;
    };
    match fs::write(output, tasks) {
        Ok(()) => Status::Ok,
        Err(error) => {
            complain(&format!("error: {}: the file cannot be written: {error}\n", output.display()));
            Status::Usage
        }
    }
}
