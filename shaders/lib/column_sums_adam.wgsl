const COLUMN_SUMS = true;

/// [n]
@group(0) @binding(4) var<storage, read_write> sums: array<Element>;

fn store_sums(column: u32, total: vec4<f32>) {
    for (var i = 0u; i < 4u / PACK; i++) {
        let c = column + i * PACK;
        if (c < params.n) {
            let sum = pack(total, i);
            sums[c / PACK] = sum;
            update((params.bias_at + c) / PACK, sum, 0.0);
        }
    }
}

