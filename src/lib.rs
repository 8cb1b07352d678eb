//! shadegrad trains neural networks in WGSL compute shaders.
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod error;
pub mod gpu;
pub mod kernel;
pub mod nn;
pub mod ops;
pub mod plan;
pub mod random;
pub mod shader;
pub mod shape;
pub mod train;
pub mod verify;
