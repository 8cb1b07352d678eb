
var<workgroup> sums: array<f32, WORKGROUP>;

// The sum of `value` over the workgroup, in invocation 0: halves are added pairwise in a fixed order.
fn workgroup_sum(value: f32, local: u32) -> f32 {
    sums[local] = value;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (local < half) {
            sums[local] += sums[local + half];
        }
    }
    return sums[local];
}
