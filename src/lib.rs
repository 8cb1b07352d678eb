//! shadegrad trains neural networks in WGSL compute shaders, with data, weights, activations and optimizer state
//! resident on the GPU for the whole training loop.
//!
//! A perceptron, trained on the embedded data set and used:
//!
//! ```
//! use shadegrad::{cpu::CpuExecutor, data, kernel::Caps, train::{TrainConfig, Trainer}};
//!
//! # fn main() -> shadegrad::error::Result<()> { pollster::block_on(async {
//! let set = data::digits(7).first(1_000, 200); // 1,000 items to train on, 200 to test on
//! let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
//! let caps = Caps::unlimited(); // of the CPU path; `session::Device` opens a GPU and has its own
//! let (model, plan) = Trainer::<CpuExecutor<f32>>::plan(&config, &set, &caps)?;
//! let mut trainer = Trainer::new(CpuExecutor::<f32>::new(plan)?, model, config, &set)?;
//! trainer.train(|update| Ok(println!("step {}: loss {}", update.step, update.score.loss()))).await?;
//! let mut session = trainer.into_session(&caps).await?;
//! let rows = session.normalized(set.train().range(0..3).inputs()[0].bytes().unwrap_or_default());
//! println!("{:?}", session.infer(&[&rows]).await?.classes());
//! # Ok(()) }) }
//! ```
//!
//! `tests/examples` has this and more as programs: a layer of one's own, an op of one's own, predicting with a model
//! file. What follows is the architecture.
//!
//! # Four ideas
//!
//! 1. **The step is data.** Everything a training step does is a [`plan::Plan`]: a flat list of dispatches over named,
//!    shaped slots. A plan is validated, printed, counted, and run on the GPU or on the CPU; executors see nothing else.
//! 2. **Every kernel has a twin.** An op is one Rust file and one WGSL file of the same name. The Rust file holds the
//!    formula and its source, parameters, geometry, cost, CPU twin, error bound and test cases ([`kernel::Kernel`]).
//!    Tests go over [`ops::registry`], so a new op is tested by being listed.
//! 3. **WGSL is the single source of truth for bindings.** [`shader::Reflection`] reads each shader with naga: names,
//!    access, element types, fields of `Params`, workgroup size, and the `/// [m, k]` shape on each binding. Rust binds
//!    by name, and a plan refuses a slot of another shape.
//! 4. **Nothing leaves the GPU.** The data set goes up once, as bytes. Shuffling, gathering, forward, loss, backward,
//!    update, metrics and the step counter are shaders. The host records many steps into one submit and reads two
//!    numbers a step back, later.
//!
//! # Map
//!
//! Each layer imports only layers to its left, as `tests/architecture.rs` checks:
//!
//! ```text
//! error < shape < random, shader < kernel < plan < graph < ops < nn, optim < planner < infer < train < verify < tuner
//! < session, profile < cli < main
//!                                           plan < gpu, cpu < verify
//!                                           data: error, shape, random only
//! ```
//!
//! | place | what is there |
//! | --- | --- |
//! | [`error`] | the one error type: cause, advice, exit code |
//! | [`shape`], [`random`] | tensor types: shape, element type, layout; counter-based random numbers, alike on host and GPU |
//! | [`shader`] | WGSL source to [`shader::Reflection`] |
//! | [`kernel`] | the [`kernel::Kernel`] trait, variants, capabilities, the number types of twins |
//! | [`plan`] | memory, slots, dispatches; validation; `explain`; the [`plan::Executor`] trait |
//! | [`graph`] | typed values and differentiable ops in SSA; gradients from any seeds to any values; passes; forms; lowering to a plan with reuse of transients |
//! | [`ops`] | the registry, and one file an op; its shader is `shaders/NAME.wgsl`, shared snippets are in `shaders/lib` |
//! | [`gpu`] | devices, their faults, pipelines, the GPU executor; the only user of wgpu, and of `unsafe` (`device.rs`) |
//! | [`cpu`] | runs a plan on the twins: f32 to train without a GPU, f64 as the oracle |
//! | [`nn`] | models out of layers or TOML files: one file a layer, a loss, a metric; initializers, augmentation |
//! | [`planner`] | what a training step, an evaluation and an inference are, as plans, with handles to their slots |
//! | [`infer`] | sessions: rows in, outputs of a trained model out |
//! | [`optim`] | optimizers, one file each and a registry; schedules, clipping; how they are recorded into a plan |
//! | [`data`] | data sets of any task, their formats, one a file; flaws, splits, contact sheets |
//! | [`train`] | the loop, configuration, model files; the table of settings, spaces of them and successive halving |
//! | [`verify`] | holds shaders to their twins, by kernel and as a whole: what tests and `shadegrad verify` run; the self-test of a plan |
//! | [`session`] | a device made ready for a plan: opened, tuned, tested, compiled |
//! | [`tuner`] | times the forms of ops and the variants of kernels; keeps and replays what was chosen |
//! | [`profile`] | times each dispatch of a step beside the adapter's own peaks; table, page, trace, comparison |
//! | [`ledger`], [`text`] | files of lines that runs keep for those to come; numbers, times and tables for people |
//! | `cli` | one file a verb |
//!
//! # From `train` to the GPU and back
//!
//! 1. `cli::train` loads the data on one thread while the device opens on another. [`gpu::choose`] takes a hardware
//!    GPU, or what `--device` names; without one the CPU path trains.
//! 2. [`train::Trainer::plan`] builds a [`nn::Model`] out of the [`nn::ModelConfig`] that flags or a TOML file gave, and asks
//!    [`planner::plan_training`] for the plan. Forward pass and loss are a [`graph::Graph`]; its gradients are derived, its
//!    ops fused, and it is lowered; what changes memory around it is recorded, and passes join what one kernel can do of
//!    several parts: `train` has 7 dispatches for two layers, 8 where [`kernel::Caps::most_fused`] wants the update by itself.
//!    `evaluate` likewise.
//! 3. On a GPU, [`session::prepare`] makes the device ready. [`tuner::tune`] times the variants of products, once for each
//!    adapter, driver, build and shape. [`verify::self_test`] tests each kernel of the plan against its twin, once for each
//!    adapter, driver and build, and replaces a variant that fails by the next. [`gpu::GpuExecutor`] validates the plan,
//!    compiles its kernels in parallel, and builds every bind group once. Weights, gradients and the optimizer's state
//!    are flat arenas of one layout, so an update is one dispatch, or none but the products that give the gradients;
//!    weights that decay lie first in it.
//! 4. [`train::Trainer::new`] uploads inputs, labels and initial weights. From here on nothing goes up. Where inputs
//!    are to have mean 0 and deviation 1, the section `measure` then runs once: `byte_sums` and `normalization` over
//!    all items to train on. What it finds is kept in the model file.
//! 5. Each step: `begin_batch` advances the counters, picks rows by a counter-based permutation and makes normalized
//!    numbers of bytes, products with fused bias and ReLU go forward, `softmax_cross_entropy_metrics` gives loss and
//!    gradient and writes two numbers to a ring, products go backward and, where they can, update
//!    the weights by Adam on the way (`matmul_tn_adam`); else `adam` or another optimizer does. With another
//!    loss, augmentation, micro-batches or a large batch, `step_state` and `gather` begin the step, and `metrics` follows
//!    the loss. `schedule`, `clip` and, in place of `gather`, `gather_augmented` come in where they are asked for. A batch
//!    in micro-batches does all from `gather` to the last product for each of them, by counters from `micro_batch`, and
//!    `accumulate` makes one gradient of theirs.
//! 6. [`train::Trainer::train`] submits about 100 ms of steps at a time, two submits ahead, and awaits the ring of the
//!    older one. Every 100 steps or so, and at the end, the section `scan` looks through gradients and weights by their
//!    bits. What is not finite, loss or element, ends the run, named by step and tensor.
//! 7. Where items are set aside for validation, the section `validate` follows each epoch; with patience, `keep` copies
//!    the best weights on the device and `restore` brings them back, so that still nothing goes up.
//! 8. `tune` does many runs over one data set. [`train::Trainer::with_config`] hands the executor from run to run:
//!    [`plan::Executor::with_plan`] keeps inputs, labels and compiled kernels, so that only initial weights go up. Training
//!    and inference plans exchange a whole model so ([`plan::Keep`]).
//! 9. `profile` runs the same plan. [`profile::peaks`] first drives the device to its limits; then submits as in training
//!    take turns with submits in which each dispatch is a pass between two timestamps. All that is shown is made of one
//!    [`profile::Profile`].
//!
//! # Glossary
//!
//! | word | meaning |
//! | --- | --- |
//! | slot | a named, shaped range of a buffer, such as `weights/fc1.weight [784, 1024] f32` |
//! | arena | a buffer of several tensors; each starts at a multiple of 256 bytes, gaps stay zero |
//! | role | what a buffer's contents mean over time, and so what a checkpoint saves: [`plan::Role`] |
//! | dispatch | a kernel, its parameters, and a slot for each binding |
//! | window | words of arrays that one dispatch binds, where one binding cannot hold all: [`plan::Memory::windows`] |
//! | section | a named list of dispatches: `train`, `scan`, `evaluate`, `validate`, `keep`, `restore` |
//! | model configuration | layers, loss and initializer; with the shapes of its inputs and the number of outputs, a model |
//! | running state | what layers keep of the batches seen, such as running means: carried like weights, but not learned |
//! | value | an output of a node of a graph; lowering gives each a slot |
//! | epilogue | what a product's kernel does to each sum before it stores it: bias, activation, an activation's gradient |
//! | micro-batch | rows of a batch that are on the device at a time; the update is the whole batch's |
//! | form | one way to compute an op, of one or more kernels with scratch between them: [`graph::Form`] |
//! | variant | a kernel under other constants and snippets, with the same bindings |
//! | roof | the measured peak, of arithmetic, memory or the device's start of a dispatch, by which a dispatch takes longest |
//! | twin | the same computation on the CPU, generic over f32 and f64 |
//! | hard bound, expected error | the error every driver must keep; the error a good driver keeps |
//! | group | a workgroup; numbers beyond 65,535 are folded into two dimensions |
//!
//! # How to add an op
//!
//! It takes three places: a shader, a Rust file of the same name, and the list of kernels of its family.
//!
//! 1. `shaders/NAME.wgsl`: `struct Params`, one binding a line with its shape, an entry point `main` that guards its index.
//!    Start from `shaders/multiply.wgsl`. A whole number that the host knows, too, is declared in Rust by `shared!`.
//! 2. `src/ops/FAMILY/NAME.rs`: the formula and its source, `params!`, and [`kernel::Kernel`] with a twin that uses the shader's
//!    names in the shader's order, a tolerance with its derivation, cases that straddle whatever tile or workgroup the
//!    shader has, and `faults`: mistakes to seed into the shader, each of which the cases have to find. Where models are
//!    differentiated through it, [`graph::Op`] follows: type rule, gradient in terms of other ops, lowering, what it fuses
//!    with, and its forms where there are several ([`ops::elementwise::column_sum`]) or it can work in place
//!    ([`ops::elementwise::add`]). [`ops::Registered`] gives the graph in which its gradient is checked, by finite differences and on the
//!    device, or the reason why it has none. Start from `src/ops/elementwise/multiply.rs`.
//! 3. `src/ops/FAMILY/mod.rs`: `pub mod NAME`, and the kernel in `ALL`. Now `tests/run` holds it to its twin in every case,
//!    seeds its faults, and checks its gradient; what is missing is named. `tests/mutants --shaders NAME` tells which other
//!    small faults in the shader its cases would not find.
//!
//! An activation function is less: a snippet, a file of formulas and bounds such as `src/ops/elementwise/activation/elu.rs`,
//! and its place in [`ops::elementwise::activation::ALL`].
//!
//! # What differs from the first design
//!
//! - A loss is an op with two outputs, the loss of each row and the gradient of their mean for the logits, for one
//!   kernel computes both. Its gradient rule is [`graph::Op::objective`], from which [`graph::Graph::seeds`] takes the
//!   seeds of the loss. Seeds of anything else are given as values.
//! - A kernel has two traits: [`kernel::Kernel`], generic and typed, which an op implements, and the object-safe
//!   [`kernel::AnyKernel`], which plans hold.
//! - Workgroups are one number, folded by the host; kernels unfold it.
//! - The bias correction of Adam is a running mean kept on the device instead of a power: it does not cancel.

#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod error;
pub mod gpu;
pub mod graph;
pub mod infer;
pub mod kernel;
pub mod ledger;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod plan;
pub mod planner;
#[cfg(not(target_arch = "wasm32"))]
pub mod profile;
pub mod random;
#[cfg(not(target_arch = "wasm32"))]
pub mod session;
pub mod shader;
pub mod shape;
mod shared;
pub mod text;
pub mod train;
#[cfg(not(target_arch = "wasm32"))]
pub mod tuner;
pub mod verify;
