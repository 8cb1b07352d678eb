//! An output takes the storage of an input where that is its last use, and nowhere else.

use super::setting::Setting;
use shadegrad::error::Result;
use shadegrad::graph::{Choices, Value};
use shadegrad::ops::elementwise::add::AddOp;
use shadegrad::ops::elementwise::relu::ReluOp;
use shadegrad::ops::elementwise::reshape::ReshapeOp;
use shadegrad::ops::elementwise::scale::ScaleOp;
use shadegrad::plan::Role;
use shadegrad::shape::{DType, Shape};

/// A leaf of six numbers, and two transients made of it.
fn transients(setting: &mut Setting) -> Result<[Value; 3]> {
    let x = setting.leaf([6], &[1.0, -2.0, 3.0, 0.5, -0.25, 7.0])?;
    let double = setting.graph.apply(ScaleOp { factor: 2.0 }, &[x])?;
    let rectified = setting.graph.apply(ReluOp, &[x])?;
    Ok([x, double, rectified])
}

#[test]
fn a_sum_replaces_a_summand_that_nobody_needs_any_more() -> Result<()> {
    // Summands by number: 0 for the leaf, 1 and 2 for the transients.
    for (summands, in_place) in [([1, 2], true), ([0, 1], true), ([1, 0], true), ([0, 0], false), ([1, 1], false)] {
        let mut setting = Setting::default();
        let values = transients(&mut setting)?;
        let sum = setting.graph.apply(AddOp, &summands.map(|summand| values[summand]))?;
        let lowered = setting.lower(&[], &[sum], &Choices::default())?;
        let kernel = if in_place { "add_in_place" } else { "add" };
        assert_eq!(setting.kernels()[2], kernel, "{summands:?}");
        let slot = lowered.slot(sum).expect("it was kept");
        let memory = &setting.plan.memory;
        let shares = |value| lowered.slot(value).is_some_and(|other| memory.slot(other).overlaps(memory.slot(slot)));
        assert_eq!(summands.into_iter().any(|summand| shares(values[summand])), in_place, "{summands:?}");
        assert!(!shares(values[0]), "{summands:?}: a leaf is never replaced");
        let terms = |x: f64| summands.map(|summand| [x, 2.0 * x, x.max(0.0)][summand]);
        let expected = [1.0, -2.0, 3.0, 0.5, -0.25, 7.0].map(|x| terms(x).iter().sum::<f64>()).to_vec();
        let found = [setting.on_oracle(&[slot])?, setting.on_twins(&[slot])?, setting.on_device(&[slot])?];
        assert_eq!(found, [(); 3].map(|()| vec![expected.clone()]), "{summands:?}");
    }
    Ok(())
}

#[test]
fn what_is_kept_stored_or_read_later_is_not_replaced() -> Result<()> {
    for case in ["kept", "stored", "read later", "seen by a view", "free"] {
        let mut setting = Setting::default();
        let [x, double, _] = transients(&mut setting)?;
        let view = setting.graph.apply(ReshapeOp(Shape::from([2, 3])), &[double])?;
        let sum = setting.graph.apply(AddOp, &[double, x])?;
        let (mut stores, mut keep) = (Vec::new(), vec![sum]);
        match case {
            "kept" => keep.push(double),
            "stored" => {
                // The sum has a place of its own.
                let slot = setting.plan.memory.array("sum", Role::Carried, DType::F32, [6])?;
                (stores, keep) = (vec![(sum, slot)], Vec::new());
            }
            "read later" => keep.push(setting.graph.apply(ReluOp, &[double])?),
            "seen by a view" => keep.push(setting.graph.apply(ReluOp, &[view])?),
            _ => {}
        }
        setting.lower(&stores, &keep, &Choices::default())?;
        let in_place = setting.kernels().contains(&"add_in_place");
        assert_eq!(in_place, case == "free", "{case}");
    }
    Ok(())
}

#[test]
fn sums_in_place_take_less_memory() -> Result<()> {
    let mut setting = Setting::default();
    let x = setting.leaf([1000], &[1.0; 1000])?;
    let mut sum = setting.graph.apply(ScaleOp { factor: 2.0 }, &[x])?;
    for _ in 0..4 {
        sum = setting.graph.apply(AddOp, &[sum, x])?;
    }
    let lowered = setting.lower(&[], &[sum], &Choices::default())?;
    let transients = setting.plan.memory.buffers().iter().filter(|buffer| buffer.role == Role::Transient).count();
    assert_eq!(transients, 1, "one buffer holds every sum");
    let slot = lowered.slot(sum).expect("it was kept");
    assert_eq!(setting.on_device(&[slot])?, [vec![6.0; 1000]]);
    Ok(())
}
