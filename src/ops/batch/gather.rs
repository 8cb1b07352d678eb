//! The next batch: rows of the data set in this epoch's order, with bytes scaled to \[0, 1] and normalized.
//!
//! input = (byte / 255 - mean) reciprocal, with `normalization` = \[mean, 1 / standard deviation]; \[0, 1] is the
//! identity, to the bit. [`crate::ops::batch::normalization`] computes it from the data.
//!
//! Row i of the step at position p of epoch e is sample permute(seed, e, p + i) of the set: no index list exists.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, operations, ulp,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{
    COUNTERS, IGNORE_INDEX, LABELS, RANDOM, STREAMS, bits, counter, each_row, roundings, some_counters,
};
use crate::random::{Random, permute};

crate::params! {
    /// Parameters of [`GatherKernel`].
    pub struct GatherParams {
        /// Items in the data set.
        pub samples: u32,
        /// Elements of an item.
        pub features: u32,
        /// Batch size.
        pub batch: u32,
        /// 1 to permute each epoch, 0 to use the data in order.
        pub shuffle: u32,
        /// Low word of the seed of the permutations.
        pub seed_low: u32,
        /// High word of the seed.
        pub seed_high: u32,
    }
}

/// Gathers and normalizes a batch.
#[derive(Debug)]
pub struct GatherKernel;

/// Byte `index` of packed words.
pub(in crate::ops) fn byte(words: &[u32], index: usize) -> u32 {
    (words[index / 4] >> (8 * (index % 4))) & 0xff
}

/// The sample in `row` of the batch; `permuted` is the seed if epochs are permuted.
pub(in crate::ops) fn sample_of(samples: u32, permuted: Option<[u32; 2]>, counters: &[u32], row: usize) -> usize {
    let position = (counters[counter::POSITION] + row as u32).min(samples - 1);
    permuted.map_or(position, |seed| permute(seed, counters[counter::EPOCH], position, samples)) as usize
}

/// Normalization of test cases: \[0, 1] in half of them.
pub(in crate::ops) fn some_normalization(random: &mut Random) -> Vec<u32> {
    let measured = [random.uniform(), 1.0 + 10.0 * random.uniform()];
    let normalization = if random.below(2) == 0 { [0.0, 1.0] } else { measured };
    bits(normalization.into_iter())
}

/// Normalization of the inputs, for error bounds.
pub(in crate::ops) struct Normalized {
    mean: f64,
    reciprocal: f64,
}

impl Normalized {
    pub(in crate::ops) fn of(values: &Values) -> Self {
        let normalization = values.before("normalization");
        Self { mean: normalization[0], reciprocal: normalization[1] }
    }

    /// The value before normalization.
    pub(in crate::ops) fn before(&self, input: f64) -> f64 {
        input / self.reciprocal + self.mean
    }

    /// The error of `input` if the value before normalization has error `off`. Difference and product are rounded, but
    /// for \[0, 1] both are exact.
    pub(in crate::ops) fn bound(&self, input: f64, off: f64) -> f64 {
        let own = if (self.mean, self.reciprocal) == (0.0, 1.0) { 0.0 } else { roundings(2) };
        let off = self.reciprocal * off;
        (off + own * (input.abs() + off)).max(f64::from(f32::MIN_POSITIVE))
    }
}

/// WGSL that gathers a row for given counters.
pub(in crate::ops) const GATHER_ROW: &str = include_str!("../../../shaders/lib/gather_row.wgsl");

/// The batch of a step with these counters.
pub(in crate::ops) fn gather_rows<T: Real>(params: &GatherParams, counters: &[u32], args: &mut Args<'_, T>) {
    let (items, classes, normalization) = (args.word("items"), args.word("classes"), args.real("normalization"));
    let (inputs, labels) = (args.real_mut("inputs"), args.word_mut("labels"));
    let features = params.features as usize;
    let used = |row: usize| row < counters[counter::ROWS] as usize;
    let permuted = (params.shuffle != 0).then_some([params.seed_low, params.seed_high]);
    let sample = |row: usize| sample_of(params.samples, permuted, counters, row);
    for (row, label) in labels.iter_mut().enumerate() {
        *label = if used(row) { byte(classes, sample(row)) } else { IGNORE_INDEX };
    }
    let words = features.div_ceil(4);
    let (scale, mean, reciprocal) = (T::of(1.0 / 255.0), normalization[0], normalization[1]);
    let number: [T; 256] = std::array::from_fn(|byte| (T::of(byte as f64) * scale - mean) * reciprocal);
    each_row(inputs, features, |row, inputs| {
        if !used(row) {
            return inputs.fill(T::zero());
        }
        let item = &items[sample(row) * words..][..words];
        for (inputs, word) in inputs.chunks_mut(4).zip(item) {
            for (input, byte) in inputs.iter_mut().zip(word.to_le_bytes()) {
                *input = number[usize::from(byte)];
            }
        }
    });
}

/// Tolerance of each element of `output` for these counters: the constant 1/255 and the product are rounded, then the
/// input is normalized.
pub(in crate::ops) fn input_bounds(
    params: &GatherParams,
    counters: &[u32],
    output: &str,
    values: &Values,
) -> Tolerance {
    let normalized = Normalized::of(values);
    let used = counters[counter::ROWS] as usize * params.features as usize;
    let bound = |(i, &input): (usize, &f64)| {
        let off = 2.0 * ulp(normalized.before(input));
        if i < used { normalized.bound(input, off) } else { f64::from(f32::MIN_POSITIVE) }
    };
    Tolerance { hard: values.after(output).iter().enumerate().map(bound).collect(), soft: None }
}

/// Batches with edge shapes and random ones.
pub(in crate::ops) fn some_batches(effort: Effort) -> Vec<Case<GatherParams>> {
    let mut random = effort.random();
    let shape =
        |random: &mut Random| [1 + random.below(300), 1 + random.below(900), 1 + random.below(140), random.below(2)];
    let mut shapes = vec![[1, 1, 1, 1], [2, 3, 5, 1], [129, 4, 64, 1], [300, 784, 128, 1], [64, 785, 33, 0]];
    let count = effort.count(25, 2000);
    shapes.extend((0..count).map(|_| shape(&mut random)));
    let case = |[samples, features, batch, shuffle]: [u32; 4]| {
        let [seed_low, seed_high] = [random.bits(), random.bits()];
        let params = GatherParams { samples, features, batch, shuffle, seed_low, seed_high };
        Case::new(params, Inputs::Random)
    };
    shapes.into_iter().map(case).collect()
}

impl Kernel for GatherKernel {
    type Params = GatherParams;

    fn name(&self) -> &'static str {
        "gather"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[
            COUNTERS,
            LABELS,
            STREAMS,
            RANDOM,
            GATHER_ROW,
            include_str!("../../../shaders/gather.wgsl"),
        ])]
    }

    fn groups(&self, params: &GatherParams, _variant: &Variant) -> u64 {
        params.batch.into()
    }

    fn flops(&self, params: &GatherParams) -> u64 {
        operations(3, [params.batch, params.features])
    }

    /// Reads a batch of bytes, writes a batch of floats; the rest of the data set is not touched.
    fn bytes(&self, params: &GatherParams, _bound: u64) -> u64 {
        operations(5 * u64::from(params.features) + 5, [params.batch])
    }

    fn twin<T: Real>(&self, params: &GatherParams, args: &mut Args<'_, T>) {
        let counters = args.word("counters");
        gather_rows(params, counters, args);
    }

    fn tolerance(&self, case: &Case<GatherParams>, output: &str, values: &Values) -> Tolerance {
        input_bounds(&case.params, values.words("counters"), output, values)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<GatherParams>> {
        some_batches(effort)
    }

    fn fill(&self, case: &Case<GatherParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        match binding {
            "counters" => Some(some_counters(case.params.samples, case.params.batch, random)),
            "normalization" => Some(some_normalization(random)),
            _ => None,
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("the row it gathers depends on counters and position")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "row < step[ROWS]", to: "row <= step[ROWS]" },
            ShaderFault { from: "round < 6u", to: "round < 5u" },
            ShaderFault { from: "- normalization[0]", to: "" },
            ShaderFault { from: "* normalization[1]", to: "" },
            ShaderFault { from: "select(0.0, input, used)", to: "input" },
        ]
    }
}

impl Registered for GatherKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("gathers bytes, which are not differentiable")
    }
}
