//! The exact output of `--explain`.

use shadegrad::graph::Graph;
use shadegrad::kernel::Caps;
use shadegrad::ops::elementwise::add::AddOp;
use shadegrad::ops::elementwise::bias_add::{BiasAddKernel, BiasAddParams};
use shadegrad::ops::elementwise::relu::{ReluKernel, ReluParams};
use shadegrad::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyOp;
use shadegrad::plan::{Memory, Plan, Role};
use shadegrad::shape::{DType, Shape};

/// A plan with a buffer of each kind, including two transients, and two sections, the second from a graph.
fn plan() -> Plan {
    let mut memory = Memory::default();
    let mut array =
        |name, role, extents: &[usize]| memory.array(name, role, DType::F32, Shape::new(extents)).expect("it is small");
    let [x, h, y] = [("train/x", Role::Data), ("train/h", Role::Transient), ("train/y", Role::Transient)]
        .map(|(name, role)| array(name, role, &[1000, 300]));
    let [steps, out] = ["steps", "train/out"].map(|name| array(name, Role::Carried, &[300]));
    let weights = memory.arena("weights", Role::Parameter, &[("bias".to_owned(), Shape::from([300]))]);
    let bias = weights.expect("it is small").tensors[0];
    let mut plan = Plan::new(memory);
    plan.begin("train");
    let params = BiasAddParams { m: 1000, n: 300 };
    plan.dispatch("first", &BiasAddKernel, params, &[("a", x), ("bias", bias), ("out", h)]).expect("shapes agree");
    plan.dispatch("second", &BiasAddKernel, params, &[("a", h), ("bias", bias), ("out", y)]).expect("shapes agree");
    plan.begin("look");
    plan.dispatch("only", &ReluKernel, ReluParams { n: 300 }, &[("a", steps), ("out", out)]).expect("shapes agree");
    plan.sections[1].graph = "  %1 = ReluKernel(steps)\n".to_owned();
    plan.reused_words = 50_000;
    plan
}

const MEMORY: &str = "\
peak memory 3.6 MB: data 1.2 MB, activations and other transients 2.4 MB, steps 0.0 MB, counters and metrics \
0.0 MB, weights 0.0 MB; reuse saved 0.2 MB
  buffer     kept       type      kB  slots
  train/x    data       f32   1200.0  train/x [1000, 300]
  train/h    transient  f32   1200.0  train/h [1000, 300]
  train/y    transient  f32   1200.0  train/y [1000, 300]
  steps      state      f32      1.2  steps [300]
  train/out  state      f32      1.2  train/out [300]
  weights    state      f32      1.3  weights/bias [300], weights [320]
";

#[test]
fn a_plan_is_told_as_tables() {
    let told = plan().explain(Some(&Caps::portable())).expect("it can be explained");
    let expected = "\
train: 2 dispatches, 0.6 MFLOP, 4.8 MB
  #  dispatch  kernel    variant  groups  MFLOP      kB  bindings
  1  first     bias_add  plain      1172  0.300  2401.2  a=train/x [1000, 300], bias=weights/bias [300], out=train/h [1000, 300]
  2  second    bias_add  plain      1172  0.300  2401.2  a=train/h [1000, 300], bias=weights/bias [300], out=train/y [1000, 300]

look: 1 dispatches, 0.0 MFLOP, 0.0 MB
  #  dispatch  kernel  variant  groups  MFLOP   kB  bindings
  1  only      relu    plain         2  0.000  2.4  a=steps [300], out=train/out [300]

the graph of look
  %1 = ReluKernel(steps)

";
    assert_eq!(told, format!("{expected}{MEMORY}"));
}

#[test]
fn the_twins_have_no_variants_and_no_workgroups() {
    let told = plan().explain(None).expect("it can be explained");
    let row = "  2  second    bias_add  twin          -  0.300  2401.2  a=train/h";
    assert!(told.contains(row) && told.ends_with(MEMORY), "{told}");
}

#[test]
fn a_graph_is_told_as_assignments() {
    let mut memory = Memory::default();
    let mut slot = |name, dtype, extents: &[usize]| {
        memory.array(name, Role::Carried, dtype, Shape::new(extents)).expect("it is small")
    };
    let [x, y] = ["x", "y"].map(|name| slot(name, DType::F32, &[4, 5]));
    let (labels, counters) = (slot("labels", DType::U32, &[4]), slot("counters", DType::U32, &[4]));
    let mut graph = Graph::default();
    let [x, y, labels, counters] = [x, y, labels, counters].map(|slot| graph.leaf(&memory, slot));
    graph.scope("first");
    let sum = graph.apply(AddOp, &[x, y]).expect("one shape");
    let losses = graph.apply(SoftmaxCrossEntropyOp, &[sum, labels, counters]).expect("a label for each row");
    graph.scope("second");
    let gradient = graph.output(losses, 1).expect("a loss has a gradient");
    assert_eq!(graph.output(losses, 2), None);
    graph.apply(AddOp, &[gradient, sum]).expect("one shape");
    let expected = [
        "  %4   = AddOp(x, y) : [4, 5]  # first\n",
        "  %5   = SoftmaxCrossEntropyOp(%4, labels, counters) : [4], [4, 5]  # first\n",
        "  %6   = AddOp(%5.1, %4) : [4, 5]  # second\n",
    ];
    assert_eq!(graph.explain(&memory), expected.concat());
    assert_eq!(graph.operations(), 3);
}
