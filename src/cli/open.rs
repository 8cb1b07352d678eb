//! Opens the device and the data set of a subcommand.

use super::output::{Output, thousands};
use crate::data::{Dataset, DownloadProgress, Dropped, Images, Preparation, Source, Split, cache_folder};
use crate::error::{Error, Kind, Result};
use crate::gpu::DeviceChoice;
pub(super) use crate::session::Device;
use crate::train::ModelFile;
use serde_json::{Value, json};
use std::path::Path;
use std::thread::JoinHandle;

/// Opens the device that a flag names.
pub(super) fn open(choice: &DeviceChoice) -> Result<Device> {
    pollster::block_on(Device::open(choice, cache_folder().as_deref()))
}

/// Opens the device with features for measurement, if available.
pub(super) fn open_to_measure(choice: &DeviceChoice) -> Result<Device> {
    pollster::block_on(Device::open_to_measure(choice, cache_folder().as_deref()))
}

/// A device for machines.
pub(super) fn device_json(device: &Device) -> Value {
    let (name, backend) = match device {
        Device::Gpu(gpu) => (gpu.info.name.as_str(), gpu.info.backend.to_string()),
        Device::Native(_) => ("cpu", "native".to_owned()),
    };
    json!({ "name": name, "backend": backend, "kind": device.backing().to_string() })
}

/// A data set being loaded and prepared.
pub(super) type Loading = JoinHandle<Result<(Dataset, Vec<Dropped>)>>;

/// Loads and prepares a data set on another thread, with a progress bar for downloads.
pub(super) fn load(source: &Source, preparation: Preparation, output: &Output) -> Loading {
    let (source, bar) = (source.clone(), output.bar(0, "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}"));
    std::thread::spawn(move || {
        let mut watch = |progress: DownloadProgress<'_>| {
            bar.set_message(progress.file.to_owned());
            bar.set_length(progress.total.unwrap_or(progress.done));
            bar.set_position(progress.done);
        };
        let dataset = source.load(&mut watch);
        bar.finish_and_clear();
        preparation.apply(dataset?)
    })
}

/// Waits for [`load`].
pub(super) fn loaded(loading: Loading) -> Result<(Dataset, Vec<Dropped>)> {
    loading.join().unwrap_or_else(|_| {
        let cause = "the data loader crashed";
        Err(Error::new(Kind::Data, cause, "this is a bug in shadegrad: please report it with the data set"))
    })
}

/// Checks that a model fits a data set's images and classes.
///
/// # Errors
/// If it does not.
pub(super) fn suits(path: &Path, file: &ModelFile, data: &Dataset) -> Result<()> {
    let (inputs, classes) = (file.model.inputs(), file.model.classes());
    let (pixels, known) = (data.train().features(), data.task().outputs().len());
    if (inputs, classes) == (pixels, known) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Model,
        format!(
            "{} expects {inputs} inputs and {classes} classes, {} has {pixels} pixels and {known} classes",
            path.display(),
            data.name(),
        ),
        "use data like those the model was trained on",
    ))
}

/// A one-line description of a data set.
pub(super) fn describe_data(data: &Dataset) -> String {
    let count = |split: &Split| thousands(split.len() as u64);
    let parts = [("training", Some(data.train())), ("validation", data.validation()), ("test", data.test())];
    let parts: Vec<_> = parts.iter().filter_map(|(name, part)| Some(format!("{} {name}", count((*part)?)))).collect();
    let parts = match parts.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => parts.concat(),
    };
    let items = match Images::of(data.train()) {
        Ok(Images { rows, columns, .. }) => format!("images of {rows}x{columns}"),
        Err(_) => format!("items of {} numbers", data.train().features()),
    };
    format!("{}, {parts} {items}", data.name())
}

/// Prints a line for each flaw for which images were dropped; returns the same as JSON.
pub(super) fn tell_dropped(output: &Output, dropped: &[Dropped]) -> Result<Value> {
    for Dropped { flaw, items } in dropped {
        output.line(format_args!("dropped {} training images: {flaw}", thousands(*items as u64)))?;
    }
    Ok(dropped.iter().map(|dropped| (dropped.flaw.to_string(), Value::from(dropped.items))).collect())
}
