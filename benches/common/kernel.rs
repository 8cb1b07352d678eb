//! A kernel on a device, with inputs, ready to be timed.

#![allow(dead_code, reason = "each bench uses what it needs")]

use super::common::Device;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, Gpu, Pipeline, Run, Stopwatch};
use shadegrad::kernel::{AnyKernel, Args, Array, Caps, Case, Inputs, Variant, View, word};
use shadegrad::random::Random;
use shadegrad::shader::{Access, Binding, Reflection};
use shadegrad::shape::DType;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum runs per submission, so that a software driver does not look hung.
const LONGEST: u64 = 1000;

/// A kernel with inputs.
pub(crate) struct Ready {
    pub(crate) kernel: &'static dyn AnyKernel,
    params: Vec<u8>,
    bindings: Vec<Binding>,
    words: Vec<Vec<u32>>,
    form: Form,
}

enum Form {
    Shader(Stopwatch),
    Twin(Vec<Array<f32>>),
}

impl Ready {
    /// The kernel in the variant training uses.
    pub(crate) fn new(device: &Device, kernel: &'static dyn AnyKernel, params: &[u8]) -> Result<Self> {
        match device {
            Device::Cpu => Self::twin(kernel, params),
            Device::Gpu(gpu) => Self::shader(gpu, kernel, &kernel.choose(params, &gpu.caps), params),
        }
    }

    /// A given variant of the kernel.
    pub(crate) fn shader(
        gpu: &Arc<Gpu>,
        kernel: &'static dyn AnyKernel,
        variant: &Variant,
        params: &[u8],
    ) -> Result<Self> {
        let pipeline = Arc::new(pollster::block_on(Pipeline::new(gpu, kernel, variant, Checks::Off))?);
        let bindings = pipeline.reflection.bindings.clone();
        let words = fill(kernel, &bindings, params)?;
        let run = Run { params, groups: kernel.groups(params, variant), arrays: &words };
        let form = Form::Shader(pollster::block_on(Stopwatch::new(gpu, pipeline, &run))?);
        Ok(Self { kernel, params: params.to_vec(), bindings, words, form })
    }

    /// The f32 twin, the CPU training path.
    pub(crate) fn twin(kernel: &'static dyn AnyKernel, params: &[u8]) -> Result<Self> {
        let source = kernel.choose(params, &Caps::portable()).source();
        let bindings = Reflection::of(kernel.name(), &source)?.bindings;
        let words = fill(kernel, &bindings, params)?;
        let array = |(binding, words): (&Binding, &Vec<u32>)| match binding.dtype {
            DType::F32 => Array::Real(words.iter().map(|word| f32::from_bits(*word)).collect()),
            DType::U32 | DType::U8 => Array::Word(words.clone()),
        };
        let form = Form::Twin(bindings.iter().zip(&words).map(array).collect());
        Ok(Self { kernel, params: params.to_vec(), bindings, words, form })
    }

    /// Duration of `runs` consecutive runs.
    pub(crate) fn time(&mut self, runs: u64) -> Result<Duration> {
        let Self { kernel, params, bindings, form, .. } = self;
        match form {
            Form::Shader(stopwatch) => {
                let parts = (0..runs).step_by(LONGEST as usize).map(|done| LONGEST.min(runs - done) as u32);
                parts.map(|repeats| stopwatch.time(repeats)).sum()
            }
            Form::Twin(arrays) => {
                let begun = Instant::now();
                for _ in 0..runs {
                    let views = bindings.iter().zip(arrays.iter_mut()).map(|(binding, array)| view(binding, array));
                    kernel.twin_f32(params, &mut Args::new(views));
                }
                Ok(begun.elapsed())
            }
        }
    }

    /// GFLOP per run.
    pub(crate) fn gigaflops(&self) -> f64 {
        self.kernel.flops(&self.params) as f64 / 1e9
    }

    /// GB that a run must move.
    pub(crate) fn gigabytes(&self) -> f64 {
        let bound = self.bindings.iter().zip(&self.words).map(|(binding, words)| {
            let times = if binding.access == Access::ReadWrite { 2 } else { 1 };
            times * 4 * words.len() as u64
        });
        self.kernel.bytes(&self.params, bound.sum()) as f64 / 1e9
    }
}

fn view<'a>(binding: &'a Binding, array: &'a mut Array<f32>) -> (&'a str, View<'a, f32>) {
    let view = match (array, binding.access) {
        (Array::Real(data), Access::Read) => View::Real(data),
        (Array::Real(data), _) => View::RealMut(data),
        (Array::Word(data), Access::Read) => View::Word(data),
        (Array::Word(data), _) => View::WordMut(data),
    };
    (&binding.name, view)
}

/// Words for each binding: as in the kernel's own cases, else repeating normal values.
fn fill(kernel: &dyn AnyKernel, bindings: &[Binding], params: &[u8]) -> Result<Vec<Vec<u32>>> {
    let (fields, _) = kernel.fields();
    let mut random = Random::new(1, 0);
    let numbers: Vec<u32> = (0..65_521).map(|_| (random.normal() as f32).to_bits()).collect();
    let case = Case::new(params.to_vec(), Inputs::Random);
    let words = |binding: &Binding| {
        let length = binding.ty(|name| word(&fields, params, name))?.words()?;
        let filled = kernel.fill(&case, &binding.name, length, &mut random);
        Ok(filled.unwrap_or_else(|| numbers.iter().copied().cycle().take(length).collect()))
    };
    bindings.iter().map(words).collect()
}
