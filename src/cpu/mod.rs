//! Runs a plan on the twins: in f32 on all cores, to train without a GPU, or in f64, as the oracle. Neither this module
//! nor the twins allocate during a step; `tests/cpu_allocation.rs` checks this.

use crate::error::{Error, Kind, Result};
use crate::kernel::{Args, Array, Caps, FewBindings, Real, View};
use crate::plan::{Dispatch, Exchange, Executor, Keep, Memory, Pending, Plan, SlotId, Traffic, Transfer};
use crate::shader::Access;
use crate::shape::DType;

/// Executes a plan on the CPU. Synchronous: runs complete before they return.
pub struct CpuExecutor<T> {
    plan: Plan,
    /// One per buffer of the plan.
    arrays: Vec<Array<T>>,
}

impl<T: Real> CpuExecutor<T> {
    /// Allocates zeroed buffers for the plan.
    ///
    /// # Errors
    /// If the host lacks memory, or the plan is not valid.
    pub fn new(plan: Plan) -> Result<Self> {
        Self::build(plan, Exchange::default())
    }

    /// Takes over what the exchange of plans keeps.
    fn build(plan: Plan, mut kept: Exchange<Array<T>>) -> Result<Self> {
        plan.validate(&Caps::unlimited())?;
        plan.fits_host(size_of::<T>(), |buffer| kept.moves(buffer))?;
        let mut arrays = Vec::new();
        for (index, buffer) in plan.memory.buffers().iter().enumerate() {
            let no_room = |_| {
                Error::new(
                    Kind::Device,
                    format!("out of memory for {}: {} elements", buffer.name, buffer.words),
                    "use a smaller model, batch or data set",
                )
            };
            let words = if kept.moves(index) { 0 } else { buffer.words };
            arrays.push(match buffer.dtype {
                DType::F32 => Array::Real(zeros(words, T::zero()).map_err(no_room)?),
                DType::U32 | DType::U8 => Array::Word(zeros(words, 0).map_err(no_room)?),
            });
        }
        kept.copies().for_each(|(from, copy)| copy_words(from, &mut arrays[copy.to.0], copy));
        for (index, array) in arrays.iter_mut().enumerate() {
            if let Some(moved) = kept.take(index) {
                *array = moved;
            }
        }
        Ok(Self { plan, arrays })
    }

    /// Its plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs one dispatch of a section by index from 0; none if out of range.
    ///
    /// # Errors
    /// If the plan has no such section.
    pub fn run_dispatch(&mut self, section: &str, number: usize) -> Result<()> {
        if let Some(dispatch) = self.plan.section(section)?.dispatches.get(number) {
            run_twin(&self.plan.memory, dispatch, &mut self.arrays);
        }
        Ok(())
    }

    fn numbers(&self, id: SlotId) -> &[T] {
        let slot = self.plan.memory.slot(id);
        match &self.arrays[slot.buffer] {
            Array::Real(data) => &data[slot.offset..][..slot.words],
            Array::Word(_) => &[],
        }
    }
}

fn zeros<X: Clone>(count: usize, zero: X) -> std::result::Result<Vec<X>, std::collections::TryReserveError> {
    let mut data = Vec::new();
    data.try_reserve_exact(count)?;
    data.resize(count, zero);
    Ok(data)
}

impl<T: Real> Executor for CpuExecutor<T> {
    fn memory(&self) -> &Memory {
        &self.plan.memory
    }

    fn write_f32(&mut self, id: SlotId, data: &[f32]) -> Result<()> {
        let slot = self.plan.memory.slot(id);
        match &mut self.arrays[slot.buffer] {
            Array::Real(array) if data.len() == slot.words => {
                let target = &mut array[slot.offset..][..slot.words];
                target.iter_mut().zip(data).for_each(|(target, &x)| *target = T::of(x.into()));
                Ok(())
            }
            _ => Err(slot.refuse("f32", data.len())),
        }
    }

    fn write_words(&mut self, id: SlotId, data: &[u32]) -> Result<()> {
        let slot = self.plan.memory.slot(id);
        match &mut self.arrays[slot.buffer] {
            Array::Word(array) if data.len() == slot.words => {
                array[slot.offset..][..slot.words].copy_from_slice(data);
                Ok(())
            }
            _ => Err(slot.refuse("words", data.len())),
        }
    }

    fn run(&mut self, section: &str, times: u32) -> Result<()> {
        let section = self.plan.section(section)?;
        for _ in 0..times {
            for dispatch in &section.dispatches {
                run_twin(&self.plan.memory, dispatch, &mut self.arrays);
            }
        }
        Ok(())
    }

    fn fetch(&mut self, slot: SlotId, first: usize, count: usize) -> Result<Pending> {
        let numbers: Vec<f32> = self.numbers(slot).iter().skip(first).take(count).map(|x| x.wide() as f32).collect();
        Ok(Box::pin(std::future::ready(Ok(numbers))))
    }

    fn fetch_words(&mut self, id: SlotId) -> Result<Pending<u32>> {
        let slot = self.plan.memory.slot(id);
        let words = match &self.arrays[slot.buffer] {
            Array::Word(data) => data[slot.offset..][..slot.words].to_vec(),
            Array::Real(_) => Vec::new(),
        };
        Ok(Box::pin(std::future::ready(Ok(words))))
    }

    async fn read(&mut self, id: SlotId) -> Result<Array<f64>> {
        let slot = self.plan.memory.slot(id);
        Ok(match &self.arrays[slot.buffer] {
            Array::Real(data) => Array::Real(data[slot.offset..][..slot.words].iter().map(|x| x.wide()).collect()),
            Array::Word(data) => Array::Word(data[slot.offset..][..slot.words].to_vec()),
        })
    }

    /// Nothing is transferred: the host is the device.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    async fn with_plan(self, mut plan: Plan, keep: Keep) -> Result<Self> {
        let kept = Exchange::between(&self.plan.memory, self.arrays, &mut plan.memory, keep);
        Self::build(plan, kept)
    }
}

/// Performs a copy of an exchange of plans; both buffers have the same type.
fn copy_words<T: Real>(from: &Array<T>, to: &mut Array<T>, copy: Transfer) {
    let (from_range, to_range) = (copy.from.1..copy.from.1 + copy.words, copy.to.1..copy.to.1 + copy.words);
    match (from, to) {
        (Array::Real(from), Array::Real(to)) => to[to_range].copy_from_slice(&from[from_range]),
        (Array::Word(from), Array::Word(to)) => to[to_range].copy_from_slice(&from[from_range]),
        _ => {}
    }
}

/// Runs a dispatch's twin on these buffers.
pub fn run_twin<T: Real>(memory: &Memory, dispatch: &Dispatch, arrays: &mut [Array<T>]) {
    let mut views = FewBindings::new();
    for (index, array) in arrays.iter_mut().enumerate() {
        let mut uses: FewBindings<_> = dispatch
            .bindings()
            .map(|(binding, id)| (binding, memory.slot(id)))
            .filter(|(_, slot)| slot.buffer == index)
            .collect();
        // Validation guarantees that written ranges overlap nothing, so the buffer can be split.
        uses.sort_unstable_by_key(|(_, slot)| slot.offset);
        let names = uses.iter().map(|(binding, _)| binding.name.as_str());
        let ranges = uses.iter().map(|(_, slot)| slot.offset..slot.offset + slot.words);
        let written = uses.iter().any(|(binding, _)| binding.access != Access::Read);
        match (array, written) {
            (Array::Real(data), true) => views.extend(names.zip(cut(data, ranges).into_iter().map(View::RealMut))),
            (Array::Word(data), true) => views.extend(names.zip(cut(data, ranges).into_iter().map(View::WordMut))),
            (Array::Real(data), false) => views.extend(names.zip(ranges.map(|range| View::Real(&data[range])))),
            (Array::Word(data), false) => views.extend(names.zip(ranges.map(|range| View::Word(&data[range])))),
        }
    }
    T::run_twin(dispatch.kernel, &dispatch.params, &mut Args::new(views));
}

/// The disjoint ranges, in ascending order, as separate slices.
fn cut<X>(mut data: &mut [X], ranges: impl Iterator<Item = std::ops::Range<usize>>) -> FewBindings<&mut [X]> {
    let mut start = 0;
    let mut pieces = FewBindings::new();
    for range in ranges {
        let (_, rest) = data.split_at_mut(range.start - start);
        let (piece, rest) = rest.split_at_mut(range.end - range.start);
        pieces.push(piece);
        (data, start) = (rest, range.end);
    }
    pieces
}
