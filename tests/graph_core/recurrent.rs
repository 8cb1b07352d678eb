//! A recurrent cell on the ops there are: two outputs whose gradients both flow, several inputs, and a loop over time.

use super::setting::Setting;
use shadegrad::error::Result;
use shadegrad::graph::{Choices, Graph, Pool, Value};
use shadegrad::nn::linear;
use shadegrad::ops::batch::step_state::{StepStateKernel, StepStateParams};
use shadegrad::ops::elementwise::activation::{ActivationOp, SLOPE};
use shadegrad::ops::elementwise::add::AddOp;
use shadegrad::ops::elementwise::columns::SplitColumnsOp;
use shadegrad::ops::elementwise::multiply::MultiplyOp;
use shadegrad::ops::lookup::embedding::EmbeddingOp;
use shadegrad::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyOp;
use shadegrad::ops::matmul::{Operands, product};
use shadegrad::ops::rate;
use shadegrad::ops::update::adam::Betas;
use shadegrad::plan::{Role, SlotId};
use shadegrad::shape::DType;
use std::sync::Arc;

const ROWS: usize = 2;
const INPUTS: usize = 3;
const UNITS: usize = 4;

/// The next hidden and cell state of an LSTM: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9,
/// 1997, with the forget gate of Gers, Schmidhuber and Cummins, 2000. `[x, h, c, w, u, b]` are the input, the states, and
/// the weights of the input and of the hidden state with their bias.
fn lstm(graph: &mut Graph, [x, h, c, w, u, b]: [Value; 6]) -> Result<[Value; 2]> {
    let activation = |name| ActivationOp::named(name, SLOPE).expect("there is one");
    let split = |graph: &mut Graph, a, at| {
        let left = graph.apply(SplitColumnsOp { at }, &[a])?;
        Ok([left, graph.output(left, 1).expect("there are two")])
    };
    let (of_input, of_state) = (linear(graph, x, w, b)?, product(graph, Operands::NN, h, u)?);
    let gates = graph.apply(AddOp, &[of_input, of_state])?;
    let [sigmoids, candidate] = split(graph, gates, 3 * UNITS)?;
    let open = graph.apply(activation("sigmoid"), &[sigmoids])?;
    let [input, others] = split(graph, open, UNITS)?;
    let [forget, output] = split(graph, others, UNITS)?;
    let candidate = graph.apply(activation("tanh"), &[candidate])?;
    let (kept, added) = (graph.apply(MultiplyOp, &[forget, c])?, graph.apply(MultiplyOp, &[input, candidate])?);
    let c = graph.apply(AddOp, &[kept, added])?;
    let squashed = graph.apply(activation("tanh"), &[c])?;
    Ok([graph.apply(MultiplyOp, &[output, squashed])?, c])
}

/// Leaves for the input, the states and the weights of a cell.
fn cell(setting: &mut Setting) -> Result<[Value; 6]> {
    let shapes: [&[usize]; 6] =
        [&[ROWS, INPUTS], &[ROWS, UNITS], &[ROWS, UNITS], &[INPUTS, 4 * UNITS], &[UNITS, 4 * UNITS], &[4 * UNITS]];
    let mut leaves = Vec::new();
    for (seed, shape) in (1..).zip(shapes) {
        leaves.push(setting.random(shadegrad::shape::Shape::new(shape), seed)?);
    }
    Ok(leaves.try_into().expect("there are six"))
}

/// Checks the gradients of `total(outputs)` for the leaves, which the first `setting.numbers` are, by central differences
/// on the f64 twins; `roots` are the outputs, then the gradient of each leaf.
fn check(mut setting: Setting, roots: &[Value], outputs: usize, total: impl Fn(&[Vec<f64>]) -> f64) -> Result<()> {
    let (graph, roots) = setting.graph.simplify(roots);
    setting.graph = graph;
    let lowered = setting.lower(&[], &roots, &Choices::default())?;
    let slots: Vec<SlotId> = roots.iter().filter_map(|&root| lowered.slot(root)).collect();
    let derived = setting.on_oracle(&slots)?.split_off(outputs);
    let [twins, device] = [setting.on_twins(&slots)?, setting.on_device(&slots)?];
    for (twins, device) in twins.iter().flatten().zip(device.iter().flatten()) {
        assert!((twins - device).abs() <= 1e-5, "{device} on the device, {twins} on the twins");
    }
    for (leaf, derived) in derived.iter().enumerate() {
        for (i, derived) in derived.iter().enumerate() {
            let mut side = |offset: f32| -> Result<[f64; 2]> {
                let before = setting.numbers[leaf].1[i];
                setting.numbers[leaf].1[i] += offset;
                let at = f64::from(setting.numbers[leaf].1[i]);
                let total = total(&setting.on_oracle(&slots[..outputs])?);
                setting.numbers[leaf].1[i] = before;
                Ok([at, total])
            };
            let [[low, below], [high, above]] = [side(-1.0 / 16_384.0)?, side(1.0 / 16_384.0)?];
            let difference = (above - below) / (high - low);
            let agree = (derived - difference).abs() <= 1e-6 * difference.abs().max(1.0);
            assert!(agree, "leaf {leaf}, element {i}: derived {derived}, by differences {difference}");
        }
    }
    Ok(())
}

#[test]
fn the_gradients_of_both_states_flow_to_all_that_a_cell_takes() -> Result<()> {
    // Seeds for the hidden state, the cell state, and both.
    for seeded in [&[0][..], &[1], &[0, 1]] {
        let mut setting = Setting::default();
        let leaves = cell(&mut setting)?;
        let states = lstm(&mut setting.graph, leaves)?;
        let mut seeds = Vec::new();
        for &state in seeded {
            seeds.push((states[state], setting.random([ROWS, UNITS], 10 + state as u64)?));
        }
        let weights: Vec<Vec<f32>> = setting.numbers[6..].iter().map(|(_, numbers)| numbers.clone()).collect();
        let gradients = setting.graph.gradients(&seeds, &leaves, Arc::new(AddOp))?;
        let gradients: Vec<Value> = gradients.into_iter().flatten().collect();
        assert_eq!(gradients.len(), 6, "every leaf reaches either state");
        let roots = [&states[..], &gradients].concat();
        check(setting, &roots, 2, |outputs| {
            let dot = |(&state, weights): (&usize, &Vec<f32>)| -> f64 {
                outputs[state].iter().zip(weights).map(|(y, &weight)| y * f64::from(weight)).sum()
            };
            seeded.iter().zip(&weights).map(dot).sum()
        })?;
    }
    Ok(())
}

#[test]
fn a_graph_with_two_inputs_has_a_gradient_for_either() -> Result<()> {
    let mut setting = Setting::default();
    let mut leaves = Vec::new();
    for (seed, shape) in (1..).zip([[2, 3], [2, 5], [3, 4], [5, 4]]) {
        leaves.push(setting.random(shape, seed)?);
    }
    let [user, item, of_user, of_item] = <[Value; 4]>::try_from(leaves).expect("there are four");
    let [labels, counters] = [setting.words(&[3, 1])?, setting.words(&[1, 0, 0, 2])?];
    let graph = &mut setting.graph;
    let sides = [product(graph, Operands::NN, user, of_user)?, product(graph, Operands::NN, item, of_item)?];
    let logits = graph.apply(AddOp, &sides)?;
    let losses = graph.apply(SoftmaxCrossEntropyOp, &[logits, labels, counters])?;
    let seeds = graph.seeds(losses)?;
    let gradients = graph.gradients(&seeds, &[user, item, of_user, of_item], Arc::new(AddOp))?;
    let roots: Vec<Value> = [losses].into_iter().chain(gradients.into_iter().flatten()).collect();
    assert_eq!(roots.len(), 5);
    check(setting, &roots, 1, |outputs| outputs[0].iter().sum::<f64>() / 2.0)
}

const STEPS: usize = 5;

/// A cell over a sequence `[STEPS + 1, INPUTS]` of one row, of which step t takes row t, from 1 on: as one body that is
/// repeated with the device's step counter as the time, or step after step. Gives the last states.
fn over_time(repeated: bool) -> Result<(Setting, [SlotId; 2])> {
    let mut setting = Setting::default();
    let sequence = setting.random([STEPS + 1, INPUTS], 20)?;
    let states = [setting.random([1, UNITS], 2)?, setting.random([1, UNITS], 3)?];
    let [w, u] = [setting.random([INPUTS, 4 * UNITS], 4)?, setting.random([UNITS, 4 * UNITS], 5)?];
    let b = setting.random([4 * UNITS], 6)?;
    let slots = [setting.numbers[1].0, setting.numbers[2].0];
    if !repeated {
        let mut states = states;
        for step in 1..=STEPS {
            let time = setting.words(&[step as u32])?;
            let x = setting.graph.apply(EmbeddingOp, &[sequence, time])?;
            states = lstm(&mut setting.graph, [x, states[0], states[1], w, u, b])?;
        }
        let lowered = setting.lower(&[], &states, &Choices::default())?;
        return Ok((setting, states.map(|state| lowered.slot(state).expect("it was kept"))));
    }
    let counters = setting.plan.memory.array("counters", Role::Carried, DType::U32, [4])?;
    let rates = setting.plan.memory.array("rates", Role::Carried, DType::F32, [rate::COUNT])?;
    let time = setting.plan.memory.view(counters, "time", [1])?;
    let time = setting.graph.leaf(&setting.plan.memory, time);
    let x = setting.graph.apply(EmbeddingOp, &[sequence, time])?;
    let next = lstm(&mut setting.graph, [x, states[0], states[1], w, u, b])?;
    setting.plan.begin("all");
    let step = StepStateParams { samples: 100, batch: 1, learning_rate: 0.0, betas: Betas::new([0.0; 2]) };
    setting.plan.dispatch("time", &StepStateKernel, step, &[("counters", counters), ("rates", rates)])?;
    // Each state is stored where the next turn finds it; nothing reads the old one by then.
    let stores = [(next[0], slots[0]), (next[1], slots[1])];
    let choices = Choices::default();
    setting.graph.lower(&mut setting.plan, &mut Pool::default(), "all", &stores, &[], &choices)?;
    let body = setting.plan.recorded();
    for _ in 1..STEPS {
        setting.plan.repeat(0..body)?;
    }
    Ok((setting, slots))
}

#[test]
fn a_body_that_is_repeated_goes_through_time_like_one_that_is_written_out() -> Result<()> {
    let ((unrolled, last), (repeated, slots)) = (over_time(false)?, over_time(true)?);
    assert_eq!(repeated.kernels().len(), unrolled.kernels().len() + STEPS, "and the counter");
    let expected = [unrolled.on_oracle(&last)?, unrolled.on_twins(&last)?, unrolled.on_device(&last)?];
    let found = [repeated.on_oracle(&slots)?, repeated.on_twins(&slots)?, repeated.on_device(&slots)?];
    assert_eq!(found, expected, "bit for bit");
    Ok(())
}
