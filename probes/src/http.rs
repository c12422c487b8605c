//! HTTP and HTTPS: a request, its redirects, and rules on the final response; book `cloudmonitor/http`.
//!
//! The order of looking is that of [`crate::request`]; a success is the final status.

mod table;

use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::fault::Failure;
use crate::net::Attempt;
use crate::request::{Fault, Request, Single};

/// What to probe, and what to expect of it.
#[derive(Clone, Debug)]
pub struct Http {
    /// The request, and the rules on its response.
    pub request: Request,
}

impl Check for Http {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Http;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let response = self.request.send(attempt, &mut Single).await?;
        Ok(Code::status(response.status.as_u16()))
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault))
    }

    fn faults() -> Vec<Fault> {
        Fault::all()
    }
}
