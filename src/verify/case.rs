//! Test cases: inputs, and the twin's values for them.

use crate::error::Result;
use crate::kernel::{AnyKernel, Args, Array, Case, Inputs, Real, Tolerance, Values, View, word};
use crate::random::{Random, stream};
use crate::shader::{Access, Binding, Reflection};
use crate::shape::DType;

/// Initial contents of outputs: a NaN that no arithmetic produces.
pub const POISON: u32 = 0x7fc0_dead;
/// Contents of the padding behind outputs.
pub const CANARY: u32 = 0xcafe_f00d;
/// Padding words behind every binding.
pub const TAIL: usize = 64;

/// A case with its input words, ready to run on any executor.
pub struct Prepared {
    /// Parameters and kind of input.
    pub case: Case<Vec<u8>>,
    /// Index among the kernel's cases.
    pub index: usize,
    /// Words of each binding, padding included, in the order of [`Reflection::bindings`].
    pub words: Vec<Vec<u32>>,
    /// Words of each binding without padding.
    pub lengths: Vec<usize>,
    /// Inputs and outputs of the f64 twin.
    pub values: Values,
    /// Tolerance of each float output; empty for inputs and for integer outputs, which must be equal.
    pub tolerances: Vec<Tolerance>,
}

/// Fills the bindings of case `index` from `seed`, and runs the f64 twin on them.
///
/// # Errors
/// If an extent of a binding is not a parameter.
pub fn prepare(
    kernel: &dyn AnyKernel,
    reflection: &Reflection,
    case: Case<Vec<u8>>,
    seed: u64,
    index: usize,
) -> Result<Prepared> {
    prepare_altered(kernel, reflection, case, seed, index, |_, _| ())
}

/// [`prepare`], with `alter` called first on the name and words of each binding that the kernel reads.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_altered(
    kernel: &dyn AnyKernel,
    reflection: &Reflection,
    case: Case<Vec<u8>>,
    seed: u64,
    index: usize,
    alter: impl Fn(&str, &mut [u32]),
) -> Result<Prepared> {
    let (fields, _) = kernel.fields();
    let mut random = Random::new(seed, stream::CASES.wrapping_add(index as u32));
    let (mut words, mut lengths) = (Vec::new(), Vec::new());
    for binding in &reflection.bindings {
        let length = binding.ty(|name| word(&fields, &case.params, name))?.words()?;
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
            (Access::Read, _) if index % 2 == 1 => 0, // a plausible label or index
            _ => CANARY,
        };
        data.resize(length + TAIL, tail);
        words.push(data);
        lengths.push(length);
    }
    let (values, tolerances) = expected(kernel, reflection, &case, &words, &lengths);
    Ok(Prepared { case, index, words, lengths, values, tolerances })
}

/// A case with these words and no padding; write-only bindings hold arbitrary values.
pub(super) fn given(kernel: &dyn AnyKernel, reflection: &Reflection, params: &[u8], words: Vec<Vec<u32>>) -> Prepared {
    let case = Case::new(params.to_vec(), Inputs::Random);
    let lengths: Vec<usize> = words.iter().map(Vec::len).collect();
    let (values, tolerances) = expected(kernel, reflection, &case, &words, &lengths);
    Prepared { case, index: 0, words, lengths, values, tolerances }
}

/// The f64 twin's values for these words, and the tolerance of each output.
fn expected(
    kernel: &dyn AnyKernel,
    reflection: &Reflection,
    case: &Case<Vec<u8>>,
    words: &[Vec<u32>],
    lengths: &[usize],
) -> (Values, Vec<Tolerance>) {
    let before: Vec<Array<f64>> = arrays(reflection, words, lengths);
    let mut after = before.clone();
    run_twin(kernel, reflection, &case.params, &mut after);
    let named = |arrays: Vec<Array<f64>>| reflection.bindings.iter().map(|b| b.name.clone()).zip(arrays).collect();
    let values = Values { before: named(before), after: named(after) };
    let tolerance = |binding: &Binding| match (binding.access, binding.dtype) {
        (Access::Write | Access::ReadWrite, DType::F32) => kernel.tolerance(case, &binding.name, &values),
        _ => Tolerance::exact(0),
    };
    let tolerances = reflection.bindings.iter().map(tolerance).collect();
    (values, tolerances)
}

/// A case's parameters, formatted as `m=3 k=4 n=5`.
pub fn shape(kernel: &dyn AnyKernel, params: &[u8]) -> String {
    let (fields, _) = kernel.fields();
    let value = |name| word(&fields, params, name).map(|value| format!("{name}={value}"));
    fields.iter().filter_map(|field| value(&field.name)).collect::<Vec<_>>().join(" ")
}

/// Bindings after a run of the f32 twin, the CPU training path.
pub(super) fn f32_twin(kernel: &dyn AnyKernel, reflection: &Reflection, prepared: &Prepared) -> Vec<Vec<u32>> {
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
    after
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
