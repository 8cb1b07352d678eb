//! How `shadegrad tune` shows where the search stands: a live table at a terminal, a line a run elsewhere.

use super::output::Output;
use crate::error::Result;
use crate::train::{Finished, Settings, Update, rank};
use indicatif::ProgressBar;

/// Runs in the table.
const SHOWN: usize = 8;

const HEAD: &str =
    "trial rung epochs       lr  width  depth  batch  dropout    decay  activation  validation loss  accuracy";

/// The runs so far, and the one that goes on.
pub(super) struct Table<'a> {
    output: &'a Output,
    bar: ProgressBar,
    settings: &'a [Settings],
    finished: Vec<Finished>,
    /// Of the whole search.
    runs: usize,
}

impl<'a> Table<'a> {
    /// A table of a search of `runs` runs, of which some are `finished`; `settings` are those of each trial.
    pub(super) fn new(
        output: &'a Output,
        settings: &'a [Settings],
        finished: &[Finished],
        runs: usize,
    ) -> Result<Self> {
        let table = Self { output, bar: output.bar(runs as u64, "{msg}"), settings, finished: finished.to_vec(), runs };
        if table.bar.is_hidden() && finished.len() < runs {
            output.line(HEAD)?;
        }
        table.show("");
        Ok(table)
    }

    /// A run has come so far.
    pub(super) fn progress(&self, trial: usize, update: &Update<'_>) {
        let percent = 100 * update.step / update.total_steps.max(1);
        self.show(&format!("; trial {trial}: {percent} %, loss {:.4}", update.score.loss));
    }

    /// A run has ended.
    pub(super) fn add(&mut self, finished: Finished) -> Result<()> {
        self.finished.push(finished);
        if self.bar.is_hidden() {
            return self.output.line(row(&finished, self.settings));
        }
        self.show("");
        Ok(())
    }

    /// Takes the live table away, and leaves the best runs.
    pub(super) fn end(&self) -> Result<()> {
        self.bar.finish_and_clear();
        self.output.line("the best runs:")?;
        self.output.line(HEAD)?;
        self.best().iter().try_for_each(|run| self.output.line(row(run, self.settings)))
    }

    fn best(&self) -> Vec<Finished> {
        let mut ranked = self.finished.clone();
        rank(&mut ranked);
        ranked.truncate(SHOWN);
        ranked
    }

    fn show(&self, now: &str) {
        if self.bar.is_hidden() {
            return;
        }
        let rows = self.best().iter().map(|run| row(run, self.settings) + "\n").collect::<String>();
        self.bar.set_message(format!("{HEAD}\n{rows}{} of {} runs{now}", self.finished.len(), self.runs));
    }
}

fn row(finished: &Finished, settings: &[Settings]) -> String {
    let run = finished.run;
    let start = format!("{:>5} {:>4} {:>6}", run.trial, run.rung, run.epochs);
    let Some(s) = settings.get(run.trial) else { return start };
    let score = finished.score.map_or("       diverged".to_owned(), |score| {
        format!("{:>15.4}  {:>6.2} %", score.loss, 100.0 * score.accuracy)
    });
    format!(
        "{start} {:>8}  {:>5}  {:>5}  {:>5}  {:>7}  {:>7}  {:>10}  {score}",
        s.learning_rate,
        s.width,
        s.depth,
        s.batch_size,
        s.dropout,
        s.weight_decay,
        s.activation.to_string(),
    )
}
