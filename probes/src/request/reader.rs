//! What becomes of connections and bodies: a single request has its own, steps share them.

use super::Request;
use crate::exchange::{self, Answer, Session};
use crate::fault::Failure;
use crate::net::Attempt;

/// What becomes of connections and bodies, as the one who asks wants it.
pub(crate) trait Reader: Send {
    /// A connection to the origin of the request that is open from an earlier one.
    fn kept(&mut self) -> Option<Session>;

    /// Whether the connection is wanted for a further request.
    fn keeps(&self) -> bool;

    /// Whether the body is wanted, whatever the rules look at.
    fn wants_body(&self) -> bool;

    /// Reads the body of the final response.
    fn read(
        &mut self,
        attempt: &mut Attempt<'_>,
        answer: Answer,
        request: &Request,
    ) -> impl Future<Output = Result<Vec<u8>, Failure<exchange::Fault>>> + Send;
}

/// A single request: its connections are its own, and its body is read as far as rules may look.
pub(crate) struct Single;

impl Reader for Single {
    fn kept(&mut self) -> Option<Session> {
        None
    }

    fn keeps(&self) -> bool {
        false
    }

    fn wants_body(&self) -> bool {
        false
    }

    async fn read(
        &mut self,
        attempt: &mut Attempt<'_>,
        answer: Answer,
        request: &Request,
    ) -> Result<Vec<u8>, Failure<exchange::Fault>> {
        answer.read_body(attempt, request.body_limit, request.compression).await
    }
}
