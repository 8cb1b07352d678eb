struct Params {
    samples: u32,
    features: u32,
    batch: u32,
    shuffle: u32,
    seed_low: u32,
    seed_high: u32,
    rows: u32,
    columns: u32,
    half_angle: f32,
    shift: f32,
    scale: f32,
    shear: f32,
    horizontal_flip: u32,
    vertical_flip: u32,
    noise: f32,
    erase: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
/// [samples, features] u8
@group(0) @binding(1) var<storage, read> items: array<u32>;
/// [samples] u8
@group(0) @binding(2) var<storage, read> classes: array<u32>;
/// [4]
@group(0) @binding(3) var<storage, read> counters: array<u32>;
/// [2]: the mean to subtract, then the factor to multiply by
@group(0) @binding(4) var<storage, read> normalization: array<f32>;
/// [batch, features], pixels in [0, 1], normalized; zero in invalid rows
@group(0) @binding(5) var<storage, read_write> inputs: array<f32>;
/// [batch], IGNORE_INDEX in invalid rows
@group(0) @binding(6) var<storage, read_write> labels: array<u32>;

// The random transformation of one image. Vectors are (x, y).
struct Draw {
    sine: f32,
    cosine: f32,
    shift: vec2<f32>,
    zoom: f32,
    shear: f32,
    mirror: vec2<f32>,
    erased_from: vec2<u32>,
    erased_to: vec2<u32>,
}

// Uniform in [-1, 1], exact in f32.
fn signed_unit(word: u32) -> f32 {
    return f32(word >> 8u) * (1.0 / 8388608.0) - 1.0;
}

fn happens(word: u32, threshold: u32) -> bool {
    return (word >> 8u) < threshold;
}

fn draw_augmentation(seed: vec2<u32>, epoch: u32, sample: u32) -> Draw {
    let move_words = step_words(seed, AUGMENT_MOVES, epoch, sample);
    let choice_words = step_words(seed, AUGMENT_CHOICES, epoch, sample);
    let erase_words = step_words(seed, AUGMENT_ERASURES, epoch, sample);
    let turn = sine_and_cosine_of_twice(params.half_angle * signed_unit(move_words.x));
    var draw: Draw;
    draw.sine = turn.x;
    draw.cosine = turn.y;
    draw.shift = params.shift * vec2(signed_unit(move_words.y), signed_unit(move_words.z));
    draw.zoom = 1.0 + params.scale * signed_unit(move_words.w);
    draw.shear = params.shear * signed_unit(choice_words.x);
    draw.mirror.x = select(1.0, -1.0, happens(choice_words.y, params.horizontal_flip));
    draw.mirror.y = select(1.0, -1.0, happens(choice_words.z, params.vertical_flip));
    if (happens(choice_words.w, params.erase)) {
        let extent = vec2(params.columns, params.rows);
        let size = 1u + erase_words.xy % ((extent + 1u) / 2u);
        draw.erased_from = erase_words.zw % (extent - size + 1u);
        draw.erased_to = draw.erased_from + size;
    }
    return draw;
}

// Source position of the output pixel (x, y): the inverse of mirror, shear, rotation, scale and shift, in that order,
// about the image center.
fn source_of(draw: Draw, place: vec2<f32>) -> vec2<f32> {
    let center = 0.5 * (vec2(f32(params.columns), f32(params.rows)) - 1.0);
    let moved = (place - center - draw.shift) * draw.zoom;
    let turned = vec2(
        draw.cosine * moved.x + draw.sine * moved.y,
        draw.cosine * moved.y - draw.sine * moved.x,
    );
    return vec2(turned.x - draw.shear * turned.y, turned.y) * draw.mirror + center;
}

// The value of a pixel; 0 (paper) outside the image.
fn pixel(sample: u32, x: i32, y: i32) -> f32 {
    let inside = x >= 0 && y >= 0 && x < i32(params.columns) && y < i32(params.rows);
    let index = select(0u, u32(y) * params.columns + u32(x), inside);
    let word = items[sample * ((params.features + 3u) / 4u) + index / 4u];
    return select(0.0, f32((word >> (8u * (index % 4u))) & 0xffu), inside);
}

fn bilinear(sample: u32, source: vec2<f32>) -> f32 {
    let corner = floor(source);
    let part = source - corner;
    let x = i32(corner.x);
    let y = i32(corner.y);
    let left = pixel(sample, x, y);
    let below_left = pixel(sample, x, y + 1);
    let upper = left + part.x * (pixel(sample, x + 1, y) - left);
    let lower = below_left + part.x * (pixel(sample, x + 1, y + 1) - below_left);
    return upper + part.y * (lower - upper);
}

// The sum of a random word's four bytes minus its mean: approximately normal, and exact.
fn noise_of(word: u32) -> f32 {
    let sum = (word & 0xffu) + ((word >> 8u) & 0xffu) + ((word >> 16u) & 0xffu) + (word >> 24u);
    return f32(sum) - 510.0;
}

// One workgroup per row, as in `gather`.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let row = group.y * groups.x + group.x;
    if (row >= params.batch) {
        return;
    }
    let used = row < counters[ROWS];
    let position = min(counters[POSITION] + row, params.samples - 1u);
    let seed = vec2(params.seed_low, params.seed_high);
    var sample = position;
    if (params.shuffle != 0u) {
        sample = permute(seed, counters[EPOCH], position, params.samples);
    }
    if (local == 0u) {
        let class_of = (classes[sample / 4u] >> (8u * (sample % 4u))) & 0xffu;
        labels[row] = select(IGNORE_INDEX, class_of, used);
    }
    let draw = draw_augmentation(seed, counters[EPOCH], sample);
    let words = (params.features + 3u) / 4u;
    for (var index = local; index < params.features; index += 64u) {
        let place = vec2(index % params.columns, index / params.columns);
        var value = bilinear(sample, source_of(draw, vec2<f32>(place))) * (1.0 / 255.0);
        if (params.noise != 0.0) {
            // Random words come in fours.
            let noise_words = step_words(seed, AUGMENT_NOISE, counters[EPOCH], sample * words + index / 4u);
            value = clamp(value + params.noise * noise_of(noise_words[index % 4u]), 0.0, 1.0);
        }
        let erased = all(place >= draw.erased_from) && all(place < draw.erased_to);
        let input = (select(value, 0.0, erased) - normalization[0]) * normalization[1];
        inputs[row * params.features + index] = select(0.0, input, used);
    }
}
