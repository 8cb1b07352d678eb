// Whether x is NaN or infinite, tested on its bits: drivers may assume that comparisons see no NaN.
fn is_not_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

