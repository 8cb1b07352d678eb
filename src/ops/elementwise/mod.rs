//! Elementwise and row-wise functions, column sums, and data movement.

pub mod activation;
pub mod activation_gradient;
pub mod add;
pub mod add_in_place;
pub mod bias_add;
pub mod column_sum;
pub mod columns;
pub mod copy;
pub mod dropout;
pub mod fill;
pub mod join_columns;
pub mod multiply;
pub mod relu;
pub mod relu_gradient;
pub mod reshape;
pub mod scale;
pub mod softmax;
pub mod softmax_gradient;
pub mod split_columns;

use super::Registered;

/// The kernels of this family, except the [activation functions](activation::ALL).
pub static ALL: &[&dyn Registered] = &[
    &add::AddKernel,
    &add_in_place::AddInPlaceKernel,
    &bias_add::BiasAddKernel,
    &column_sum::ColumnSumKernel,
    &multiply::MultiplyKernel,
    &fill::FillKernel,
    &split_columns::SplitColumnsKernel,
    &join_columns::JoinColumnsKernel,
    &scale::ScaleKernel,
    &dropout::DropoutKernel,
    &copy::CopyArrayKernel,
    &relu::ReluKernel,
    &relu_gradient::ReluGradientKernel,
    &softmax::SoftmaxKernel,
    &softmax_gradient::SoftmaxGradientKernel,
];
