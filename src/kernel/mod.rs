//! A kernel: a WGSL entry point with everything that is known about it, in one place.
//!
//! An op's file implements [`Kernel`]: parameters, geometry, cost, CPU twin, error bound, test cases, variants. The
//! rest of the crate sees the object-safe [`AnyKernel`], whose parameters are bytes.

mod args;
mod caps;
mod case;
mod fault;
mod params;
mod real;
mod relation;
mod variant;

pub use args::{Args, Array, FewBindings, View};
pub use caps::Caps;
pub use case::{Case, Effort, Inputs, Tolerance, Values, edge_sizes, ulp};
pub use fault::ShaderFault;
pub use params::{ParamScalar, Params, word};
pub use real::Real;
pub use relation::Relation;
pub use variant::{Constant, Variant};

use crate::random::Random;
use crate::shader::Field;

/// A WGSL kernel and its twin. Implemented once an op; see `src/ops/` for examples.
pub trait Kernel: Sync {
    /// The uniform struct `Params` of the shader, field for field.
    type Params: Params;

    /// The name in the registry, in plans and in messages.
    fn name(&self) -> &'static str;

    /// The kernel whose source this one's is but for what it does to each result before it stores it; itself, where
    /// there is none. Verification need not try everything on both.
    fn body(&self) -> &'static str {
        self.name()
    }

    /// Whether it only puts together what other kernels are verified for. Short tests then need but few cases, and the
    /// variants that training would take for these.
    fn is_composed(&self) -> bool {
        false
    }

    /// Every variant that an adapter with these capabilities can run; all must pass the same cases.
    fn variants(&self, caps: &Caps) -> Vec<Variant>;

    /// The variant to use for these parameters: one of [`Self::variants`].
    fn choose(&self, _params: &Self::Params, caps: &Caps) -> Variant {
        self.variants(caps).swap_remove(0)
    }

    /// The variants among which the fastest for these parameters can be found by timing.
    fn candidates(&self, params: &Self::Params, caps: &Caps) -> Vec<Variant> {
        self.variants(caps).into_iter().filter(|variant| self.accepts(params, variant)).collect()
    }

    /// Whether this variant can serve these parameters; one that loads vectors may not.
    fn accepts(&self, _params: &Self::Params, _variant: &Variant) -> bool {
        true
    }

    /// These parameters, of which some were made smaller for a test, with those that follow from others made to follow.
    fn consistent(&self, params: Self::Params) -> Self::Params {
        params
    }

    /// How many workgroups to start. The executor folds them into two dimensions where one does not hold them.
    fn groups(&self, params: &Self::Params, variant: &Variant) -> u64;

    /// Floating-point operations, counting a multiply-add as two.
    fn flops(&self, params: &Self::Params) -> u64;

    /// Bytes that must move to and from memory, where that is not `bound`: each binding once, updated ones twice.
    fn bytes(&self, _params: &Self::Params, bound: u64) -> u64 {
        bound
    }

    /// The same computation on the CPU, generic over the number type.
    fn twin<T: Real>(&self, params: &Self::Params, args: &mut Args<'_, T>);

    /// How far each element of `output` may lie from the f64 twin's, and where that bound comes from.
    fn tolerance(&self, case: &Case<Self::Params>, output: &str, values: &Values) -> Tolerance;

    /// The parameters and kinds of input to test with.
    fn cases(&self, effort: Effort) -> Vec<Case<Self::Params>>;

    /// How its outputs change with its inputs.
    fn relations(&self) -> Vec<Relation> {
        Vec::new()
    }

    /// Faults to seed into its shader, each of which its cases must find. A kernel of the registry needs at least one.
    fn faults(&self) -> &'static [ShaderFault] {
        &[]
    }

    /// The words of an input binding with `elements` elements for a case; `None` takes the default for its kind.
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

/// A [`Kernel`] with its parameters as bytes, so that kernels of all kinds fit one registry and one plan.
pub trait AnyKernel: Sync {
    /// See [`Kernel::name`].
    fn name(&self) -> &'static str;
    /// See [`Kernel::body`].
    fn body(&self) -> &'static str {
        self.name()
    }
    /// The fields of the Rust struct that stands for the shader's `Params`, and its size in bytes.
    fn fields(&self) -> (Vec<Field>, usize);
    /// See [`Kernel::is_composed`].
    fn is_composed(&self) -> bool;
    /// See [`Kernel::variants`].
    fn variants(&self, caps: &Caps) -> Vec<Variant>;
    /// The variant that is [preferred](Caps::preferred), else that of [`Kernel::choose`]; where that is not trusted, the
    /// first of [`Kernel::variants`] that is and serves these parameters.
    fn choose(&self, params: &[u8], caps: &Caps) -> Variant;
    /// Those of [`Kernel::candidates`] that are trusted.
    fn candidates(&self, params: &[u8], caps: &Caps) -> Vec<Variant>;
    /// See [`Kernel::accepts`].
    fn accepts(&self, params: &[u8], variant: &Variant) -> bool;
    /// See [`Kernel::consistent`].
    fn consistent(&self, params: &[u8]) -> Vec<u8>;
    /// See [`Kernel::groups`].
    fn groups(&self, params: &[u8], variant: &Variant) -> u64;
    /// See [`Kernel::flops`].
    fn flops(&self, params: &[u8]) -> u64;
    /// See [`Kernel::bytes`].
    fn bytes(&self, params: &[u8], bound: u64) -> u64;
    /// The twin in single precision.
    fn twin_f32(&self, params: &[u8], args: &mut Args<'_, f32>);
    /// The twin in double precision, the oracle.
    fn twin_f64(&self, params: &[u8], args: &mut Args<'_, f64>);
    /// See [`Kernel::tolerance`].
    fn tolerance(&self, case: &Case<Vec<u8>>, output: &str, values: &Values) -> Tolerance;
    /// See [`Kernel::cases`].
    fn cases(&self, effort: Effort) -> Vec<Case<Vec<u8>>>;
    /// See [`Kernel::relations`].
    fn relations(&self) -> Vec<Relation>;
    /// See [`Kernel::faults`].
    fn faults(&self) -> &'static [ShaderFault];
    /// See [`Kernel::fill`].
    fn fill(&self, case: &Case<Vec<u8>>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>>;
}

impl<K: Kernel> AnyKernel for K {
    fn name(&self) -> &'static str {
        Kernel::name(self)
    }

    fn body(&self) -> &'static str {
        Kernel::body(self)
    }

    fn fields(&self) -> (Vec<Field>, usize) {
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

    fn faults(&self) -> &'static [ShaderFault] {
        Kernel::faults(self)
    }

    fn fill(&self, case: &Case<Vec<u8>>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
        Kernel::fill(self, &case.map(|params| typed(params)), binding, elements, random)
    }
}

/// `each` for each combination of things that there are so many of, or the most that can be told.
pub fn operations(each: u64, counts: impl IntoIterator<Item = u32>) -> u64 {
    counts.into_iter().fold(each, |product, count| product.saturating_mul(count.into()))
}

fn typed<P: Params>(bytes: &[u8]) -> P {
    bytemuck::pod_read_unaligned(bytes)
}
