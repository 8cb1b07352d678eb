//! Checks that the host has enough memory for a plan: on the CPU path, and for software drivers, which use host memory.

use super::Plan;
use crate::error::{Error, Kind, Result};
use crate::shape::DType;

/// Memory limits of this process's control group (container), versions 2 and 1.
const GROUP_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

impl Plan {
    /// Checks that the plan fits in host memory, with `real_bytes` bytes per f32 (8 for the oracle), plus the data the
    /// largest buffer is filled from. Buffers whose indices are `in_place` already exist. Always passes if the platform
    /// does not report its memory.
    ///
    /// Systems that overcommit kill a process that uses what they granted, so checking beforehand is the only way to
    /// fail with a message.
    ///
    /// # Errors
    /// Reports the bytes needed and available.
    pub fn fits_host(&self, real_bytes: usize, in_place: impl Fn(usize) -> bool) -> Result<()> {
        let buffers = self.memory.buffers().iter().enumerate().filter(|(index, _)| !in_place(*index));
        let sizes = buffers.map(|(_, buffer)| {
            let bytes = if buffer.dtype == DType::F32 { real_bytes } else { 4 };
            (buffer.words as u64).saturating_mul(bytes as u64)
        });
        let (total, largest) =
            sizes.fold((0u64, 0u64), |(total, largest), size| (total.saturating_add(size), largest.max(size)));
        let needed = total.saturating_add(largest);
        match available() {
            Some(had) if needed > had => Err(Error::new(
                Kind::Device,
                format!("the plan needs {needed} bytes of memory, this machine has {had} available"),
                "use a smaller model, batch or data set, or close other programs",
            )),
            _ => Ok(()),
        }
    }
}

/// Available memory in bytes, if reported (as on Linux).
fn available() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_in(&text));
    let groups = GROUP_LIMITS.iter().filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok());
    machine.into_iter().chain(groups).min()
}

/// The line `MemAvailable:  24209776 kB` of /proc/meminfo, in bytes.
fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Memory, Role};

    #[test]
    fn meminfo_is_read_where_it_is_as_expected() {
        assert_eq!(
            available_in("MemTotal: 9 kB\nMemAvailable:   24209776 kB\nBuffers: 1 kB\n"),
            Some(24_209_776 * 1024)
        );
        assert_eq!([available_in(""), available_in("MemAvailable: many kB")], [None, None]);
    }

    #[test]
    fn what_no_machine_holds_is_refused_and_what_every_machine_holds_is_not() {
        for (words, fits) in [(1 << 10, true), (1 << 55, available().is_none())] {
            let mut memory = Memory::default();
            memory.array("big", Role::Scratch, DType::F32, [words]).expect("can be addressed");
            let plan = Plan::new(memory);
            let outcome = plan.fits_host(4, |_| false);
            assert_eq!(outcome.is_ok(), fits, "{words} words: {outcome:?}");
            plan.fits_host(4, |buffer| buffer == 0).expect("what is in place needs no room");
        }
    }
}
