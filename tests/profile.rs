//! `shadegrad profile`: its measurements add up, all its outputs agree, and errors are reported.

mod command;
mod common;

use command::Place;
use serde_json::Value;
use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{Dataset, digits};
use shadegrad::gpu::{Checks, Gpu, GpuExecutor};
use shadegrad::kernel::{Caps, Effort};
use shadegrad::nn::{MlpConfig, ModelConfig};
use shadegrad::ops::registry;
use shadegrad::profile::{
    ChangeVerdict, Clock, Comparison, Peaks, Profile, Request, Resource, Spread, Sweep, SweepJob, kernels, noise,
    peaks, step, sweep_shaders, sweep_twins,
};
use shadegrad::text;
use shadegrad::train::{TrainConfig, Trainer};
use shadegrad::verify::check_variant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// Opened as `profile` opens it.
fn gpu() -> Arc<Gpu> {
    pollster::block_on(Gpu::open_to_measure(&common::adapter())).expect("the adapter opens")
}

/// Peaks, measured once for all tests.
fn measured() -> &'static Peaks {
    static PEAKS: OnceLock<Peaks> = OnceLock::new();
    PEAKS.get_or_init(|| {
        let (peaks, notes) = pollster::block_on(peaks::measure(&gpu())).expect("the device works");
        assert!(notes.is_empty(), "{notes:?}");
        peaks
    })
}

fn config() -> TrainConfig {
    TrainConfig { model: ModelConfig::mlp(&[32], &MlpConfig::default()), batch_size: 64, ..TrainConfig::default() }
}

fn request(steps: usize) -> Request {
    Request { device: "a device".to_owned(), title: "a step".to_owned(), batch: 64, steps: Some(steps) }
}

fn profile_on(gpu: &Arc<Gpu>, config: TrainConfig, data: &Dataset, steps: usize, peaks: Peaks) -> Profile {
    let (model, plan) = Trainer::<GpuExecutor>::plan(&config, data, &Caps::unlimited()).expect("it is valid");
    let executor = pollster::block_on(GpuExecutor::new(gpu.clone(), plan, Checks::Off)).expect("it fits");
    let trainer = Trainer::new(executor, model, config, data).expect("the device works");
    pollster::block_on(step(&mut trainer.into_executor(), request(steps), peaks)).expect("the device works")
}

/// One profile shared by all tests that only read it.
fn profiled() -> &'static Profile {
    static PROFILE: OnceLock<Profile> = OnceLock::new();
    PROFILE.get_or_init(|| profile_on(&gpu(), config(), &digits(7), 400, measured().clone()))
}

fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.sum()
}

#[test]
fn kernels_that_measure_peaks_agree_with_their_twins() {
    let gpu = gpu();
    for kernel in peaks::registry(gpu.caps.f16) {
        for variant in kernel.variants(&gpu.caps) {
            for checks in [Checks::Off, Checks::On] {
                let worst = pollster::block_on(check_variant(&gpu, kernel, &variant, checks, Effort::QUICK));
                worst.unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}

/// Skipped work must show in the output.
#[test]
fn kernels_that_measure_peaks_and_work_less_are_found() {
    let gpu = gpu();
    let shirked = [
        ("peak_fma_f32", "step += 16u", "step += 32u"),
        ("peak_fma_f32", "y = advance", "y = y; let unused = advance"),
        ("peak_workgroup", "round += 8u", "round += 16u"),
        ("peak_copy_8", "j < EACH", "j < EACH - 1u"),
        ("peak_read_8", "sum += a[i]", "sum = a[i]"),
    ];
    for (name, work, less) in shirked {
        let kernel = *kernels(&peaks::registry(false), name)
            .expect("the kernel exists")
            .first()
            .expect("the family is not empty");
        let variant = kernel.variants(&gpu.caps).swap_remove(0);
        assert!(variant.source().contains(work), "{name} has no `{work}`");
        let variant = variant.edited("shirking", |part| part.replace(work, less));
        let outcome = pollster::block_on(check_variant(&gpu, kernel, &variant, Checks::On, Effort::QUICK));
        let error = outcome.expect_err("it skips work");
        assert!(error.cause().contains("`out`"), "{error}");
    }
}

#[test]
fn all_peaks_are_measured() {
    let gpu = gpu();
    let peaks = measured();
    let count = |resource| peaks.rates.iter().filter(|rate| rate.resource == resource && rate.best > 0.0).count();
    let counts = [Resource::F32, Resource::F16, Resource::Workgroup, Resource::Copy, Resource::Read].map(count);
    assert_eq!(counts, [1, usize::from(gpu.caps.f16), 1, 3, 3], "{:?}", peaks.rates);
    for rate in &peaks.rates {
        assert!(rate.spread.low <= rate.spread.median && rate.spread.median <= rate.best, "{rate:?}");
    }
    for latency in [peaks.dispatch, peaks.submit, peaks.readback] {
        assert!(latency.is_some_and(|spread| spread.low > 0.0), "{peaks:?}");
    }
    let native = peaks::native();
    assert_eq!(native.rates.len(), 7, "{native:?}");
    assert!(native.arithmetic().is_some_and(|rate| rate.best > 0.0));
}

#[test]
fn a_step_is_accounted_for() {
    let profile = profiled();
    let (_, plan) = Trainer::<GpuExecutor>::plan(&config(), &digits(7), &Caps::unlimited()).expect("it is valid");
    let dispatches = &plan.section("train").expect("it trains").dispatches;
    let named = |label: &str, kernel: &str| format!("{label}, {kernel}");
    let expected: Vec<_> = dispatches.iter().map(|dispatch| named(&dispatch.label, dispatch.kernel.name())).collect();
    let found: Vec<_> = profile.rows.iter().map(|row| named(&row.label, &row.kernel)).collect();
    assert_eq!(found, expected);
    let whole = profile.step.as_ref().expect("it is a step's");
    assert_eq!((whole.steps, whole.per_submit, whole.rounds.len()), (400, 40, 10));
    let parts = whole.parts;
    assert!(parts.accounted() >= 0.95, "{parts:?}");
    // Parts, shares and the clock around the submissions agree.
    let timed = profile.submits.iter().filter(|submit| !submit.dispatches.is_empty());
    let by_clock = sum(timed.map(|submit| submit.host[3] - submit.host[0])) / 400.0;
    assert!((parts.total() / by_clock - 1.0).abs() < 1e-6, "{parts:?} vs. {by_clock}");
    let shares = sum(profile.rows.iter().filter_map(|row| row.share));
    assert!((shares - parts.dispatches / parts.total()).abs() < 1e-6, "{shares} of {parts:?}");
    assert!(whole.timing_cost.low > -1.0 && whole.wall.median > 0.0 && whole.timed.median > 0.0, "{whole:?}");
    for row in &profile.rows {
        assert_eq!((row.calls, row.rounds.len()), (400, 10), "{row:?}");
        assert!(row.time.low > 0.0 && row.time.low <= row.time.median && row.time.median <= row.time.high, "{row:?}");
        assert!(row.roof.as_ref().is_some_and(|roof| roof.share > 0.0), "{row:?}");
    }
}

/// With micro-batches, some dispatches run several times per step.
#[test]
fn dispatches_that_repeat_within_a_step_share_a_row() {
    let config = TrainConfig { micro_batch: Some(16), ..config() };
    let profile = profile_on(&gpu(), config, &noise(64), 20, Peaks::default());
    let row = |label: &str| profile.rows.iter().find(|row| row.label == label).expect("there is such a dispatch");
    assert_eq!((row("fc1").places.len(), row("fc1").calls), (4, 80));
    assert_eq!((row("update").places.len(), row("update").calls), (1, 20));
    let mut places: Vec<_> = profile.rows.iter().flat_map(|row| &row.places).copied().collect();
    places.sort_unstable();
    let timed = profile.submits.iter().find(|submit| !submit.dispatches.is_empty()).expect("some are timed");
    assert_eq!(places, (1..=timed.dispatches.len() / timed.steps).collect::<Vec<_>>());
    assert!(row("fc1").roof.is_none(), "no peaks, no roof");
}

#[test]
fn without_timestamps_wall_time_is_told_as_such() {
    // Opened as for training, the device has no timestamps.
    let profile = profile_on(&common::gpu(), config(), &digits(7), 20, Peaks::default());
    let Clock::Wall { reason } = &profile.clock else { panic!("{:?}", profile.clock) };
    assert!(reason.contains("no timestamps"), "{reason}");
    assert!(profile.table().contains("WALL TIME: the device has no timestamps"), "{}", profile.table());
    assert!(profile.html().contains("WALL TIME") && profile.markdown().contains("WALL TIME"));
    let parts = profile.step.as_ref().expect("it is a step's").parts;
    assert!(parts.accounted() >= 0.95, "{parts:?}");
    assert!(profile.rows.iter().all(|row| row.calls == 20 && row.time.low > 0.0), "{:?}", profile.rows);
}

#[test]
fn twins_are_profiled_by_wall_time() {
    let (config, data) = (config(), noise(256));
    let (model, plan) = Trainer::<GpuExecutor>::plan(&config, &data, &Caps::unlimited()).expect("it is valid");
    let executor = CpuExecutor::<f32>::new(plan).expect("it fits");
    let trainer = Trainer::new(executor, model, config, &data).expect("it works");
    let peaks = measured().clone();
    let profile = pollster::block_on(step(&mut trainer.into_executor(), request(50), peaks)).expect("it works");
    assert!(matches!(&profile.clock, Clock::Wall { reason } if reason.contains("CPU")), "{:?}", profile.clock);
    assert!(profile.rows.iter().all(|row| row.variant == "twin" && row.calls == 50), "{:?}", profile.rows);
    let parts = profile.step.as_ref().expect("it is a step's").parts;
    assert!(parts.accounted() >= 0.95, "{parts:?}");
}

#[test]
fn table_page_values_and_trace_agree() {
    let profile = profiled();
    let (table, html, markdown, csv) = (profile.table(), profile.html(), profile.markdown(), profile.csv());
    let csv: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| csv[0].iter().position(|head| *head == name).expect("there is such a column");
    assert_eq!(csv.len(), profile.rows.len() + 1);
    let times = times_in(&profile.trace());
    for (row, values) in profile.rows.iter().zip(&csv[1..]) {
        let number = |name: &str| values[column(name)].parse::<f64>().expect("a number");
        assert_eq!(number("time_median"), row.time.median);
        assert_eq!(number("roof_share"), row.roof.as_ref().expect("there are peaks").share);
        assert_eq!((values[column("label")], values[column("kernel")]), (row.label.as_str(), row.kernel.as_str()));
        // The trace contains every call, so its median must match.
        let traced = &times[&(row.label.clone(), row.kernel.clone(), row.shape.clone())];
        assert_eq!(traced.len(), row.calls, "{}", row.label);
        assert_eq!(Spread::of(traced), row.time, "{}", row.label);
        // All formats show the same number.
        let told = text::significant(row.time.median);
        let line = table.lines().find(|line| line.trim_start().starts_with(&format!("{} ", row.places[0])));
        let line = line.expect("the table has a line for each row");
        assert!(line.contains(&row.label) && line.contains(&told), "{told} in {line}");
        assert!(html.contains(&format!("<td>{}<td>{}", row.label, row.kernel)), "{}", row.label);
        assert!(html.contains(&format!("<td class=\"n\">{told}<")), "{told}");
        assert!(markdown.contains(&format!("| {told} |")), "{told}");
    }
    let cost = profile.step.as_ref().expect("it is a step's").timing_cost.median;
    let cost = format!("overhead {:.1} %", 100.0 * cost);
    assert!(table.contains(&cost) && html.contains(&cost) && markdown.contains(&cost), "{cost}");
}

/// Durations in microseconds by label, kernel and shape.
fn times_in(trace: &Value) -> BTreeMap<(String, String, String), Vec<f64>> {
    let mut times: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    for event in trace["traceEvents"].as_array().expect("a list").iter().filter(|event| event["cat"] == "dispatch") {
        let name = (text(&event["name"]), text(&event["args"]["kernel"]), text(&event["args"]["shape"]));
        times.entry(name).or_default().push(event["dur"].as_f64().expect("a number"));
    }
    times
}

/// The "Trace Event Format" rules that Perfetto relies on.
#[test]
fn the_trace_keeps_the_format_that_perfetto_opens() {
    let trace: Value = serde_json::from_str(&profiled().trace().to_string()).expect("it is JSON");
    assert!(["ms", "ns"].contains(&trace["displayTimeUnit"].as_str().expect("a unit")));
    let mut named = BTreeMap::new();
    let mut tracks: BTreeMap<u64, Vec<[f64; 2]>> = BTreeMap::new();
    for event in trace["traceEvents"].as_array().expect("a list") {
        let (pid, tid) = (event["pid"].as_u64().expect("a process"), event["tid"].as_u64().expect("a track"));
        assert_eq!(pid, 1);
        match event["ph"].as_str().expect("a kind") {
            "M" => {
                let kind = event["name"].as_str().expect("what it names");
                assert!(["process_name", "thread_name"].contains(&kind), "{event}");
                named.insert((kind.to_owned(), tid), event["args"]["name"].as_str().expect("a name").to_owned());
            }
            "X" => {
                let [ts, dur] = ["ts", "dur"].map(|key| event[key].as_f64().expect("a number"));
                assert!(ts >= 0.0 && dur >= 0.0, "{event}");
                assert!(event["name"].is_string() && event["cat"].is_string(), "{event}");
                assert!(event.get("args").is_none_or(Value::is_object), "{event}");
                tracks.entry(tid).or_default().push([ts, ts + dur]);
            }
            other => panic!("kind {other}: {event}"),
        }
    }
    assert_eq!(tracks.len(), 2, "host and device");
    for (tid, mut spans) in tracks {
        assert!(named.contains_key(&("thread_name".to_owned(), tid)), "track {tid} has no name");
        // Events of a track are nested or disjoint.
        spans.sort_by(|a, b| a[0].total_cmp(&b[0]).then(b[1].total_cmp(&a[1])));
        let mut open: Vec<[f64; 2]> = Vec::new();
        for span in spans {
            while open.last().is_some_and(|outer| outer[1] <= span[0] + 1e-3) {
                open.pop();
            }
            assert!(open.last().is_none_or(|outer| span[1] <= outer[1] + 2e-3), "{span:?} overlaps {open:?}");
            open.push(span);
        }
    }
    assert!(named.contains_key(&("process_name".to_owned(), 0)), "{named:?}");
}

#[test]
fn the_page_needs_nothing_else() {
    let html = profiled().html();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    for outside in ["http", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(outside), "the page refers to {outside:?}");
    }
    for part in
        ["<svg", "aria-label=\"roofline\"", "aria-label=\"timeline\"", "<circle", "class=\"roof F32\"", "<table>"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("NaN") && !html.contains("inf"), "NaN or infinity in the page");
}

#[test]
fn what_became_slower_is_named_and_noise_is_not() {
    let now = profiled();
    let unchanged = Comparison::new("itself", now, now);
    assert!(unchanged.changes.iter().all(|change| change.verdict == ChangeVerdict::Same), "{unchanged:?}");
    let mut before = now.clone();
    let scale = |profile: &mut Profile, row: usize, factor: f64| {
        let row = &mut profile.rows[row];
        row.time = row.time.map(|time| factor * time);
        row.rounds.iter_mut().for_each(|time| *time *= factor);
    };
    scale(&mut before, 1, 0.01);
    let last = before.rows.len() - 1;
    scale(&mut before, last, 100.0);
    before.rows.remove(3);
    before.device = "another".to_owned();
    let mut after = now.clone();
    after.comparison = Some(Comparison::new("before.json", &before, now));
    let comparison = after.comparison.as_ref().expect("it was made");
    let verdict = |label: &str| {
        let named = |name: &str| name.split(" (").next() == Some(label);
        comparison.changes.iter().find(|change| named(&change.name)).expect("it is there").verdict
    };
    assert_eq!(
        [verdict("fc1"), verdict("fc1 gradient and update"), verdict("loss")],
        [ChangeVerdict::Slower, ChangeVerdict::Faster, ChangeVerdict::New]
    );
    assert_eq!(comparison.slower().count(), 1, "{comparison:?}");
    assert!(comparison.caveats.iter().any(|caveat| caveat.contains("different device")), "{:?}", comparison.caveats);
    let told = "fc1 (matmul_nn_bias_relu m=64 k=784 n=32) x100";
    for text in [after.table(), after.html(), after.markdown()] {
        let line = text.lines().find(|line| line.contains("slower")).expect("the comparison reports it");
        assert!(text.contains(told) && text.contains("SLOWER"), "{line}");
    }
}

#[test]
fn what_seems_faster_than_the_device_is_an_error() {
    let mut peaks = measured().clone();
    for rate in &mut peaks.rates {
        rate.best /= 1e9;
        rate.spread = rate.spread.map(|x| x / 1e9);
    }
    let profile = profile_on(&gpu(), config(), &noise(64), 10, peaks);
    assert_eq!(profile.above_roof().count(), profile.rows.len());
    let mut profile = profiled().clone();
    for (number, row) in profile.rows.iter_mut().enumerate() {
        let roof = row.roof.as_mut().expect("there are peaks");
        // All are equally fast, but one peak's repeats are closer together.
        (roof.share, roof.most) = (1.25, if number == 1 { 1.2 } else { 1.25 });
    }
    let (table, html) = (profile.table(), profile.html());
    let told: Vec<_> = table.lines().filter(|line| line.starts_with("ERROR")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("fc1 (matmul_nn_bias_relu) reached 125.0 %") && told[0].contains("beyond the 120.0 %"),
        "{told:?}"
    );
    let marks = ["<tr class=\"ERROR\">", "class=\"point above\""].map(|mark| html.matches(mark).count());
    assert_eq!(marks, [1, 1]);
}

#[test]
fn what_is_saved_is_read_back_as_it_was() {
    let place = Place::new();
    let path = place.path("profile.json");
    profiled().save(&path).expect("writable");
    assert_eq!(&Profile::load(&path).expect("readable"), profiled());
    for damaged in [&b"{}"[..], b"not JSON", b"\xff\xfe", &std::fs::read(&path).expect("readable")[..1000]] {
        place.put("damaged.json", damaged);
        let error = Profile::load(&place.path("damaged.json")).expect_err("it is damaged");
        assert_eq!(error.exit_code(), 7, "{error}");
    }
    let text = std::fs::read_to_string(&path).expect("readable").replacen("\"format\":2", "\"format\":99", 1);
    place.put("damaged.json", text.as_bytes());
    assert!(Profile::load(&place.path("damaged.json")).expect_err("another form").cause().contains("99"));
}

#[test]
fn a_kernel_is_swept_over_its_variants() {
    let gpu = gpu();
    let all = registry();
    let family: Vec<_> = kernels(&all, "matmul").expect("a family").iter().map(|kernel| kernel.name()).collect();
    assert_eq!(family, ["matmul_nn", "matmul_tn", "matmul_nt"]);
    let kernel = kernels(&all, "matmul_nn").expect("a kernel")[0];
    let job = SweepJob::with_extents(kernel, &[40, 36, 33]).expect("three extents");
    let candidates = kernel.candidates(&job.params, &gpu.caps);
    let expected: BTreeSet<_> = candidates.into_iter().map(|variant| variant.name).collect();
    let sweep = |jobs| Sweep { device: String::new(), title: "a sweep".to_owned(), jobs };
    let profile = pollster::block_on(sweep_shaders(&gpu, sweep(vec![job.clone()]), measured().clone()));
    let profile = profile.expect("the device works");
    let found: BTreeSet<_> = profile.rows.iter().map(|row| row.variant.clone()).collect();
    assert_eq!((&found, profile.rows.len()), (&expected, expected.len()));
    let chosen = profile.rows.iter().find(|row| row.chosen).expect("one of them is taken");
    assert!(profile.table().contains(&format!("{} *", chosen.variant)), "{}", profile.table());
    assert!(profile.rows.is_sorted_by(|a, b| a.time.median <= b.time.median), "the fastest first");
    for row in &profile.rows {
        assert_eq!((row.shape.as_str(), row.flops), ("m=40 k=36 n=33", 2 * 40 * 36 * 33));
        assert!(row.time.low > 0.0 && row.error.is_some_and(|error| error <= 1.0), "{row:?}");
    }
    assert!(profile.table().contains("of bound") && profile.html().contains("aria-label=\"roofline\""));
    let twins = pollster::block_on(sweep_twins(sweep(vec![job]), Peaks::default())).expect("it works");
    assert_eq!((twins.rows.len(), twins.rows[0].variant.as_str()), (1, "twin"));
}

#[test]
fn a_kernel_has_the_shapes_of_the_model_or_of_its_cases() {
    let (_, plan) = Trainer::<GpuExecutor>::plan(&config(), &noise(64), &Caps::unlimited()).expect("it is valid");
    let find = |name| kernels(&registry(), name).expect("there is one")[0];
    let shapes = |name| SweepJob::of_plans(find(name), std::slice::from_ref(&plan)).expect("its shader is valid");
    // Forward passes of training and evaluation, two layers each; fused products count as the same kernel.
    let forward: Vec<_> = shapes("matmul_nn").iter().map(|job| format!("{job:?}")).collect();
    assert!(forward.contains(&"matmul_nn m=64 k=784 n=32".to_owned()), "{forward:?}");
    assert_eq!(shapes("matmul_tn_adam").len(), 2);
    assert_eq!(shapes("layer_norm").len(), 2, "the model has none");
    let refused = |name, extents: &[u32], cause: &str| {
        let error = SweepJob::with_extents(find(name), extents).expect_err("it is refused");
        assert!(error.cause().contains(cause), "{error}");
    };
    refused("matmul_nn", &[1, 2], "2 extents for matmul_nn, expected 3");
    refused("matmul_nn", &[1, 0, 2], "k = 0");
    refused("adam", &[1024], "parameters beyond its shape");
    refused("accumulate", &[1025], "n = 1025");
}

#[test]
fn the_command_writes_all_that_is_asked_for_of_one_run() {
    let place = Place::new();
    let common = "profile --device 0 --hidden 16 --batch-size 32 --steps 20 --no-tune --data";
    let files = "--format json --save before.json --trace trace.json --html page.html";
    let ran = place.run(&format!("{common} digits {files}"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    let printed: Value = serde_json::from_str(&ran.out).expect("nothing but JSON");
    let saved = Profile::load(&place.path("before.json")).expect("readable");
    assert_eq!(printed, saved.json());
    let text = |name: &str| std::fs::read_to_string(place.path(name)).expect("it was written");
    assert_eq!(text("page.html"), saved.html());
    assert_eq!(text("trace.json"), saved.trace().to_string());
    assert!(saved.title.contains("784-16-10") && saved.title.contains("batch 32"), "{}", saved.title);

    // The first product was nearly free before, so it and the step are slower now.
    let mut earlier = saved;
    let quick = |times: &mut Vec<f64>| times.iter_mut().for_each(|time| *time /= 1e3);
    let row = earlier.rows.iter_mut().find(|row| row.label == "fc1").expect("it is there");
    row.time = row.time.map(|time| time / 1e3);
    quick(&mut row.rounds);
    earlier.save(&place.path("before.json")).expect("writable");
    let table = place.run(&format!("{common} none --compare before.json")).lines().join("\n");
    let slower = table.lines().find(|line| line.starts_with("slower")).expect("the comparison reports it");
    assert!(slower.contains("fc1 (matmul_nn_bias_relu m=32 k=784 n=16)"), "{slower}");
    assert!(table.contains("against before.json") && table.contains("different subject"), "{table}");
}

#[test]
fn the_command_takes_every_device_kernel_and_format() {
    let place = Place::new();
    let csv = place.run("profile --device cpu --hidden 16 --batch-size 8 --steps 4 --data set --format csv");
    let lines = csv.lines();
    assert!(lines[0].starts_with("places_0,label,kernel,variant"), "{lines:?}");
    assert!(lines[1].contains("gather batch,begin_batch,twin"), "{lines:?}");
    let sweep = place.run("profile --device 0 --kernel relu:1000 --format md");
    assert!(sweep.lines().iter().any(|line| line.starts_with("| 1 | relu | relu | plain * | n=1000 |")), "{sweep:?}");
    let model = place.run("profile --device cpu --kernel relu_gradient --hidden 16 --activation tanh --batch-size 8");
    assert!(model.lines()[0].starts_with("device"), "{model:?}");
}

#[test]
fn what_cannot_be_profiled_is_refused_in_two_lines() {
    let place = Place::new();
    place.put("damaged.json", b"{");
    let refused = |line: &str, code: i32, cause: &str, advice: &str| {
        let ran = place.run(&format!("profile --device cpu {line}"));
        assert_eq!((ran.code, ran.err.lines().count()), (Some(code), 2), "{ran:?}");
        assert!(ran.err.contains(cause) && ran.err.contains(advice), "{ran:?}");
    };
    refused("--steps 0", 2, "0 is not in 1..=10000", "--help");
    refused("--kernel matmull", 2, "unknown kernel \"matmull\"", "matmul_nn");
    refused("--kernel matmul:12xy", 2, "\"12xy\" is not a shape", "--help");
    refused("--kernel relu:0", 2, "n = 0 for relu", "positive");
    refused("--kernel relu:4294967295 --batch-size 8", 5, "bytes", "smaller");
    refused("--kernel relu --trace t.json", 2, "cannot be used with", "usage");
    refused("--compare damaged.json", 7, "is not a saved profile", "--save");
    refused("--compare missing.json", 7, "cannot read missing.json", "exists");
    refused("--steps 1 --data none --hidden 4 --html no/such/page.html", 7, "cannot write", "exists");
}
