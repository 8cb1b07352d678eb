//! Clipping of gradients.

use crate::error::Result;
use crate::ops::update::clip::{ClipKernel, ClipParams};
use crate::ops::update::global_norm::{GlobalNormKernel, GlobalNormParams};
use crate::ops::update::square_sums::{SquareSumsKernel, SquareSumsParams};
use crate::ops::word;
use crate::plan::{Plan, Role, SlotId};
use crate::shape::{DType, Shape};

/// Scales these ranges of gradients together to a norm of `max_norm` if theirs is larger, and leaves the norm before in
/// `gradients.norm`.
///
/// Of several windows, it is the norm of their norms, which differs from that of one by rounding.
pub(super) fn record_clip(plan: &mut Plan, max_norm: f32, gradients: &[SlotId]) -> Result<()> {
    let windows = gradients.iter().map(|&range| plan.memory.windows(&[range])).collect::<Result<Vec<_>>>()?.concat();
    if windows.is_empty() {
        return Ok(());
    }
    let norm = plan.memory.array("gradients.norm", Role::Transient, DType::F32, [1])?;
    if windows.len() == 1 {
        record_norm(plan, ["squares of gradients", "norm of gradients"], windows[0].slots[0], norm)?;
    } else {
        let tensors: Vec<_> = (1..=windows.len()).map(|i| (i.to_string(), Shape::from([1]))).collect();
        // What lies between them is zero and adds nothing.
        let norms = plan.memory.arena("gradients.norms", Role::Transient, &tensors)?;
        for (window, &norm) in windows.iter().zip(&norms.tensors) {
            let [squares, label] = ["squares of gradients", "norm of gradients"].map(|label| window.label(label));
            record_norm(plan, [&squares, &label], window.slots[0], norm)?;
        }
        record_norm(plan, ["squares of norms", "norm of norms"], norms.all, norm)?;
    }
    for window in windows {
        let bindings = [("norm", norm), ("gradient", window.slots[0])];
        let params = ClipParams { n: word(window.words())?, max_norm };
        plan.dispatch(window.label("clip gradients"), &ClipKernel, params, &bindings)?;
    }
    Ok(())
}

/// Records the norm of an array of a multiple of 4 numbers.
fn record_norm(plan: &mut Plan, [squares_label, label]: [&str; 2], a: SlotId, norm: SlotId) -> Result<()> {
    let sums = SquareSumsParams::new(word(plan.memory.slot(a).words)?);
    let name = format!("{}.squares", plan.memory.slot(norm).name);
    let squares = plan.memory.array(&name, Role::Transient, DType::F32, [sums.parts as usize])?;
    plan.dispatch(squares_label, &SquareSumsKernel, sums, &[("a", a), ("out", squares)])?;
    let params = GlobalNormParams { parts: sums.parts };
    plan.dispatch(label, &GlobalNormKernel, params, &[("squares", squares), ("norm", norm)])
}
