//! Inference: rows in, outputs out.
//!
//! Rows are taken in batches of a few sizes, of which a plan has a section each. A batch that is not full is padded with
//! zeros: the output of a row has the same bits alone or among others of its batch size, and otherwise the same within
//! the error bounds of the ops.

mod outputs;
mod score;

pub use outputs::Outputs;
pub use score::{AccuracyScore, Score};

use crate::error::{Error, Kind, Result};
use crate::kernel::Caps;
use crate::nn::Model;
use crate::ops::counter;
use crate::plan::{Executor, Keep};
use crate::planner::{InferencePlan, InferenceSlots, ModelSlots, Phase, plan_inference};

/// Rows of a batch of inference, the smallest first: for one item, a few, and many.
pub const BATCHES: [usize; 3] = [1, 8, 64];

/// A trained model on a device, ready to infer.
#[derive(Debug)]
pub struct Session<E> {
    executor: E,
    batches: Vec<InferenceSlots>,
    normalization: [f32; 2],
}

impl<E: Executor> Session<E> {
    /// The plan that [`Self::new`] wants an executor of.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices.
    pub fn plan(model: &Model, caps: &Caps) -> Result<InferencePlan> {
        plan_inference(model, &BATCHES, caps)
    }

    /// Uploads `weights`, in the order of [`Model::state`], such as those of a model file, to an executor of
    /// [`Self::plan`]'s plan.
    ///
    /// # Errors
    /// Where the executor runs another plan, or the weights are not the model's.
    pub async fn new(mut executor: E, model: &Model, weights: &[Vec<f32>]) -> Result<Self> {
        for (slot, values) in ModelSlots::find(executor.memory(), model)?.state().zip(weights) {
            executor.write_f32(slot, values)?;
        }
        Self::of(executor, model).await
    }

    /// Goes on with an executor that has the weights of `model` on its device, such as one that has trained it: nothing is
    /// uploaded.
    ///
    /// # Errors
    /// As of [`Self::plan`] and [`Executor::with_plan`].
    pub async fn after(executor: E, model: &Model, caps: &Caps) -> Result<Self> {
        let InferencePlan { plan, .. } = Self::plan(model, caps)?;
        Self::of(executor.with_plan(plan, Keep::Shared).await?, model).await
    }

    async fn of(mut executor: E, model: &Model) -> Result<Self> {
        let normalization = normalization(&mut executor, model).await?;
        let batches = InferenceSlots::find_all(executor.memory(), model);
        Ok(Self { executor, batches, normalization })
    }

    /// Bytes, such as those that the model was trained on, as the numbers that it takes.
    pub fn normalized(&self, bytes: &[u8]) -> Vec<f32> {
        normalized(self.normalization, bytes)
    }

    /// The outputs for the rows of `inputs`, one for each of the model's, in their order; rows lie one after another.
    ///
    /// # Errors
    /// Where the inputs are not whole rows, or not as many of each, or the device fails.
    pub async fn infer(&mut self, inputs: &[&[f32]]) -> Result<Outputs> {
        infer(&mut self.executor, &self.batches, inputs).await
    }

    /// The executor, with the weights on its device.
    pub fn into_executor(self) -> E {
        self.executor
    }
}

/// What the model on an executor's device normalizes its inputs by: the mean, and the reciprocal of the standard deviation.
///
/// # Errors
/// Where the executor runs a plan of another model, or the device fails.
pub async fn normalization<E: Executor>(executor: &mut E, model: &Model) -> Result<[f32; 2]> {
    let slot = ModelSlots::find(executor.memory(), model)?.normalization;
    let numbers = executor.fetch(slot, 0, 2)?.await?;
    Ok([numbers[0], numbers[1]])
}

/// Bytes as numbers from 0 to 1, then normalized: as [`crate::ops::batch::gather`] does it.
pub fn normalized([mean, reciprocal]: [f32; 2], bytes: &[u8]) -> Vec<f32> {
    const SCALE: f32 = 1.0 / 255.0;
    bytes.iter().map(|&byte| (f32::from(byte) * SCALE - mean) * reciprocal).collect()
}

/// [`Session::infer`] on an executor whose plan has sections for inference, such as one in training.
///
/// # Errors
/// As of [`Session::infer`]; and where the plan has no such section.
pub async fn infer<E: Executor>(executor: &mut E, batches: &[InferenceSlots], inputs: &[&[f32]]) -> Result<Outputs> {
    let Some(largest) = batches.last() else {
        let advice = "ask for batch sizes of inference when the plan is made";
        return Err(Error::new(Kind::Usage, "the plan has no section for inference", advice));
    };
    let widths: Vec<usize> =
        largest.inputs.iter().map(|&slot| executor.memory().slot(slot).words / largest.rows).collect();
    let rows = rows(&widths, inputs)?;
    let mut outputs = Outputs::new(executor.memory().slot(largest.logits).ty.extents()[1]);
    let mut first = 0;
    while first < rows {
        let batch = batches.iter().find(|batch| batch.rows >= rows - first).unwrap_or(largest);
        let valid = batch.rows.min(rows - first);
        for ((&slot, width), input) in batch.inputs.iter().zip(&widths).zip(inputs) {
            let mut padded = input[first * width..(first + valid) * width].to_vec();
            padded.resize(batch.rows * width, 0.0);
            executor.write_f32(slot, &padded)?;
        }
        let mut counters = [0; counter::COUNT];
        counters[counter::STEP] = 1;
        counters[counter::ROWS] = valid as u32; // of a batch, whose size fits
        executor.write_words(batch.counters, &counters)?;
        executor.run(&Phase::Infer(batch.rows).name(), 1)?;
        let count = valid * outputs.columns();
        let logits = executor.fetch(batch.logits, 0, count)?;
        let probabilities = executor.fetch(batch.probabilities, 0, count)?;
        outputs.extend(&logits.await?, &probabilities.await?);
        first += valid;
    }
    Ok(outputs)
}

/// How many rows of these widths the inputs have.
fn rows(widths: &[usize], inputs: &[&[f32]]) -> Result<usize> {
    let refuse = |cause: String| Err(Error::new(Kind::Usage, cause, "give as many whole rows of each input"));
    if widths.len() != inputs.len() {
        return refuse(format!("{} inputs for a model of {}", inputs.len(), widths.len()));
    }
    let mut rows = None;
    for (input, &width) in inputs.iter().zip(widths) {
        let found = input.len() / width.max(1);
        if found * width != input.len() || *rows.get_or_insert(found) != found {
            return refuse(format!("an input of {} numbers, of which a row takes {width}", input.len()));
        }
    }
    Ok(rows.unwrap_or(0))
}
