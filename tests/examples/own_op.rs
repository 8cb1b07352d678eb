//! An op of your own, out = a²: a shader, its twin, and its gradient. `cargo run --example own_op -- [DEVICE]` compares the
//! shader with the twin on an adapter.

#![allow(clippy::print_stdout, reason = "it is a program")]

use shadegrad::error::Result;
use shadegrad::gpu::Checks;
use shadegrad::graph::{Form, Graph, Lowering, Node, Op, Value};
use shadegrad::kernel::{self, Args, Caps, Case, Effort, Inputs, Kernel, LINEAR, Real, Tolerance, Values, Variant};
use shadegrad::ops::elementwise::{add::AddOp, multiply::MultiplyOp, scale::ScaleOp};
use shadegrad::plan::{Memory, SlotId};
use shadegrad::session::Device;
use shadegrad::shape::TensorType;
use shadegrad::verify::check_variant;
use std::sync::Arc;

shadegrad::params! {
    /// Parameters of [`Square`].
    pub struct SquareParams {
        /// Elements.
        pub n: u32,
    }
}

/// The square of each element.
#[derive(Debug)]
struct Square;

/// What runs on the device, and what it is compared with.
impl Kernel for Square {
    type Params = SquareParams;

    fn name(&self) -> &'static str {
        "square"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("own_op.wgsl")])]
    }

    fn groups(&self, params: &SquareParams, _variant: &Variant) -> u64 {
        kernel::linear_groups(params.n.into())
    }

    fn flops(&self, params: &SquareParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, _params: &SquareParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.real("a"), args.real_mut("out"));
        out.iter_mut().zip(a).for_each(|(out, &a)| *out = a * a);
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<SquareParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn cases(&self, _effort: Effort) -> Vec<Case<SquareParams>> {
        kernel::edge_sizes().map(|n| Case::new(SquareParams { n }, Inputs::Random)).to_vec()
    }
}

/// What a graph knows of it.
impl Op for Square {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    /// 2 a times the upstream gradient.
    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let twice = graph.apply(ScaleOp { factor: 2.0 }, &[node.inputs[0]])?;
        Ok(vec![Some(graph.apply(MultiplyOp, &[twice, node.only_upstream(upstream)?])?)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let n = cx.plan.memory.slot(inputs[0]).words as u32;
        cx.dispatch(&Square, SquareParams { n }, &[("a", inputs[0]), ("out", outputs[0])])
    }
}

fn main() -> Result<()> {
    let device = std::env::args().nth(1).unwrap_or("0".to_owned()).parse()?;
    let Device::Gpu(gpu) = pollster::block_on(Device::open(&device, None))? else { return Ok(()) };
    for variant in Square.variants(&gpu.caps) {
        let worst = pollster::block_on(check_variant(&gpu, &Square, &variant, Checks::On, Effort::QUICK))?;
        println!("{} cases on {}: at most {:.2} of the bound", worst.cases, gpu.info.name, worst.hard);
    }

    let mut graph = Graph::default();
    let [x, seed] = [graph.placeholder(TensorType::f32([8])), graph.placeholder(TensorType::f32([8]))];
    let y = graph.apply(Square, &[x])?;
    graph.gradients(&[(y, seed)], &[x], Arc::new(AddOp))?;
    print!("{}", graph.explain(&Memory::default()));
    Ok(())
}
