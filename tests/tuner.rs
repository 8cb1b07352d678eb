//! The kernel tuner: selects the fastest correct variant, caches results, and ignores damaged cache files.

mod command;
mod common;

use command::{Place, Ran};
use serde_json::Value;
use shadegrad::gpu::{Checks, Gpu, Pipelines};
use shadegrad::kernel::{Args, Caps, Case, Effort, Kernel, Real, Tolerance, Values, Variant};
use shadegrad::ops::elementwise::relu::{ReluKernel, ReluParams};
use shadegrad::plan::{Memory, Plan, Role};
use shadegrad::shape::DType;
use shadegrad::tuner::{Choice, KnownVariants, Tuned, in_use, replay, tune};
use shadegrad::verify::{Passed, self_test};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// ReLU in several variants, the first being the default: name, and what is replaced by what in the shader.
struct Racing {
    variants: &'static [(&'static str, &'static str, &'static str)],
}

/// A sum of hundreds of squares, which no driver knows to be non-negative.
const SLOW: (&str, &str, &str) = (
    "slow",
    "out[i] = max(a[i], 0.0);",
    "var s = 0.0;
    for (var t = 0u; t < 2000u; t++) { let x = a[(i + t) % params.n]; s = fma(x, x, s); }
    out[i] = select(max(a[i], 0.0), s, s < -1.0);",
);
const FAST: (&str, &str, &str) = ("fast", "", "");
const FAST_AND_WRONG: (&str, &str, &str) = ("fast-and-wrong", "max(a[i], 0.0)", "a[i]");
const BROKEN: (&str, &str, &str) = ("broken", "max(a[i], 0.0)", "lost");

static SOUND: Racing = Racing { variants: &[SLOW, BROKEN, FAST] };
static DOUBTFUL: Racing = Racing { variants: &[SLOW, FAST_AND_WRONG] };

impl Kernel for Racing {
    type Params = ReluParams;

    fn name(&self) -> &'static str {
        Kernel::name(&ReluKernel)
    }
    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        let plain = Kernel::variants(&ReluKernel, caps).swap_remove(0);
        let edited = |(name, from, to): &(&str, &str, &str)| plain.edited(*name, |part| part.replace(from, to));
        self.variants.iter().map(edited).collect()
    }
    fn groups(&self, params: &ReluParams, variant: &Variant) -> u64 {
        Kernel::groups(&ReluKernel, params, variant)
    }
    fn flops(&self, params: &ReluParams) -> u64 {
        Kernel::flops(&ReluKernel, params)
    }
    fn twin<T: Real>(&self, params: &ReluParams, args: &mut Args<'_, T>) {
        ReluKernel.twin(params, args);
    }
    fn tolerance(&self, case: &Case<ReluParams>, output: &str, values: &Values) -> Tolerance {
        Kernel::tolerance(&ReluKernel, case, output, values)
    }
    fn cases(&self, effort: Effort) -> Vec<Case<ReluParams>> {
        Kernel::cases(&ReluKernel, effort)
    }
}

/// A plan that applies ReLU to arrays of these lengths.
fn plan(relu: &'static Racing, lengths: &[u32]) -> Plan {
    let mut memory = Memory::default();
    let mut slot = |name: String, role, n| memory.array(&name, role, DType::F32, [n]).expect("it is small");
    let slots: Vec<_> = lengths
        .iter()
        .map(|&n| [slot(format!("a{n}"), Role::Data, n as usize), slot(format!("out{n}"), Role::Transient, n as usize)])
        .collect();
    let mut plan = Plan::new(memory);
    plan.begin("train");
    for (&n, [a, out]) in lengths.iter().zip(slots) {
        plan.dispatch("rectify", relu, ReluParams { n }, &[("a", a), ("out", out)]).expect("shapes agree");
    }
    plan
}

const AMPLE: Duration = Duration::from_secs(60);

fn tuned(plan: &Plan, found: &mut KnownVariants, budget: Duration) -> Tuned {
    let mut pipelines = Pipelines::new(Checks::Off);
    pollster::block_on(tune(common::gpu(), plan, &mut pipelines, found, budget)).expect("the device works")
}

fn variants(gpu: &Gpu, plan: &Plan) -> Vec<String> {
    in_use(gpu, plan).into_iter().map(|choice| choice.variant).collect()
}

#[test]
fn the_fastest_is_taken_and_known_the_next_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("made/for/it");
    let plan = plan(&SOUND, &[5000, 4000]);
    assert_eq!(variants(&common::gpu(), &plan), ["slow", "slow"]);
    let mut found = KnownVariants::read(file.clone());
    let first = tuned(&plan, &mut found, AMPLE);
    assert_eq!((first.timed.len(), first.known, first.left), (2, 0, 0));
    let timed = &first.timed[0];
    assert_eq!((timed.shape.as_str(), timed.chosen.as_str(), timed.usual.as_str()), ("n=5000", "fast", "slow"));
    assert!(timed.candidates.iter().all(|(name, time)| name != "broken" && !time.is_zero()), "{timed:?}");
    assert_eq!(variants(&first.gpu, &plan), ["fast", "fast"]);
    found.write().expect("it can be written");

    let mut found = KnownVariants::read(file.clone());
    let again = tuned(&plan, &mut found, Duration::ZERO);
    assert_eq!((again.timed.len(), again.known, again.left), (0, 2, 0));
    assert_eq!(variants(&again.gpu, &plan), ["fast", "fast"]);
    // Nothing is known for another shape or other candidates, and there is no time to measure.
    for other in [self::plan(&SOUND, &[4001]), self::plan(&DOUBTFUL, &[5000])] {
        let stale = tuned(&other, &mut KnownVariants::read(file.clone()), Duration::ZERO);
        assert_eq!((stale.timed.len(), stale.known, stale.left), (0, 0, 1));
        assert_eq!(variants(&stale.gpu, &other), ["slow"]);
    }
}

#[test]
fn what_is_fast_and_wrong_does_not_last() {
    let plan = plan(&DOUBTFUL, &[5000]);
    let tuned = tuned(&plan, &mut KnownVariants::default(), AMPLE);
    assert_eq!(variants(&tuned.gpu, &plan), ["fast-and-wrong"]);
    let mut pipelines = Pipelines::new(Checks::Off);
    let tested = pollster::block_on(self_test(tuned.gpu, &plan, &mut pipelines, &mut Passed::default()));
    let tested = tested.expect("one variant is sound");
    assert_eq!(tested.replaced.len(), 1);
    assert!(tested.replaced[0].to_string().contains("fast-and-wrong fails on this device and is replaced by slow"));
    assert!(variants(&tested.gpu, &plan).is_empty(), "one variant left, hence no choice");
}

#[test]
fn a_damaged_file_tells_nothing_that_is_not_in_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("variants.jsonl");
    let plan = plan(&SOUND, &[5000]);
    let mut found = KnownVariants::read(file.clone());
    tuned(&plan, &mut found, AMPLE);
    found.write().expect("it can be written");
    let whole = fs::read_to_string(&file).expect("it is there");
    let known = |bytes: &[u8]| {
        fs::write(&file, bytes).expect("it can be written");
        let tuned = tuned(&plan, &mut KnownVariants::read(file.clone()), Duration::ZERO);
        (tuned.known, variants(&tuned.gpu, &plan)[0].clone())
    };
    assert_eq!(known(whole.as_bytes()), (1, "fast".into()));
    for damaged in [&whole.as_bytes()[..whole.len() / 2], b"\xff\xfe\0", b"{}\n[]\n{\"key\": 3}\n"] {
        assert_eq!(known(damaged), (0, "slow".into()));
    }
    // Unknown variants are ignored; damaged lines do not affect the others, the last of which counts.
    assert_eq!(known(whole.replace("\"fast\"", "\"gone\"").as_bytes()).1, "slow");
    let other = whole.replace("\"fast\"", "\"slow\"");
    assert_eq!(known(format!("{{\"key\n{other}{whole}").as_bytes()), (1, "fast".into()));
}

#[test]
fn a_file_that_cannot_be_written_is_no_obstacle() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = plan(&SOUND, &[5000]);
    let mut found = KnownVariants::read(folder.path().to_owned());
    assert_eq!(tuned(&plan, &mut found, AMPLE).timed.len(), 1);
    assert_eq!(found.write().expect_err("it is a folder").exit_code(), 7);
}

#[test]
fn choices_of_another_run_are_taken_or_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("kernels.jsonl");
    let plan = plan(&SOUND, &[5000, 4000]);
    let choice = |shape: &str, variant: &str| Choice {
        kernel: "relu".to_owned(),
        shape: shape.to_owned(),
        variant: variant.to_owned(),
    };
    let with = |choice: Choice| {
        Choice::write_all(&[choice], &path).expect("it can be written");
        replay(&common::gpu(), &plan, &Choice::read_all(&path).expect("it was just written"))
    };
    let gpu = with(choice("n=4000", "fast")).expect("the plan has this");
    assert_eq!(variants(&gpu, &plan), ["slow", "fast"]);
    for (wrong, says) in [
        (choice("n=4001", "fast"), "relu n=4001: fast: this run has no such kernel and shape"),
        (choice("n=4000", "gone"), "relu n=4000: gone: the adapter has no such variant"),
    ] {
        let refused = with(wrong).expect_err("it cannot be taken");
        assert_eq!((refused.exit_code(), refused.cause()), (2, says));
    }
    fs::write(&path, "{\"kernel\": \"relu\"}\n").expect("it can be written");
    assert!(Choice::read_all(&path).is_err_and(|error| error.cause().contains("kernels.jsonl:1: expected")));
    assert!(Choice::read_all(folder.path()).is_err_and(|error| error.cause().contains("cannot read")));
}

/// This model's products are small, so their variants are timed quickly.
const MODEL: &str = "--data set --hidden 8 --batch-size 16 --device 0";

/// Enough time on a slow driver that compiles everything for the first time.
const BUDGET: &str = "--budget 600";

/// The objects that a command prints, with its cache in the folder.
fn objects(place: &Place, line: &str) -> Vec<Value> {
    let mut command = place.command_with_cache(&format!("{line} --json"));
    Ran::new(command.output().expect("the command starts")).objects()
}

fn event<'a>(objects: &'a [Value], name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["event"] == name)
}

#[test]
fn the_command_tunes_once_and_another_run_can_take_the_same_kernels() {
    let place = Place::new();
    let train = format!("train {MODEL} --epochs 2");
    let first = objects(&place, &format!("{train} --tune-budget 600 --out first"));
    let tuned = event(&first, "tuned").expect("it had the time");
    let timed = tuned["timed"].as_array().expect("a list");
    assert!(timed.len() >= 5 && tuned["left"] == 0, "{tuned}");
    assert!(timed.iter().all(|timed| timed["candidates"].as_array().is_some_and(|all| all.len() > 1)), "{tuned}");

    let warm = objects(&place, &format!("{train} --tune-budget 600"));
    assert!(event(&warm, "tuned").is_none());
    assert_eq!(event(&warm, "kernels"), event(&first, "kernels"));

    let kernels = fs::read_to_string(place.path("first/kernels.jsonl")).expect("it was written");
    let lines: Vec<Value> = kernels.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(Some(&Value::from(lines)), event(&first, "kernels").map(|event| &event["chosen"]));

    // On a machine with an empty cache, the recorded choices reproduce the same bits.
    let model = |folder: &str| fs::read(place.path(folder).join("model.safetensors")).expect("it was saved");
    fs::remove_dir_all(place.path("cache")).expect("it is there");
    objects(&place, &format!("{train} --kernels first/kernels.jsonl --out second"));
    assert!(model("first") == model("second"), "the weights differ");
    let refused = place.run(&format!("train {MODEL} --epochs 1 --batch-size 17 --kernels first/kernels.jsonl"));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let refused = place.run(&format!("{train} --tune-budget -1"));
    assert_eq!((refused.code, refused.err.contains("-1 is not a valid duration")), (Some(2), true), "{refused:?}");
}

#[test]
fn kernels_are_tuned_listed_and_forgotten_on_demand() {
    let place = Place::new();
    let line = format!("tune-kernels {MODEL} {BUDGET}");
    let first = objects(&place, &line);
    let count = event(&first, "summary").expect("it ends")["tuned"].as_u64().expect("a number");
    assert_eq!(first.iter().filter(|object| object["event"] == "kernel").count() as u64, count);
    assert!(count >= 5);
    assert_eq!(event(&objects(&place, &line), "summary").expect("it ends")["known"], count);
    // Training uses cached choices even if it times nothing.
    assert!(event(&objects(&place, &format!("train {MODEL} --epochs 1")), "tuned").is_none());
    assert_eq!(objects(&place, "tune-kernels --clear")[0]["variants"], count);
    assert_eq!(objects(&place, "tune-kernels --clear")[0]["variants"], 0);
    let refused = place.run("tune-kernels --device cpu");
    assert_eq!((refused.code, refused.err.contains("no variants")), (Some(5), true), "{refused:?}");
}

#[test]
fn runs_side_by_side_keep_what_each_of_them_found() {
    let place = Place::new();
    let start = |hidden: u32| {
        let line = format!("tune-kernels --data set --hidden {hidden} --batch-size 16 --device 0 {BUDGET} --json");
        let mut command = place.command_with_cache(&line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
    };
    let runs = [8, 12].map(start);
    let tuned = runs.map(|run| {
        let objects = Ran::new(run.wait_with_output().expect("it ends")).objects();
        event(&objects, "summary").expect("it ends")["tuned"].as_u64().expect("a number")
    });
    let file = place.path("cache/shadegrad/variants.jsonl");
    assert_eq!(lines_of(&file).len() as u64, tuned.iter().sum::<u64>());
    for hidden in [8, 12] {
        let line = format!("tune-kernels --data set --hidden {hidden} --batch-size 16 --device 0 {BUDGET}");
        assert_eq!(event(&objects(&place, &line), "summary").expect("it ends")["tuned"], 0);
    }
}

/// The lines of a file as JSON objects.
fn lines_of(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("it is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a whole object")).collect()
}
