//! The agent around the probes: which tasks there are, what a host says to them, and how people meet the results.
//!
//! The floors of `probes` continue here; a module uses modules of lower floors only, and `tests/layers.rs` keeps it
//! so.

pub mod reader; //    8  TOML whose mistakes have a place
pub mod resolver; //  9  the table that hosts and tasks have in common
pub mod settings; // 10  what a host says to every task
pub mod task; //     11  task files: TOML in, runnable probes out
pub mod config; //   12  a whole configuration: settings and all their tasks
pub mod import; //   12  blackbox_exporter's modules as tasks
pub mod run; //      12  one run, as those get it who keep, count, show and export it
pub mod schedule; // 13  when what runs
pub mod export; //   14  failures on their way out
pub mod metrics; //  14  what is counted and measured, as Prometheus reads it
pub mod store; //    14  every run on disk, and what the runs add up to
pub mod page; //     15  the status page as HTML
pub mod web; //      16  the only door that others come in by
pub mod daemon; //   17  all of it at work, for months
pub mod cli; //      18  the command line
