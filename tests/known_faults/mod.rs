//! Known bugs of software drivers. Each entry is an expected failure: the test fails when it no longer occurs, which
//! keeps the list up to date.

use shadegrad::gpu::Gpu;

struct KnownFault {
    /// Substrings of the adapter's API, name, driver and version, as one lowercase line.
    driver: &'static str,
    /// Substrings of the name of the failing item.
    fails: &'static str,
    /// Why it is a driver bug.
    reason: &'static str,
}

const NO_BUDGET: &str = "it does not tell how much memory there is and how much is taken (VK_EXT_memory_budget), so \
                         that wgpu never finds memory short";

const KNOWN: &[KnownFault] = &[
    KnownFault { driver: "mesa 22.3", fails: "memory budget", reason: NO_BUDGET },
    KnownFault { driver: "swiftshader", fails: "memory budget", reason: NO_BUDGET },
    KnownFault { driver: "gl: ", fails: "memory budget", reason: NO_BUDGET },
    KnownFault { driver: "metal: ", fails: "memory budget", reason: NO_BUDGET },
];

/// The outcome of `what` on this device, inverted if it is a known failure.
pub(crate) fn judge(gpu: &Gpu, what: &str, outcome: Result<(), String>) -> Result<(), String> {
    let info = &gpu.info;
    let driver = format!("{}: {} {} {}", info.backend, info.name, info.driver, info.driver_info).to_lowercase();
    judge_by(KNOWN, &driver, what, outcome)
}

fn judge_by(known: &[KnownFault], driver: &str, what: &str, outcome: Result<(), String>) -> Result<(), String> {
    match known.iter().find(|fault| driver.contains(fault.driver) && what.contains(fault.fails)) {
        None => outcome,
        Some(_) if outcome.is_err() => Ok(()),
        Some(fault) => Err(format!("{what} no longer fails on {driver}, strike it off the list: {}", fault.reason)),
    }
}

#[test]
fn known_faults_must_fail_and_others_must_not() {
    let known = [KnownFault { driver: "gl: llvmpipe", fails: "copy", reason: "an example" }];
    let judged = |driver, what, outcome: Result<(), &str>| {
        judge_by(&known, driver, what, outcome.map_err(str::to_owned)).is_ok()
    };
    assert!(judged("gl: llvmpipe mesa 25", "copy plain", Err("wrong")));
    assert!(!judged("gl: llvmpipe mesa 25", "copy plain", Ok(())));
    assert!(judged("gl: llvmpipe mesa 25", "scale plain", Ok(())));
    assert!(!judged("gl: llvmpipe mesa 25", "scale plain", Err("wrong")));
    assert!(!judged("vulkan: llvmpipe mesa 25", "copy plain", Err("wrong")));
}
