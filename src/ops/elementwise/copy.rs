//! out = a: saves or restores weights without leaving the device.

use crate::error::Result;
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, alternate, flat_sizes, linear_groups, word};
use crate::plan::{Plan, SlotId};

crate::params! {
    /// Parameters of [`CopyArrayKernel`].
    pub struct CopyParams {
        /// Elements.
        pub n: u32,
    }
}

/// Records a copy from the first to the second of two arrays, window by window.
///
/// # Errors
/// If their sizes differ.
pub fn record(plan: &mut Plan, label: &str, arrays: [SlotId; 2]) -> Result<()> {
    for window in plan.memory.windows(&arrays)? {
        let params = CopyParams { n: word(window.words())? };
        let bindings = [("a", window.slots[0]), ("out", window.slots[1])];
        plan.dispatch(window.label(label), &CopyArrayKernel, params, &bindings)?;
    }
    Ok(())
}

/// Copies an array.
#[derive(Debug)]
pub struct CopyArrayKernel;

impl Kernel for CopyArrayKernel {
    type Params = CopyParams;

    fn name(&self) -> &'static str {
        "copy"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/copy.wgsl")])]
    }

    fn groups(&self, params: &CopyParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, _params: &CopyParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, _params: &CopyParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.real("a"), args.real_mut("out"));
        out.copy_from_slice(a);
    }

    /// Exact.
    fn tolerance(&self, case: &Case<CopyParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(case.params.n as usize)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["a"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<CopyParams>> {
        flat_sizes(effort).into_iter().enumerate().map(|(i, n)| Case::new(CopyParams { n }, alternate(i))).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "= a[i]", to: "= a[i] * 1.0001" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
        ]
    }
}

impl Registered for CopyArrayKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}
