//! Dispatches larger than one dimension allows, and the largest bindings.

use super::bench::{Bench, Outcome};
use super::case::prepare;
use super::compare::Worst;
use super::form::check_all;
use crate::error::{Kind, Result};
use crate::gpu::{Checks, Pipeline, Run};
use crate::kernel::{AnyKernel, Case, Effort, Inputs};
use crate::ops::batch::gather::{GatherKernel, GatherParams};
use crate::ops::elementwise::copy::{CopyArrayKernel, CopyParams};
use crate::ops::elementwise::relu::{ReluKernel, ReluParams};
use crate::ops::matmul::{self, MatmulParams};
use crate::plan::{Plan, Role};
use crate::shape::DType;

/// Larger bindings would take tens of gigabytes on the host to check.
const HOST_BYTES: u64 = 1 << 30;
/// Every WebGPU adapter supports bindings of this size.
const PORTABLE_BYTES: u64 = 128 << 20;

/// The checks of the quick run, then those that take hundreds of megabytes.
const ENTRIES: [&str; 6] = [
    "workgroups-gather",
    "workgroups-matmul",
    "binding-too-large",
    "workgroups-relu",
    "binding-over-128-MiB",
    "binding-largest",
];

pub(super) fn entries(effort: Effort) -> Vec<&'static str> {
    ENTRIES[..effort.count(3, ENTRIES.len())].to_vec()
}

pub(super) async fn run(bench: &Bench<'_>, entry: &str) -> Result<Outcome> {
    let (caps, most) = (&bench.gpu.caps, bench.gpu.caps.max_groups);
    let largest = caps.max_binding_bytes.min(caps.max_buffer_bytes);
    let params = |params: &dyn Fn(u32) -> Vec<u8>| [most, most + 1, most + 2].map(params).to_vec();
    match entry {
        "workgroups-gather" => {
            let rows = |batch| GatherParams { samples: 3, features: 1, batch, shuffle: 0, seed_low: 0, seed_high: 0 };
            workgroups(bench, &GatherKernel, params(&|groups| bytemuck::bytes_of(&rows(groups)).to_vec())).await
        }
        "workgroups-matmul" => {
            let rows = |m| MatmulParams { m, k: 1, n: 1 };
            let variant = AnyKernel::choose(&matmul::NN, bytemuck::bytes_of(&rows(most)), caps);
            let many = rows((most + 2).saturating_mul(variant.tile[0]));
            workgroups(bench, &matmul::NN, vec![bytemuck::bytes_of(&many).to_vec()]).await
        }
        "workgroups-relu" => {
            let many = ReluParams { n: most.saturating_mul(256).saturating_add(257) };
            workgroups(bench, &ReluKernel, vec![bytemuck::bytes_of(&many).to_vec()]).await
        }
        "binding-too-large" => Ok(too_large(bench)),
        "binding-over-128-MiB" if largest <= PORTABLE_BYTES => {
            Ok(Outcome::NotRun(format!("the adapter's binding limit is {largest} bytes")))
        }
        "binding-over-128-MiB" => copies(bench, &[PORTABLE_BYTES + 4]).await,
        "binding-largest" if largest > HOST_BYTES => Ok(Outcome::NotRun(format!(
            "the adapter's binding limit, {largest} bytes, is too large to check on the host"
        ))),
        "binding-largest" => copies(bench, &[largest / 4 * 4 - 4, largest / 4 * 4]).await,
        _ => Ok(Outcome::NotRun(format!("unknown check {entry:?}"))),
    }
}

/// Runs a kernel with each of these parameters in the variant training would choose.
async fn workgroups(bench: &Bench<'_>, kernel: &'static dyn AnyKernel, params: Vec<Vec<u8>>) -> Result<Outcome> {
    let mut worst = Worst { ulps: None, ..Worst::default() };
    for (index, params) in params.into_iter().enumerate() {
        let variant = kernel.choose(&params, &bench.gpu.caps);
        let pipeline = Pipeline::new(&bench.gpu, kernel, &variant, Checks::Off).await?;
        let case = Case::new(params, Inputs::Integers);
        let prepared = prepare(kernel, &pipeline.reflection, case, bench.effort.seed(), index)?;
        for outcome in check_all(&bench.gpu, &pipeline, kernel, &variant, &[&prepared]).await? {
            match outcome {
                Ok(errors) => worst.include(errors),
                Err(fault) => {
                    let groups = kernel.groups(&prepared.case.params, &variant);
                    return Ok(Outcome::Wrong(format!("{} in {groups} workgroups: {fault}", kernel.name())));
                }
            }
        }
    }
    Ok(Outcome::Fine(worst))
}

/// Copies entire bindings of these sizes.
async fn copies(bench: &Bench<'_>, sizes: &[u64]) -> Result<Outcome> {
    let kernel: &dyn AnyKernel = &CopyArrayKernel;
    for &bytes in sizes {
        let n = (bytes / 4) as u32;
        let params = bytemuck::bytes_of(&CopyParams { n }).to_vec();
        let variant = kernel.choose(&params, &bench.gpu.caps);
        let pipeline = Pipeline::new(&bench.gpu, kernel, &variant, Checks::Off).await?;
        // Floats from 1 to 2, all different below 32 MiB.
        let numbers: Vec<u32> = (0..n).map(|i| 0x3f80_0000 | (i & 0x7f_ffff)).collect();
        let arrays = [numbers, vec![super::POISON; n as usize]];
        let run = Run { params: &params, groups: kernel.groups(&params, &variant), arrays: &arrays };
        let after = match pipeline.run(&bench.gpu, run).await {
            // A binding limit may exceed the available memory.
            Err(error) if error.is_out_of_memory() => return Ok(Outcome::NotRun(error.to_string())),
            after => after?,
        };
        let wrong = after.iter().flat_map(|words| words.iter().zip(&arrays[0])).position(|(after, put)| after != put);
        if let Some(i) = wrong {
            let (binding, element) = (["a", "out"][i / n as usize], i % n as usize);
            return Ok(Outcome::Wrong(format!("copy of {bytes} bytes: `{binding}`, element {element} is wrong")));
        }
    }
    Ok(Outcome::Fine(Worst { cases: sizes.len(), ulps: None, ..Worst::default() }))
}

/// A binding that is one word too large must be rejected before it reaches the driver.
fn too_large(bench: &Bench<'_>) -> Outcome {
    let caps = &bench.gpu.caps;
    let words = caps.most_bound_words().min(caps.max_buffer_bytes / 4) + 1;
    let copy = || {
        let mut plan = Plan::default();
        let mut array = |name| plan.memory.array(name, Role::Scratch, DType::F32, [words as usize]);
        let bindings = [("a", array("too large")?), ("out", array("as large")?)];
        plan.begin("copy");
        plan.dispatch("copy", &CopyArrayKernel, CopyParams { n: words as u32 }, &bindings)?;
        plan.validate(caps)
    };
    match copy() {
        Err(error) if error.kind() == Kind::Device => Outcome::Fine(Worst { cases: 1, ulps: None, ..Worst::default() }),
        Err(error) => {
            Outcome::Wrong(format!("a binding of {words} words was rejected with {:?}: {error}", error.kind()))
        }
        Ok(()) => Outcome::Wrong(format!("a binding of {words} words was accepted")),
    }
}
