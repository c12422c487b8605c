//! The test lab: scripted peers that misbehave in one way each, and the means to show them to the real binary.
//!
//! A case file ([`case`]) describes its peers ([`peer`]), the task that probes them and the one verdict the agent must
//! give; [`stage`] plays it and [`judge`] compares. Everything listens on port 0 of loopback, or inside a network
//! namespace of its own ([`namespace`]); nothing else is ever sent to.

#![allow(
    clippy::disallowed_methods,
    reason = "the lab is the other side: the agent's one door to the network is not its own"
)]
#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what the lab offers to its tests")]

pub mod agent; //        runs the binary, with a hard end
pub mod case; //         the case file
pub mod catalogue; //    the rows that need a case
pub mod certificates; // certificates, each with one defect
pub mod checks; //       tests of the lab itself, and of the case files as a whole
pub mod datagrams; //    a scripted UDP peer
pub mod dns; //          name servers that answer by script
pub mod files_v1; //     object storage with the files/v1 interface
pub mod frames; //       HTTP/2 by hand
pub mod harness; //      finds, runs and reports the tests
pub mod icmp; //         hosts that answer echo requests by script
pub mod judge; //        compares a result with what the case expects
pub mod namespace; //    a network of one's own, for routes and filters
pub mod peer; //         a listening peer and what it heard
pub mod places; //       `{addr}` and its like in a case file
pub mod records; //      what name servers answer, as case files write it
pub mod scene; //        a case with its peers up
pub mod script; //       what a peer does, step by step
pub mod stage; //        one case from its text to its verdict
pub mod stalls; //       notices when the machine stands still
pub mod status; //       OCSP responses and revocation lists
pub mod table; //        one file with many cases
pub mod tls; //          TLS on top of a peer
pub mod witness; //      curl and OpenSSL against the lab
pub mod wire; //         one connection of a peer
pub mod zone; //         what a name server knows, and what is wrong with it
