//! The command line: one file a verb, no logic that a library user would want.

mod data;
mod devices;
mod eval;
mod open;
mod output;
mod train;

use crate::error::Result;
use clap::{Parser, Subcommand};
use output::Output;
use std::process::ExitCode;
use std::time::Instant;

/// Trains neural networks in WGSL compute shaders, with everything resident on the GPU.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 2 usage, 3 data, 4 model file, 5 device, 6 numeric, 7 input and output";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a multilayer perceptron on images of digits
    Train(train::Train),
    /// Score a trained model on the test images of a data set
    Eval(eval::Eval),
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
    let verb = Arguments::parse().verb;
    let outcome: Result<()> = match verb {
        Verb::Train(train) => train.run(started, &mut Output::new(train.json)),
        Verb::Eval(eval) => eval.run(&mut Output::new(eval.json)),
        Verb::Devices(devices) => devices.run(&mut Output::new(devices.json)),
        Verb::Data(data) => data.run(&mut Output::new(false)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
