//! Metamorphic tests: every kernel satisfies the relations its op declares, or there is a reason why it has none; and
//! each kind of relation detects a fault that it should.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;
mod faulty;

use faulty::Faulty;
use shadegrad::gpu::{Checks, Gpu, Pipeline};
use shadegrad::kernel::{AnyKernel, Effort, Inputs, Variant};
use shadegrad::ops::elementwise::bias_add::BiasAddKernel;
use shadegrad::ops::elementwise::relu::ReluKernel;
use shadegrad::ops::elementwise::softmax::SoftmaxKernel;
use shadegrad::ops::matmul;
use shadegrad::ops::norm::layer_norm::LayerNormKernel;
use shadegrad::ops::registry;
use shadegrad::verify::{self, Bench, Outcome, Settings, Whole, check_relations, prepare};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The number of changes tried on some of a kernel's cases, or the first error.
fn relations(gpu: &Arc<Gpu>, kernel: &'static dyn AnyKernel, variant: &Variant, most: usize) -> Result<usize, String> {
    let pipeline = pollster::block_on(Pipeline::new(gpu, kernel, variant, Checks::Off)).expect("it compiles");
    let mut cases: Vec<_> = kernel.cases(Effort::QUICK).into_iter().enumerate().collect();
    cases.retain(|(_, case)| case.inputs != Inputs::Extreme && kernel.accepts(&case.params, variant));
    let step = cases.len().div_ceil(most).max(1);
    let mut changes = 0;
    for (index, case) in cases.into_iter().step_by(step) {
        let prepared = prepare(kernel, &pipeline.reflection, case, 0, index).expect("shapes are known");
        let outcome = pollster::block_on(check_relations(gpu, &pipeline, kernel, variant, &prepared));
        let outcome = outcome.expect("the device works");
        changes += outcome.map_err(|wrong| format!("{} {variant}, case {index}: {wrong}", kernel.name()))?;
    }
    Ok(changes)
}

#[test]
fn every_kernel_keeps_its_relations_or_says_why_it_has_none() {
    let gpu = common::gpu();
    let (mut total, mut wrong) = (0, Vec::new());
    for kernel in registry() {
        let name = kernel.name();
        let reason = kernel.without_relations();
        assert_eq!(kernel.relations().is_empty(), reason.is_some(), "{name}: declare a relation, or give a reason");
        if reason.is_some() {
            continue;
        }
        let cases = kernel.cases(Effort::QUICK);
        let chosen: BTreeSet<String> = cases.iter().map(|case| kernel.choose(&case.params, &gpu.caps).name).collect();
        let variants = kernel.variants(&gpu.caps);
        for variant in variants.iter().filter(|variant| chosen.contains(&variant.name)) {
            match relations(&gpu, kernel, variant, 6) {
                Ok(0) => wrong.push(format!("{name} {variant}: no change was tried")),
                Ok(changes) => total += changes,
                Err(fault) => wrong.push(fault),
            }
        }
    }
    println!("{total} changes");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A fault, and the words of its report.
const FAULTS: [(Faulty, &str); 7] = [
    // One ULP in one element of every row, then in one row only.
    (faulty(&ReluKernel, "max(a[i], 0.0)", "max(a[i], 0.0) * select(1.0, 1.0000001, i == 2u)"), "n permuted: `out`"),
    (
        faulty(
            &BiasAddKernel,
            "a[i] + bias[i % params.n]",
            "(a[i] + bias[i % params.n]) * select(1.0, 1.0000001, i < params.n)",
        ),
        "m permuted: `out`",
    ),
    // Shows only when there are fewer entries.
    (faulty(&SoftmaxKernel, "sum += exp", "sum += 1e-7 * f32(params.m & 1u) + exp"), "m first half: `out`"),
    // An absolute error where it should be relative.
    (
        faulty(&BiasAddKernel, "a[i] + bias[i % params.n]", "a[i] + (bias[i % params.n] + 1e-7)"),
        r#"["a", "bias"] times 32: `out`"#,
    ),
    (
        faulty(&matmul::NN_BIAS, "x + bias[column / PACK]", "x + (bias[column / PACK] + Element(1e-7))"),
        "times 32: `out`",
    ),
    (faulty(&LayerNormKernel, "bias[j]", "(bias[j] + 1e-7)"), r#"["weight", "bias"] times 32: `out`"#),
    // The maximum is subtracted only for the sum.
    (
        faulty(
            &SoftmaxKernel,
            "out[start + j] = exp(logits[start + j] - largest) / sum",
            "out[start + j] = exp(logits[start + j]) / (sum * exp(largest))",
        ),
        "`logits` plus 5: `out`",
    ),
];

const fn faulty(kernel: &'static dyn AnyKernel, from: &'static str, to: &'static str) -> Faulty {
    Faulty { kernel, from, to }
}

#[test]
fn each_kind_of_relation_finds_a_fault() {
    let gpu = common::gpu();
    for (fault, words) in &FAULTS {
        let case = fault.kernel.cases(Effort::QUICK).pop().expect("it has cases");
        let name = fault.kernel.choose(&case.params, &gpu.caps).name;
        let variants = fault.kernel.variants(&gpu.caps).into_iter();
        let variant = variants.map(|variant| fault.spoiled(&variant)).find(|variant| variant.name == name);
        let variant = variant.expect("what is chosen is among them");
        match relations(&gpu, fault.kernel, &variant, 20) {
            Err(wrong) => assert!(wrong.contains(words), "{} for {}: {wrong}", fault.to, fault.from),
            Ok(changes) => panic!("{changes} changes, and {} for {} was not found", fault.to, fault.from),
        }
    }
}

/// One ULP in one row: within every bound.
static ROW: Faulty = faulty(
    &SoftmaxKernel,
    "exp(logits[start + j] - largest) / sum;",
    "exp(logits[start + j] - largest) / sum * select(1.0, 1.0000001, row == 1u);",
);

#[test]
fn verification_tells_of_a_relation_that_does_not_hold() {
    let gpu = || Ok(common::gpu());
    for (kernel, holds) in [(&SoftmaxKernel as &dyn AnyKernel, true), (&ROW, false)] {
        let settings = Settings { op: Some(kernel.name().to_owned()), ..Settings::all(Effort::QUICK) };
        let report = verify::run(&gpu, &[kernel], &settings, |_| Ok(())).expect("the device works");
        let told: Vec<String> = report.failures().map(ToString::to_string).collect();
        assert_eq!(told.is_empty(), holds, "{told:?}");
        // The comparison with the twin accepts it.
        assert!(told.iter().all(|wrong| wrong.contains("m permuted: `out`")), "{told:?}");
    }
}

/// Adds one to every fourth element of A.
const LEFT: [&str; 2] = ["fma(left.xxxx, right[0], sum)", "fma(left.xxxx + vec4<f32>(1.0), right[0], sum)"];
static LEFT_WRONG: [Faulty; 3] = [
    faulty(&matmul::TN, LEFT[0], LEFT[1]),
    faulty(&matmul::NT, LEFT[0], LEFT[1]),
    faulty(&matmul::NN, LEFT[0], LEFT[1]),
];

#[test]
fn products_of_transposes_are_those_of_the_factors_and_others_are_found() {
    let gpu = common::gpu();
    let sound: [&'static dyn AnyKernel; 3] = [&matmul::TN, &matmul::NT, &matmul::NN];
    for (entry, fault) in Whole::Transposes.entries(Effort::QUICK).into_iter().zip(&LEFT_WRONG) {
        let run = |kernels: &[&'static dyn AnyKernel]| {
            let bench = Bench::new(gpu.clone(), kernels, Effort::QUICK);
            pollster::block_on(Whole::Transposes.run(&bench, &entry)).expect("the device works")
        };
        let outcome = run(&sound);
        assert!(matches!(&outcome, Outcome::Fine(worst) if worst.cases == 12), "{entry}: {outcome:?}");
        let spoiled = sound.map(|kernel| if kernel.name() == fault.name() { fault } else { kernel });
        let outcome = run(&spoiled);
        assert!(matches!(&outcome, Outcome::Wrong(_)), "{entry}: {outcome:?}");
    }
}
