//! Training and evaluation over any executor.

use super::TrainConfig;
use crate::data::{Dataset, Split};
use crate::error::{Error, Kind, Result};
use crate::kernel::Array;
use crate::nn::{Evaluation, Mlp, Training};
use crate::plan::{Executor, Pending, Plan, SlotId};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long one submit may keep the device: long enough to hide its cost, short enough for a desktop to stay smooth.
const SUBMIT: Duration = Duration::from_millis(100);
/// Steps whose metrics the device keeps until they are read.
const RING: usize = 4096;
/// Steps left out of the measured rate: the first ones find caches and clocks cold.
const WARM_UP: usize = 10;
/// Rows of a batch in evaluation: enough to fill a device, few enough for its memory. One size for all, as the order of
/// summation depends on it: a model scores the same to the last bit when it is trained and when it is read back.
pub const EVALUATION_BATCH: usize = 256;

/// Mean loss and accuracy over images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Share of right answers, from 0 to 1.
    pub accuracy: f64,
}

/// Where training stands after some steps.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    /// Steps done, of [`Self::total_steps`].
    pub step: usize,
    /// Steps in all.
    pub total_steps: usize,
    /// Whole epochs done.
    pub epoch: usize,
    /// Whether the last of these steps ended an epoch.
    pub epoch_ended: bool,
    /// Over the current epoch so far; over the whole of it where it has ended.
    pub score: Score,
    /// The loss of each new step.
    pub losses: &'a [f32],
    /// Images a second since the warm-up; until that is over, since the start.
    pub samples_per_second: f64,
}

/// How a run went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Steps done.
    pub steps: usize,
    /// Seconds from the first step's submit to the last step's end.
    pub seconds: f64,
    /// When the first step was done.
    pub first_step: Instant,
    /// Images a second after the first ten steps; over all of them where there are no more.
    pub samples_per_second: f64,
    /// Over the last epoch, each batch before its update.
    pub train: Score,
    /// Bytes sent to the device after the first step.
    pub bytes_up_after_start: u64,
    /// Bytes read back, a step on average.
    pub bytes_down_per_step: f64,
}

/// A model, its data and its optimiser on a device.
pub struct Trainer<E> {
    executor: E,
    model: Mlp,
    config: TrainConfig,
    samples: usize,
}

impl<E: Executor> Trainer<E> {
    /// The plan of a run: train on `data` by `config`, evaluate on its test images.
    ///
    /// # Errors
    /// Where a setting cannot be used or a size is beyond any device.
    pub fn plan(config: &TrainConfig, data: &Dataset) -> Result<(Mlp, Plan)> {
        config.validate()?;
        let widths = [data.train.features()].into_iter().chain(config.hidden.iter().copied()).chain([data.classes()]);
        let model = Mlp::new(widths.collect::<Vec<_>>())?;
        // The device counts steps in 32 bits.
        let steps = data.train.len().div_ceil(config.batch_size).checked_mul(config.epochs);
        let Some(steps) = steps.filter(|&steps| u32::try_from(steps).is_ok()) else {
            return Err(Error::new(
                Kind::Usage,
                format!("{} epochs are more than the {} steps that can be counted", config.epochs, u32::MAX),
                "give fewer, such as --epochs 5",
            ));
        };
        config.optimisation.fits(steps)?;
        let training = Training {
            samples: data.train.len(),
            batch: config.batch_size,
            learning_rate: config.learning_rate,
            optimisation: config.optimisation,
            steps,
            seed: config.seed,
            ring: RING,
        };
        let evaluation = Evaluation { samples: data.test.len(), batch: EVALUATION_BATCH.min(data.test.len()) };
        let plan = model.plan(Some(training), Some(evaluation))?;
        Ok((model, plan))
    }

    /// Uploads data and initial weights to an executor of [`Self::plan`]'s plan. From here on nothing goes up.
    pub fn new(mut executor: E, model: Mlp, config: TrainConfig, data: &Dataset) -> Result<Self> {
        upload_images(&mut executor, "train", &data.train)?;
        upload_images(&mut executor, "test", &data.test)?;
        upload_weights(&mut executor, &model, &model.initial(config.seed))?;
        Ok(Self { executor, model, config, samples: data.train.len() })
    }

    /// The executor.
    pub fn executor(&self) -> &E {
        &self.executor
    }

    /// Trains, telling `watch` of every few steps. Steps are submitted ahead of those being waited for.
    ///
    /// # Errors
    /// Where the device fails, or the loss of a step is not finite; and any error of `watch`, which ends training.
    pub async fn train(&mut self, mut watch: impl FnMut(Update<'_>) -> Result<()>) -> Result<Outcome> {
        let metrics = find(&self.executor, "train/metrics")?;
        let steps_per_epoch = self.samples.div_ceil(self.config.batch_size);
        let total = steps_per_epoch * self.config.epochs;
        let mut progress = Progress::new(self.samples, self.config.batch_size);
        let (mut submitted, mut waiting) = (0, VecDeque::<(usize, Pending)>::new());
        let (mut first_step, mut up) = (None, 0);
        let begun = Instant::now();
        let down = self.executor.traffic().down;
        while progress.step < total {
            // Until the warm-up is over, one submit at a time: the rate must not count what was submitted before.
            let ahead = if progress.warm.is_some() { 2 } else { 1 };
            while submitted < total && waiting.len() < ahead {
                let most = progress.steps_per_submit().min(total - submitted).min(RING - submitted % RING);
                self.executor.run("train", most as u32)?;
                waiting.push_back((most, self.executor.fetch(metrics, 2 * (submitted % RING), 2 * most)?));
                submitted += most;
            }
            let Some((steps, pending)) = waiting.pop_front() else { break };
            progress.take(steps, &pending.await?, &mut watch, total)?;
            if first_step.is_none() {
                first_step = Some(Instant::now());
                up = self.executor.traffic().up;
            }
        }
        Ok(Outcome {
            steps: total,
            seconds: begun.elapsed().as_secs_f64(),
            first_step: first_step.unwrap_or(begun),
            samples_per_second: progress.rate(),
            train: progress.last,
            bytes_up_after_start: self.executor.traffic().up - up,
            bytes_down_per_step: (self.executor.traffic().down - down) as f64 / total as f64,
        })
    }

    /// Loss and accuracy on the test images.
    pub async fn test(&mut self, images: usize) -> Result<Score> {
        evaluate(&mut self.executor, images, EVALUATION_BATCH.min(images)).await
    }

    /// The parameters by name, in the order of [`Mlp::tensors`].
    pub async fn weights(&mut self) -> Result<Vec<(String, crate::shape::Shape, Vec<f32>)>> {
        let mut weights = Vec::new();
        for (name, shape) in self.model.tensors() {
            let slot = find(&self.executor, &format!("weights/{name}"))?;
            if let Array::Real(values) = self.executor.read(slot).await? {
                weights.push((name, shape, values.into_iter().map(|x| x as f32).collect()));
            }
        }
        Ok(weights)
    }
}

/// Runs the section `evaluate` over `images` images in batches of `batch`.
///
/// # Errors
/// Where the device fails, or the loss is not finite.
pub async fn evaluate<E: Executor>(executor: &mut E, images: usize, batch: usize) -> Result<Score> {
    let metrics = find(executor, "test/metrics")?;
    let mut sums = Sums::default();
    let mut rows = (0..images).step_by(batch.max(1)).map(|start| batch.min(images - start));
    let mut first = 0;
    while first < images.div_ceil(batch) {
        let steps = 64.min(images.div_ceil(batch) - first);
        executor.run("evaluate", steps as u32)?;
        for entry in executor.fetch(metrics, 2 * first, 2 * steps)?.await?.chunks_exact(2) {
            sums.add(entry, rows.next().unwrap_or(0));
        }
        first += steps;
    }
    let score = sums.score();
    if score.loss.is_finite() { Ok(score) } else { Err(not_finite("the test loss", score.loss)) }
}

/// Copies parameters, in the order of [`Mlp::tensors`], into the slots of a plan of `model`.
pub fn upload_weights<E: Executor>(executor: &mut E, model: &Mlp, weights: &[Vec<f32>]) -> Result<()> {
    for ((name, _), values) in model.tensors().iter().zip(weights) {
        let slot = find(executor, &format!("weights/{name}"))?;
        executor.write_f32(slot, values)?;
    }
    Ok(())
}

/// Copies images and labels into the slots of `set`, `train` or `test`, packed as the device wants them.
pub fn upload_images<E: Executor>(executor: &mut E, set: &str, split: &Split) -> Result<()> {
    let images = find(executor, &format!("{set}/images"))?;
    let classes = find(executor, &format!("{set}/classes"))?;
    executor.write_words(images, &pack(&split.images, split.features()))?;
    executor.write_words(classes, &pack(&split.labels, split.len()))
}

/// Bytes four to a word, lowest first, each row of `columns` bytes starting on a word.
fn pack(bytes: &[u8], columns: usize) -> Vec<u32> {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte));
    bytes.chunks(columns.max(1)).flat_map(|row| row.chunks(4)).map(word).collect()
}

/// The slot of this name in the executor's plan.
fn find<E: Executor>(executor: &E, name: &str) -> Result<SlotId> {
    executor.memory().find(name).ok_or_else(|| {
        Error::new(Kind::Usage, format!("the plan has no slot `{name}`"), "build it with Mlp::plan for this purpose")
    })
}

fn not_finite(what: &str, loss: f64) -> Error {
    Error::new(
        Kind::Numeric,
        format!("{what} is {loss}, which is not finite"),
        "lower the learning rate (--lr), and check that the data are what you expect",
    )
}

/// Sums over steps.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    loss: f64,
    right: f64,
    rows: usize,
}

impl Sums {
    fn add(&mut self, entry: &[f32], rows: usize) {
        self.loss += f64::from(entry[0]) * rows as f64;
        self.right += f64::from(entry[1]);
        self.rows += rows;
    }

    fn score(&self) -> Score {
        let rows = self.rows.max(1) as f64;
        Score { loss: self.loss / rows, accuracy: self.right / rows }
    }
}

/// What the host knows of a run from the metrics read so far.
struct Progress {
    samples: usize,
    batch: usize,
    step: usize,
    epoch: Sums,
    last: Score,
    /// Images trained on.
    images: usize,
    begun: Instant,
    /// When the warm-up ended, and how many images it took.
    warm: Option<(Instant, usize)>,
    /// When the last of the steps ended.
    ended: Instant,
}

impl Progress {
    fn new(samples: usize, batch: usize) -> Self {
        let (last, begun) = (Score { loss: f64::NAN, accuracy: 0.0 }, Instant::now());
        Self { samples, batch, step: 0, epoch: Sums::default(), last, images: 0, begun, warm: None, ended: begun }
    }

    /// One step at first, then the rest of the warm-up, then as many as fill a submit by the rate so far.
    fn steps_per_submit(&self) -> usize {
        match self.warm {
            None if self.step == 0 => 1,
            None => WARM_UP - self.step,
            Some((_, images)) if images == self.images => 4,
            Some(_) => ((self.rate() * SUBMIT.as_secs_f64() / self.batch as f64) as usize).clamp(1, RING / 4),
        }
    }

    fn rate(&self) -> f64 {
        let (since, before) = self.warm.filter(|(_, images)| *images < self.images).unwrap_or((self.begun, 0));
        (self.images - before) as f64 / (self.ended - since).as_secs_f64().max(1e-9)
    }

    /// Takes in the metrics of the next `steps` steps.
    fn take<W>(&mut self, steps: usize, metrics: &[f32], watch: &mut W, total: usize) -> Result<()>
    where
        W: FnMut(Update<'_>) -> Result<()>,
    {
        self.ended = Instant::now();
        let steps_per_epoch = self.samples.div_ceil(self.batch);
        let losses: Vec<f32> = metrics.chunks_exact(2).map(|entry| entry[0]).collect();
        let mut told = 0;
        for (i, entry) in metrics.chunks_exact(2).enumerate() {
            let position = self.step % steps_per_epoch * self.batch;
            let rows = self.batch.min(self.samples - position);
            self.step += 1;
            if !entry[0].is_finite() {
                return Err(not_finite(&format!("the loss of step {}", self.step), entry[0].into()));
            }
            self.epoch.add(entry, rows);
            self.last = self.epoch.score();
            self.images += rows;
            let epoch_ended = self.step.is_multiple_of(steps_per_epoch);
            if epoch_ended || i + 1 == steps {
                watch(Update {
                    step: self.step,
                    total_steps: total,
                    epoch: self.step / steps_per_epoch,
                    epoch_ended,
                    score: self.last,
                    losses: &losses[told..=i],
                    samples_per_second: self.rate(),
                })?;
                told = i + 1;
            }
            if epoch_ended {
                self.epoch = Sums::default();
            }
        }
        if self.warm.is_none() && self.step >= WARM_UP {
            self.warm = Some((self.ended, self.images));
        }
        Ok(())
    }
}
