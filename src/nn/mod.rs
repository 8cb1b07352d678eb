//! Models and how their weights begin.

mod init;
mod mlp;
mod optimiser;

pub use init::he_normal;
pub use mlp::{Evaluation, Mlp, Training};
pub use optimiser::{Optimisation, Optimiser, Schedule};

use crate::error::{Error, Kind, Result};

fn word(size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| {
        Error::new(
            Kind::Device,
            format!("a size of {size} does not fit the 32-bit indices of a device"),
            "make the model, the batch or the data set smaller",
        )
    })
}
