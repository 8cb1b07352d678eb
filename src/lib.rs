//! shadegrad trains neural networks in WGSL compute shaders.
pub mod data;
pub mod error;
pub mod random;
pub mod shape;
