//! Values are of any type.

use shadegrad::cpu::CpuExecutor;
use shadegrad::error::Result;
use shadegrad::graph::{Choices, Form, Graph, Lowering, Op, Pool};
use shadegrad::kernel::Array;
use shadegrad::ops::batch::micro_batch::{MicroBatchKernel, MicroBatchParams};
use shadegrad::ops::elementwise::dropout::DropoutOp;
use shadegrad::ops::elementwise::scale::ScaleOp;
use shadegrad::plan::{Executor, Plan, Role, SlotId};
use shadegrad::shape::{DType, TensorType};

/// The counters `[4] u32` of one of two micro-batches, as an op.
#[derive(Debug)]
struct MicroCounters {
    index: u32,
}

impl Op for MicroCounters {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let params = MicroBatchParams { index: self.index, count: 2, rows: 2 };
        cx.dispatch(&MicroBatchKernel, params, &[("counters", inputs[0]), ("micro_counters", outputs[0])])
    }
}

#[test]
fn words_are_transients_that_share_no_buffer_with_numbers() -> Result<()> {
    let mut plan = Plan::default();
    let x = plan.memory.array("x", Role::Carried, DType::F32, [4])?;
    let counters = plan.memory.array("counters", Role::Carried, DType::U32, [4])?;
    let mut graph = Graph::default();
    let leaves = [graph.leaf(&plan.memory, x), graph.leaf(&plan.memory, counters)];
    assert_eq!(graph.ty(leaves[1]), &TensorType::new(DType::U32, [4]));
    // Numbers and words of four elements each are free to be used again before the next of their kind is made.
    let first = graph.apply(MicroCounters { index: 1 }, &[leaves[1]])?;
    let dropped = graph.apply(DropoutOp { seed: 3, layer: 1, probability: 0.5 }, &[leaves[0], first])?;
    let scaled = graph.apply(ScaleOp { factor: 2.0 }, &[dropped])?;
    let second = graph.apply(MicroCounters { index: 0 }, &[leaves[1]])?;
    let dropped = graph.apply(DropoutOp { seed: 3, layer: 1, probability: 0.5 }, &[scaled, second])?;
    assert!(graph.explain(&plan.memory).contains(" : [4] u32"), "{}", graph.explain(&plan.memory));
    plan.begin("all");
    let lowered = graph.lower(&mut plan, &mut Pool::default(), "all", &[], &[dropped], &Choices::default())?;
    let buffer = |value| lowered.slot(value).map(|slot| plan.memory.slot(slot).buffer);
    assert_eq!(buffer(first), buffer(second), "words are used again");
    let dtypes: Vec<DType> = plan.memory.buffers().iter().map(|buffer| buffer.dtype).collect();
    assert_eq!(dtypes, [DType::F32, DType::U32, DType::U32, DType::F32, DType::F32]);
    let second = lowered.slot(second).expect("it was lowered");
    let mut executor = CpuExecutor::<f64>::new(plan)?;
    executor.write_f32(x, &[1.0; 4])?;
    executor.write_words(counters, &[7, 3, 16, 3])?;
    executor.run("all", 1)?;
    assert_eq!(pollster::block_on(executor.read(second))?, Array::Word(vec![13, 3, 16, 2]));
    Ok(())
}

#[test]
fn a_value_of_another_type_than_the_kernel_takes_is_refused() -> Result<()> {
    let mut plan = Plan::default();
    let counters = plan.memory.array("counters", Role::Carried, DType::U32, [4])?;
    let mut graph = Graph::default();
    let leaf = graph.leaf(&plan.memory, counters);
    graph.apply(ScaleOp { factor: 2.0 }, &[leaf])?;
    plan.begin("all");
    let error = graph
        .lower(&mut plan, &mut Pool::default(), "all", &[], &[], &Choices::default())
        .expect_err("words are no numbers");
    assert!(error.cause().contains("`a` of scale is [4] f32, but the slot counters is [4] u32"), "{error}");
    Ok(())
}
