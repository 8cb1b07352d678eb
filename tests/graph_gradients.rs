//! Every differentiable op in a graph: its gradients are those of finite differences in f64, and the check would find
//! others. That the device computes the same is among what tests/kernels.rs runs.

use shadegrad::cpu::CpuExecutor;
use shadegrad::graph::{Choices, Graph, Pool};
use shadegrad::kernel::Array;
use shadegrad::nn::{batch_norm, batch_norm_evaluate};
use shadegrad::ops::{GradientCheck, GradientGraph, gradient_checks, registry};
use shadegrad::plan::{Executor, Plan, Role, SlotId};
use shadegrad::shape::{DType, Shape};
use shadegrad::verify::gradients::Gradients;
use shadegrad::verify::graphs::graphs;
use std::collections::BTreeSet;

fn real<E: Executor>(executor: &mut E, slot: SlotId) -> Vec<f64> {
    match pollster::block_on(executor.read(slot)) {
        Ok(Array::Real(values)) => values,
        other => panic!("{other:?}"),
    }
}

fn gradients(graph: &GradientGraph) -> Gradients {
    Gradients::of(graph).unwrap_or_else(|error| panic!("{}: {error}", graph.name))
}

/// tests/kernels.rs has `shadegrad verify` find no derivative wrong; here it is made to find one.
#[test]
fn derivatives_a_thousandth_too_large_are_found_in_every_graph() {
    for graph in graphs() {
        let (name, gradients) = (&graph.name, gradients(&graph));
        let wrong = |fault| pollster::block_on(gradients.first_wrong(fault)).expect("the plan is valid");
        assert_eq!(wrong(1.0), None, "{name}");
        assert!(wrong(1.001).is_some(), "{name}: the check is blind to a thousandth");
    }
}

/// The kernels that the plan of a graph's gradients uses.
fn kernels_of(graph: &GradientGraph) -> BTreeSet<&'static str> {
    gradients(graph).plan.sections[0].dispatches.iter().map(|dispatch| dispatch.kernel.name()).collect()
}

/// The kernels of the registry that no plan of these graphs uses.
fn unused_kernels(graphs: &[GradientGraph]) -> BTreeSet<&'static str> {
    let used: BTreeSet<_> = graphs.iter().flat_map(kernels_of).collect();
    registry().into_iter().map(|kernel| kernel.name()).filter(|name| !used.contains(name)).collect()
}

#[test]
fn every_kernel_takes_part_in_a_gradient_that_is_checked() {
    let excuse = |(name, check)| matches!(check, GradientCheck::Without(_)).then_some(name);
    let excused: BTreeSet<_> = gradient_checks().into_iter().filter_map(excuse).collect();
    let mut graphs = graphs();
    assert_eq!(unused_kernels(&graphs), excused, "on the left what no graph uses, on the right what none need use");
    graphs.retain(|graph| !graph.name.starts_with("softplus"));
    let missing: Vec<_> = unused_kernels(&graphs).difference(&excused).copied().collect();
    let expected = ["matmul_nt_softplus_gradient", "softplus", "softplus_gradient"];
    assert_eq!(missing, expected, "the check is blind");
}

#[test]
fn the_graphs_beside_a_kernel_are_about_it() {
    for (name, check) in gradient_checks() {
        let GradientCheck::Graphs(graphs) = check else { continue };
        assert!(!graphs.is_empty(), "{name} is checked in no graph");
        for graph in graphs {
            assert!(kernels_of(&graph).contains(name), "{name} has no part in its graph {:?}", graph.name);
        }
    }
}

/// Training and evaluation meet in the running moments: these become the batch's, with the unbiased variance.
#[test]
fn a_batch_norm_evaluates_by_what_it_saw_in_training() {
    const RUNS: u32 = 400;
    let mut plan = Plan::default();
    let mut array = |name, role, shape: &[usize]| {
        plan.memory.array(name, role, DType::F32, Shape::new(shape)).expect("it is small")
    };
    let [a, weight, bias] = [&[4, 5][..], &[5], &[5]].map(|shape| array("parameter", Role::Parameter, shape));
    let running = [0; 2].map(|_| array("running", Role::Carried, &[5]));
    let outputs = [0; 2].map(|_| array("out", Role::Transient, &[4, 5]));
    let counters = plan.memory.array("counters", Role::Carried, DType::U32, [4]).expect("it is small");
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
        graph
            .lower(&mut plan, &mut Pool::default(), section, &[(roots[0], out)], &[], &Choices::default())
            .expect("it can be lowered");
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
