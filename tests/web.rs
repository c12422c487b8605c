//! The door: what every path answers, to whom, and how little a hostile peer gets. Each test opens a door of its own on a
//! free port of loopback, with a configuration read from files as a daemon reads it.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what a module offers to the others")]

#[path = "web/contract.rs"]
mod contract;
#[path = "web/house.rs"]
mod house;
#[path = "web/limits.rs"]
mod limits;
#[path = "web/probe.rs"]
mod probe;
#[path = "web/scrape.rs"]
mod scrape;
#[path = "web/shipped.rs"]
mod shipped;
#[allow(dead_code, reason = "the stack is shared with `real.rs`, which uses the rest of it")]
mod stack;
