//! Bitwise reproducibility of reductions and of training.

use super::bench::{Bench, Outcome};
use super::case::prepare;
use super::compare::Worst;
use super::trajectory::{hundred_steps, on_device};
use crate::error::Result;
use crate::gpu::{Checks, Pipeline, Run};
use crate::kernel::{AnyKernel, Effort};
use crate::nn::{MlpConfig, ModelConfig};
use crate::train::TrainConfig;

/// The kernels with reductions, whose results depend on summation order.
const SUMS: [&str; 12] = [
    "matmul_nn",
    "matmul_tn",
    "matmul_nt",
    "column_sum",
    "softmax",
    "softmax_cross_entropy_weighted",
    "batch_norm",
    "batch_norm_gradient",
    "layer_norm_weight_gradient",
    "embedding_gradient",
    "square_sums",
    "metrics",
];

/// Ten training steps.
const TRAINING: &str = "training";

/// The kernels, and training.
pub(super) fn entries() -> Vec<&'static str> {
    SUMS.into_iter().chain([TRAINING]).collect()
}

/// Repeats one entry.
pub(super) async fn run(bench: &Bench<'_>, entry: &str) -> Result<Outcome> {
    let repeats = bench.effort.count(5, 50);
    let different = match bench.kernels.iter().find(|kernel| kernel.name() == entry) {
        _ if entry == TRAINING => of_training(bench, repeats).await?,
        Some(kernel) => of_kernel(bench, *kernel, repeats).await?,
        None => return Ok(Outcome::NotRun(format!("{entry} is not one of the kernels"))),
    };
    Ok(match different {
        Some(what) => Outcome::Wrong(what),
        None => Outcome::Fine(Worst { cases: repeats, ulps: None, ..Worst::default() }),
    })
}

/// The first difference between repeats, if any.
async fn of_kernel(bench: &Bench<'_>, kernel: &'static dyn AnyKernel, repeats: usize) -> Result<Option<String>> {
    // The largest of the quick cases.
    let cases = kernel.cases(Effort::QUICK.with_seed(bench.effort.seed())).into_iter().enumerate();
    let Some((index, case)) = cases.max_by_key(|(_, case)| kernel.flops(&case.params)) else {
        return Ok(None);
    };
    let variant = kernel.choose(&case.params, &bench.gpu.caps);
    let pipeline = Pipeline::new(&bench.gpu, kernel, &variant, Checks::Off).await?;
    let prepared = prepare(kernel, &pipeline.reflection, case, bench.effort.seed(), index)?;
    let params = &prepared.case.params;
    let run = Run { params, groups: kernel.groups(params, &variant), arrays: &prepared.words };
    let results = pipeline.run_all(&bench.gpu, &vec![run; repeats]).await?;
    let different = |(repeat, result): (usize, &Vec<Vec<u32>>)| {
        let mut bindings = pipeline.reflection.bindings.iter().zip(result).zip(&results[0]);
        let ((binding, now), then) = bindings.find(|((_, now), then)| now != then)?;
        let element = now.iter().zip(then).position(|(now, then)| now != then)?;
        let [now, then] = [now, then].map(|words| f32::from_bits(words[element]));
        let place = format!("`{}`, element {element}", binding.name);
        Some(format!("{place} is {now:e} in repeat {repeat} of case {index}, was {then:e}"))
    };
    Ok(results.iter().enumerate().find_map(different))
}

async fn of_training(bench: &Bench<'_>, repeats: usize) -> Result<Option<String>> {
    let (config, data) = hundred_steps();
    let data = data.first(640, 10);
    let model = ModelConfig::mlp(&[32], &MlpConfig::default());
    let config = TrainConfig { model, batch_size: 64, epochs: 1, ..config };
    let before = on_device(&bench.gpu, &config, &data).await?;
    for repeat in 1..repeats {
        let now = on_device(&bench.gpu, &config, &data).await?;
        let step = before.losses.iter().zip(&now.losses).position(|(a, b)| a.to_bits() != b.to_bits());
        if let Some(step) = step {
            let (now, then) = (now.losses[step], before.losses[step]);
            return Ok(Some(format!("the loss of step {} is {now:e} in repeat {repeat}, was {then:e}", step + 1)));
        }
        let weight = before.weights.iter().zip(&now.weights).position(|(a, b)| a.to_bits() != b.to_bits());
        if let Some(i) = weight {
            let (now, then) = (now.weights[i], before.weights[i]);
            return Ok(Some(format!("weight {i} is {now:e} after repeat {repeat}, was {then:e}")));
        }
    }
    Ok(None)
}
