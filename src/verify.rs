//! Holds a kernel to its twin: one case at a time, by the kernel's own tolerances.
//!
//! Outputs are poisoned before the run, so that an element which was never written shows. Every binding is longer than
//! its shape: behind inputs lie huge numbers or words that look right, behind outputs canaries, so that a read or write
//! past the end shows. All comparisons are of bits or written `!(difference <= tolerance)`, so that NaN fails them.

use crate::error::{Error, Kind, Result};
use crate::gpu::{Checks, Gpu, Pipeline, Run};
use crate::kernel::{AnyKernel, Args, Array, Case, Effort, Inputs, Real, Values, Variant, View, word};
use crate::random::{Random, stream};
use crate::shader::{Access, Binding, Reflection};
use crate::shape::DType;
use std::sync::Arc;

/// What outputs hold before a kernel runs: a NaN that no arithmetic makes.
pub const POISON: u32 = 0x7fc0_dead;
/// What lies behind outputs.
pub const CANARY: u32 = 0xcafe_f00d;
/// Words behind the end of every binding.
pub const TAIL: usize = 64;

/// The worst errors of many cases, as shares of their bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worst {
    /// Cases compared.
    pub cases: usize,
    /// Of the gate that every driver must keep.
    pub hard: f64,
    /// Of the gate that a good driver keeps; 0 where the kernel has none.
    pub soft: f64,
}

impl Worst {
    /// Takes in the errors of another.
    pub fn include(&mut self, other: Worst) {
        self.cases += other.cases;
        self.hard = self.hard.max(other.hard);
        self.soft = self.soft.max(other.soft);
    }
}

/// A case with its input words, ready to run anywhere.
pub struct Prepared {
    /// Parameters and kind of input.
    pub case: Case<Vec<u8>>,
    /// Words of each binding, tails included, in the order of [`Reflection::bindings`].
    pub words: Vec<Vec<u32>>,
    /// Words of each binding without its tail.
    pub lengths: Vec<usize>,
    /// What the f64 twin reads and makes of it.
    pub values: Values,
    name: String,
}

/// Fills the bindings of a case and runs the f64 twin on them.
pub fn prepare(kernel: &dyn AnyKernel, reflection: &Reflection, case: Case<Vec<u8>>, seed: u64) -> Result<Prepared> {
    prepare_altered(kernel, reflection, case, seed, |_, _| ())
}

/// [`prepare`] where `alter` first sees the name and the words of each binding that the kernel reads.
pub fn prepare_altered(
    kernel: &dyn AnyKernel,
    reflection: &Reflection,
    case: Case<Vec<u8>>,
    seed: u64,
    alter: impl Fn(&str, &mut [u32]),
) -> Result<Prepared> {
    let (fields, _) = kernel.fields();
    let values: Vec<_> =
        fields.iter().filter_map(|f| word(&fields, &case.params, &f.name).map(|v| (&f.name, v))).collect();
    let shape = values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    let mut random = Random::new(seed, stream::CASES);
    let (mut words, mut lengths) = (Vec::new(), Vec::new());
    for binding in &reflection.bindings {
        let length = binding.shape(|name| word(&fields, &case.params, name))?.words(binding.dtype)?;
        let mut data = match binding.access {
            Access::Write => vec![POISON; length],
            _ => {
                let filled = kernel.fill(&case, &binding.name, length, &mut random);
                let default = || default_words(binding.dtype, case.inputs, length, &mut random);
                let mut words = filled.unwrap_or_else(default);
                alter(&binding.name, &mut words);
                words
            }
        };
        let tail = match (binding.access, binding.dtype) {
            (Access::Read, DType::F32) => 1e30f32.to_bits(),
            (Access::Read, _) if seed % 2 == 1 => 0, // a label or an index that a kernel would believe
            _ => CANARY,
        };
        data.resize(length + TAIL, tail);
        words.push(data);
        lengths.push(length);
    }
    let before: Vec<Array<f64>> = arrays(reflection, &words, &lengths);
    let mut after = before.clone();
    run_twin(kernel, reflection, &case.params, &mut after);
    let named = |arrays: Vec<Array<f64>>| reflection.bindings.iter().map(|b| b.name.clone()).zip(arrays).collect();
    let values = Values { before: named(before), after: named(after) };
    let name = format!("{} {shape} {:?} inputs, seed {seed}", kernel.name(), case.inputs);
    Ok(Prepared { case, words, lengths, values, name })
}

/// Compares what a kernel left in its bindings with the twin's values, by the kernel's tolerance.
///
/// # Errors
/// Names the kernel, its parameters and the seed, the first wrong element, what was expected and found, and the bound.
pub fn compare(
    kernel: &dyn AnyKernel,
    reflection: &Reflection,
    prepared: &Prepared,
    after: &[Vec<u32>],
) -> Result<Worst> {
    let mut worst = Worst { cases: 1, ..Worst::default() };
    for (index, binding) in reflection.bindings.iter().enumerate() {
        let (before, after, length) = (&prepared.words[index], &after[index], prepared.lengths[index]);
        let wrong = |what: String| Err(wrong(prepared, binding, what));
        // Nothing but the elements of outputs may change.
        let fixed = if binding.access == Access::Read { 0 } else { length };
        if let Some(i) = (fixed..before.len()).find(|&i| before[i] != after[i]) {
            return wrong(format!("word {i} of {length} was overwritten with {:#010x}", after[i]));
        }
        if binding.access == Access::Read {
            continue;
        }
        match &prepared.values.after[&binding.name] {
            Array::Word(expected) => {
                if let Some(i) = (0..length).find(|&i| after[i] != expected[i]) {
                    return wrong(format!("element {i} is {}, expected {}", after[i], expected[i]));
                }
            }
            Array::Real(expected) => {
                let tolerance = kernel.tolerance(&prepared.case, &binding.name, &prepared.values);
                for i in 0..length {
                    if binding.access == Access::Write && after[i] == POISON {
                        return wrong(format!("element {i} of {length} was never written"));
                    }
                    let found = f64::from(f32::from_bits(after[i]));
                    let difference = (found - expected[i]).abs();
                    let agree = difference <= tolerance.hard[i] || (expected[i].is_nan() && found.is_nan());
                    if !agree {
                        let (expected, bound) = (expected[i], tolerance.hard[i]);
                        return wrong(format!("element {i} is {found:e}, expected {expected:e} +- {bound:e}"));
                    }
                    if !difference.is_nan() {
                        worst.hard = worst.hard.max(difference / tolerance.hard[i]);
                        worst.soft = worst.soft.max(tolerance.soft.as_ref().map_or(0.0, |soft| difference / soft[i]));
                    }
                }
            }
        }
    }
    Ok(worst)
}

fn wrong(prepared: &Prepared, binding: &Binding, what: String) -> Error {
    Error::new(
        Kind::Numeric,
        format!("{}: `{}`: {what}", prepared.name, binding.name),
        "the shader or the driver computes wrongly: update the driver, or report this line",
    )
}

/// Runs one case of a compiled kernel on the device and compares it.
pub async fn check(
    gpu: &Arc<Gpu>,
    pipeline: &Pipeline,
    kernel: &dyn AnyKernel,
    variant: &Variant,
    prepared: &Prepared,
) -> Result<Worst> {
    let params = &prepared.case.params;
    let run = Run { params, groups: kernel.groups(params, variant), arrays: &prepared.words };
    let after = pipeline.run(gpu, run).await?;
    compare(kernel, &pipeline.reflection, prepared, &after)
}

/// Runs all cases of a kernel that one of its variants accepts.
pub async fn check_variant(
    gpu: &Arc<Gpu>,
    kernel: &dyn AnyKernel,
    variant: &Variant,
    checks: Checks,
    effort: Effort,
) -> Result<Worst> {
    let pipeline = Pipeline::new(gpu, kernel, variant, checks).await?;
    let mut worst = Worst::default();
    for (seed, case) in kernel.cases(effort).into_iter().enumerate() {
        if kernel.accepts(&case.params, variant) {
            let prepared = prepare(kernel, &pipeline.reflection, case, seed as u64)?;
            worst.include(check(gpu, &pipeline, kernel, variant, &prepared).await?);
        }
    }
    Ok(worst)
}

/// Holds the f32 twin, with which a machine without a GPU trains, to the f64 twin by the same tolerances.
pub fn check_f32_twin(kernel: &dyn AnyKernel, reflection: &Reflection, prepared: &Prepared) -> Result<Worst> {
    let mut arrays: Vec<Array<f32>> = arrays(reflection, &prepared.words, &prepared.lengths);
    run_twin(kernel, reflection, &prepared.case.params, &mut arrays);
    let mut after = prepared.words.clone();
    for ((after, array), binding) in after.iter_mut().zip(arrays).zip(&reflection.bindings) {
        let words: Vec<u32> = match array {
            Array::Real(data) => data.iter().map(|x| x.to_bits()).collect(),
            Array::Word(data) => data,
        };
        if binding.access != Access::Read {
            after[..words.len()].copy_from_slice(&words);
        }
    }
    compare(kernel, reflection, prepared, &after)
}

fn default_words(dtype: DType, inputs: Inputs, count: usize, random: &mut Random) -> Vec<u32> {
    let mut word = || match (dtype, inputs) {
        (DType::F32, Inputs::Integers) => (random.below(7) as f32 - 3.0).to_bits(),
        (DType::F32, _) => (random.normal() as f32).to_bits(),
        (DType::U32 | DType::U8, _) => random.bits(),
    };
    (0..count).map(|_| word()).collect()
}

fn arrays<T: Real>(reflection: &Reflection, words: &[Vec<u32>], lengths: &[usize]) -> Vec<Array<T>> {
    let number = |word: &u32| T::of(f32::from_bits(*word).into());
    let array = |((binding, words), length): ((&Binding, &Vec<u32>), &usize)| match binding.dtype {
        DType::F32 => Array::Real(words[..*length].iter().map(number).collect()),
        DType::U32 | DType::U8 => Array::Word(words[..*length].to_vec()),
    };
    reflection.bindings.iter().zip(words).zip(lengths).map(array).collect()
}

fn run_twin<T: Real>(kernel: &dyn AnyKernel, reflection: &Reflection, params: &[u8], arrays: &mut [Array<T>]) {
    let mut views = Vec::new();
    for (binding, array) in reflection.bindings.iter().zip(arrays) {
        let view = match (array, binding.access) {
            (Array::Real(data), Access::Read) => View::Real(data),
            (Array::Real(data), _) => View::RealMut(data),
            (Array::Word(data), Access::Read) => View::Word(data),
            (Array::Word(data), _) => View::WordMut(data),
        };
        views.push((binding.name.as_str(), view));
    }
    T::run_twin(kernel, params, &mut Args::new(views));
}
