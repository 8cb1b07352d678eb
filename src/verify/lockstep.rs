//! Runs a plan in lockstep with its twins: each dispatch runs on the device, in the plan's own buffers, and on the f64
//! twin with the same inputs. Errors do not accumulate, and the faulty dispatch is identified.

use super::case::{POISON, Prepared, given};
use super::compare::{Mismatch, Worst, compare};
use super::shape;
use crate::data::Dataset;
use crate::error::{Error, Kind, Result};
use crate::gpu::{Checks, Gpu, GpuExecutor};
use crate::kernel::{Array, Variant};
use crate::plan::{Dispatch, Executor};
use crate::planner::{Phase, Set};
use crate::shader::Access;
use crate::shape::{DType, Shape};
use crate::train::{ModelFile, TrainConfig, Trainer, upload_split, upload_weights};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A dispatch that matched its twin.
#[derive(Debug)]
pub struct Step<'a> {
    /// The section.
    pub section: &'a str,
    /// Its number within the section, from 1.
    pub number: usize,
    /// Number of dispatches in the section.
    pub total: usize,
    /// Its purpose.
    pub label: &'a str,
    /// The kernel.
    pub kernel: &'static str,
    /// How far it was from its twin.
    pub worst: Worst,
}

/// The first dispatch whose output is outside the tolerance.
pub struct Parted {
    /// The section.
    pub section: String,
    /// Its number within the section, from 1.
    pub number: usize,
    /// Label, kernel, parameters and slots.
    pub dispatch: Dispatch,
    /// The variant that ran.
    pub variant: Variant,
    /// The first wrong element.
    pub fault: Mismatch,
    device: String,
    shapes: Vec<Shape>,
    prepared: Prepared,
    after: Vec<Vec<u32>>,
}

/// Runs a section once in lockstep; calls `watch` for each dispatch that matches; stops at the first that does not.
///
/// # Errors
/// If there is no such section, or the device fails; and any error from `watch`.
pub async fn lockstep(
    executor: &mut GpuExecutor,
    section: &str,
    mut watch: impl FnMut(Step<'_>) -> Result<()>,
) -> Result<Option<Parted>> {
    let dispatches = executor.plan().section(section)?.dispatches.clone();
    for (index, dispatch) in dispatches.iter().enumerate() {
        poison(executor, dispatch)?;
        let before = words(executor, dispatch).await?;
        executor.run_dispatch(section, index)?;
        let after = words(executor, dispatch).await?;
        let prepared = given(dispatch.kernel, &dispatch.reflection, &dispatch.params, before);
        match compare(&dispatch.reflection, &prepared, &after) {
            Ok(worst) => watch(Step {
                section,
                number: index + 1,
                total: dispatches.len(),
                label: &dispatch.label,
                kernel: dispatch.kernel.name(),
                worst,
            })?,
            Err(fault) => {
                return Ok(Some(Parted {
                    section: section.to_owned(),
                    number: index + 1,
                    variant: dispatch.kernel.choose(&dispatch.params, &executor.gpu().caps),
                    fault,
                    device: executor.gpu().identity(),
                    shapes: dispatch.slots.iter().map(|&id| executor.memory().slot(id).ty.shape.clone()).collect(),
                    dispatch: dispatch.clone(),
                    prepared,
                    after,
                }));
            }
        }
    }
    Ok(None)
}

/// Runs `steps` training steps on `data`, a scan and one evaluation batch, each dispatch in lockstep.
///
/// # Errors
/// As for [`lockstep`]; and if the data do not fit the model, or the plan does not fit the device.
pub async fn lockstep_model(
    gpu: Arc<Gpu>,
    file: &ModelFile,
    data: &Dataset,
    steps: usize,
    mut watch: impl FnMut(Step<'_>) -> Result<()>,
) -> Result<Option<Parted>> {
    let config = TrainConfig { model: file.model.config().clone(), ..TrainConfig::default() };
    let (model, plan) = Trainer::<GpuExecutor>::plan(&config, data, &gpu.caps)?;
    let mut executor = GpuExecutor::new(gpu, plan, Checks::Off).await?;
    upload_split(&mut executor, Set::Train, data.train())?;
    upload_split(&mut executor, Set::Test, data.needed_test()?)?;
    upload_weights(&mut executor, &model, &file.weights)?;
    for phase in std::iter::repeat_n(Phase::Train, steps).chain([Phase::Scan, Phase::Evaluate]) {
        let parted = lockstep(&mut executor, &phase.name(), &mut watch).await?;
        if parted.is_some() {
            return Ok(parted);
        }
    }
    Ok(None)
}

/// Poisons write-only outputs to detect elements that are never written.
fn poison(executor: &mut GpuExecutor, dispatch: &Dispatch) -> Result<()> {
    for (_, id) in dispatch.bindings().filter(|(binding, _)| binding.access == Access::Write) {
        let slot = executor.memory().slot(id);
        let poison = vec![POISON; slot.words];
        match slot.ty.dtype {
            DType::F32 => executor.write_f32(id, bytemuck::cast_slice(&poison))?,
            DType::U32 | DType::U8 => executor.write_words(id, &poison)?,
        }
    }
    Ok(())
}

/// The dispatch's bindings as they are on the device.
async fn words(executor: &mut GpuExecutor, dispatch: &Dispatch) -> Result<Vec<Vec<u32>>> {
    let mut words = Vec::new();
    for &id in &dispatch.slots {
        words.push(executor.fetch_words(id)?.await?);
    }
    Ok(words)
}

impl fmt::Display for Parted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, number, dispatch, variant, fault, .. } = self;
        let kernel = dispatch.kernel.name();
        let shape = shape(dispatch.kernel, &dispatch.params);
        write!(f, "{section}, dispatch {number}, {}: {kernel} {variant}, {shape}: {fault}", dispatch.label)
    }
}

impl Parted {
    /// As an error.
    pub fn error(&self) -> Error {
        let advice = "update the driver, or report this message together with the saved inputs";
        Error::new(Kind::Device, self.to_string(), advice)
    }

    /// Saves the dispatch as safetensors: `before/BINDING`, `found/BINDING` after it on the device and
    /// `expected/BINDING` after the f64 twin; device, kernel, parameters and source are in the metadata.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |error: &dyn fmt::Display| {
            Error::new(Kind::Io, format!("cannot write {}: {error}", path.display()), "choose another file")
        };
        let mut tensors = Vec::new();
        for (i, binding) in self.dispatch.reflection.bindings.iter().enumerate() {
            let kind = if binding.dtype == DType::F32 { Dtype::F32 } else { Dtype::U32 };
            let mut add = |what: &str, kind: Dtype, bytes: &[u8]| {
                tensors.push((
                    format!("{what}/{}", binding.name),
                    kind,
                    self.extents(i, binding.dtype),
                    bytes.to_vec(),
                ));
            };
            add("before", kind, bytemuck::cast_slice(&self.prepared.words[i]));
            if binding.access == Access::Read {
                continue;
            }
            add("found", kind, bytemuck::cast_slice(&self.after[i]));
            match &self.prepared.values.after[&binding.name] {
                Array::Real(numbers) => add("expected", Dtype::F64, bytemuck::cast_slice(numbers)),
                Array::Word(words) => add("expected", Dtype::U32, bytemuck::cast_slice(words)),
            }
        }
        let mut views = Vec::new();
        for (name, kind, extents, bytes) in &tensors {
            let view = TensorView::new(*kind, extents.clone(), bytes).map_err(|error| failed(&error))?;
            views.push((name.as_str(), view));
        }
        let about = json!({
            "message": self.to_string(),
            "device": self.device,
            "version": env!("CARGO_PKG_VERSION"),
            "kernel": self.dispatch.kernel.name(),
            "variant": self.variant.name,
            "params": self.dispatch.params,
            "source": self.variant.source(),
        });
        let about = [("shadegrad".to_owned(), about.to_string())].into_iter().collect();
        let bytes = safetensors::serialize(views, Some(about)).map_err(|error| failed(&error))?;
        std::fs::write(path, bytes).map_err(|error| Error::io("write", path, &error))
    }

    /// The extents of a binding in words: packed bytes are a flat array.
    fn extents(&self, index: usize, dtype: DType) -> Vec<usize> {
        match dtype {
            DType::F32 | DType::U32 => self.shapes[index].extents().to_vec(),
            DType::U8 => vec![self.prepared.lengths[index]],
        }
    }
}
