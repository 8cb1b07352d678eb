//! Every kernel in every variant, with runtime checks on and off, is compared with its twin, as in `shadegrad verify`.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;
mod known_faults;

use shadegrad::gpu::{Checks, Pipeline};
use shadegrad::kernel::{AnyKernel, Array, Caps, Effort, Inputs};
use shadegrad::ops::matmul::{NN, NT, TN};
use shadegrad::ops::update::adam::AdamKernel;
use shadegrad::ops::{IGNORE_INDEX, counter, registry};
use shadegrad::shader::Reflection;
use shadegrad::verify::{
    self, Settings, Verdict, Whole, Worst, check, check_f32_twin, check_variant, prepare, prepare_altered,
};

fn check_everything(effort: Effort) {
    let open = || Ok(common::gpu());
    let gpu = common::gpu();
    let report = verify::run(&open, &registry(), &Settings::all(effort), |_| Ok(()));
    let report = report.expect("the device works");
    let mut wrong = Vec::new();
    for row in &report.rows {
        let name = format!("{} {}", row.op, row.variant);
        println!("{name:57} {:?}", row.worst);
        let sound = match &row.verdict {
            Verdict::Passed if row.worst.cases == 0 => Err(format!("{name} has no case")),
            Verdict::Loose => Err(format!("{name}: {} of the expected error", row.worst.soft)),
            Verdict::Failed(failure) => Err(failure.to_string()),
            Verdict::Passed => Ok(()),
            Verdict::NotRun(reason) => {
                println!("not run: {reason}");
                Ok(())
            }
        };
        wrong.extend(known_faults::judge(&gpu, &name, sound).err());
    }
    assert!(wrong.is_empty(), "{} of {} rows are wrong: {wrong:#?}", wrong.len(), report.rows.len());
    println!("{} cases in {} of {} forms of kernels", report.cases(), report.forms, report.forms_in_all);
    for op in registry().iter().map(|kernel| kernel.name()).chain(Whole::ALL.map(Whole::name)) {
        assert!(report.rows.iter().any(|row| row.op == op && row.worst.cases > 0), "{op} was not verified");
    }
}

#[test]
fn shaders_agree_with_their_twins() {
    check_everything(Effort::QUICK);
}

#[test]
#[ignore = "long: every kernel on all of its cases, not a sample of them"]
fn shaders_agree_with_their_twins_on_all_cases() {
    check_everything(Effort::FULL);
}

/// On older Mesa drivers: of the variants for newer ones, those that compile fast.
#[test]
fn forms_for_newer_software_drivers_agree_with_their_twins() {
    let gpu = common::gpu();
    let newer = Caps { mesa: Some(26), ..gpu.caps.clone() };
    let mut verified = Vec::new();
    let sources = |kernel: &dyn AnyKernel, caps| kernel.variants(caps).into_iter().map(|variant| variant.source());
    for kernel in [&NN as &'static dyn AnyKernel, &TN, &NT, &AdamKernel] {
        let known: Vec<_> = sources(kernel, &gpu.caps).collect();
        for variant in kernel.variants(&newer) {
            if variant.tile[0] > 16 || known.contains(&variant.source()) {
                continue;
            }
            let checked = pollster::block_on(check_variant(&gpu, kernel, &variant, Checks::Off, Effort::QUICK));
            let worst = checked.unwrap_or_else(|e| panic!("{e}"));
            println!("{} {variant} as on Mesa 26: {worst:?}", kernel.name());
            assert!(worst.cases > 0 && worst.soft <= 1.0, "{} {variant}: {worst:?}", kernel.name());
            verified.push(kernel.name());
        }
    }
    let older = gpu.caps.cpu && gpu.caps.subgroup_size == Some(8) && !gpu.caps.is_recent_lavapipe();
    assert!(!older || ["matmul_nn", "matmul_tn", "matmul_nt", "adam"].iter().all(|name| verified.contains(name)));
}

#[test]
fn twins_in_f32_agree_with_twins_in_f64() {
    for kernel in registry() {
        let source = kernel.variants(&Caps::portable()).swap_remove(0).source();
        let reflection = Reflection::of(kernel.name(), &source).expect("the shader is valid");
        let mut worst = Worst::default();
        for (index, case) in kernel.cases(Effort::QUICK).into_iter().enumerate() {
            let prepared = prepare(kernel, &reflection, case, 0, index).expect("shapes are known");
            worst.include(check_f32_twin(kernel, &reflection, &prepared).unwrap_or_else(|e| panic!("{e}")));
        }
        assert!(worst.soft <= 1.0, "{}: {} of the expected error", kernel.name(), worst.soft);
    }
}

/// The last micro-batches of an epoch may be empty.
#[test]
fn kernels_without_a_row_in_use_agree_with_their_twins_and_stay_finite() {
    let gpu = common::gpu();
    let empty = |binding: &str, words: &mut [u32]| match binding {
        "counters" | "micro_counters" => words[counter::ROWS] = 0,
        "labels" => words.fill(IGNORE_INDEX),
        _ => {}
    };
    for kernel in registry() {
        let case = kernel.cases(Effort::QUICK).into_iter().rev().find(|case| case.inputs == Inputs::Random);
        let case = case.expect("one has random inputs");
        let variant = kernel.choose(&case.params, &gpu.caps);
        let reflection = Reflection::of(kernel.name(), &variant.source()).expect("the shader is valid");
        if reflection.binding("counters").is_none() {
            continue;
        }
        let prepared = prepare_altered(kernel, &reflection, case, 3, 0, empty).expect("shapes are known");
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
