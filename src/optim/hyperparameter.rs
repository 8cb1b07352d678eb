//! The settings of optimizers. Those that several have stand here once; each optimizer gives its own defaults.

use crate::error::{Error, Kind, Result};

/// What is known of a setting, whichever optimizer has it.
#[derive(Debug)]
pub struct Hyperparameter {
    /// Its flag without the dashes, such as `weight-decay`; keys of model files have `_` for `-`.
    pub name: &'static str,
    /// A line of help.
    pub doc: &'static str,
    /// What the help calls its value; empty for a switch.
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
pub enum ValueMut<'a> {
    /// A number.
    Number(&'a mut f64),
    /// On or off.
    Switch(&'a mut bool),
}

/// beta1 of Adam and its kin.
pub(super) static BETA1: Hyperparameter = Hyperparameter {
    name: "beta1",
    doc: "Decay of the running mean of gradients, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.9",
    off: None,
};

/// beta2 of Adam and its kin.
pub(super) static BETA2: Hyperparameter = Hyperparameter {
    name: "beta2",
    doc: "Decay of the running mean of squared gradients, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.999",
    off: None,
};

/// alpha of RMSProp.
pub(super) static ALPHA: Hyperparameter = Hyperparameter {
    name: "alpha",
    doc: "Decay of the mean square of RMSProp, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.99",
    off: None,
};

/// Keeps a quotient finite.
pub(super) static EPSILON: Hyperparameter = Hyperparameter {
    name: "epsilon",
    doc: "Added to the root that gradients are divided by",
    value_name: "NUMBER",
    valid: |x| (x as f32).is_normal() && x > 0.0,
    range: "a finite number above 0",
    example: "1e-8",
    off: None,
};

/// Momentum of gradient descent.
pub(super) static MOMENTUM: Hyperparameter = Hyperparameter {
    name: "momentum",
    doc: "Share of the velocity that `sgd` keeps from step to step, 0 to <1",
    value_name: "SHARE",
    valid: is_share,
    range: SHARE,
    example: "0.9",
    off: Some(0.0),
};

/// Nesterov's form of momentum.
pub(super) static NESTEROV: Hyperparameter = Hyperparameter {
    name: "nesterov",
    doc: "Nesterov momentum",
    value_name: "",
    valid: |_| true,
    range: "true or false",
    example: "true",
    off: Some(0.0),
};

/// Decay of the weights.
pub(super) static WEIGHT_DECAY: Hyperparameter = Hyperparameter {
    name: "weight-decay",
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

impl Hyperparameter {
    /// Whether it is on or off, and no number.
    pub fn is_switch(&self) -> bool {
        self.value_name.is_empty()
    }

    /// The flag that sets it, such as `--weight-decay`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// Its name in a sentence.
    pub(super) fn words(&self) -> String {
        self.name.replace('-', " ")
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
        Err(Error::new(Kind::Usage, format!("{article} {words} of {value}"), advice))
    }
}

impl ValueMut<'_> {
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
