//! A service with the files/v1 interface for objects, and its download host, that keeps to the documents: it has real
//! buckets, files, folders, signatures and sessions, and looks at every request in one order, so that no two of its
//! refusals can both be right.
//!
//! | step | what is looked at | where |
//! |---|---|---|
//! | 1 | URL and method | `url` |
//! | 2 | the body and the operation in it | `form`, `fields` |
//! | 3 | the signature | `sign`, `authorize` |
//! | 4 | the parameters | `parameters` |
//! | 5 | bucket, files and folders | `operations` |
//! | 6 | sessions and slices | `slices` |
//!
//! In front of it stands a middlebox (`meddle`) that changes requests on their way, for what no correct client sends; and
//! what only a broken service says is a rule of the case (`faults`). Numbers come from the catalogue, by their symbols.

mod answer;
mod authorize;
mod defects;
mod describe;
mod download;
mod faults;
mod fields;
mod form;
mod meddle;
mod operations;
mod order;
mod parameters;
pub mod program;
mod request;
mod service;
mod sign;
mod slices;
mod state;
mod url;

pub use describe::Description;
pub use service::Service;

use super::harness::Test;

/// What the lab checks of this service by itself.
pub fn tests() -> Vec<Test> {
    vec![
        Test::quick("lab::files_v1::sign", sign::check),
        Test::quick("lab::files_v1::form", form::check),
        Test::quick("lab::files_v1::url", url::check),
        Test::quick("lab::files_v1::answer", answer::check),
        Test::quick("lab::files_v1::order", order::check),
    ]
}
