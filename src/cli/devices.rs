//! `shadegrad devices`.

use super::output::{Output, bytes};
use crate::error::Result;
use crate::gpu::{AdapterReport, Backends, adapters, report};
use serde_json::json;

/// The flags of `devices`.
#[derive(Debug, clap::Args)]
pub(super) struct Devices {
    /// Print one JSON object per line instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl Devices {
    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let reports: Vec<_> = pollster::block_on(adapters(Backends::all())).iter().map(report).collect();
        if reports.is_empty() {
            output.line("no adapter found; use --device cpu, or install a Vulkan driver")?;
        }
        for (index, report) in reports.iter().enumerate() {
            describe(output, index, report)?;
        }
        Ok(())
    }
}

fn describe(output: &Output, index: usize, report: &AdapterReport) -> Result<()> {
    let yes = |has: bool| if has { "yes" } else { "no" };
    let tiles = match report.cooperative_matrices.as_slice() {
        [] => "none".to_owned(),
        tiles => tiles.join(", "),
    };
    let subgroups = match report.subgroup_sizes {
        Some([least, most]) if least == most => least.to_string(),
        Some([least, most]) => format!("{least} to {most}"),
        None => "none".to_owned(),
    };
    output.line(format_args!("{index}: {}", report.name))?;
    output.line(format_args!("   {}, {}, {}", report.backend, report.driver, report.backing))?;
    output.line(format_args!(
        "   subgroups {subgroups}; f16 {}; timestamps {}; cooperative matrices {tiles}",
        yes(report.f16),
        yes(report.timestamps)
    ))?;
    output.line(format_args!(
        "   buffers {}, bindings {}, {} storage buffers per shader, {} workgroup memory, {} invocations",
        bytes(report.max_buffer_bytes),
        bytes(report.max_binding_bytes),
        report.max_storage_buffers,
        bytes(report.max_workgroup_memory.into()),
        report.max_invocations
    ))?;
    output.event(&json!({
        "index": index,
        "name": report.name,
        "backend": report.backend,
        "driver": report.driver,
        "kind": report.backing.to_string(),
        "subgroup_sizes": report.subgroup_sizes,
        "f16": report.f16,
        "timestamps": report.timestamps,
        "cooperative_matrices": report.cooperative_matrices,
        "limits": {
            "buffer_bytes": report.max_buffer_bytes,
            "binding_bytes": report.max_binding_bytes,
            "storage_buffers_per_shader": report.max_storage_buffers,
            "workgroup_memory_bytes": report.max_workgroup_memory,
            "invocations_per_workgroup": report.max_invocations,
        },
    }))
}
