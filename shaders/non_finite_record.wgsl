struct Params { parts: u32, row: u32, rows: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [parts, 2]
@group(0) @binding(1) var<storage, read> found: array<u32>;
/// [4]
@group(0) @binding(2) var<storage, read> counters: array<u32>;
/// [rows, 3], partly written: in `row`, for the first step with non-finite elements, their count, the index of the
/// first, and the step
@group(0) @binding(3) var<storage, read_write> record: array<u32>;

var<workgroup> firsts: array<u32, WORKGROUP>;
var<workgroup> counts: array<u32, WORKGROUP>;

// One workgroup. A recorded row is kept: it belongs to the first bad step.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    let local = id.x;
    var first = NONE;
    var count = 0u;
    for (var part = local; part < params.parts; part += WORKGROUP) {
        first = min(first, found[2u * part]);
        count += found[2u * part + 1u];
    }
    firsts[local] = first;
    counts[local] = count;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (local < half) {
            firsts[local] = min(firsts[local], firsts[local + half]);
            counts[local] += counts[local + half];
        }
    }
    let place = WORDS * params.row;
    if (local == 0u && counts[0] > 0u && record[place + COUNT] == 0u) {
        record[place + COUNT] = counts[0];
        record[place + FIRST] = firsts[0];
        record[place + STEPS_BEGUN] = counters[STEP];
    }
}
