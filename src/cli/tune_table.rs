//! Progress of `shadegrad tune`: a live table at a terminal, a line per run elsewhere.

use super::output::Output;
use crate::error::Result;
use crate::train::{Finished, Sample, TrainUpdate, rank};
use indicatif::ProgressBar;

/// Runs shown in the table.
const SHOWN: usize = 8;

/// The runs so far, and the current one.
pub(super) struct TuneTable<'a> {
    output: &'a Output,
    bar: ProgressBar,
    samples: &'a [Sample],
    finished: Vec<Finished>,
    /// Number of runs in the search.
    runs: usize,
}

impl<'a> TuneTable<'a> {
    /// A table for a search of `runs` runs, with those `finished` so far and the settings of its trials (`samples`).
    pub(super) fn new(output: &'a Output, samples: &'a [Sample], finished: &[Finished], runs: usize) -> Result<Self> {
        let table = Self { output, bar: output.bar(runs as u64, "{msg}"), samples, finished: finished.to_vec(), runs };
        if table.bar.is_hidden() && finished.len() < runs {
            output.line(head(samples))?;
        }
        table.show("");
        Ok(table)
    }

    /// Shows the progress of the current run.
    pub(super) fn progress(&self, trial: usize, update: &TrainUpdate<'_>) {
        let percent = 100 * update.step / update.total_steps.max(1);
        self.show(&format!("; trial {trial}: {percent} %, loss {:.4}", update.score.loss()));
    }

    /// Adds a finished run.
    pub(super) fn add(&mut self, finished: Finished) -> Result<()> {
        self.finished.push(finished);
        if self.bar.is_hidden() {
            return self.output.line(row(&finished, self.samples));
        }
        self.show("");
        Ok(())
    }

    /// Removes the live table, and prints the best runs.
    pub(super) fn end(&self) -> Result<()> {
        self.bar.finish_and_clear();
        self.output.line("the best runs:")?;
        self.output.line(head(self.samples))?;
        self.best().iter().try_for_each(|run| self.output.line(row(run, self.samples)))
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
        let rows = self.best().iter().map(|run| row(run, self.samples) + "\n").collect::<String>();
        self.bar.set_message(format!(
            "{}\n{rows}{} of {} runs{now}",
            head(self.samples),
            self.finished.len(),
            self.runs
        ));
    }
}

/// How wide the column of a setting is.
fn width(flag: &str) -> usize {
    flag.len().max(8)
}

/// The names of the columns.
fn head(samples: &[Sample]) -> String {
    let settings = samples.first().into_iter().flat_map(Sample::values);
    let columns = settings.map(|(flag, _)| format!("  {:>1$}", flag.replace('-', " "), width(flag)));
    format!("trial rung epochs{}  validation loss  accuracy", columns.collect::<String>())
}

fn row(finished: &Finished, samples: &[Sample]) -> String {
    let run = finished.run;
    let start = format!("{:>5} {:>4} {:>6}", run.trial, run.rung, run.epochs);
    let Some(sample) = samples.get(run.trial) else { return start };
    let score = finished.score.map_or("       diverged".to_owned(), |score| {
        format!("{:>15.4}  {:>6.2} %", score.loss(), 100.0 * score.accuracy())
    });
    let columns = sample.values().map(|(flag, value)| format!("  {value:>0$}", width(flag)));
    format!("{start}{}  {score}", columns.collect::<String>())
}
