//! Combines the results of [`crate::ops::check::non_finite::NonFiniteKernel`] for an array, and records them with the step
//! unless an earlier one is recorded: the second stage of a scan.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, edge_sizes,
};
use crate::ops::check::non_finite::{NONE, PLACES};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, LINEAR, counter};
use crate::random::Random;

crate::params! {
    /// Parameters of [`NonFiniteRecordKernel`].
    pub struct NonFiniteRecordParams {
        /// Parts of the array.
        pub parts: u32,
        /// The array's row of the record.
        pub row: u32,
        /// Rows of the record, one per array.
        pub rows: u32,
    }
}

/// Indices into a row of the record.
pub mod entry {
    crate::shared! {
        /// WGSL declarations of these.
        pub(super) WGSL:
        /// Number of non-finite elements; 0 if every scan found all finite.
        pub COUNT: usize = 0;
        /// Index of the first of them.
        pub FIRST: usize = 1;
        /// Steps started by then.
        pub STEPS_BEGUN: usize = 2;
        /// Words per row.
        pub WORDS: usize = 3;
    }
}

/// Records where and when non-finite numbers were first found.
#[derive(Debug)]
pub struct NonFiniteRecordKernel;

impl Kernel for NonFiniteRecordKernel {
    type Params = NonFiniteRecordParams;

    fn name(&self) -> &'static str {
        "non_finite_record"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[
            LINEAR,
            COUNTERS,
            PLACES,
            entry::WGSL,
            include_str!("../../../shaders/non_finite_record.wgsl"),
        ])]
    }

    fn groups(&self, _params: &NonFiniteRecordParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, _params: &NonFiniteRecordParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &NonFiniteRecordParams, args: &mut Args<'_, T>) {
        let (found, counters, record) = (args.word("found"), args.word("counters"), args.word_mut("record"));
        let first = found.chunks_exact(2).map(|part| part[0]).min().unwrap_or(NONE);
        let count = found.chunks_exact(2).map(|part| part[1]).sum();
        let row = &mut record[entry::WORDS * params.row as usize..][..entry::WORDS];
        if count > 0 && row[entry::COUNT] == 0 {
            row[entry::COUNT] = count;
            row[entry::FIRST] = first;
            row[entry::STEPS_BEGUN] = counters[counter::STEP];
        }
    }

    /// Exact: words are equal or not.
    fn tolerance(&self, _case: &Case<NonFiniteRecordParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(0)
    }

    fn cases(&self, _effort: Effort) -> Vec<Case<NonFiniteRecordParams>> {
        let case = |(i, parts): (usize, u32)| {
            let rows = 1 + i as u32 % 4;
            Case::new(NonFiniteRecordParams { parts, row: (i as u32 * 7) % rows, rows }, Inputs::Random)
        };
        let sizes = edge_sizes().into_iter().chain([255, 256, 257, 511, 5000, 16_383, 16_384]);
        sizes.enumerate().map(case).collect()
    }

    /// If parts is a multiple of 5, the row is already taken; of 7, nothing is found; else there is something to
    /// record.
    fn fill(
        &self,
        case: &Case<NonFiniteRecordParams>,
        binding: &str,
        n: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        let NonFiniteRecordParams { parts, row, .. } = case.params;
        match binding {
            "counters" => Some(vec![1 + random.below(1000), 3, 128, 64]),
            "record" => {
                let mut record: Vec<u32> = (0..n).map(|_| 1 + random.below(1000)).collect();
                if !parts.is_multiple_of(5) {
                    record[entry::WORDS * row as usize..][..entry::WORDS].fill(0);
                }
                Some(record)
            }
            _ => {
                let sound = parts.is_multiple_of(7);
                let certain = random.below(parts);
                let part = |part: u32| match part == certain || random.below(20) == 0 {
                    true if !sound => [part + parts * random.below(50), 1 + random.below(3)],
                    _ => [NONE, 0],
                };
                Some((0..parts).flat_map(part).collect())
            }
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("counts, which are compared exactly")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "min(first, found[2u * part])", to: "found[2u * part]" },
            ShaderFault { from: "part < params.parts", to: "part + 1u < params.parts" },
            ShaderFault { from: "half > 0u", to: "half > 1u" },
            ShaderFault { from: " && record[place + COUNT] == 0u", to: "" },
            ShaderFault { from: "counts[0] > 0u && ", to: "" },
            ShaderFault { from: "WORDS * params.row", to: "0u" },
            ShaderFault { from: "counters[STEP]", to: "counters[EPOCH]" },
        ]
    }
}

impl Registered for NonFiniteRecordKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("detects non-finite numbers")
    }
}
