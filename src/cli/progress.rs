//! Progress bars of transfers, on standard error, and only where that is a terminal.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use probes::spec::Spec;
use probes::transfer::Progress;
use tokio::task::JoinHandle;

use crate::task::Task;

/// How often the bars are drawn anew.
const BEAT: Duration = Duration::from_millis(100);
/// A transfer that is over before this has no bar.
const PATIENCE: Duration = Duration::from_millis(400);

const WITH_TOTAL: &str = "{prefix:.dim}  {wide_bar} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta} left";
const WITHOUT_TOTAL: &str = "{prefix:.dim}  {spinner} {bytes}  {binary_bytes_per_sec}";

/// The bars of a call.
pub(super) struct Bars {
    board: MultiProgress,
    drawing: Option<JoinHandle<()>>,
}

impl Bars {
    /// Begins to draw, where there is something to draw and somebody to see it.
    pub(super) fn of(tasks: &[Task], wanted: bool) -> Self {
        let board = MultiProgress::new();
        let watched: Vec<(String, Arc<Progress>)> =
            if wanted && io::stderr().is_terminal() { tasks.iter().flat_map(transfers).collect() } else { Vec::new() };
        let drawing = (!watched.is_empty()).then(|| tokio::spawn(draw(board.clone(), watched)));
        Self { board, drawing }
    }

    /// Prints a result with the bars out of its way.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        match self.drawing {
            Some(_) => self.board.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(drawing) = self.drawing.take() {
            drawing.abort();
            let _ = self.board.clear();
        }
    }
}

fn transfers(task: &Task) -> impl Iterator<Item = (String, Arc<Progress>)> {
    task.probes.iter().filter_map(|probe| match &probe.spec {
        Spec::Transfer(transfer) => Some((task.name.clone(), transfer.progress.clone())),
        _ => None,
    })
}

async fn draw(board: MultiProgress, watched: Vec<(String, Arc<Progress>)>) {
    tokio::time::sleep(PATIENCE).await;
    let style = |template| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut bars: Vec<Option<ProgressBar>> = watched.iter().map(|_| None).collect();
    loop {
        for ((name, progress), bar) in watched.iter().zip(&mut bars) {
            if progress.is_over() {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            } else if progress.done() > 0 {
                let bar = bar.get_or_insert_with(|| {
                    let template = if progress.total().is_some() { WITH_TOTAL } else { WITHOUT_TOTAL };
                    let bar = board.add(ProgressBar::new(0).with_style(style(template)));
                    bar.set_prefix(name.clone());
                    bar
                });
                progress.total().into_iter().for_each(|total| bar.set_length(total));
                bar.set_position(progress.done());
            }
        }
        tokio::time::sleep(BEAT).await;
    }
}
