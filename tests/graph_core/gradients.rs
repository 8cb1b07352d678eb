//! Gradients flow from any seeds, through any outputs, to any values.

use super::setting::Setting;
use shadegrad::error::Result;
use shadegrad::graph::{Form, Graph, Lowering, Node, Op, Value};
use shadegrad::ops::elementwise::add::AddOp;
use shadegrad::ops::elementwise::scale::{ScaleKernel, ScaleOp, ScaleParams};
use shadegrad::ops::elementwise::softmax::SoftmaxOp;
use shadegrad::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyOp;
use shadegrad::ops::matmul::{Operands, product};
use shadegrad::ops::norm::layer_norm::LayerNormOp;
use shadegrad::plan::SlotId;
use shadegrad::shape::TensorType;
use std::sync::Arc;

/// Two outputs, both differentiable: the input `[n]` times either factor.
#[derive(Debug)]
struct Both([f32; 2]);

impl Op for Both {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone(); 2])
    }

    fn gradient(&self, graph: &mut Graph, _: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let mut sum = None;
        for (gradient, factor) in upstream.iter().zip(self.0).filter_map(|(g, factor)| Some(((*g)?, factor))) {
            let gradient = graph.apply(ScaleOp { factor }, &[gradient])?;
            sum = Some(sum.map_or(Ok(gradient), |sum| graph.apply(AddOp, &[sum, gradient]))?);
        }
        Ok(vec![sum])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let n = cx.plan.memory.slot(inputs[0]).words as u32;
        for (&factor, &out) in self.0.iter().zip(outputs) {
            cx.dispatch(&ScaleKernel, ScaleParams { n, factor }, &[("a", inputs[0]), ("out", out)])?;
        }
        Ok(())
    }
}

#[test]
fn the_gradients_of_all_outputs_and_seeds_add_up() -> Result<()> {
    // Which of y0 = 2x, y1 = 3x and x have seeds, what they are, and the gradient of x.
    for (seeds, expected) in [
        (vec![(0, 1.0)], Some(2.0)),
        (vec![(1, 1.0)], Some(3.0)),
        (vec![(0, 10.0), (1, 100.0)], Some(320.0)),
        (vec![(1, 100.0), (2, 5.0), (0, 10.0)], Some(325.0)),
        (vec![(1, 1.0), (1, 10.0)], Some(33.0)),
        (vec![(2, 5.0)], Some(5.0)),
        (vec![], None),
    ] {
        let mut setting = Setting::default();
        let x = setting.leaf([3], &[1.0; 3])?;
        let y0 = setting.graph.apply(Both([2.0, 3.0]), &[x])?;
        let y1 = setting.graph.output(y0, 1).expect("there are two");
        let mut leaf = |(place, seed): &(usize, f32)| Ok(([y0, y1, x][*place], setting.leaf([3], &[*seed; 3])?));
        let seeds = seeds.iter().map(&mut leaf).collect::<Result<Vec<_>>>()?;
        let gradients = setting.graph.gradients(&seeds, &[x], Arc::new(AddOp))?;
        let found = gradients[0].map(|gradient| setting.values(&[gradient])).transpose()?;
        assert_eq!(found, expected.map(|expected| vec![vec![expected; 3]]), "{seeds:?}");
    }
    Ok(())
}

#[test]
fn a_value_that_reaches_no_seed_has_no_gradient_and_any_other_has() -> Result<()> {
    let mut setting = Setting::default();
    let [x, y, aside] = [setting.leaf([3], &[1.0; 3])?, setting.leaf([3], &[2.0; 3])?, setting.leaf([3], &[3.0; 3])?];
    let seed = setting.leaf([3], &[1.0, 10.0, 100.0])?;
    let graph = &mut setting.graph;
    let inner = graph.apply(ScaleOp { factor: 5.0 }, &[x])?;
    let sum = graph.apply(AddOp, &[inner, y])?;
    let later = graph.apply(ScaleOp { factor: 7.0 }, &[sum])?;
    let gradients = graph.gradients(&[(sum, seed)], &[x, y, inner, sum, aside, later], Arc::new(AddOp))?;
    assert_eq!(gradients[4..], [None, None]);
    let gradients: Vec<Value> = gradients.into_iter().flatten().collect();
    let found = setting.values(&gradients)?;
    let times = |factor: f64| vec![factor, 10.0 * factor, 100.0 * factor];
    assert_eq!(found, [5.0, 1.0, 1.0, 1.0].map(times));
    Ok(())
}

#[test]
fn an_op_without_a_gradient_is_in_the_way_only_where_one_passes() -> Result<()> {
    let mut setting = Setting::default();
    let [x, seed] = [setting.leaf([2, 3], &[1.0; 6])?, setting.leaf([2, 3], &[1.0; 6])?];
    let graph = &mut setting.graph;
    let first = graph.apply(SoftmaxOp, &[x])?;
    // The gradient of a softmax has none itself.
    let slope = graph.gradients(&[(first, seed)], &[x], Arc::new(AddOp))?[0].expect("it reaches the seed");
    let doubled = graph.apply(ScaleOp { factor: 2.0 }, &[slope])?;
    let gradient = graph.gradients(&[(doubled, seed)], &[slope], Arc::new(AddOp))?[0].expect("it reaches the seed");
    let error = graph.gradients(&[(doubled, seed)], &[x], Arc::new(AddOp)).expect_err("it cannot be passed");
    assert!(error.cause().contains("SoftmaxGradientOp has no gradient"), "{error}");
    assert_eq!(setting.values(&[gradient])?, [[2.0; 6]]);
    Ok(())
}

#[test]
fn a_gradient_that_would_be_lost_is_refused_with_the_name_of_the_op() -> Result<()> {
    let mut setting = Setting::default();
    let [x, weight, bias] = [setting.leaf([2, 3], &[])?, setting.leaf([3], &[])?, setting.leaf([3], &[])?];
    let [seed, short] = [setting.leaf([2, 2], &[])?, setting.leaf([3], &[])?];
    let graph = &mut setting.graph;
    let normed = graph.apply(LayerNormOp { epsilon: 1e-5 }, &[x, weight, bias])?;
    let statistics = graph.output(normed, 1).expect("there are two");
    for seeds in [vec![(statistics, seed)], vec![(normed, x), (statistics, seed)]] {
        let error = graph.gradients(&seeds, &[x], Arc::new(AddOp)).expect_err("it knows output 0 alone");
        assert!(error.cause().contains("LayerNormOp") && error.cause().contains("output 1"), "{error}");
    }
    let error = graph.gradients(&[(normed, short)], &[x], Arc::new(AddOp)).expect_err("a seed of another shape");
    assert!(error.cause().contains("a gradient has type [3], its value [2, 3]"), "{error}");
    Ok(())
}

#[test]
fn the_gradient_of_a_loss_for_its_input_is_that_of_finite_differences() -> Result<()> {
    let images: Vec<f32> = (0..6).map(|i| 0.3 * i as f32 - 0.7).collect();
    let weight: Vec<f32> = (0..12).map(|i| (i as f32).sin()).collect();
    // The mean of the losses, and its gradient for the images.
    let evaluate = |images: &[f32]| -> Result<[Vec<f64>; 2]> {
        let mut setting = Setting::default();
        let [x, w] = [setting.leaf([2, 3], images)?, setting.leaf([3, 4], &weight)?];
        let [labels, counters] = [setting.words(&[3, 1])?, setting.words(&[1, 0, 0, 2])?];
        let logits = product(&mut setting.graph, Operands::NN, x, w)?;
        let losses = setting.graph.apply(SoftmaxCrossEntropyOp, &[logits, labels, counters])?;
        let seeds = setting.graph.seeds(losses)?;
        let gradient = setting.graph.gradients(&seeds, &[x], Arc::new(AddOp))?[0].expect("it reaches the loss");
        setting.values(&[losses, gradient]).map(|values| [values[0].clone(), values[1].clone()])
    };
    let [_, derived] = evaluate(&images)?;
    for (i, derived) in derived.iter().enumerate() {
        let moved = |offset: f32| -> Result<[f64; 2]> {
            let mut moved = images.clone();
            moved[i] += offset;
            Ok([moved[i].into(), evaluate(&moved)?[0].iter().sum::<f64>() / 2.0])
        };
        let [[low, below], [high, above]] = [moved(-1.0 / 16_384.0)?, moved(1.0 / 16_384.0)?];
        let difference = (above - below) / (high - low);
        assert!((derived - difference).abs() < 1e-7, "{i}: derived {derived}, by differences {difference}");
    }
    Ok(())
}
