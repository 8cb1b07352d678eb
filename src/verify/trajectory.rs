//! A hundred training steps on the device, compared with the twins.

use super::bench::{Bench, Outcome};
use super::compare::Worst;
use crate::cpu::CpuExecutor;
use crate::data::{Dataset, digits};
use crate::error::Result;
use crate::gpu::{Checks, Gpu, GpuExecutor};
use crate::kernel::{Caps, Effort, Real};
use crate::nn::{MlpConfig, ModelConfig};
use crate::optim::{AdamW, RmsProp, Schedule, Sgd, UpdateConfig};
use crate::plan::{Executor, Plan};
use crate::train::{TrainConfig, TrainOutcome as Trained, Trainer};
use std::sync::Arc;

/// Allowed differences of losses, and of weights, from the f32 twins after at most a hundred steps. Measured: two f32
/// summation orders differ by 4.5e-8 and 5.4e-7, f32 and f64 by 4.5e-7 and 1.1e-6; after more steps a ReLU may flip.
pub const FROM_SINGLE: [f64; 2] = [1e-6, 1e-5];
/// The same for the f64 twins.
pub const FROM_DOUBLE: [f64; 2] = [5e-6, 1e-5];

/// The loss of every step, and all weights concatenated.
pub struct Trace {
    /// `[steps]`.
    pub losses: Vec<f64>,
    /// `[parameters]`.
    pub weights: Vec<f32>,
    /// The training outcome.
    pub outcome: Trained,
}

/// 784-128-10 on 6,400 items for two epochs: 100 steps of 128. Seeds are fixed, since with others a ReLU could flip.
pub fn hundred_steps() -> (TrainConfig, Dataset) {
    let data = digits(7).first(6_400, 500);
    (TrainConfig { model: ModelConfig::mlp(&[128], &MlpConfig::default()), epochs: 2, ..TrainConfig::default() }, data)
}

/// Trains to the end.
///
/// # Errors
/// If the device fails, or a loss is not finite.
pub async fn trace<E: Executor>(trainer: &mut Trainer<E>) -> Result<Trace> {
    let mut losses = Vec::new();
    let watch = |update: crate::train::TrainUpdate<'_>| {
        losses.extend(update.losses.iter().map(|&x| f64::from(x)));
        Ok(())
    };
    let outcome = trainer.train(watch).await?;
    let weights = trainer.weights().await?.into_iter().flat_map(|(_, _, values)| values).collect();
    Ok(Trace { losses, weights, outcome })
}

/// The largest difference of any step's loss, and of any weight; NaN or infinite if not comparable.
pub fn apart(a: &Trace, b: &Trace) -> [f64; 2] {
    if (a.losses.len(), a.weights.len()) != (b.losses.len(), b.weights.len()) {
        return [f64::INFINITY; 2];
    }
    let most = |pairs: &mut dyn Iterator<Item = f64>| {
        pairs.fold(0.0, |most: f64, x| if x > most || x.is_nan() { x } else { most })
    };
    [
        most(&mut a.losses.iter().zip(&b.losses).map(|(a, b)| (a - b).abs())),
        most(&mut a.weights.iter().zip(&b.weights).map(|(a, b)| f64::from((a - b).abs()))),
    ]
}

/// Updates by name: every optimizer, combined with other features of an update.
fn updates() -> [(&'static str, UpdateConfig); 6] {
    let (adamw, rmsprop) =
        (AdamW { weight_decay: 0.05, ..AdamW::default() }, RmsProp { weight_decay: 1e-3, ..RmsProp::default() });
    let nesterov = Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-3 };
    let momentum = Sgd { momentum: 0.9, ..Sgd::default() };
    let (cosine, halving) = (Schedule::Cosine, Schedule::Step { every: 30, gamma: 0.5 });
    [
        ("adam", UpdateConfig::default()),
        ("adamw", UpdateConfig { schedule: cosine, warmup: 10, ..UpdateConfig::new(adamw, 1e-3) }),
        ("nesterov", UpdateConfig { clip_norm: Some(1.0), ..UpdateConfig::new(nesterov, 0.05) }),
        ("momentum", UpdateConfig { schedule: halving, ..UpdateConfig::new(momentum, 0.05) }),
        ("sgd", UpdateConfig::new(Sgd::default(), 0.1)),
        ("rmsprop", UpdateConfig::new(rmsprop, 2e-4)),
    ]
}

/// Names of the updates; Adam alone in the quick run.
pub(super) fn entries(effort: Effort) -> Vec<&'static str> {
    updates().iter().map(|(name, _)| *name).take(effort.count(1, updates().len())).collect()
}

/// Trains with the named update.
pub(super) async fn run(bench: &Bench<'_>, entry: &str) -> Result<Outcome> {
    let Some((_, update)) = updates().into_iter().find(|(name, _)| *name == entry) else {
        return Ok(Outcome::NotRun(format!("unknown update {entry:?}")));
    };
    let (config, data) = hundred_steps();
    beside_twins(bench, &TrainConfig { update, ..config }, &data).await
}

/// Trains with these settings on the device and on the f64 twins; in the full run also on the f32 twins.
///
/// # Errors
/// If the device fails, or a loss is not finite.
pub async fn beside_twins(bench: &Bench<'_>, config: &TrainConfig, data: &Dataset) -> Result<Outcome> {
    let device = on_device(&bench.gpu, config, data).await?;
    let learned = device.losses.len() == 100 && device.losses[99] < 0.5 * device.losses[0];
    if !learned {
        return Ok(Outcome::Wrong(format!("the loss did not decrease: {:?}", device.losses)));
    }
    let mut gates = vec![("f64", apart(&device, &on_twins::<f64>(config, data).await?), FROM_DOUBLE)];
    if bench.effort.is_full() {
        gates.push(("f32", apart(&device, &on_twins::<f32>(config, data).await?), FROM_SINGLE));
    }
    let mut worst = Worst { cases: gates.len(), ulps: None, ..Worst::default() };
    for (twins, apart, gate) in gates {
        for ((what, apart), gate) in ["loss", "weight"].into_iter().zip(apart).zip(gate) {
            let agree = apart <= gate;
            if !agree {
                let wrong = format!("a {what} differs from the {twins} twins' by {apart:e}, more than {gate:e}");
                return Ok(Outcome::Wrong(wrong));
            }
            worst.hard = worst.hard.max(apart / gate);
        }
    }
    Ok(Outcome::Fine(worst))
}

/// The run on the device, as in training.
///
/// # Errors
/// If the device fails, or a loss is not finite.
pub async fn on_device(gpu: &Arc<Gpu>, config: &TrainConfig, data: &Dataset) -> Result<Trace> {
    let (model, plan) = Trainer::<GpuExecutor>::plan(config, data, &gpu.caps)?;
    let executor = GpuExecutor::new(gpu.clone(), plan, Checks::Off).await?;
    trace(&mut Trainer::new(executor, model, config.clone(), data)?).await
}

/// The run on the twins.
///
/// # Errors
/// If the host does not have enough memory.
pub async fn on_twins<T: Real>(config: &TrainConfig, data: &Dataset) -> Result<Trace> {
    let (model, plan): (_, Plan) = Trainer::<CpuExecutor<T>>::plan(config, data, &Caps::unlimited())?;
    trace(&mut Trainer::new(CpuExecutor::<T>::new(plan)?, model, config.clone(), data)?).await
}
