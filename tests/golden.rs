//! A hundred training steps compared with PyTorch's in double precision, recorded by tests/golden/export.py: the loss
//! of every step, the weights after it, and batch norm's running state.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;

use safetensors::SafeTensors;
use shadegrad::cpu::CpuExecutor;
use shadegrad::data::Split;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::toml::TomlTable;
use shadegrad::nn::{Model, ModelConfig, NORMALIZATION, Normalization};
use shadegrad::optim::{Adam, AdamW, Sgd, UpdateConfig};
use shadegrad::plan::{Executor, Plan, SlotId};
use shadegrad::planner::{Set, TrainSpec, TrainingSlots, plan_training};
use shadegrad::random::{permute, seed_words};
use shadegrad::train::upload_split;
use std::collections::BTreeMap;

type Tensors = BTreeMap<String, Vec<f64>>;

/// The results of a training step.
#[derive(Clone)]
struct Step {
    loss: f64,
    tensors: Tensors,
}

/// Differences between two runs, or their bounds.
#[derive(Clone, Copy, Debug, Default)]
struct Apart {
    loss: f64,
    weights: f64,
}

/// The bounds of tests/training.rs for runs in f64.
const GATE: Apart = Apart { loss: 5e-6, weights: 1e-5 };

/// A run recorded in PyTorch.
struct Golden {
    images: Split,
    batch: usize,
    settings: BTreeMap<String, f32>,
    start: Tensors,
    steps: Vec<Step>,
}

impl Golden {
    fn read(run: &str) -> Self {
        let bytes = include_bytes!("golden/hundred_steps.safetensors");
        let file = SafeTensors::deserialize(bytes).expect("the file is valid");
        let (_, header) = SafeTensors::read_metadata(bytes).expect("the file is valid");
        let metadata = header.metadata().as_ref().expect("the file has metadata");
        let number = |text: &String| text.parse().expect("settings are numbers");
        let own = |key: &str| key.strip_prefix(run)?.strip_prefix('/').map(str::to_owned);
        let bytes_of = |name: &str| file.tensor(name).expect("the file has it").data().to_vec();
        let losses: Vec<f64> = bytemuck::pod_collect_to_vec(&bytes_of(&format!("{run}/losses")));
        let mut states = vec![Tensors::new(); losses.len() + 1];
        for (name, view) in file.tensors() {
            let Some(name) = own(&name).filter(|name| name != "losses") else { continue };
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
            for (state, values) in states.iter_mut().zip(values.chunks_exact(values.len() / (losses.len() + 1))) {
                state.insert(name.clone(), values.iter().map(|&x| f64::from(x)).collect());
            }
        }
        let start = states.remove(0);
        let (images, labels) = (bytes_of("images"), bytes_of("labels"));
        Self {
            images: Split::of_images([1, images.len() / labels.len()], images, labels).expect("an image per label"),
            batch: metadata["batch"].parse().expect("it is a number"),
            settings: metadata.iter().filter_map(|(key, value)| Some((own(key)?, number(value)))).collect(),
            start,
            steps: losses.into_iter().zip(states).map(|(loss, tensors)| Step { loss, tensors }).collect(),
        }
    }

    /// The images, arranged so that the first epoch of a run with this seed uses them in order.
    fn placed(&self, seed: u64) -> Split {
        let count = self.images.len();
        let mut taken = vec![0; count];
        for position in 0..count {
            taken[permute(seed_words(seed), 0, position as u32, count as u32) as usize] = position;
        }
        self.images.select(&taken)
    }
}

/// The models of export.py, by name.
const MODELS: [(&str, &str); 3] = [
    ("cross_entropy_adam", r#"layers = [{ kind = "linear", outputs = 12 }, { kind = "relu" }, { kind = "linear" }]"#),
    (
        "mse_momentum",
        r#"loss = "mse"
        layers = [
            { kind = "linear", outputs = 10 }, { kind = "relu" },
            { kind = "linear", outputs = 8 }, { kind = "relu" },
            { kind = "linear" },
        ]"#,
    ),
    (
        "batch_norm_adamw",
        r#"layers = [
            { kind = "linear", outputs = 10, bias = false }, { kind = "batch_norm" }, { kind = "relu" },
            { kind = "linear", outputs = 8, bias = false }, { kind = "batch_norm" }, { kind = "relu" },
            { kind = "linear" },
        ]"#,
    ),
];

/// A model, and the run it reproduces.
struct Run {
    name: &'static str,
    golden: Golden,
    model: Model,
    update: UpdateConfig,
}

fn runs() -> impl Iterator<Item = Run> {
    MODELS.into_iter().map(|(name, text)| {
        let golden = Golden::read(name);
        let setting = |key| golden.settings.get(key).copied();
        let learning_rate = golden.settings["learning_rate"];
        let update = match (setting("momentum").map(f64::from), setting("weight_decay").map(f64::from)) {
            (Some(momentum), _) => UpdateConfig::new(Sgd { momentum, ..Sgd::default() }, learning_rate),
            (None, Some(weight_decay)) => UpdateConfig::new(AdamW { weight_decay, ..AdamW::default() }, learning_rate),
            (None, None) => UpdateConfig::new(Adam::default(), learning_rate),
        };
        let blueprint =
            ModelConfig::read(&mut TomlTable::parse(name, text).expect("it is TOML")).expect("it is a model");
        let model = blueprint.build(golden.images.features(), 4).expect("the layers go together");
        Run { name, golden, model, update }
    })
}

impl Run {
    /// Trains with PyTorch's learning rate times `factor`.
    fn steps<E: Executor>(&self, factor: f32, start: impl FnOnce(Plan) -> E) -> Vec<Step> {
        const SEED: u64 = 5;
        let Self { golden, model, update, .. } = self;
        let steps = golden.steps.len();
        let training = TrainSpec {
            update: UpdateConfig { learning_rate: update.learning_rate * factor, ..update.clone() },
            seed: SEED,
            ..TrainSpec::new(golden.images.len(), golden.batch, steps)
        };
        let mut executor = start(plan_training(model, &training, &Caps::unlimited()).expect("the plan is valid").plan);
        upload_split(&mut executor, Set::Train, &golden.placed(SEED)).expect("the images fit");
        let found = TrainingSlots::find(executor.memory(), model).expect("it trains the model");
        let state = model.state().into_iter().map(|(name, _)| name).zip(found.model.state());
        let slots: Vec<(String, SlotId)> = state.filter(|(name, _)| name != NORMALIZATION).collect();
        let (normalization, metrics) = (found.model.normalization, found.train.metrics);
        assert_eq!(golden.start.len(), slots.len(), "PyTorch's model has different tensors");
        for (name, slot) in &slots {
            let values: Vec<f32> = golden.start[name].iter().map(|&x| x as f32).collect();
            executor.write_f32(*slot, &values).expect("the slot holds them");
        }
        executor.write_f32(normalization, &Normalization::UNIT).expect("the slot holds them");
        let mut step = |number| {
            executor.run("train", 1).expect("it runs");
            let mut tensors = Tensors::new();
            for (name, slot) in &slots {
                tensors.insert(name.clone(), numbers(&mut executor, *slot));
            }
            Step { loss: numbers(&mut executor, metrics)[2 * number], tensors }
        };
        (0..steps).map(&mut step).collect()
    }
}

fn numbers<E: Executor>(executor: &mut E, slot: SlotId) -> Vec<f64> {
    match pollster::block_on(executor.read(slot)).expect("it can be read") {
        Array::Real(numbers) => numbers,
        Array::Word(_) => panic!("the slot holds words"),
    }
}

/// The largest differences between two runs.
///
/// # Errors
/// Names the first value that differs by more than [`GATE`] allows, or is NaN.
fn compare(ours: &[Step], theirs: &[Step]) -> Result<Apart, String> {
    let mut most = Apart::default();
    let hold = |place: &dyn Fn() -> String, [ours, theirs]: [f64; 2], gate: f64| {
        let apart = (ours - theirs).abs();
        if apart <= gate { Ok(apart) } else { Err(format!("{}: {ours} beside {theirs}", place())) }
    };
    assert_eq!(ours.len(), theirs.len());
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let place = || format!("loss of step {}", number + 1);
        most.loss = most.loss.max(hold(&place, [ours.loss, theirs.loss], GATE.loss)?);
        assert!(ours.tensors.keys().eq(theirs.tensors.keys()));
        for ((name, ours), theirs) in ours.tensors.iter().zip(theirs.tensors.values()) {
            assert_eq!(ours.len(), theirs.len(), "{name}");
            for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let place = || format!("{name}[{i}] after step {}", number + 1);
                most.weights = most.weights.max(hold(&place, [*ours, *theirs], GATE.weights)?);
            }
        }
    }
    Ok(most)
}

fn f64_twin(plan: Plan) -> CpuExecutor<f64> {
    CpuExecutor::new(plan).expect("the plan is valid")
}

#[test]
fn a_hundred_steps_agree_with_pytorch() {
    let gpu = common::gpu();
    for run in runs() {
        let double = run.steps(1.0, f64_twin);
        let device = run.steps(1.0, |plan| {
            pollster::block_on(GpuExecutor::new(gpu.clone(), plan, Checks::Off)).expect("the plan is valid")
        });
        let pytorch = &run.golden.steps;
        assert!(
            pytorch.len() == 100 && pytorch[99].loss < 0.7 * pytorch[0].loss,
            "{}: the loss did not decrease",
            run.name
        );
        for (pair, ours, theirs) in [
            ("f64 twins beside PyTorch", &double, pytorch),
            ("device beside PyTorch", &device, pytorch),
            ("device beside f64 twins", &device, &double),
        ] {
            let most = compare(ours, theirs).unwrap_or_else(|what| panic!("{}, {pair}: {what}", run.name));
            println!("{}, {pair}: {most:?}", run.name);
        }
    }
}

#[test]
fn what_is_not_pytorchs_training_is_found() {
    for run in runs() {
        let (pytorch, faster) = (&run.golden.steps, run.steps(1.001, f64_twin));
        assert!(compare(&faster, pytorch).is_err(), "{}: a learning rate 0.1 % too high was not detected", run.name);
        let refused = |what: &str, tamper: &dyn Fn(&mut Step)| {
            for number in [0, 57, pytorch.len() - 1] {
                let mut other = pytorch.clone();
                tamper(&mut other[number]);
                assert!(compare(&other, pytorch).is_err(), "{}, step {number}: {what} not detected", run.name);
            }
        };
        refused("a loss off by twice its gate", &|step| step.loss += 2.0 * GATE.loss);
        refused("a loss that is not a number", &|step| step.loss = f64::NAN);
        for name in run.golden.start.keys() {
            let element = |step: &mut Step, change: fn(&mut f64)| {
                step.tensors.get_mut(name).and_then(|values| values.last_mut()).map(change).expect("it has elements");
            };
            refused(name, &|step| element(step, |x| *x += 2.0 * GATE.weights));
            refused(name, &|step| element(step, |x| *x = f64::NAN));
        }
    }
}
