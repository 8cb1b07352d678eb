//! What the graph can carry beyond today's layers: values of any type, gradients of any outputs, forms, storage in place.

mod gradients;
mod types;
