//! Variants: one WGSL kernel under different constants and snippets.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// A constant that a variant puts before the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// `const NAME = 8u;`
    U32(u32),
    /// `const NAME = true;`
    Bool(bool),
    /// `alias NAME = vec4<f32>;`
    Alias(&'static str),
}

/// One form of a kernel: the same bindings, parameters, cases and twin, under other constants and snippets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What distinguishes it, such as `tiled-64x64`; `plain` where there is only one.
    pub name: String,
    constants: Vec<(&'static str, Constant)>,
    parts: Vec<Cow<'static, str>>,
}

impl Variant {
    /// The only variant of a kernel whose source is these parts, one after the other.
    pub fn plain(parts: &[&'static str]) -> Self {
        Self::new("plain", &[], parts)
    }

    /// The variant `name`: the constants, then the parts.
    pub fn new(name: impl Into<String>, constants: &[(&'static str, Constant)], parts: &[&'static str]) -> Self {
        Self { name: name.into(), constants: constants.to_vec(), parts: parts.iter().map(|&p| p.into()).collect() }
    }

    /// This variant with every part of its source passed through `edit`: how faults are seeded to test the tests.
    pub fn edited(&self, name: impl Into<String>, edit: impl Fn(&str) -> String) -> Self {
        let parts = self.parts.iter().map(|part| edit(part).into()).collect();
        Self { name: name.into(), constants: self.constants.clone(), parts }
    }

    /// The whole WGSL source.
    pub fn source(&self) -> String {
        let mut source = String::new();
        for (name, value) in &self.constants {
            let _ = match value {
                Constant::U32(value) => writeln!(source, "const {name} = {value}u;"),
                Constant::Bool(value) => writeln!(source, "const {name} = {value};"),
                Constant::Alias(value) => writeln!(source, "alias {name} = {value};"),
            };
        }
        self.parts.iter().for_each(|part| source.push_str(part));
        source
    }

    /// The value of a u32 constant of this variant.
    ///
    /// # Panics
    /// Where the variant has no such constant: a fault in the op, which its first test meets.
    pub fn u32(&self, name: &str) -> u64 {
        let value = self.constants.iter().find_map(|(n, value)| match value {
            Constant::U32(value) if *n == name => Some(u64::from(*value)),
            _ => None,
        });
        value.unwrap_or_else(|| panic!("variant {} has no u32 constant {name}", self.name))
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
