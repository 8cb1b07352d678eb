//! `shadegrad data`.

use super::open::{describe_data, load, loaded};
use super::output::{Output, thousands};
use crate::data::{
    Check, Dataset, Field, FieldValues, Findings, Flaw, Images, Preparation, Source, Split, by_class, check,
    contact_sheet, overview,
};
use crate::error::{Error, Kind, Result};
use crate::nn::Augment;
use crate::train::TrainConfig;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Maximum number of outliers and doubtful labels printed.
const WORST: usize = 5;

/// Samples per row for a single class.
const ACROSS: usize = 20;

/// The subcommands of `data`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum DataCommand {
    /// Draw a sheet of training images: a row per class, or many of one class
    Show {
        #[arg(help = Source::help())]
        source: Source,
        /// Draw the first 200 images of this class only
        #[arg(long, value_name = "0..9")]
        class: Option<usize>,
        /// Draw the images as augmented in an epoch of training with this --augment and --seed 42
        #[arg(long, value_name = "NAME=AMOUNT,...")]
        augment: Option<Augment>,
        /// Output PNG file
        #[arg(long, default_value = "sheet.png", value_name = "FILE")]
        out: PathBuf,
    },
    /// Check for flaws: blank, constant and duplicate images, outliers, unlikely labels
    Check {
        #[arg(help = Source::help())]
        source: Source,
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

impl DataCommand {
    pub(super) fn wants_json(&self) -> bool {
        matches!(self, Self::Check { json: true, .. })
    }

    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let (Self::Show { source, .. } | Self::Check { source, .. }) = self;
        if let Self::Show { augment: Some(augment), .. } = self {
            augment.validate()?;
        }
        let (mut data, _) = loaded(load(source, Preparation::default(), output))?;
        output.line(format_args!("data    {}", describe_data(&data)))?;
        match self {
            Self::Show { class, augment, out, .. } => {
                if let Some(augment) = augment {
                    let seen = augmented(data.train(), augment, TrainConfig::default().seed)?;
                    data = data.with_train(seen)?;
                }
                let sheet = draw(&data, *class)?;
                std::fs::write(out, sheet).map_err(|error| Error::io("write", out, &error))?;
                output.line(format_args!("saved   {}", out.display()))
            }
            Self::Check { .. } => tell(output, &data, &check(&data)?),
        }
    }
}

/// The images of `split` as training by `seed` sees them in its first epoch, rounded to bytes.
///
/// # Errors
/// Returns an error if the items are not images, are too large, or an amount is out of range.
fn augmented(split: &Split, augment: &Augment, seed: u64) -> Result<Split> {
    let Images { rows, columns, .. } = Images::of(split)?;
    let images = &split.inputs()[0];
    let seen = augment.preview(&images.packed(), split.len(), [rows, columns], seed)?;
    let seen = FieldValues::U8(seen.into_iter().map(|x| (255.0 * x).round() as u8).collect());
    Split::new(vec![Field::new(images.name(), [rows, columns], seen)?], split.targets().clone())
}

fn draw(data: &Dataset, class: Option<usize>) -> Result<Vec<u8>> {
    let Some(class) = class else { return overview(data) };
    let Some(samples) = by_class(data, 10 * ACROSS).into_iter().nth(class).filter(|samples| !samples.is_empty()) else {
        let cause = format!("{} has no training images of class {class}", data.name());
        let last = data.task().outputs().len().saturating_sub(1);
        return Err(Error::new(Kind::Usage, cause, format!("choose a class from 0 to {last}")));
    };
    let grid: Vec<Vec<usize>> = samples.chunks(ACROSS).map(<[usize]>::to_vec).collect();
    contact_sheet(data.train(), &grid)
}

const MEANINGS: [&str; Flaw::ALL.len()] = [
    "no ink",
    "a single shade",
    "equal to an earlier image or a test image",
    "4 or more standard deviations from its class mean",
    "label probability below 0.1 % under a quick model",
];

fn tell(output: &Output, data: &Dataset, found: &Check) -> Result<()> {
    let halves = [("training", &found.train, Some(data.train())), ("test", &found.test, data.test())];
    let row = |numbers: &[usize]| -> String {
        numbers.iter().map(|number| format!("{:>7}", thousands(*number as u64))).collect()
    };
    let classes: Vec<usize> = (0..found.train.classes.len()).collect();
    output.line(format_args!("class    {}", row(&classes)))?;
    for (name, found, _) in halves {
        output.line(format_args!("{name:<9}{}", row(&found.classes)))?;
    }
    let (most, least) = (found.train.classes.iter().max(), found.train.classes.iter().min());
    if let (Some(most), Some(least)) = (most, least) {
        let share = 100.0 * *least as f64 / f64::max(*most as f64, 1.0);
        output.line(format_args!("balance  the rarest class has {share:.0} % as many images as the most frequent"))?;
    }
    output.line("flaw     training   test")?;
    for (flaw, meaning) in Flaw::ALL.into_iter().zip(MEANINGS) {
        let [train, test] = [&found.train, &found.test].map(|half| thousands(half.with(flaw).len() as u64));
        output.line(format_args!("{flaw:<10}{train:>7}{test:>7}   {meaning}"))?;
    }
    output.line(format_args!("{} training images are also test images", thousands(found.shared.len() as u64)))?;
    for (name, found, split) in halves {
        let Some(targets) = split.map(Split::targets) else { continue };
        let label = |index| targets.class(index).unwrap_or_default();
        for outlier in found.outliers.iter().take(WORST) {
            let (index, label) = (outlier.index, label(outlier.index));
            output.line(format_args!(
                "outlier  {name} {index}, a {label}: {:.1} standard deviations",
                outlier.deviations
            ))?;
        }
        for doubt in found.doubts.iter().take(WORST) {
            let (index, label) = (doubt.index, label(doubt.index));
            output.line(format_args!("label    {name} {index}, a {label}: looks like a {}", doubt.guess))?;
        }
    }
    output.event(&json!({
        "event": "check",
        "data": data.name(),
        "train": report(&found.train),
        "test": report(&found.test),
        "shared": found.shared,
    }))
}

fn report(found: &Findings) -> Value {
    let outliers = found.outliers.iter().map(|o| json!({ "index": o.index, "deviations": o.deviations }));
    let doubts =
        found.doubts.iter().map(|d| json!({ "index": d.index, "probability": d.probability, "guess": d.guess }));
    json!({
        "images": found.classes.iter().sum::<usize>(),
        "classes": found.classes,
        "blank": found.blank,
        "constant": found.constant,
        "duplicate": found.duplicate,
        "outlier": outliers.collect::<Vec<_>>(),
        "label": doubts.collect::<Vec<_>>(),
    })
}
