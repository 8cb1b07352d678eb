//! Training and evaluation on any executor.

use super::course::Course;
use super::progress::{RunProgress, not_finite, steps_in_ring};
use super::scan::Scan;
use super::stopping::{EarlyStopping, StopReason, Validated};
use super::upload::{check_supported, upload_split};
use super::{TrainConfig, TrainUpdate};
use crate::data::{Dataset, Split};
use crate::error::{Error, Kind, Result};
use crate::infer::{self, Outputs, Session};
use crate::kernel::{Array, Caps};
use crate::nn::metric::{BatchResult, Measured, MetricSums};
use crate::nn::{Model, ModelConfig, Normalization};
use crate::plan::{Executor, Keep, Pending, Plan};
use crate::planner::{EvaluationSpec, ModelSlots, Phase, Set, SetSlots, TrainSpec, TrainingSlots, plan_training};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

/// Batch size of evaluation: enough to fill a device, small enough for its memory. It is fixed, since summation order
/// depends on it: a model scores the same to the last bit when trained and when loaded.
pub const EVALUATION_BATCH: usize = 256;

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainOutcome {
    /// Completed steps.
    pub steps: usize,
    /// Completed epochs.
    pub epochs: usize,
    /// Why training ended.
    pub stop_reason: StopReason,
    /// Validation score of the final weights, and their epoch.
    pub validation: Option<Validated>,
    /// Seconds from submitting the first step to the end of the last, including validation.
    pub seconds: f64,
    /// When the first step finished.
    pub first_step: Instant,
    /// Items a second after the first ten steps; over all of them where there are no more.
    pub samples_per_second: f64,
    /// Over the last completed epoch, each batch before its update.
    pub train: Measured,
    /// Bytes uploaded after the first step.
    pub bytes_up_after_start: u64,
    /// Bytes read back per step on average, including validation.
    pub bytes_down_per_step: f64,
}

/// Steps in flight, with their results.
struct Submitted {
    steps: usize,
    metrics: Pending,
    /// The last step followed by a scan, and the scan record.
    scan: Option<(usize, Pending<u32>)>,
}

/// A model, its data and its optimizer on a device.
pub struct Trainer<E> {
    executor: E,
    slots: TrainingSlots,
    model: Model,
    config: TrainConfig,
    samples: usize,
    /// How many items there are for validation.
    validation: Option<usize>,
}

impl<E: Executor> Trainer<E> {
    /// The plan of a run: train on `data` by `config`, and validate and evaluate where there are items for it.
    ///
    /// # Errors
    /// Where a setting cannot be used, needs items for validation that are not there, the device cannot train on the
    /// data yet, or a size is beyond any device.
    pub fn plan(config: &TrainConfig, data: &Dataset, caps: &Caps) -> Result<(Model, Plan)> {
        config.validate()?;
        let classes = check_supported(data)?;
        let train = data.train();
        let validates = config.target.is_some() || config.patience.is_some() || config.eval_every.is_some();
        if data.validation().is_none() && validates {
            return Err(Error::new(
                Kind::Usage,
                "a target, patience and eval-every need items for validation, but none are held out",
                "set some of the training items aside, such as --validation 0.1",
            ));
        }
        let ModelConfig { loss, .. } = &config.model;
        let loss = loss.clone().settled(&train.class_counts(classes));
        let blueprint = ModelConfig { loss, ..config.model.clone() };
        let model = blueprint.build(train.features(), classes)?;
        let division = config.division(train.len());
        let Course { total: steps, .. } = Course::new(config, train.len())?;
        config.update.fits(steps)?;
        let over = |split: &Split| EvaluationSpec { samples: split.len(), batch: EVALUATION_BATCH.min(split.len()) };
        let spec = TrainSpec {
            micro_batch: config.micro_batch,
            update: config.update.clone(),
            seed: config.seed,
            ring: steps_in_ring(division),
            augment: config.augment.over(train.inputs()[0].item())?,
            normalize: config.normalize,
            validation: data.validation().map(over),
            test: data.test().map(over),
            scan: true,
            keep_best: config.patience.is_some(),
            infer: config.infer.clone(),
            ..TrainSpec::new(train.len(), config.batch_size, steps)
        };
        let plan = plan_training(&model, &spec, caps)?.plan;
        Ok((model, plan))
    }

    /// Uploads data and initial weights to an executor of [`Self::plan`]'s plan, and measures by what items are to be
    /// normalized. From here on nothing goes up.
    pub fn new(mut executor: E, model: Model, config: TrainConfig, data: &Dataset) -> Result<Self> {
        let parts = [(Set::Train, Some(data.train())), (Set::Test, data.test()), (Set::Validation, data.validation())];
        for (set, split) in parts {
            split.map_or(Ok(()), |split| upload_split(&mut executor, set, split))?;
        }
        Self::begin(executor, model, config, data)
    }

    /// Starts another run on the data already on the device: only kernel parameters and initial weights are uploaded,
    /// and the run is identical to a new trainer's to the last bit. `data` are those this trainer was created with.
    ///
    /// # Errors
    /// As for [`Self::plan`] and [`Executor::with_plan`]; and if `data` differ in size from those on the device.
    pub async fn with_config(self, config: TrainConfig, data: &Dataset, caps: &Caps) -> Result<Self> {
        let (model, plan) = Self::plan(&config, data, caps)?;
        if !plan.memory.finds_data_in(self.executor.memory()) {
            let cause = "the data set differs in size from the one on the device";
            return Err(Error::new(Kind::Usage, cause, "create a new trainer for it"));
        }
        Self::begin(self.executor.with_plan(plan, Keep::Data).await?, model, config, data)
    }

    /// Uploads a model's initial state to an executor that has the data.
    fn begin(mut executor: E, model: Model, config: TrainConfig, data: &Dataset) -> Result<Self> {
        upload_weights(&mut executor, &model, &model.initial(config.seed))?;
        if config.normalize == Normalization::Standard {
            executor.run(&Phase::Measure.name(), 1)?;
        }
        let slots = TrainingSlots::find(executor.memory(), &model)?;
        let validation = data.validation().map(Split::len);
        Ok(Self { executor, slots, model, config, samples: data.train().len(), validation })
    }

    /// The executor.
    pub fn executor(&self) -> &E {
        &self.executor
    }

    /// The executor, with data and weights on its device.
    pub fn into_executor(self) -> E {
        self.executor
    }

    /// Trains, telling `watch` of every few steps. Steps are submitted ahead of those being waited for, but where there
    /// are items for validation, not beyond the next validation: what follows is decided then.
    ///
    /// # Errors
    /// If the device fails, or a loss is not finite; and any error of `watch`, which ends training.
    pub async fn train(&mut self, mut watch: impl FnMut(TrainUpdate<'_>) -> Result<()>) -> Result<TrainOutcome> {
        let course = Course::new(&self.config, self.samples)?;
        let Course { steps_per_epoch, total, .. } = course;
        let division = self.config.division(self.samples);
        let ring = steps_in_ring(division);
        let mut scan = Scan::new(self.slots.scan.as_ref(), self.config.scan_every)?;
        let mut progress = RunProgress::new(self.samples, self.config.batch_size, division);
        let mut stopping = EarlyStopping::new(self.config.target, self.config.patience);
        let (mut submitted, mut waiting) = (0, VecDeque::<Submitted>::new());
        let (mut first_step, mut up) = (None, 0);
        let (mut ending, mut validation) = (self.config.full_length(), None);
        let begun = Instant::now();
        let down = self.executor.traffic().down;
        while progress.step < total {
            let end = if self.validation.is_some() { course.next_validation(progress.step) } else { total };
            // During warm-up, one submission at a time: the rate must not include earlier work.
            let ahead = if progress.warm.is_some() { 2 } else { 1 };
            while submitted < end && waiting.len() < ahead {
                let most = progress.steps_per_submit().min(end - submitted).min(ring - submitted % ring);
                waiting.push_back(self.submit(&scan, submitted..submitted + most, end)?);
                submitted += most;
            }
            let Some(next) = waiting.pop_front() else { break };
            let steps = next.steps;
            let arrived = self.arrive(next, &mut progress, &mut scan, submitted).await?;
            if first_step.is_none() {
                first_step = Some(Instant::now());
                up = self.executor.traffic().up;
            }
            let score = if progress.step + steps == end { self.validate().await? } else { None };
            progress.take(&arrived, score, &mut watch, total)?;
            if let Some(score) = score {
                let validated = Validated { epoch: progress.step / steps_per_epoch, step: progress.step, score };
                let verdict = stopping.judge(validated);
                validation = Some(validated);
                if verdict.is_best && self.config.patience.is_some() {
                    self.executor.run(&Phase::Keep.name(), 1)?;
                }
                if let Some(reason) = verdict.stop {
                    ending = reason;
                    break;
                }
                progress.resume();
            }
        }
        // A target is reached by the current weights, whichever were best.
        if self.config.patience.is_some() && ending != StopReason::Target && stopping.best != validation {
            self.executor.run(&Phase::Restore.name(), 1)?;
            validation = stopping.best;
        }
        Ok(TrainOutcome {
            steps: progress.step,
            epochs: progress.step / steps_per_epoch,
            stop_reason: ending,
            validation,
            seconds: begun.elapsed().as_secs_f64(),
            first_step: first_step.unwrap_or(begun),
            samples_per_second: progress.rate(),
            train: progress.last,
            bytes_up_after_start: self.executor.traffic().up - up,
            bytes_down_per_step: (self.executor.traffic().down - down) as f64 / progress.step as f64,
        })
    }

    /// Submits these steps, counted from 0, with scans when due or at `end`, and requests their results.
    fn submit(&mut self, scan: &Scan, steps: Range<usize>, end: usize) -> Result<Submitted> {
        let division = self.config.division(self.samples);
        let (ring, entry) = (steps_in_ring(division), 2 * division.count);
        let (mut done, mut scanned) = (steps.start, None);
        while done < steps.end {
            let due = scan.due_after(done, end);
            let stop = due.min(steps.end);
            self.executor.run(&Phase::Train.name(), (stop - done) as u32)?;
            if stop == due {
                self.executor.run(&Phase::Scan.name(), 1)?;
                scanned = Some(stop);
            }
            done = stop;
        }
        let metrics = self.slots.train.metrics;
        Ok(Submitted {
            steps: steps.len(),
            metrics: self.executor.fetch(metrics, entry * (steps.start % ring), entry * steps.len())?,
            scan: scanned.map(|step| Ok((step, scan.fetch(&mut self.executor)?))).transpose()?,
        })
    }

    /// Waits for the metrics of steps, of `submitted` in all.
    ///
    /// # Errors
    /// If a loss is not finite, or a scan found a non-finite number; reports which came first.
    async fn arrive(
        &mut self,
        steps: Submitted,
        progress: &mut RunProgress,
        scan: &mut Scan,
        submitted: usize,
    ) -> Result<Vec<f32>> {
        let metrics = progress.merge(&steps.metrics.await?);
        let bad_loss = progress.arrive(&metrics);
        if let Some((step, pending)) = steps.scan {
            scan.arrive(step, &pending.await?);
        }
        if bad_loss.is_some() && !scan.has_found() {
            // A non-finite loss does not tell where it originated.
            self.executor.run(&Phase::Scan.name(), 1)?;
            scan.arrive(submitted, &scan.fetch(&mut self.executor)?.await?);
        }
        scan.judge(self.executor.memory(), bad_loss)?;
        Ok(metrics)
    }

    /// Loss and accuracy on the validation items, where there are some.
    async fn validate(&mut self) -> Result<Option<Measured>> {
        let (Some(items), Some(slots)) = (self.validation, self.slots.validation) else { return Ok(None) };
        measure(&mut self.executor, (Set::Validation, &slots), items, EVALUATION_BATCH.min(items)).await.map(Some)
    }

    /// Loss and accuracy on the test items.
    pub async fn test(&mut self, items: usize) -> Result<Measured> {
        evaluate(&mut self.executor, items, EVALUATION_BATCH.min(items)).await
    }

    /// The outputs of the model, as it is trained so far, for the rows of its inputs: [`Session::infer`]. The
    /// configuration lists the batch sizes.
    ///
    /// # Errors
    /// As of [`Session::infer`]; and where the configuration lists no batch size.
    pub async fn infer(&mut self, inputs: &[&[f32]]) -> Result<Outputs> {
        infer::infer(&mut self.executor, &self.slots.infer, inputs).await
    }

    /// Goes on to inference with the weights on the device.
    ///
    /// # Errors
    /// As of [`Session::after`].
    pub async fn into_session(self, caps: &Caps) -> Result<Session<E>> {
        Session::after(self.executor, &self.model, caps).await
    }

    /// Mean and deviation by which items are normalized, in numbers from 0 to 1.
    pub async fn normalization(&mut self) -> Result<[f32; 2]> {
        let [mean, reciprocal] = infer::normalization(&mut self.executor, &self.model).await?;
        Ok([mean, 1.0 / reciprocal])
    }

    /// Parameters, running state and normalization by name, in the order of [`Model::state`].
    pub async fn weights(&mut self) -> Result<Vec<(String, crate::shape::Shape, Vec<f32>)>> {
        let mut weights = Vec::new();
        for ((name, shape), slot) in self.model.state().into_iter().zip(self.slots.model.state()) {
            if let Array::Real(values) = self.executor.read(slot).await? {
                weights.push((name, shape, values.into_iter().map(|x| x as f32).collect()));
            }
        }
        Ok(weights)
    }
}

/// Runs the section `evaluate` over `items` items in batches of `batch`.
///
/// # Errors
/// If the device fails, or the loss is not finite.
pub async fn evaluate<E: Executor>(executor: &mut E, items: usize, batch: usize) -> Result<Measured> {
    let slots = SetSlots::find(executor.memory(), Set::Test)?;
    measure(executor, (Set::Test, &slots), items, batch).await
}

/// Runs the section that goes forward over `items` items of a set in batches of `batch`.
async fn measure<E: Executor>(
    executor: &mut E,
    (set, slots): (Set, &SetSlots),
    items: usize,
    batch: usize,
) -> Result<Measured> {
    let phase = set.evaluated_by();
    let mut sums = MetricSums::default();
    let mut rows = (0..items).step_by(batch.max(1)).map(|start| batch.min(items - start));
    let mut first = 0;
    while first < items.div_ceil(batch) {
        let steps = 64.min(items.div_ceil(batch) - first);
        executor.run(&phase.name(), steps as u32)?;
        for entry in executor.fetch(slots.metrics, 2 * first, 2 * steps)?.await?.chunks_exact(2) {
            sums.add(&BatchResult::of(entry, rows.next().unwrap_or(0)));
        }
        first += steps;
    }
    let (measured, loss) = (sums.measured(), sums.measured().loss());
    if loss.is_finite() { Ok(measured) } else { Err(not_finite(&format!("the {} loss", set.name()), loss)) }
}

/// Uploads parameters, running state and normalization, in the order of [`Model::state`], to the slots of a plan of
/// `model`, and its class weights, if any.
pub fn upload_weights<E: Executor>(executor: &mut E, model: &Model, weights: &[Vec<f32>]) -> Result<()> {
    let slots = ModelSlots::find(executor.memory(), model)?;
    for (slot, values) in slots.state().zip(weights) {
        executor.write_f32(slot, values)?;
    }
    match (slots.class_weights, model.class_weights()?) {
        (Some(slot), Some(weights)) => executor.write_f32(slot, &weights),
        _ => Ok(()),
    }
}
