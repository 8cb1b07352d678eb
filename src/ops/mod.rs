//! The ops by family: one file here and one shader of the same name each, joined by one line in [`registry`].

pub mod batch;
pub mod check;
pub mod elementwise;
mod gradient_check;
pub mod lookup;
pub mod loss;
pub mod matmul;
pub mod norm;
mod support;
pub mod update;

pub use gradient_check::{Given, GradientCheck, GradientGraph, ROWS, Registered};
pub use support::{NO_LABEL, counter, rate, word};

use crate::kernel::AnyKernel;

/// Every kernel. Tests, benches and listings go over it, so that a new op is covered by its line in this file.
pub fn registry() -> Vec<&'static dyn AnyKernel> {
    registered().into_iter().map(|kernel| kernel as &dyn AnyKernel).collect()
}

/// How the gradients in which each kernel takes part are checked, by the kernel's name.
pub fn gradient_checks() -> Vec<(&'static str, GradientCheck)> {
    registered().into_iter().map(|kernel| (kernel.name(), kernel.gradient_check())).collect()
}

fn registered() -> Vec<&'static dyn Registered> {
    let mut kernels = matmul::ALL.to_vec();
    kernels.extend(elementwise::activation::ALL.iter().flat_map(elementwise::activation::Kernels::all));
    kernels.extend([
        &elementwise::add::Add as &dyn Registered,
        &elementwise::bias_add::BiasAdd,
        &elementwise::column_sum::ColumnSum,
        &elementwise::scale::Scale,
        &elementwise::dropout::Dropout,
        &elementwise::copy::CopyArray,
        &elementwise::relu::Relu,
        &elementwise::relu_gradient::ReluGradient,
        &elementwise::softmax::Softmax,
        &elementwise::softmax_gradient::SoftmaxGradient,
        &loss::softmax_cross_entropy::SoftmaxCrossEntropy,
        &loss::softmax_cross_entropy_metrics::SoftmaxCrossEntropyMetrics,
        &loss::softmax_cross_entropy_weighted::SoftmaxCrossEntropyWeighted,
        &batch::begin_batch::BeginBatch,
        &batch::gather::Gather,
        &batch::gather_augmented::GatherAugmented,
        &batch::pixel_sums::PixelSums,
        &batch::normalisation::Normalisation,
        &loss::metrics::Metrics,
        &update::adam::Adam,
        &update::sgd::Sgd,
        &update::rmsprop::RmsProp,
        &update::square_sums::SquareSums,
        &update::global_norm::GlobalNorm,
        &update::clip::Clip,
        &batch::step_state::StepState,
        &batch::micro_batch::MicroBatch,
        &update::accumulate::Accumulate,
        &norm::layer_norm::LayerNorm,
        &norm::layer_norm_gradient::LayerNormGradient,
        &norm::layer_norm_weight_gradient::LayerNormWeightGradient,
        &norm::batch_norm::BatchNorm,
        &norm::batch_norm_evaluate::BatchNormEvaluate,
        &norm::batch_norm_gradient::BatchNormGradient,
        &lookup::embedding::Embedding,
        &lookup::embedding_gradient::EmbeddingGradient,
        &update::schedule::Schedule,
        &check::non_finite::NonFinite,
        &check::non_finite_record::NonFiniteRecord,
    ]);
    kernels.extend(loss::ALL.iter().map(|&kernel| kernel as &dyn Registered));
    kernels
}
