//! The store: what it keeps, what it says of it, and what it survives.

mod kill;
mod keeping;
mod runs;
mod top;
mod trouble;
