//! Updates against formulas worked out in double precision, and parameters that are frozen.

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::Array;
use shadegrad::ops::rate;
use shadegrad::optim::{Group, Lion, Sgd, UpdateConfig, parameter_arena};
use shadegrad::plan::{Executor, Plan, Role, SlotId};
use shadegrad::random::Random;
use shadegrad::shape::{DType, Shape};

const RATE: f32 = 0.01;

/// A section `train` that updates a matrix of 9x8, a bias of 5 and a matrix of 3x2 by gradients from the host, in these
/// groups where some are given; and the slots of weights, gradients and rates.
fn updates(update: &UpdateConfig, groups: Option<&[Group]>) -> (Plan, [SlotId; 3]) {
    let mut plan = Plan::default();
    let tensor = |name: &str, shape: Shape| (name.to_owned(), shape);
    let tensors = [tensor("a", [9, 8].into()), tensor("b", [5].into()), tensor("c", [3, 2].into())];
    let memory = &mut plan.memory;
    let weights = parameter_arena(memory, "weights", Role::Parameter, &tensors).expect("it is small");
    let gradients = memory.arena_like(&weights, "gradients", Role::Carried);
    let rates = memory.array("rates", Role::Carried, DType::F32, [rate::COUNT]).expect("it is small");
    plan.begin("train");
    match groups {
        None => update.record(&mut plan, [&weights, &gradients], rates, None),
        Some(groups) => update.record_groups(&mut plan, [&weights, &gradients], rates, groups, None),
    }
    .expect("it is small");
    (plan, [weights.all, gradients.all, rates])
}

/// Words of the arena: 9x8 in 128, 3x2 in 64, and 5 in 64.
const WORDS: usize = 256;

fn draw(seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, 1);
    (0..WORDS).map(|_| random.normal() as f32).collect()
}

/// The gradients of step t.
fn gradients(t: u64) -> Vec<f32> {
    draw(100 + t)
}

/// All arrays of numbers of the executor after `steps` steps, by the name of their slot.
fn after<E: Executor>(mut executor: E, [weights, slot, rates]: [SlotId; 3], steps: u64) -> Vec<(String, Vec<f64>)> {
    executor.write_f32(weights, &draw(1)).expect("it fits");
    executor.write_f32(rates, &[RATE, 1.0, 1.0]).expect("it fits");
    for t in 0..steps {
        executor.write_f32(slot, &gradients(t)).expect("it fits");
        executor.run("train", 1).expect("it runs");
    }
    let names: Vec<_> = ["weights", "momentum", "velocity"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), executor.memory().find(name)?)))
        .collect();
    let mut read = |slot| match pollster::block_on(executor.read(slot)) {
        Ok(Array::Real(values)) => values,
        other => panic!("{other:?}"),
    };
    names.into_iter().map(|(name, slot)| (name, read(slot))).collect()
}

/// On the CPU in single and double precision, and on the device.
fn everywhere(update: &UpdateConfig, groups: Option<&[Group]>, steps: u64) -> [Vec<(String, Vec<f64>)>; 3] {
    let (plan, slots) = updates(update, groups);
    let device = pollster::block_on(GpuExecutor::new(common::gpu(), plan.clone(), Checks::Off)).expect("it runs there");
    [
        after(CpuExecutor::<f64>::new(plan.clone()).expect("it is valid"), slots, steps),
        after(CpuExecutor::<f32>::new(plan).expect("it is valid"), slots, steps),
        after(device, slots, steps),
    ]
}

fn agree(found: &[f64], expected: &[f64], bound: f64, what: &str) {
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(found.len() == expected.len() && apart <= bound, "{what}: {apart:e} apart");
}

/// Algorithm 2 of the paper, written down anew: x' = x - lr (sign(b1 m + (1 - b1) g) + decay x), m' = b2 m + (1 - b2) g.
#[test]
fn ten_steps_of_lion_are_those_of_its_paper() {
    let lion = Lion { weight_decay: 0.3, ..Lion::default() };
    let (rate, decay) = (f64::from(RATE), f64::from(0.3f32));
    let mut weights: Vec<f64> = draw(1).into_iter().map(f64::from).collect();
    let mut momentum = vec![0.0f64; WORDS];
    for t in 0..10 {
        for (i, g) in gradients(t).into_iter().enumerate() {
            let direction = 0.9 * momentum[i] + 0.1 * f64::from(g);
            // Matrices, in the first 192 words, decay.
            let decayed = if i < 192 { decay * weights[i] } else { 0.0 };
            weights[i] -= rate * (direction.signum() + decayed);
            momentum[i] = 0.99 * momentum[i] + 0.01 * f64::from(g);
        }
    }
    for found in everywhere(&UpdateConfig::new(lion, RATE), None, 10) {
        let expected = [("weights", &weights), ("momentum", &momentum)];
        assert_eq!(found.len(), 2);
        for ((name, values), (expected_name, expected)) in found.iter().zip(expected) {
            assert_eq!(name, expected_name);
            // A sign that differs would move a weight by twice the rate.
            agree(values, expected, 1e-5, name);
        }
    }
}

#[test]
fn ranges_in_no_group_are_frozen_and_each_group_decays_by_its_own_share() {
    let sgd = Sgd { momentum: 0.5, nesterov: false, weight_decay: 0.1 };
    let update = UpdateConfig::new(sgd, RATE);
    let groups = [
        Group { range: 0..64, decay: 0.5 },
        Group { range: 128..192, decay: 1.0 },
        Group { range: 192..256, decay: 0.0 },
    ];
    let shares: Vec<Option<f64>> = (0..WORDS)
        .map(|i| groups.iter().find(|group| group.range.contains(&i)).map(|group| f64::from(group.decay)))
        .collect();
    let mut weights: Vec<f64> = draw(1).into_iter().map(f64::from).collect();
    let mut velocity = vec![0.0; WORDS];
    for t in 0..4 {
        for (i, g) in gradients(t).into_iter().enumerate() {
            let Some(share) = shares[i] else { continue };
            velocity[i] = 0.5 * velocity[i] + f64::from(g) + 0.1 * share * weights[i];
            weights[i] -= f64::from(RATE) * velocity[i];
        }
    }
    for found in everywhere(&update, Some(&groups), 4) {
        assert_eq!(found.len(), 2);
        for (name, values) in &found {
            agree(values, if name == "weights" { &weights } else { &velocity }, 1e-5, name);
        }
        assert!((64..128).all(|i| found[0].1[i] == f64::from(draw(1)[i]) && found[1].1[i] == 0.0), "frozen");
    }
    // The norm that is clipped to is that of the groups.
    let clipped = UpdateConfig { clip_norm: Some(1.0), ..UpdateConfig::new(Sgd::default(), RATE) };
    let norm = gradients(0).into_iter().zip(&shares).filter(|(_, share)| share.is_some());
    let norm = norm.map(|(g, _)| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let start: Vec<f64> = draw(1).into_iter().map(f64::from).collect();
    let expected: Vec<f64> = (0..WORDS)
        .map(|i| start[i] - shares[i].map_or(0.0, |_| f64::from(RATE) * f64::from(gradients(0)[i]) / norm))
        .collect();
    for found in everywhere(&clipped, Some(&groups), 1) {
        agree(&found[0].1, &expected, 1e-6, "clipped");
    }
}

#[test]
fn the_groups_of_a_model_are_one_dispatch() {
    let (plan, _) = updates(&UpdateConfig::default(), None);
    assert_eq!(plan.sections[0].dispatches.len(), 1);
}
