// Workgroups are one-dimensional, so local_invocation_id.x equals local_invocation_index, which software drivers
// compute with three divisions per invocation.

// Global index of this invocation in a dispatch folded into two dimensions. Check bounds: the last workgroups
// overshoot.
fn linear_index(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + local;
}

