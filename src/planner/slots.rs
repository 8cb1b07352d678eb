//! Handles to the slots of plans: made with a plan, or found again in the memory of an executor that runs it.

use super::names::{self, Set, of_set};
use crate::error::{Error, Kind, Result};
use crate::nn::{Model, NORMALIZATION, TensorSlots};
use crate::ops::{counter, rate};
use crate::optim::parameter_arena;
use crate::plan::{Arena, Memory, Role, SlotId};
use crate::shape::{DType, Shape};

/// What a model owns in a plan.
#[derive(Clone, Debug)]
pub struct ModelSlots {
    /// The parameters, in the order of [`Model::tensors`].
    pub weights: Arena,
    /// The running state, in the order of [`Model::running_state`]; `None` if there is none.
    pub running_state: Option<Arena>,
    /// How much each class counts, `[classes]`, where the loss takes weights.
    pub class_weights: Option<SlotId>,
    /// What items are normalized by, `[2]`: the mean, and the reciprocal of the standard deviation.
    pub normalization: SlotId,
}

impl ModelSlots {
    /// Adds them to a plan's memory.
    pub(super) fn add(memory: &mut Memory, model: &Model) -> Result<Self> {
        let weights = parameter_arena(memory, names::WEIGHTS, Role::Parameter, &model.tensors())?;
        let running_state = match model.running_state().as_slice() {
            [] => None,
            tensors => Some(memory.arena(names::RUNNING_STATE, Role::Carried, tensors)?),
        };
        let class_weights = match model.class_weights()? {
            None => None,
            Some(weights) => Some(memory.array(names::CLASS_WEIGHTS, Role::Carried, DType::F32, [weights.len()])?),
        };
        let normalization = memory.array(NORMALIZATION, Role::Carried, DType::F32, [2])?;
        Ok(Self { weights, running_state, class_weights, normalization })
    }

    /// Finds them in the memory of a plan of `model`.
    ///
    /// # Errors
    /// Where it is another model's: names the slot that is missing.
    pub fn find(memory: &Memory, model: &Model) -> Result<Self> {
        let arena = |name: &str, tensors: Vec<(String, Shape)>| {
            let slots = tensors.iter().map(|(tensor, _)| find(memory, &format!("{name}/{tensor}")));
            Ok(Arena { all: find(memory, name)?, tensors: slots.collect::<Result<_>>()? })
        };
        let running_state = Some(model.running_state()).filter(|tensors| !tensors.is_empty());
        Ok(Self {
            weights: arena(names::WEIGHTS, model.tensors())?,
            running_state: running_state.map(|tensors| arena(names::RUNNING_STATE, tensors)).transpose()?,
            class_weights: model.class_weights()?.map(|_| find(memory, names::CLASS_WEIGHTS)).transpose()?,
            normalization: find(memory, NORMALIZATION)?,
        })
    }

    /// The slots of all that a model file holds, in the order of [`Model::state`].
    pub fn state(&self) -> impl Iterator<Item = SlotId> {
        let running_state = self.running_state.iter().flat_map(|arena| &arena.tensors);
        self.weights.tensors.iter().chain(running_state).copied().chain([self.normalization])
    }

    /// Where layers find what they own.
    pub(super) fn owned(&self) -> TensorSlots<'_> {
        let running_state = self.running_state.as_ref().map_or(&[][..], |arena| &arena.tensors);
        TensorSlots { parameters: &self.weights.tensors, running_state }
    }

    /// The arenas that training changes.
    pub(super) fn arenas(&self) -> impl Iterator<Item = &Arena> {
        [Some(&self.weights), self.running_state.as_ref()].into_iter().flatten()
    }
}

/// What a pass over one set of items works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetSlots {
    /// All items, `[samples, features]` bytes.
    pub items: SlotId,
    /// The class of each item, `[samples]` bytes.
    pub targets: SlotId,
    /// See [`crate::ops::counter`].
    pub counters: SlotId,
    /// See [`crate::ops::rate`].
    pub rates: SlotId,
    /// The rows of a batch, `[batch, features]`.
    pub inputs: SlotId,
    /// The class of each row, `[batch]`.
    pub labels: SlotId,
    /// Mean loss and number of right answers of each batch, `[ring, 2]`.
    pub metrics: SlotId,
}

/// How large the slots of a set are.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetSizes {
    pub(super) samples: usize,
    pub(super) features: usize,
    pub(super) batch: usize,
    pub(super) ring: usize,
}

impl SetSlots {
    /// Adds them to a plan's memory.
    pub(super) fn add(memory: &mut Memory, set: Set, sizes: SetSizes) -> Result<Self> {
        let SetSizes { samples, features, batch, ring } = sizes;
        let mut array = |name: &str, role, dtype, shape: Shape| memory.array(&name_of(set, name), role, dtype, shape);
        Ok(Self {
            items: array(of_set::ITEMS, Role::Data, DType::U8, [samples, features].into())?,
            targets: array(of_set::TARGETS, Role::Data, DType::U8, [samples].into())?,
            counters: array(of_set::COUNTERS, Role::Carried, DType::U32, [counter::COUNT].into())?,
            rates: array(of_set::RATES, Role::Carried, DType::F32, [rate::COUNT].into())?,
            inputs: array(of_set::INPUTS, Role::Transient, DType::F32, [batch, features].into())?,
            labels: array(of_set::LABELS, Role::Transient, DType::U32, [batch].into())?,
            metrics: array(of_set::METRICS, Role::Scratch, DType::F32, [ring, 2].into())?,
        })
    }

    /// Finds them in the memory of a plan that works on the set.
    ///
    /// # Errors
    /// Where it does not: names the slot that is missing.
    pub fn find(memory: &Memory, set: Set) -> Result<Self> {
        let slot = |name: &str| find(memory, &name_of(set, name));
        Ok(Self {
            items: slot(of_set::ITEMS)?,
            targets: slot(of_set::TARGETS)?,
            counters: slot(of_set::COUNTERS)?,
            rates: slot(of_set::RATES)?,
            inputs: slot(of_set::INPUTS)?,
            labels: slot(of_set::LABELS)?,
            metrics: slot(of_set::METRICS)?,
        })
    }
}

/// The name of a slot of a set.
pub(super) fn name_of(set: Set, slot: &str) -> String {
    format!("{}/{slot}", set.name())
}

/// The slot of this name.
pub(super) fn find(memory: &Memory, name: &str) -> Result<SlotId> {
    memory.find(name).ok_or_else(|| {
        let advice = "make the plan with the functions of `planner`, of this model and for this purpose";
        Error::new(Kind::Usage, format!("the plan has no slot `{name}`"), advice)
    })
}
