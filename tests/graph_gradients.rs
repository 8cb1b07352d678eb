//! Every differentiable op in a graph: its gradients are those of finite differences in f64, and the check would find
//! others. That the device computes the same is among what tests/kernels.rs runs.

use shadegrad::cpu::CpuExecutor;
use shadegrad::error::Result;
use shadegrad::graph::{Graph, Pool};
use shadegrad::kernel::Array;
use shadegrad::nn::{batch_norm, batch_norm_evaluate};
use shadegrad::ops::registry;
use shadegrad::plan::{Executor, Plan, Role, SlotId};
use shadegrad::shape::{DType, Shape};
use shadegrad::verify::gradients::Gradients;
use shadegrad::verify::graphs::{Entry, LOSSES, OPS};
use std::collections::BTreeSet;

/// Kernels that no derivative passes through, and why.
const WITHOUT_GRADIENT: &[(&str, &str)] = &[
    ("matmul_nn_bias_leaky_relu", "in evaluation alone: a gradient needs the sums before the activation"),
    ("matmul_nn_bias_sigmoid", "the same"),
    ("matmul_nn_bias_tanh", "the same"),
    ("matmul_nn_bias_gelu", "the same"),
    ("matmul_nn_bias_gelu_tanh", "the same"),
    ("matmul_nn_bias_silu", "the same"),
    ("matmul_nn_bias_softplus", "the same"),
    ("step_state", "counts"),
    ("begin_batch", "makes a batch of bytes, which are not learnt"),
    ("gather", "the same"),
    ("gather_augmented", "the same"),
    ("pixel_sums", "sums bytes, which are not learnt"),
    ("normalisation", "the same"),
    ("metrics", "reports losses that have been computed"),
    ("batch_norm_evaluate", "evaluation has no gradients; it is held to batch_norm below"),
    ("square_sums", "works on gradients, to clip them"),
    ("global_norm", "the same"),
    ("clip", "the same"),
    ("schedule", "sets the learning rate"),
    ("adam", "an update, held to PyTorch's by tests/golden.rs"),
    ("matmul_tn_adam", "the same"),
    ("sgd", "the same"),
    ("rmsprop", "an update"),
    ("micro_batch", "counts"),
    ("non_finite", "looks for what is no number"),
    ("non_finite_record", "the same"),
    ("accumulate", "works on gradients, held to those of whole batches by tests/training.rs"),
];

fn real<E: Executor>(executor: &mut E, slot: SlotId) -> Vec<f64> {
    match pollster::block_on(executor.read(slot)) {
        Ok(Array::Real(values)) => values,
        other => panic!("{other:?}"),
    }
}

/// Every graph with its name.
fn graphs(ops: &[Entry], losses: &[Entry]) -> Vec<(&'static str, Gradients)> {
    let ops = ops.iter().map(|&(name, shapes, op)| (name, Gradients::of_op(shapes, op)));
    let losses = losses.iter().map(|&(name, shapes, loss)| (name, Gradients::of_loss(shapes, loss)));
    let made = |(name, made): (_, Result<_>)| (name, made.unwrap_or_else(|error| panic!("{name}: {error}")));
    ops.chain(losses).map(made).collect()
}

/// tests/kernels.rs has `shadegrad verify` find no derivative wrong; here it is made to find one.
#[test]
fn derivatives_a_thousandth_too_large_are_found_in_every_graph() {
    for (name, gradients) in graphs(OPS, LOSSES) {
        let wrong = |fault| pollster::block_on(gradients.first_wrong(fault)).expect("the plan is valid");
        assert_eq!(wrong(1.0), None, "{name}");
        assert!(wrong(1.001).is_some(), "{name}: the check is blind to a thousandth");
    }
}

/// The kernels of the registry that no plan of these entries uses.
fn unused_kernels(ops: &[Entry], losses: &[Entry]) -> BTreeSet<&'static str> {
    let mut unused: BTreeSet<_> = registry().into_iter().map(|kernel| kernel.name()).collect();
    for (_, gradients) in graphs(ops, losses) {
        for dispatch in &gradients.plan.sections[0].dispatches {
            unused.remove(dispatch.kernel.name());
        }
    }
    unused
}

#[test]
fn every_kernel_takes_part_in_a_gradient_that_is_checked() {
    let excused: BTreeSet<_> = WITHOUT_GRADIENT.iter().map(|&(name, _)| name).collect();
    let unused = unused_kernels(OPS, LOSSES);
    assert_eq!(unused, excused, "on the left what no entry of OPS or LOSSES uses, on the right what none need use");
    let fewer: Vec<Entry> = OPS.iter().filter(|(name, _, _)| !name.starts_with("softplus")).copied().collect();
    let missing: Vec<_> = unused_kernels(&fewer, LOSSES).difference(&excused).copied().collect();
    let expected = ["matmul_nt_softplus_gradient", "softplus", "softplus_gradient"];
    assert_eq!(missing, expected, "the check is blind");
}

/// Training and evaluation meet in the running moments: these become the batch's, with the unbiased variance.
#[test]
fn a_batch_norm_evaluates_by_what_it_saw_in_training() {
    const RUNS: u32 = 400;
    let mut plan = Plan::default();
    let mut array = |name, role, shape: &[usize]| {
        plan.memory.array(name, role, DType::F32, Shape::new(shape)).expect("it is small")
    };
    let [a, weight, bias] = [&[4, 5][..], &[5], &[5]].map(|shape| array("parameter", Role::State, shape));
    let running = [0; 2].map(|_| array("running", Role::State, &[5]));
    let outputs = [0; 2].map(|_| array("out", Role::Transient, &[4, 5]));
    let counters = plan.memory.array("counters", Role::State, DType::U32, [4]).expect("it is small");
    for (section, out) in ["train", "evaluate"].into_iter().zip(outputs) {
        let mut graph = Graph::default();
        let [a, weight, bias, counters] = [a, weight, bias, counters].map(|slot| graph.leaf(&plan.memory, slot));
        let normed = if section == "train" {
            batch_norm(&mut graph, a, [weight, bias], running, counters)
        } else {
            let moments = running.map(|slot| graph.leaf(&plan.memory, slot));
            batch_norm_evaluate(&mut graph, a, [weight, bias], moments, counters)
        };
        let (graph, roots) = graph.simplify(&[normed.expect("the shapes go together")]);
        plan.begin(section);
        graph.lower(&mut plan, &mut Pool::default(), section, &[(roots[0], out)], &[]).expect("it can be lowered");
    }
    let mut executor = CpuExecutor::<f64>::new(plan).expect("the plan is valid");
    let values: Vec<f32> = (0..20).map(|i| (i % 7) as f32).collect();
    executor.write_words(counters, &[1, 0, 0, 4]).expect("the slot holds them");
    for (slot, values) in [(a, &values[..]), (weight, &[1.0; 5]), (running[1], &[1.0; 5])] {
        executor.write_f32(slot, values).expect("the slot holds them");
    }
    executor.run("train", 1).expect("it runs");
    let first_mean = f64::from(values.iter().step_by(5).sum::<f32>()) / 4.0;
    // The momentum is the f32 nearest to 0.1.
    assert!((real(&mut executor, running[0])[0] - 0.1 * first_mean).abs() < 1e-7, "one run is one update");
    executor.run("train", RUNS).expect("it runs");
    executor.run("evaluate", 1).expect("it runs");
    let [trained, evaluated] = outputs.map(|slot| real(&mut executor, slot));
    for (trained, evaluated) in trained.iter().zip(&evaluated) {
        // Of 4 rows, the unbiased variance is 4 / 3 of the batch's; epsilon is 1e-5 of it at most.
        assert!((trained * 0.75f64.sqrt() - evaluated).abs() < 1e-4, "{trained} in training, {evaluated} after");
    }
}
