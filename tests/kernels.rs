//! Every kernel, in every variant, with runtime checks on and off, is held to its twin.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;

use shadegrad::gpu::{Checks, Gpu, Pipeline};
use shadegrad::kernel::{AnyKernel, Array, Caps, Effort, Inputs, Variant};
use shadegrad::ops::{NO_LABEL, counter, registry};
use shadegrad::shader::Reflection;
use shadegrad::verify::{Worst, check, check_f32_twin, check_variant, prepare, prepare_altered};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

type Form = (&'static dyn AnyKernel, Variant, Checks);

/// Checks one form of a kernel on its quick cases; gives a line for people, and the number of cases.
fn check_form(gpu: &Arc<Gpu>, (kernel, variant, checks): &Form) -> (String, usize) {
    let checked = check_variant(gpu, *kernel, variant, *checks, Effort::Quick);
    let worst = pollster::block_on(checked).unwrap_or_else(|e| panic!("{variant}, checks {checks:?}: {e}"));
    assert!(worst.cases > 0, "{} {variant} has no case", kernel.name());
    assert!(worst.soft <= 1.0, "{} {variant}: {} of the soft gate", kernel.name(), worst.soft);
    (format!("{:24} {variant:24} {checks:?} {worst:?}", kernel.name()), worst.cases)
}

#[test]
fn shaders_agree_with_their_twins() {
    let caps = common::gpu().caps.clone();
    let mut forms: Vec<Form> = Vec::new();
    for kernel in registry() {
        let chosen = kernel.cases(Effort::Quick).into_iter().map(|case| kernel.choose(&case.params, &caps).name);
        let chosen: BTreeSet<String> = chosen.collect();
        // Fused products share the bodies of the plain ones, which run in every variant with checks on.
        let fused = kernel.name().starts_with("matmul_") && kernel.name().len() > "matmul_nn".len();
        for variant in kernel.variants(&caps) {
            if !fused || chosen.contains(&variant.name) {
                forms.push((kernel, variant.clone(), Checks::On));
            }
            forms.push((kernel, variant, Checks::Off));
        }
    }
    // A software driver compiles on the one thread of its device, so each of our threads opens a device of its own.
    let next = AtomicUsize::new(0);
    let work = || {
        let gpu = common::gpu();
        std::iter::from_fn(|| forms.get(next.fetch_add(1, Ordering::Relaxed)))
            .map(|form| check_form(&gpu, form))
            .collect()
    };
    let results: Vec<(String, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..rayon::current_num_threads()).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<_>>| thread.join().expect("every form passes");
        threads.into_iter().flat_map(join).collect()
    });
    assert_eq!(results.len(), forms.len());
    results.iter().for_each(|(line, _)| println!("{line}"));
    println!("{} cases in {} forms of kernels", results.iter().map(|r| r.1).sum::<usize>(), results.len());
}

#[test]
fn twins_in_f32_agree_with_twins_in_f64() {
    for kernel in registry() {
        let source = kernel.variants(&Caps::portable()).swap_remove(0).source();
        let reflection = Reflection::of(kernel.name(), &source).expect("the shader is valid");
        let mut worst = Worst::default();
        for (seed, case) in kernel.cases(Effort::Quick).into_iter().enumerate() {
            let prepared = prepare(kernel, &reflection, case, seed as u64).expect("shapes are known");
            worst.include(check_f32_twin(kernel, &reflection, &prepared).unwrap_or_else(|e| panic!("{e}")));
        }
        assert!(worst.soft <= 1.0, "{}: {} of the soft gate", kernel.name(), worst.soft);
    }
}

/// The last micro-batches of an epoch may be empty.
#[test]
fn kernels_without_a_row_in_use_agree_with_their_twins_and_stay_finite() {
    let gpu = common::gpu();
    let empty = |binding: &str, words: &mut [u32]| match binding {
        "counters" | "micro_counters" => words[counter::ROWS] = 0,
        "labels" => words.fill(NO_LABEL),
        _ => {}
    };
    for kernel in registry() {
        let case = kernel.cases(Effort::Quick).into_iter().rev().find(|case| case.inputs == Inputs::Random);
        let case = case.expect("one has random inputs");
        let variant = kernel.choose(&case.params, &gpu.caps);
        let reflection = Reflection::of(kernel.name(), &variant.source()).expect("the shader is valid");
        if reflection.binding("counters").is_none() {
            continue;
        }
        let prepared = prepare_altered(kernel, &reflection, case, 3, empty).expect("shapes are known");
        for (name, values) in &prepared.values.after {
            let finite = !matches!(values, Array::Real(numbers) if numbers.iter().any(|x| !x.is_finite()));
            assert!(finite, "{} `{name}`: {values:?}", kernel.name());
        }
        let pipeline = pollster::block_on(Pipeline::new(&gpu, kernel, &variant, Checks::On)).expect("it compiles");
        let checked = pollster::block_on(check(&gpu, &pipeline, kernel, &variant, &prepared));
        checked.unwrap_or_else(|e| panic!("{e}"));
        check_f32_twin(kernel, &reflection, &prepared).unwrap_or_else(|e| panic!("{e}"));
    }
}
