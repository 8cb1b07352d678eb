//! Constants shared by host and shaders: declared in Rust, with the WGSL generated from them.

/// Declares constants of type `u32`, `usize` or `f32`, and a `&str` with the same declarations in WGSL, to be used as
/// part of a shader's source.
///
/// ```
/// shadegrad::shared! {
///     /// For the shader.
///     pub CORNERS:
///     /// Corners of a triangle.
///     pub TRIANGLE: usize = 3;
///     /// A share of a circle.
///     pub QUARTER: f32 = 0.25;
/// }
/// assert_eq!((TRIANGLE, QUARTER), (3, 0.25));
/// assert_eq!(CORNERS, "const TRIANGLE = 3u;\nconst QUARTER = 0.25;\n");
/// ```
#[macro_export]
macro_rules! shared {
    (
        $(#[$about:meta])* $seen:vis $wgsl:ident:
        $($(#[$doc:meta])* $visible:vis $name:ident: $type:ident = $value:literal;)+
    ) => {
        $(#[$about])*
        $seen const $wgsl: &str =
            concat!($("const ", stringify!($name), " = ", $value, $crate::shared!(@suffix $type), ";\n"),+);
        $($(#[$doc])* $visible const $name: $type = $value;)+
    };
    (@suffix f32) => {
        ""
    };
    (@suffix $integer:ident) => {
        "u"
    };
}
