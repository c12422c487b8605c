//! The status page as its readers have it: the real daemon, a real browser, and readers with evil in mind.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what a module offers to the others")]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/client.rs"]
mod client;
#[path = "daemon/host.rs"]
#[allow(dead_code, reason = "the host is shared with `daemon.rs`, which uses the rest of it")]
mod host;
#[path = "page/hostile.rs"]
mod hostile;
#[path = "page/looks.rs"]
mod looks;
#[path = "page/reading.rs"]
mod reading;
#[path = "store/runs.rs"]
#[allow(dead_code, reason = "the tests of the store use more of it")]
mod runs;
#[path = "page/scene.rs"]
mod scene;
