// The normal CDF and density, using Abramowitz and Stegun's approximation 7.1.26 of erf.
struct Normal { distribution: f32, density: f32 }

fn normal(x: f32) -> Normal {
    let e = exp(-0.5 * (x * x));
    let t = 1.0 / (1.0 + 0.3275911 * 0.7071067811865476 * abs(x));
    let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let tail = 0.5 * series * e;
    return Normal(select(tail, 1.0 - tail, x >= 0.0), 0.3989422804014327 * e);
}

fn activation(x: f32, slope: f32) -> f32 {
    return x * normal(x).distribution;
}

fn derivative(x: f32, slope: f32) -> f32 {
    let at = normal(x);
    return at.distribution + x * at.density;
}

