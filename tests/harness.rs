//! The harness itself: each kind of fault that it is there to find, seeded, must be found.

mod common;

use shadegrad::gpu::{Checks, Gpu, Pipeline, Run};
use shadegrad::kernel::{AnyKernel, Case, Effort, Inputs, ShaderFault, Variant};
use shadegrad::ops::elementwise::relu::ReluKernel;
use shadegrad::ops::matmul::{self, MatmulParams};
use shadegrad::ops::registry;
use shadegrad::shader::{Access, Reflection};
use shadegrad::shape::DType;
use shadegrad::verify::{CANARY, POISON, Prepared, check_variant, compare, prepare};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn product(m: u32, k: u32, n: u32, inputs: Inputs) -> Case<Vec<u8>> {
    Case::new(bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec(), inputs)
}

/// What a faultless device would leave in the bindings: the f64 twin's values, rounded.
fn faultless(reflection: &Reflection, prepared: &Prepared) -> Vec<Vec<u32>> {
    let mut after = prepared.words.clone();
    for (words, binding) in after.iter_mut().zip(&reflection.bindings).filter(|(_, b)| b.access != Access::Read) {
        let values: Vec<u32> = match &prepared.values.after[&binding.name] {
            shadegrad::kernel::Array::Real(data) => data.iter().map(|&x| (x as f32).to_bits()).collect(),
            shadegrad::kernel::Array::Word(data) => data.clone(),
        };
        words[..values.len()].copy_from_slice(&values);
    }
    after
}

#[test]
fn comparison_finds_every_kind_of_tampering_in_every_kernel() {
    for kernel in registry() {
        let source = kernel.variants(&shadegrad::kernel::Caps::portable()).swap_remove(0).source();
        let reflection = Reflection::of(kernel.name(), &source).expect("the shader is valid");
        let case = kernel.cases(Effort::QUICK).swap_remove(2);
        let prepared = prepare(kernel, &reflection, case, 11, 0).expect("shapes are known");
        let right = faultless(&reflection, &prepared);
        compare(&reflection, &prepared, &right).unwrap_or_else(|e| panic!("no fault: {e}"));
        for (i, binding) in reflection.bindings.iter().enumerate() {
            let name = format!("{} `{}`", kernel.name(), binding.name);
            let length = prepared.lengths[i];
            let refused = |what: &str, tamper: &dyn Fn(&mut Vec<u32>)| {
                let mut after = right.clone();
                tamper(&mut after[i]);
                assert!(compare(&reflection, &prepared, &after).is_err(), "{name}: {what} was not found");
            };
            refused("a word written past the end", &|words| words[length] ^= 1);
            if binding.access == Access::Read {
                refused("a changed input", &|words| words[0] ^= 1);
                continue;
            }
            if binding.access == Access::Write {
                refused("output that was never written", &|words| words[..length].fill(POISON));
                refused("one element that was never written", &|words| words[length - 1] = POISON);
            } else {
                refused("output left as it was", &|words| words.copy_from_slice(&prepared.words[i]));
            }
            if binding.dtype == DType::F32 {
                refused("NaN", &|words| words[0] = f32::NAN.to_bits());
                let tolerance = kernel.tolerance(&prepared.case, &binding.name, &prepared.values);
                for element in [0, length / 2, length - 1] {
                    refused("an element off by twice its bound", &|words| {
                        let value = f32::from_bits(words[element]);
                        let off = (f64::from(value) + 2.5 * tolerance.hard[element]) as f32;
                        // A bound far below the value's own precision: the next number is the least one can be off.
                        words[element] = if off == value { words[element] + 1 } else { off.to_bits() };
                    });
                }
            } else {
                refused("another word", &|words| words[0] = words[0].wrapping_add(1));
            }
        }
    }
}

#[test]
fn outputs_of_zeros_or_of_another_run_are_found() {
    for kernel in registry().into_iter().filter(|kernel| kernel.name() != "step_state") {
        let source = kernel.variants(&shadegrad::kernel::Caps::portable()).swap_remove(0).source();
        let reflection = Reflection::of(kernel.name(), &source).expect("the shader is valid");
        let cases = kernel.cases(Effort::QUICK);
        let case = cases.into_iter().rev().find(|case| case.inputs == Inputs::Random).expect("one has random inputs");
        if reflection.bindings.iter().all(|binding| binding.access == Access::Write) {
            continue; // without inputs, every run gives the same
        }
        let prepared = prepare(kernel, &reflection, case.clone(), 21, 0).expect("shapes are known");
        let other = prepare(kernel, &reflection, case, 22, 0).expect("shapes are known");
        let right = faultless(&reflection, &prepared);
        let (mut zeros, mut previous) = (right.clone(), right.clone());
        let stale = faultless(&reflection, &other);
        for (i, binding) in reflection.bindings.iter().enumerate().filter(|(_, b)| b.access != Access::Read) {
            let length = prepared.lengths[i];
            zeros[i][..length].fill(0);
            previous[i][..length].copy_from_slice(&stale[i][..length]);
            assert!(stale[i] != right[i], "{} `{}`: two seeds gave one result", kernel.name(), binding.name);
        }
        assert!(compare(&reflection, &prepared, &zeros).is_err(), "{}: zeros passed", kernel.name());
        assert!(compare(&reflection, &prepared, &previous).is_err(), "{}: stale output passed", kernel.name());
    }
}

/// What a fault does to the inputs of the 64x784x128 product, or to its output `[64, 128]` given `a` and `b`.
type Fault = (&'static str, fn(&mut [f32]), fn(&mut [f32], &[f32], &[f32]));

const FAULTS: [Fault; 7] = [
    ("none", |_| (), |_, _, _| ()),
    ("one output never written", |_| (), |out, _, _| out[700] = f32::from_bits(POISON)),
    (
        "one row counts k = 0 twice",
        |_| (),
        |out, a, b| {
            out[3 * 128..4 * 128].iter_mut().zip(b).for_each(|(x, b)| *x += a[3 * 784] * b);
        },
    ),
    ("everything x 1.001", |_| (), |out, _, _| out.iter_mut().for_each(|x| *x *= 1.001)),
    ("inputs truncated to tf32", |x| truncate(x, 13), |_, _, _| ()),
    ("one element of 0", |_| (), |out, _, _| out[700] = 0.0),
    ("inputs rounded to f16", round_to_f16, |_, _, _| ()),
];

fn truncate(numbers: &mut [f32], bits: u32) {
    numbers.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits() >> bits << bits));
}

/// Rounds to the 10 fraction bits of f16; standard normal numbers stay within its exponents.
fn round_to_f16(numbers: &mut [f32]) {
    numbers.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits() + (1 << 12)));
    truncate(numbers, 13);
}

fn floats(words: &mut [u32], change: impl FnOnce(&mut [f32])) {
    change(bytemuck::cast_slice_mut(words));
}

/// Every fault of the design's table, on what the device made of the product.
#[test]
fn the_gates_of_a_product_find_every_known_fault() {
    let gpu = common::gpu();
    let kernel: &dyn AnyKernel = &matmul::NN;
    let case = product(64, 784, 128, Inputs::Random);
    let variant = kernel.choose(&case.params, &gpu.caps);
    let pipeline = pollster::block_on(Pipeline::new(&gpu, kernel, &variant, Checks::On)).expect("it compiles");
    let prepared = prepare(kernel, &pipeline.reflection, case, 5, 0).expect("shapes are known");
    let [a, b] = [0, 1].map(|i| bytemuck::cast_slice::<u32, f32>(&prepared.words[i]).to_vec());
    for (name, on_inputs, on_output) in FAULTS {
        let mut words = prepared.words.clone();
        for (words, length) in words.iter_mut().zip(&prepared.lengths).take(2) {
            floats(&mut words[..*length], on_inputs);
        }
        let groups = kernel.groups(&prepared.case.params, &variant);
        let run = Run { params: &prepared.case.params, groups, arrays: &words };
        let mut after = pollster::block_on(pipeline.run(&gpu, run)).expect("it runs");
        after[..2].clone_from_slice(&prepared.words[..2]);
        floats(&mut after[2][..64 * 128], |out| on_output(out, &a, &b));
        let verdict = compare(&pipeline.reflection, &prepared, &after);
        match name {
            "none" => assert!(verdict.expect("without a fault it passes").soft <= 1.0),
            // The hard gate allows for the worst of 784 roundings, and so for 10 bits less in each factor.
            "inputs rounded to f16" => assert!(verdict.is_err() || verdict.is_ok_and(|worst| worst.soft > 1.0)),
            _ => assert!(verdict.is_err(), "{name}: not found"),
        }
    }
}

/// Faults in the shaders themselves, each of which the kernel's own cases must find.
fn shader_faults() -> Vec<(&'static dyn AnyKernel, ShaderFault)> {
    registry().into_iter().flat_map(|kernel| kernel.faults().iter().map(move |&fault| (kernel, fault))).collect()
}

#[test]
fn every_kernel_has_a_seeded_fault() {
    let without = registry().into_iter().filter(|kernel| kernel.faults().is_empty());
    let without: Vec<_> = without.map(|kernel| kernel.name()).collect();
    assert!(without.is_empty(), "add `faults`, which the cases of the kernel have to find, for each of {without:?}");
}

/// The cases of the kernel must find the fault.
fn find(gpu: &Arc<Gpu>, kernel: &dyn AnyKernel, ShaderFault { from, to }: ShaderFault) {
    // The variants that training would take; tests/kernels.rs has shown that all do the same.
    let chosen = kernel.cases(Effort::QUICK).into_iter().map(|case| kernel.choose(&case.params, &gpu.caps));
    let chosen: BTreeMap<String, Variant> = chosen.map(|variant| (variant.name.clone(), variant)).collect();
    let name = kernel.name();
    for variant in chosen.into_values() {
        assert!(variant.source().contains(from), "{name} no longer contains `{from}`: renew this fault");
        let faulty: Variant = variant.edited(variant.name.clone(), |part| part.replace(from, to));
        let verdict = pollster::block_on(check_variant(gpu, kernel, &faulty, Checks::On, Effort::QUICK));
        assert!(verdict.is_err(), "{name} {variant} with `{to}` for `{from}` passed: {verdict:?}");
    }
}

#[test]
fn mutated_shaders_are_found() {
    // A software driver compiles on the one thread of its device, so each of our threads opens a device of its own.
    let (all, next) = (shader_faults(), AtomicUsize::new(0));
    let work = || {
        let gpu = common::gpu();
        let faults = std::iter::from_fn(|| all.get(next.fetch_add(1, Ordering::Relaxed)));
        faults.for_each(|&(kernel, fault)| find(&gpu, kernel, fault));
    };
    std::thread::scope(|scope| (0..rayon::current_num_threads()).for_each(|_| drop(scope.spawn(work))));
}

#[test]
#[should_panic(expected = "relu no longer contains `a sine`: renew this fault")]
fn a_fault_whose_place_is_gone_is_reported() {
    find(&common::gpu(), &ReluKernel, ShaderFault { from: "a sine", to: "a cosine" });
}

#[test]
#[should_panic(expected = "relu plain with `max(0.0, a[i])` for `max(a[i], 0.0)` passed")]
fn a_fault_that_is_not_found_is_reported() {
    find(&common::gpu(), &ReluKernel, ShaderFault { from: "max(a[i], 0.0)", to: "max(0.0, a[i])" });
}

#[test]
fn canaries_differ_from_every_other_filling() {
    assert!(CANARY != POISON && f32::from_bits(POISON).is_nan() && 1e30f32.to_bits() != CANARY);
}
