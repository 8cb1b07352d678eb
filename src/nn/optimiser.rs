//! How weights are updated: optimiser, schedule of the learning rate, clipping; and their dispatches in a plan.
//!
//! Each optimiser is one dispatch over the flat arenas. Clipping adds three and a schedule adds one, where they are on.
//! Adam needs no dispatch of its own where products give all gradients, as in a perceptron: they update the weights too.

use crate::error::{Error, Kind, Result};
use crate::graph::mistake;
use crate::ops::matmul::{MatmulParams, TN_ADAM, TnAdamParams, gradients_of_layer};
use crate::ops::update::adam::{Adam, AdamParams};
use crate::ops::update::clip::{Clip, ClipParams};
use crate::ops::update::global_norm::{GlobalNorm, GlobalNormParams};
use crate::ops::update::rmsprop::{RmsProp, RmsPropParams};
use crate::ops::update::schedule::{self, ScheduleParams};
use crate::ops::update::sgd::{Sgd, SgdParams};
use crate::ops::update::square_sums::{SquareSums, SquareSumsParams};
use crate::ops::word;
use crate::plan::{ALIGNMENT_WORDS, Arena, Memory, Plan, Role, SlotId};
use crate::shape::{DType, Shape};
use std::fmt;
use std::str::FromStr;

/// The rule by which a gradient moves the weights. Weight decay acts on matrices only, not on biases and norms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Optimiser {
    /// Adam with its paper's constants.
    #[default]
    Adam,
    /// Adam with decoupled weight decay.
    AdamW {
        /// Strength of the decay, before the learning rate.
        weight_decay: f32,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// How much of the velocity a step keeps, below 1; 0 for none.
        momentum: f32,
        /// Whether the momentum is Nesterov's.
        nesterov: bool,
        /// Strength of L2 decay.
        weight_decay: f32,
    },
    /// RMSProp without momentum.
    RmsProp {
        /// Strength of L2 decay.
        weight_decay: f32,
    },
}

impl Optimiser {
    /// The same with weight decay of this strength, where it knows any.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f32) -> Self {
        match self {
            Self::Adam => Self::Adam,
            Self::AdamW { .. } => Self::AdamW { weight_decay },
            Self::Sgd { momentum, nesterov, .. } => Self::Sgd { momentum, nesterov, weight_decay },
            Self::RmsProp { .. } => Self::RmsProp { weight_decay },
        }
    }
}

/// What follows the warm-up. [`crate::ops::update::schedule`] gives the formula of each, step by step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Schedule {
    /// The learning rate as it is.
    #[default]
    Constant,
    /// The learning rate times `gamma` after every `every` steps.
    Step {
        /// Steps between two changes, at least 1.
        every: u32,
        /// The factor of each change, above 0 and at most 1.
        gamma: f32,
    },
    /// Half a cosine, from the learning rate down to zero at the end of the run.
    Cosine,
}

/// Everything about the update but the learning rate. The default is plain Adam at a constant rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Optimisation {
    /// The rule of the update.
    pub optimiser: Optimiser,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Steps over which the learning rate first rises in equal parts: step t of them has t / warmup of it.
    pub warmup: u32,
    /// The largest norm of all gradients together; longer ones are scaled to it.
    pub clip_norm: Option<f32>,
    /// The most weights that products update on their way out, where they can; without it, any number. More are updated
    /// by a dispatch of their own. The numbers are the same; `Caps::most_fused` says which is faster where.
    pub most_fused: Option<usize>,
}

impl Optimisation {
    /// Checks each setting.
    ///
    /// # Errors
    /// Names the first setting that cannot be used, and what could.
    pub fn validate(&self) -> Result<()> {
        let (momentum, nesterov, weight_decay) = match self.optimiser {
            Optimiser::Adam => (0.0, false, 0.0),
            Optimiser::AdamW { weight_decay } | Optimiser::RmsProp { weight_decay } => (0.0, false, weight_decay),
            Optimiser::Sgd { momentum, nesterov, weight_decay } => (momentum, nesterov, weight_decay),
        };
        if !(0.0..1.0).contains(&momentum) {
            return usage(
                format!("a momentum of {momentum}"),
                "give a number from 0 to below 1, such as --momentum 0.9",
            );
        }
        if nesterov && momentum == 0.0 {
            return usage("Nesterov's momentum of 0", "give the momentum too, such as --nesterov --momentum 0.9");
        }
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return usage(format!("a weight decay of {weight_decay}"), "give 0 or more, such as --weight-decay 0.01");
        }
        if let Some(norm) = self.clip_norm.filter(|norm| !(norm.is_normal() && *norm > 0.0)) {
            return usage(format!("a clip norm of {norm}"), "give a finite number above 0, such as --clip-norm 1");
        }
        match self.schedule {
            Schedule::Step { every, gamma } if every == 0 || !(gamma > 0.0 && gamma <= 1.0) => usage(
                format!("a schedule of a factor {gamma} every {every} steps"),
                "give 1 step or more and a factor above 0 and at most 1, such as --schedule step:1000:0.5",
            ),
            _ => Ok(()),
        }
    }

    /// Checks that the warm-up leaves some of a run of `steps` steps.
    ///
    /// # Errors
    /// Gives both numbers where it does not.
    pub fn fits(&self, steps: usize) -> Result<()> {
        if self.warmup as usize >= steps && self.warmup > 0 {
            return usage(
                format!("a warm-up of {} steps, but the run has {steps}", self.warmup),
                "warm up for fewer steps, such as --warmup 100, or train for more epochs",
            );
        }
        Ok(())
    }
}

fn usage<T>(cause: impl Into<String>, advice: &str) -> Result<T> {
    Err(Error::new(Kind::Usage, cause.into(), advice))
}

impl FromStr for Schedule {
    type Err = Error;

    /// `constant`, `step:EVERY:GAMMA` or `cosine`.
    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<_> = text.split(':').collect();
        let step =
            |every: &str, gamma: &str| Some(Self::Step { every: every.parse().ok()?, gamma: gamma.parse().ok()? });
        let schedule = match parts[..] {
            ["constant"] => Some(Self::Constant),
            ["cosine"] => Some(Self::Cosine),
            ["step", every, gamma] => step(every, gamma),
            _ => None,
        };
        schedule.map_or_else(|| usage(format!("no schedule `{text}`"), "give constant, step:1000:0.5 or cosine"), Ok)
    }
}

/// As it is read.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Step { every, gamma } => write!(f, "step:{every}:{gamma}"),
            Self::Cosine => f.write_str("cosine"),
        }
    }
}

impl fmt::Display for Optimiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight_decay = match *self {
            Self::Adam => return f.write_str("adam"),
            Self::AdamW { weight_decay } => {
                f.write_str("adamw")?;
                weight_decay
            }
            Self::RmsProp { weight_decay } => {
                f.write_str("rmsprop")?;
                weight_decay
            }
            Self::Sgd { momentum, nesterov, weight_decay } => {
                f.write_str("sgd")?;
                if momentum > 0.0 {
                    write!(f, ", {}momentum {momentum}", if nesterov { "Nesterov " } else { "" })?;
                }
                weight_decay
            }
        };
        if weight_decay > 0.0 { write!(f, ", weight decay {weight_decay}") } else { Ok(()) }
    }
}

impl fmt::Display for Optimisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.optimiser.fmt(f)?;
        if let Some(norm) = self.clip_norm {
            write!(f, ", gradients clipped to norm {norm}")?;
        }
        if self.warmup > 0 {
            write!(f, ", warm-up of {} steps", self.warmup)?;
        }
        match self.schedule {
            Schedule::Constant => Ok(()),
            Schedule::Step { every, gamma } => write!(f, ", rate x {gamma} every {every} steps"),
            Schedule::Cosine => f.write_str(", rate by a cosine to 0"),
        }
    }
}

/// Whether weight decay acts on a parameter of this shape: on matrices, not on biases and the gains of norms.
fn decays(shape: &Shape) -> bool {
    shape.extents().len() > 1
}

/// An arena of parameters, or of their gradients, that holds those that decay first. Its tensors are listed as given.
pub(super) fn arena(memory: &mut Memory, name: &str, role: Role, tensors: &[(String, Shape)]) -> Result<Arena> {
    let (first, last): (Vec<usize>, Vec<usize>) = (0..tensors.len()).partition(|&i| decays(&tensors[i].1));
    let order = [first, last].concat();
    let ordered: Vec<_> = order.iter().map(|&i| tensors[i].clone()).collect();
    let arena = memory.arena(name, role, &ordered)?;
    let mut listed: Vec<_> = order.into_iter().zip(arena.tensors).collect();
    listed.sort_unstable_by_key(|(place, _)| *place);
    Ok(Arena { tensors: listed.into_iter().map(|(_, slot)| slot).collect(), ..arena })
}

/// How many elements of an [`arena`] decay, from the first on, with the gaps between tensors.
fn decayed(memory: &Memory, weights: &Arena) -> Result<u32> {
    let slots = weights.tensors.iter().map(|&id| memory.slot(id)).filter(|slot| decays(&slot.ty.shape));
    let end = slots.map(|slot| slot.offset + slot.words).max().unwrap_or(0);
    word(end.next_multiple_of(ALIGNMENT_WORDS))
}

/// Sets the learning rate of the step that has begun, in a run of `steps` steps. A constant rate costs nothing.
pub(super) fn record_schedule(
    plan: &mut Plan,
    optimisation: &Optimisation,
    steps: usize,
    counters: SlotId,
    rates: SlotId,
) -> Result<()> {
    let (kind, every, gamma) = match optimisation.schedule {
        Schedule::Constant if optimisation.warmup == 0 => return Ok(()),
        Schedule::Constant => (schedule::kind::CONSTANT, 1, 1.0),
        Schedule::Step { every, gamma } => (schedule::kind::STEP_DECAY, every, gamma),
        Schedule::Cosine => (schedule::kind::COSINE, 1, 1.0),
    };
    let warmup = optimisation.warmup;
    let steps = word(steps)?.saturating_sub(warmup).max(1);
    let params = ScheduleParams { kind, warmup, every, gamma, steps };
    plan.dispatch("learning rate", &schedule::Schedule, params, &[("counters", counters), ("rates", rates)])
}

/// Clips the gradients and updates the weights; both arenas are [`arena`]s of one layout.
pub(super) fn record_update(
    plan: &mut Plan,
    optimisation: &Optimisation,
    weights: &Arena,
    gradients: &Arena,
    rates: SlotId,
) -> Result<()> {
    if let Some(max_norm) = optimisation.clip_norm {
        record_clip(plan, max_norm, gradients)?;
    }
    let words = plan.memory.slot(weights.all).words;
    let (n, decayed) = (word(words)?, decayed(&plan.memory, weights)?);
    let mut state = |name: &str| plan.memory.arena_like(weights, name, Role::Optimizer).all;
    let shared = [("gradient", gradients.all), ("rates", rates), ("weight", weights.all)];
    let decaying = |weight_decay: f32| if weight_decay > 0.0 { decayed } else { 0 };
    match optimisation.optimiser {
        Optimiser::Adam | Optimiser::AdamW { .. } => {
            let moments = [("first_moment", state("first_moment")), ("second_moment", state("second_moment"))];
            let mut params = AdamParams::new(n);
            if let Optimiser::AdamW { weight_decay } = optimisation.optimiser {
                params = AdamParams { decayed: decaying(weight_decay), decay: weight_decay, ..params };
            }
            let few = optimisation.most_fused.is_none_or(|most| words <= most);
            let fused = few && optimisation.clip_norm.is_none();
            let products = if fused { products(plan, weights, gradients) } else { None };
            match products {
                Some(products) => {
                    let state = [&shared[1..], &moments].concat();
                    products.iter().try_for_each(|product| product.update(plan, params, &state))
                }
                None => plan.dispatch("update", &Adam, params, &[&shared[..], &moments].concat()),
            }
        }
        Optimiser::Sgd { momentum, nesterov, weight_decay } => {
            let velocity = [("velocity", state("velocity"))];
            let (decayed, decay) = (decaying(weight_decay), weight_decay);
            let params = SgdParams { n, momentum, nesterov: nesterov.into(), decayed, decay };
            plan.dispatch("update", &Sgd, params, &[&shared[..], &velocity].concat())
        }
        Optimiser::RmsProp { weight_decay } => {
            let mean_square = [("mean_square", state("mean_square"))];
            let (decayed, decay) = (decaying(weight_decay), weight_decay);
            let params = RmsPropParams { decayed, decay, ..RmsPropParams::new(n) };
            plan.dispatch("update", &RmsProp, params, &[&shared[..], &mean_square].concat())
        }
    }
}

/// A dispatch that gives the gradients of a weight and of the bias beside it, by its number in the section.
struct GradientProduct {
    number: usize,
    params: MatmulParams,
    /// Where weight and bias begin in their arena.
    at: [u32; 2],
}

/// The products that give all gradients of the section begun last, where nothing reads a weight after the product that
/// gives its gradient: each can then update what it gives the gradients of.
fn products(plan: &Plan, weights: &Arena, gradients: &Arena) -> Option<Vec<GradientProduct>> {
    let dispatches = &plan.sections.last()?.dispatches;
    let of_gradient = |gradient: SlotId| {
        let place = gradients.tensors.iter().position(|&id| id == gradient)?;
        Some(plan.memory.slot(weights.tensors[place]))
    };
    let mut products = Vec::new();
    for (number, dispatch) in dispatches.iter().enumerate() {
        let Some((params, outputs)) = gradients_of_layer(dispatch) else { continue };
        let [Some(weight), Some(bias)] = outputs.map(of_gradient) else { continue };
        let mut later = dispatches[number + 1..].iter().flat_map(|dispatch| &dispatch.slots);
        if later.any(|&id| [weight, bias].iter().any(|slot| slot.overlaps(plan.memory.slot(id)))) {
            return None;
        }
        let at = [u32::try_from(weight.offset).ok()?, u32::try_from(bias.offset).ok()?];
        products.push(GradientProduct { number, params, at });
    }
    (2 * products.len() == gradients.tensors.len()).then_some(products)
}

impl GradientProduct {
    /// Lets the product also move weight and bias a step on; `state` are the bindings that the update takes.
    fn update(&self, plan: &mut Plan, adam: AdamParams, state: &[(&str, SlotId)]) -> Result<()> {
        let lost = || mistake("a product that was recorded is gone".to_owned());
        let product = plan.sections.last().and_then(|section| section.dispatches.get(self.number)).ok_or_else(lost)?;
        let label = format!("{} and update", product.label);
        let params = TnAdamParams::new(self.params, adam, self.at);
        let product = product.clone();
        let own = product.bindings().map(|(binding, slot)| (binding.name.as_str(), slot));
        let bindings: Vec<_> = own.chain(state.iter().copied()).collect();
        plan.dispatch(label, &TN_ADAM, params, &bindings)?;
        if let Some(section) = plan.sections.last_mut() {
            section.dispatches.swap_remove(self.number); // what was appended takes its place
        }
        Ok(())
    }
}

/// Scales all gradients together to a norm of `max_norm` where it is larger; leaves the norm before in `train/norm`.
fn record_clip(plan: &mut Plan, max_norm: f32, gradients: &Arena) -> Result<()> {
    let n = word(plan.memory.slot(gradients.all).words)?;
    let sums = SquareSumsParams::new(n);
    let mut array = |name: &str, words: u32| plan.memory.array(name, Role::Transient, DType::F32, [words as usize]);
    let (squares, norm) = (array("train/norm.squares", sums.parts)?, array("train/norm", 1)?);
    plan.dispatch("squares of gradients", &SquareSums, sums, &[("a", gradients.all), ("out", squares)])?;
    let params = GlobalNormParams { parts: sums.parts };
    plan.dispatch("norm of gradients", &GlobalNorm, params, &[("squares", squares), ("norm", norm)])?;
    let bindings = [("norm", norm), ("gradient", gradients.all)];
    plan.dispatch("clip gradients", &Clip, ClipParams { n, max_norm }, &bindings)
}
