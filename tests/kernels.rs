//! Every kernel, in every variant, with runtime checks on and off, is held to its twin.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;
mod known_faults;

use shadegrad::gpu::{Checks, Gpu, Pipeline};
use shadegrad::kernel::{AnyKernel, Array, Caps, Effort, Inputs, Variant};
use shadegrad::ops::{NO_LABEL, activation, counter, registry};
use shadegrad::shader::Reflection;
use shadegrad::verify::{Worst, check, check_f32_twin, check_variant, prepare, prepare_altered};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

type Form = (&'static dyn AnyKernel, Variant, Checks);

/// Checks one form of a kernel; gives the number of cases, or what is wrong.
fn check_form(gpu: &Arc<Gpu>, (kernel, variant, checks): &Form, effort: Effort) -> Result<usize, String> {
    let begun = Instant::now();
    let name = format!("{} {variant}, checks {checks:?}", kernel.name());
    let checked = pollster::block_on(check_variant(gpu, *kernel, variant, *checks, effort));
    println!("{:7.2} s  {name:56} {checked:?}", begun.elapsed().as_secs_f64());
    let sound = match &checked {
        Err(error) => Err(format!("{variant}, checks {checks:?}: {error}")),
        Ok(worst) if worst.cases == 0 => Err(format!("{name} has no case")),
        Ok(worst) if worst.soft > 1.0 => Err(format!("{name}: {} of the soft gate", worst.soft)),
        Ok(_) => Ok(()),
    };
    known_faults::judge(gpu, &name, sound)?;
    Ok(checked.map_or(0, |worst| worst.cases))
}

/// The forms in which kernels are to run on an adapter with these capabilities.
fn forms(caps: &Caps, effort: Effort) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let activated = activation::ALL.iter().flat_map(|kernels| [kernels.of_product, kernels.gradient_of_product]);
    let activated: BTreeSet<&str> = activated.map(|product| product.name()).collect();
    for kernel in registry() {
        let chosen = kernel.cases(Effort::Quick).into_iter().map(|case| kernel.choose(&case.params, caps).name);
        let chosen: BTreeSet<String> = chosen.collect();
        // Fused products share the bodies of the plain ones, which run in every variant with checks on. Those with
        // activations are many, and in the short form run only in the variants that suit their cases.
        let fused = kernel.name().starts_with("matmul_") && kernel.name().len() > "matmul_nn".len();
        let few = effort == Effort::Quick && activated.contains(kernel.name());
        for variant in kernel.variants(caps) {
            let chosen = chosen.contains(&variant.name);
            if few && !chosen {
                continue;
            }
            if !fused || chosen {
                forms.push((kernel, variant.clone(), Checks::On));
            }
            forms.push((kernel, variant, Checks::Off));
        }
    }
    forms
}

fn check_all_forms(effort: Effort) {
    let forms = forms(&common::gpu().caps, effort);
    // A software driver compiles on the one thread of its device, so each of our threads opens a device of its own.
    let next = AtomicUsize::new(0);
    let work = || {
        let gpu = common::gpu();
        std::iter::from_fn(|| forms.get(next.fetch_add(1, Ordering::Relaxed)))
            .map(|form| check_form(&gpu, form, effort))
            .collect()
    };
    let results: Vec<Result<usize, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..rayon::current_num_threads()).map(|_| scope.spawn(work)).collect();
        let join =
            |thread: std::thread::ScopedJoinHandle<'_, Vec<_>>| thread.join().expect("checks return what is wrong");
        threads.into_iter().flat_map(join).collect()
    });
    assert_eq!(results.len(), forms.len());
    let wrong: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{} of {} forms of kernels are wrong: {wrong:#?}", wrong.len(), forms.len());
    println!("{} cases in {} forms of kernels", results.iter().flatten().sum::<usize>(), results.len());
}

#[test]
fn shaders_agree_with_their_twins() {
    check_all_forms(Effort::Quick);
}

#[test]
#[ignore = "long: every kernel on all of its cases, not a sample of them"]
fn shaders_agree_with_their_twins_on_all_cases() {
    check_all_forms(Effort::Full);
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
