//! All of it at work, for months: a configuration that is read again when it changes, the schedule, and whoever takes
//! the runs.

mod files;
mod log;
mod reload;
mod serve;
mod sinks;
mod systemd;
mod work;

use std::path::Path;

use crate::reader::{Problem, Problems};
use crate::web;

/// Why the daemon did not start, or did not end as it should.
#[derive(Debug)]
pub enum Trouble {
    /// Settings or tasks are wrong; nothing was started.
    Configuration(Problems),
    /// Something that it needs cannot be had.
    Start(String),
    /// A second signal ended it before everything was done.
    Hurry,
}

/// Runs the daemon with a settings file until a signal ends it.
pub fn run(path: &Path) -> Result<(), Trouble> {
    let (read, files) = reload::read(path, &[]);
    let config = read.map_err(Trouble::Configuration)?;
    let unusable =
        |why: String| Trouble::Configuration(Problems(vec![Problem::of_file(path.display().to_string(), &why)]));
    web::check(&config.settings.daemon.web).map_err(unusable)?;
    log::start(config.settings.daemon.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::Start(format!("the runtime cannot be started: {error}")))?;
    let ended = runtime.block_on(serve::serve(path, config, files));
    // What was not done within the grace time is not waited for.
    runtime.shutdown_background();
    ended
}
