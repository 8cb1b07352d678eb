//! Clipping of gradients.

use crate::error::Result;
use crate::ops::update::clip::{ClipKernel, ClipParams};
use crate::ops::update::global_norm::{GlobalNorm, GlobalNormParams};
use crate::ops::update::square_sums::{SquareSums, SquareSumsParams};
use crate::ops::word;
use crate::plan::{Arena, Plan, Role};
use crate::shape::DType;

/// Scales all gradients together to a norm of `max_norm` where it is larger; leaves the norm before in `train/norm`.
pub(super) fn record_clip(plan: &mut Plan, max_norm: f32, gradients: &Arena) -> Result<()> {
    let n = word(plan.memory.slot(gradients.all).words)?;
    let sums = SquareSumsParams::new(n);
    let mut array = |name: &str, words: u32| plan.memory.array(name, Role::Transient, DType::F32, [words as usize]);
    let (squares, norm) = (array("train/norm.squares", sums.parts)?, array("train/norm", 1)?);
    plan.dispatch("squares of gradients", &SquareSums, sums, &[("a", gradients.all), ("out", squares)])?;
    let params = GlobalNormParams { parts: sums.parts };
    plan.dispatch("norm of gradients", &GlobalNorm, params, &[("squares", squares), ("norm", norm)])?;
    let bindings = [("norm", norm), ("gradient", gradients.all)];
    plan.dispatch("clip gradients", &ClipKernel, ClipParams { n, max_norm }, &bindings)
}
