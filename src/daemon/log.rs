//! What the daemon says of itself, on standard error: few lines, each of which means something to whoever reads it at
//! night.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::daemon::{Level, Log};

/// Starts the log.
pub(super) fn start(settings: Log) {
    let level = match settings.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // Libraries are heard when something is wrong. The conversations of all probes are for those who want everything.
    let conversation = if level == LevelFilter::TRACE { level } else { LevelFilter::ERROR };
    let others = level.min(LevelFilter::WARN);
    let filter = Targets::new()
        .with_default(others)
        .with_target("agent", level)
        .with_target("probes", level)
        .with_target("conversation", conversation);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if settings.json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_target(false).boxed()
    } else {
        lines.with_target(false).boxed()
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
}
