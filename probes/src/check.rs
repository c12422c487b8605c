//! The shape of a protocol: something that runs, and a table that gives its faults their codes.

use crate::codes::{Code, Protocol};
use crate::fault::{Failure, Named};
use crate::net::Attempt;

/// One check of one protocol, ready to run any number of times.
pub trait Check: Send + Sync {
    /// What can go wrong, as this protocol names it.
    type Fault: Named + Send;

    /// The protocol, and with it the book.
    const PROTOCOL: Protocol;

    /// Runs the check once. A success is the code that the book has for it.
    fn run(&self, attempt: &mut Attempt<'_>) -> impl Future<Output = Result<Code, Failure<Self::Fault>>> + Send;

    /// The code of a fault: a table without a line for "anything else". `None` is the agent's own error, which says
    /// nothing about the target.
    fn classify(fault: Self::Fault) -> Option<Code>;

    /// Every fault this protocol can report.
    fn faults() -> Vec<Self::Fault>;
}
