
struct Params { m: u32, k: u32, n: u32 }
