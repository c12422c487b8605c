//! The first page: how everything is, the most frequent codes by a dimension, and every target.

use askama::Template;

use super::words::Words;
use super::{Chip, Frame, State};

/// The first page.
#[derive(Debug, Template)]
#[template(path = "overview.html")]
pub struct Overview {
    /// Around it.
    pub frame: Frame,
    /// The words.
    pub words: &'static Words,
    /// The title of the page.
    pub title: &'static str,
    /// The ranges to choose from.
    pub ranges: Vec<Chip>,
    /// The range in force, as in a query.
    pub range: String,
    /// All targets together.
    pub summary: Summary,
    /// The dimensions to choose from.
    pub dimensions: Vec<Chip>,
    /// The dimension in force; empty for all together.
    pub by: String,
    /// The most frequent codes.
    pub top: Vec<Frequent>,
    /// What the reader looks for.
    pub query: String,
    /// Whether only failing targets are shown.
    pub failing: bool,
    /// The targets of this page.
    pub rows: Vec<Row>,
    /// The page before.
    pub previous: Option<String>,
    /// The page after.
    pub next: Option<String>,
}

/// All targets together, in words.
#[derive(Debug)]
pub struct Summary {
    /// How many tasks there are.
    pub tasks: usize,
    /// How many targets they have.
    pub targets: usize,
    /// How many of these failed last.
    pub failing: usize,
    /// How many runs there were in the range.
    pub runs: u64,
    /// How many of these failed.
    pub failed: u64,
    /// The share of those that did not.
    pub availability: String,
}

/// One of the most frequent codes.
#[derive(Debug)]
pub struct Frequent {
    /// Of what: the value of the dimension.
    pub of: String,
    /// The number.
    pub code: i64,
    /// Its title, in the language of the page.
    pub title: String,
    /// Its book and protocol.
    pub book: String,
    /// How often.
    pub count: u64,
    /// Of all failures.
    pub share: String,
    /// Against the range before.
    pub change: String,
    /// `up`, `down` or nothing.
    pub trend: &'static str,
}

/// One target.
#[derive(Debug)]
pub struct Row {
    /// The name of the task.
    pub task: String,
    /// The target.
    pub target: String,
    /// What is spoken.
    pub protocol: &'static str,
    /// Its page.
    pub link: String,
    /// How it is.
    pub state: State,
    /// The last code, or the outcome where there is none.
    pub code: String,
    /// The title of the code, in the language of the page.
    pub title: String,
    /// In the range.
    pub availability: String,
    /// The mean of the range.
    pub latency: String,
    /// The latency over the range, drawn.
    pub spark: String,
    /// How long ago the last run was.
    pub age: String,
}
