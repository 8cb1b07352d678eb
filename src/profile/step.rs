//! Profiles a training step dispatch by dispatch.

use super::over;
use super::report::{Clock, DispatchRow, Parts, Peaks, Profile, ProfiledStep, Spread, Submit};
use super::subject::Subject;
use super::timeline::{Timeline, lasts};
use crate::error::{Error, Kind, Result};
use crate::gpu::{ClockFlaw, Stamps};
use crate::kernel::word;
use crate::plan::Dispatch;
use crate::planner::Phase;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Submissions of each kind, alternating: enough for a noise band.
const ROUNDS: usize = 10;
/// Target duration of all steps of a kind, and the minimum and maximum number of steps.
const PATIENCE: Duration = Duration::from_secs(1);
const STEPS: [usize; 2] = [20, 1000];

/// Settings of a training step's profile.
#[derive(Clone, Debug)]
pub struct Request {
    /// Device description, for display.
    pub device: String,
    /// Description of model, batch and data, for display.
    pub title: String,
    /// Batch size.
    pub batch: usize,
    /// Number of steps to time dispatch by dispatch, and as a whole; chosen by duration if not set.
    pub steps: Option<usize>,
}

/// Profiles the section `train` of a plan on its executor, which holds data and weights.
///
/// Submissions with each dispatch timed alternate with submissions as in training; the difference is the cost of
/// timing.
///
/// # Errors
/// If the plan has no such section, or the device fails.
pub async fn step<S: Subject>(subject: &mut S, request: Request, peaks: Peaks) -> Result<Profile> {
    let section = &*Phase::Train.name();
    // Warm-up: in the first steps, drivers still compile and allocate.
    subject.timed(section, 3, Stamps::None).await?;
    let probe = subject.timed(section, 2, Stamps::Each).await?;
    let steps = request.steps.unwrap_or_else(|| usual_steps((probe.ended - probe.begun) / 2));
    let mut clock = match probe.spans {
        Ok(_) => Clock::Device,
        Err(_) if subject.caps().is_none() => Clock::Wall { reason: "each twin, on the CPU".to_owned() },
        Err(flaw) => flaw.into(),
    };
    let mut runs = take_turns(subject, section, steps, &clock).await?;
    if let Err(flaw) = runs {
        // The device clock failed in the meantime.
        clock = flaw.into();
        runs = take_turns(subject, section, steps, &clock).await?;
    }
    let (timeline, walls) = runs.map_err(|flaw| {
        Error::new(Kind::Device, format!("cannot time dispatches: {flaw}"), "try again, or use another device")
    })?;
    let (submits, apart) = timeline.finish(&clock);
    let plan = subject.plan();
    let dispatches = &plan.section(section)?.dispatches;
    let mut profile = Profile::new(request.device, request.title, peaks);
    let step = whole(&submits, request.batch, walls);
    for places in alike(dispatches) {
        let times = Times::of(&submits, &places, dispatches.len());
        let dispatch = &dispatches[places[0]];
        let mut row = DispatchRow::new(dispatch, plan.bytes(dispatch), &times.all, &profile.peaks);
        row.places = places.iter().map(|place| place + 1).collect();
        row.variant = subject.variant(dispatch.kernel, &dispatch.params);
        row.share = Some(over(times.all.iter().sum(), step.parts.total() * step.steps as f64));
        row.rounds = times.rounds;
        profile.rows.push(row);
    }
    Ok(Profile { clock, step: Some(step), submits, clocks_apart: apart, ..profile })
}

/// The number of steps that fits the time budget.
fn usual_steps(of: Duration) -> usize {
    let [least, most] = STEPS;
    ((PATIENCE.as_secs_f64() / of.as_secs_f64().max(1e-9)) as usize).clamp(least, most)
}

/// Alternates submissions as in training with ones whose dispatches are timed by `clock`; returns the timeline, and
/// microseconds per step of each submission of the first kind.
///
/// # Errors
/// If the device fails; the inner error is a flaw of the device clock.
async fn take_turns<S: Subject>(
    subject: &mut S,
    section: &str,
    steps: usize,
    clock: &Clock,
) -> Result<Result<(Timeline, Vec<f64>), ClockFlaw>> {
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
            Ok(_) => return Ok(Err(ClockFlaw::Missing)),
            Err(flaw) => return Ok(Err(flaw)),
        }
    }
    Ok(Ok((timeline, walls)))
}

/// The step as a whole.
fn whole(submits: &[Submit], batch: usize, walls: Vec<f64>) -> ProfiledStep {
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
        // The device may start while the host still submits; count the overlap once.
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
    // Consecutive submissions see the same load on the machine.
    let costs: Vec<f64> = times.iter().zip(&walls).map(|(timed, wall)| over(*timed, *wall) - 1.0).collect();
    let (wall, timed, timing_cost) = (Spread::of(&walls), Spread::of(&times), Spread::of(&costs));
    ProfiledStep { batch, steps, per_submit, wall, rounds: walls, timed, timing_cost, parts }
}

/// Indices of dispatches grouped by equality; micro-batches repeat them.
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

/// Microseconds per call of a row.
struct Times {
    all: Vec<f64>,
    /// Median per submission.
    rounds: Vec<f64>,
}

impl Times {
    /// Times of the dispatches at these positions in a step of `count`.
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

impl DispatchRow {
    /// A row for a dispatch with these times.
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

/// Parameters that shape the dispatch's bindings, such as `m=128 k=784 n=1024`.
fn extents(dispatch: &Dispatch) -> String {
    let (fields, _) = dispatch.kernel.fields();
    let shapes = dispatch.reflection.bindings.iter().flat_map(|binding| &binding.extents);
    let names: BTreeSet<&String> = shapes.collect();
    let value = |name| word(&fields, &dispatch.params, name).map(|value| format!("{name}={value}"));
    let shaping = fields.iter().filter(|field| names.contains(&field.name));
    shaping.filter_map(|field| value(&field.name)).collect::<Vec<_>>().join(" ")
}
