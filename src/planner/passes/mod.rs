//! Passes over a recorded section: dispatches of different parts of a step that one kernel can do together.

mod join_ends;

pub(super) use join_ends::join_ends;
