//! What an update is, in one value.

use super::{Adam, Optimizer, Schedule};
use crate::error::{Error, Kind, Result};
use std::fmt;
use std::sync::Arc;

/// How a step moves the weights. The default is Adam at a constant rate.
#[derive(Clone, Debug)]
pub struct UpdateConfig {
    /// The rule, with its settings.
    pub optimizer: Arc<dyn Optimizer>,
    /// The learning rate, before the schedule.
    pub learning_rate: f32,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Steps over which the learning rate first rises in equal parts: step t of them has t / warmup of it.
    pub warmup: u32,
    /// The largest norm of all gradients together; longer ones are scaled to it.
    pub clip_norm: Option<f32>,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        Self::new(Adam::default(), 0.001)
    }
}

impl UpdateConfig {
    /// This optimizer at a constant learning rate.
    pub fn new(optimizer: impl Optimizer + 'static, learning_rate: f32) -> Self {
        let schedule = Schedule::Constant;
        Self { optimizer: Arc::new(optimizer), learning_rate, schedule, warmup: 0, clip_norm: None }
    }

    /// Checks each setting.
    ///
    /// # Errors
    /// Names the first setting that cannot be used, and what could.
    pub fn validate(&self) -> Result<()> {
        let rate = self.learning_rate;
        if !(rate.is_finite() && rate > 0.0) {
            let advice = "give a finite number above 0, such as --lr 0.001";
            return Err(usage(format!("learning rate must be above 0, not {rate}"), advice));
        }
        self.optimizer.values().into_iter().try_for_each(|(setting, value)| setting.check(value))?;
        self.optimizer.validate()?;
        if let Some(norm) = self.clip_norm.filter(|norm| !(norm.is_normal() && *norm > 0.0)) {
            let advice = "give a finite number above 0, such as --clip-norm 1";
            return Err(usage(format!("a clip norm of {norm}"), advice));
        }
        self.schedule.validate()
    }

    /// Checks that the warm-up leaves some of a run of `steps` steps.
    ///
    /// # Errors
    /// Gives both numbers where it does not.
    pub fn fits(&self, steps: usize) -> Result<()> {
        if self.warmup as usize >= steps && self.warmup > 0 {
            return Err(usage(
                format!("a warm-up of {} steps, but the run has {steps}", self.warmup),
                "warm up for fewer steps, such as --warmup 100, or train for more epochs",
            ));
        }
        Ok(())
    }
}

fn usage(cause: String, advice: &str) -> Error {
    Error::new(Kind::Usage, cause, advice)
}

/// Two are equal if they are of equal settings.
impl PartialEq for UpdateConfig {
    fn eq(&self, other: &Self) -> bool {
        let values = |config: &Self| {
            config.optimizer.values().into_iter().map(|(setting, value)| (setting.name, value)).collect::<Vec<_>>()
        };
        let rest = |config: &Self| (config.learning_rate, config.schedule, config.warmup, config.clip_norm);
        self.optimizer.name() == other.optimizer.name() && values(self) == values(other) && rest(self) == rest(other)
    }
}

/// All but the learning rate, on one line.
impl fmt::Display for UpdateConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.optimizer.summary())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{AdamW, Sgd, by_name, registry};

    #[test]
    fn every_optimizer_is_found_by_its_name_and_its_settings_can_be_changed() {
        for optimizer in registry() {
            let name = optimizer.name();
            let mut changed = by_name(name).expect(name);
            assert_eq!(changed.values().len(), optimizer.values().len());
            for (setting, value) in optimizer.values() {
                setting.check(value).unwrap_or_else(|error| panic!("{name}: {error}"));
                changed.set(setting.name, 1.0 - value).expect("it has this setting");
                assert_eq!(changed.value(setting.name), Some(1.0 - value), "{name}: {}", setting.name);
            }
            let of = |optimizer| UpdateConfig { optimizer: Arc::from(optimizer), ..UpdateConfig::default() };
            let [plain, changed] = [of(optimizer), of(changed)];
            plain.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(plain == plain.clone() && plain != changed, "{plain:?} {changed:?}");
            assert!(plain.to_string().starts_with(name) && changed.to_string() != plain.to_string());
        }
        let refused = by_name("adagrad").expect_err("there is none");
        assert!(refused.advice().contains("adam, adamw, sgd"), "{refused}");
    }

    #[test]
    fn settings_that_cannot_be_used_are_named() {
        let refused = |optimizer: &dyn Optimizer, words: [&str; 2]| {
            let config = UpdateConfig { optimizer: Arc::from(optimizer.boxed()), ..UpdateConfig::default() };
            let error = config.validate().expect_err("it cannot be used");
            assert!(error.kind() == Kind::Usage && error.cause().contains(words[0]), "{error}");
            assert!(error.advice().contains(words[1]), "{error}");
        };
        refused(&Adam { epsilon: 0.0, ..Adam::default() }, ["an epsilon of 0", "--epsilon 1e-8"]);
        refused(&Adam { beta2: 1.0, ..Adam::default() }, ["a beta2 of 1", "from 0 to below 1"]);
        refused(&Adam { beta1: 1.0 - 1e-12, ..Adam::default() }, ["a beta1 of 0.99", "from 0 to below 1"]);
        refused(&AdamW { weight_decay: f64::NAN, ..AdamW::default() }, ["a weight decay of NaN", "--weight-decay"]);
        refused(&Sgd { nesterov: true, ..Sgd::default() }, ["Nesterov momentum of 0", "--momentum 0.9"]);
        let mut adam = by_name("adam").expect("it is there");
        let error = adam.set("weight-decay", 0.1).expect_err("it has none");
        assert!(error.cause() == "adam has no weight decay" && error.advice().contains("--optimizer adamw"), "{error}");
    }
}
