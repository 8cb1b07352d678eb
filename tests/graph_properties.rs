//! Random graphs: passes and reuse of memory change no value, and gradients are those of finite differences. Random
//! models: what they are written as is what is read, and their plans are sound.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngSeed, contextualize_config};
use shadegrad::cpu::CpuExecutor;
use shadegrad::error::Result;
use shadegrad::graph::{Choices, Graph, Pool, Value};
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::layer::{Activate, BatchNorm, Dropout, Flatten, Layer, LayerNorm, Linear, Placed, Residual};
use shadegrad::nn::loss::{CrossEntropy, HuberLoss, Loss, MseLoss};
use shadegrad::nn::toml::TomlTable;
use shadegrad::nn::{self, Activation, ClassWeights, Initializer, LossConfig, ModelConfig};
use shadegrad::ops::elementwise::add::AddOp;
use shadegrad::ops::elementwise::bias_add::BiasAddOp;
use shadegrad::ops::elementwise::dropout::DropoutOp;
use shadegrad::ops::elementwise::reshape::ReshapeOp;
use shadegrad::ops::elementwise::scale::ScaleOp;
use shadegrad::ops::elementwise::softmax::SoftmaxOp;
use shadegrad::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyOp;
use shadegrad::ops::matmul::{Operands, product};
use shadegrad::plan::{Executor, Plan, Role, SlotId};
use shadegrad::planner::{EvaluationSpec, TrainSpec, plan_training};
use shadegrad::random::{Random, stream};
use shadegrad::shape::{DType, Shape};
use shadegrad::train::ModelFile;
use shadegrad::verify::gradients::Gradients;
use std::sync::Arc;

fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    contextualize_config(ProptestConfig { failure_persistence: None, ..config })
}

/// What a step of a random graph does with the values so far, all of them `[4, 5]`.
#[derive(Clone, Copy, Debug)]
enum Step {
    Activate(Activation, Index),
    Scale(f32, Index),
    Add(Index, Index),
    Product(Operands, Index),
    Linear(Index),
    Bias(Index),
    LayerNorm(Index),
    Softmax(Index),
    Dropout(u32, Index),
    /// Through another shape and back.
    Reshape(Index),
}

/// What all graphs start from: a batch, a square weight, a row as bias and weight of norms.
const LEAVES: [&[usize]; 3] = [&[4, 5], &[5, 5], &[5]];

fn step(activations: Vec<Activation>) -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    // Their products are exact in f32, in which fused scales are kept.
    let scale = prop::sample::select(vec![1.0f32, -1.0, 0.5, 1.5]);
    prop_oneof![
        3 => (prop::sample::select(activations), index()).prop_map(|(f, x)| Step::Activate(f, x)),
        2 => (scale, index()).prop_map(|(factor, x)| Step::Scale(factor, x)),
        3 => (index(), index()).prop_map(|(a, b)| Step::Add(a, b)),
        2 => (prop::sample::select(vec![Operands::NN, Operands::NT]), index()).prop_map(|(l, x)| Step::Product(l, x)),
        3 => index().prop_map(Step::Linear),
        1 => index().prop_map(Step::Bias),
        1 => index().prop_map(Step::LayerNorm),
        1 => index().prop_map(Step::Softmax),
        1 => (0u32..3, index()).prop_map(|(layer, x)| Step::Dropout(layer, x)),
        1 => index().prop_map(Step::Reshape),
    ]
}

/// The values of all steps, the batch first.
fn build(graph: &mut Graph, steps: &[Step], [x, weight, row]: [Value; 3], counters: Value) -> Result<Vec<Value>> {
    let mut values = vec![x];
    for step in steps {
        let of = |index: &Index| values[index.index(values.len())];
        let value = match step {
            Step::Activate(function, x) => function.apply(graph, of(x))?,
            Step::Scale(factor, x) => graph.apply(ScaleOp { factor: *factor }, &[of(x)])?,
            Step::Add(a, b) => graph.apply(AddOp, &[of(a), of(b)])?,
            Step::Product(layout, x) => product(graph, *layout, of(x), weight)?,
            Step::Linear(x) => nn::linear(graph, of(x), weight, row)?,
            Step::Bias(x) => graph.apply(BiasAddOp, &[of(x), row])?,
            Step::LayerNorm(x) => nn::layer_norm(graph, of(x), row, row)?,
            Step::Softmax(x) => graph.apply(SoftmaxOp, &[of(x)])?,
            Step::Dropout(layer, x) => {
                let op = DropoutOp { seed: 3, layer: *layer, probability: 0.4 };
                nn::dropout(graph, of(x), counters, op)?
            }
            Step::Reshape(x) => {
                let other = graph.apply(ReshapeOp(Shape::from([2, 10])), &[of(x)])?;
                let other = graph.apply(ScaleOp { factor: 0.5 }, &[other])?;
                graph.apply(ReshapeOp(Shape::from([4, 5])), &[other])?
            }
        };
        values.push(value);
    }
    Ok(values)
}

/// The values of these steps in f64: as they stand, each in memory of its own, or after all passes, in memory that is
/// used again.
fn evaluate(steps: &[Step], wanted: &[Index], optimized: bool) -> Result<Vec<Vec<f64>>> {
    let mut plan = Plan::default();
    let mut graph = Graph::default();
    let mut random = Random::new(5, stream::CASES);
    let mut filled: Vec<(SlotId, Vec<f32>)> = Vec::new();
    for shape in LEAVES {
        let slot = plan.memory.array("leaf", Role::Carried, DType::F32, Shape::new(shape))?;
        filled.push((slot, (0..shape.iter().product()).map(|_| 0.5 * random.normal() as f32).collect()));
    }
    let counters = plan.memory.array("counters", Role::Carried, DType::U32, [4])?;
    let [x, weight, row] = [0, 1, 2].map(|i| graph.leaf(&plan.memory, filled[i].0));
    let step_counters = graph.leaf(&plan.memory, counters);
    let values = build(&mut graph, steps, [x, weight, row], step_counters)?;
    let roots: Vec<Value> = wanted.iter().map(|index| values[index.index(values.len())]).collect();
    let (graph, roots, keep) = match optimized {
        true => {
            let (graph, roots) = graph.simplify(&roots);
            (graph, roots.clone(), roots)
        }
        false => (graph, roots, values),
    };
    plan.begin("all");
    let lowered = graph.lower(&mut plan, &mut Pool::default(), "all", &[], &keep, &Choices::default())?;
    plan.validate(&Caps::portable())?;
    let mut executor = CpuExecutor::<f64>::new(plan)?;
    executor.write_words(counters, &[1, 0, 0, 4])?;
    filled.iter().try_for_each(|(slot, numbers)| executor.write_f32(*slot, numbers))?;
    executor.run("all", 1)?;
    let read = |root: &Value| match pollster::block_on(executor.read(lowered.slot(*root).expect("it was kept")))? {
        Array::Real(numbers) => Ok(numbers),
        Array::Word(_) => panic!("values are numbers"),
    };
    roots.iter().map(read).collect()
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn passes_and_reuse_of_memory_change_no_value(
        steps in prop::collection::vec(step(Activation::all().collect()), 1..24),
        wanted in prop::collection::vec(any::<Index>(), 1..4),
    ) {
        let [plain, optimized] = [false, true].map(|optimized| {
            evaluate(&steps, &wanted, optimized).unwrap_or_else(|error| panic!("{error}"))
        });
        for (plain, optimized) in plain.iter().flatten().zip(optimized.iter().flatten()) {
            let agree = (plain - optimized).abs() <= 1e-9 * plain.abs().max(1.0);
            prop_assert!(agree, "{} as it stands, {} after the passes", plain, optimized);
        }
    }
}

/// Activations that have a derivative everywhere.
fn smooth() -> Vec<Activation> {
    Activation::all().filter(|f| !["relu", "leaky_relu"].contains(&f.name())).collect()
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn gradients_of_any_graph_are_those_of_finite_differences(steps in prop::collection::vec(step(smooth()), 1..8)) {
        let shapes = [LEAVES[0], LEAVES[1], LEAVES[2], &[5, 3]];
        let gradients = Gradients::of_loss(&shapes, |graph, p, given| {
            let values = build(graph, &steps, [p[0], p[1], p[2]], given.counters)?;
            // Everything reaches the loss, and in proportion, so that no third derivative is large.
            let sum = values[1..].iter().try_fold(values[0], |sum, &value| graph.apply(AddOp, &[sum, value]))?;
            let normed = nn::layer_norm(graph, sum, p[2], p[2])?;
            let small = graph.apply(ScaleOp { factor: 0.25 }, &[normed])?;
            let last = nn::linear(graph, small, p[1], p[2])?;
            let logits = product(graph, Operands::NN, last, p[3])?;
            graph.apply(SoftmaxCrossEntropyOp, &[logits, given.labels, given.counters])
        });
        let gradients = gradients.unwrap_or_else(|error| panic!("{error}"));
        let wrong = pollster::block_on(gradients.first_wrong(1.0)).unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(wrong, None);
    }
}

/// Layers on rows of `width` elements, which keep that width.
fn layers(width: usize) -> impl Strategy<Value = Vec<Arc<dyn Layer>>> {
    let initializers = vec![None, Some(Initializer::XavierUniform), Some(Initializer::Zeros)];
    let linear = (any::<bool>(), prop::sample::select(initializers)).prop_map(move |(bias, initializer)| {
        Arc::new(Linear { outputs: Some(width), bias, initializer }) as Arc<dyn Layer>
    });
    let activation = prop::sample::select(Activation::all().collect::<Vec<_>>());
    let layer = prop_oneof![
        3 => linear,
        3 => activation.prop_map(|function| Arc::new(Activate(function)) as Arc<dyn Layer>),
        1 => (0.0..0.99f64).prop_map(|probability| Arc::new(Dropout { probability }) as Arc<dyn Layer>),
        1 => Just(Arc::new(BatchNorm) as Arc<dyn Layer>),
        1 => Just(Arc::new(LayerNorm) as Arc<dyn Layer>),
        1 => Just(Arc::new(Flatten) as Arc<dyn Layer>),
    ];
    let layers = prop::collection::vec(layer.clone(), 0..4);
    let residual = layers.prop_map(|layers| {
        let placed = |layer| Placed { layer, place: "a branch".to_owned() };
        Arc::new(Residual { layers: layers.into_iter().map(placed).collect() }) as Arc<dyn Layer>
    });
    prop::collection::vec(prop_oneof![4 => layer, 1 => residual], 0..6)
}

/// Blueprints for ten classes.
fn blueprint() -> impl Strategy<Value = ModelConfig> {
    let hidden = prop::collection::vec((1usize..20).prop_flat_map(|width| (Just(width), layers(width))), 0..3);
    let weights = prop_oneof![
        Just(ClassWeights::Equal),
        Just(ClassWeights::Balanced),
        prop::collection::vec(0.001f32..1e6, 10).prop_map(ClassWeights::Given),
    ];
    let weighted = (0f32..0.999, weights).prop_map(|(label_smoothing, class_weights)| LossConfig {
        loss: &CrossEntropy,
        label_smoothing,
        class_weights,
    });
    let plain = prop::sample::select(vec![&MseLoss as &dyn Loss, &HuberLoss, &CrossEntropy]);
    let loss = prop_oneof![weighted, plain.prop_map(|loss| LossConfig { loss, ..LossConfig::default() })];
    let initializer = prop::sample::select(vec![Initializer::He, Initializer::Lecun, Initializer::TruncatedNormal]);
    (hidden, loss, initializer).prop_map(|(hidden, loss, initializer)| {
        let widened = hidden.into_iter().flat_map(|(width, layers)| {
            std::iter::once(Arc::new(Linear::new(Some(width))) as Arc<dyn Layer>).chain(layers)
        });
        let layers: Vec<_> = widened.chain([Arc::new(Linear::new(None)) as Arc<dyn Layer>]).collect();
        ModelConfig { loss, initializer, ..ModelConfig::new(layers) }
    })
}

fn read(text: &str) -> Result<ModelConfig> {
    let mut table = TomlTable::parse("model.toml", text)?;
    let blueprint = ModelConfig::read(&mut table)?;
    table.finish()?;
    Ok(blueprint)
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn models_are_read_as_they_are_written_and_their_plans_are_sound(
        blueprint in blueprint(),
        inputs in 1usize..30,
        batch in 1usize..20,
        micro_batch in prop::option::of(1usize..20),
        seed: u64,
    ) {
        let text = blueprint.to_toml();
        prop_assert_eq!(read(&text), Ok(blueprint.clone()));

        let model = blueprint.build(inputs, 10).unwrap_or_else(|error| panic!("{error}"));
        let named = model.state().into_iter().zip(model.initial(seed));
        let tensors: Vec<_> = named.map(|((name, shape), values)| (name, shape, values)).collect();
        let bytes = ModelFile::encode(&model, &tensors, &[]).unwrap_or_else(|error| panic!("{error}"));
        let file = ModelFile::decode(&bytes).unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(file.model.config(), model.config());
        prop_assert_eq!(file.weights, model.initial(seed));

        let weighted = model.config().loss.class_weights != ClassWeights::Equal;
        let training = TrainSpec { micro_batch: micro_batch.filter(|_| !weighted), seed, ring: 4, ..TrainSpec::new(50, batch, 9) };
        let test = Some(EvaluationSpec { samples: 20, batch });
        let plan = plan_training(&model, &TrainSpec { test, ..training }, &Caps::unlimited());
        let plan = plan.unwrap_or_else(|error| panic!("{error}")).plan;
        prop_assert_eq!(plan.validate(&Caps::portable()), Ok(()));
        prop_assert!(plan.explain(Some(&Caps::portable())).is_ok());
    }
}
