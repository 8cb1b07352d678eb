//! A training step, dispatch by dispatch.

use super::over;
use super::report::{Clock, Parts, Peaks, Profile, Row, Spread, Step, Submit};
use super::subject::Subject;
use super::timeline::{Timeline, lasts};
use crate::error::{Error, Kind, Result};
use crate::gpu::{Flaw, Stamps};
use crate::kernel::word;
use crate::plan::Dispatch;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Submits of each kind, in turns: enough for a band of noise.
const ROUNDS: usize = 10;
/// How long the steps of each kind should take in all, and how many there are at least and at most, where it is not said.
const PATIENCE: Duration = Duration::from_secs(1);
const STEPS: [usize; 2] = [20, 1000];

/// What to measure of a training step.
#[derive(Clone, Debug)]
pub struct Request {
    /// What ran on which device, for whoever reads it.
    pub device: String,
    /// What the model, the batch and the data are, for whoever reads it.
    pub title: String,
    /// Rows of a batch.
    pub batch: usize,
    /// Steps to time dispatch by dispatch, and as many as a whole; by how long they take, where it is not said.
    pub steps: Option<usize>,
}

/// Profiles the section `train` of a plan on its executor, which has data and weights.
///
/// Submits in which each dispatch is timed take turns with submits that are run as in training: what the timing costs is
/// the difference.
///
/// # Errors
/// Where the plan has no such section, or the device fails.
pub async fn step<S: Subject>(subject: &mut S, request: Request, peaks: Peaks) -> Result<Profile> {
    const SECTION: &str = "train";
    // Not counted: the first steps, in which drivers still compile and allocate.
    subject.timed(SECTION, 3, Stamps::None).await?;
    let probe = subject.timed(SECTION, 2, Stamps::Each).await?;
    let steps = request.steps.unwrap_or_else(|| usual_steps((probe.ended - probe.begun) / 2));
    let mut clock = match probe.spans {
        Ok(_) => Clock::Device,
        Err(_) if subject.caps().is_none() => Clock::Wall { reason: "each twin, on the CPU".to_owned() },
        Err(flaw) => flaw.into(),
    };
    let mut runs = take_turns(subject, SECTION, steps, &clock).await?;
    if let Err(flaw) = runs {
        // The device's clock went wrong meanwhile.
        clock = flaw.into();
        runs = take_turns(subject, SECTION, steps, &clock).await?;
    }
    let (timeline, walls) = runs.map_err(|flaw| {
        Error::new(Kind::Device, format!("no dispatch could be timed: {flaw}"), "try again, or choose another device")
    })?;
    let (submits, apart) = timeline.finish(&clock);
    let plan = subject.plan();
    let dispatches = &plan.section(SECTION)?.dispatches;
    let mut profile = Profile::new(request.device, request.title, peaks);
    let step = whole(&submits, request.batch, walls);
    for places in alike(dispatches) {
        let times = Times::of(&submits, &places, dispatches.len());
        let dispatch = &dispatches[places[0]];
        let mut row = Row::new(dispatch, plan.bytes(dispatch), &times.all, &profile.peaks);
        row.places = places.iter().map(|place| place + 1).collect();
        row.variant = subject.variant(dispatch.kernel, &dispatch.params);
        row.share = Some(over(times.all.iter().sum(), step.parts.total() * step.steps as f64));
        row.rounds = times.rounds;
        profile.rows.push(row);
    }
    Ok(Profile { clock, step: Some(step), submits, clocks_apart: apart, ..profile })
}

/// As many steps as are patiently waited for.
fn usual_steps(of: Duration) -> usize {
    let [least, most] = STEPS;
    ((PATIENCE.as_secs_f64() / of.as_secs_f64().max(1e-9)) as usize).clamp(least, most)
}

/// Submits steps as training does and steps whose dispatches are timed by `clock`, in turns; gives what happened when,
/// and microseconds of a step in each submit of the former kind.
///
/// # Errors
/// Where the device fails; within, what is wrong with the device's clock.
async fn take_turns<S: Subject>(
    subject: &mut S,
    section: &str,
    steps: usize,
    clock: &Clock,
) -> Result<Result<(Timeline, Vec<f64>), Flaw>> {
    let count = subject.plan().section(section)?.dispatches.len();
    let rounds = steps.clamp(1, ROUNDS);
    let per_submit = steps.div_ceil(rounds);
    let (mut timeline, mut walls) = (Timeline::new(Instant::now()), Vec::new());
    for _ in 0..rounds {
        let plain = subject.timed(section, per_submit as u32, Stamps::None).await?;
        walls.push((plain.ended - plain.begun).as_secs_f64() * 1e6 / per_submit as f64);
        timeline.add(per_submit, &plain, Vec::new());
        let timed = match clock {
            Clock::Device => subject.timed(section, per_submit as u32, Stamps::Each).await?,
            Clock::Wall { .. } => subject.apart(section, per_submit as u32).await?,
        };
        match timed.spans.clone() {
            Ok(spans) if spans.len() == per_submit * count => timeline.add(per_submit, &timed, spans),
            Ok(_) => return Ok(Err(Flaw::Missing)),
            Err(flaw) => return Ok(Err(flaw)),
        }
    }
    Ok(Ok((timeline, walls)))
}

/// The step as a whole.
fn whole(submits: &[Submit], batch: usize, walls: Vec<f64>) -> Step {
    let timed: Vec<&Submit> = submits.iter().filter(|submit| !submit.dispatches.is_empty()).collect();
    let per_submit = timed.first().map_or(1, |submit| submit.steps);
    let steps = timed.iter().map(|submit| submit.steps).sum();
    let mut parts = Parts::default();
    for submit in &timed {
        let [begun, _, submitted, ended] = submit.host;
        let (Some([first, _]), Some([_, last])) = (submit.dispatches.first(), submit.dispatches.last()) else {
            continue;
        };
        let dispatches: f64 = submit.dispatches.iter().copied().map(lasts).sum();
        // The device may begin while the host still submits: that time counts once.
        let apart = (ended - begun) - (last - first);
        let host = (submitted - begun).min(apart).max(0.0);
        parts.dispatches += dispatches;
        parts.gaps += (last - first) - dispatches;
        parts.host += host;
        parts.waiting += apart - host;
    }
    let each = |part: f64| over(part, steps as f64);
    let Parts { dispatches, gaps, host, waiting } = parts;
    let parts = Parts { dispatches: each(dispatches), gaps: each(gaps), host: each(host), waiting: each(waiting) };
    let times: Vec<f64> =
        timed.iter().map(|submit| lasts([submit.host[0], submit.host[3]]) / submit.steps as f64).collect();
    // Submits that follow each other are alike in whatever else the machine does.
    let costs: Vec<f64> = times.iter().zip(&walls).map(|(timed, wall)| over(*timed, *wall) - 1.0).collect();
    let (wall, timed, timing_cost) = (Spread::of(&walls), Spread::of(&times), Spread::of(&costs));
    Step { batch, steps, per_submit, wall, rounds: walls, timed, timing_cost, parts }
}

/// The numbers of dispatches in groups of those that are alike, as those of micro-batches are.
fn alike(dispatches: &[Dispatch]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (number, dispatch) in dispatches.iter().enumerate() {
        let same = |group: &&mut Vec<usize>| {
            let first = &dispatches[group[0]];
            (&first.label, first.kernel.name(), &first.params, &first.slots)
                == (&dispatch.label, dispatch.kernel.name(), &dispatch.params, &dispatch.slots)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(number),
            None => groups.push(vec![number]),
        }
    }
    groups
}

/// Microseconds of the calls of a row.
struct Times {
    all: Vec<f64>,
    /// The median of each submit.
    rounds: Vec<f64>,
}

impl Times {
    /// Of the dispatches at these places of a step of `count`.
    fn of(submits: &[Submit], places: &[usize], count: usize) -> Self {
        let mut times = Self { all: Vec::new(), rounds: Vec::new() };
        for submit in submits.iter().filter(|submit| !submit.dispatches.is_empty()) {
            let steps = submit.dispatches.chunks_exact(count);
            let calls: Vec<f64> = steps.flat_map(|step| places.iter().map(|&i| lasts(step[i]))).collect();
            times.rounds.push(Spread::of(&calls).median);
            times.all.extend(calls);
        }
        times
    }
}

impl Row {
    /// A dispatch that took these times.
    pub(super) fn new(dispatch: &Dispatch, bytes: u64, times: &[f64], peaks: &Peaks) -> Self {
        let (time, flops) = (Spread::of(times), dispatch.kernel.flops(&dispatch.params));
        Self {
            places: vec![1],
            label: dispatch.label.clone(),
            kernel: dispatch.kernel.name().to_owned(),
            variant: String::new(),
            shape: extents(dispatch),
            calls: times.len(),
            time,
            rounds: Vec::new(),
            share: None,
            flops,
            bytes,
            gflops: over(flops as f64 / 1e3, time.median),
            gbs: over(bytes as f64 / 1e3, time.median),
            intensity: over(flops as f64, bytes as f64),
            roof: peaks.roof(flops, bytes, time.median),
            error: None,
            chosen: true,
        }
    }
}

/// The parameters by which a dispatch's bindings are shaped, such as `m=128 k=784 n=1024`.
fn extents(dispatch: &Dispatch) -> String {
    let (fields, _) = dispatch.kernel.fields();
    let shapes = dispatch.reflection.bindings.iter().flat_map(|binding| &binding.extents);
    let names: BTreeSet<&String> = shapes.collect();
    let value = |name| word(&fields, &dispatch.params, name).map(|value| format!("{name}={value}"));
    let shaping = fields.iter().filter(|field| names.contains(&field.name));
    shaping.filter_map(|field| value(&field.name)).collect::<Vec<_>>().join(" ")
}
