//! Choices with names on the command line and in model files.

use crate::error::{Error, Kind, Result};

/// The choice with this name.
///
/// # Errors
/// If there is none; lists all.
pub(super) fn by_name<T: Copy>(what: &str, names: &[(&str, T)], text: &str) -> Result<T> {
    names.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
        let known = names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        Error::new(Kind::Usage, format!("unknown {what} {text:?}"), format!("choose one of {known}"))
    })
}

/// The name of a choice.
pub(super) fn name_of<T: PartialEq>(names: &[(&'static str, T)], choice: &T) -> &'static str {
    names.iter().find(|(_, other)| other == choice).map_or("unnamed", |(name, _)| name)
}

/// Implements parsing from and display as the name.
macro_rules! named {
    ($type:ty, $what:literal, $names:expr) => {
        impl std::str::FromStr for $type {
            type Err = crate::error::Error;

            fn from_str(text: &str) -> crate::error::Result<Self> {
                crate::nn::names::by_name($what, &$names, text)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(crate::nn::names::name_of(&$names, self))
            }
        }
    };
}

pub(super) use named;
