//! The end of TLS where a task demands that it be in order: `close_notify` from either side (RFC 8446 section 6.1).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::{Broken, Kept, STEP, Tap, lock};
use crate::fault::{Failure, Shutdown};
use crate::net::Attempt;
use crate::phases::Phase;

impl Attempt<'_> {
    /// Ends TLS where the task demands an end in order: says `close_notify` and waits for the peer's until the
    /// run's deadline. What the peer still sends before it is passed over. A step for protocols to take after their success.
    pub(crate) async fn end_tls(&mut self, tap: &Tap) -> Result<(), Failure> {
        self.end_tls_in(Phase::Receive, tap).await
    }

    /// The same for a protocol whose last phase is another.
    pub(crate) async fn end_tls_in(&mut self, phase: Phase, tap: &Tap) -> Result<(), Failure> {
        let Some(kept) = &tap.kept else { return Ok(()) };
        self.go_on();
        let begun = self.enter(phase);
        let ended = self.within(poll_fn(|context| poll_end(kept, context))).await;
        self.leave(phase, begun);
        let detail = match ended {
            Some(Ok(())) => return Ok(()),
            None => "the peer did not end TLS in time".to_owned(),
            Some(Err(error)) => match Broken::of(&error) {
                broken if broken.is_reset() => "the peer reset the connection instead of ending TLS".to_owned(),
                broken if broken.kind == io::ErrorKind::UnexpectedEof => {
                    "the peer closed the connection without close_notify".to_owned()
                }
                broken => match broken.tls {
                    Some(reason) => format!("TLS failed at its end: {reason}"),
                    None => format!("the connection failed at its end: {}", broken.kind),
                },
            },
        };
        Err(Failure::new(Shutdown::Unanswered, detail))
    }
}

fn poll_end(kept: &Kept, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut stream = lock(kept);
    // A peer that is gone already takes no goodbye; what it said before decides.
    let _ = Pin::new(&mut *stream).poll_shutdown(context);
    let mut buffer = [0; STEP];
    loop {
        let mut part = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut part))?;
        if part.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(tokio::task::coop::poll_proceed(context)).made_progress();
    }
}
