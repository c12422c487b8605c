//! What a page has after which runs.

use std::time::{Duration, SystemTime};

use probes::outcome::{Idle, not_begun};
use probes::phases::Phase;

use super::*;
use crate::reader::Source;
use crate::settings::Settings;
use crate::task::{self, Probe};

fn config(text: &str) -> Config {
    let settings = Settings::default();
    let tasks = task::read(Source::inline("t", text.to_owned()), &settings).unwrap();
    Config { settings, tasks, ..Config::default() }
}

fn idle(probe: &Probe, why: Idle) -> Run {
    let outcome = not_begun(probe.spec.protocol(), &probe.identity, SystemTime::now(), why);
    Run { outcome, due: SystemTime::now(), late: Duration::ZERO, definition: Arc::from("") }
}

/// A run that ended well.
fn ok(probe: &Probe) -> Run {
    let mut run = idle(probe, Idle::Busy);
    let outcome = &mut run.outcome;
    (outcome.ok, outcome.verdict) = (true, probes::outcome::Verdict::Ok);
    (outcome.book, outcome.fault, outcome.side) = (Some(outcome.protocol.book()), None, None);
    outcome.phases.add(Phase::Connect, Duration::from_millis(2));
    outcome.phases.add(Phase::Wait, Duration::from_millis(200));
    outcome.remote = Some("192.0.2.7:80".to_owned());
    run
}

fn page(metrics: &Metrics) -> String {
    metrics.page(&Standing::default()).collect()
}

const TWO: &str =
    "[[task]]\nname = 'a'\ntargets = ['a.test:1', 'b.test:1']\n[task.tcp]\n[[task]]\nname = 'm'\n[task.tcp]\n";

#[test]
fn runs_that_say_nothing_of_the_target_leave_what_the_last_one_said() {
    let (metrics, config) = (Metrics::default(), config(TWO));
    metrics.configure(&config);
    let probe = &config.tasks[0].probes[0];
    metrics.observe(&idle(probe, Idle::Overlap));
    assert!(!page(&metrics).contains("probe_success{"));
    metrics.observe(&ok(probe));
    metrics.observe(&idle(probe, Idle::CutOff));
    let page = page(&metrics);
    for line in [
        "probe_success{task=\"a\",target=\"a.test:1\"} 1",
        "probe_error_code{task=\"a\",target=\"a.test:1\",book=\"cloudmonitor\",protocol=\"tcp\"} 0",
        "probe_runs_total{task=\"a\",target=\"a.test:1\",outcome=\"ok\"} 1",
        "probe_runs_total{task=\"a\",target=\"a.test:1\",outcome=\"skipped\"} 2",
        "probe_phase_duration_seconds_bucket{task=\"a\",target=\"a.test:1\",phase=\"wait\",le=\"0.1\"} 0",
        "probe_phase_duration_seconds_bucket{task=\"a\",target=\"a.test:1\",phase=\"wait\",le=\"0.25\"} 1",
        "probe_phase_duration_seconds_count{task=\"a\",target=\"a.test:1\",phase=\"connect\"} 1",
        "agent_runs_total{outcome=\"skipped\"} 2",
        "agent_runs_not_begun_total{reason=\"overlap\"} 1",
        "agent_runs_not_begun_total{reason=\"cut_off\"} 1",
        "agent_config_tasks 2",
        "agent_config_targets 2",
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
    assert!(!page.contains("phase=\"tls\""));
}

#[test]
fn a_reload_keeps_what_stays_and_forgets_what_goes() {
    let (metrics, before) = (Metrics::default(), config(TWO));
    metrics.configure(&before);
    before.tasks[0].probes.iter().for_each(|probe| metrics.observe(&ok(probe)));
    let after = config("[[task]]\nname = 'a'\ntargets = ['b.test:1', 'c.test:1']\n[task.tcp]\n");
    metrics.configure(&after);
    metrics.refuse();
    // A run that began before the reload ends after it.
    metrics.observe(&ok(&before.tasks[0].probes[0]));
    let page = page(&metrics);
    assert!(!page.contains("a.test:1"), "{page}");
    assert!(page.contains("probe_success{task=\"a\",target=\"b.test:1\"} 1\n"), "{page}");
    assert!(!page.contains("probe_success{task=\"a\",target=\"c.test:1\"}"), "{page}");
    assert!(page.contains("agent_config_reloads_total{result=\"accepted\"} 1\n"), "{page}");
    assert!(page.contains("agent_config_reloads_total{result=\"refused\"} 1\n"), "{page}");
    assert!(page.contains("agent_config_last_reload_successful 0\n"), "{page}");
}

#[test]
fn a_page_of_many_pieces_has_every_sample_once() {
    let targets: Vec<String> = (0..2000).map(|number| format!("'host-{number}.test:1'")).collect();
    let config = config(&format!("[[task]]\nname = 'a'\ntargets = [{}]\n[task.tcp]\n", targets.join(",")));
    let metrics = Metrics::default();
    metrics.configure(&config);
    config.tasks[0].probes.iter().for_each(|probe| metrics.observe(&ok(probe)));
    let pieces: Vec<String> = metrics.page(&Standing::default()).collect();
    assert!(pieces.len() > 10 && pieces.iter().all(|piece| piece.len() < 128 * 1024));
    let page = pieces.concat();
    let mut lines: Vec<&str> = page.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "a line stands twice");
    assert_eq!(page.matches("\nprobe_success{").count(), 2000);
    assert_eq!(page.matches("\n# TYPE probe_success ").count(), 1);
}
