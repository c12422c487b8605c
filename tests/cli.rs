//! The words of the real binary: whole standard output, whole standard error and exit status, compared with
//! snapshots beside the tests in `tests/cli`. What changes from run to run (times, ids, ports, folders) is replaced by
//! a word in capitals first.
//!
//! A new wording is looked at with `git diff` after `INSTA_UPDATE=always cargo test --test cli`.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what a module offers to the others")]

#[path = "cli/call.rs"]
mod call;
#[allow(dead_code, reason = "the lab is shared with `cases.rs`, which uses the rest of it")]
mod lab;
#[path = "cli/mistakes.rs"]
mod mistakes;
#[path = "cli/results.rs"]
mod results;
#[allow(dead_code, reason = "the tests of the store use more of it")]
#[path = "store/runs.rs"]
mod runs;
#[path = "cli/stored.rs"]
mod stored;
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/verbs.rs"]
mod verbs;
