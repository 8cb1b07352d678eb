//! Functions of each element or of each row, sums of columns, and what only moves numbers.

pub mod activation;
pub mod activation_gradient;
pub mod add;
pub mod bias_add;
pub mod column_sum;
pub mod copy;
pub mod dropout;
pub mod relu;
pub mod relu_gradient;
pub mod reshape;
pub mod scale;
pub mod softmax;
pub mod softmax_gradient;
