//! Opening the device and the data set that a verb works with.

use super::output::{Output, thousands};
use crate::data::{Dataset, Dropped, Preparation, Progress, Source, Split, cache_folder};
use crate::error::{Error, Kind, Result};
use crate::gpu::{self, Adapter, AdapterReport, Backing, Choice, Chosen, Compiled, Gpu};
use crate::train::{ModelFile, TrainConfig};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The device to work on.
pub(super) enum Device {
    /// An adapter that runs the shaders.
    Gpu(Arc<Gpu>),
    /// The CPU path; where it was taken because there is no GPU, with what there is instead.
    Native(Option<Vec<AdapterReport>>),
}

impl Device {
    pub(super) fn open(choice: &Choice) -> Result<Self> {
        Self::open_by(choice, async |adapter: &Adapter| Gpu::open(adapter).await)
    }

    /// Opens it with what helps to measure it, as far as it has that.
    pub(super) fn open_to_measure(choice: &Choice) -> Result<Self> {
        Self::open_by(choice, async |adapter: &Adapter| Gpu::open_to_measure(adapter).await)
    }

    fn open_by(choice: &Choice, open: impl AsyncFn(&Adapter) -> Result<Arc<Gpu>>) -> Result<Self> {
        pollster::block_on(async {
            match gpu::choose(choice).await? {
                Chosen::Adapter(adapter) => {
                    let compiled = cache_folder().map(|folder| Compiled::read(&folder, &adapter));
                    Ok(Self::Gpu(open(&adapter).await?.with_compiled(compiled.unwrap_or_default())))
                }
                Chosen::Native => Ok(Self::Native(None)),
                Chosen::NoGpu(adapters) => Ok(Self::Native(Some(adapters.iter().map(gpu::report).collect()))),
            }
        })
    }

    /// [`TrainConfig::suited_to`] this.
    pub(super) fn suited(&self, config: TrainConfig) -> TrainConfig {
        match self {
            Self::Gpu(gpu) => config.suited_to(&gpu.caps),
            Self::Native(_) => config,
        }
    }

    /// One line of truth.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Gpu(gpu) => {
                let info = &gpu.info;
                let driver = if info.driver_info.is_empty() { &info.driver } else { &info.driver_info };
                let kind = Backing::from(info.device_type);
                format!("{}, {} {driver}, {kind}", info.name, info.backend)
            }
            Self::Native(instead) => {
                let cores = rayon::current_num_threads();
                let reason = match instead.as_deref().map(software_driver) {
                    None => String::new(),
                    Some(None) => "; no GPU was found".to_owned(),
                    Some(Some(name)) => {
                        format!("; no GPU was found, the shaders run on a software driver with --device {name}")
                    }
                };
                format!("cpu, {cores} threads{reason}")
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Gpu(gpu) => json!({
                "name": gpu.info.name,
                "backend": gpu.info.backend.to_string(),
                "kind": Backing::from(gpu.info.device_type).to_string(),
            }),
            Self::Native(_) => json!({ "name": "cpu", "backend": "native", "kind": Backing::Native.to_string() }),
        }
    }
}

/// A name for `--device` of a driver that runs shaders on the CPU, where there is one among these.
fn software_driver(adapters: &[AdapterReport]) -> Option<String> {
    let driver = adapters.iter().find(|report| report.backing == Backing::Cpu)?;
    driver.name.split([' ', '(']).next().map(str::to_lowercase)
}

/// A data set being loaded and prepared.
pub(super) type Loading = JoinHandle<Result<(Dataset, Vec<Dropped>)>>;

/// Starts loading and preparing a data set on another thread, with a bar for what is downloaded.
pub(super) fn load(source: &Source, preparation: Preparation, output: &Output) -> Loading {
    let (source, bar) = (source.clone(), output.bar(0, "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}"));
    std::thread::spawn(move || {
        let mut watch = |progress: Progress<'_>| {
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
        let cause = "loading the data set broke off";
        Err(Error::new(Kind::Data, cause, "this is a fault of shadegrad: please report it with the data set"))
    })
}

/// Whether a model takes the images of a data set, and tells as many classes apart.
///
/// # Errors
/// Where it does not.
pub(super) fn suits(path: &Path, file: &ModelFile, data: &Dataset) -> Result<()> {
    let (inputs, classes) = (file.model.inputs(), file.model.classes());
    if (inputs, classes) == (data.test.features(), data.classes()) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Model,
        format!(
            "{} takes {inputs} pixels and tells {classes} classes apart, {} has {} pixels and {} classes",
            path.display(),
            data.name,
            data.test.features(),
            data.classes()
        ),
        "give data like those the model was trained on",
    ))
}

/// A line on a data set.
pub(super) fn describe_data(data: &Dataset) -> String {
    let count = |split: &Split| thousands(split.len() as u64);
    let (train, test) = (count(&data.train), count(&data.test));
    let images = match &data.validation {
        Some(validation) => format!("{train} training, {} validation and {test} test images", count(validation)),
        None => format!("{train} training and {test} test images"),
    };
    format!("{}, {images} of {}x{}", data.name, data.train.rows, data.train.columns)
}

/// A line on each flaw for which images were left out; and the same for machines.
pub(super) fn tell_dropped(output: &Output, dropped: &[Dropped]) -> Result<Value> {
    for Dropped { flaw, images } in dropped {
        output.line(format_args!("dropped {} training images: {flaw}", thousands(*images as u64)))?;
    }
    Ok(dropped.iter().map(|dropped| (dropped.flaw.to_string(), Value::from(dropped.images))).collect())
}
