//! `shadegrad verify`: its output and files, that counts are reproducible, and that failures can be rerun.

mod command;
mod common;
mod faulty;

use command::Place;
use faulty::Faulty;
use serde_json::Value;
use shadegrad::error::Kind;
use shadegrad::gpu::{Drill, Gpu, Mishap, Moment};
use shadegrad::kernel::{AnyKernel, Effort};
use shadegrad::ops::elementwise::copy::CopyArrayKernel;
use shadegrad::ops::elementwise::relu::ReluKernel;
use shadegrad::ops::matmul;
use shadegrad::ops::registry;
use shadegrad::verify::{self, Event, Report, Settings, Verdict, What, Wrong};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The second to last element is never written.
static FAULTY_RELU: Faulty = Faulty { kernel: &ReluKernel, from: "i < params.n", to: "i + 1u < params.n" };
/// Biases are subtracted.
static FAULTY_BIAS: Faulty =
    Faulty { kernel: &matmul::NN_BIAS, from: "x + bias[column / PACK]", to: "x - bias[column / PACK]" };

fn verify(kernel: &'static dyn AnyKernel, settings: &Settings) -> Report {
    let open = || Ok(common::gpu());
    let mut told = 0;
    let watch = |event: Event<'_>| {
        told += usize::from(matches!(event, Event::Row(_)));
        Ok(())
    };
    let report = verify::run(&open, &[kernel], settings, watch).expect("the device works");
    assert_eq!(told, report.rows.len(), "each row must be reported once");
    report
}

/// Settings for one kernel, and for a product one variant: others would take long to compile.
fn only(kernel: &dyn AnyKernel, seed: u64) -> Settings {
    let product = kernel.name() != kernel.body() || kernel.name() == AnyKernel::name(&matmul::NN);
    let variant = product.then(|| "direct-8x32-".to_owned());
    Settings { op: Some(kernel.name().to_owned()), variant, ..Settings::all(Effort::QUICK.with_seed(seed)) }
}

/// The settings a command with these arguments would verify.
fn parsed(selection: &[String]) -> Settings {
    let value = |flag: &str| {
        let place = selection.iter().position(|word| word == flag)?;
        selection.get(place + 1).cloned()
    };
    let number = |flag: &str| value(flag).map(|number| number.parse::<u64>().expect("a number"));
    Settings {
        effort: Effort::QUICK.with_seed(number("--seed").expect("it has a seed")),
        op: value("--op"),
        variant: value("--variant"),
        case: number("--case").map(|case| case as usize),
        time: None,
    }
}

#[test]
fn a_quick_run_of_one_op_is_told_in_text_json_and_html() {
    let place = Place::new();
    let ran = place.run("verify --op relu --html page.html");
    let lines = ran.lines();
    assert!(lines[0].starts_with("device  ") && lines[1] == "verify  quick, seed 42", "{lines:?}");
    assert!(lines[3].starts_with("relu") && lines[3].ends_with("  pass"), "{lines:?}");
    assert!(lines[4].contains("in 2 of 2 forms") && lines[5].starts_with("rows    1 passed; in "), "{lines:?}");

    let page = std::fs::read_to_string(place.path("page.html")).expect("it was written");
    assert!(page.contains("<td>relu<td>plain<td class=\"n\">64<td"), "{page}");
    let name =
        place.first_adapter()["name"].as_str().expect("it has a name").split('(').next().unwrap_or("").to_owned();
    assert!(page.contains(name.trim()) && page.contains(" UTC"), "{page}");
    assert!(!page.contains("http") && !page.contains("src=") && !page.contains("href="), "{page}");

    let objects = place.run("verify --op relu --json").objects();
    let events: Vec<_> = objects.iter().map(|object| object["event"].as_str().unwrap_or_default()).collect();
    assert_eq!(events, ["start", "row", "summary"]);
    assert_eq!((&objects[1]["op"], &objects[1]["verdict"]), (&Value::from("relu"), &Value::from("pass")));
    assert_eq!((&objects[2]["cases"], &objects[2]["failed"]), (&Value::from(64), &Value::from(0)));
}

#[test]
fn a_seed_gives_the_same_cases_twice_and_another_seed_others() {
    let errors = |seed| {
        let report = verify(&matmul::NN, &only(&matmul::NN, seed));
        let rows = report.rows.iter().map(|row| (row.variant.clone(), row.worst.cases, row.worst.hard));
        (rows.collect::<Vec<_>>(), report.forms, report.products)
    };
    let (first, again, other) = (errors(1), errors(1), errors(2));
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    assert_eq!((first.1, first.2), (other.1, other.2));
}

#[test]
fn a_failure_is_named_ends_with_code_5_and_can_be_done_again_alone() {
    for kernel in [&FAULTY_RELU, &FAULTY_BIAS] {
        let report = verify(kernel, &only(kernel, 7));
        let failure = report.failures().next().unwrap_or_else(|| panic!("{}: the fault was not found", kernel.name()));
        let case = failure.case.as_ref().expect("it is of one case");
        let message = failure.to_string();
        for part in [kernel.name(), &failure.variant, &format!("case {} (", case.index), &case.shape, "seed 7", "`out`"]
        {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
        assert!(case.alone, "{message}");
        let error = report.verdict(|failure| failure.selection().join(" ")).expect_err("it has failures");
        assert_eq!(error.exit_code(), 5);
        assert!(error.cause().contains(&message) && error.advice().contains("--seed 7"), "{error:?}");

        let once_more = verify(kernel, &parsed(&failure.selection()));
        assert_eq!(once_more.rows.len(), 1, "one variant");
        let again = once_more.failures().next().expect("it fails again");
        match (&failure.wrong, &again.wrong) {
            (What::Element(then), What::Element(now)) => assert_eq!(then, now),
            other => panic!("{other:?}"),
        }
        assert_eq!((&again.variant, again.case.as_ref().map(|case| case.index)), (&failure.variant, Some(case.index)));
    }
    let never_written = verify(&FAULTY_RELU, &only(&ReluKernel, 7));
    let wrong = never_written.failures().map(|failure| &failure.wrong).next();
    assert!(matches!(wrong, Some(What::Element(fault)) if matches!(fault.wrong, Wrong::NeverWritten { .. })));
}

#[test]
fn a_lost_device_fails_what_it_was_doing_and_another_goes_on() {
    let adapter = common::adapter();
    let submits = Arc::new(AtomicUsize::new(0));
    let open = || {
        let submits = submits.clone();
        let first = move |moment: Moment<'_>| {
            let first = moment == Moment::Submit && submits.fetch_add(1, Ordering::Relaxed) == 0;
            first.then_some(Mishap::Lost)
        };
        pollster::block_on(Gpu::open_for_drill(&adapter, Drill::new(first)))
    };
    // The only variant of both, and of no kind of check.
    let settings = Settings { variant: Some("plain".to_owned()), ..Settings::all(Effort::QUICK) };
    let report =
        verify::run(&open, &[&ReluKernel, &CopyArrayKernel], &settings, |_| Ok(())).expect("another can be opened");
    let verdicts: BTreeSet<_> = report.rows.iter().map(|row| row.verdict.name()).collect();
    assert_eq!((report.rows.len(), verdicts), (2, BTreeSet::from(["FAIL", "pass"])));
    let failure = report.failures().next().expect("one failed").to_string();
    assert!(failure.contains("the device was lost") && failure.contains("case 0 ("), "{failure}");
}

#[test]
fn a_panic_in_the_driver_ends_in_an_error() {
    let opened = AtomicUsize::new(0);
    let open = || {
        assert_eq!(opened.fetch_add(1, Ordering::Relaxed), 0, "the driver panics when a thread opens it");
        Ok(common::gpu())
    };
    let report = verify::run(&open, &[&ReluKernel], &only(&ReluKernel, 1), |_| Ok(()));
    let error = report.expect_err("no thread did its work");
    assert_eq!(error.kind(), Kind::Device);
    assert!(error.to_string().contains("wgpu panicked"), "{error}");
}

#[test]
fn without_time_only_what_comes_first_is_run() {
    let mut kernels = registry().into_iter();
    let kernel = kernels.find(|kernel| kernel.name() == "matmul_nn_bias_silu").expect("it is registered");
    let settings = Settings { op: Some(kernel.name().to_owned()), ..Settings::all(Effort::QUICK) };
    let [all, first] = [None, Some(Duration::ZERO)].map(|time| verify(kernel, &Settings { time, ..settings.clone() }));
    assert_eq!((all.forms, all.count("pass"), all.count("not run")), (2, 2, 0));
    assert_eq!((first.forms, first.count("pass"), first.count("not run")), (1, 1, 1));
    let unreached = first.rows.iter().find(|row| matches!(row.verdict, Verdict::NotRun(_))).expect("there is one");
    assert_eq!((unreached.op, unreached.variant.as_str()), (kernel.name(), "1 more"));
    assert!(first.verdict(|_| String::new()).is_ok());
}

#[test]
fn a_lack_of_memory_for_the_largest_binding_is_no_failure() {
    let adapter = common::adapter();
    let allocations = Arc::new(AtomicUsize::new(0));
    let open = || {
        let allocations = allocations.clone();
        let first = move |moment: Moment<'_>| {
            let binding = matches!(moment, Moment::Allocate("binding"));
            let first = binding && allocations.fetch_add(1, Ordering::Relaxed) == 0;
            first.then_some(Mishap::OutOfMemory)
        };
        pollster::block_on(Gpu::open_for_drill(&adapter, Drill::new(first)))
    };
    let settings = Settings {
        op: Some("limits".to_owned()),
        variant: Some("binding-largest".to_owned()),
        ..Settings::all(Effort::FULL)
    };
    let report = verify::run(&open, &[], &settings, |_| Ok(())).expect("the device can be opened");
    let verdicts: Vec<_> = report.rows.iter().map(|row| &row.verdict).collect();
    assert!(matches!(verdicts[..], [Verdict::NotRun(reason)] if reason.contains("out of memory")), "{verdicts:?}");
    assert!(allocations.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_model_goes_through_its_plan_dispatch_by_dispatch() {
    let place = Place::new();
    assert_eq!(place.run("train --data set --hidden 20 --epochs 1 --device cpu --out run").code, Some(0));
    let line = "verify --model run/model.safetensors --data set --steps 1";
    let ran = place.run(line);
    let lines = ran.lines();
    let agreed = lines.last().expect("it says something");
    let rows = lines.iter().filter(|line| line.starts_with("train ") && !line.contains("dispatch")).count();
    assert!(rows == 7 && agreed.starts_with("agreed  ") && agreed.contains(" dispatches, at most 0."), "{ran:?}");
    let objects = place.run(&format!("{line} --json")).objects();
    let summary = objects.last().expect("it says something");
    assert_eq!((&summary["event"], &summary["differs"]), (&Value::from("summary"), &Value::Null));
    assert_eq!(summary["dispatches"], objects.len() - 2);
    assert!(!place.path("differs.safetensors").exists());
    let other = place.run("verify --model run/model.safetensors --data digits");
    assert_eq!((other.code, other.err.contains("expects 16 inputs")), (Some(4), true), "{other:?}");
}

/// The same arguments as for a failure, for a kernel without a fault.
#[test]
fn one_case_of_one_variant_can_be_selected_on_the_command_line() {
    let objects = Place::new().run("verify --op relu --variant plain --case 17 --seed 7 --json").objects();
    assert_eq!(objects[0]["seed"], 7);
    // With runtime checks off, and on.
    assert_eq!((&objects[1]["cases"], &objects[1]["verdict"]), (&Value::from(2), &Value::from("pass")));
    assert_eq!(objects.len(), 3);
}

#[test]
fn what_is_unknown_is_refused_with_the_names_most_like_it() {
    let place = Place::new();
    let refused = |line: &str, cause: &str, advice: &str| {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(cause) && ran.err.contains(advice), "{ran:?}");
    };
    refused("verify --op matmull_nn", "unknown op \"matmull_nn\"", "matmul_nn");
    refused("verify --op trajectori", "unknown op", "trajectory");
    refused("verify --op relu --variant plane", "unknown variant \"plane\"", "plain");
    refused("verify --op relu --case 100000", "no case 100000", "--full");
    refused("verify --device cpu", "the CPU path runs no shaders", "shadegrad devices");
    refused("verify --variant plain", "--op", "usage");
    refused("verify --quick --full", "cannot be used with", "usage");
    refused("verify --full --model run/model.safetensors", "cannot be used with", "usage");
    refused("verify --steps 3", "--model", "usage");
}
