//! The shapes to measure kernels at: those of training, and round sizes.

use super::common::Device;
use super::models::{MODELS, images};
use shadegrad::error::Result;
use shadegrad::kernel::{AnyKernel, Caps, Case, Effort, Inputs, word};
use shadegrad::nn::{MlpConfig, ModelConfig, Normalization};
use shadegrad::ops::registry;
use shadegrad::optim::{Schedule, UpdateConfig};
use shadegrad::shader::{Binding, Reflection};
use shadegrad::train::{TrainConfig, Trainer};
use std::collections::BTreeSet;

/// Every kernel with parameters: from training a model of each size with all features, round sizes for kernels with
/// only m, k and n, and for others their largest test cases. Large ones only on hardware GPUs.
pub(crate) fn shapes(device: &Device) -> Result<Vec<(&'static dyn AnyKernel, Vec<u8>)>> {
    // Enough memory and speed for larger shapes.
    let hardware = matches!(device, Device::Gpu(gpu) if !gpu.caps.cpu);
    let trained = trained()?;
    let mut shapes = Vec::new();
    for kernel in registry() {
        let mut known = BTreeSet::new();
        let in_training = trained.iter().filter(|(name, _)| *name == kernel.name()).map(|(_, params)| params.clone());
        let mut all: Vec<Vec<u8>> = in_training.chain(round(kernel, hardware)?).collect();
        all.retain(|params| known.insert(params.clone()));
        if all.is_empty() {
            all.push(largest(kernel)?);
        }
        shapes.extend(all.into_iter().map(|params| (kernel, params)));
    }
    Ok(shapes)
}

/// Kernel names and parameters used in training two of the models, without evaluation.
fn trained() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let data = images();
    let mut found = Vec::new();
    for hidden in [MODELS[1], MODELS[2]] {
        let config = TrainConfig {
            model: ModelConfig::mlp(hidden, &MlpConfig::default()),
            // A norm above that of the benchmark inputs: otherwise clipping would shrink the same values over and over.
            update: UpdateConfig { schedule: Schedule::Cosine, clip_norm: Some(100.0), ..UpdateConfig::default() },
            normalize: Normalization::Standard,
            patience: Some(1),
            ..TrainConfig::default()
        };
        let (_, plan) = Trainer::<shadegrad::cpu::CpuExecutor<f32>>::plan(&config, &data, &Caps::unlimited())?;
        let sections = plan.sections.into_iter().filter(|section| !["evaluate", "validate"].contains(&&*section.name));
        for dispatch in sections.flat_map(|section| section.dispatches) {
            found.push((dispatch.kernel.name(), dispatch.params));
        }
    }
    Ok(found)
}

/// Round sizes of m, k and n, for kernels with no other extents.
fn round(kernel: &dyn AnyKernel, hardware: bool) -> Result<Vec<Vec<u8>>> {
    let template = largest(kernel)?;
    let bindings = bindings(kernel, &template)?;
    let extents: BTreeSet<&str> = bindings.iter().flat_map(|binding| &binding.extents).map(String::as_str).collect();
    let extents: Vec<&str> = extents.into_iter().filter(|extent| extent.parse::<u32>().is_err()).collect();
    let (small, large): (&[&[u32]], &[u32]) = match extents[..] {
        ["k", "m", "n"] => (&[&[784, 128, 1024], &[1024, 128, 10]], &[4096, 4096, 4096]),
        ["m", "n"] => (&[&[128, 1024], &[2048, 1024]], &[16_384, 1024]),
        ["n"] => (&[&[1 << 20]], &[1 << 24]),
        _ => return Ok(Vec::new()),
    };
    let sizes = small.iter().chain(hardware.then_some(&large));
    Ok(sizes.map(|sizes| with(kernel, &template, &extents, sizes)).collect())
}

/// `template` with some fields replaced.
fn with(kernel: &dyn AnyKernel, template: &[u8], names: &[&str], values: &[u32]) -> Vec<u8> {
    let mut params = template.to_vec();
    for (name, value) in names.iter().zip(values) {
        let field = kernel.fields().0.into_iter().find(|field| field.name == *name).expect("bindings have its extent");
        params[field.offset..field.offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    params
}

/// The parameters of the kernel's largest test case with random inputs.
fn largest(kernel: &dyn AnyKernel) -> Result<Vec<u8>> {
    let (fields, _) = kernel.fields();
    let cases = kernel.cases(Effort::QUICK).into_iter().filter(|case| case.inputs == Inputs::Random);
    let mut largest = (0, Vec::new());
    for Case { params, .. } in cases {
        let types = bindings(kernel, &params)?.into_iter().map(|b| b.ty(|name| word(&fields, &params, name)));
        let elements = types.map(|ty| ty?.shape.elements()).sum::<Result<usize>>()?;
        if elements > largest.0 {
            largest = (elements, params);
        }
    }
    Ok(largest.1)
}

fn bindings(kernel: &dyn AnyKernel, params: &[u8]) -> Result<Vec<Binding>> {
    let source = kernel.choose(params, &Caps::portable()).source();
    Ok(Reflection::of(kernel.name(), &source)?.bindings)
}

/// Parameters as `128x784x1024`, the extents in the order m, k, n, else as `name=value`.
pub(crate) fn label(kernel: &dyn AnyKernel, params: &[u8]) -> String {
    let (fields, _) = kernel.fields();
    let value = |name: &str| word(&fields, params, name);
    let sizes: Vec<String> = ["m", "k", "n"].iter().filter_map(|name| value(name)).map(|v| v.to_string()).collect();
    if !sizes.is_empty() {
        return sizes.join("x");
    }
    let named = fields.iter().filter_map(|field| Some(format!("{}={}", field.name, value(&field.name)?)));
    named.filter(|text| !text.starts_with("seed")).collect::<Vec<_>>().join(" ")
}
