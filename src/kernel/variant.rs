//! Variants: one WGSL kernel with different constants and snippets.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// A constant that a variant prepends to the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// `const NAME = 8u;`
    U32(u32),
    /// `const NAME = true;`
    Bool(bool),
    /// `alias NAME = vec4<f32>;`
    Alias(&'static str),
}

/// A form of a kernel: same bindings, parameters, cases and twin, but other constants and snippets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// A distinguishing name such as `tiled-64x64`; `plain` if there is only one variant.
    pub name: String,
    /// Rows and columns of the output per workgroup, for tiled kernels.
    pub tile: [u32; 2],
    constants: Vec<(&'static str, Constant)>,
    parts: Vec<Cow<'static, str>>,
}

impl Variant {
    /// The only variant of a kernel whose source is the concatenation of these parts.
    pub fn plain(parts: &[&'static str]) -> Self {
        Self::new("plain", &[], parts)
    }

    /// The variant `name`: constants, then parts.
    pub fn new(name: impl Into<String>, constants: &[(&'static str, Constant)], parts: &[&'static str]) -> Self {
        Self {
            name: name.into(),
            tile: [1, 1],
            constants: constants.to_vec(),
            parts: parts.iter().map(|&p| p.into()).collect(),
        }
    }

    /// This variant with `edit` applied to every part of its source, to seed faults in tests.
    pub fn edited(&self, name: impl Into<String>, edit: impl Fn(&str) -> String) -> Self {
        let parts = self.parts.iter().map(|part| edit(part).into()).collect();
        Self { name: name.into(), tile: self.tile, constants: self.constants.clone(), parts }
    }

    /// This variant with a workgroup's tile of rows and columns.
    pub fn with_tile(self, tile: [u32; 2]) -> Self {
        Self { tile, ..self }
    }

    /// The full WGSL source.
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
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
