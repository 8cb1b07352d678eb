//! Gradients of the norms and the embedding, on their f64 twins, compared with finite differences of the forward twins.

use shadegrad::kernel::{Args, Kernel, View};
use shadegrad::ops::counter;
use shadegrad::ops::lookup::embedding::{EmbeddingKernel, EmbeddingParams};
use shadegrad::ops::lookup::embedding_gradient::EmbeddingGradientKernel;
use shadegrad::ops::norm::batch_norm::{BatchNormKernel, BatchNormParams};
use shadegrad::ops::norm::batch_norm_gradient::{BatchNormGradientKernel, BatchNormGradientParams};
use shadegrad::ops::norm::layer_norm::{LayerNormKernel, LayerNormParams};
use shadegrad::ops::norm::layer_norm_gradient::{LayerNormGradientKernel, LayerNormGradientParams};
use shadegrad::ops::norm::layer_norm_weight_gradient::LayerNormWeightGradientKernel;
use shadegrad::random::Random;

const M: usize = 7;
const N: usize = 5;

fn normal(count: usize, random: &mut Random) -> Vec<f64> {
    (0..count).map(|_| random.normal()).collect()
}

/// Runs a twin in f64.
fn run<K: Kernel>(kernel: &K, params: &K::Params, views: Vec<(&str, View<'_, f64>)>) {
    kernel.twin::<f64>(params, &mut Args::new(views));
}

/// The first element whose gradient is not that of sum(upstream * forward(input)), by central differences.
///
/// The allowed difference is 1e-6 of the value, or of the gradient's root mean square if that is larger.
fn first_wrong(
    gradient: &[f64],
    input: &[f64],
    upstream: &[f64],
    forward: &dyn Fn(&[f64]) -> Vec<f64>,
) -> Option<String> {
    const STEP: f64 = 1e-5;
    assert_eq!(gradient.len(), input.len());
    let typical = (gradient.iter().map(|g| g * g).sum::<f64>() / gradient.len() as f64).sqrt();
    assert!(typical > 1e-3, "a gradient of zeros proves nothing");
    let mut moved = input.to_vec();
    (0..input.len()).find_map(|i| {
        moved[i] = input[i] + STEP;
        let above = forward(&moved);
        moved[i] = input[i] - STEP;
        let below = forward(&moved);
        moved[i] = input[i];
        // Differences are taken before the sum, so that equal outputs cancel exactly.
        let change: f64 = above.iter().zip(&below).zip(upstream).map(|((above, below), c)| c * (above - below)).sum();
        let expected = change / (2.0 * STEP);
        let agree = (gradient[i] - expected).abs() <= 1e-6 * expected.abs().max(typical);
        (!agree).then(|| format!("element {i} is {}, expected {expected}", gradient[i]))
    })
}

fn check(name: &str, gradient: &[f64], input: &[f64], upstream: &[f64], forward: impl Fn(&[f64]) -> Vec<f64>) {
    assert_eq!(first_wrong(gradient, input, upstream, &forward), None, "gradient of {name}");
    let mut wrong = gradient.to_vec();
    wrong.iter_mut().for_each(|g| *g *= 1.0 + 1e-5);
    assert!(first_wrong(&wrong, input, upstream, &forward).is_some(), "{name}: the check is blind to 1e-5");
}

fn layer_norm(a: &[f64], weight: &[f64], bias: &[f64]) -> [Vec<f64>; 2] {
    let (mut out, mut statistics) = (vec![f64::NAN; M * N], vec![f64::NAN; M * 2]);
    let views = vec![
        ("a", View::Real(a)),
        ("weight", View::Real(weight)),
        ("bias", View::Real(bias)),
        ("out", View::RealMut(&mut out)),
        ("statistics", View::RealMut(&mut statistics)),
    ];
    run(&LayerNormKernel, &LayerNormParams::new(M as u32, N as u32), views);
    [out, statistics]
}

#[test]
fn layer_norm_gradients_are_those_of_its_output() {
    let mut random = Random::new(1, 1);
    let [a, gradient] = [0; 2].map(|_| normal(M * N, &mut random));
    let [weight, bias] = [0; 2].map(|_| normal(N, &mut random));
    let statistics = layer_norm(&a, &weight, &bias)[1].clone();
    let params = LayerNormGradientParams { m: M as u32, n: N as u32 };
    let given =
        || [("gradient", View::Real(&gradient[..])), ("a", View::Real(&a)), ("statistics", View::Real(&statistics))];

    let mut out = vec![f64::NAN; M * N];
    let mut views = Vec::from(given());
    views.extend([("weight", View::Real(&weight[..])), ("out", View::RealMut(&mut out))]);
    run(&LayerNormGradientKernel, &params, views);
    check("a", &out, &a, &gradient, |a| layer_norm(a, &weight, &bias)[0].clone());

    let [mut weight_gradient, mut bias_gradient] = [0; 2].map(|_| vec![f64::NAN; N]);
    let mut views = Vec::from(given());
    views.push(("weight_gradient", View::RealMut(&mut weight_gradient)));
    views.push(("bias_gradient", View::RealMut(&mut bias_gradient)));
    run(&LayerNormWeightGradientKernel, &params, views);
    check("weight", &weight_gradient, &weight, &gradient, |weight| layer_norm(&a, weight, &bias)[0].clone());
    check("bias", &bias_gradient, &bias, &gradient, |bias| layer_norm(&a, &weight, bias)[0].clone());
}

/// Output, statistics, running mean and running variance, with running state initialized to 0 and 1.
fn batch_norm(a: &[f64], weight: &[f64], bias: &[f64], counters: &[u32]) -> [Vec<f64>; 4] {
    let (mut out, mut statistics) = (vec![f64::NAN; M * N], vec![f64::NAN; 2 * N]);
    let (mut running_mean, mut running_variance) = (vec![0.0; N], vec![1.0; N]);
    let views = vec![
        ("a", View::Real(a)),
        ("weight", View::Real(weight)),
        ("bias", View::Real(bias)),
        ("counters", View::Word(counters)),
        ("running_mean", View::RealMut(&mut running_mean)),
        ("running_variance", View::RealMut(&mut running_variance)),
        ("out", View::RealMut(&mut out)),
        ("statistics", View::RealMut(&mut statistics)),
    ];
    run(&BatchNormKernel, &BatchNormParams::new(M as u32, N as u32), views);
    [out, statistics, running_mean, running_variance]
}

fn counters(rows: usize) -> [u32; counter::COUNT] {
    let mut counters = [0; counter::COUNT];
    counters[counter::ROWS] = rows as u32;
    counters
}

#[test]
fn batch_norm_gradients_are_those_of_its_output() {
    for rows in [M, M - 2] {
        let counters = counters(rows);
        let mut random = Random::new(2, 1);
        let [a, gradient] = [0; 2].map(|_| normal(M * N, &mut random));
        let [weight, bias] = [0; 2].map(|_| normal(N, &mut random));
        let statistics = batch_norm(&a, &weight, &bias, &counters)[1].clone();
        let mut out = vec![f64::NAN; M * N];
        let [mut weight_gradient, mut bias_gradient] = [0; 2].map(|_| vec![f64::NAN; N]);
        let views = vec![
            ("gradient", View::Real(&gradient[..])),
            ("a", View::Real(&a)),
            ("weight", View::Real(&weight)),
            ("statistics", View::Real(&statistics)),
            ("counters", View::Word(&counters)),
            ("out", View::RealMut(&mut out)),
            ("weight_gradient", View::RealMut(&mut weight_gradient)),
            ("bias_gradient", View::RealMut(&mut bias_gradient)),
        ];
        run(&BatchNormGradientKernel, &BatchNormGradientParams { m: M as u32, n: N as u32 }, views);
        check("a", &out, &a, &gradient, |a| batch_norm(a, &weight, &bias, &counters)[0].clone());
        check("weight", &weight_gradient, &weight, &gradient, |w| batch_norm(&a, w, &bias, &counters)[0].clone());
        check("bias", &bias_gradient, &bias, &gradient, |bias| batch_norm(&a, &weight, bias, &counters)[0].clone());
        assert!(out[rows * N..].iter().all(|&g| g == 0.0), "invalid rows have a gradient");
    }
}

/// The running state of `torch.nn.BatchNorm1d`, from its documented formula, on numbers small enough to check by hand.
#[test]
fn running_moments_follow_the_unbiased_variance() {
    let a: Vec<f64> = (0..M * N).map(|i| (i / N) as f64).collect(); // each column is 0, 1, 2, ...
    let after = |rows| {
        let [_, _, mean, variance] = batch_norm(&a, &[1.0; N], &[0.0; N], &counters(rows));
        (mean[0], variance[0])
    };
    let near = |(mean, variance): (f64, f64), expected: [f64; 2]| {
        // The momentum is the f32 nearest to 0.1.
        assert!((mean - expected[0]).abs() < 1e-7 && (variance - expected[1]).abs() < 1e-7, "{mean}, {variance}");
    };
    // 0..4: mean 2, unbiased variance 10 / 4.
    near(after(5), [0.2, 0.9 + 0.25]);
    near(after(1), [0.0, 1.0]);
}

#[test]
fn embedding_gradients_are_those_of_its_output() {
    const ENTRIES: usize = 4;
    let mut random = Random::new(3, 1);
    // Entry 1 is used three times, entry 3 never; two indices are out of range.
    let index = [1, 0, 1, ENTRIES as u32, 2, 1, u32::MAX];
    let (table, gradient) = (normal(ENTRIES * N, &mut random), normal(M * N, &mut random));
    let params = EmbeddingParams { m: M as u32, n: N as u32, entries: ENTRIES as u32 };
    let forward = |table: &[f64]| {
        let mut out = vec![f64::NAN; M * N];
        let views = vec![("table", View::Real(table)), ("index", View::Word(&index)), ("out", View::RealMut(&mut out))];
        run(&EmbeddingKernel, &params, views);
        out
    };
    let mut out = vec![f64::NAN; ENTRIES * N];
    let views =
        vec![("gradient", View::Real(&gradient[..])), ("index", View::Word(&index)), ("out", View::RealMut(&mut out))];
    run(&EmbeddingGradientKernel, &params, views);
    check("table", &out, &table, &gradient, forward);
    assert!(out[3 * N..].iter().all(|&g| g == 0.0), "an unused entry has a gradient");
}
