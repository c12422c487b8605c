//! The page of one target of a task: its phases over time, its codes over time, its runs.

use askama::Template;

use super::words::Words;
use super::{Chip, Frame, State};

/// The page of one target.
#[derive(Debug, Template)]
#[template(path = "task.html")]
pub struct TaskPage {
    /// Around it.
    pub frame: Frame,
    /// The words.
    pub words: &'static Words,
    /// The title of the page.
    pub title: String,
    /// The name of the task.
    pub task: String,
    /// The target.
    pub target: String,
    /// What is spoken.
    pub protocol: &'static str,
    /// All targets of the task.
    pub targets: Vec<Chip>,
    /// The ranges to choose from.
    pub ranges: Vec<Chip>,
    /// How it is.
    pub state: State,
    /// The last code.
    pub code: String,
    /// What the last code says, with what happened.
    pub sentence: String,
    /// In the range.
    pub availability: String,
    /// How many runs there were in the range.
    pub runs: u64,
    /// How many of these failed.
    pub failed: u64,
    /// The mean of the range.
    pub latency: String,
    /// The phases over time, drawn.
    pub phases: String,
    /// The codes over time, drawn.
    pub codes: String,
    /// All runs, or failed ones only.
    pub filters: Vec<Chip>,
    /// The runs of this page, newest first.
    pub rows: Vec<Row>,
    /// The page with older ones.
    pub older: Option<String>,
}

/// One run.
#[derive(Debug)]
pub struct Row {
    /// Its page.
    pub link: String,
    /// When it began.
    pub started: String,
    /// How it ended.
    pub state: State,
    /// The code, or the outcome where there is none.
    pub code: String,
    /// The phase in which it failed.
    pub phase: String,
    /// How long it took.
    pub duration: String,
    /// What happened.
    pub detail: String,
}
