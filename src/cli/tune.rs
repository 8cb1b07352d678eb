//! `shadegrad tune`.

use super::data_flags::{DataFlags, TUNING_VALIDATION, TrainingDataFlags, flag};
use super::kernel_flags::KernelFlags;
use super::open::{Device, describe_data, device_json, load, loaded, open, tell_dropped};
use super::output::Output;
use super::settings::FixedFlags;
use super::tune_flags::{SpaceFlags, TuneSearch};
use super::tune_table::TuneTable;
use crate::cpu::CpuExecutor;
use crate::data::{Dataset, Split};
use crate::error::{Error, Kind, Result};
use crate::gpu::{DeviceChoice, GpuExecutor};
use crate::kernel::Caps;
use crate::nn::metric::Measured;
use crate::plan::{Executor, Plan};
use crate::train::{Assignment, Finished, Halving, Journal, Sample, TrainUpdate, Trainer, rank, unless_diverged};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// The flags of `tune`. A range is written LOW..HIGH, a list of choices A,B,C.
#[derive(Debug, clap::Args)]
pub(super) struct Tune {
    #[command(flatten)]
    data: DataFlags,
    #[command(flatten)]
    training_data: TrainingDataFlags,
    #[command(flatten)]
    space: SpaceFlags,
    #[command(flatten)]
    fixed: FixedFlags,
    /// Number of trials
    #[arg(long, default_value_t = 16, value_name = "N")]
    trials: usize,
    /// Number of rounds; each after the first retrains the better half of the trials from scratch, twice as long
    #[arg(long, default_value_t = 3, value_name = "N")]
    rungs: usize,
    /// Epochs in the first round
    #[arg(long, default_value_t = 1, value_name = "N")]
    min_epochs: usize,
    /// `auto` (a GPU, else the CPU path), `cpu`, or an adapter's number or part of its name from `shadegrad devices`
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: DeviceChoice,
    /// File of runs, one JSON object per line; an interrupted search resumes from it
    #[arg(long, default_value = "tune.jsonl", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    kernels: KernelFlags,
    /// Print one JSON object per line instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl Tune {
    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let search = TuneSearch::new(&self.space, &self.fixed)?;
        let halving = Halving::new(self.trials, self.rungs, self.min_epochs)?;
        let sample = |trial| search.space.sample(search.config.seed, trial as u32);
        let samples: Vec<_> = (0..self.trials).map(sample).collect();
        let mut preparation = self.data.preparation(Some(&self.training_data));
        preparation.validation.get_or_insert(TUNING_VALIDATION);
        let data_flags = self.data.repeated(&preparation);
        // Data and device are opened in parallel.
        let loading = load(&self.data.source, preparation, output);
        let device = open(&self.device);
        let (data, dropped) = loaded(loading)?;
        let device = device?;
        // Fixed settings must fit the shortest run: an impossible search creates no file.
        let shortest = samples.iter().map(|sample| search.run(sample, self.min_epochs)).collect::<Result<Vec<_>>>()?;
        if let Some(config) = shortest.iter().max_by_key(|config| config.batch_size) {
            Trainer::<GpuExecutor>::plan(config, &data, &device.caps())?;
        }
        let head = self.describe(&search, &data_flags, &data);
        let (journal, done) = Journal::open(&self.out, &head)?;
        output.line(format_args!("device  {device}"))?;
        output.line(format_args!("data    {}", describe_data(&data)))?;
        let dropped = tell_dropped(output, &dropped)?;
        let (rungs, runs) = (halving.rungs(), halving.runs());
        output.line(format_args!("search  {} trials in {rungs} rungs, {runs} runs", self.trials))?;
        if !done.is_empty() {
            output.line(format_args!("resuming: {} runs already done ({})", done.len(), self.out.display()))?;
        }
        output.event(&json!({ "event": "start", "device": device_json(&device), "search": head, "dropped": dropped,
                              "resumed": done.len() }))?;
        let table = TuneTable::new(output, &samples, &done, runs)?;
        let trials = Trials {
            search: &search,
            samples: &samples,
            data: &data,
            device: device_json(&device),
            caps: device.caps(),
            journal,
            table,
            output,
        };
        let (finished, bytes_up) = pollster::block_on(async {
            match &device {
                Device::Gpu(gpu) => {
                    let open = async |plan| self.kernels.executor(gpu, plan, output).await;
                    trials.search(&halving, &done, open).await
                }
                Device::Native(_) => trials.search(&halving, &done, async |plan| CpuExecutor::<f32>::new(plan)).await,
            }
        })?;
        let command = |run: &Assignment| {
            let flags = search.train_flags(&samples[run.trial], run.epochs);
            let device = Some(&self.device).filter(|device| **device != DeviceChoice::Auto);
            ["shadegrad train", &data_flags, &flags, &flag("device", device)].concat()
        };
        self.summarize(output, finished, &samples, command, bytes_up)
    }

    /// Identifies this search: the first line of its file.
    fn describe(&self, search: &TuneSearch, data_flags: &str, data: &Dataset) -> Value {
        let [space, fixed] = search.json();
        json!({
            "event": "search",
            "space": space,
            "fixed": fixed,
            "trials": self.trials,
            "rungs": self.rungs,
            "min_epochs": self.min_epochs,
            "seed": search.config.seed,
            "data": { "flags": data_flags.trim_start(), "train": data.train().len(),
                      "validation": data.validation().map_or(0, Split::len) },
        })
    }

    fn summarize(
        &self,
        output: &Output,
        mut finished: Vec<Finished>,
        samples: &[Sample],
        command: impl Fn(&Assignment) -> String,
        bytes_up: u64,
    ) -> Result<()> {
        rank(&mut finished);
        let best = finished.first().and_then(|best| Some((best.run, best.score?)));
        let Some((run, score)) = best else {
            let cause = "all runs of the search diverged";
            return Err(Error::new(Kind::Numeric, cause, "lower the learning rates, such as --lr 1e-5..1e-3"));
        };
        let command = command(&run);
        let Assignment { trial, epochs, .. } = run;
        output.line(format_args!("best    trial {trial}, {epochs} epochs: validation {score}"))?;
        output.line(format_args!("saved   {}", self.out.display()))?;
        output.line("retrain the best and score it on the held-out test set:")?;
        output.line(format_args!("  {command}"))?;
        let mut event = json!({
            "event": "summary",
            "runs": finished.len(),
            "diverged": finished.iter().filter(|run| run.score.is_none()).count(),
            "trial": run.trial,
            "rung": run.rung,
            "epochs": run.epochs,
            "settings": samples[run.trial].json(),
        });
        for (name, value) in score.iter() {
            event[format!("validation_{name}")] = value.into();
        }
        event["bytes_up"] = bytes_up.into();
        event["command"] = command.into();
        output.event(&event)
    }
}

/// Shared state of the runs of a search.
struct Trials<'a> {
    search: &'a TuneSearch,
    samples: &'a [Sample],
    data: &'a Dataset,
    device: Value,
    caps: Caps,
    journal: Journal,
    table: TuneTable<'a>,
    output: &'a Output,
}

impl Trials<'_> {
    /// Runs everything that is not `done`, on an executor that `open` creates for the first run. Returns all runs, and
    /// the bytes uploaded for those run now.
    async fn search<E: Executor>(
        mut self,
        halving: &Halving,
        done: &[Finished],
        open: impl AsyncFn(Plan) -> Result<E>,
    ) -> Result<(Vec<Finished>, u64)> {
        let mut trainer = None;
        let finished = halving.search(done, async |run| self.run(run, &mut trainer, &open).await).await?;
        self.table.end()?;
        Ok((finished, trainer.map_or(0, |trainer| trainer.executor().traffic().up)))
    }

    /// Runs an assignment and appends it to the file. Reuses the previous run's trainer, which has the data.
    async fn run<E: Executor>(
        &mut self,
        run: Assignment,
        trainer: &mut Option<Trainer<E>>,
        open: &impl AsyncFn(Plan) -> Result<E>,
    ) -> Result<Option<Measured>> {
        let started = Instant::now();
        let sample = &self.samples[run.trial];
        let config = self.search.run(sample, run.epochs)?;
        let next = match trainer.take() {
            Some(before) => before.with_config(config, self.data, &self.caps).await?,
            None => {
                let (model, plan) = Trainer::<E>::plan(&config, self.data, &self.caps)?;
                Trainer::new(open(plan).await?, model, config, self.data)?
            }
        };
        let watch = |update: TrainUpdate<'_>| {
            self.table.progress(run.trial, &update);
            Ok(())
        };
        let score = unless_diverged(validated(trainer.insert(next), watch).await)?;
        let about = json!({ "settings": sample.json(), "seconds": started.elapsed().as_secs_f64(),
                            "device": self.device });
        let (line, score) = self.journal.add(&Finished { run, score }, &about)?;
        self.output.event(&line)?;
        self.table.add(Finished { run, score })?;
        Ok(score)
    }
}

/// Trains, and returns the validation score after the last epoch.
async fn validated<E: Executor>(
    trainer: &mut Trainer<E>,
    watch: impl FnMut(TrainUpdate<'_>) -> Result<()>,
) -> Result<Measured> {
    let outcome = trainer.train(watch).await?;
    outcome.validation.map(|validated| validated.score).ok_or_else(|| {
        Error::new(Kind::Usage, "no images are held out for validation", "hold some out, such as --validation 0.1")
    })
}
