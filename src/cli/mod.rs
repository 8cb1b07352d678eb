//! The command line: one file per subcommand, without logic a library user would need.

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
    /// Train a multilayer perceptron on images
    Train(train::Train),
    /// Search hyperparameters by successive halving
    ///
    /// A range is written LOW..HIGH, a list of choices A,B,C. Runs are compared by their loss on held-out validation
    /// images, a tenth of the training images unless --validation is given.
    Tune(tune::Tune),
    /// Benchmark kernel variants on your GPU and cache the fastest
    ///
    /// On a GPU, `train` does this by itself, within a second. Choosing a variant only changes summation order, so
    /// results differ by rounding.
    TuneKernels(tune_kernels::TuneKernels),
    /// Score a trained model on a data set's test images
    Eval(eval::Eval),
    /// Check every shader against its CPU reference on your GPU
    ///
    /// Kernels run in each variant, with the driver's runtime checks off and on, over edge shapes and random ones; a
    /// hundred training steps are compared with the CPU reference; repeats must be bit-identical. Errors are reported
    /// relative to the derived bound; above 1 fails.
    Verify(verify::Verify),
    /// Profile a training step against the device's measured peaks
    ///
    /// The device's peaks are measured first: arithmetic, memory, workgroup memory, and the latency of dispatches,
    /// submissions and readbacks. Dispatches are timed by device timestamps, or by the host clock if the device has
    /// none (reported).
    Profile(profile::ProfileFlags),
    /// List the adapters that shaders can run on
    Devices(devices::Devices),
    /// Inspect data sets
    #[command(subcommand)]
    Data(data::DataCommand),
}

/// Parses the arguments, runs the subcommand, and turns an error into two lines on stderr and an exit code.
///
/// `started` is the start of the process, used to measure the time to the first step.
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
