//! `shadegrad data`.

use super::open::{describe_data, load, loaded};
use super::output::Output;
use crate::data::{Preparation, Source, overview};
use crate::error::{Error, Result};
use std::path::PathBuf;

/// The verbs of `data`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Data {
    /// Draw a sheet of samples, a row for each class
    Show {
        /// `digits` (embedded), `mnist` (downloaded), or a folder with four IDX files
        source: Source,
        /// The PNG to write
        #[arg(long, default_value = "sheet.png", value_name = "FILE")]
        out: PathBuf,
    },
}

impl Data {
    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let Self::Show { source, out } = self;
        let data = loaded(load(source, Preparation::default(), output))?;
        let sheet = overview(&data.train)?;
        std::fs::write(out, sheet).map_err(|error| Error::io("write", out, &error))?;
        output.line(format_args!("data    {}", describe_data(&data)))?;
        output.line(format_args!("saved   {}", out.display()))
    }
}
