//! The table `[task.tcp]`.

use probes::spec::Spec;
use probes::tcp::{Step, Tcp};
use regex::bytes::Regex;

use super::payload::bytes;
use super::service::host_and_port;
use super::{Around, Specs, Target, no_regex, tls};
use crate::reader::{Item, Table};

const HELP: &str = "a TCP target is host:port, as in mail.example.com:25 or [2001:db8::7]:25";

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read_for(around.tls.as_ref(), around.hostname).ready();
    let table = around.task.table("tcp");
    let (encrypted, steps) =
        table.as_ref().map(|table| (table.boolean("tls").unwrap_or(false), read_steps(table))).unwrap_or_default();
    let probe = |target: &Target<'_>| {
        let endpoint = host_and_port(target, "tcp", HELP)?;
        let tcp = Tcp { endpoint, encrypted, steps: steps.clone(), tls: encryption.client.clone() };
        Some((target.text.clone(), Spec::Tcp(tcp)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

fn read_steps(table: &Table<'_>) -> Vec<Step> {
    let send = bytes(table, "send", "send_hex");
    let expect = bytes(table, "expect", "expect_hex");
    let Some(dialogue) = table.take("dialogue") else {
        return send.map(Step::Send).into_iter().chain(expect.map(Step::Expect)).collect();
    };
    if send.is_some() || expect.is_some() {
        dialogue.fail("a task has either a `dialogue` or `send` and `expect`");
    }
    dialogue.items().unwrap_or_default().iter().filter_map(read_step).collect()
}

fn read_step(item: &Item<'_>) -> Option<Step> {
    let table = item.table("`dialogue`".to_owned())?;
    let expressions = table.parsed("expect_regex", |text| Regex::new(text).map_err(|error| no_regex(&error)));
    let steps = [
        expressions.map(Step::ExpectLine),
        bytes(&table, "expect", "expect_hex").map(Step::Expect),
        bytes(&table, "send", "send_hex").map(Step::Send),
        table.boolean("starttls").unwrap_or(false).then_some(Step::StartTls),
    ];
    let mut steps = steps.into_iter().flatten();
    match (steps.next(), steps.next()) {
        (Some(step), None) => Some(step),
        (Some(_), Some(_)) => {
            item.fail("a step does one thing: write a step for each");
            None
        }
        // A mistake in its only key was named already.
        (None, _) if !table.is_empty() => None,
        (None, _) => {
            item.fail("a step has one of expect_regex, expect, expect_hex, send, send_hex, starttls = true");
            None
        }
    }
}
