//! Reading the configuration again: the new one takes the place of the running one as a whole, or not at all.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::files::Files;
use super::work::{Daemon, FLUSH, close, stamps};
use crate::config::Config;
use crate::export::Export;
use crate::reader::{Problems, noting};
use crate::settings::daemon::Settings;
use crate::web;

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

impl Daemon {
    /// Reads the configuration again, and says how many tasks it has or why it was refused.
    pub(super) async fn reload(&mut self) -> Result<usize, String> {
        self.manager.tell("RELOADING=1");
        let begun = Instant::now();
        let (path, patterns) = (self.path.clone(), self.files.patterns.clone());
        let answer = match tokio::task::spawn_blocking(move || prepare(&path, &patterns)).await {
            Ok((prepared, files)) => {
                self.files = files;
                self.watcher.follow(&self.files);
                prepared.and_then(|config| self.take_over(config, begun))
            }
            Err(error) => Err(format!("the configuration cannot be read: {error}\n")),
        };
        if let Err(reason) = &answer {
            self.metrics.refuse();
            tracing::error!("the configuration was read again and refused, the running one stays");
            reason.lines().for_each(|line| tracing::error!("{line}"));
        }
        self.refused.send_replace(answer.as_ref().err().cloned());
        self.manager.tell("READY=1");
        answer
    }

    fn take_over(&mut self, config: Config, begun: Instant) -> Result<usize, String> {
        let old = Arc::clone(&self.config.borrow());
        let (was, is) = (&old.settings.daemon, &config.settings.daemon);
        // What can fail comes first.
        if was.export != is.export {
            let export = Export::start(&is.export, &self.exported)?;
            tokio::spawn(close(self.sinks.export_to(Arc::new(export)), FLUSH));
        }
        for section in needing_restart(was, is) {
            tracing::warn!("{section} has changed, which needs a restart");
        }
        let config = Arc::new(config);
        let host = Arc::new(config.settings.host());
        self.metrics.configure(&config);
        self.schedule.replace(Arc::clone(&config), Arc::clone(&host));
        let identities = config.tasks.iter().flat_map(|task| &task.probes).map(|probe| &probe.identity);
        let living: HashSet<_> = identities.map(|own| (own.task.as_str(), own.target.as_str())).collect();
        self.sinks.keep(|task, target| living.contains(&(task, target)));
        let (tasks, probes) = (config.tasks.len(), probes(&config));
        if tasks == 0 && !old.tasks.is_empty() {
            tracing::warn!("the new configuration has no task, and the one before had {}", old.tasks.len());
        }
        self.host.send_replace(host);
        self.config.send_replace(config);
        tracing::info!("the configuration was read again in {:.1?}: {probes} probes are scheduled", begun.elapsed());
        Ok(tasks)
    }

    /// A host remembers its name service: when the files of that change, there is a new host.
    pub(super) fn look_at_names(&mut self) {
        let now = stamps();
        if std::mem::replace(&mut self.names, now) != now {
            let config = Arc::clone(&self.config.borrow());
            let host = Arc::new(config.settings.host());
            self.schedule.replace(config, Arc::clone(&host));
            self.host.send_replace(host);
            tracing::info!("the name service of this host has changed");
        }
    }
}

/// Reads and checks all that can be, away from the threads that probe.
fn prepare(path: &Path, patterns: &[PathBuf]) -> (Result<Config, String>, Files) {
    let (read, files) = read(path, patterns);
    let lines = |problems: Problems| problems.0.iter().map(|problem| problem.line() + "\n").collect::<String>();
    let config = read.map_err(lines).and_then(|config| {
        web::check(&config.settings.daemon.web)?;
        match config.settings.tasks.iter().find_map(|pattern| vanished(pattern)) {
            Some(folder) => Err(format!("the folder {} of [tasks] files is not there (any more)\n", folder.display())),
            None => Ok(config),
        }
    });
    (config, files)
}

/// The folder of a pattern, if there is none: that of a volume that was not mounted is no wish to end all probing.
fn vanished(pattern: &Path) -> Option<&Path> {
    let fixed = pattern.ancestors().skip(1).find(|folder| !folder.to_string_lossy().contains(['*', '?', '[']))?;
    let here = if fixed.as_os_str().is_empty() { Path::new(".") } else { fixed };
    (!here.is_dir()).then_some(fixed)
}

/// The settings with changes that a reload cannot make.
fn needing_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let rows = [
        ("[state] dir", old.state != new.state),
        ("[store]", old.store != new.store),
        ("[web] listen", old.web.listen != new.web.listen),
        ("[web] tls_cert", old.web.tls.is_some() != new.web.tls.is_some()),
        ("[log]", old.log != new.log),
    ];
    rows.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
