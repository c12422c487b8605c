//! The store: what it keeps, what it says of it, and what it survives.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what a module offers to the others")]

mod kill;
mod keeping;
mod runs;
mod top;
mod trouble;
