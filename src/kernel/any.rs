//! Kernels of any parameters behind one trait.

use super::args::Args;
use super::caps::Caps;
use super::case::{Case, Effort, Tolerance, Values};
use super::fault::ShaderFault;
use super::relation::Relation;
use super::variant::Variant;
use crate::random::Random;
use crate::shader::Member;

/// A [`Kernel`](super::Kernel) with its parameters as bytes, so that all kernels fit one registry and one plan.
pub trait AnyKernel: Sync {
    /// See [`Kernel::name`](super::Kernel::name).
    fn name(&self) -> &'static str;
    /// See [`Kernel::body`](super::Kernel::body).
    fn body(&self) -> &'static str {
        self.name()
    }
    /// The fields of the Rust parameter struct, and its size in bytes.
    fn fields(&self) -> (Vec<Member>, usize);
    /// See [`Kernel::is_composed`](super::Kernel::is_composed).
    fn is_composed(&self) -> bool;
    /// See [`Kernel::variants`](super::Kernel::variants).
    fn variants(&self, caps: &Caps) -> Vec<Variant>;
    /// The [preferred](Caps::preferred) variant, else that of [`Kernel::choose`](super::Kernel::choose); if it is not trusted, the first
    /// trusted one of [`Kernel::variants`](super::Kernel::variants) that supports these parameters.
    fn choose(&self, params: &[u8], caps: &Caps) -> Variant;
    /// The trusted ones of [`Kernel::candidates`](super::Kernel::candidates).
    fn candidates(&self, params: &[u8], caps: &Caps) -> Vec<Variant>;
    /// See [`Kernel::accepts`](super::Kernel::accepts).
    fn accepts(&self, params: &[u8], variant: &Variant) -> bool;
    /// See [`Kernel::consistent`](super::Kernel::consistent).
    fn consistent(&self, params: &[u8]) -> Vec<u8>;
    /// See [`Kernel::groups`](super::Kernel::groups).
    fn groups(&self, params: &[u8], variant: &Variant) -> u64;
    /// See [`Kernel::flops`](super::Kernel::flops).
    fn flops(&self, params: &[u8]) -> u64;
    /// See [`Kernel::bytes`](super::Kernel::bytes).
    fn bytes(&self, params: &[u8], bound: u64) -> u64;
    /// The f32 twin.
    fn twin_f32(&self, params: &[u8], args: &mut Args<'_, f32>);
    /// The f64 twin, the oracle.
    fn twin_f64(&self, params: &[u8], args: &mut Args<'_, f64>);
    /// See [`Kernel::tolerance`](super::Kernel::tolerance).
    fn tolerance(&self, case: &Case<Vec<u8>>, output: &str, values: &Values) -> Tolerance;
    /// See [`Kernel::cases`](super::Kernel::cases).
    fn cases(&self, effort: Effort) -> Vec<Case<Vec<u8>>>;
    /// See [`Kernel::relations`](super::Kernel::relations).
    fn relations(&self) -> Vec<Relation>;
    /// See [`Kernel::without_relations`](super::Kernel::without_relations).
    fn without_relations(&self) -> Option<&'static str>;
    /// See [`Kernel::faults`](super::Kernel::faults).
    fn faults(&self) -> &'static [ShaderFault];
    /// See [`Kernel::fill`](super::Kernel::fill).
    fn fill(&self, case: &Case<Vec<u8>>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>>;
}
