//! TOML files, read so that every mistake is told with its file, line and column.

use crate::error::{Error, Kind, Result};
use std::ops::Range;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest text that is read, in bytes: a thousand layers take less. Reading takes up to about 1,000 bytes of memory
/// for each.
const LONGEST: usize = 1 << 16;

/// A place in a file: what tells a mistake there.
#[derive(Clone, Debug)]
struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    /// `NAME:LINE:COLUMN`, both from 1, of a byte of the text. Columns are characters.
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

/// A table of a file. Keys are taken out of it, and [`Self::finish`] refuses those that nobody took.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    file: File<'a>,
    entries: DeTable<'a>,
    start: usize,
    known: Vec<String>,
}

/// What a key may be set to.
pub trait TomlValue: Sized {
    /// What is asked for, such as `a number`.
    const EXPECTED: &'static str;

    /// The value, where it is one.
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

impl<'a> Table<'a> {
    /// The whole of a file, that is called `name` in errors.
    ///
    /// # Errors
    /// Where the text is no TOML, gives a key twice, or is longer than 64 KiB.
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

    /// Where the table begins, as `NAME:LINE:COLUMN`.
    pub fn place(&self) -> String {
        self.file.place(self.start)
    }

    /// The error for this table as a whole.
    pub fn refuse(&self, what: impl std::fmt::Display) -> Error {
        self.file.refuse(self.start, what)
    }

    /// The error for a key that has to be there.
    pub fn missing(&self, key: &str, expected: &str) -> Error {
        self.refuse(format!("`{key}` is missing: expected {expected}"))
    }

    /// The value of a key, where it has one, and where that begins.
    fn entry(&mut self, key: &str) -> Option<(Range<usize>, DeValue<'a>)> {
        self.known.push(key.to_owned());
        let value: Spanned<DeValue<'a>> = self.entries.remove(key)?;
        Some((value.span(), value.into_inner()))
    }

    /// The setting of a key, where it has one that `valid` agrees with.
    ///
    /// # Errors
    /// Where it has another: gives its place, what was expected and what was found.
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

    /// The setting of a key, where it has one.
    ///
    /// # Errors
    /// Where it is of another type: gives its place, what was expected and what was found.
    pub fn take<T: TomlValue>(&mut self, key: &'static str) -> Result<Option<T>> {
        self.take_valid(key, T::EXPECTED, |_| true)
    }

    /// What a key's string reads as, where it has one.
    ///
    /// # Errors
    /// Where it is no string, or not one that can be read: gives its place, and what can.
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

    /// The table of a key, where it has one.
    ///
    /// # Errors
    /// Where it is none.
    pub fn take_table(&mut self, key: &'static str) -> Result<Option<Self>> {
        let Some((span, value)) = self.entry(key) else { return Ok(None) };
        self.nested(key, span.start, value).map(Some)
    }

    /// The list of tables of a key.
    ///
    /// # Errors
    /// Where there is none, or something in it is no table.
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

    /// Ends the reading.
    ///
    /// # Errors
    /// Where keys are left: names the first of them in the file, and the keys that there are.
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
        // From the text, not from an f64: rounded once.
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
