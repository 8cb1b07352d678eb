//! What an adapter can do, as far as kernels and plans care.

use crate::shader::Reflection;
use std::collections::BTreeMap;

/// Capabilities and limits by which variants are chosen and plans are checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Caps {
    /// The driver runs shaders on the CPU, where barriers and workgroup memory cost more than they save.
    pub cpu: bool,
    /// Subgroup operations work, and every subgroup has this many invocations.
    pub subgroup_size: Option<u32>,
    /// Major version of Mesa, where the driver is one of its. What pays on the software driver depends on it.
    pub mesa: Option<u32>,
    /// Shaders may compute in half precision.
    pub f16: bool,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Most workgroups in one dimension of a dispatch.
    pub max_groups: u32,
    /// Bytes of memory that the invocations of a workgroup can share.
    pub workgroup_bytes: u32,
    /// Most invocations of a workgroup.
    pub invocations: u32,
    /// Most storage bindings of a kernel.
    pub storage_buffers: u32,
    /// Bytes to which the offset of a storage binding must be aligned.
    pub offset_alignment: u32,
    /// Variants that computed wrongly here, as names of kernel and variant. They are chosen only where nothing else is
    /// left.
    pub distrusted: Vec<(&'static str, String)>,
    /// The variant to take for a kernel with certain parameters, where one was found to be the fastest here.
    pub preferred: BTreeMap<(&'static str, Vec<u8>), String>,
}

impl Caps {
    /// What every adapter of the WebGPU standard has.
    pub fn portable() -> Self {
        Self {
            cpu: false,
            subgroup_size: None,
            mesa: None,
            f16: false,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            max_groups: 65_535,
            workgroup_bytes: 16 << 10,
            invocations: 256,
            storage_buffers: 8,
            offset_alignment: 256,
            distrusted: Vec::new(),
            preferred: BTreeMap::new(),
        }
    }

    /// Portable kernels, on buffers of any size: what twins run by.
    pub fn host() -> Self {
        Self { max_binding_bytes: u64::MAX, max_buffer_bytes: u64::MAX, ..Self::portable() }
    }

    /// The most words that one binding may have. Byte offsets in a shader are 32 bits wide and wrap: no binding may reach
    /// 4 GiB, whatever the adapter says.
    pub fn most_bound_words(&self) -> u64 {
        self.max_binding_bytes.min(u64::from(u32::MAX)) / 4
    }

    /// What a kernel with this reflection needs that the adapter does not have: the resource, how much is needed, and how
    /// much there is.
    pub fn lacks(&self, reflection: &Reflection) -> Option<(&'static str, u64, u64)> {
        let needs = [
            ("bytes of workgroup memory", reflection.workgroup_memory, self.workgroup_bytes),
            ("invocations in a workgroup", reflection.workgroup_size.iter().product(), self.invocations),
            ("storage buffers", reflection.bindings.len() as u32, self.storage_buffers),
            ("subgroup operations", reflection.subgroups.into(), self.subgroup_size.is_some().into()),
        ];
        let lacking = needs.into_iter().find(|(_, needed, had)| needed > had);
        lacking.map(|(what, needed, had)| (what, needed.into(), had.into()))
    }

    /// The same without limits of sizes: what plans for the CPU path may count on.
    pub fn unlimited() -> Self {
        Self { max_binding_bytes: u64::MAX, max_buffer_bytes: u64::MAX, ..Self::portable() }
    }

    /// Whether this variant of this kernel is not known to compute wrongly.
    pub fn trusts(&self, kernel: &str, variant: &str) -> bool {
        !self.distrusted.iter().any(|(name, other)| (*name, other.as_str()) == (kernel, variant))
    }

    /// Mesa's software driver, from version 26 on: it loads what lanes share once, and gathers the rest with the CPU's own
    /// instructions, of which few are under way at a time.
    pub fn is_recent_lavapipe(&self) -> bool {
        self.cpu && self.mesa.is_some_and(|version| version >= 26)
    }

    /// The most weights that products should update on their way out; any number, where there is none.
    ///
    /// Where the arenas leave the CPU's caches, an update on the way out of a product waits for each row of its tile, if
    /// the driver gathers: a weight of 784x1024 at batch 128 takes 8.4 ms on two cores of a Zen 4, and 3.3 and 2.0 in two
    /// dispatches; one of 784x128 0.72 ms, and 0.64 and 0.21.
    pub fn most_fused(&self) -> Option<usize> {
        self.is_recent_lavapipe().then_some(1 << 18)
    }

    /// Folds a number of workgroups into the x and y of a dispatch, or `None` where even two dimensions are too few.
    ///
    /// Kernels number their workgroup `group.y * groups.x + group.x`, and ignore numbers past their last tile.
    pub fn fold(&self, groups: u64) -> Option<[u32; 2]> {
        let most = u64::from(self.max_groups);
        let rows = groups.div_ceil(most).max(1);
        (rows <= most).then(|| [groups.div_ceil(rows) as u32, rows as u32])
    }

    /// Like [`Self::fold`], but into two rows even where one would do: a small dispatch then shows, just as one of more
    /// than 65,535 workgroups would, whether a kernel numbers its workgroups right.
    pub fn fold_always(&self, groups: u64) -> Option<[u32; 2]> {
        self.fold(groups).map(|[x, y]| if y == 1 && x > 1 { [x.div_ceil(2), 2] } else { [x, y] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_covers_every_group_within_the_limits() {
        let caps = Caps::portable();
        for groups in [0u64, 1, 65_535, 65_536, 65_537, 1 << 20, 65_535 * 65_535] {
            let [x, y] = caps.fold(groups).expect("fits two dimensions");
            assert!(u64::from(x) * u64::from(y) >= groups, "{groups} into {x} x {y}");
            assert!(x <= caps.max_groups && y <= caps.max_groups);
            let [x, y] = caps.fold_always(groups).expect("fits two dimensions");
            assert!(u64::from(x) * u64::from(y) >= groups && (y > 1 || groups <= 1), "{groups} into {x} x {y}");
            assert!(x <= caps.max_groups && y <= caps.max_groups);
        }
        assert_eq!(caps.fold(65_535 * 65_535 + 1), None);
    }
}
