//! A training step on the CPU allocates nothing of its own.

use shadegrad::cpu::CpuExecutor;
use shadegrad::kernel::Real;
use shadegrad::nn::{Model, Optimisation, Training};
use shadegrad::plan::Executor;
use shadegrad::profile::noise;
use shadegrad::train::{upload_images, upload_weights};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Steps that are not counted: threads start in them, and libraries make what they keep.
const WARM_UP: u32 = 5;
const STEPS: u32 = 50;
const WIDTHS: [usize; 3] = [784, 128, 10];

/// How often all threads of the process have allocated while this ran; here is one test, for others would count, too.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(COUNTING);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

fn ready(batch: usize) -> CpuExecutor<f32> {
    let data = noise(2000);
    let model = Model::mlp(WIDTHS).expect("the widths are valid");
    let training = Training {
        samples: data.train.len(),
        batch,
        micro_batch: None,
        learning_rate: 1e-3,
        optimisation: Optimisation::default(),
        steps: 1,
        seed: 1,
        ring: 100,
        augment: None,
    };
    let plan = model.plan(Some(training), None).expect("the settings are valid");
    let mut executor = CpuExecutor::new(plan).expect("it fits");
    upload_images(&mut executor, "train", &data.train).expect("the images fit");
    upload_weights(&mut executor, &model, &model.initial(1)).expect("the weights fit");
    executor
}

/// The products of a step, by dimensions and transposition, into an array that holds each of them.
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

/// What libraries allocate inside is bounded. Each product that faer spreads over all threads makes its plan and a job for
/// each thread anew: that is as much as products alone allocate. Rayon takes what other threads than its own hand over
/// into a queue that grows by blocks of 63 jobs: here that is one job for each dispatch at most, beside its product.
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
