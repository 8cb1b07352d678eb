//! Reflection of a WGSL kernel with naga: bindings, parameters, workgroup size and memory.
//!
//! The shader is the single source of truth. A binding declares its shape in a doc comment, in terms of the fields of
//! `struct Params`, and Rust refers to bindings by name:
//!
//! ```wgsl
//! struct Params { m: u32, k: u32, n: u32 }
//! @group(0) @binding(0) var<uniform> params: Params;
//! /// [m, k], or [k, m] where TRANSPOSE_A
//! @group(0) @binding(1) var<storage, read> a: array<f32>;
//! /// [samples, features] u8
//! @group(0) @binding(2) var<storage, read> items: array<u32>;
//! ```

use crate::error::{Error, Kind, Result};
use crate::shape::{DType, Layout, Shape, TensorType};
use naga::valid::{Capabilities, GlobalUse, ValidationFlags, Validator};
use naga::{AddressSpace, ScalarKind, TypeInner};

/// How a kernel uses a storage binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read-only; declared `read`.
    Read,
    /// Declared `read_write`, and only written: every element must be written.
    Write,
    /// Declared `read_write`, and both read and written, or documented as `partly written`.
    ReadWrite,
}

/// A storage binding.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The WGSL variable's name.
    pub name: String,
    /// Its `@binding` number, in group 0.
    pub index: u32,
    /// How the kernel uses it.
    pub access: Access,
    /// Its element type.
    pub dtype: DType,
    /// Its memory layout.
    pub layout: Layout,
    /// Its extents, each a field of `Params` or a number.
    pub extents: Vec<String>,
}

/// The type of a field of `Params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// 32-bit float.
    F32,
    /// 32-bit unsigned integer.
    U32,
}

/// A field of `Params`, in the shader or in Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// Its type.
    pub scalar: Scalar,
}

/// Reflection of a kernel's source.
#[derive(Clone, Debug)]
pub struct Reflection {
    /// The storage bindings that the entry point uses, by index.
    pub bindings: Vec<Binding>,
    /// The fields of the uniform `params`, by offset.
    pub params: Vec<Member>,
    /// Workgroup size.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Whether it needs subgroup operations.
    pub subgroups: bool,
}

impl Binding {
    /// The binding's type, with `value` providing parameters by name.
    ///
    /// # Errors
    /// If an extent is neither a number nor known.
    pub fn ty(&self, value: impl Fn(&str) -> Option<u32>) -> Result<TensorType> {
        let extent = |text: &String| {
            text.parse().ok().or_else(|| value(text).map(|v| v as usize)).ok_or_else(|| {
                broken(&self.name, format!("extent `{text}` is neither a number nor a u32 field of Params"))
            })
        };
        let shape = Shape::new(self.extents.iter().map(extent).collect::<Result<Vec<_>>>()?);
        Ok(TensorType { shape, dtype: self.dtype, layout: self.layout })
    }
}

impl Reflection {
    /// Parses, validates and reflects the source of the kernel `name`.
    pub fn of(name: &str, source: &str) -> Result<Self> {
        let options = naga::front::wgsl::Options { parse_doc_comments: true, capabilities: Capabilities::all() };
        let module = naga::front::wgsl::Frontend::new_with_options(options)
            .parse(source)
            .map_err(|e| broken(name, e.emit_to_string_with_path(source, name)))?;
        let validate =
            |capabilities| Validator::new(ValidationFlags::all(), capabilities).validate(&module).map_err(Box::new);
        let info = validate(Capabilities::all()).map_err(|e| broken(name, e.emit_to_string_with_path(source, name)))?;
        let subgroups = validate(Capabilities::all() - Capabilities::SUBGROUP).is_err();
        let [entry] = module.entry_points.as_slice() else {
            return Err(broken(name, format!("{} entry points, expected 1", module.entry_points.len())));
        };
        if entry.name != "main" {
            return Err(broken(name, format!("the entry point is called `{}`, expected `main`", entry.name)));
        }
        let uses = info.get_entry_point(0);
        let mut reflection = Self {
            bindings: Vec::new(),
            params: Vec::new(),
            workgroup_size: entry.workgroup_size,
            workgroup_memory: 0,
            subgroups,
        };
        for (handle, variable) in module.global_variables.iter() {
            if uses[handle].is_empty() {
                continue;
            }
            match variable.space {
                AddressSpace::WorkGroup => {
                    reflection.workgroup_memory += module.types[variable.ty].inner.size(module.to_ctx());
                }
                AddressSpace::Uniform => reflection.params = params_fields(name, &module, variable)?,
                AddressSpace::Storage { access } => {
                    let docs = module.doc_comments.as_ref().and_then(|docs| docs.global_variables.get(&handle));
                    let writable = access.contains(naga::StorageAccess::STORE);
                    let access = match (writable, uses[handle].contains(GlobalUse::READ)) {
                        (false, _) => Access::Read,
                        (true, true) => Access::ReadWrite,
                        (true, false) => Access::Write,
                    };
                    reflection.bindings.push(storage_binding(name, &module, variable, access, docs)?);
                }
                _ => {}
            }
        }
        reflection.bindings.sort_by_key(|binding| binding.index);
        Ok(reflection)
    }

    /// The binding with this name.
    pub fn binding(&self, name: &str) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.name == name)
    }
}

fn broken(kernel: &str, what: impl std::fmt::Display) -> Error {
    let advice = "this is a bug in shadegrad: please report it";
    Error::with_report(Kind::Device, format!("shader {kernel}: {what}"), advice)
}

fn params_fields(name: &str, module: &naga::Module, variable: &naga::GlobalVariable) -> Result<Vec<Member>> {
    let TypeInner::Struct { members, .. } = &module.types[variable.ty].inner else {
        return Err(broken(name, "the uniform must be a struct"));
    };
    let field = |member: &naga::StructMember| {
        let field = member.name.clone().unwrap_or_default();
        let scalar = match module.types[member.ty].inner {
            TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Float, width: 4 }) => Scalar::F32,
            TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Uint, width: 4 }) => Scalar::U32,
            _ => return Err(broken(name, format!("field `{field}` of Params is neither f32 nor u32"))),
        };
        Ok(Member { name: field, offset: member.offset as usize, scalar })
    };
    members.iter().map(field).collect()
}

fn storage_binding(
    kernel: &str,
    module: &naga::Module,
    variable: &naga::GlobalVariable,
    access: Access,
    docs: Option<&Vec<String>>,
) -> Result<Binding> {
    let name = variable.name.clone().unwrap_or_default();
    let index = match &variable.binding {
        Some(binding) if binding.group == 0 => binding.binding,
        _ => return Err(broken(kernel, format!("`{name}` is not in group 0"))),
    };
    let scalar = match &module.types[variable.ty].inner {
        TypeInner::Array { base, .. } => match module.types[*base].inner {
            TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => Some(scalar.kind),
            _ => None,
        },
        _ => None,
    };
    let word = match scalar {
        Some(ScalarKind::Float) => DType::F32,
        Some(ScalarKind::Uint) => DType::U32,
        _ => return Err(broken(kernel, format!("`{name}` is not an array of f32 or u32, or of vectors of them"))),
    };
    let doc = docs.map(|lines| lines.join(" ")).unwrap_or_default();
    let (extents, bytes) = parse_shape(&doc, |constant| is_true(module, constant)).ok_or_else(|| {
        broken(kernel, format!("`{name}` needs its shape as a doc comment such as `/// [m, k]`, found {doc:?}"))
    })?;
    let dtype = if bytes && word == DType::U32 { DType::U8 } else { word };
    // Elements that are not written keep their values, as if read and written back.
    let partly = access == Access::Write && doc.contains("partly written");
    let access = if partly { Access::ReadWrite } else { access };
    Ok(Binding { name, index, access, dtype, layout: Layout::RowMajor, extents })
}

/// Whether the module's constant `name` is the literal `true`.
fn is_true(module: &naga::Module, name: &str) -> bool {
    module.constants.iter().any(|(_, constant)| {
        constant.name.as_deref() == Some(name)
            && matches!(module.global_expressions[constant.init], naga::Expression::Literal(naga::Literal::Bool(true)))
    })
}

/// Parses `[m, k]`, `[samples, features] u8`, `[m, k], or [k, m] where TRANSPOSE_A`. True means bytes.
fn parse_shape(doc: &str, holds: impl Fn(&str) -> bool) -> Option<(Vec<String>, bool)> {
    let bracket = |text: &str| {
        let (inside, rest) = text.split_once('[')?.1.split_once(']')?;
        Some((inside.split(',').map(|extent| extent.trim().to_owned()).collect::<Vec<_>>(), rest.to_owned()))
    };
    let (mut extents, rest) = bracket(doc)?;
    if let Some(other) = rest.trim_start().strip_prefix(", or ") {
        let (instead, condition) = bracket(other)?;
        let constant =
            condition.trim_start().strip_prefix("where ")?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        if holds(constant) {
            extents = instead;
        }
    }
    let valid = |extent: &String| !extent.is_empty() && extent.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    extents.iter().all(valid).then(|| (extents, rest.trim_start().starts_with("u8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        const FLIP = true;
        struct Params { m: u32, rate: f32, n: u32 }
        @group(0) @binding(0) var<uniform> params: Params;
        /// [m, n], or [n, m] where FLIP
        @group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
        /// [m, n] u8
        @group(0) @binding(1) var<storage, read> bytes: array<u32>;
        /// [n]
        @group(0) @binding(3) var<storage, read_write> sum: array<f32>;
        /// [n]
        @group(0) @binding(4) var<storage, read_write> fresh: array<f32>;
        /// [n]
        @group(0) @binding(5) var<storage, read_write> unused: array<f32>;
        var<workgroup> scratch: array<f32, 64>;
        @compute @workgroup_size(8, 4) fn main(@builtin(local_invocation_index) i: u32) {
            scratch[i] = params.rate * a[i].x;
            sum[i] += scratch[i] + f32(bytes[i]);
            fresh[i] = 1.0;
        }";

    #[test]
    fn a_shader_tells_its_bindings_params_and_sizes() {
        let reflection = Reflection::of("test", SOURCE).expect("the source is valid");
        let names: Vec<_> = reflection.bindings.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(names, ["bytes", "a", "sum", "fresh"]);
        let access: Vec<_> = reflection.bindings.iter().map(|b| b.access).collect();
        assert_eq!(access, [Access::Read, Access::Read, Access::ReadWrite, Access::Write]);
        let dtypes: Vec<_> = reflection.bindings.iter().map(|b| b.dtype).collect();
        assert_eq!(dtypes, [DType::U8, DType::F32, DType::F32, DType::F32]);
        let value = |name: &str| [("m", 3), ("n", 5)].iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        assert_eq!(reflection.binding("a").expect("a exists").ty(value).expect("known"), TensorType::f32([5, 3]));
        assert_eq!(reflection.params[2], Member { name: "n".into(), offset: 8, scalar: Scalar::U32 });
        assert_eq!((reflection.workgroup_size, reflection.workgroup_memory), ([8, 4, 1], 256));
    }

    #[test]
    fn a_binding_without_its_shape_is_named() {
        let error = Reflection::of("test", &SOURCE.replace("/// [m, n] u8", "")).expect_err("`bytes` has no shape");
        assert!(error.cause().contains("`bytes` needs its shape"), "{error}");
        let unknown = Reflection::of("test", &SOURCE.replace("[m, n] u8", "[rows, n] u8")).expect("parses");
        let error = unknown.bindings[0].ty(|_| None).expect_err("`rows` is unknown");
        assert!(error.cause().contains("`rows`"), "{error}");
    }
}
