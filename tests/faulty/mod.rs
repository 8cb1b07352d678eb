//! Kernels with seeded shader faults.

use shadegrad::kernel::{AnyKernel, Args, Caps, Case, Effort, Relation, ShaderFault, Tolerance, Values, Variant};
use shadegrad::random::Random;
use shadegrad::shader::Member;

/// A kernel whose shader has `from` replaced by `to`.
pub(crate) struct Faulty {
    pub(crate) kernel: &'static dyn AnyKernel,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

impl Faulty {
    pub(crate) fn spoiled(&self, variant: &Variant) -> Variant {
        assert!(variant.source().contains(self.from), "{variant} no longer contains `{}`", self.from);
        variant.edited(variant.name.clone(), |part| part.replace(self.from, self.to))
    }
}

impl AnyKernel for Faulty {
    fn name(&self) -> &'static str {
        self.kernel.name()
    }
    fn body(&self) -> &'static str {
        self.kernel.body()
    }
    fn is_composed(&self) -> bool {
        self.kernel.is_composed()
    }
    fn fields(&self) -> (Vec<Member>, usize) {
        self.kernel.fields()
    }
    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        self.kernel.variants(caps).iter().map(|variant| self.spoiled(variant)).collect()
    }
    fn choose(&self, params: &[u8], caps: &Caps) -> Variant {
        self.spoiled(&self.kernel.choose(params, caps))
    }
    fn candidates(&self, params: &[u8], caps: &Caps) -> Vec<Variant> {
        self.kernel.candidates(params, caps).iter().map(|variant| self.spoiled(variant)).collect()
    }
    fn consistent(&self, params: &[u8]) -> Vec<u8> {
        self.kernel.consistent(params)
    }

    fn accepts(&self, params: &[u8], variant: &Variant) -> bool {
        self.kernel.accepts(params, variant)
    }
    fn groups(&self, params: &[u8], variant: &Variant) -> u64 {
        self.kernel.groups(params, variant)
    }
    fn flops(&self, params: &[u8]) -> u64 {
        self.kernel.flops(params)
    }
    fn bytes(&self, params: &[u8], bound: u64) -> u64 {
        self.kernel.bytes(params, bound)
    }
    fn twin_f32(&self, params: &[u8], args: &mut Args<'_, f32>) {
        self.kernel.twin_f32(params, args);
    }
    fn twin_f64(&self, params: &[u8], args: &mut Args<'_, f64>) {
        self.kernel.twin_f64(params, args);
    }
    fn tolerance(&self, case: &Case<Vec<u8>>, output: &str, values: &Values) -> Tolerance {
        self.kernel.tolerance(case, output, values)
    }
    fn cases(&self, effort: Effort) -> Vec<Case<Vec<u8>>> {
        self.kernel.cases(effort)
    }
    fn relations(&self) -> Vec<Relation> {
        self.kernel.relations()
    }
    fn without_relations(&self) -> Option<&'static str> {
        self.kernel.without_relations()
    }
    fn faults(&self) -> &'static [ShaderFault] {
        self.kernel.faults()
    }
    fn fill(&self, case: &Case<Vec<u8>>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
        self.kernel.fill(case, binding, elements, random)
    }
}
