//! The settings of optimizers. Those that several have stand here once; each optimizer gives its own defaults.

use super::{Optimizer, by_name, usage};
use crate::error::{Error, Result};

/// What is known of a setting, whichever optimizer has it.
#[derive(Debug)]
pub struct Setting {
    /// Its key in model files, such as `weight_decay`; the flag has `-` for `_`.
    pub name: &'static str,
    /// A line of help.
    pub doc: &'static str,
    /// What the help calls its value.
    pub value_name: &'static str,
    /// Whether a number can be used.
    pub valid: fn(f64) -> bool,
    /// Which numbers can, in words.
    pub range: &'static str,
    /// One that is often used.
    pub example: &'static str,
    /// The number at which it has no effect, if there is one: it is not reported then.
    pub off: Option<f64>,
}

/// Where an optimizer holds a setting.
#[derive(Debug)]
pub enum Field<'a> {
    /// A number.
    Number(&'a mut f64),
    /// On or off.
    Switch(&'a mut bool),
}

/// beta1 of Adam and its kin.
pub(super) static BETA1: Setting = Setting {
    name: "beta1",
    doc: "Decay of the running mean of gradients, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.9",
    off: None,
};

/// beta2 of Adam and its kin.
pub(super) static BETA2: Setting = Setting {
    name: "beta2",
    doc: "Decay of the running mean of squared gradients, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.999",
    off: None,
};

/// alpha of RMSProp.
pub(super) static ALPHA: Setting = Setting {
    name: "alpha",
    doc: "Decay of the mean square of RMSProp, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.99",
    off: None,
};

/// Keeps a quotient finite.
pub(super) static EPSILON: Setting = Setting {
    name: "epsilon",
    doc: "Added to the root that gradients are divided by",
    value_name: "NUMBER",
    valid: |x| (x as f32).is_normal() && x > 0.0,
    range: "a finite number above 0",
    example: "1e-8",
    off: None,
};

/// Momentum of gradient descent.
pub(super) static MOMENTUM: Setting = Setting {
    name: "momentum",
    doc: "Share of the velocity that `sgd` keeps from step to step, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.9",
    off: Some(0.0),
};

/// Nesterov's form of momentum.
pub(super) static NESTEROV: Setting = Setting {
    name: "nesterov",
    doc: "Nesterov momentum",
    value_name: "",
    valid: |_| true,
    range: "true or false",
    example: "true",
    off: Some(0.0),
};

/// Decay of the weights.
pub(super) static WEIGHT_DECAY: Setting = Setting {
    name: "weight_decay",
    doc: "Decay of weights, not of biases: decoupled in `adamw`, L2 in `sgd` and `rmsprop`",
    value_name: "STRENGTH",
    valid: |x| (x as f32).is_finite() && x >= 0.0,
    range: "0 or more",
    example: "0.01",
    off: Some(0.0),
};

const SHARE: &str = "a number from 0 to below 1";

fn is_share(x: f64) -> bool {
    // As the kernels take it: what rounds to 1 decays nothing.
    (0.0..1.0).contains(&x) && (x as f32) < 1.0
}

impl Setting {
    /// The flag that sets it, such as `--weight-decay`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// Its name in a sentence.
    fn words(&self) -> String {
        self.name.replace('_', " ")
    }

    /// Checks a number.
    ///
    /// # Errors
    /// Says which numbers can be used.
    pub fn check(&self, value: f64) -> Result<()> {
        if (self.valid)(value) {
            return Ok(());
        }
        let words = self.words();
        let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let advice = format!("give {}, such as {} {}", self.range, self.flag(), self.example);
        Err(usage(format!("{article} {words} of {value}"), advice))
    }
}

impl Field<'_> {
    /// What it holds, as a number: 1 for on.
    pub fn get(&self) -> f64 {
        match self {
            Self::Number(number) => **number,
            Self::Switch(switch) => f64::from(u8::from(**switch)),
        }
    }

    /// Takes a number, as [`Self::get`] gives it.
    pub fn set(&mut self, value: f64) {
        match self {
            Self::Number(number) => **number = value,
            Self::Switch(switch) => **switch = value != 0.0,
        }
    }
}

impl dyn Optimizer + '_ {
    /// Every setting with what it is.
    pub fn values(&self) -> Vec<(&'static Setting, f64)> {
        self.boxed().settings().into_iter().map(|(setting, field)| (setting, field.get())).collect()
    }

    /// What a setting is, if the optimizer has it.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values().into_iter().find(|(setting, _)| setting.name == name).map(|(_, value)| value)
    }

    /// Changes a setting; whether it can be used is checked by [`super::UpdateConfig::validate`].
    ///
    /// # Errors
    /// If it has no such setting: names the optimizers that have it.
    pub fn set(&mut self, name: &str, value: f64) -> Result<()> {
        match self.settings().into_iter().find(|(setting, _)| setting.name == name) {
            Some((_, mut field)) => {
                field.set(value);
                Ok(())
            }
            None => Err(self.has_no(name)),
        }
    }

    fn has_no(&self, name: &str) -> Error {
        let words = name.replace('_', " ");
        let owners = super::registry().into_iter().filter(|other| other.value(name).is_some());
        let owners: Vec<_> = owners.map(|other| format!("--optimizer {}", other.name())).collect();
        let advice = format!("add {}, or leave --{} out", owners.join(" or "), name.replace('_', "-"));
        usage(format!("{} has no {words}", self.name()), advice)
    }
}

/// The name, and the settings that are neither off nor default.
pub(super) fn described(name: &str, optimizer: &dyn Optimizer) -> String {
    let defaults = by_name(name).map(|default| default.values()).unwrap_or_default();
    let usual = |setting: &Setting| {
        let default = defaults.iter().find(|(other, _)| other.name == setting.name);
        setting.off.or(default.map(|(_, value)| *value))
    };
    let told = optimizer.values().into_iter().filter(|(setting, value)| usual(setting) != Some(*value));
    told.fold(name.to_owned(), |text, (setting, value)| format!("{text}, {} {value}", setting.words()))
}
