//! Adapter capabilities that matter to kernels and plans.

use crate::shader::Reflection;
use std::collections::BTreeMap;

/// Capabilities and limits used to choose variants and to check plans.
#[derive(Clone, Debug, PartialEq)]
pub struct Caps {
    /// The driver runs shaders on the CPU, where barriers and workgroup memory cost more than they save.
    pub cpu: bool,
    /// Subgroup operations are supported, and every subgroup has this many invocations.
    pub subgroup_size: Option<u32>,
    /// Mesa's major version, for Mesa drivers. It determines what is fast on the software driver.
    pub mesa: Option<u32>,
    /// Shaders can use f16.
    pub f16: bool,
    /// Maximum storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Maximum buffer size in bytes.
    pub max_buffer_bytes: u64,
    /// Maximum workgroups per dimension of a dispatch.
    pub max_groups: u32,
    /// Maximum workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Maximum invocations per workgroup.
    pub invocations: u32,
    /// Maximum storage bindings per kernel.
    pub storage_buffers: u32,
    /// Alignment of storage binding offsets in bytes.
    pub offset_alignment: u32,
    /// Variants that gave wrong results on this device, as kernel and variant names. They are chosen only if nothing
    /// else is left.
    pub distrusted: Vec<(&'static str, String)>,
    /// The fastest known variant for a kernel and parameters.
    pub preferred: BTreeMap<(&'static str, Vec<u8>), String>,
}

impl Caps {
    /// The limits guaranteed by the WebGPU standard.
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

    /// Maximum words per binding. Byte offsets in shaders are 32-bit and wrap: no binding may reach 4 GiB, whatever the
    /// adapter reports.
    pub fn most_bound_words(&self) -> u64 {
        self.max_binding_bytes.min(u64::from(u32::MAX)) / 4
    }

    /// The first resource a kernel with this reflection needs that the adapter lacks: its name, the amount needed, and
    /// the amount available.
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

    /// Portable kernels without size limits, for plans on the CPU path.
    pub fn unlimited() -> Self {
        Self { max_binding_bytes: u64::MAX, max_buffer_bytes: u64::MAX, ..Self::portable() }
    }

    /// Whether this variant is not known to give wrong results.
    pub fn trusts(&self, kernel: &str, variant: &str) -> bool {
        !self.distrusted.iter().any(|(name, other)| (*name, other.as_str()) == (kernel, variant))
    }

    /// Mesa's software driver, version 26 and later: it loads uniform values once, and gathers the rest with the CPU's
    /// own instructions, of which few can be in flight at a time.
    pub fn is_recent_lavapipe(&self) -> bool {
        self.cpu && self.mesa.is_some_and(|version| version >= 26)
    }

    /// Maximum number of weights that a product's epilogue should update; `None` for no limit.
    ///
    /// If the arenas exceed the CPU's caches and the driver gathers, a fused update waits for each row of its tile: a
    /// weight of 784x1024 at batch 128 takes 8.4 ms on two cores of a Zen 4, but 3.3 and 2.0 in two dispatches; one of
    /// 784x128 0.72 ms, and 0.64 and 0.21.
    pub fn most_fused(&self) -> Option<usize> {
        self.is_recent_lavapipe().then_some(1 << 18)
    }

    /// Folds a number of workgroups into x and y of a dispatch, or `None` if two dimensions are not enough.
    ///
    /// Kernels compute their workgroup index as `group.y * groups.x + group.x`, and ignore indices past their last
    /// tile.
    pub fn fold(&self, groups: u64) -> Option<[u32; 2]> {
        let most = u64::from(self.max_groups);
        let rows = groups.div_ceil(most).max(1);
        (rows <= most).then(|| [groups.div_ceil(rows) as u32, rows as u32])
    }

    /// Like [`Self::fold`], but always into two rows: then even a small dispatch tests, like one of more than 65,535
    /// workgroups, whether a kernel computes its workgroup index correctly.
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
