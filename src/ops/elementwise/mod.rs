//! Functions of each element or of each row, sums of columns, and what only moves numbers.

pub mod activation;
pub mod activation_gradient;
pub mod add;
pub mod bias_add;
pub mod column_sum;
pub mod copy;
pub mod dropout;
pub mod multiply;
pub mod relu;
pub mod relu_gradient;
pub mod reshape;
pub mod scale;
pub mod softmax;
pub mod softmax_gradient;

use super::Registered;

/// The kernels of this family, but for the [activation functions](activation::ALL).
pub static ALL: &[&dyn Registered] = &[
    &add::Add,
    &bias_add::BiasAdd,
    &column_sum::ColumnSum,
    &multiply::Multiply,
    &scale::Scale,
    &dropout::Dropout,
    &copy::CopyArray,
    &relu::Relu,
    &relu_gradient::ReluGradient,
    &softmax::Softmax,
    &softmax_gradient::SoftmaxGradient,
];
