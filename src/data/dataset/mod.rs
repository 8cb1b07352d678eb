//! Data sets for any task: items of any shape with targets, valid by construction.

mod field;
mod images;
mod split;
mod task;

pub use field::{Field, FieldValues};
pub use images::Images;
pub use split::Split;
pub use task::Task;

use crate::error::{Error, Kind, Result};
use std::fmt;

/// Source of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The format it was loaded from, such as `idx`.
    pub format: &'static str,
    /// Its name or path.
    pub place: String,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.place, self.format)
    }
}

/// A data set: the task, and training, validation and test items. All parts have items of the same type, and every
/// target fits the task.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    task: Task,
    train: Split,
    validation: Option<Split>,
    test: Option<Split>,
    source: Provenance,
}

impl Dataset {
    /// A data set without validation and test parts.
    ///
    /// # Errors
    /// Returns an error if a target does not fit the task.
    pub fn new(name: impl Into<String>, task: Task, train: Split, source: Provenance) -> Result<Self> {
        task.check("training", train.targets())?;
        Ok(Self { name: name.into(), task, train, validation: None, test: None, source })
    }

    /// The same with other training items of the same type.
    ///
    /// # Errors
    /// Returns an error if their type differs, or a target does not fit the task.
    pub fn with_train(self, train: Split) -> Result<Self> {
        self.check("training", &train)?;
        Ok(Self { train, ..self })
    }

    /// The same with these validation items, or none.
    ///
    /// # Errors
    /// Returns an error if their type differs from the training items', or a target does not fit the task.
    pub fn with_validation(self, validation: impl Into<Option<Split>>) -> Result<Self> {
        let validation = validation.into();
        validation.iter().try_for_each(|split| self.check("validation", split))?;
        Ok(Self { validation, ..self })
    }

    /// The same with these test items, or none.
    ///
    /// # Errors
    /// Returns an error if their type differs from the training items', or a target does not fit the task.
    pub fn with_test(self, test: impl Into<Option<Split>>) -> Result<Self> {
        let test = test.into();
        test.iter().try_for_each(|split| self.check("test", split))?;
        Ok(Self { test, ..self })
    }

    /// The same with only the first items: `train` for training, and `test` for testing if there is a test part. Panics
    /// if there are fewer, as slicing does.
    pub fn first(&self, train: usize, test: usize) -> Self {
        Self {
            train: self.train.range(0..train),
            test: self.test.as_ref().map(|split| split.range(0..test)),
            ..self.clone()
        }
    }

    fn check(&self, part: &str, split: &Split) -> Result<()> {
        let describe = |split: &Split| {
            let fields = split.inputs().iter().chain([split.targets()]);
            let all: Vec<_> = fields.map(|field| format!("{} {}", field.name(), field.describe())).collect();
            all.join(", ")
        };
        let (expected, found) = (self.train.inputs(), split.inputs());
        let alike = expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| a.is_like(b));
        if !(alike && self.train.targets().is_like(split.targets())) {
            let (expected, found) = (describe(&self.train), describe(split));
            let cause = format!("{}: expected {part} items of {expected}, found {found}", self.source);
            return Err(Error::new(Kind::Data, cause, "take all parts from the same set"));
        }
        self.task.check(part, split.targets())
    }

    /// The set's name in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The training items.
    pub fn train(&self) -> &Split {
        &self.train
    }

    /// The validation items, if some were held out.
    pub fn validation(&self) -> Option<&Split> {
        self.validation.as_ref()
    }

    /// The test items, if any.
    pub fn test(&self) -> Option<&Split> {
        self.test.as_ref()
    }

    /// The source of the set.
    pub fn source(&self) -> &Provenance {
        &self.source
    }

    /// The test items.
    ///
    /// # Errors
    /// Returns an error if there are none.
    pub fn needed_test(&self) -> Result<&Split> {
        self.test().ok_or_else(|| {
            let cause = format!("{} has no items to test on", self.source);
            Error::new(Kind::Data, cause, "use a data set with a test part")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    fn split(item: &[usize], pixels: FieldValues, labels: FieldValues) -> Split {
        let images = Field::new("x", Shape::new(item), pixels).expect("whole items");
        Split::new(vec![images], Field::new("y", [], labels).expect("whole items")).expect("as many")
    }

    #[test]
    fn parts_of_other_types_and_classes_that_are_not_there_are_refused() {
        let bytes = |count: u8| FieldValues::U8((0..count).collect());
        let train = split(&[2], bytes(6), bytes(3));
        let source = Provenance { format: "npy", place: "some/folder".to_owned() };
        let data = Dataset::new("some", Task::classify(3), train.clone(), source.clone()).expect("sound");
        let twice = data.clone().with_test(train.clone()).and_then(|data| data.with_validation(train.range(0..1)));
        assert_eq!(twice.map(|data| data.validation().map(Split::len)), Ok(Some(1)));
        let error = data.needed_test().expect_err("there is none");
        assert!(error.kind() == Kind::Data && error.cause().contains("some/folder (npy) has no items"), "{error}");
        for (other, words) in [
            (split(&[3], bytes(6), bytes(2)), "test items of x [2] u8, y [] u8, found x [3] u8, y [] u8"),
            (split(&[2], FieldValues::U16(vec![0; 2]), bytes(1)), "found x [2] u16"),
            (split(&[2], bytes(2), FieldValues::U16(vec![0])), "y [] u16"),
            (split(&[2], bytes(2), FieldValues::U8(vec![3])), "below 3 per item, found 3"),
        ] {
            let error = data.clone().with_test(other).expect_err(words);
            assert!(error.kind() == Kind::Data && error.cause().contains(words), "{error}");
        }
        let error = Dataset::new("some", Task::classify(2), train, source).expect_err("label 2 is no class");
        assert!(error.cause().contains("training targets"), "{error}");
    }
}
