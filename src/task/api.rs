//! The table `[task.api]` and its steps.
//!
//! Data that are no hex pairs, and an MD5 that is none, are no mistakes of the task here: the book has codes for them.

mod step;

use probes::api::{Api, Step};
use probes::secret::mask_url;
use probes::spec::Spec;

use super::{Around, Specs, Target, tls};
use crate::reader::Table;
use step::{Draft, Outer};

/// More steps than this are several tasks.
const MOST_STEPS: usize = 100;
const MOST_ROUNDS: u64 = 1000;

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref()).ready();
    let nothing = || Specs { probes: Vec::new(), trust: None };
    let Some(table) = around.task.table("api") else { return nothing() };
    let rounds = table.integer("rounds", 1..MOST_ROUNDS + 1).and_then(|rounds| u32::try_from(rounds).ok()).unwrap_or(1);
    let round_timeout = table.duration("round_timeout");
    let outer = Outer {
        tls: encryption.client.clone(),
        connect: around.task.duration("connect_timeout"),
        handshake: around.task.duration("tls_timeout"),
    };
    let drafts = read_steps(&table, &outer);
    let probe = |target: &Target<'_>| {
        // Every step is read, so that all mistakes are found at once.
        let steps: Vec<Option<Step>> = drafts.iter().map(|draft| draft.at(target)).collect();
        let steps: Option<Vec<Step>> = steps.into_iter().collect();
        let api = Api { steps: steps?, rounds, round_timeout, tls: encryption.client.clone() };
        Some((mask_url(&target.text), Spec::Api(api)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

fn read_steps<'d>(table: &Table<'d>, outer: &Outer) -> Vec<Draft<'d>> {
    let Some(list) = table.take("step") else {
        table.fail("a task of the protocol api has steps: at least one [[task.api.step]]");
        return Vec::new();
    };
    let items = list.items().unwrap_or_default();
    if items.is_empty() || items.len() > MOST_STEPS {
        list.fail(format!("a task has from 1 to {MOST_STEPS} steps, and this one has {}", items.len()));
    }
    let mut drafts: Vec<Draft<'d>> = Vec::new();
    for item in items {
        let Some(table) = item.table("[[task.api.step]]".to_owned()) else { continue };
        let draft = Draft::read(table, &drafts, outer);
        drafts.push(draft);
    }
    drafts
}
