// Fills one row of the batch for the step's counters, using the 64 invocations of a workgroup.
fn gather_row(row: u32, local: u32, step: vec4<u32>) {
    let used = row < step[ROWS];
    let position = min(step[POSITION] + row, params.samples - 1u);
    var sample = position;
    if (params.shuffle != 0u) {
        sample = permute(vec2(params.seed_low, params.seed_high), step[EPOCH], position, params.samples);
    }
    if (local == 0u) {
        let class_of = (classes[sample / 4u] >> (8u * (sample % 4u))) & 0xffu;
        labels[row] = select(IGNORE_INDEX, class_of, used);
    }
    let words = (params.features + 3u) / 4u;
    for (var w = local; w < words; w += 64u) {
        let bytes = items[sample * words + w];
        let last = min(4u, params.features - 4u * w);
        for (var i = 0u; i < last; i++) {
            let value = f32((bytes >> (8u * i)) & 0xffu) * (1.0 / 255.0);
            let input = (value - normalization[0]) * normalization[1];
            inputs[row * params.features + 4u * w + i] = select(0.0, input, used);
        }
    }
}
