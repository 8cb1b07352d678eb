//! An op may be computed in several forms, of which one may take several kernels and scratch; the tuner chooses.

use super::common;
use super::setting::Setting;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, Pipelines};
use shadegrad::graph::{Choices, Form, Lowering, Op, OpKey, OpenOp, Value};
use shadegrad::kernel::{AnyKernel, Args, Array, Caps, Case, Effort, Inputs, Kernel, Real, Tolerance, Values, Variant};
use shadegrad::ops::elementwise::column_sum::{ColumnSumKernel, ColumnSumOp, ColumnSumParams};
use shadegrad::ops::elementwise::relu::{ReluKernel, ReluParams};
use shadegrad::ops::elementwise::scale::{ScaleKernel, ScaleParams};
use shadegrad::plan::{Role, SlotId};
use shadegrad::shape::TensorType;
use shadegrad::tuner::{KnownVariants, TunedForms, forms_in_use, replay_forms, tune_forms};
use std::time::Duration;

/// The choice of `form` for an op.
fn only(op: &OpenOp, form: Form) -> Choices {
    Choices { forms: [(op.key(), form)].into(), ..Choices::default() }
}

#[test]
fn every_form_of_a_column_sum_keeps_the_bound_of_the_kernel_everywhere() -> Result<()> {
    let mut several = 0;
    for [m, n] in [[16, 5], [64, 1], [256, 33], [1024, 7]] {
        let mut setting = Setting::default();
        let a = setting.random([m, n], 7)?;
        let sums = setting.graph.apply(ColumnSumOp, &[a])?;
        let open = setting.graph.open_ops(&Caps::portable());
        let (case, numbers) = (ColumnSumParams { m: m as u32, n: n as u32 }, setting.numbers.clone());
        let mut oracle = None;
        for &form in &open[0].forms {
            let mut setting =
                Setting { graph: setting.graph.clone(), plan: setting.plan.clone(), ..Setting::default() };
            setting.numbers.clone_from(&numbers);
            let lowered = setting.lower(&[], &[sums], &only(&open[0], form))?;
            assert_eq!(setting.kernels().len(), if form == Form::DIRECT { 1 } else { 2 }, "{form}");
            let slot = lowered.slot(sums).expect("it was kept");
            let exact = oracle.get_or_insert(setting.on_oracle(&[slot])?.swap_remove(0)).clone();
            let before = numbers[0].1.iter().map(|&x| x.into()).collect();
            let values = Values {
                before: [("a".to_owned(), Array::Real(before))].into(),
                after: [("out".to_owned(), Array::Real(exact.clone()))].into(),
            };
            let case = Case::new(case, Inputs::Random);
            let Tolerance { hard, .. } = Kernel::tolerance(&ColumnSumKernel, &case, "out", &values);
            for found in [setting.on_twins(&[slot])?, setting.on_device(&[slot])?] {
                for (j, (found, exact)) in found[0].iter().zip(&exact).enumerate() {
                    let error = (found - exact).abs();
                    assert!(error <= hard[j], "{m} x {n}, {form}, {j}: {found}, expected {exact} +- {}", hard[j]);
                }
            }
            several += usize::from(form != Form::DIRECT);
        }
    }
    assert_eq!(several, 1 + 2 + 3 + 3, "forms in parts were compared");
    Ok(())
}

#[test]
fn scratch_is_used_again_after_the_op() -> Result<()> {
    let mut setting = Setting::default();
    let [a, b] = [setting.random([64, 8], 1)?, setting.random([64, 8], 2)?];
    let both = [setting.graph.apply(ColumnSumOp, &[a])?, setting.graph.apply(ColumnSumOp, &[b])?];
    let open = setting.graph.open_ops(&Caps::portable());
    assert_eq!(open.len(), 1, "an op with inputs of one type is open once");
    let split = Form { name: "split", parts: 8 };
    let lowered = setting.lower(&[], &both, &only(&open[0], split))?;
    let scratch = setting.plan.memory.buffers().iter().filter(|buffer| buffer.words == 64);
    assert_eq!(scratch.map(|buffer| buffer.role).collect::<Vec<_>>(), [Role::Transient]);
    assert_eq!(setting.kernels().len(), 4);
    let slots: Vec<SlotId> = both.iter().filter_map(|&value| lowered.slot(value)).collect();
    let sums = |numbers: &[f32]| -> Vec<f64> {
        (0..8).map(|j| numbers.iter().skip(j).step_by(8).map(|&x| f64::from(x)).sum()).collect()
    };
    for (found, (_, numbers)) in setting.on_oracle(&slots)?.iter().zip(&setting.numbers) {
        for (found, expected) in found.iter().zip(sums(numbers)) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
    }
    Ok(())
}

#[test]
fn a_form_that_is_not_offered_gives_way_to_the_first() -> Result<()> {
    let mut setting = Setting::default();
    let a = setting.random([12, 3], 1)?;
    setting.graph.apply(ColumnSumOp, &[a])?;
    assert!(setting.graph.open_ops(&Caps::portable()).is_empty(), "12 rows are not divided into 8");
    let key = OpKey::new(&ColumnSumOp, &[setting.graph.ty(a)]);
    let choices = Choices { forms: [(key, Form { name: "split", parts: 8 })].into(), ..Choices::default() };
    setting.lower(&[], &[], &choices)?;
    assert_eq!(setting.kernels(), ["column_sum"]);
    Ok(())
}

/// The rectifier, with a loop of two thousand turns before each element that no driver can leave out.
struct Slow;

impl Kernel for Slow {
    type Params = ReluParams;

    fn name(&self) -> &'static str {
        "slow"
    }
    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        let turns = "var s = 0.0;
            for (var t = 0u; t < 2000u; t++) { let x = a[(i + t) % params.n]; s = fma(x, x, s); }
            out[i] = select(max(a[i], 0.0), s, s < -1.0);";
        let plain = Kernel::variants(&ReluKernel, caps).swap_remove(0);
        vec![plain.edited("plain", |part| part.replace("out[i] = max(a[i], 0.0);", turns))]
    }
    fn groups(&self, params: &ReluParams, variant: &Variant) -> u64 {
        Kernel::groups(&ReluKernel, params, variant)
    }
    fn flops(&self, params: &ReluParams) -> u64 {
        Kernel::flops(&ReluKernel, params)
    }
    fn twin<T: Real>(&self, params: &ReluParams, args: &mut Args<'_, T>) {
        ReluKernel.twin(params, args);
    }
    fn tolerance(&self, case: &Case<ReluParams>, output: &str, values: &Values) -> Tolerance {
        Kernel::tolerance(&ReluKernel, case, output, values)
    }
    fn cases(&self, effort: Effort) -> Vec<Case<ReluParams>> {
        Kernel::cases(&ReluKernel, effort)
    }
}

/// The rectifier in a form of one slow kernel, and in one of two fast ones with scratch between them.
#[derive(Debug)]
struct Rectify;

const TWO_STEPS: Form = Form { name: "steps", parts: 2 };

impl Op for Rectify {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }
    fn forms(&self, _inputs: &[&TensorType], _caps: &Caps) -> Vec<Form> {
        vec![Form::DIRECT, TWO_STEPS]
    }
    fn lower(&self, form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ty = cx.plan.memory.slot(inputs[0]).ty.clone();
        let n = ty.words()? as u32;
        if form == Form::DIRECT {
            return cx.dispatch(&Slow, ReluParams { n }, &[("a", inputs[0]), ("out", outputs[0])]);
        }
        let scratch = cx.scratch(&ty)?;
        cx.dispatch(&ScaleKernel, ScaleParams { n, factor: 1.0 }, &[("a", inputs[0]), ("out", scratch)])?;
        cx.dispatch(&ReluKernel, ReluParams { n }, &[("a", scratch), ("out", outputs[0])])
    }
}

/// A graph that rectifies five thousand numbers.
fn rectifying() -> Result<(Setting, Value)> {
    let mut setting = Setting::default();
    let x = setting.random([5000], 3)?;
    let rectified = setting.graph.apply(Rectify, &[x])?;
    Ok((setting, rectified))
}

fn tuned(open: &[OpenOp], found: &mut KnownVariants, budget: Duration) -> Result<TunedForms> {
    pollster::block_on(tune_forms(&common::gpu(), open, found, budget, &Pipelines::new(Checks::Off)))
}

#[test]
fn the_tuner_takes_the_faster_form_though_it_has_more_kernels_and_knows_it_the_next_time() -> Result<()> {
    let (setting, rectified) = rectifying()?;
    let open = setting.graph.open_ops(&common::gpu().caps);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("variants.jsonl");
    let mut found = KnownVariants::read(file.clone());
    let first = tuned(&open, &mut found, Duration::from_secs(60))?;
    assert_eq!((first.timed.len(), first.known, first.left), (1, 0, 0));
    let timed = &first.timed[0];
    assert_eq!((timed.kernel.as_str(), timed.shape.as_str()), ("Rectify", "[5000]"));
    assert_eq!((timed.chosen.as_str(), timed.usual.as_str()), ("steps-2", "direct"), "{timed:?}");
    found.write()?;
    // With no time left, what was found before is taken, and what was not stays as it is.
    let again = tuned(&open, &mut KnownVariants::read(file), Duration::ZERO)?;
    assert_eq!((again.timed.len(), again.known, again.left), (0, 1, 0));
    assert_eq!(again.choices, first.choices);
    let none = tuned(&open, &mut KnownVariants::default(), Duration::ZERO)?;
    assert_eq!((none.choices.forms.len(), none.left), (0, 1));
    // Lowered either way, the values are the same.
    let mut outcomes = Vec::new();
    for (choices, kernels) in [(&none.choices, &["slow"][..]), (&first.choices, &["scale", "relu"])] {
        let mut setting = Setting { graph: setting.graph.clone(), plan: setting.plan.clone(), ..Setting::default() };
        setting.numbers.clone_from(&rectifying()?.0.numbers);
        let lowered = setting.lower(&[], &[rectified], choices)?;
        assert_eq!(setting.kernels(), kernels);
        outcomes.push(setting.on_device(&[lowered.slot(rectified).expect("it was kept")])?);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    Ok(())
}

#[test]
fn recorded_forms_are_replayed_and_strange_ones_refused() -> Result<()> {
    let (setting, _) = rectifying()?;
    let gpu = common::gpu();
    let open = setting.graph.open_ops(&gpu.caps);
    let recorded = forms_in_use(&open, &only(&open[0], TWO_STEPS));
    assert_eq!(recorded[0].to_string(), "Rectify [5000]: steps-2");
    assert_eq!(forms_in_use(&open, &Choices::default())[0].variant, "direct");
    // A variant of a kernel is none of its business.
    let variant = shadegrad::tuner::Choice { kernel: "matmul_nn".into(), shape: "m=1".into(), variant: "x".into() };
    let (choices, rest) = replay_forms(&gpu, &open, &[recorded[0].clone(), variant.clone()])?;
    assert_eq!((choices.forms, rest), (only(&open[0], TWO_STEPS).forms, vec![variant]));
    let strange = shadegrad::tuner::Choice { variant: "steps-3".into(), ..recorded[0].clone() };
    let error = replay_forms(&gpu, &open, &[strange]).expect_err("there is no such form");
    assert!(error.cause().contains("Rectify [5000]: steps-3"), "{error}");
    Ok(())
}

#[test]
fn the_tuner_chooses_among_the_forms_of_column_sums() -> Result<()> {
    let mut setting = Setting::default();
    let a = setting.random([2048, 3], 1)?;
    setting.graph.apply(ColumnSumOp, &[a])?;
    let open = setting.graph.open_ops(&common::gpu().caps);
    let tuned = tuned(&open, &mut KnownVariants::default(), Duration::from_secs(60))?;
    let form = tuned.choices.forms.get(&open[0].key()).expect("it was timed");
    assert!(open[0].forms.contains(form), "{form}");
    assert!(tuned.timed[0].candidates.iter().all(|(_, time)| !time.is_zero()), "{tuned:?}");
    assert_eq!(
        tuned.timed[0].flops,
        AnyKernel::flops(&ColumnSumKernel, bytemuck::bytes_of(&ColumnSumParams { m: 2048, n: 3 }))
    );
    Ok(())
}
