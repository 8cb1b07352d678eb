//! How the learning rate changes over a run.

use crate::error::{Error, Kind, Result};
use crate::ops::update::schedule::{ScheduleKernel, ScheduleParams, kind};
use crate::plan::{Plan, SlotId};
use std::fmt;
use std::str::FromStr;

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

impl Schedule {
    /// Checks the numbers in it.
    ///
    /// # Errors
    /// Says which can be used.
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Self::Step { every, gamma } if every == 0 || !(gamma > 0.0 && gamma <= 1.0) => Err(usage(
                format!("a schedule of a factor {gamma} every {every} steps"),
                "give 1 step or more and a factor above 0 and at most 1, such as --schedule step:1000:0.5",
            )),
            _ => Ok(()),
        }
    }

    /// Records what sets the learning rate of the step that has begun, in a run of so many steps with a warm-up of so
    /// many. A constant rate costs nothing.
    pub(super) fn record(
        self,
        plan: &mut Plan,
        [warmup, steps]: [u32; 2],
        [counters, rates]: [SlotId; 2],
    ) -> Result<()> {
        let (kind, every, gamma) = match self {
            Self::Constant if warmup == 0 => return Ok(()),
            Self::Constant => (kind::CONSTANT, 1, 1.0),
            Self::Step { every, gamma } => (kind::STEP_DECAY, every, gamma),
            Self::Cosine => (kind::COSINE, 1, 1.0),
        };
        let steps = steps.saturating_sub(warmup).max(1);
        let params = ScheduleParams { kind, warmup, every, gamma, steps };
        plan.dispatch("learning rate", &ScheduleKernel, params, &[("counters", counters), ("rates", rates)])
    }
}

fn usage(cause: String, advice: &str) -> Error {
    Error::new(Kind::Usage, cause, advice)
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
        schedule.ok_or_else(|| usage(format!("no schedule `{text}`"), "give constant, step:1000:0.5 or cosine"))
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
