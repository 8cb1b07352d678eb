//! Reads TOML files, reporting every error with file, line and column.

use crate::error::{Error, Kind, Result};
use std::ops::Range;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Maximum length of the text in bytes; a thousand layers take less. Parsing takes up to about 1,000 bytes of memory
/// per byte.
const LONGEST: usize = 1 << 16;

/// A file, to locate errors in.
#[derive(Clone, Debug)]
struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    /// `NAME:LINE:COLUMN` of a byte of the text, counted from 1. Columns are characters.
    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        format!("{}:{line}:{column}", self.name)
    }

    fn refuse(&self, at: usize, what: impl std::fmt::Display) -> Error {
        Error::new(
            Kind::Model,
            format!("{}: {what}", self.place(at)),
            "correct the file there; README.md has an example",
        )
    }
}

/// A table of a file. Keys are taken from it; [`Self::finish`] rejects the remaining ones.
#[derive(Clone, Debug)]
pub struct TomlTable<'a> {
    file: File<'a>,
    entries: DeTable<'a>,
    start: usize,
    known: Vec<String>,
}

/// The type of a key's value.
pub trait TomlValue: Sized {
    /// What is expected, such as `a number`.
    const EXPECTED: &'static str;

    /// The value, if it has this type.
    fn of(value: &DeValue<'_>) -> Option<Self>;
}

/// What kind of value a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A whole number of 0 or more.
    Whole,
    /// A number.
    Number,
    /// True or false.
    Switch,
    /// A string.
    Text,
}

impl ValueKind {
    /// What is asked for.
    fn expected(self) -> &'static str {
        match self {
            Self::Whole => u64::EXPECTED,
            Self::Number => f64::EXPECTED,
            Self::Switch => bool::EXPECTED,
            Self::Text => String::EXPECTED,
        }
    }

    /// The text of a value of this kind.
    fn text(self, value: &DeValue<'_>) -> Option<String> {
        match (self, value) {
            (Self::Whole, value) => u64::of(value).map(|number| number.to_string()),
            // As the file has it, to be rounded once.
            (Self::Number, DeValue::Float(number)) => Some(plain(number.as_str())),
            (Self::Number, DeValue::Integer(number)) if number.radix() == 10 => Some(plain(number.as_str())),
            (Self::Number, _) => None,
            (Self::Switch, value) => value.as_bool().map(|switch| switch.to_string()),
            (Self::Text, value) => value.as_str().map(str::to_owned),
        }
    }
}

impl<'a> TomlTable<'a> {
    /// A whole file, called `name` in errors.
    ///
    /// # Errors
    /// If the text is not TOML, repeats a key, or exceeds 64 KiB.
    pub fn parse(name: &'a str, text: &'a str) -> Result<Self> {
        let file = File { name, text };
        if text.len() > LONGEST {
            return Err(file.refuse(0, format!("expected {LONGEST} bytes at most, found {}", text.len())));
        }
        let entries = DeTable::parse(text).map_err(|error| {
            let message = error.message().trim().replace('\n', ", ");
            file.refuse(error.span().map_or(0, |span| span.start), message)
        })?;
        Ok(Self { file, entries: entries.into_inner(), start: 0, known: Vec::new() })
    }

    /// Start of the table, as `NAME:LINE:COLUMN`.
    pub fn place(&self) -> String {
        self.file.place(self.start)
    }

    /// An error for this table as a whole.
    pub fn refuse(&self, what: impl std::fmt::Display) -> Error {
        self.file.refuse(self.start, what)
    }

    /// The error for a missing key.
    pub fn missing(&self, key: &str, expected: &str) -> Error {
        self.refuse(format!("`{key}` is missing: expected {expected}"))
    }

    /// The value of a key and its location, if present.
    fn entry(&mut self, key: &str) -> Option<(Range<usize>, DeValue<'a>)> {
        self.known.push(key.to_owned());
        let value: Spanned<DeValue<'a>> = self.entries.remove(key)?;
        Some((value.span(), value.into_inner()))
    }

    /// The value of a key, if present, checked by `valid`.
    ///
    /// # Errors
    /// If the value is not valid; reports its location, expected and found.
    pub fn take_valid<T: TomlValue>(
        &mut self,
        key: &'static str,
        expected: &str,
        valid: impl Fn(&T) -> bool,
    ) -> Result<Option<T>> {
        let Some((span, value)) = self.entry(key) else { return Ok(None) };
        let setting = T::of(&value).filter(valid);
        setting.map(Some).ok_or_else(|| self.unexpected(key, expected, span, &value))
    }

    fn unexpected(&self, key: &str, expected: &str, span: Range<usize>, value: &DeValue<'_>) -> Error {
        let (start, kind) = (span.start, value.type_str());
        let found = self.file.text.get(span).unwrap_or("").lines().next().unwrap_or("");
        self.file.refuse(start, format!("`{key}`: expected {expected}, found {found} ({kind})"))
    }

    /// The value of a key, if present.
    ///
    /// # Errors
    /// If it has another type; reports its location, expected and found.
    pub fn take<T: TomlValue>(&mut self, key: &'static str) -> Result<Option<T>> {
        self.take_valid(key, T::EXPECTED, |_| true)
    }

    /// The value parsed from a key's string, if present.
    ///
    /// # Errors
    /// If the value is not a string, or cannot be parsed; reports its location and valid values.
    pub fn take_named<T: FromStr<Err = Error>>(&mut self, key: &'static str) -> Result<Option<T>> {
        self.take_as(key, ValueKind::Text, str::parse)
    }

    /// What the value of a key, as text, reads as, if it has one.
    ///
    /// # Errors
    /// If it is of another kind, or cannot be read: gives its place, and what can.
    pub fn take_as<T>(&mut self, key: &str, kind: ValueKind, read: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
        let Some((span, value)) = self.entry(key) else { return Ok(None) };
        let start = span.start;
        let text = kind.text(&value).ok_or_else(|| self.unexpected(key, kind.expected(), span, &value))?;
        let read = read(&text).map(Some);
        read.map_err(|error| self.file.refuse(start, format!("{}: {}", error.cause(), error.advice())))
    }

    /// The table of a key, if present.
    ///
    /// # Errors
    /// If it is not a table.
    pub fn take_table(&mut self, key: &'static str) -> Result<Option<Self>> {
        let Some((span, value)) = self.entry(key) else { return Ok(None) };
        self.nested(key, span.start, value).map(Some)
    }

    /// The list of tables of a key.
    ///
    /// # Errors
    /// If missing, or an element is not a table.
    pub fn take_tables(&mut self, key: &'static str) -> Result<Vec<Self>> {
        let expected = "expected a list of tables";
        match self.entry(key) {
            None => Err(self.missing(key, "a list of tables")),
            Some((_, DeValue::Array(list))) => {
                let item = |item: Spanned<DeValue<'a>>| self.nested(key, item.span().start, item.into_inner());
                list.into_iter().map(item).collect()
            }
            Some((span, other)) => {
                Err(self.file.refuse(span.start, format!("`{key}`: {expected}, found {}", other.type_str())))
            }
        }
    }

    fn nested(&self, key: &str, start: usize, value: DeValue<'a>) -> Result<Self> {
        match value {
            DeValue::Table(entries) => Ok(Self { file: self.file.clone(), entries, start, known: Vec::new() }),
            other => Err(self.file.refuse(start, format!("`{key}`: expected a table, found {}", other.type_str()))),
        }
    }

    /// Finishes reading.
    ///
    /// # Errors
    /// If keys remain; names the first of them in the file, and the known keys.
    pub fn finish(self) -> Result<()> {
        let Some(key) = self.entries.keys().min_by_key(|key| key.span().start) else { return Ok(()) };
        let known = self.known.join(", ");
        Err(self.file.refuse(key.span().start, format!("unknown key `{}`, expected one of {known}", key.get_ref())))
    }
}

/// A number as text, without the underscores that TOML allows between them.
fn plain(text: &str) -> String {
    text.replace('_', "")
}

impl TomlValue for u64 {
    const EXPECTED: &'static str = "a whole number of 0 or more";

    fn of(value: &DeValue<'_>) -> Option<Self> {
        let number = value.as_integer()?;
        Self::from_str_radix(&plain(number.as_str()), number.radix()).ok()
    }
}

impl TomlValue for usize {
    const EXPECTED: &'static str = u64::EXPECTED;

    fn of(value: &DeValue<'_>) -> Option<Self> {
        u64::of(value)?.try_into().ok()
    }
}

impl TomlValue for u32 {
    const EXPECTED: &'static str = u64::EXPECTED;

    fn of(value: &DeValue<'_>) -> Option<Self> {
        u64::of(value)?.try_into().ok()
    }
}

impl TomlValue for f64 {
    const EXPECTED: &'static str = "a number";

    fn of(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::Float(number) => plain(number.as_str()).parse().ok(),
            DeValue::Integer(number) if number.radix() == 10 => plain(number.as_str()).parse().ok(),
            _ => None,
        }
    }
}

impl TomlValue for f32 {
    const EXPECTED: &'static str = f64::EXPECTED;

    fn of(value: &DeValue<'_>) -> Option<Self> {
        // Parsed from the text, not via f64: rounded once.
        match value {
            DeValue::Float(number) => plain(number.as_str()).parse().ok(),
            DeValue::Integer(number) if number.radix() == 10 => plain(number.as_str()).parse().ok(),
            _ => None,
        }
    }
}

impl TomlValue for bool {
    const EXPECTED: &'static str = "true or false";

    fn of(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }
}

impl TomlValue for String {
    const EXPECTED: &'static str = "a string";

    fn of(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl<T: TomlValue> TomlValue for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn of(value: &DeValue<'_>) -> Option<Self> {
        value.as_array()?.iter().map(|item| T::of(item.get_ref())).collect()
    }
}
