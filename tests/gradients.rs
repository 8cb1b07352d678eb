//! The gradient of each loss kernel, compared with finite differences of its losses, in f64 on the twins.

use shadegrad::kernel::{AnyKernel, Args, Array, Caps, Effort, Inputs, View};
use shadegrad::ops::{counter, registry};
use shadegrad::shader::{Access, Reflection};
use shadegrad::verify::prepare;
use std::collections::BTreeMap;

type Arrays = BTreeMap<String, Array<f64>>;

/// A kernel that writes per-row losses, and the gradient of their mean over the valid rows.
struct Loss {
    kernel: &'static dyn AnyKernel,
    reflection: Reflection,
}

fn losses() -> Vec<Loss> {
    let loss = |kernel: &'static dyn AnyKernel| {
        let source = kernel.variants(&Caps::portable()).swap_remove(0).source();
        let reflection = Reflection::of(kernel.name(), &source).expect("the shader is valid");
        let writes = |name| reflection.binding(name).is_some_and(|binding| binding.access == Access::Write);
        (writes("losses") && writes("gradient")).then_some(Loss { kernel, reflection })
    };
    registry().into_iter().filter_map(loss).collect()
}

fn real<'a>(arrays: &'a Arrays, name: &str) -> &'a [f64] {
    match &arrays[name] {
        Array::Real(numbers) => numbers,
        Array::Word(_) => panic!("`{name}` holds words"),
    }
}

impl Loss {
    /// The f64 twin's outputs for these inputs.
    fn run(&self, params: &[u8], inputs: &Arrays) -> Arrays {
        let mut arrays = inputs.clone();
        let views = arrays.iter_mut().map(|(name, array)| {
            let read = self.reflection.binding(name).is_some_and(|binding| binding.access == Access::Read);
            let view = match (array, read) {
                (Array::Real(data), true) => View::Real(data),
                (Array::Real(data), false) => View::RealMut(data),
                (Array::Word(data), true) => View::Word(data),
                (Array::Word(data), false) => View::WordMut(data),
            };
            (name.as_str(), view)
        });
        self.kernel.twin_f64(params, &mut Args::new(views));
        arrays
    }

    /// The derivative of the mean loss for each logit, by central differences.
    fn differences(&self, params: &[u8], inputs: &Arrays) -> Vec<f64> {
        const EPSILON: f64 = 1e-5;
        let Array::Word(counters) = &inputs["counters"] else { panic!("counters are words") };
        let rows = f64::from(counters[counter::ROWS]);
        let shifted = |element: usize, by: f64| {
            let mut inputs = inputs.clone();
            let Some(Array::Real(logits)) = inputs.get_mut("logits") else { panic!("logits are numbers") };
            logits[element] += by;
            self.run(params, &inputs)
        };
        let difference = |element| {
            let (above, below) = (shifted(element, EPSILON), shifted(element, -EPSILON));
            let change: f64 = real(&above, "losses").iter().zip(real(&below, "losses")).map(|(a, b)| a - b).sum();
            change / (2.0 * EPSILON) / rows
        };
        (0..real(inputs, "logits").len()).map(difference).collect()
    }
}

/// Relative 1e-6, and the losses' precision of 1e-16 divided by 1e-5, with some margin.
fn agree(gradient: &[f64], differences: &[f64]) -> bool {
    gradient.iter().zip(differences).all(|(g, d)| (g - d).abs() <= 1e-6 * g.abs() + 1e-9)
}

/// Random logits stay at least 1e-5 away from the kinks of absolute values.
#[test]
fn gradients_of_losses_agree_with_finite_differences() {
    let losses = losses();
    assert!(losses.len() >= 7, "{} losses", losses.len());
    for loss in losses {
        let name = loss.kernel.name();
        let mut checked = 0;
        for (index, case) in loss.kernel.cases(Effort::QUICK).into_iter().enumerate() {
            if case.inputs != Inputs::Random {
                continue;
            }
            let prepared = prepare(loss.kernel, &loss.reflection, case, 0, index).expect("shapes are known");
            let (params, inputs) = (&prepared.case.params, &prepared.values.before);
            if real(inputs, "logits").len() > 300 {
                continue;
            }
            let differences = loss.differences(params, inputs);
            let gradient = real(&prepared.values.after, "gradient");
            assert!(agree(gradient, &differences), "{name}: {gradient:?} is not {differences:?}");
            checked += 1;
            let largest = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
            if largest > 1e-2 {
                let wrong: Vec<f64> = gradient.iter().map(|g| g * 1.00001).collect();
                assert!(!agree(&wrong, &differences), "{name}: a gradient x 1.00001 passed");
            }
        }
        assert!(checked >= 4, "{name}: {checked} cases");
    }
}

/// Runs the loss `name` on logits [ln 1, ln 3] and [0, ln 3], with softmax probabilities in quarters, and labels 0 and
/// 1.
fn quarters(name: &str, parameter: f32, class_weights: [f64; 2]) -> Vec<f64> {
    let loss = losses().into_iter().find(|loss| loss.kernel.name() == name).expect("the loss is registered");
    let mut params = bytemuck::bytes_of(&[2u32, 2]).to_vec();
    if loss.kernel.fields().1 > 8 {
        params.extend(parameter.to_le_bytes());
    }
    let mut inputs = Arrays::from([
        ("logits".into(), Array::Real(vec![0.0, 3f64.ln(), 0.0, 3f64.ln()])),
        ("labels".into(), Array::Word(vec![0, 1])),
        ("counters".into(), Array::Word(vec![1, 0, 0, 2])),
        ("losses".into(), Array::Real(vec![9.0; 2])),
        ("gradient".into(), Array::Real(vec![9.0; 4])),
    ]);
    if loss.reflection.binding("class_weights").is_some() {
        inputs.insert("class_weights".into(), Array::Real(class_weights.to_vec()));
    }
    real(&loss.run(&params, &inputs), "losses").to_vec()
}

/// The formulas themselves, on values that can be worked out by hand.
#[test]
fn losses_of_quarters_are_those_worked_out_by_hand() {
    let (ln2, ln3, ln4) = (2f64.ln(), 3f64.ln(), 4f64.ln());
    let ones = [1.0, 1.0];
    let expect = |name: &str, parameter: f32, weights: [f64; 2], expected: [f64; 2]| {
        let found = quarters(name, parameter, weights);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{name}: {found}, expected {expected}");
        }
    };
    expect("softmax_cross_entropy", 0.0, ones, [ln4, ln4 - ln3]);
    expect("softmax_cross_entropy_weighted", 0.0, ones, [ln4, ln4 - ln3]);
    // Weights 3 and 1 of labels 0 and 1: their sum is 4, there are 2 rows.
    expect("softmax_cross_entropy_weighted", 0.0, [3.0, 1.0], [3.0 * ln4 / 2.0, (ln4 - ln3) / 2.0]);
    // Smoothing 0.5 over two classes: target probabilities three quarters and one quarter, times the class weight.
    let smoothed = [(2.25 * ln4 + 0.25 * (ln4 - ln3)) / 2.0, (0.75 * ln4 + 0.75 * (ln4 - ln3)) / 2.0];
    expect("softmax_cross_entropy_weighted", 0.5, [3.0, 1.0], smoothed);
    expect("softmax_cross_entropy_weighted", 0.5, [0.0, 0.0], [0.0, 0.0]);
    expect("softmax_mse_loss", 1.0, ones, [0.5625, 0.0625]);
    expect("mse_loss", 1.0, ones, [(1.0 + ln3 * ln3) / 2.0, (ln3 - 1.0).powi(2) / 2.0]);
    expect("l1_loss", 1.0, ones, [(1.0 + ln3) / 2.0, (ln3 - 1.0) / 2.0]);
    let line = |distance: f64| 0.5 * (distance - 0.25);
    expect("huber_loss", 0.5, ones, [(line(1.0) + line(ln3)) / 2.0, (ln3 - 1.0).powi(2) / 4.0]);
    // The sigmoid of ln 3 is 3/4, of 0 one half.
    expect("binary_cross_entropy_loss", 1.0, ones, [(ln2 + ln4) / 2.0, (ln2 + ln4 - ln3) / 2.0]);
}
