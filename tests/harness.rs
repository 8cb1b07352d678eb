//! The harness itself: each kind of fault that it is there to find, seeded, must be found.

mod common;

use shadegrad::gpu::{Checks, Gpu, Pipeline, Run};
use shadegrad::kernel::{AnyKernel, Case, Effort, Inputs, Variant};
use shadegrad::ops::matmul::{self, MatmulParams};
use shadegrad::ops::registry;
use shadegrad::shader::{Access, Reflection};
use shadegrad::shape::DType;
use shadegrad::verify::{CANARY, POISON, Prepared, check_variant, compare, prepare};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn product(m: u32, k: u32, n: u32, inputs: Inputs) -> Case<Vec<u8>> {
    Case::new(bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec(), inputs)
}

/// What a faultless device would leave in the bindings: the f64 twin's values, rounded.
fn faultless(reflection: &Reflection, prepared: &Prepared) -> Vec<Vec<u32>> {
    let mut after = prepared.words.clone();
    for (words, binding) in after.iter_mut().zip(&reflection.bindings).filter(|(_, b)| b.access != Access::Read) {
        let values: Vec<u32> = match &prepared.values.after[&binding.name] {
            shadegrad::kernel::Array::Real(data) => data.iter().map(|&x| (x as f32).to_bits()).collect(),
            shadegrad::kernel::Array::Word(data) => data.clone(),
        };
        words[..values.len()].copy_from_slice(&values);
    }
    after
}

#[test]
fn comparison_finds_every_kind_of_tampering_in_every_kernel() {
    for kernel in registry() {
        let source = kernel.variants(&shadegrad::kernel::Caps::portable()).swap_remove(0).source();
        let reflection = Reflection::of(kernel.name(), &source).expect("the shader is valid");
        let case = kernel.cases(Effort::QUICK).swap_remove(2);
        let prepared = prepare(kernel, &reflection, case, 11, 0).expect("shapes are known");
        let right = faultless(&reflection, &prepared);
        compare(&reflection, &prepared, &right).unwrap_or_else(|e| panic!("no fault: {e}"));
        for (i, binding) in reflection.bindings.iter().enumerate() {
            let name = format!("{} `{}`", kernel.name(), binding.name);
            let length = prepared.lengths[i];
            let refused = |what: &str, tamper: &dyn Fn(&mut Vec<u32>)| {
                let mut after = right.clone();
                tamper(&mut after[i]);
                assert!(compare(&reflection, &prepared, &after).is_err(), "{name}: {what} was not found");
            };
            refused("a word written past the end", &|words| words[length] ^= 1);
            if binding.access == Access::Read {
                refused("a changed input", &|words| words[0] ^= 1);
                continue;
            }
            if binding.access == Access::Write {
                refused("output that was never written", &|words| words[..length].fill(POISON));
                refused("one element that was never written", &|words| words[length - 1] = POISON);
            } else {
                refused("output left as it was", &|words| words.copy_from_slice(&prepared.words[i]));
            }
            if binding.dtype == DType::F32 {
                refused("NaN", &|words| words[0] = f32::NAN.to_bits());
                let tolerance = kernel.tolerance(&prepared.case, &binding.name, &prepared.values);
                for element in [0, length / 2, length - 1] {
                    refused("an element off by twice its bound", &|words| {
                        let value = f32::from_bits(words[element]);
                        let off = (f64::from(value) + 2.5 * tolerance.hard[element]) as f32;
                        // A bound far below the value's own precision: the next number is the least one can be off.
                        words[element] = if off == value { words[element] + 1 } else { off.to_bits() };
                    });
                }
            } else {
                refused("another word", &|words| words[0] = words[0].wrapping_add(1));
            }
        }
    }
}

#[test]
fn outputs_of_zeros_or_of_another_run_are_found() {
    for kernel in registry().into_iter().filter(|kernel| kernel.name() != "step_state") {
        let source = kernel.variants(&shadegrad::kernel::Caps::portable()).swap_remove(0).source();
        let reflection = Reflection::of(kernel.name(), &source).expect("the shader is valid");
        let cases = kernel.cases(Effort::QUICK);
        let case = cases.into_iter().rev().find(|case| case.inputs == Inputs::Random).expect("one has random inputs");
        let prepared = prepare(kernel, &reflection, case.clone(), 21, 0).expect("shapes are known");
        let other = prepare(kernel, &reflection, case, 22, 0).expect("shapes are known");
        let right = faultless(&reflection, &prepared);
        let (mut zeros, mut previous) = (right.clone(), right.clone());
        let stale = faultless(&reflection, &other);
        for (i, binding) in reflection.bindings.iter().enumerate().filter(|(_, b)| b.access != Access::Read) {
            let length = prepared.lengths[i];
            zeros[i][..length].fill(0);
            previous[i][..length].copy_from_slice(&stale[i][..length]);
            assert!(stale[i] != right[i], "{} `{}`: two seeds gave one result", kernel.name(), binding.name);
        }
        assert!(compare(&reflection, &prepared, &zeros).is_err(), "{}: zeros passed", kernel.name());
        assert!(compare(&reflection, &prepared, &previous).is_err(), "{}: stale output passed", kernel.name());
    }
}

/// What a fault does to the inputs of the 64x784x128 product, or to its output `[64, 128]` given `a` and `b`.
type Fault = (&'static str, fn(&mut [f32]), fn(&mut [f32], &[f32], &[f32]));

const FAULTS: [Fault; 7] = [
    ("none", |_| (), |_, _, _| ()),
    ("one output never written", |_| (), |out, _, _| out[700] = f32::from_bits(POISON)),
    (
        "one row counts k = 0 twice",
        |_| (),
        |out, a, b| {
            out[3 * 128..4 * 128].iter_mut().zip(b).for_each(|(x, b)| *x += a[3 * 784] * b);
        },
    ),
    ("everything x 1.001", |_| (), |out, _, _| out.iter_mut().for_each(|x| *x *= 1.001)),
    ("inputs truncated to tf32", |x| truncate(x, 13), |_, _, _| ()),
    ("one element of 0", |_| (), |out, _, _| out[700] = 0.0),
    ("inputs rounded to f16", round_to_f16, |_, _, _| ()),
];

fn truncate(numbers: &mut [f32], bits: u32) {
    numbers.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits() >> bits << bits));
}

/// Rounds to the 10 fraction bits of f16; standard normal numbers stay within its exponents.
fn round_to_f16(numbers: &mut [f32]) {
    numbers.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits() + (1 << 12)));
    truncate(numbers, 13);
}

fn floats(words: &mut [u32], change: impl FnOnce(&mut [f32])) {
    change(bytemuck::cast_slice_mut(words));
}

/// Every fault of the design's table, on what the device made of the product.
#[test]
fn the_gates_of_a_product_find_every_known_fault() {
    let gpu = common::gpu();
    let kernel: &dyn AnyKernel = &matmul::NN;
    let case = product(64, 784, 128, Inputs::Random);
    let variant = kernel.choose(&case.params, &gpu.caps);
    let pipeline = pollster::block_on(Pipeline::new(&gpu, kernel, &variant, Checks::On)).expect("it compiles");
    let prepared = prepare(kernel, &pipeline.reflection, case, 5, 0).expect("shapes are known");
    let [a, b] = [0, 1].map(|i| bytemuck::cast_slice::<u32, f32>(&prepared.words[i]).to_vec());
    for (name, on_inputs, on_output) in FAULTS {
        let mut words = prepared.words.clone();
        for (words, length) in words.iter_mut().zip(&prepared.lengths).take(2) {
            floats(&mut words[..*length], on_inputs);
        }
        let groups = kernel.groups(&prepared.case.params, &variant);
        let run = Run { params: &prepared.case.params, groups, arrays: &words };
        let mut after = pollster::block_on(pipeline.run(&gpu, run)).expect("it runs");
        after[..2].clone_from_slice(&prepared.words[..2]);
        floats(&mut after[2][..64 * 128], |out| on_output(out, &a, &b));
        let verdict = compare(&pipeline.reflection, &prepared, &after);
        match name {
            "none" => assert!(verdict.expect("without a fault it passes").soft <= 1.0),
            // The hard gate allows for the worst of 784 roundings, and so for 10 bits less in each factor.
            "inputs rounded to f16" => assert!(verdict.is_err() || verdict.is_ok_and(|worst| worst.soft > 1.0)),
            _ => assert!(verdict.is_err(), "{name}: not found"),
        }
    }
}

/// A kernel's name, what its shader says, and what it is made to say.
type ShaderFault = (&'static str, &'static str, &'static str);

/// Faults in the shader itself, each of which the kernel's own cases must find.
fn shader_faults() -> &'static [ShaderFault] {
    &[
        ("matmul_nn_bias", "x + bias[column / PACK]", "x - bias[column / PACK]"),
        ("matmul_nn_bias_relu", "max(x + bias[column / PACK], Element())", "x + bias[column / PACK]"),
        ("matmul_nt_relu_mask", "> Element()", ">= Element()"),
        ("matmul_nn_bias_leaky_relu", "SLOPE = 0.01", "SLOPE = 0.011"),
        ("matmul_nn_bias_leaky_relu", "x > 0.0", "x > 0.5"),
        ("matmul_nn_bias_sigmoid", "x + bias[column / PACK]", "x - bias[column / PACK]"),
        ("matmul_nn_bias_sigmoid", "select(e * p, p, x >= 0.0)", "p"),
        ("matmul_nn_bias_tanh", "activation(z[i], SLOPE)", "z[i]"),
        ("matmul_nn_bias_tanh", "sign(x) *", ""),
        ("matmul_nn_bias_gelu", "x + bias[column / PACK]", "max(x, bias[column / PACK])"),
        ("matmul_nn_bias_gelu", "0.3275911", "0.327"),
        ("matmul_nn_bias_gelu_tanh", "bias[column / PACK]", "bias[row / PACK]"),
        ("matmul_nn_bias_gelu_tanh", "CUBIC_TERM = 0.07135481627260025", "CUBIC_TERM = 0.0713"),
        ("matmul_nn_bias_silu", "y[i] = activation(z[i], SLOPE)", "y[i] = z[i] * activation(z[i], SLOPE)"),
        ("matmul_nn_bias_silu", "x * sigmoid(x)", "x * sigmoid(-x)"),
        ("matmul_nn_bias_softplus", "i < PACK", "i + 1u < PACK"),
        ("matmul_nn_bias_softplus", "max(x, 0.0) +", ""),
        ("matmul_nt_leaky_relu_gradient", "SLOPE = 0.01", "SLOPE = 0.011"),
        ("matmul_nt_leaky_relu_gradient", "x > 0.0", "x >= 0.0"),
        ("matmul_nt_sigmoid_gradient", "x * pack(y, 0u)", "pack(y, 0u)"),
        ("matmul_nt_sigmoid_gradient", "e * p * p", "e * p"),
        ("matmul_nt_tanh_gradient", "row * params.n + column) / PACK]); //", "column) / PACK]); //"),
        ("matmul_nt_tanh_gradient", "4.0 * e", "4.001 * e"),
        ("matmul_nt_gelu_gradient", "derivative(z[i], SLOPE)", "activation(z[i], SLOPE)"),
        ("matmul_nt_gelu_gradient", "x * at.density", "at.density"),
        ("matmul_nt_gelu_tanh_gradient", "i < PACK", "i + 1u < PACK"),
        ("matmul_nt_gelu_tanh_gradient", "3.0 * CUBIC_TERM", "CUBIC_TERM"),
        ("matmul_nt_silu_gradient", "x * pack(y, 0u)", "x + pack(y, 0u)"),
        ("matmul_nt_silu_gradient", "sigmoid(x) + x", "x"),
        ("matmul_nt_softplus_gradient", "derivative(z[i], SLOPE)", "derivative(-z[i], SLOPE)"),
        ("matmul_nt_softplus_gradient", "return sigmoid(x)", "return sigmoid_derivative(x)"),
        ("matmul_nn", "min(row, rows - 1u)", "min(row, rows - 2u)"),
        ("matmul_tn", "row < params.m && c < params.n", "row < params.m && c <= params.n"),
        ("matmul_nt", "k < params.k; k += 4u", "k + 4u < params.k; k += 4u"),
        ("bias_add", "i % params.n", "i / params.n"),
        ("column_sum", "row < params.m", "row + 1u < params.m"),
        ("matmul_tn_column_sums", "c < params.n) { sums", "c + 4u < params.n) { sums"),
        ("matmul_tn_column_sums", "pack(total, i)", "1.0001 * pack(total, i)"),
        ("matmul_tn_column_sums", "COLUMN_SUMS && row == 0u", "COLUMN_SUMS && row == 32u"),
        ("matmul_tn_adam", "update((params.bias_at + c)", "update((params.weight_at + c)"),
        ("matmul_tn_adam", "params.weight_at + row * params.n", "params.weight_at + row * params.m"),
        ("matmul_tn_adam", "sqrt(v_hat) + params.epsilon", "sqrt(v_hat) * 1.001"),
        ("matmul_tn_adam", "rates[LEARNING_RATE] * decay", "decay"),
        ("copy", "= a[i]", "= a[i] * 1.0001"),
        ("copy", "i < params.n", "i + 1u < params.n"),
        ("relu", "max(a[i], 0.0)", "abs(a[i])"),
        ("relu", "i < params.n", "i < params.n + 1u"),
        ("relu_gradient", "activation[i] > 0.0", "activation[i] >= 0.0"),
        ("add", "a[i] + b[i]", "a[i] - b[i]"),
        ("add", "i < params.n", "i + 1u < params.n"),
        ("scale", "params.factor * a[i]", "a[i]"),
        ("scale", "i < params.n", "i + 1u < params.n"),
        ("dropout", "words[i] >= params.threshold", "words[i] > 0x80000000u"),
        ("dropout", "DROPOUT + params.layer", "DROPOUT"),
        ("dropout", "counters[STEP]", "counters[EPOCH]"),
        ("dropout", "params.factor * a", "a"),
        ("leaky_relu", "slope * x, x, x > 0.0", "slope, x, x > 0.0"),
        ("leaky_relu", "i < params.n", "i + 1u < params.n"),
        ("leaky_relu_gradient", "x > 0.0", "x >= 0.0"),
        ("leaky_relu_gradient", "gradient[i] *", "gradient[0] *"),
        ("sigmoid", "exp(-abs(x))", "exp(-x)"),
        ("sigmoid", "i < params.n", "i < params.n + 1u"),
        ("sigmoid_gradient", "e * p * p", "e * p"),
        ("sigmoid_gradient", "gradient[i] *", "gradient[0] *"),
        ("tanh", "let near = x * (945.0 + z * (105.0 + z)) /", "let near = x * (945.0 + z * 105.0) /"),
        ("tanh", "select(far, near, abs(x) < 0.5)", "near"),
        ("tanh", "sign(x) *", ""),
        ("tanh_gradient", "4.0 * e", "2.0 * e"),
        ("tanh_gradient", "exp(-2.0 * abs(x))", "exp(-2.0 * x)"),
        ("gelu", "1.0 - tail, x >= 0.0", "1.0 - tail, x >= 1.0"),
        ("gelu", "1.061405429", "1.06"),
        ("gelu", "0.3275911", "0.327"),
        ("gelu_gradient", "x * at.density", "at.density"),
        ("gelu_gradient", "0.3989422804014327", "0.398"),
        ("gelu_tanh", "CUBIC_TERM = 0.07135481627260025", "CUBIC_TERM = 0.0713"),
        ("gelu_tanh", "x * sigmoid(w)", "sigmoid(w)"),
        ("gelu_tanh_gradient", "3.0 * CUBIC_TERM", "CUBIC_TERM"),
        ("gelu_tanh_gradient", "(x * dw)", "dw"),
        ("silu", "x * sigmoid(x)", "x * sigmoid(-x)"),
        ("silu", "1.0 / (1.0 + e)", "1.0 / (1.0001 + e)"),
        ("silu_gradient", "x * sigmoid_derivative(x)", "sigmoid_derivative(x)"),
        ("silu_gradient", "sigmoid(x) + x", "x"),
        ("softplus", "max(x, 0.0) +", ""),
        ("softplus", "1.0 / 7.0 + z * sum", "0.0"),
        ("softplus_gradient", "return sigmoid(x)", "return sigmoid_derivative(x)"),
        ("softplus_gradient", "gradient[i] *", "gradient[0] *"),
        ("softmax", "- largest", ""),
        ("softmax_gradient", "gradient[start + j] - sum", "gradient[start + j]"),
        ("softmax_gradient", "j < params.n", "j + 1u < params.n"),
        ("softmax_gradient", "= probabilities[start + j] *", "="),
        ("softmax_cross_entropy", "1.0 / f32(counters[ROWS])", "1.0 / f32(counters[ROWS] + 1u)"),
        ("softmax_cross_entropy_metrics", "losses[row] = row_loss", "losses[row] = loss"),
        ("softmax_cross_entropy_metrics", "right += right_answer(row)", "right = right_answer(row)"),
        ("softmax_cross_entropy_metrics", "last_counters[local] = counters[local]", "last_counters[local] = 0u"),
        ("softmax_cross_entropy_weighted", "1.0 - params.smoothing", "1.0"),
        ("softmax_cross_entropy_weighted", "half > 0u", "half > 1u"),
        ("softmax_cross_entropy_weighted", "class_weights[label]", "1.0"),
        ("softmax_cross_entropy_weighted", "p * total", "p"),
        ("softmax_cross_entropy_weighted", "1.0 / weight_sum, weight_sum > 0.0", "1.0 / weight_sum, true"),
        ("softmax_cross_entropy_weighted", "row += WORKGROUP", "row += params.m"),
        ("mse_loss", "2.0 * (x - y)", "(x - y)"),
        ("mse_loss", "loss / f32(params.n)", "loss"),
        ("softmax_mse_loss", "x * (g - mean_slope)", "x * g"),
        ("softmax_mse_loss", "mean_slope += x * slope(x, y)", "mean_slope += slope(x, y)"),
        ("l1_loss", "sign(x - y)", "sign(x)"),
        ("l1_loss", "broken || is_not_finite(z)", "is_not_finite(z)"),
        ("huber_loss", "0.5 * params.delta", "params.delta"),
        ("huber_loss", "distance <= params.delta", "distance >= params.delta"),
        ("binary_cross_entropy_loss", "exp(-abs(x))", "exp(-x)"),
        ("binary_cross_entropy_loss", "x >= 0.0", "x >= 1.0"),
        ("begin_batch", "gather_row(row, local, next)", "gather_row(row, local, last)"),
        ("begin_batch", "counters[i] = next[i]", "counters[i] = last[i]"),
        ("begin_batch", "params.beta2 * rates[CORRECTION2]", "params.beta1 * rates[CORRECTION2]"),
        ("gather", "row < step[ROWS]", "row <= step[ROWS]"),
        ("gather", "round < 6u", "round < 5u"),
        ("gather", "- normalisation[0]", ""),
        ("gather", "* normalisation[1]", ""),
        ("gather", "select(0.0, input, used)", "input"),
        ("gather_augmented", "row < counters[ROWS]", "row <= counters[ROWS]"),
        ("gather_augmented", "draw.cosine * moved.y - draw.sine", "draw.cosine * moved.y + draw.sine"),
        ("gather_augmented", "1.0 / 120.0", "1.0 / 121.0"),
        ("gather_augmented", "* draw.zoom", ""),
        ("gather_augmented", "draw.shear * turned.y", "draw.shear * turned.x"),
        ("gather_augmented", "- draw.shift", "+ draw.shift"),
        ("gather_augmented", "part.x * (pixel(sample, x + 1, y + 1)", "part.y * (pixel(sample, x + 1, y + 1)"),
        ("gather_augmented", "x >= 0 && y >= 0", "y >= 0"),
        ("gather_augmented", "params.horizontal_flip)", "params.vertical_flip)"),
        ("gather_augmented", "choice_words.z, params.vertical_flip", "choice_words.y, params.vertical_flip"),
        ("gather_augmented", "- 510.0", "- 511.0"),
        ("gather_augmented", "sample * words + index", "index"),
        ("gather_augmented", "noise_words[index % 4u]", "noise_words[index % 3u]"),
        ("gather_augmented", "0.0, 1.0)", "0.0, 2.0)"),
        ("gather_augmented", "(extent - size + 1u)", "(extent - size)"),
        ("gather_augmented", "place < draw.erased_to", "place <= draw.erased_to"),
        ("gather_augmented", "- normalisation[0]", "+ normalisation[0]"),
        ("gather_augmented", "* normalisation[1]", ""),
        ("gather_augmented", "select(0.0, input, used)", "input"),
        ("pixel_sums", "8u * pixels", "32u"),
        ("pixel_sums", "4u * (w % words)", "4u * w"),
        ("pixel_sums", "w < end", "w + 1u < end"),
        ("pixel_sums", "dot(bytes, bytes)", "dot(bytes, vec4(1u))"),
        ("pixel_sums", "half > 0u", "half > 1u"),
        ("normalisation", "total / pixels + 0.5", "0.0"),
        ("normalisation", "- 2u * c * s", "- c * s"),
        ("normalisation", "- difference * difference", ""),
        ("normalisation", "word / words * params.features", "4u * (word - word % words)"),
        ("normalisation", "square > 0.0", "square > 1e9"),
        ("normalisation", "var reciprocal = 1.0", "var reciprocal = 255.0"),
        ("metrics", "counters[STEP] - 1u", "counters[STEP]"),
        ("adam", "sqrt(v_hat) + params.epsilon", "sqrt(v_hat + params.epsilon)"),
        ("adam", "m / rates[CORRECTION1]", "m"),
        ("adam", "4u * i < params.decayed", "4u * i <= params.decayed"),
        ("adam", "w -= rates[LEARNING_RATE] * decay", "w -= decay"),
        ("sgd", "direction = g + params.momentum * v", "direction = v + params.momentum * g"),
        ("sgd", "params.momentum * velocity[i] + g", "params.momentum * (velocity[i] + g)"),
        ("sgd", "4u * i < params.decayed", "i < params.decayed"),
        ("rmsprop", "sqrt(v) + params.epsilon", "sqrt(v + params.epsilon)"),
        ("rmsprop", "params.one_minus_alpha * (g * g)", "(g * g)"),
        ("square_sums", "i += params.parts * WORKGROUP", "i += 2u * params.parts * WORKGROUP"),
        ("square_sums", "half > 0u", "half > 1u"),
        ("global_norm", "local < params.parts", "local + 1u < params.parts"),
        ("global_norm", "sqrt(sum)", "sum"),
        ("clip", "max(norm[0], params.max_norm)", "norm[0]"),
        ("schedule", "counters[STEP] - 1u - params.warmup", "counters[STEP] - params.warmup"),
        ("schedule", "counters[STEP] <= params.warmup", "counters[STEP] < params.warmup"),
        ("step_state", "next[POSITION] >= params.samples", "next[POSITION] > params.samples"),
        ("micro_batch", "(counters[STEP] - 1u) * params.count", "counters[STEP]"),
        ("micro_batch", "counters[ROWS] - min(before, counters[ROWS])", "counters[ROWS]"),
        ("micro_batch", "counters[POSITION] + before", "counters[POSITION]"),
        ("accumulate", "- counters[POSITION] + micro_counters[ROWS]", "- counters[POSITION]"),
        ("accumulate", "(gradient[i] - mean[i])", "gradient[i]"),
        ("accumulate", "i >= params.n / 4u", "i + 1u >= params.n / 4u"),
        ("layer_norm", "start + i * stride] - shift", "start + i * stride]"),
        ("layer_norm", "both.y + params.epsilon", "both.y"),
        ("layer_norm", "squares / f32(count)", "squares / f32(count - 1u)"),
        ("layer_norm", "weight[j] + bias[j]", "weight[j] - bias[j]"),
        ("layer_norm_gradient", "g - g_mean", "g"),
        ("layer_norm_gradient", "- normalised * product_mean", ""),
        ("layer_norm_weight_gradient", "* statistics[2u * row + 1u]", ""),
        ("layer_norm_weight_gradient", "row < params.m", "row + 1u < params.m"),
        ("batch_norm", "f32(rows) / f32(rows - 1u)", "1.0"),
        ("batch_norm", "min(counters[ROWS], params.m)", "min(counters[ROWS] + 1u, params.m)"),
        ("batch_norm", "params.momentum * (mean", "(1.0 - params.momentum) * (mean"),
        ("batch_norm", "rows > 1u", "rows > 0u"),
        ("batch_norm_evaluate", "running_variance[column] + params.epsilon", "running_variance[column]"),
        ("batch_norm_evaluate", "i / params.n < counters[ROWS]", "i / params.n <= counters[ROWS]"),
        ("batch_norm_gradient", "product_sum / f32(rows)", "product_sum / f32(params.m)"),
        ("batch_norm_gradient", "weight[column] * reciprocal", "weight[column]"),
        ("embedding", "entry < params.entries", "entry <= params.entries"),
        ("embedding", "i % params.n", "i / params.n"),
        ("embedding_gradient", "index[row] == entry", "index[row] >= entry"),
        ("embedding_gradient", "sum += gradient", "sum = gradient"),
        ("non_finite", "== 0x7f800000u", "> 0x7f800000u"),
        ("non_finite", "bitcast<u32>(x) & 0x7f800000u", "bitcast<u32>(x) & 0xff800000u"),
        ("non_finite", "min(first, i)", "i"),
        ("non_finite", "i < params.n", "i + 1u < params.n"),
        ("non_finite", "i += params.parts", "i += 2u * params.parts"),
        ("non_finite", "part >= params.parts", "part + 1u >= params.parts"),
        ("non_finite_record", "min(first, found[2u * part])", "found[2u * part]"),
        ("non_finite_record", "part < params.parts", "part + 1u < params.parts"),
        ("non_finite_record", "half > 0u", "half > 1u"),
        ("non_finite_record", " && record[place] == 0u", ""),
        ("non_finite_record", "counts[0] > 0u && ", ""),
        ("non_finite_record", "3u * params.row", "0u"),
        ("non_finite_record", "counters[STEP]", "counters[EPOCH]"),
    ]
}

/// The kernels of the registry into which no fault is seeded.
fn kernels_without_fault(faults: &[ShaderFault]) -> Vec<&'static str> {
    let names = registry().into_iter().map(|kernel| kernel.name());
    names.filter(|name| !faults.iter().any(|(faulty, _, _)| faulty == name)).collect()
}

#[test]
fn every_kernel_has_a_seeded_fault() {
    let missing = kernels_without_fault(shader_faults());
    assert!(missing.is_empty(), "add a fault to `shader_faults` for each of {missing:?}");
    let others: Vec<ShaderFault> = shader_faults().iter().filter(|(name, _, _)| *name != "relu").copied().collect();
    assert_eq!(kernels_without_fault(&others), ["relu"], "the check is blind");
}

/// The cases of the kernel must find the fault.
fn find(gpu: &Arc<Gpu>, &(name, from, to): &ShaderFault) {
    let kernel = registry().into_iter().find(|kernel| kernel.name() == name).expect("the kernel is registered");
    // The variants that training would take; tests/kernels.rs has shown that all do the same.
    let chosen = kernel.cases(Effort::QUICK).into_iter().map(|case| kernel.choose(&case.params, &gpu.caps));
    let chosen: BTreeMap<String, Variant> = chosen.map(|variant| (variant.name.clone(), variant)).collect();
    for variant in chosen.into_values() {
        assert!(variant.source().contains(from), "{name} no longer contains `{from}`: renew this fault");
        let faulty: Variant = variant.edited(variant.name.clone(), |part| part.replace(from, to));
        let verdict = pollster::block_on(check_variant(gpu, kernel, &faulty, Checks::On, Effort::QUICK));
        assert!(verdict.is_err(), "{name} {variant} with `{to}` for `{from}` passed: {verdict:?}");
    }
}

#[test]
fn mutated_shaders_are_found() {
    // A software driver compiles on the one thread of its device, so each of our threads opens a device of its own.
    let next = AtomicUsize::new(0);
    let work = || {
        let gpu = common::gpu();
        let faults = std::iter::from_fn(|| shader_faults().get(next.fetch_add(1, Ordering::Relaxed)));
        faults.for_each(|fault| find(&gpu, fault));
    };
    std::thread::scope(|scope| (0..rayon::current_num_threads()).for_each(|_| drop(scope.spawn(work))));
}

#[test]
fn canaries_differ_from_every_other_filling() {
    assert!(CANARY != POISON && f32::from_bits(POISON).is_nan() && 1e30f32.to_bits() != CANARY);
}
