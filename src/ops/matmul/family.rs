//! The families of product kernels, and the choice for an adapter and shape.

use super::params::{MatmulParams, Operands};
use crate::kernel::{Caps, Constant, Variant};

/// A family with its blocking. Each is documented in `shaders/lib/matmul_FAMILY.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// CPU drivers with subgroups: lanes share A by shuffles.
    Subgroup { rows: u32, size: u32, recent: bool },
    /// CPU drivers without subgroups.
    Direct { rows: u32, lanes: u32 },
    /// GPUs: tiles in workgroup memory, blocks in registers.
    Tiled { rows: u32, columns: u32, depth: u32, bands: u32, quads: u32 },
    /// GPUs, for small outputs with long sums: the invocations of a workgroup split k.
    Split { threads: u32 },
    /// CPU drivers, for outputs with few columns: each lane owns whole rows.
    Skinny { lanes: u32, columns: u32 },
}

const TILED_128: Family = Family::Tiled { rows: 128, columns: 128, depth: 16, bands: 2, quads: 2 };
const TILED_64: Family = Family::Tiled { rows: 64, columns: 64, depth: 16, bands: 2, quads: 2 };
const TILED_32: Family = Family::Tiled { rows: 32, columns: 32, depth: 32, bands: 1, quads: 1 };
const SPLIT: Family = Family::Split { threads: 64 };
const DIRECT: Family = Family::Direct { rows: 8, lanes: 8 };
const SKINNY: Family = Family::Skinny { lanes: 8, columns: 12 };

/// Whether A, B and the output are accessed four floats at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vectors {
    a: bool,
    b: bool,
    out: bool,
}

impl Vectors {
    /// The maximum allowed by the stored rows: those whose length is a multiple of 4.
    pub(super) fn of(params: &MatmulParams, operands: Operands) -> Self {
        let a = if operands == Operands::TN { params.m } else { params.k };
        let b = if operands == Operands::NT { params.k } else { params.n };
        let whole = |length: u32| length.is_multiple_of(4);
        Self { a: whole(a), b: whole(b), out: whole(params.n) }
    }

    /// All combinations for these operands: B and the output share n except in NT, where A and B share k.
    pub(super) fn all(operands: Operands) -> [Self; 4] {
        [(true, true), (true, false), (false, true), (false, false)].map(|(first, second)| match operands {
            Operands::NN | Operands::TN => Self { a: first, b: second, out: second },
            Operands::NT => Self { a: first, b: first, out: second },
        })
    }

    /// Whether these accesses are a subset of `most`.
    pub(super) fn within(self, most: Self) -> bool {
        self.a <= most.a && self.b <= most.b && self.out <= most.out
    }

    /// The letters of those accessed as vectors, for variant names.
    pub(super) fn name(self) -> String {
        [(self.a, 'a'), (self.b, 'b'), (self.out, 'o')]
            .iter()
            .filter(|(has, _)| *has)
            .map(|(_, letter)| letter)
            .collect()
    }
}

impl Family {
    /// Every family and blocking available on an adapter.
    pub(super) fn all(caps: &Caps) -> Vec<Self> {
        let mut families = vec![TILED_128, TILED_64, TILED_32, SPLIT, DIRECT, SKINNY];
        if let Some(size) = caps.subgroup_size.filter(|size| [4, 8, 16, 32].contains(size)) {
            let recent = caps.is_recent_lavapipe();
            families.extend(subgroup_rows(size, caps).into_iter().map(|rows| Self::Subgroup { rows, size, recent }));
        }
        families.retain(|family| family.fits(caps));
        families
    }

    /// Whether its workgroups are within what an adapter allows.
    fn fits(self, caps: &Caps) -> bool {
        let (bytes, invocations) = match self {
            Self::Tiled { rows, columns, depth, bands, quads } => {
                (4 * (rows + columns) * depth, rows / (4 * bands) * (columns / (4 * quads)))
            }
            Self::Split { threads } => (80 * threads, threads),
            Self::Subgroup { .. } | Self::Direct { .. } | Self::Skinny { .. } => (0, 64),
        };
        bytes <= caps.workgroup_bytes && invocations <= caps.invocations
    }

    /// The family for a shape. Only the choice for CPU drivers is based on measurements.
    pub(super) fn choose(params: &MatmulParams, caps: &Caps) -> Self {
        let MatmulParams { m, k, n } = *params;
        match (caps.cpu, caps.subgroup_size) {
            // If one tile covers all columns, and there are tiles for several threads.
            (true, Some(8)) if caps.is_recent_lavapipe() && n <= 12 && m >= 128 => SKINNY,
            (true, Some(size @ (4 | 8))) => {
                // More rows reuse more of B, provided there is work for every thread.
                let rows = subgroup_rows(size, caps);
                let tiles = |rows: u32| m.div_ceil(rows).saturating_mul(n.div_ceil(4 * size));
                let roomy =
                    |rows: u32| n.is_multiple_of(4) && n >= rows && m >= rows && (rows <= 32 || tiles(rows) >= 32);
                let most = rows.iter().rev().find(|rows| roomy(**rows));
                Self::Subgroup { rows: *most.unwrap_or(&rows[0]), size, recent: caps.is_recent_lavapipe() }
            }
            (true, _) => DIRECT,
            _ => {
                let tiles = |size: u32| u64::from(m.div_ceil(size)) * u64::from(n.div_ceil(size));
                match () {
                    () if tiles(32) < 64 && k >= 256 => SPLIT,
                    () if tiles(128) >= 256 && TILED_128.fits(caps) => TILED_128,
                    () if tiles(64) >= 256 => TILED_64,
                    () => TILED_32,
                }
            }
        }
    }

    /// This family as a variant of a kernel with these operands; `others` are further parts of the source: parameters,
    /// epilogue and column sums.
    pub(super) fn variant(self, operands: Operands, others: &[&'static str], vectors: Vectors) -> Variant {
        let load = |vector: bool| Constant::Alias(if vector { "vec4<f32>" } else { "f32" });
        let mut constants = vec![
            ("TRANSPOSE_A", Constant::Bool(operands == Operands::TN)),
            ("TRANSPOSE_B", Constant::Bool(operands == Operands::NT)),
            ("VECTOR_A", Constant::Bool(vectors.a)),
            ("VECTOR_B", Constant::Bool(vectors.b)),
            ("LoadA", load(vectors.a)),
            ("LoadB", load(vectors.b)),
        ];
        constants.extend(self.constants());
        let pack = if vectors.out {
            include_str!("../../../shaders/lib/pack_vectors.wgsl")
        } else {
            include_str!("../../../shaders/lib/pack_numbers.wgsl")
        };
        let parts = [&[pack, include_str!("../../../shaders/matmul.wgsl")][..], others, &[self.source()]].concat();
        let [rows, columns] = self.tile();
        Variant::new(format!("{}-{rows}x{columns}-{}", self.name(), vectors.name()), &constants, &parts)
            .with_tile([rows, columns])
    }

    fn name(self) -> &'static str {
        match self {
            Self::Subgroup { .. } => "subgroup",
            Self::Direct { .. } => "direct",
            Self::Tiled { .. } => "tiled",
            Self::Split { .. } => "split",
            Self::Skinny { .. } => "skinny",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::Subgroup { .. } => include_str!("../../../shaders/lib/matmul_subgroup.wgsl"),
            Self::Direct { .. } => include_str!("../../../shaders/lib/matmul_direct.wgsl"),
            Self::Tiled { .. } => include_str!("../../../shaders/lib/matmul_tiled.wgsl"),
            Self::Split { .. } => include_str!("../../../shaders/lib/matmul_split.wgsl"),
            Self::Skinny { .. } => include_str!("../../../shaders/lib/matmul_skinny.wgsl"),
        }
    }

    fn constants(self) -> Vec<(&'static str, Constant)> {
        let numbers = match self {
            Self::Subgroup { rows, size, .. } => vec![("ROWS", rows), ("SUBGROUP_SIZE", size)],
            Self::Direct { rows, lanes } => vec![("ROWS", rows), ("LANES", lanes)],
            Self::Tiled { rows, columns, depth, bands, quads } => vec![
                ("TILE_ROWS", rows),
                ("TILE_COLUMNS", columns),
                ("TILE_DEPTH", depth),
                ("BANDS", bands),
                ("QUADS", quads),
            ],
            Self::Split { threads } => vec![("THREADS", threads)],
            Self::Skinny { lanes, columns } => vec![("LANES", lanes), ("COLUMNS", columns)],
        };
        let recent =
            if let Self::Subgroup { recent, .. } = self { Some(("RECENT", Constant::Bool(recent))) } else { None };
        numbers.into_iter().map(|(name, value)| (name, Constant::U32(value))).chain(recent).collect()
    }

    /// Rows and columns of the output per workgroup.
    fn tile(self) -> [u32; 2] {
        match self {
            Self::Subgroup { rows, size, .. } => [rows, 4 * size],
            Self::Direct { rows, lanes } => [rows, 4 * lanes],
            Self::Tiled { rows, columns, .. } => [rows, columns],
            Self::Split { .. } => [4, 4],
            Self::Skinny { lanes, columns } => [4 * lanes, columns],
        }
    }
}

/// Possible numbers of rows per lane, ascending: each a multiple of the subgroup size, at most eight times. On
/// Lavapipe, 64 runs at 0.6 times the speed of 32 in Mesa 25.0.7, and 1.2 times in 26.2.6.
fn subgroup_rows(size: u32, caps: &Caps) -> Vec<u32> {
    match size {
        8 if caps.is_recent_lavapipe() => vec![16, 32, 64],
        8 => vec![16, 32],
        4 => vec![16],
        _ => vec![size, 2 * size],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_suit_the_product_and_mesa() {
        let tile = |[m, k, n]: [u32; 3], mesa| {
            let caps = Caps { cpu: true, subgroup_size: Some(8), mesa, ..Caps::portable() };
            Family::choose(&MatmulParams { m, k, n }, &caps).tile()
        };
        for (shape, old, new) in [
            ([128, 784, 1024], [32, 32], [64, 32]),
            ([128, 1024, 10], [16, 32], [32, 12]),
            ([128, 1024, 13], [16, 32], [16, 32]),
            ([32, 1024, 10], [16, 32], [16, 32]),
            ([32, 784, 1024], [32, 32], [32, 32]),
            ([128, 784, 128], [32, 32], [32, 32]),
        ] {
            assert_eq!([None, Some(25), Some(26)].map(|mesa| tile(shape, mesa)), [old, old, new], "{shape:?}");
        }
    }
}
