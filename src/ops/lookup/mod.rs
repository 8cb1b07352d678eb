//! Rows of a table by their indices.

pub mod embedding;
pub mod embedding_gradient;
