//! Plans are validated before anything runs: each kind of mistake is rejected by name.

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::error::{Error, Kind, Result};
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::{Array, Caps, word};
use shadegrad::nn::layer::{BatchNorm, Layer, Linear};
use shadegrad::nn::{MlpConfig, Model, ModelConfig};
use shadegrad::ops::elementwise::bias_add::{BiasAddKernel, BiasAddParams};
use shadegrad::ops::elementwise::relu::{ReluKernel, ReluParams};
use shadegrad::ops::matmul::{self, MatmulParams};
use shadegrad::optim::{AdamW, UpdateConfig};
use shadegrad::plan::{Dispatch, Executor, Keep, Memory, Plan, Role, SlotId};
use shadegrad::planner::{EvaluationSpec, TrainSpec, plan_training};
use shadegrad::shape::{DType, Shape};
use std::sync::Arc;

fn array(memory: &mut Memory, name: &str, role: Role, shape: impl Into<Shape>) -> SlotId {
    memory.array(name, role, DType::F32, shape).expect("the shape is small")
}

/// A plan with `x [2, 3]` as data, `bias [3]` as state, `y` and `z [2, 3]` as transients.
fn small() -> (Plan, [SlotId; 4]) {
    let mut memory = Memory::default();
    let slots = [
        array(&mut memory, "x", Role::Data, [2, 3]),
        array(&mut memory, "bias", Role::Carried, [3]),
        array(&mut memory, "y", Role::Transient, [2, 3]),
        array(&mut memory, "z", Role::Transient, [2, 3]),
    ];
    let mut plan = Plan::new(memory);
    plan.begin("train");
    (plan, slots)
}

fn add_bias(plan: &mut Plan, a: SlotId, bias: SlotId, out: SlotId) -> Result<()> {
    plan.dispatch("add", &BiasAddKernel, BiasAddParams { m: 2, n: 3 }, &[("a", a), ("bias", bias), ("out", out)])
}

fn says(error: Error, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    words.iter().for_each(|word| assert!(error.cause().contains(word), "`{word}` is not in: {error}"));
}

#[test]
fn a_sound_plan_passes_and_explains_itself() {
    let (mut plan, [x, bias, y, z]) = small();
    add_bias(&mut plan, x, bias, y).expect("shapes agree");
    add_bias(&mut plan, y, bias, z).expect("shapes agree");
    plan.validate(&Caps::portable()).expect("everything is written before it is read");
    let text = plan.explain(Some(&Caps::portable())).expect("it can be explained");
    for word in ["train: 2 dispatches", "bias_add", "a=x [2, 3]", "out=z [2, 3]", "peak memory"] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}

#[test]
fn bindings_must_be_known_complete_and_of_the_right_shape_and_type() {
    let (mut plan, [x, bias, y, _]) = small();
    let params = BiasAddParams { m: 2, n: 3 };
    let refused = |plan: &mut Plan, bindings: &[(&str, SlotId)]| {
        plan.dispatch("add", &BiasAddKernel, params, bindings).expect_err("the bindings are wrong")
    };
    says(refused(&mut plan, &[("a", x), ("b", bias), ("out", y)]), Kind::Usage, &["add", "no binding `b`"]);
    says(refused(&mut plan, &[("a", x), ("out", y)]), Kind::Usage, &["add", "`bias` bound once"]);
    says(refused(&mut plan, &[("a", x), ("a", x), ("bias", bias), ("out", y)]), Kind::Usage, &["`a` bound once"]);
    let error = refused(&mut plan, &[("a", x), ("bias", x), ("out", y)]);
    says(error, Kind::Usage, &["add", "`bias`", "[3] f32", "slot x is [2, 3] f32"]);
    let labels = plan.memory.array("labels", Role::Data, DType::U32, [2, 3]).expect("the shape is small");
    says(refused(&mut plan, &[("a", labels), ("bias", bias), ("out", y)]), Kind::Usage, &["[2, 3] f32", "[2, 3] u32"]);
}

#[test]
fn transposed_shapes_follow_the_layout() {
    let mut memory = Memory::default();
    let [a, b, out] =
        [("a", [5, 2]), ("b", [5, 3]), ("out", [2, 3])].map(|(n, s)| array(&mut memory, n, Role::Data, s));
    let out_slot = array(&mut memory, "product", Role::Transient, [2, 3]);
    let mut plan = Plan::new(memory);
    plan.begin("train");
    let params = MatmulParams { m: 2, k: 5, n: 3 };
    plan.dispatch("tn", &matmul::TN, params, &[("a", a), ("b", b), ("out", out_slot)]).expect("a is stored [k, m]");
    let error = plan.dispatch("nn", &matmul::NN, params, &[("a", a), ("b", b), ("out", out)]).expect_err("a is [m, k]");
    says(error, Kind::Usage, &["nn", "`a`", "[2, 5] f32", "[5, 2] f32"]);
}

#[test]
fn what_is_read_must_have_been_written() {
    let (mut plan, [_, bias, y, z]) = small();
    add_bias(&mut plan, y, bias, z).expect("shapes agree");
    let error = plan.validate(&Caps::portable()).expect_err("nothing has written y");
    says(error, Kind::Usage, &["add", "`a` reads y before"]);
}

#[test]
fn a_section_may_read_what_the_one_it_follows_has_written() {
    let follow = |of, after| {
        let (mut plan, [x, bias, y, z]) = small();
        add_bias(&mut plan, x, bias, y).expect("shapes agree");
        plan.begin_after("look", after);
        add_bias(&mut plan, if of == "y" { y } else { z }, bias, if of == "y" { z } else { y }).expect("shapes agree");
        plan.begin("alone");
        plan.validate(&Caps::portable())
    };
    follow("y", "train").expect("the section `train` has written y");
    says(follow("z", "train").expect_err("nobody has written z"), Kind::Usage, &["look, add: `a` reads z before"]);
    for other in ["look", "alone", "nowhere"] {
        says(follow("y", other).expect_err("it is not earlier"), Kind::Usage, &["look must follow", other]);
    }
}

#[test]
fn an_arena_is_whole_only_when_each_of_its_tensors_is_written() {
    for written in [1, 2] {
        let mut memory = Memory::default();
        let x = array(&mut memory, "x", Role::Data, [70]);
        let tensors = [("first".to_owned(), Shape::from([70])), ("second".to_owned(), Shape::from([70]))];
        let arena = memory.arena("gradients", Role::Transient, &tensors).expect("it is small");
        let total = memory.slot(arena.all).words;
        assert_eq!(total, 256, "each tensor starts at a multiple of 64 words");
        let out = array(&mut memory, "out", Role::Transient, [total]);
        let mut plan = Plan::new(memory);
        plan.begin("train");
        for &tensor in &arena.tensors[..written] {
            let params = ReluParams { n: 70 };
            plan.dispatch("write", &ReluKernel, params, &[("a", x), ("out", tensor)]).expect("shapes agree");
        }
        let params = ReluParams { n: 256 };
        plan.dispatch("read all", &ReluKernel, params, &[("a", arena.all), ("out", out)]).expect("shapes agree");
        let verdict = plan.validate(&Caps::portable());
        if written == 2 {
            verdict.expect("only gaps are unwritten");
        } else {
            says(verdict.expect_err("the second is missing"), Kind::Usage, &["read all", "word 128"]);
        }
    }
}

/// Regression: a partial view was once treated as fully written, with the rest as a gap.
#[test]
fn a_transient_is_not_written_by_having_a_view() {
    let (mut plan, [x, bias, y, z]) = small();
    let part = plan.memory.view(y, "part", [1, 3]).expect("it is smaller");
    let first = plan.memory.view(x, "first", [1, 3]).expect("it is smaller");
    let row = BiasAddParams { m: 1, n: 3 };
    plan.dispatch("row", &BiasAddKernel, row, &[("a", first), ("bias", bias), ("out", part)]).expect("shapes agree");
    add_bias(&mut plan, y, bias, z).expect("shapes agree");
    let error = plan.validate(&Caps::portable()).expect_err("half of y was written");
    says(error, Kind::Usage, &["add", "`a` reads y before", "word 3"]);
}

#[test]
fn a_binding_without_elements_is_refused() {
    let (mut plan, _) = small();
    let [a, bias, out] =
        [[0, 3].into(), Shape::from([3]), [0, 3].into()].map(|s| array(&mut plan.memory, "e", Role::Carried, s));
    let params = BiasAddParams { m: 0, n: 3 };
    let error = plan.dispatch("none", &BiasAddKernel, params, &[("a", a), ("bias", bias), ("out", out)]);
    says(error.expect_err("WebGPU binds nothing empty"), Kind::Usage, &["none: `a`", "no elements"]);
}

/// Costs are shown before anything is allocated, for any size.
#[test]
fn absurd_sizes_are_explained_and_refused_without_overflow() {
    let mut memory = Memory::default();
    let [m, k, n] = [u32::MAX; 3];
    let size = [m as usize, n as usize];
    let [a, b] = ["a", "b"].map(|name| array(&mut memory, name, Role::Data, size));
    let out = array(&mut memory, "out", Role::Transient, size);
    let refused = memory.arena("arena", Role::Carried, &[("t".to_owned(), Shape::from([usize::MAX, 2]))]);
    says(refused.expect_err("it cannot be counted"), Kind::Usage, &["more elements"]);
    assert_eq!(memory.buffers().len(), 3, "nothing is left of what was refused");
    let mut plan = Plan::new(memory);
    plan.begin("train");
    plan.dispatch("nn", &matmul::NN, MatmulParams { m, k, n }, &[("a", a), ("b", b), ("out", out)])
        .expect("they agree");
    assert!(plan.explain(Some(&Caps::portable())).is_ok_and(|text| text.contains("18446744073709.5")));
    says(plan.validate(&Caps::portable()).expect_err("2^66 bytes"), Kind::Device, &["bytes in one buffer"]);
}

#[test]
fn data_are_not_written_and_buffers_not_aliased() {
    let (mut plan, [x, bias, y, _]) = small();
    add_bias(&mut plan, x, bias, x).expect("shapes agree");
    says(plan.validate(&Caps::portable()).expect_err("x is data"), Kind::Usage, &["`out` writes x, which is data"]);
    let (mut plan, [x2, ..]) = small();
    assert_eq!(x, x2);
    add_bias(&mut plan, x, bias, y).expect("shapes agree");
    add_bias(&mut plan, y, bias, y).expect("shapes agree");
    says(plan.validate(&Caps::portable()).expect_err("y is read and written"), Kind::Usage, &["`a` and `out` alias"]);
}

#[test]
fn sizes_beyond_the_adapter_are_refused_with_bytes_needed_and_had() {
    let model = Model::mlp([784, 50_000, 10]).expect("32 bits hold it");
    let training = TrainSpec { ring: 16, ..TrainSpec::new(100, 32, 4) };
    let training = TrainSpec { test: Some(EvaluationSpec { samples: 10, batch: 10 }), ..training };
    let plan = plan_training(&model, &training, &Caps::unlimited()).expect("the sizes fit 32 bits").plan;
    let error = plan.validate(&Caps::portable()).expect_err("one of 157 MB is more than 128 MiB");
    says(error, Kind::Device, &["weights/fc1.weight", "156800000", "134217728"]);
    plan.validate(&Caps { max_binding_bytes: 1 << 30, max_buffer_bytes: 1 << 30, ..Caps::portable() })
        .expect("1 GiB do");
    let mut caps = Caps { max_binding_bytes: 1 << 30, max_buffer_bytes: 1 << 30, ..Caps::portable() };
    caps.max_groups = 4;
    says(plan.validate(&caps).expect_err("16 workgroups at most"), Kind::Device, &["workgroups"]);
    says(Model::mlp([784, 10_000_000, 10]).expect_err("32 GB"), Kind::Device, &["bytes"]);
    says(Model::mlp([784, 0, 10]).expect_err("no width"), Kind::Usage, &["[784, 0, 10]"]);
}

#[test]
fn weights_decay_and_biases_do_not() {
    let model = Model::mlp([70, 9, 10]).expect("it is small");
    let adamw = |weight_decay| UpdateConfig::new(AdamW { weight_decay, ..AdamW::default() }, 1e-3);
    for (update, decays) in [(adamw(0.1), true), (adamw(0.0), false), (UpdateConfig::default(), false)] {
        // With clipping, one dispatch updates all weights.
        let update = UpdateConfig { clip_norm: Some(1.0), ..update };
        let (samples, batch) = (100, 32);
        let training = TrainSpec { update, ring: 16, ..TrainSpec::new(samples, batch, 4) };
        let plan = plan_training(&model, &training, &Caps::unlimited()).expect("the sizes fit 32 bits").plan;
        let update = plan.sections[0].dispatches.last().expect("a step has dispatches");
        let decayed = word(&update.kernel.fields().0, &update.params, "decayed").expect("it is a field") as usize;
        assert_eq!(decayed > 0, decays);
        for arena in ["weights", "gradients"] {
            for (tensor, shape) in model.tensors() {
                let slot = plan.memory.find(&format!("{arena}/{tensor}")).expect("the plan has it");
                let slot = plan.memory.slot(slot);
                assert_eq!(slot.ty.shape, shape);
                let weight = decays && tensor.ends_with("weight");
                assert!(if weight { slot.offset + slot.words <= decayed } else { slot.offset >= decayed }, "{tensor}");
            }
        }
    }
}

/// The kernels that update this model's weights, and the decay of each for the first of them.
fn updates(
    blueprint: &ModelConfig,
    update: &UpdateConfig,
    micro_batch: Option<usize>,
    caps: &Caps,
) -> Vec<(&'static str, f32)> {
    let model = blueprint.clone().build(70, 10).expect("the widths are valid");
    let (samples, batch, steps, seed, ring, update) = (100, 32, 4, 1, 16, update.clone());
    let training = TrainSpec { micro_batch, update, seed, ring, ..TrainSpec::new(samples, batch, steps) };
    let plan = plan_training(&model, &training, caps).expect("the sizes fit 32 bits").plan;
    let weights = plan.memory.find("weights").expect("a model has weights");
    let updates = plan.sections[0].dispatches.iter().filter(|dispatch| dispatch.slot("weight") == Some(weights));
    let decay = |dispatch: &Dispatch| {
        let (fields, _) = dispatch.kernel.fields();
        let field = fields.iter().find(|field| field.name == "decay").expect("it is a field");
        bytemuck::pod_read_unaligned(&dispatch.params[field.offset..field.offset + 4])
    };
    updates.map(|dispatch| (dispatch.kernel.name(), decay(dispatch))).collect()
}

#[test]
fn products_update_the_weights_where_they_give_all_gradients_and_nothing_else_changes_those() {
    let perceptron = ModelConfig::mlp(&[9, 8], &MlpConfig::default());
    let adamw = UpdateConfig::new(AdamW { weight_decay: 0.25, ..AdamW::default() }, 1e-3);
    let caps = Caps::portable();
    assert_eq!(updates(&perceptron, &UpdateConfig::default(), None, &caps), [("matmul_tn_adam", 0.0); 3]);
    assert_eq!(updates(&perceptron, &adamw, None, &caps), [("matmul_tn_adam", 0.25); 3]);
    // On a driver where large updates are faster in separate dispatches: weights of 70 x 3234 and 3234 x 10 and biases,
    // each aligned to 64, are the most words that products update there; one more hidden unit is too many.
    let caps = Caps { cpu: true, mesa: Some(26), ..caps };
    assert_eq!(caps.most_fused(), Some(226_432 + 32_384 + 3_264 + 64));
    let wide = |width| ModelConfig::mlp(&[width], &MlpConfig::default());
    assert_eq!(updates(&wide(3_234), &adamw, None, &caps), [("matmul_tn_adam", 0.25); 2]);
    assert_eq!(updates(&wide(3_235), &adamw, None, &caps), [("adam", 0.25)]);
    assert_eq!(updates(&wide(3_235), &adamw, None, &Caps::portable()), [("matmul_tn_adam", 0.25); 2]);
    // Gradients that are clipped, accumulated, or of a norm.
    let clipped = UpdateConfig { clip_norm: Some(1.0), ..adamw.clone() };
    assert_eq!(updates(&perceptron, &clipped, None, &caps), [("adam", 0.25)]);
    assert_eq!(updates(&perceptron, &adamw, Some(8), &caps), [("adam", 0.25)]);
    let layers: [Arc<dyn Layer>; 3] =
        [Arc::new(Linear::new(Some(9))), Arc::new(BatchNorm), Arc::new(Linear::new(None))];
    let normed = ModelConfig::new(layers);
    assert_eq!(updates(&normed, &adamw, None, &caps), [("adam", 0.25)]);
}

#[test]
fn more_workgroups_than_one_dimension_holds_are_folded() {
    let gpu = common::gpu();
    // 65,536 workgroups of 256: 64 MiB per buffer, and a shader index beyond 2^24.
    let n = 65_536 * 256 + 5;
    let mut memory = Memory::default();
    let a = array(&mut memory, "a", Role::Data, [n]);
    let out = array(&mut memory, "out", Role::Transient, [n]);
    let mut plan = Plan::new(memory);
    plan.begin("train");
    plan.dispatch("relu", &ReluKernel, ReluParams { n: n as u32 }, &[("a", a), ("out", out)]).expect("shapes agree");
    let executor = GpuExecutor::new(gpu, plan, Checks::Off);
    let mut executor = pollster::block_on(executor).expect("it fits the device");
    let numbers: Vec<f32> = (0..n).map(|i| if i % 3 == 0 { -1.0 } else { (i % 1000) as f32 + 1.0 }).collect();
    executor.write_f32(a, &numbers).expect("the slot holds them");
    executor.run("train", 1).expect("it runs");
    let read = pollster::block_on(executor.fetch(out, 0, n).expect("it can be read")).expect("it arrives");
    let wrong = read.iter().zip(&numbers).position(|(out, a)| *out != a.max(0.0));
    assert_eq!((read.len(), wrong), (n, None));
}

/// A plan with `x` of `n` floats, three per row, which `train` passes through a ReLU to the state `y`; before them the
/// state `other`, and `labels` as data, both of `words` words.
fn rectifying(role: Role, n: usize, words: usize) -> (Plan, [SlotId; 4]) {
    let mut memory = Memory::default();
    let other = array(&mut memory, "other", Role::Carried, [words]);
    let labels = memory.array("labels", Role::Data, DType::U32, [words]).expect("it is small");
    let x = array(&mut memory, "x", role, [n / 3, 3]);
    let flat = memory.view(x, "flat", [n]).expect("it is as large");
    let y = array(&mut memory, "y", Role::Carried, [n]);
    let mut plan = Plan::new(memory);
    plan.begin("train");
    plan.dispatch("relu", &ReluKernel, ReluParams { n: n as u32 }, &[("a", flat), ("out", y)]).expect("shapes agree");
    (plan, [x, y, other, labels])
}

const NUMBERS: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

fn read(executor: &mut impl Executor, slot: SlotId) -> Array<f64> {
    pollster::block_on(executor.read(slot)).expect("it can be read")
}

/// Another plan keeps the data it shares with the previous one, and everything else is as in a new executor created by
/// `new`; `params` is the upload of a dispatch.
fn another_plan_goes_on_with_the_data<E: Executor>(new: impl Fn(Plan) -> E, params: u64) {
    let (mut plan, [x, bias, y, z]) = small();
    let labels = plan.memory.array("labels", Role::Data, DType::U32, [7]).expect("it is small");
    add_bias(&mut plan, x, bias, y).expect("shapes agree");
    add_bias(&mut plan, y, bias, z).expect("shapes agree");
    let mut first = new(plan);
    first.write_f32(x, &NUMBERS).expect("the slot holds them");
    first.write_f32(bias, &[1.0; 3]).expect("the slot holds them");
    first.write_words(labels, &[9; 7]).expect("the slot holds them");
    first.run("train", 3).expect("it runs");
    let pending = first.fetch(z, 0, 6).expect("it can be read");
    let up = first.traffic().up;

    // `x` and `labels` are in different buffers than before, and `y` is something else.
    let (plan, [x, y, other, labels]) = rectifying(Role::Data, 6, 7);
    let mut second = pollster::block_on(first.with_plan(plan.clone(), Keep::Data)).expect("it runs here too");
    assert_eq!(second.traffic().up, up + params, "only the dispatch's parameters went up");
    assert_eq!(pollster::block_on(pending), Ok(NUMBERS.map(|x| x + 2.0).to_vec()), "asked for before");
    assert_eq!(read(&mut second, y), Array::Real(vec![0.0; 6]));
    assert_eq!(read(&mut second, other), Array::Real(vec![0.0; 7]));
    assert_eq!(read(&mut second, labels), Array::Word(vec![9; 7]));
    second.run("train", 1).expect("it runs");
    let mut fresh = new(plan);
    fresh.write_f32(x, &NUMBERS).expect("the slot holds them");
    fresh.run("train", 1).expect("it runs");
    assert_eq!(read(&mut second, y), read(&mut fresh, y));
    assert_eq!(read(&mut second, y), Array::Real(NUMBERS.map(f64::from).to_vec()));

    // State, data of another size, and anything that was not or will not be data is not kept.
    second.write_f32(other, &[1.0; 7]).expect("the slot holds them");
    let (plan, [x, _, other, labels]) = rectifying(Role::Data, 9, 7);
    let mut third = pollster::block_on(second.with_plan(plan, Keep::Data)).expect("it runs here too");
    assert_eq!(read(&mut third, x), Array::Real(vec![0.0; 9]));
    assert_eq!(read(&mut third, other), Array::Real(vec![0.0; 7]));
    assert_eq!(read(&mut third, labels), Array::Word(vec![9; 7]));
    third.write_f32(x, &[1.0; 9]).expect("the slot holds them");
    for role in [Role::Carried, Role::Data] {
        let (plan, [x, _, _, labels]) = rectifying(role, 9, 8);
        third = pollster::block_on(third.with_plan(plan, Keep::Data)).expect("it runs here too");
        assert_eq!(read(&mut third, x), Array::Real(vec![0.0; 9]), "{role:?}");
        assert_eq!(read(&mut third, labels), Array::Word(vec![0; 8]));
        third.write_f32(x, &[1.0; 9]).expect("the slot holds them");
    }

    let (mut plan, [_, bias, y, z]) = small();
    add_bias(&mut plan, y, bias, z).expect("shapes agree");
    let refused = pollster::block_on(third.with_plan(plan, Keep::Data));
    says(refused.err().expect("nothing has written y"), Kind::Usage, &["`a` reads y before"]);
}

#[test]
fn another_plan_goes_on_with_the_data_on_the_device() {
    let gpu = common::gpu();
    let new = |plan| pollster::block_on(GpuExecutor::new(gpu.clone(), plan, Checks::Off)).expect("it fits the device");
    another_plan_goes_on_with_the_data(new, 256);
}

#[test]
fn another_plan_goes_on_with_the_data_of_the_twins() {
    another_plan_goes_on_with_the_data(|plan| CpuExecutor::<f32>::new(plan).expect("the plan is valid"), 0);
}

#[test]
fn kernels_that_plans_have_in_common_are_compiled_once() {
    let (plan, _) = rectifying(Role::Data, 6, 7);
    let executor = GpuExecutor::new(common::gpu(), plan, Checks::Off);
    let executor = pollster::block_on(executor).expect("it fits the device");
    assert_eq!(executor.compiled(), 1);
    let (plan, _) = rectifying(Role::Data, 99, 7);
    let executor = pollster::block_on(executor.with_plan(plan, Keep::Data)).expect("it runs here too");
    assert_eq!(executor.compiled(), 1);
    let (mut plan, [x, bias, y, _]) = small();
    add_bias(&mut plan, x, bias, y).expect("shapes agree");
    let executor = pollster::block_on(executor.with_plan(plan, Keep::Data)).expect("it runs here too");
    assert_eq!(executor.compiled(), 2);
    let (plan, _) = rectifying(Role::Data, 6, 7);
    let executor = pollster::block_on(executor.with_plan(plan, Keep::Data)).expect("it runs here too");
    assert_eq!(executor.compiled(), 2);
}
