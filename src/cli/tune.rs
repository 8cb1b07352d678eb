//! `shadegrad tune`.

use super::data_flags::{DataFlags, TUNING_VALIDATION, TrainingDataFlags, quoted};
use super::open::{Device, describe_data, load, loaded, tell_dropped};
use super::output::Output;
use super::tune_table::Table;
use crate::cpu::CpuExecutor;
use crate::data::{Dataset, Split};
use crate::error::{Error, Kind, Result};
use crate::gpu::{Checks, Choice, GpuExecutor};
use crate::nn::Activation;
use crate::plan::{Executor, Plan};
use crate::train::{
    Assignment, Finished, Halving, Journal, Score, Settings, Space, Trainer, Update, Values, rank, unless_diverged,
};
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
    /// How many settings to try
    #[arg(long, default_value_t = 16, value_name = "N")]
    trials: usize,
    /// How many rounds; each after the first trains the better half of the trials, from the start, twice as long
    #[arg(long, default_value_t = 3, value_name = "N")]
    rungs: usize,
    /// Passes over the training images in the first round
    #[arg(long, default_value_t = 1, value_name = "N")]
    min_epochs: usize,
    /// Seed of the settings tried, and of the initial weights and the order of the images in each run
    #[arg(long, default_value_t = 42, value_name = "N")]
    seed: u64,
    /// `auto` (a GPU, else the CPU path), `cpu`, or an adapter of `shadegrad devices` by number or part of its name
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: Choice,
    /// File of the runs, a line of JSON each; a search that was broken off goes on where its file ends
    #[arg(long, default_value = "tune.jsonl", value_name = "FILE")]
    out: PathBuf,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// What each setting may be.
#[derive(Debug, clap::Args)]
struct SpaceFlags {
    /// Learning rates; a range is drawn from log-uniformly
    #[arg(long, default_value = "1e-4..1e-2", value_name = "VALUES", allow_hyphen_values = true)]
    lr: Values<f64>,
    /// Widths of the hidden layers, all alike; a range is drawn from log-uniformly
    #[arg(long, default_value = "64..1024", value_name = "VALUES")]
    width: Values<usize>,
    /// Numbers of hidden layers
    #[arg(long, default_value = "1..3", value_name = "VALUES")]
    depth: Values<usize>,
    /// Images in a training step; a range is drawn from log-uniformly
    #[arg(long, alias = "batch-size", default_value = "32,128,512", value_name = "VALUES")]
    batch: Values<usize>,
    /// Shares of each hidden layer's outputs that training drops
    #[arg(long, default_value = "0..0.5", value_name = "VALUES", allow_hyphen_values = true)]
    dropout: Values<f64>,
    /// Decoupled decay of weights, by adamw
    #[arg(long, default_value = "0..0.1", value_name = "VALUES", allow_hyphen_values = true)]
    weight_decay: Values<f64>,
    /// What follows each hidden layer
    #[arg(long, default_value = "relu,tanh", value_delimiter = ',', value_name = "FUNCTION[,FUNCTION...]")]
    activation: Vec<Activation>,
}

impl SpaceFlags {
    fn space(&self) -> Result<Space> {
        let space = Space {
            learning_rate: self.lr.clone(),
            width: self.width.clone(),
            depth: self.depth.clone(),
            batch_size: self.batch.clone(),
            dropout: self.dropout.clone(),
            weight_decay: self.weight_decay.clone(),
            activation: self.activation.clone(),
        };
        space.validate()?;
        Ok(space)
    }
}

impl Tune {
    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let space = self.space.space()?;
        let halving = Halving::new(self.trials, self.rungs, self.min_epochs)?;
        let settings: Vec<_> = (0..self.trials).map(|trial| space.sample(self.seed, trial as u32)).collect();
        let mut preparation = self.data.preparation(Some(&self.training_data));
        preparation.validation.get_or_insert(TUNING_VALIDATION);
        let data_flags = self.data.repeated(&preparation);
        // Data and device take their time side by side.
        let loading = load(&self.data.source, preparation, output);
        let device = Device::open(&self.device);
        let (data, dropped) = loaded(loading)?;
        let device = device?;
        let search = self.describe(&space, &data_flags, &data);
        let (journal, done) = Journal::open(&self.out, &search)?;
        output.line(format_args!("device  {}", device.describe()))?;
        output.line(format_args!("data    {}", describe_data(&data)))?;
        let dropped = tell_dropped(output, &dropped)?;
        let (rungs, runs) = (halving.rungs(), halving.runs());
        output.line(format_args!("search  {} trials in {rungs} rungs, {runs} runs", self.trials))?;
        if !done.is_empty() {
            output.line(format_args!("resumed {} runs are in {}", done.len(), self.out.display()))?;
        }
        output.event(&json!({ "event": "start", "device": device.json(), "search": search, "dropped": dropped,
                              "resumed": done.len() }))?;
        let table = Table::new(output, &settings, &done, runs)?;
        let (settings, data) = (settings.as_slice(), &data);
        let trials = Trials { seed: self.seed, settings, data, device: device.json(), journal, table, output };
        let (finished, bytes_up) = pollster::block_on(async {
            match &device {
                Device::Gpu(gpu) => {
                    let open = async |plan| GpuExecutor::new(gpu.clone(), plan, Checks::Off).await;
                    trials.search(&halving, &done, open).await
                }
                Device::Native(_) => trials.search(&halving, &done, async |plan| CpuExecutor::<f32>::new(plan)).await,
            }
        })?;
        self.summarise(output, finished, settings, &data_flags, bytes_up)
    }

    /// What makes this search the one it is: the first line of its file.
    fn describe(&self, space: &Space, data_flags: &str, data: &Dataset) -> Value {
        json!({
            "event": "search",
            "space": {
                "lr": space.learning_rate.to_string(),
                "width": space.width.to_string(),
                "depth": space.depth.to_string(),
                "batch": space.batch_size.to_string(),
                "dropout": space.dropout.to_string(),
                "weight_decay": space.weight_decay.to_string(),
                "activation": space.activation.iter().map(Activation::to_string).collect::<Vec<_>>(),
            },
            "trials": self.trials,
            "rungs": self.rungs,
            "min_epochs": self.min_epochs,
            "seed": self.seed,
            "data": { "flags": data_flags, "train": data.train.len(),
                      "validation": data.validation.as_ref().map_or(0, Split::len) },
        })
    }

    fn summarise(
        &self,
        output: &Output,
        mut finished: Vec<Finished>,
        settings: &[Settings],
        data_flags: &str,
        bytes_up: u64,
    ) -> Result<()> {
        rank(&mut finished);
        let best = finished.first().and_then(|best| Some((best.run, best.score?)));
        let Some((run, score)) = best else {
            let cause = "no run of the search kept a finite loss";
            return Err(Error::new(Kind::Numeric, cause, "lower the learning rates, such as --lr 1e-5..1e-3"));
        };
        let settings = &settings[run.trial];
        let mut command = format!("shadegrad train {data_flags} {}", train_flags(settings, run.epochs, self.seed));
        if self.device != Choice::Auto {
            command.push_str(&format!(" --device {}", quoted(&self.device.to_string())));
        }
        let (loss, accuracy) = (score.loss, score.accuracy);
        output.line(format_args!(
            "best    trial {}, {} epochs: validation loss {loss:.4}  accuracy {:.2} %",
            run.trial,
            run.epochs,
            100.0 * accuracy
        ))?;
        output.line(format_args!("saved   {}", self.out.display()))?;
        output.line("again, with the score on the test images, which the search has not looked at:")?;
        output.line(format_args!("  {command}"))?;
        output.event(&json!({
            "event": "summary",
            "runs": finished.len(),
            "diverged": finished.iter().filter(|run| run.score.is_none()).count(),
            "trial": run.trial,
            "rung": run.rung,
            "epochs": run.epochs,
            "settings": describe(settings),
            "validation_loss": loss,
            "validation_accuracy": accuracy,
            "bytes_up": bytes_up,
            "command": command,
        }))
    }
}

fn describe(settings: &Settings) -> Value {
    // As decimal text says them: f32 widened to f64 would have more digits.
    let decimal = |x: f32| x.to_string().parse::<f64>().unwrap_or(x.into());
    json!({
        "lr": decimal(settings.learning_rate),
        "width": settings.width,
        "depth": settings.depth,
        "batch": settings.batch_size,
        "dropout": settings.dropout,
        "weight_decay": decimal(settings.weight_decay),
        "activation": settings.activation.to_string(),
    })
}

/// The flags of `train` for one run.
fn train_flags(settings: &Settings, epochs: usize, seed: u64) -> String {
    let Settings { learning_rate, width, depth, batch_size, dropout, weight_decay, activation } = settings;
    let hidden = vec![width.to_string(); *depth].join(",");
    format!(
        "--hidden {hidden} --activation {activation} --dropout {dropout} --batch-size {batch_size} --epochs {epochs} \
         --lr {learning_rate} --optimizer adamw --weight-decay {weight_decay} --seed {seed}"
    )
}

/// What the runs of a search share.
struct Trials<'a> {
    seed: u64,
    settings: &'a [Settings],
    data: &'a Dataset,
    device: Value,
    journal: Journal,
    table: Table<'a>,
    output: &'a Output,
}

impl Trials<'_> {
    /// Does the runs that are not `done` yet, on an executor that `open` makes for the first of them. Gives all runs,
    /// and the bytes that went up for those done now.
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

    /// Does a run, and writes it down. The trainer of the run before has the data, and is left to the next.
    async fn run<E: Executor>(
        &mut self,
        run: Assignment,
        trainer: &mut Option<Trainer<E>>,
        open: &impl AsyncFn(Plan) -> Result<E>,
    ) -> Result<Option<Score>> {
        let started = Instant::now();
        let settings = &self.settings[run.trial];
        let config = settings.config(run.epochs, self.seed);
        let next = match trainer.take() {
            Some(before) => before.with_config(config, self.data).await?,
            None => {
                let (model, plan) = Trainer::<E>::plan(&config, self.data)?;
                Trainer::new(open(plan).await?, model, config, self.data)?
            }
        };
        let watch = |update: Update<'_>| {
            self.table.progress(run.trial, &update);
            Ok(())
        };
        let score = unless_diverged(validated(trainer.insert(next), watch).await)?;
        let about = json!({ "settings": describe(settings), "seconds": started.elapsed().as_secs_f64(),
                            "device": self.device });
        let (line, score) = self.journal.add(&Finished { run, score }, &about)?;
        self.output.event(&line)?;
        self.table.add(Finished { run, score })?;
        Ok(score)
    }
}

/// Trains, and gives the score on the validation images after the last epoch.
async fn validated<E: Executor>(
    trainer: &mut Trainer<E>,
    watch: impl FnMut(Update<'_>) -> Result<()>,
) -> Result<Score> {
    let outcome = trainer.train(watch).await?;
    outcome.validation.map(|validated| validated.score).ok_or_else(|| {
        Error::new(Kind::Usage, "no images are set aside for validation", "set some aside, such as --validation 0.1")
    })
}
