//! `-v`: the conversation of the probes on standard error, as it happens; without it, warnings only.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::reader::printable;

/// What the probes tell under this name is the conversation.
const CONVERSATION: &str = "conversation";

/// Starts listening.
pub(super) fn listen(verbose: bool) {
    let level = if verbose { Level::DEBUG } else { Level::WARN };
    let filter = Targets::new().with_default(Level::WARN).with_target(CONVERSATION, level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(Plain);
    tracing_subscriber::registry().with(filter).with(layer).init();
}

/// The words alone, with the task before them where several run side by side, and nothing a terminal would obey.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut message = Message(String::new());
        event.record(&mut message);
        if event.metadata().target() != CONVERSATION {
            write!(writer, "{}: ", event.metadata().level().as_str().to_lowercase())?;
        }
        if let Some(span) = context.lookup_current()
            && let Some(task) = span.extensions().get::<tracing_subscriber::fmt::FormattedFields<N>>()
        {
            write!(writer, "[{}] ", printable(task.fields.strip_prefix("name=").unwrap_or(&task.fields)))?;
        }
        writeln!(writer, "{}", printable(&message.0))
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
