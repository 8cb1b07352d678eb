//! A training step on the CPU does not allocate.

use shadegrad::cpu::CpuExecutor;
use shadegrad::kernel::{Caps, Real};
use shadegrad::nn::Model;
use shadegrad::plan::Executor;
use shadegrad::planner::{Set, TrainSpec, plan_training};
use shadegrad::profile::noise;
use shadegrad::train::{upload_split, upload_weights};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Warm-up steps: threads start, and libraries allocate their caches.
const WARM_UP: u32 = 5;
const STEPS: u32 = 50;
const WIDTHS: [usize; 3] = [784, 128, 10];

/// Allocations by all threads of the process during `run`; this is the file's only test, since others would be counted
/// too.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(COUNTING);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

fn ready(batch: usize) -> CpuExecutor<f32> {
    let data = noise(2000);
    let model = Model::mlp(WIDTHS).expect("the widths are valid");
    let training = TrainSpec { ring: 100, ..TrainSpec::new(data.train().len(), batch, 1) };
    let plan = plan_training(&model, &training, &Caps::unlimited()).expect("the settings are valid").plan;
    let mut executor = CpuExecutor::new(plan).expect("it fits");
    upload_split(&mut executor, Set::Train, data.train()).expect("the images fit");
    upload_weights(&mut executor, &model, &model.initial(1)).expect("the weights fit");
    executor
}

/// The products of a step, by dimensions and transposition, into an array large enough for each.
fn multiply(batch: usize, numbers: &[f32], out: &mut [f32]) {
    let [inputs, hidden, classes] = WIDTHS;
    for ([m, k, n], transpose) in [
        ([batch, inputs, hidden], [false, false]),
        ([batch, hidden, classes], [false, false]),
        ([hidden, batch, classes], [true, false]),
        ([batch, classes, hidden], [false, true]),
        ([inputs, batch, hidden], [true, false]),
    ] {
        f32::matmul([m, k, n], transpose, &numbers[..m * k], &numbers[..k * n], &mut out[..m * n]);
    }
}

/// Library allocations are bounded. For each parallel product, faer allocates a plan and a job per thread, exactly as a
/// product alone does. Rayon's queue for work from outside its threads grows in blocks of 63 jobs, here at most one job
/// per dispatch besides its product.
#[test]
fn a_step_allocates_nothing_of_its_own() {
    for batch in [32, 512] {
        let mut executor = ready(batch);
        let dispatches = executor.plan().section("train").expect("it trains").dispatches.len();
        let mut steps = |count| executor.run("train", count).expect("it runs");
        steps(WARM_UP);
        let in_steps = allocations(|| steps(STEPS));
        let (numbers, mut out) = (vec![0.5; 784 * 512], vec![0.0; 784 * 512]);
        let mut products = |count| (0..count).for_each(|_| multiply(batch, &numbers, &mut out));
        products(WARM_UP);
        let in_products = allocations(|| products(STEPS));
        let in_queue = STEPS as usize * dispatches / 63 + 1;
        assert!(
            in_steps <= in_products + in_queue,
            "{STEPS} steps of batch {batch} allocate {in_steps} times, their products {in_products} times"
        );
    }
}
