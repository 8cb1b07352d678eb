//! Every kernel, in every variant, with runtime checks on and off, is held to its twin.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;

use shadegrad::gpu::Checks;
use shadegrad::kernel::{Caps, Effort};
use shadegrad::ops::registry;
use shadegrad::shader::Reflection;
use shadegrad::verify::{Worst, check_f32_twin, check_variant, prepare};

#[test]
fn shaders_agree_with_their_twins() {
    let gpu = common::gpu();
    let mut table = String::new();
    for kernel in registry() {
        for variant in kernel.variants(&gpu.caps) {
            for checks in [Checks::On, Checks::Off] {
                let checked = check_variant(&gpu, kernel, &variant, checks, Effort::Quick);
                let worst = pollster::block_on(checked).unwrap_or_else(|e| panic!("{variant}, checks {checks:?}: {e}"));
                assert!(worst.cases > 0, "{} {variant} has no case", kernel.name());
                assert!(worst.soft <= 1.0, "{} {variant}: {} of the soft gate", kernel.name(), worst.soft);
                table += &format!("{:24} {:20} {:?} {worst:?}\n", kernel.name(), variant.name, checks);
            }
        }
    }
    println!("{table}");
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
