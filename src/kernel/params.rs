//! Parameter structs: one Rust struct for each WGSL `struct Params`, with its fields listed for comparison.

use crate::shader::{Field, Scalar};

/// The Rust side of a shader's uniform struct; made by [`params!`](crate::params).
pub trait Params: bytemuck::Pod + Send + Sync + std::fmt::Debug {
    /// Name, offset and type of each field. A test compares them with the shader's.
    fn fields() -> Vec<Field>;
}

/// The value of the u32 field `name` in the bytes of a parameter struct.
pub fn word(fields: &[Field], bytes: &[u8], name: &str) -> Option<u32> {
    let field = fields.iter().find(|field| field.name == name && field.scalar == Scalar::U32)?;
    bytes.get(field.offset..field.offset + 4).map(bytemuck::pod_read_unaligned)
}

/// A type that a parameter may have.
pub trait ParamScalar {
    /// What the shader calls it.
    const SCALAR: Scalar;
}

impl ParamScalar for u32 {
    const SCALAR: Scalar = Scalar::U32;
}

impl ParamScalar for f32 {
    const SCALAR: Scalar = Scalar::F32;
}

/// Declares a parameter struct laid out as WGSL lays out a uniform struct of 32-bit scalars.
#[macro_export]
macro_rules! params {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::kernel::Params for $name {
            fn fields() -> Vec<$crate::shader::Field> {
                vec![$($crate::shader::Field {
                    name: stringify!($field).to_owned(),
                    offset: std::mem::offset_of!($name, $field),
                    scalar: <$type as $crate::kernel::ParamScalar>::SCALAR,
                }),*]
            }
        }
    };
}
