//! Listing and choosing adapters, and running a single kernel.

mod common;

use shadegrad::error::Kind;
use shadegrad::gpu::{
    Backends, Checks, Chosen, DeviceChoice, DeviceKind, GpuExecutor, Pipeline, Run, adapters, choose, report,
};
use shadegrad::kernel::{AnyKernel, Array};
use shadegrad::ops::elementwise::bias_add::{BiasAddKernel, BiasAddParams};
use shadegrad::ops::elementwise::relu::{ReluKernel, ReluParams};
use shadegrad::plan::{Executor, Memory, Plan, Role};
use shadegrad::shape::DType;

fn chosen(choice: &str) -> shadegrad::error::Result<Chosen> {
    pollster::block_on(choose(&choice.parse()?))
}

#[test]
fn choices_are_read_and_told() {
    let choices = [
        ("auto", DeviceChoice::Auto),
        ("cpu", DeviceChoice::Cpu),
        ("3", DeviceChoice::Index(3)),
        ("llvm", DeviceChoice::Name("llvm".to_owned())),
    ];
    for (text, choice) in choices {
        assert_eq!(text.parse::<DeviceChoice>().as_ref(), Ok(&choice));
        assert_eq!(choice.to_string(), text);
    }
    assert_eq!("".parse::<DeviceChoice>().expect_err("every name contains it").kind(), Kind::Usage);
}

#[test]
fn backings_have_names() {
    let kinds = [
        (wgpu::DeviceType::DiscreteGpu, "discrete"),
        (wgpu::DeviceType::IntegratedGpu, "integrated"),
        (wgpu::DeviceType::VirtualGpu, "virtual"),
        (wgpu::DeviceType::Other, "virtual"),
        (wgpu::DeviceType::Cpu, "cpu"),
    ];
    for (kind, name) in kinds {
        assert_eq!(DeviceKind::from(kind).to_string(), name);
    }
    assert_eq!(DeviceKind::Native.to_string(), "native");
}

#[test]
fn adapters_are_listed_by_interface() {
    let backends = |wanted| {
        let found = pollster::block_on(adapters(wanted));
        found.iter().map(|adapter| adapter.get_info().backend).collect::<Vec<_>>()
    };
    assert_eq!(backends(Backends::empty()), []);
    let (gl, others) = (backends(Backends::SECONDARY), backends(Backends::PRIMARY));
    assert!(gl.iter().all(|backend| *backend == wgpu::Backend::Gl), "{gl:?}");
    assert!(!others.contains(&wgpu::Backend::Gl), "{others:?}");
    assert_eq!(backends(Backends::all()), [others, gl].concat());
}

#[test]
fn an_adapter_is_chosen_by_number_by_name_or_by_what_it_is() {
    let all = pollster::block_on(adapters(Backends::all()));
    let name = |adapter: &wgpu::Adapter| adapter.get_info().name;
    let picked = |choice: &str| match chosen(choice) {
        Ok(Chosen::Adapter(adapter)) => name(&adapter),
        other => panic!("{choice}: {other:?}"),
    };
    let first = name(&all[0]);
    assert_eq!(picked("0"), first);
    assert_eq!(picked(&first.to_uppercase()), first);
    assert!(matches!(chosen("cpu"), Ok(Chosen::Native)));
    for (nobody, told) in [("4711", "number 4711"), ("no such name", "matching \"no such name\"")] {
        let error = chosen(nobody).expect_err("there is none");
        assert!(error.kind() == Kind::Device && error.cause().contains(told), "{error}");
        assert!(error.cause().contains(&format!("0: {first}")), "{error}");
    }
    let backing = |adapter: &wgpu::Adapter| DeviceKind::from(adapter.get_info().device_type);
    let best = [DeviceKind::Discrete, DeviceKind::Integrated, DeviceKind::Virtual]
        .into_iter()
        .find_map(|wanted| all.iter().find(|adapter| backing(adapter) == wanted).map(name));
    match chosen("auto").expect("`auto` always means something") {
        Chosen::Adapter(adapter) => assert_eq!(Some(name(&adapter)), best),
        Chosen::NoGpu(others) => assert_eq!((best, others.len()), (None, all.len())),
        Chosen::Native => panic!("the CPU path was not asked for"),
    }
}

#[test]
fn a_report_tells_what_the_driver_says() {
    let adapter = common::adapter();
    let (info, limits, report) = (adapter.get_info(), adapter.limits(), report(&adapter));
    assert_eq!((&report.name, &report.backend), (&info.name, &info.backend.to_string()));
    assert!(report.driver.contains(&info.driver) && report.driver.contains(&info.driver_info));
    assert_eq!(report.max_binding_bytes, limits.max_storage_buffer_binding_size);
    assert_eq!(report.max_invocations, limits.max_compute_invocations_per_workgroup);
}

#[test]
fn an_open_device_knows_itself() {
    let (adapter, gpu) = (common::adapter(), common::gpu());
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let identity = gpu.identity();
    assert!(identity.contains(&info.name) && identity.contains(&info.driver_info), "{identity}");
    assert_eq!(gpu.caps.cpu, info.device_type == wgpu::DeviceType::Cpu);
    assert_eq!(gpu.caps.max_binding_bytes, limits.max_storage_buffer_binding_size);
    assert_eq!(gpu.caps.max_buffer_bytes, limits.max_buffer_size);
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    let subgroups = adapter.features().contains(wgpu::Features::SUBGROUP) && fixed;
    assert_eq!(gpu.caps.subgroup_size, subgroups.then_some(info.subgroup_min_size));
    let distrusting = gpu.distrusting("relu", "plain");
    assert!(gpu.caps.trusts("relu", "plain") && !distrusting.caps.trusts("relu", "plain"));
    assert!(distrusting.caps.trusts("relu", "other") && distrusting.identity() == identity);
}

fn words(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn runs_of_a_kernel_have_their_own_parameters_and_words() {
    let gpu = common::gpu();
    let params = [BiasAddParams { m: 1, n: 3 }, BiasAddParams { m: 2, n: 2 }];
    let params = params.each_ref().map(bytemuck::bytes_of);
    let variant = BiasAddKernel.choose(params[0], &gpu.caps);
    let pipeline = pollster::block_on(Pipeline::new(&gpu, &BiasAddKernel, &variant, Checks::On)).expect("it compiles");
    // Words beyond the shapes' extents come back unchanged.
    let first = [words(&[1.0, 2.0, 3.0, 9.0]), words(&[10.0, 20.0, 30.0]), vec![7; 5]];
    let second = [words(&[1.0, 2.0, 3.0, 4.0]), words(&[0.5, -0.5]), vec![8; 4]];
    let run = |i: usize, arrays| Run { params: params[i], groups: 1, arrays };
    let [a, b] = [words(&[11.0, 22.0, 33.0]), words(&[1.5, 1.5, 3.5, 3.5])];
    let first_after = vec![first[0].clone(), first[1].clone(), [&a[..], &[7, 7]].concat()];
    let second_after = vec![second[0].clone(), second[1].clone(), b];
    let after = pollster::block_on(pipeline.run_all(&gpu, &[run(0, &first), run(1, &second), run(0, &first)]));
    assert_eq!(after.expect("it runs"), [first_after.clone(), second_after.clone(), first_after]);
    let after = pollster::block_on(pipeline.run(&gpu, run(1, &second)));
    assert_eq!(after.expect("it runs"), second_after);
    let too_many = Run { groups: u64::MAX, ..run(0, &first) };
    let error = pollster::block_on(pipeline.run(&gpu, too_many)).expect_err("two dimensions do not hold them");
    assert!(error.cause().contains("workgroups"), "{error}");
}

/// A plan of two sections over `x`, `y` and `z`, all state of 70 floats, in one arena.
fn two_sections() -> (Plan, [shadegrad::plan::SlotId; 4]) {
    let mut memory = Memory::default();
    let tensors = ["x", "y"].map(|name| (name.to_owned(), [70].into()));
    let arena = memory.arena("all", Role::Carried, &tensors).expect("it is small");
    let z = memory.array("z", Role::Carried, DType::F32, [70]).expect("it is small");
    let counts = memory.array("counts", Role::Carried, DType::U32, [3]).expect("it is small");
    let slots = [arena.tensors[0], arena.tensors[1], z, counts];
    let mut plan = Plan::new(memory);
    let params = ReluParams { n: 70 };
    plan.begin("first");
    plan.dispatch("to z", &ReluKernel, params, &[("a", slots[1]), ("out", z)]).expect("shapes agree");
    plan.begin("second");
    plan.dispatch("to x", &ReluKernel, params, &[("a", z), ("out", slots[0])]).expect("shapes agree");
    plan.dispatch("to y", &ReluKernel, params, &[("a", z), ("out", slots[1])]).expect("shapes agree");
    (plan, slots)
}

#[test]
fn slots_are_written_run_over_and_read_where_they_lie() {
    let (plan, [x, y, z, counts]) = two_sections();
    let executor = pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off));
    let mut executor = executor.expect("it fits the device");
    assert_eq!(executor.plan().sections.len(), 2);
    assert_eq!(executor.gpu().info, common::gpu().info);
    assert_eq!((executor.traffic().up, executor.traffic().down), (3 * 256, 0));
    let numbers: Vec<f32> = (0..70).map(|i| i as f32 - 10.0).collect();
    let positive: Vec<f64> = numbers.iter().map(|x| f64::from(x.max(0.0))).collect();
    executor.write_f32(y, &numbers).expect("the slot holds them");
    executor.write_words(counts, &[5, 6, 7]).expect("the slot holds them");
    assert_eq!(executor.traffic().up, 3 * 256 + 4 * 73);
    let is = |executor: &mut GpuExecutor, slot, expected: &[f64]| {
        let read = pollster::block_on(executor.read(slot)).expect("it can be read");
        assert_eq!(read, Array::Real(expected.to_vec()));
    };
    executor.run("first", 1).expect("it runs");
    is(&mut executor, z, &positive);
    is(&mut executor, x, &[0.0; 70]);
    executor.run_dispatch("second", 0).expect("it runs");
    is(&mut executor, x, &positive);
    assert_eq!(executor.traffic().down, 3 * 280);
    let unchanged: Vec<f64> = numbers.iter().map(|&x| x.into()).collect();
    is(&mut executor, y, &unchanged);
    executor.run_dispatch("second", 2).expect("there is none, so none runs");
    let fetched = executor.fetch(y, 67, 9).expect("it can be read");
    assert_eq!(pollster::block_on(fetched), Ok(vec![57.0, 58.0, 59.0]), "at most the slot's contents");
    let fetched = executor.fetch_words(counts).expect("it can be read");
    assert_eq!(pollster::block_on(fetched), Ok(vec![5, 6, 7]));
    let read = pollster::block_on(executor.read(counts));
    assert_eq!(read, Ok(Array::Word(vec![5, 6, 7])));
}

#[test]
fn what_does_not_fit_a_slot_is_refused() {
    let (plan, [x, _, _, counts]) = two_sections();
    let executor = pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off));
    let mut executor = executor.expect("it fits the device");
    let refusals = [
        (executor.write_f32(x, &[0.0; 71]), "cannot write 71 f32 to all/x, which holds 70 f32"),
        (executor.write_f32(counts, &[0.0; 3]), "cannot write 3 f32 to counts, which holds 3 u32"),
        (executor.write_words(counts, &[0; 2]), "cannot write 2 words to counts, which holds 3 u32"),
        (executor.write_words(x, &[0; 70]), "cannot write 70 words to all/x, which holds 70 f32"),
        (executor.run("third", 1), "no section `third`, only [\"first\", \"second\"]"),
    ];
    for (outcome, told) in refusals {
        let error = outcome.expect_err(told);
        assert!(error.kind() == Kind::Usage && error.cause().contains(told), "{error}");
    }
}
