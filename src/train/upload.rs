//! Which data sets the device trains on, and how they get there.

use crate::data::{Dataset, Field, Split};
use crate::error::{Error, Kind, Result};
use crate::plan::Executor;
use crate::planner::{Set, SetSlots};
use crate::shape::DType;

/// Whether the device can train on a data set; the number of its classes.
///
/// # Errors
/// Returns an error unless it is for classification, with one input of bytes and class indices that fit a byte.
pub(super) fn check_supported(data: &Dataset) -> Result<usize> {
    let refuse =
        |cause: String, advice: &str| Err(Error::new(Kind::Usage, format!("{}: {cause}", data.name()), advice));
    let describe = |field: &Field| format!("`{}` of {}", field.name(), field.describe());
    let classes = data.task().outputs().len();
    let train = data.train();
    if !data.task().is_classification() {
        return refuse("the targets are not classes".into(), "only classification is supported: give a class per item");
    }
    match train.inputs() {
        [input] if input.values().dtype() == DType::U8 && input.lengths().is_none() => {}
        [input] => {
            let cause = format!("the input {} cannot be trained on yet", describe(input));
            return refuse(cause, "give inputs as bytes of one length, such as values scaled to 0 to 255");
        }
        inputs => return refuse(format!("{} inputs cannot be trained on yet", inputs.len()), "give one input"),
    }
    if train.targets().values().dtype() != DType::U8 {
        let cause = format!("the classes {} cannot be trained on yet", describe(train.targets()));
        return refuse(cause, "give at most 256 classes, whose indices fit a byte");
    }
    if train.weights().is_some() {
        return refuse("weights of items cannot be trained with yet".into(), "leave the weights out");
    }
    Ok(classes)
}

/// Copies the items of `split` and their classes into the slots of `set`, packed as the device wants them.
///
/// # Errors
/// Returns an error if the plan has no such slots, or they are of another size.
pub fn upload_split<E: Executor>(executor: &mut E, set: Set, split: &Split) -> Result<()> {
    let slots = SetSlots::find(executor.memory(), set)?;
    executor.write_words(slots.items, &split.inputs()[0].packed())?;
    executor.write_words(slots.targets, &split.targets().packed())
}
