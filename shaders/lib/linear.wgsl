// Workgroups have one dimension, so that the x of local_invocation_id is what local_invocation_index is: for that, software
// drivers divide three times for each invocation.
const WORKGROUP = 256u;

// The number of this invocation in a dispatch whose workgroups were folded into two dimensions. Guard it: the last
// workgroups reach past the end.
fn linear_index(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + local;
}

