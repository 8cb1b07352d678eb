const PACK = 4u;
alias Element = vec4<f32>;

fn pack(x: vec4<f32>, i: u32) -> Element {
    return x;
}

