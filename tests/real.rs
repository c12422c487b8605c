//! The real binary against real servers: what the scripted peers of `cases.rs` play, nobody here wrote.
//!
//! The servers are those of `tests/stack`: processes of this test, or with `STACK=compose` the containers of
//! `docker-compose.yml`. One file of `tests/real` a protocol.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what the stack offers to its tests")]

#[path = "real/authority.rs"]
mod authority;
#[path = "real/dns.rs"]
mod dns;
#[path = "real/ftp.rs"]
mod ftp;
#[path = "real/http.rs"]
mod http;
#[path = "real/mail.rs"]
mod mail;
#[path = "real/ping.rs"]
mod ping;
#[path = "real/revocation.rs"]
mod revocation;
#[path = "real/run.rs"]
mod run;
mod stack;
#[path = "real/tcp.rs"]
mod tcp;
#[path = "real/tls.rs"]
mod tls;
#[path = "real/token.rs"]
mod token;
#[path = "real/transfer.rs"]
mod transfer;
