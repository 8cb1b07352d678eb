//! A kernel: a WGSL entry point and everything known about it, in one place.
//!
//! An op's file implements [`Kernel`]: parameters, geometry, cost, CPU reference implementation (twin), error bound,
//! test cases, variants. The rest of the crate uses the object-safe [`AnyKernel`], whose parameters are bytes.

mod any;
mod args;
mod caps;
mod case;
mod fault;
mod linear;
mod params;
mod real;
mod relation;
mod variant;

pub use any::AnyKernel;
pub use args::{Args, Array, FewBindings, View};
pub use caps::Caps;
pub use case::{Case, Effort, Inputs, Tolerance, Values, edge_sizes, ulp};
pub use fault::ShaderFault;
pub use linear::{LINEAR, WORKGROUP, linear_groups};
pub use params::{ParamField, Params, word};
pub use real::Real;
pub use relation::Relation;
pub use variant::{Constant, Variant};

use crate::random::Random;
use crate::shader::Member;

/// A WGSL kernel and its twin, one implementation per kernel; see `src/ops/` for examples.
pub trait Kernel: Sync {
    /// Mirrors the shader's uniform struct `Params` field by field.
    type Params: Params;

    /// Name in the registry, in plans and in messages.
    fn name(&self) -> &'static str;

    /// The kernel with the same source up to the epilogue; itself if there is none. Verification does not repeat
    /// everything for both.
    fn body(&self) -> &'static str {
        self.name()
    }

    /// Whether it only combines parts that are verified in other kernels. Quick tests then need few cases, and only the
    /// variants training would choose for them.
    fn is_composed(&self) -> bool {
        false
    }

    /// All variants that an adapter with these capabilities can run; each must pass the same cases.
    fn variants(&self, caps: &Caps) -> Vec<Variant>;

    /// The default variant for these parameters, one of [`Self::variants`].
    fn choose(&self, _params: &Self::Params, caps: &Caps) -> Variant {
        self.variants(caps).swap_remove(0)
    }

    /// The variants among which timing selects the fastest for these parameters.
    fn candidates(&self, params: &Self::Params, caps: &Caps) -> Vec<Variant> {
        self.variants(caps).into_iter().filter(|variant| self.accepts(params, variant)).collect()
    }

    /// Whether this variant supports these parameters; one with vector loads may not.
    fn accepts(&self, _params: &Self::Params, _variant: &Variant) -> bool {
        true
    }

    /// Recomputes dependent parameters after others were reduced for a test.
    fn consistent(&self, params: Self::Params) -> Self::Params {
        params
    }

    /// Number of workgroups. The executor folds it into two dimensions if necessary.
    fn groups(&self, params: &Self::Params, variant: &Variant) -> u64;

    /// Floating-point operations; a multiply-add counts as two.
    fn flops(&self, params: &Self::Params) -> u64;

    /// Minimum memory traffic in bytes, if it differs from `bound`: each binding once, updated ones twice.
    fn bytes(&self, _params: &Self::Params, bound: u64) -> u64 {
        bound
    }

    /// The same computation on the CPU, generic over the float type.
    fn twin<T: Real>(&self, params: &Self::Params, args: &mut Args<'_, T>);

    /// Maximum difference of each element of `output` from the f64 twin's, with the derivation of the bound.
    fn tolerance(&self, case: &Case<Self::Params>, output: &str, values: &Values) -> Tolerance;

    /// Parameters and kinds of input to test.
    fn cases(&self, effort: Effort) -> Vec<Case<Self::Params>>;

    /// How outputs change with inputs.
    fn relations(&self) -> Vec<Relation> {
        Vec::new()
    }

    /// Why it has no [`Self::relations`], if it has none.
    fn without_relations(&self) -> Option<&'static str> {
        None
    }

    /// Faults to seed into its shader, each of which its cases must find. A kernel in the registry needs at least one.
    fn faults(&self) -> &'static [ShaderFault] {
        &[]
    }

    /// The words of an input binding with `elements` elements for a case; `None` selects the default for its kind.
    fn fill(
        &self,
        _case: &Case<Self::Params>,
        _binding: &str,
        _elements: usize,
        _random: &mut Random,
    ) -> Option<Vec<u32>> {
        None
    }
}

impl<K: Kernel> AnyKernel for K {
    fn name(&self) -> &'static str {
        Kernel::name(self)
    }

    fn body(&self) -> &'static str {
        Kernel::body(self)
    }

    fn fields(&self) -> (Vec<Member>, usize) {
        (K::Params::fields(), size_of::<K::Params>())
    }

    fn is_composed(&self) -> bool {
        Kernel::is_composed(self)
    }

    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        Kernel::variants(self, caps)
    }

    fn choose(&self, params: &[u8], caps: &Caps) -> Variant {
        let (name, typed) = (Kernel::name(self), typed(params));
        let sound = |variant: &Variant| caps.trusts(name, &variant.name) && Kernel::accepts(self, &typed, variant);
        if let Some(preferred) = caps.preferred.get(&(name, params.to_vec())) {
            let wanted = |variant: &Variant| variant.name == *preferred && sound(variant);
            if let Some(variant) = Kernel::variants(self, caps).into_iter().find(wanted) {
                return variant;
            }
        }
        let first = Kernel::choose(self, &typed, caps);
        if caps.trusts(name, &first.name) {
            return first;
        }
        Kernel::variants(self, caps).into_iter().find(sound).unwrap_or(first)
    }

    fn candidates(&self, params: &[u8], caps: &Caps) -> Vec<Variant> {
        let mut candidates = Kernel::candidates(self, &typed(params), caps);
        candidates.retain(|variant| caps.trusts(Kernel::name(self), &variant.name));
        candidates
    }

    fn accepts(&self, params: &[u8], variant: &Variant) -> bool {
        Kernel::accepts(self, &typed(params), variant)
    }

    fn consistent(&self, params: &[u8]) -> Vec<u8> {
        bytemuck::bytes_of(&Kernel::consistent(self, typed(params))).to_vec()
    }

    fn groups(&self, params: &[u8], variant: &Variant) -> u64 {
        Kernel::groups(self, &typed(params), variant)
    }

    fn flops(&self, params: &[u8]) -> u64 {
        Kernel::flops(self, &typed(params))
    }

    fn bytes(&self, params: &[u8], bound: u64) -> u64 {
        Kernel::bytes(self, &typed(params), bound)
    }

    fn twin_f32(&self, params: &[u8], args: &mut Args<'_, f32>) {
        self.twin(&typed(params), args);
    }

    fn twin_f64(&self, params: &[u8], args: &mut Args<'_, f64>) {
        self.twin(&typed(params), args);
    }

    fn tolerance(&self, case: &Case<Vec<u8>>, output: &str, values: &Values) -> Tolerance {
        Kernel::tolerance(self, &case.map(|params| typed(params)), output, values)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<Vec<u8>>> {
        Kernel::cases(self, effort).iter().map(|case| case.map(|p| bytemuck::bytes_of(p).to_vec())).collect()
    }

    fn relations(&self) -> Vec<Relation> {
        Kernel::relations(self)
    }

    fn without_relations(&self) -> Option<&'static str> {
        Kernel::without_relations(self)
    }

    fn faults(&self) -> &'static [ShaderFault] {
        Kernel::faults(self)
    }

    fn fill(&self, case: &Case<Vec<u8>>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
        Kernel::fill(self, &case.map(|params| typed(params)), binding, elements, random)
    }
}

/// `each` times all `counts`, saturating.
pub fn operations(each: u64, counts: impl IntoIterator<Item = u32>) -> u64 {
    counts.into_iter().fold(each, |product, count| product.saturating_mul(count.into()))
}

fn typed<P: Params>(bytes: &[u8]) -> P {
    bytemuck::pod_read_unaligned(bytes)
}
