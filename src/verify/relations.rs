//! Metamorphic tests: outputs for transformed inputs are compared bit by bit with the original outputs, according to
//! the [`Relation`]s that the op declares. They need no oracle, and find errors within its tolerance.

use super::case::Prepared;
use crate::error::Result;
use crate::gpu::{Gpu, Pipeline, Run};
use crate::kernel::{AnyKernel, Case, Inputs, Relation, Variant, word};
use crate::random::{Random, stream};
use crate::shader::{Access, Binding, Reflection};
use crate::shape::{DType, Shape};
use std::sync::Arc;

/// A power of two, so scaling is exact.
const FACTOR: f32 = 32.0;

/// Added to values that are multiples of [`GRAIN`], so their sums are exact.
const SHIFT: f32 = 5.0;

/// Values up to some thousands are rounded to multiples of this.
const GRAIN: f32 = 1.0 / 256.0;

/// Words of each binding.
type Words = Vec<Vec<u32>>;

/// Inputs and a transformation of them.
struct Change {
    what: String,
    /// Index of the run to compare with.
    before: usize,
    after: Case<Vec<u8>>,
    words: Words,
    expected: Expected,
}

/// Expected change of the outputs.
enum Expected {
    /// The entries with these indices along a field's dimension, in this order.
    Selected(&'static str, Vec<usize>),
    /// These are scaled by [`FACTOR`]; the others are unchanged.
    Scaled(&'static [&'static str]),
    /// Nothing changes.
    Same,
}

/// Checks a compiled kernel's relations on the inputs of a case. Returns the number of changes tried, or the first
/// error.
///
/// # Errors
/// If the device fails.
pub async fn check_relations(
    gpu: &Arc<Gpu>,
    pipeline: &Pipeline,
    kernel: &dyn AnyKernel,
    variant: &Variant,
    prepared: &Prepared,
) -> Result<Result<usize, String>> {
    // Extreme inputs overflow or yield NaN: bitwise comparison is meaningless.
    if prepared.case.inputs == Inputs::Extreme {
        return Ok(Ok(0));
    }
    let (bases, changes) = Changes::of(kernel, &pipeline.reflection, variant, prepared)?;
    if changes.is_empty() {
        return Ok(Ok(0));
    }
    let case = &prepared.case;
    let before = bases.iter().map(|words| (case, words));
    let inputs: Vec<_> = before.chain(changes.iter().map(|change| (&change.after, &change.words))).collect();
    let runs: Vec<_> = inputs
        .iter()
        .map(|(case, words)| Run {
            params: &case.params,
            groups: kernel.groups(&case.params, variant),
            arrays: words.as_slice(),
        })
        .collect();
    let made = pipeline.run_all(gpu, &runs).await?;
    let (before, after) = made.split_at(bases.len());
    for (change, after) in changes.iter().zip(after) {
        if let Some(wrong) = change.first_wrong(kernel, &pipeline.reflection, case, &before[change.before], after)? {
            return Ok(Err(format!("{}: {wrong}", change.what)));
        }
    }
    Ok(Ok(changes.len()))
}

/// Changes under construction.
struct Changes<'a> {
    kernel: &'a dyn AnyKernel,
    reflection: &'a Reflection,
    variant: &'a Variant,
    prepared: &'a Prepared,
    /// Inputs that changes start from: the case's, then derived ones.
    bases: Vec<Words>,
    changes: Vec<Change>,
}

impl<'a> Changes<'a> {
    /// All base inputs and changes.
    fn of(
        kernel: &'a dyn AnyKernel,
        reflection: &'a Reflection,
        variant: &'a Variant,
        prepared: &'a Prepared,
    ) -> Result<(Vec<Words>, Vec<Change>)> {
        let bases = vec![prepared.words.clone()];
        let mut made = Self { kernel, reflection, variant, prepared, bases, changes: Vec::new() };
        for relation in kernel.relations() {
            match relation {
                Relation::Apart(field) => made.select(field)?,
                Relation::Proportional { of, outputs } => {
                    let grow = |x: f32| x * FACTOR;
                    let words = made.with_numbers(0, of, grow);
                    made.push(format!("{of:?} times {FACTOR}"), 0, words, Expected::Scaled(outputs));
                }
                Relation::Shifted(binding) => {
                    let grained = made.with_numbers(0, &[binding], |x| (x / GRAIN).round() * GRAIN);
                    made.bases.push(grained);
                    let base = made.bases.len() - 1;
                    let words = made.with_numbers(base, &[binding], |x| x + SHIFT);
                    made.push(format!("`{binding}` plus {SHIFT}"), base, words, Expected::Same);
                }
            }
        }
        Ok((made.bases, made.changes))
    }

    /// All entries along `field` in another order, and the first half of them.
    fn select(&mut self, field: &'static str) -> Result<()> {
        let (fields, _) = self.kernel.fields();
        let params = &self.prepared.case.params;
        let count = word(&fields, params, field).unwrap_or(0) as usize;
        if count < 2 {
            return Ok(());
        }
        let mut permuted: Vec<usize> = (0..count).collect();
        let mut random = Random::new(count as u64, stream::CASES);
        (1..count).rev().for_each(|i| permuted.swap(i, random.below(i as u32 + 1) as usize));
        // Stay divisible by four if vectorized.
        let half = if count.is_multiple_of(4) { count / 8 * 4 } else { count / 2 };
        let orders = [("permuted", permuted), ("first half", (0..half).collect())];
        for (what, order) in orders.into_iter().filter(|(_, order)| !order.is_empty()) {
            let mut after = self.prepared.case.clone();
            if let Some(place) = fields.iter().find(|f| f.name == field).map(|f| f.offset) {
                after.params[place..place + 4].copy_from_slice(&(order.len() as u32).to_le_bytes());
            }
            if !self.kernel.accepts(&after.params, self.variant) {
                continue;
            }
            let mut words = Vec::new();
            for ((binding, words_before), length) in
                self.reflection.bindings.iter().zip(&self.prepared.words).zip(&self.prepared.lengths)
            {
                let (elements, tail) = words_before.split_at(*length);
                let shape = binding.ty(|name| word(&fields, params, name))?.shape;
                let mut selected = selected(binding, &shape, field, &order, elements)?;
                selected.extend_from_slice(tail);
                words.push(selected);
            }
            let expected = Expected::Selected(field, order);
            self.changes.push(Change { what: format!("{field} {what}"), before: 0, after, words, expected });
        }
        Ok(())
    }

    /// The words of a base, with `change` applied to the floats of these bindings.
    fn with_numbers(&self, base: usize, names: &[&str], change: impl Fn(f32) -> f32) -> Words {
        let mut words = self.bases[base].clone();
        for ((binding, words), length) in self.reflection.bindings.iter().zip(&mut words).zip(&self.prepared.lengths) {
            if names.contains(&binding.name.as_str()) {
                words[..*length].iter_mut().for_each(|word| *word = change(f32::from_bits(*word)).to_bits());
            }
        }
        words
    }

    fn push(&mut self, what: String, before: usize, words: Words, expected: Expected) {
        self.changes.push(Change { what, before, after: self.prepared.case.clone(), words, expected });
    }
}

impl Change {
    /// The first output element that violates the expected relation to run `before`.
    fn first_wrong(
        &self,
        kernel: &dyn AnyKernel,
        reflection: &Reflection,
        case: &Case<Vec<u8>>,
        before: &[Vec<u32>],
        after: &[Vec<u32>],
    ) -> Result<Option<String>> {
        let (fields, _) = kernel.fields();
        for ((binding, before), after) in reflection.bindings.iter().zip(before).zip(after) {
            if binding.access == Access::Read {
                continue;
            }
            let shape = binding.ty(|name| word(&fields, &case.params, name))?.shape;
            let before = &before[..shape.words(binding.dtype)?];
            let expected: Vec<u32> = match &self.expected {
                Expected::Selected(field, order) => selected(binding, &shape, field, order, before)?,
                Expected::Scaled(outputs) if outputs.contains(&binding.name.as_str()) => {
                    before.iter().map(|word| (f32::from_bits(*word) * FACTOR).to_bits()).collect()
                }
                Expected::Scaled(_) | Expected::Same => before.to_vec(),
            };
            let equal = |(expected, found): (&u32, &u32)| match binding.dtype {
                DType::F32 => same_number(*expected, *found),
                DType::U32 | DType::U8 => expected == found,
            };
            if let Some(i) = expected.iter().zip(after).position(|pair| !equal(pair)) {
                let shown = |word: u32| match binding.dtype {
                    DType::F32 => format!("{:e}", f32::from_bits(word)),
                    DType::U32 | DType::U8 => word.to_string(),
                };
                let [found, expected] = [after[i], expected[i]].map(shown);
                return Ok(Some(format!("`{}`: element {i} is {found}, expected {expected}", binding.name)));
            }
        }
        Ok(None)
    }
}

/// Bitwise equality, except for the sign of zero and flushed subnormals.
fn same_number(expected: u32, found: u32) -> bool {
    let tiny = |word: u32| f32::from_bits(word).abs() < f32::MIN_POSITIVE * FACTOR;
    expected == found || (tiny(expected) && tiny(found))
}

/// The words of a binding with the entries `order` along `field`, in that order.
fn selected(binding: &Binding, shape: &Shape, field: &str, order: &[usize], words: &[u32]) -> Result<Vec<u32>> {
    let Some(axis) = binding.extents.iter().position(|extent| extent == field) else {
        return Ok(words.to_vec());
    };
    let inner = Shape::new(&shape.extents()[axis + 1..]).words(binding.dtype)?;
    let count = shape.extents()[axis];
    let outer = words.chunks_exact(count * inner);
    Ok(outer.flat_map(|block| order.iter().flat_map(|&i| &block[i * inner..][..inner])).copied().collect())
}
