//! The layout of a plan's slots, and its validation.

use shadegrad::error::Kind;
use shadegrad::kernel::Caps;
use shadegrad::ops::elementwise::add::{AddKernel, AddParams};
use shadegrad::ops::elementwise::relu::{ReluKernel, ReluParams};
use shadegrad::ops::loss::softmax_cross_entropy::{SoftmaxCrossEntropyKernel, SoftmaxCrossEntropyParams};
use shadegrad::ops::update::accumulate::{AccumulateKernel, AccumulateParams};
use shadegrad::plan::{Arena, Memory, Plan, Role, SlotId};
use shadegrad::shape::{DType, Shape};

fn array(memory: &mut Memory, name: &str, role: Role, n: usize) -> SlotId {
    memory.array(name, role, DType::F32, [n]).expect("it is small")
}

fn arena(memory: &mut Memory, role: Role, sizes: &[usize]) -> Arena {
    let tensors: Vec<_> = sizes.iter().enumerate().map(|(i, &n)| (i.to_string(), Shape::from([n]))).collect();
    memory.arena("arena", role, &tensors).expect("it is small")
}

fn relu(plan: &mut Plan, [a, out]: [SlotId; 2]) {
    let n = plan.memory.slot(a).words as u32;
    plan.dispatch("relu", &ReluKernel, ReluParams { n }, &[("a", a), ("out", out)]).expect("shapes agree");
}

fn refusal(plan: &Plan) -> String {
    plan.validate(&Caps::portable()).expect_err("it is wrong").cause().to_owned()
}

#[test]
fn tensors_of_an_arena_are_aligned_and_found_by_name() {
    let mut memory = Memory::default();
    let first = array(&mut memory, "first", Role::Data, 5);
    let arena = arena(&mut memory, Role::Carried, &[64, 65, 1, 3]);
    let places: Vec<_> = arena.tensors.iter().map(|&id| (memory.slot(id).offset, memory.slot(id).words)).collect();
    assert_eq!(places, [(0, 64), (64, 65), (192, 1), (256, 3)]);
    let all = memory.slot(arena.all);
    assert_eq!((all.offset, all.words, &all.ty.shape, all.buffer), (0, 320, &Shape::from([320]), 1));
    assert_eq!(memory.buffers()[1].words, 320);
    assert_eq!(memory.find("arena/2"), Some(arena.tensors[2]));
    assert_eq!(memory.find("first"), Some(first));
    assert_eq!(memory.find("second"), None);
    assert_eq!(memory.slots().len(), 6);
}

#[test]
fn a_view_lies_where_its_slot_does_and_is_no_larger() {
    let mut memory = Memory::default();
    let arena = arena(&mut memory, Role::Carried, &[64, 12]);
    let view = memory.view(arena.tensors[1], "rows", [3, 4]).expect("it is as big");
    let slot = memory.slot(view);
    assert_eq!((slot.name.as_str(), slot.buffer, slot.offset, slot.words), ("rows", 0, 64, 12));
    assert_eq!(slot.ty.shape, Shape::from([3, 4]));
    let smaller = memory.view(arena.tensors[1], "start", [5]).expect("it is smaller");
    assert_eq!((memory.slot(smaller).offset, memory.slot(smaller).words), (64, 5));
    assert_eq!(memory.find("start"), Some(smaller));
    let error = memory.view(arena.tensors[1], "more", [13]).expect_err("it is larger");
    assert!(error.kind() == Kind::Usage && error.cause().contains("cannot write 13 words of more [13] to"), "{error}");
}

#[test]
fn bytes_count_what_is_updated_twice() {
    let mut memory = Memory::default();
    let [a, b, out] = ["a", "b", "out"].map(|name| array(&mut memory, name, Role::Carried, 10));
    let mut plan = Plan::new(memory);
    plan.begin("all");
    plan.dispatch("add", &AddKernel, AddParams { n: 10 }, &[("a", a), ("b", b), ("out", out)]).expect("shapes agree");
    assert_eq!(plan.bytes(&plan.sections[0].dispatches[0]), 120);
    // Data updated in place moves twice: the mean, but neither the gradient nor the counters.
    let [counters, micro_counters] = ["counters", "micro_counters"]
        .map(|name| plan.memory.array(name, Role::Carried, DType::U32, [4]).expect("it is small"));
    let [gradient, mean] = ["gradient", "mean"].map(|name| array(&mut plan.memory, name, Role::Carried, 20));
    let names = [("gradient", gradient), ("counters", counters), ("micro_counters", micro_counters), ("mean", mean)];
    plan.dispatch("accumulate", &AccumulateKernel, AccumulateParams { n: 20 }, &names).expect("shapes agree");
    assert_eq!(plan.bytes(&plan.sections[0].dispatches[1]), 4 * (20 + 4 + 4 + 2 * 20));
}

#[test]
fn dispatches_are_counted_and_repeated() {
    let mut memory = Memory::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| array(&mut memory, name, Role::Carried, 10));
    let mut plan = Plan::new(memory);
    assert_eq!(plan.recorded(), 0);
    assert!(plan.repeat(0..0).is_err(), "there is no section");
    plan.begin("all");
    relu(&mut plan, [a, b]);
    relu(&mut plan, [b, c]);
    relu(&mut plan, [c, a]);
    plan.repeat(1..3).expect("there are three");
    plan.repeat(5..5).expect("none is repeated");
    let slots = |plan: &Plan| plan.sections[0].dispatches.iter().map(|d| d.slots[0]).collect::<Vec<_>>();
    assert_eq!(slots(&plan), [a, b, c, b, c]);
    assert_eq!(plan.recorded(), 5);
    #[allow(clippy::reversed_empty_ranges, reason = "it is to be refused")]
    for wrong in [4..6, 3..2] {
        let error = plan.repeat(wrong).expect_err("there are five");
        assert!(error.kind() == Kind::Usage && error.cause().contains("there are 5"), "{error}");
    }
    plan.begin_after("then", "all");
    assert_eq!((plan.recorded(), plan.sections[1].after.as_deref()), (0, Some("all")));
    assert_eq!(plan.section("then").expect("it was begun").name, "then");
    let error = plan.section("now").err().expect("it was not");
    assert!(error.cause().contains("no section `now`, only [\"all\", \"then\"]"), "{error}");
}

#[test]
fn what_is_written_may_share_a_buffer_with_what_is_written_beside_it_alone() {
    let in_one_buffer = |places: [usize; 2]| {
        let mut memory = Memory::default();
        let arena = arena(&mut memory, Role::Carried, &[64, 64, 64]);
        let mut plan = Plan::new(memory);
        plan.begin("all");
        let [a, out] = places.map(|place| arena.tensors[place]);
        relu(&mut plan, [a, out]);
        plan.validate(&Caps::portable())
    };
    for places in [[0, 1], [1, 0], [1, 1]] {
        let error = in_one_buffer(places).expect_err("one buffer is read and written");
        assert!(error.cause().contains("`a` and `out` alias"), "{error}");
    }
    let losses = |words: [usize; 2], offset: usize| {
        let mut memory = Memory::default();
        let [logits, labels, counters] =
            [("logits", DType::F32, 64), ("labels", DType::U32, 64), ("counters", DType::U32, 4)]
                .map(|(name, dtype, n)| memory.array(name, Role::Data, dtype, [n]).expect("it is small"));
        let logits = memory.view(logits, "rows", [64, 1]).expect("it is as big");
        let arena = arena(&mut memory, Role::Transient, &words);
        let losses = memory.view(arena.tensors[0], "losses", [64]).expect("it is no larger");
        let gradient = if offset == 0 { arena.tensors[0] } else { arena.tensors[1] };
        let gradient = memory.view(gradient, "gradient", [64, 1]).expect("it is no larger");
        let mut plan = Plan::new(memory);
        plan.begin("all");
        let params = SoftmaxCrossEntropyParams { m: 64, n: 1 };
        let names = [
            ("logits", logits),
            ("labels", labels),
            ("counters", counters),
            ("losses", losses),
            ("gradient", gradient),
        ];
        plan.dispatch("losses", &SoftmaxCrossEntropyKernel, params, &names).expect("shapes agree");
        plan.validate(&Caps::portable())
    };
    losses([64, 64], 64).expect("the gradient begins where the losses end");
    let error = losses([128, 64], 0).expect_err("both begin at 0");
    assert!(
        error.cause().contains("`losses` and `gradient` alias: losses and gradient are in the same buffer"),
        "{error}"
    );
}

#[test]
fn words_are_written_before_they_are_read() {
    // Reads the second of three tensors, or all; `written` are written before.
    let look = |written: &[usize], all: bool| {
        let mut memory = Memory::default();
        let x = array(&mut memory, "x", Role::Data, 64);
        let arena = arena(&mut memory, Role::Transient, &[64, 64, 64]);
        let outs = [64, 192].map(|n| array(&mut memory, "out", Role::Carried, n));
        let mut plan = Plan::new(memory);
        plan.begin("all");
        written.iter().for_each(|&i| relu(&mut plan, [x, arena.tensors[i]]));
        relu(&mut plan, if all { [arena.all, outs[1]] } else { [arena.tensors[1], outs[0]] });
        plan
    };
    look(&[1], false).validate(&Caps::portable()).expect("nothing else is read");
    look(&[2, 0, 1], true).validate(&Caps::portable()).expect("each is written");
    let read = |plan: &Plan| refusal(plan).split(" before its ").nth(1).map(str::to_owned);
    assert_eq!(read(&look(&[0, 2], false)).as_deref(), Some("word 0 is written"));
    assert_eq!(read(&look(&[0, 2], true)).as_deref(), Some("word 64 is written"));
    assert_eq!(read(&look(&[0, 1], true)).as_deref(), Some("word 128 is written"));
    assert_eq!(read(&look(&[], true)).as_deref(), Some("word 0 is written"));
}

#[test]
fn data_may_be_read_at_once_and_never_written() {
    let mut memory = Memory::default();
    let [x, y] = ["x", "y"].map(|name| array(&mut memory, name, Role::Data, 10));
    let mut plan = Plan::new(memory);
    plan.begin("all");
    relu(&mut plan, [x, y]);
    assert!(refusal(&plan).contains("`out` writes y, which is data"));
}

#[test]
fn what_the_host_has_no_room_for_is_refused() {
    let plan = |words| {
        let mut memory = Memory::default();
        array(&mut memory, "big", Role::Carried, words);
        Plan::new(memory)
    };
    plan(1 << 10).fits_host(4, |_| false).expect("every machine holds it");
    if cfg!(target_os = "linux") {
        let error = plan(1 << 55).fits_host(4, |_| false).expect_err("no machine holds it");
        assert!(error.kind() == Kind::Device && error.cause().contains("bytes of memory"), "{error}");
    }
    plan(1 << 55).fits_host(4, |buffer| buffer == 0).expect("what is in place needs no room");
    // Only floats take more than a word each for twins of higher precision.
    let mut memory = Memory::default();
    memory.array("words", Role::Carried, DType::U32, [1 << 10]).expect("it is small");
    Plan::new(memory).fits_host(1 << 50, |_| false).expect("every machine holds it");
}

#[test]
fn a_buffer_may_be_as_large_as_the_device_allows_and_no_larger() {
    let plan = |words: usize| {
        let mut memory = Memory::default();
        let slots = ["big", "as big"].map(|name| array(&mut memory, name, Role::Carried, words));
        let mut plan = Plan::new(memory);
        plan.begin("all");
        relu(&mut plan, slots);
        plan
    };
    let caps = Caps { max_binding_bytes: 8000, max_buffer_bytes: 4000, ..Caps::portable() };
    plan(1000).validate(&caps).expect("4,000 bytes are allowed");
    let error = plan(1001).validate(&caps).expect_err("4,004 are not");
    assert!(error.kind() == Kind::Device && error.cause().contains("4004 bytes in one buffer"), "{error}");
    let caps = Caps { max_groups: u32::MAX, ..Caps::unlimited() };
    plan((1 << 30) - 1).validate(&caps).expect("offsets of 32 bits reach its end");
    let error = plan(1 << 30).validate(&caps).expect_err("they do not reach its end");
    assert!(
        error.cause().contains("big needs 4294967296 bytes in one binding, the device allows 4294967292"),
        "{error}"
    );
}

#[test]
fn a_slice_begins_where_every_adapter_can_bind_it() {
    let mut memory = Memory::default();
    array(&mut memory, "first", Role::Carried, 1);
    let arena = arena(&mut memory, Role::Carried, &[64, 640]);
    let slice = memory.slice(arena.tensors[1], "rows 2 and 3", 128, [2, 64]).expect("it is aligned");
    let slot = memory.slot(slice);
    assert_eq!((slot.name.as_str(), slot.buffer, slot.offset, slot.words), ("rows 2 and 3", 1, 192, 128));
    assert_eq!((&slot.ty.shape, memory.find("rows 2 and 3")), (&Shape::from([2, 64]), Some(slice)));
    let within = memory.slice(slice, "row 3", 64, [64]).expect("it is aligned");
    assert_eq!(memory.slot(within).offset, 256);
    assert!(memory.slice(arena.tensors[1], "all", 0, [640]).is_ok());
    for (first, words, expected) in [
        (10, [10], "x [10] at word 10 of arena/1 starts at byte 296 of its buffer, not a multiple of 256"),
        (64, [577], "x [577] at word 64 of arena/1 ends past its 640 words"),
        (704, [0], "ends past"),
        (usize::MAX, [2], "ends past"),
    ] {
        let error = memory.slice(arena.tensors[1], "x", first, words).expect_err("it cannot be bound");
        assert!(error.kind() == Kind::Usage && error.cause().contains(expected), "{error}");
    }
}

#[test]
fn slices_are_written_read_and_kept_apart_word_by_word() {
    // Steps of a loop: each reads what the previous one wrote, from part `from` to part `out`.
    let plan = |pairs: &[[usize; 2]], role| {
        let mut memory = Memory::default();
        let x = array(&mut memory, "x", Role::Data, 64);
        let [h, y] = ["h", "y"].map(|name| array(&mut memory, name, role, 256));
        let mut plan = Plan::new(memory);
        plan.begin("all");
        let part = |plan: &mut Plan, of, i: usize| plan.memory.slice(of, "part", 64 * i, [64]).expect("it is aligned");
        for &[read, write] in pairs {
            let a = if read == 4 { x } else { part(&mut plan, h, read) };
            let out = part(&mut plan, if read == 4 { h } else { y }, write);
            relu(&mut plan, [a, out]);
        }
        (plan, h, y)
    };
    let (sound, ..) = plan(&[[4, 1], [1, 0], [4, 2], [2, 3]], Role::Transient);
    sound.validate(&Caps::portable()).expect("each part is written before it is read");
    let (hole, ..) = plan(&[[4, 1], [2, 0]], Role::Transient);
    assert!(refusal(&hole).contains("`a` reads part before its word 0 is written"), "{}", refusal(&hole));
    // The whole is written once its parts are.
    let (mut whole, h, y) = plan(&[[4, 0], [4, 1], [4, 2]], Role::Transient);
    relu(&mut whole, [h, y]);
    assert!(refusal(&whole).contains("word 192"), "{}", refusal(&whole));
    let last = whole.memory.slice(h, "last", 192, [64]).expect("it is aligned");
    let x = whole.memory.find("x").expect("it is there");
    let at = whole.recorded() - 1;
    relu(&mut whole, [x, last]);
    whole.sections[0].dispatches.swap(at, at + 1);
    whole.validate(&Caps::portable()).expect("all parts are written");
    // A buffer cannot be bound read-only and writable at once, even in disjoint parts.
    let (mut mixed, h, _) = plan(&[], Role::Carried);
    let [a, out] = [0, 64].map(|first| mixed.memory.slice(h, "part", first, [64]).expect("it is aligned"));
    relu(&mut mixed, [a, out]);
    assert!(refusal(&mixed).contains("alias"));
}
