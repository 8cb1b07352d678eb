const PACK = 1u;
alias Element = f32;

fn pack(x: vec4<f32>, i: u32) -> Element {
    return x[i];
}

