// Whether x is NaN or infinite, by its bits: drivers may assume that comparisons never meet NaN.
fn is_not_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

