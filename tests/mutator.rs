//! The mutator behind `tests/mutants`: its rules generate the faults they are named for, and its list of reasons is up
//! to date. Whether the faults are found takes long to test; run `tests/mutants`.

#[allow(dead_code, reason = "tests/mutation uses the rest")]
#[path = "mutation/kernels.rs"]
mod kernels;
#[path = "mutation/mutant.rs"]
mod mutant;
#[allow(dead_code, reason = "tests/mutation uses the rest")]
#[path = "mutation/reasons.rs"]
mod reasons;
#[path = "mutation/rules.rs"]
mod rules;
#[path = "mutation/source.rs"]
mod source;

use mutant::{Mutant, mutants};
use shadegrad::kernel::Caps;
use std::collections::BTreeSet;

const SHADER: &str = "
struct Params { m: u32, n: u32, factor: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> a: array<f32>;
/// [n]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
var<workgroup> sums: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    if (local >= params.n) { return; }
    var sum = 0.0; // a comment with a < in it
    for (var row = local; row < params.m; row++) {
        var x: f32;
        x = max(a[row * params.n + local], -1.0);
        sum += x;
    }
    sums[local] = sum;
    workgroupBarrier();
    out[local] = select(sums[0u], params.factor, local == 0u);
}
";

/// The mutated lines that a rule generates from the shader.
fn made(rule: &str) -> Vec<String> {
    mutants("test", SHADER).into_iter().filter(|mutant| mutant.rule == rule).map(|mutant| mutant.mutated).collect()
}

#[test]
fn each_rule_makes_the_fault_it_is_named_for() {
    let load = "x = max(a[row * params.n + local], -1.0);";
    let cases: [(&str, &[&str]); 16] = [
        (
            "arithmetic",
            &[
                "x = max(a[row / params.n + local], -1.0);",
                "x = max(a[row + params.n + local], -1.0);",
                "x = max(a[row * params.n - local], -1.0);",
            ],
        ),
        ("sign", &["x = max(a[row * params.n + local], 1.0);"]),
        ("assignment", &["sum -= x;", "sum = x;"]),
        (
            "boundary",
            &[
                "if (local > params.n) { return; }",
                "if (local < params.n) { return; }",
                "for (var row = local; row <= params.m; row++) {",
                "out[local] = select(sums[0u], params.factor, local != 0u);",
                "out[local] = select(sums[0u], params.factor, local >= 0u);",
            ],
        ),
        ("condition", &["if (true) { return; }", "if (false) { return; }"]),
        (
            "integer",
            &[
                "@compute @workgroup_size(63)",
                "@compute @workgroup_size(65)",
                "out[local] = select(sums[1u], params.factor, local == 0u);",
                "out[local] = select(sums[0u], params.factor, local == 1u);",
            ],
        ),
        ("start of loop", &["for (var row = local + 1; row < params.m; row++) {"]),
        ("end of loop", &["for (var row = local; row + 1u < params.m; row++) {"]),
        ("step of loop", &["for (var row = local; row < params.m; row += 2) {"]),
        (
            "arguments",
            &[
                "out[local] = select(params.factor, sums[0u], local == 0u);",
                "out[local] = select(sums[0u], local == 0u, params.factor);",
            ],
        ),
        ("branch", &["out[local] = (sums[0u]);", "out[local] = (params.factor);"]),
        ("clamp", &["x = (a[row * params.n + local]);", "x = (-1.0);"]),
        ("field", &["if (local >= params.m) { return; }"]),
        ("statement", &["", "", "", ""]),
        ("barrier", &[""]),
        ("stale", &["", ""]),
    ];
    for (rule, expected) in cases {
        let made = made(rule);
        let found = expected.iter().filter(|line| made.iter().any(|made| made == *line)).count();
        assert_eq!(found, expected.len(), "{rule}: {made:#?}");
    }
    assert!(
        made("f16").contains(&load.replace("a[row * params.n + local]", "rounded_to_f16(a[row * params.n + local])"))
    );
}

#[test]
fn nothing_but_code_is_mutated() {
    for mutant in mutants("test", SHADER) {
        let (head, rest) = SHADER.split_once("@compute").expect("it has an entry point");
        assert!(mutant.text.starts_with(head), "{mutant} changes a declaration: {}", mutant.mutated);
        assert!(mutant.text != SHADER && !rest.is_empty());
        // Loop steps keep their direction, so that loops terminate.
        assert!(!mutant.text.contains("row--"), "{mutant}");
    }
}

fn all() -> Vec<(&'static str, Vec<Mutant>)> {
    let everything = Caps { subgroup_size: Some(8), cpu: true, ..Caps::portable() };
    let kernels = kernels::all_mutants(&everything);
    kernels.into_iter().map(|(kernel, mutants)| (kernel.name(), mutants)).collect()
}

#[test]
fn every_kernel_has_many_mutants_and_each_a_name_of_its_own() {
    for (kernel, mutants) in all() {
        let names: BTreeSet<String> = mutants.iter().map(Mutant::to_string).collect();
        assert_eq!(names.len(), mutants.len(), "{kernel}: two mutants share a name");
        // `fill` stores one number: its shader has no more places for a mistake.
        let least = if kernel == "fill" { 18 } else { 20 };
        assert!(mutants.len() >= least, "{kernel}: {} mutants", mutants.len());
    }
    assert_eq!(all(), all(), "the order of mutants must not change");
}

#[test]
fn every_reason_is_about_a_mutant_that_there_is() {
    let all = all();
    let pairs: Vec<(&str, &Mutant)> =
        all.iter().flat_map(|(kernel, mutants)| mutants.iter().map(|mutant| (*kernel, mutant))).collect();
    let stale: Vec<String> = reasons::reasons().iter().flat_map(|reason| reason.stale(&pairs)).collect();
    assert!(stale.is_empty(), "no longer in the shaders; change tests/mutation/reasons.toml: {stale:#?}");
}
