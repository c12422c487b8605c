//! Probes that were asked for before: Prometheus asks the same again and again. They end with the configuration that they
//! were made of, and those that nobody asked for longest go first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::task::Probe;

/// How many are kept.
const MOST: usize = 4096;

/// What a probe is made of, beside the configuration.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    /// The name of the module.
    pub(super) module: String,
    /// The target as it was asked for.
    pub(super) target: String,
    /// The host to ask for there.
    pub(super) hostname: Option<String>,
    /// What the scrape leaves.
    pub(super) timeout: Option<Duration>,
}

/// The probes of one configuration.
#[derive(Debug, Default)]
pub(super) struct Cache {
    config: Option<Arc<Config>>,
    probes: HashMap<Key, (Arc<Probe>, u64)>,
    clock: u64,
}

impl Cache {
    /// A probe that was made before of the same.
    pub(super) fn get(&mut self, config: &Arc<Config>, key: &Key) -> Option<Arc<Probe>> {
        self.begin(config);
        self.clock += 1;
        let (probe, used) = self.probes.get_mut(key)?;
        *used = self.clock;
        Some(Arc::clone(probe))
    }

    /// Keeps a probe.
    pub(super) fn put(&mut self, config: &Arc<Config>, key: Key, probe: Arc<Probe>) {
        self.begin(config);
        if self.probes.len() >= MOST {
            let mut ages: Vec<u64> = self.probes.values().map(|(_, used)| *used).collect();
            let (_, middle, _) = ages.select_nth_unstable(MOST / 2);
            let middle = *middle;
            self.probes.retain(|_, (_, used)| *used > middle);
        }
        self.clock += 1;
        self.probes.insert(key, (probe, self.clock));
    }

    /// Forgets what was made of another configuration.
    fn begin(&mut self, config: &Arc<Config>) {
        if !self.config.as_ref().is_some_and(|known| Arc::ptr_eq(known, config)) {
            self.probes.clear();
            self.config = Some(Arc::clone(config));
        }
    }
}
