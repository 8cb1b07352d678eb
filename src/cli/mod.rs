//! The command line: one file a verb, no logic that a library user would want.

mod data;
mod data_flags;
mod devices;
mod eval;
mod kernel_flags;
mod model_flags;
mod open;
mod output;
mod profile;
mod settings;
mod train;
mod tune;
mod tune_flags;
mod tune_kernels;
mod tune_table;
mod verify;
mod verify_html;
mod verify_model;
mod verify_table;

use crate::error::Result;
use clap::{Parser, Subcommand};
use output::Output;
use std::process::ExitCode;
use std::time::Instant;

/// Trains neural networks in WGSL compute shaders, with everything resident on the GPU.
#[derive(Debug, Parser)]
#[command(version, about, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Examples:
  shadegrad train --hidden 128 --out trained
  shadegrad eval --model trained/model.safetensors
  shadegrad tune --data mnist --trials 16 --rungs 3
  shadegrad verify --device llvmpipe
  shadegrad profile --html page.html
  shadegrad devices

Exit codes: 0 done, 2 usage, 3 data, 4 model file, 5 device, 6 numeric, 7 input and output";

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one value of it, parsed once")]
enum Verb {
    /// Train a multilayer perceptron on images of digits
    Train(train::Train),
    /// Search for good settings: many short runs, the better half of them twice as long, and so on
    ///
    /// A range of values is written LOW..HIGH, a list of choices A,B,C. Runs are compared by their loss on images set
    /// aside for validation, a tenth of the training images unless --validation says otherwise.
    Tune(tune::Tune),
    /// Find the fastest variant of each kernel of a model by timing them on your adapter, and keep it for later runs
    ///
    /// `train` does the same by itself on a GPU, within a second. What is found changes results by the order in which sums
    /// are added up alone.
    TuneKernels(tune_kernels::TuneKernels),
    /// Score a trained model on the test images of a data set
    Eval(eval::Eval),
    /// Hold every shader to its CPU twin on your own adapter
    ///
    /// Kernels run in each of their variants, with the driver's runtime checks off and on, over edge shapes and random
    /// ones; a hundred training steps run beside the twins; repeats must give the same bits. An error is told as a share
    /// of the bound that was derived for it, so that 1 is too much.
    Verify(verify::Verify),
    /// Tell where the time of a training step goes, and how near each dispatch comes to what the device can do
    ///
    /// What the device can do is measured first, on it: arithmetic, memory, workgroup memory, and what a dispatch, a submit
    /// and a readback take. Then each dispatch is timed by the device's own clock, or, where that tells no times, by the
    /// host's, which is said.
    Profile(profile::ProfileFlags),
    /// List the adapters that shaders can run on
    Devices(devices::Devices),
    /// Look at data sets
    #[command(subcommand)]
    Data(data::Data),
}

/// Parses the arguments, runs the verb, and turns an error into two lines on stderr and an exit code.
///
/// `started` is when the process began, from which the time to the first step counts.
pub fn main(started: Instant) -> ExitCode {
    match run(started) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(started: Instant) -> Result<()> {
    let verb = match Arguments::try_parse() {
        Ok(arguments) => arguments.verb,
        Err(error) => return output::help_or_usage_error(&error),
    };
    match verb {
        Verb::Train(train) => train.run(started, &mut Output::new(train.json)),
        Verb::Tune(tune) => tune.run(&mut Output::new(tune.json)),
        Verb::TuneKernels(tune) => tune.run(&Output::new(tune.json)),
        Verb::Eval(eval) => eval.run(&mut Output::new(eval.json)),
        Verb::Verify(verify) => verify.run(&mut Output::new(verify.json)),
        Verb::Profile(profile) => profile.run(&mut profile.output()),
        Verb::Devices(devices) => devices.run(&mut Output::new(devices.json)),
        Verb::Data(data) => data.run(&mut Output::new(data.wants_json())),
    }
}
