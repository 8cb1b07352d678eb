//! What the inputs are normalized by, measured over all items to train on.

use super::names::Phase;
use super::slots::{ModelSlots, SetSlots};
use crate::error::Result;
use crate::ops::batch::byte_sums::{ByteSumsKernel, ByteSumsParams};
use crate::ops::batch::normalization::NormalizationKernel;
use crate::plan::{Plan, Role};
use crate::shape::DType;

/// Adds the section that makes the normalization that of all items: to mean 0 and standard deviation 1.
pub(super) fn add_measuring(plan: &mut Plan, model: &ModelSlots, slots: &SetSlots) -> Result<()> {
    let items = plan.memory.slot(slots.items).ty.extents();
    let params = ByteSumsParams::new(items[0], items[1])?;
    let shape = [params.parts as usize, 2];
    let sums = plan.memory.array(&format!("{}/part_sums", Phase::Measure), Role::Transient, DType::U32, shape)?;
    plan.begin(Phase::Measure.name());
    plan.dispatch("sum bytes", &ByteSumsKernel, params, &[("items", slots.items), ("part_sums", sums)])?;
    let bindings = [("part_sums", sums), ("normalization", model.normalization)];
    plan.dispatch("mean and deviation", &NormalizationKernel, params, &bindings)
}
