//! What the graph can carry beyond today's layers: values of any type, gradients of any outputs, forms, storage in place.

#[path = "../common/mod.rs"]
mod common;
mod forms;
mod gradients;
mod in_place;
mod recurrent;
mod setting;
mod types;
