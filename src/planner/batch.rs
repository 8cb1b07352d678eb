//! The beginning of a step: counters, and the rows of its batch.

use super::slots::{ModelSlots, SetSlots};
use super::spec::TrainSpec;
use crate::error::Result;
use crate::ops::batch::gather::{GatherKernel, GatherParams};
use crate::ops::batch::gather_augmented::GatherAugmentedKernel;
use crate::ops::batch::step_state::{StepStateKernel, StepStateParams};
use crate::ops::update::adam::Betas;
use crate::ops::word;
use crate::optim::UpdateConfig;
use crate::plan::{Plan, SlotId};
use crate::random::seed_words;

/// Takes a step on by at most `batch` of the items, and sets the rates of `update`.
pub(super) fn record_step(
    plan: &mut Plan,
    slots: &SetSlots,
    batch: usize,
    update: Option<&UpdateConfig>,
) -> Result<()> {
    let samples = samples(plan, slots);
    let learning_rate = update.map_or(0.0, |update| update.learning_rate);
    let betas = Betas::new(update.map_or([0.0; 2], |update| update.optimizer.betas()));
    let params = StepStateParams { samples: word(samples)?, batch: word(batch)?, learning_rate, betas };
    plan.dispatch("begin step", &StepStateKernel, params, &[("counters", slots.counters), ("rates", slots.rates)])
}

/// Gathers the rows that `counters` say; in training in a permuted order, and augmented where asked for.
pub(super) fn record_gather(
    plan: &mut Plan,
    slots: &SetSlots,
    counters: SlotId,
    model: &ModelSlots,
    training: Option<&TrainSpec>,
) -> Result<()> {
    let [batch, features] = match plan.memory.slot(slots.inputs).ty.extents() {
        &[batch, features] => [word(batch)?, word(features)?],
        _ => [0, 0], // made with two extents
    };
    let [seed_low, seed_high] = seed_words(training.map_or(0, |training| training.seed));
    let shuffle = training.is_some().into();
    let samples = word(samples(plan, slots))?;
    let gather = GatherParams { samples, features, batch, shuffle, seed_low, seed_high };
    let bindings = [
        ("items", slots.items),
        ("classes", slots.targets),
        ("counters", counters),
        ("normalization", model.normalization),
        ("inputs", slots.inputs),
        ("labels", slots.labels),
    ];
    match training.and_then(|training| training.augment).filter(|(augment, _)| augment.is_on()) {
        None => plan.dispatch("gather batch", &GatherKernel, gather, &bindings),
        Some((augment, extents)) => {
            plan.dispatch("augment batch", &GatherAugmentedKernel, augment.gather(gather, extents)?, &bindings)
        }
    }
}

/// How many items a set has.
fn samples(plan: &Plan, slots: &SetSlots) -> usize {
    plan.memory.slot(slots.targets).ty.extents()[0]
}
