//! The mutation score of the shaders, run by `tests/mutants`.
//!
//!     mutation [--jobs N] [--again] [KERNEL...]    test these kernels' mutants, or all, and write the report
//!     mutation host FOLDER                         report cargo-mutants' results in the subfolders of FOLDER
//!
//! Verdicts are kept in target/tmp, so an interrupted run can be resumed. `--again` starts over. With kernels named,
//! only their mutants are tested, and no report is written.

#![allow(clippy::print_stdout, reason = "a program for whoever runs it")]

#[path = "../common/mod.rs"]
mod common;
mod host;
mod kernels;
mod module;
mod mutant;
mod pool;
mod reasons;
mod report;
mod results;
mod rules;
mod source;
mod verdict;
mod worker;

use host::Host;
use mutant::Mutant;
use pool::Job;
use reasons::Reason;
use report::Outcome;
use results::Results;
use shadegrad::kernel::AnyKernel;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use verdict::Verdict;

/// Minimum mutation score, in percent.
const GOAL: f64 = 95.0;
/// The same for host code.
const HOST_GOAL: f64 = 85.0;

type Kernels = Vec<(&'static dyn AnyKernel, Vec<Mutant>)>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder] = &arguments[..]
        && first == "host"
    {
        return report_host(Path::new(folder));
    }
    let gpu = common::gpu();
    if arguments.first().is_some_and(|first| first == "worker") {
        worker::work(&gpu);
        return ExitCode::SUCCESS;
    }
    let jobs = arguments.iter().position(|argument| argument == "--jobs").and_then(|at| arguments.get(at + 1));
    let workers =
        jobs.and_then(|jobs| jobs.parse().ok()).or(std::thread::available_parallelism().ok().map(|n| n.get()));
    let again = arguments.iter().any(|argument| argument == "--again");
    let kernels = kernels::kernels_and_mutants(&gpu.caps);
    let names: BTreeSet<&str> = kernels.iter().map(|(kernel, _)| kernel.name()).collect();
    let named: BTreeSet<&str> = arguments.iter().map(String::as_str).filter(|name| names.contains(name)).collect();
    let all = named.is_empty();
    let reasons = reasons::reasons();

    let forget = |kernel: &str| again || named.contains(kernel);
    let results = Results::open(forget).expect("target/tmp can be written");
    judge(&kernels, |kernel| all || named.contains(kernel), &results, workers.unwrap_or(1), &reasons);
    drop(results);

    let results = Results::open(|_| false).expect("target/tmp can be written");
    let outcomes = outcomes(&kernels, &results, &reasons);
    let wrong = wrong_reasons(&outcomes);
    wrong.iter().for_each(|line| println!("{line}"));
    let shown: Vec<Outcome<'_>> = outcomes.into_iter().filter(|o| all || named.contains(o.kernel)).collect();
    let count = report::count(&shown);
    println!(
        "{:.2} % of {} mutants killed, {} survive",
        count.share(),
        count.killed + count.survivors,
        count.survivors
    );
    if all {
        let adapter = format!("{} ({})", gpu.info.name, gpu.info.driver_info);
        write_report(Some(report::section(&shown, &adapter)), None);
    }
    if count.share() >= GOAL && wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tests the requested kernels' mutants that have no verdict, and reports unexplained survivors.
fn judge(kernels: &Kernels, wanted: impl Fn(&str) -> bool, results: &Results, workers: usize, reasons: &[Reason]) {
    let mut jobs = Vec::new();
    // Products last: they take longest.
    for (kernel, mutants) in kernels.iter().rev().filter(|(kernel, _)| wanted(kernel.name())) {
        let open = mutants.iter().enumerate().filter(|(_, mutant)| results.get(kernel.name(), mutant).is_none());
        let open: Vec<_> = open.map(|(index, _)| (kernel.name(), Job::Mutant(index))).collect();
        if !open.is_empty() {
            jobs.push((kernel.name(), Job::Original));
        }
        jobs.extend(open);
    }
    println!("{} to judge", jobs.len());
    let (at, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let next = || jobs.get(at.fetch_add(1, Ordering::Relaxed)).copied();
    let done = |name: &'static str, job: Job, verdict: Verdict| {
        let (_, mutants) = kernels.iter().find(|(kernel, _)| kernel.name() == name).expect("the kernel is known");
        match job {
            Job::Original => assert_eq!(verdict, Verdict::Survived, "{name} without any fault"),
            Job::Mutant(index) => {
                let mutant = &mutants[index];
                results.put(name, mutant, &verdict);
                let explained = reasons.iter().any(|reason| reason.is_about(name, mutant));
                if verdict == Verdict::Survived && !explained {
                    println!("{name}: {mutant} survives\n    {}\n    {}", mutant.original, mutant.mutated);
                }
            }
        }
        let finished = finished.fetch_add(1, Ordering::Relaxed) + 1;
        if finished.is_multiple_of(500) {
            println!("{finished} of {}", jobs.len());
        }
    };
    pool::judge_all(workers, next, done);
}

/// The verdicts on each kernel's mutants that touch it.
fn outcomes<'a>(kernels: &'a Kernels, results: &Results, reasons: &'a [Reason]) -> Vec<Outcome<'a>> {
    let mut outcomes = Vec::new();
    for (kernel, mutants) in kernels {
        let kernel = kernel.name();
        for mutant in mutants {
            if let Some(verdict) = results.get(kernel, mutant).filter(|verdict| **verdict != Verdict::Elsewhere) {
                let reason = reasons.iter().find(|reason| reason.is_about(kernel, mutant));
                outcomes.push(Outcome { kernel, mutant, verdict: verdict.clone(), reason });
            }
        }
    }
    outcomes
}

/// Mutants that were killed although a reason calls them equivalent. Reasons identify lines by text: if a kernel
/// contains a line twice, it may apply to either.
fn wrong_reasons(outcomes: &[Outcome<'_>]) -> Vec<String> {
    let place = |outcome: &Outcome<'_>| {
        (outcome.kernel.to_owned(), outcome.mutant.original.clone(), outcome.mutant.mutated.clone())
    };
    let survivors = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Survived);
    let survivors: BTreeSet<_> = survivors.map(place).collect();
    let found = |outcome: &&Outcome<'_>| {
        let killed = matches!(outcome.verdict, Verdict::Killed(_)) && !survivors.contains(&place(outcome));
        killed && outcome.reason.is_some_and(|reason| reason.equivalent)
    };
    let tell = |outcome: &Outcome<'_>| {
        let Outcome { kernel, mutant, .. } = outcome;
        format!(
            "{kernel}: {mutant} is listed as equivalent, but was found\n    {}\n    {}",
            mutant.original, mutant.mutated
        )
    };
    outcomes.iter().filter(found).map(tell).collect()
}

fn report_host(folder: &Path) -> ExitCode {
    let host = Host::read(folder, reasons::host_reasons());
    println!("{:.2} % of the host's mutants killed", host.share());
    write_report(None, Some(host.section()));
    if host.share() >= HOST_GOAL { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replaces these sections of the report, and keeps the others.
fn write_report(shaders: Option<String>, host: Option<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/record/mutants.md");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let from = |heading: &str| before.find(heading).unwrap_or(before.len());
    let [first, second] = [from("## Shaders"), from("## Host code")];
    let shaders = shaders.unwrap_or_else(|| before.get(first..second).unwrap_or_default().trim_end().to_owned());
    let host = host.unwrap_or_else(|| before[second..].trim_end().to_owned());
    let text =
        format!("# Mutation score\n\nMade by `tests/mutants`.\n\n{}\n\n{}\n", shaders.trim_end(), host.trim_end());
    std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
