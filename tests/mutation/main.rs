//! Mutation score of the shaders.

#![allow(clippy::print_stdout, reason = "a program for whoever runs it")]

#[path = "../common/mod.rs"]
mod common;
mod kernels;
mod module;
mod mutant;
mod pool;
mod report;
mod rules;
mod source;
mod worker;

use report::Verdict;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let gpu = common::gpu();
    if arguments.first().is_some_and(|first| first == "worker") {
        return worker::work(&gpu);
    }
    let kernels = kernels::kernels_and_mutants(&gpu.caps);
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == name);
    let mut jobs = Vec::new();
    for (kernel, mutants) in kernels.iter().filter(|(kernel, _)| wanted(kernel.name())) {
        jobs.extend((0..mutants.len()).map(|index| (kernel.name().to_owned(), index)));
    }
    let start = std::time::Instant::now();
    let at = AtomicUsize::new(0);
    let next = || jobs.get(at.fetch_add(1, Ordering::Relaxed)).cloned();
    let counts = Mutex::new(std::collections::BTreeMap::new());
    let done = |kernel: &str, index: usize, verdict: Verdict| {
        let (_, mutants) = kernels.iter().find(|(k, _)| k.name() == kernel).expect("known");
        let mutant = &mutants[index];
        if verdict == Verdict::Survived || std::env::args().any(|a| a == "-v") {
            println!("{kernel} {mutant} {verdict}\n    {}\n    {}", mutant.original, mutant.mutated);
        }
        *counts.lock().expect("no panic").entry((kernel.to_owned(), verdict.to_string())).or_insert(0) += 1;
    };
    pool::judge_all(4, next, done);
    println!("{:#?} {:?}", counts.into_inner().expect("done"), start.elapsed());
}
