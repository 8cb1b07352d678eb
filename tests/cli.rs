//! The command line as users run it: successful runs.

mod command;

use command::{Place, Ran, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, idx, images, labels, npy};
use serde_json::Value;

const SMALL: &str = "train --data set --hidden 8,6 --batch-size 16 --epochs 2";

/// The object with this event.
#[track_caller]
fn event<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    objects.iter().find(|object| object["event"] == name).unwrap_or_else(|| panic!("no {name} in {objects:?}"))
}

/// Checks that a line contains these words, in order.
#[track_caller]
fn holds(line: &str, words: &[&str]) {
    let mut rest = line;
    for word in words {
        rest = rest.split_once(word).unwrap_or_else(|| panic!("`{word}` is missing, or out of order, in: {line}")).1;
    }
}

#[test]
fn a_run_is_told_in_plain_lines_where_no_terminal_is() {
    let ran = Place::new().run(&format!("{SMALL} --device cpu --out trained"));
    let lines = ran.lines();
    assert!(!ran.out.contains(['\x1b', '\r']), "{:?}", ran.out);
    let heads: Vec<_> = lines.iter().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(heads, ["device", "model", "data", "epoch", "epoch", "test", "saved", "done"]);
    holds(lines[0], &["cpu", "threads"]);
    holds(lines[1], &["16-8-6-10", "260 parameters", "1.0 kB"]);
    holds(lines[2], &["set", "60 training and 20 test images of 4x4"]);
    holds(lines[4], &["2/2", "loss ", "accuracy ", " %", " samples/s"]);
    holds(lines[5], &["loss ", "accuracy "]);
    holds(lines[7], &["8 steps in ", " samples/s", "first step after "]);
}

#[test]
fn the_update_is_told_where_it_is_not_the_default() {
    let place = Place::new();
    let small = "train --hidden 4 --epochs 1 --device cpu";
    let ran = place.run(&format!("{small} --optimizer adamw --clip-norm 1 --schedule step:10:0.5 --warmup 5"));
    let told = "adamw, weight decay 0.01, gradients clipped to norm 1, warm-up of 5 steps, rate x 0.5 every 10 steps";
    assert!(ran.lines().contains(&format!("update  {told}").as_str()), "{ran:?}");
    assert!(!place.run(small).out.contains("update"));
}

#[test]
fn augmentation_is_told_where_it_is_on_and_the_same_on_both_devices() {
    let place = Place::new();
    let asked = "rotate=20,shift=1,hflip=0.5,noise=0.1,erase=0.2";
    let losses = ["cpu", "0"].map(|device| {
        let augmented = format!("{SMALL} --device {device} --augment {asked}");
        assert!(place.run(&augmented).lines().contains(&format!("augment {asked}").as_str()));
        let objects = place.run(&format!("{augmented} --json")).objects();
        assert_eq!(event(&objects, "start")["augment"], asked);
        event(&objects, "summary")["train_loss"].as_f64().expect("a number")
    });
    assert!((losses[0] - losses[1]).abs() < 1e-4, "{losses:?}");
    let plain = place.run(&format!("{SMALL} --device cpu --json")).objects();
    assert_eq!(event(&plain, "start")["augment"], "none");
    assert!((event(&plain, "summary")["train_loss"].as_f64().expect("a number") - losses[0]).abs() > 1e-3);
    assert!(!place.run(&format!("{SMALL} --device cpu --augment rotate=0")).out.contains("augment"));
}

#[test]
fn a_sheet_shows_augmented_images_where_asked_for() {
    let place = Place::new();
    let sheet = |flags: &str| {
        place.run(&format!("data show set --out sheet.png {flags}")).lines();
        std::fs::read(place.path("sheet.png")).expect("written")
    };
    let plain = sheet("");
    assert!(sheet("--augment hflip=0") == plain && sheet("--augment hflip=1") != plain);
}

#[test]
fn json_is_an_object_a_line_and_the_summary_is_the_last() {
    let place = Place::new();
    for device in ["cpu", "0"] {
        let objects = place.run(&format!("{SMALL} --device {device} --json")).objects();
        let start = event(&objects, "start");
        assert_eq!(start["model"], serde_json::json!({ "layers": [16, 8, 6, 10], "parameters": 260, "bytes": 1040 }));
        assert_eq!(objects.iter().filter(|object| object["event"] == "epoch").count(), 2);
        let clock: Vec<_> =
            objects.iter().filter(|object| object["step"].is_u64()).map(|o| o["seconds"].as_f64()).collect();
        assert!(clock.len() >= 2 && clock[0] > Some(0.0) && clock.is_sorted(), "{clock:?}");
        let last = objects.last().expect("there are objects");
        assert_eq!(last["event"], "summary");
        for (key, least) in [
            ("epochs", 2.0),
            ("steps", 8.0),
            ("seconds", 1e-9),
            ("samples_per_second", 1e-9),
            ("first_step_seconds", 1e-9),
            ("train_loss", 0.0),
            ("test_loss", 0.0),
            ("test_accuracy", 0.0),
            ("bytes_up_after_start", 0.0),
            ("bytes_down_per_step", 0.0),
        ] {
            assert!(last[key].as_f64().is_some_and(|number| number >= least), "{key} is {}", last[key]);
        }
        assert_eq!((&last["epochs"], &last["steps"]), (&2.into(), &8.into()));
        assert!(last["device"]["name"].is_string() && last["device"]["backend"].is_string(), "{last}");
        let kinds: &[_] = if device == "cpu" { &["native"] } else { &["discrete", "integrated", "virtual", "cpu"] };
        assert!(kinds.contains(&last["device"]["kind"].as_str().expect("text")), "{last}");
    }
}

#[test]
fn weights_are_saved_as_safetensors_under_the_names_of_layers() {
    let place = Place::new();
    place.run(&format!("{SMALL} --device cpu --out new/folder")).lines();
    let bytes = std::fs::read(place.path("new/folder/model.safetensors")).expect("written");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut shapes: Vec<_> = file.iter().map(|(name, tensor)| format!("{name} {:?}", tensor.shape())).collect();
    shapes.sort();
    let layers = ["fc1.bias [8]", "fc1.weight [16, 8]", "fc2.bias [6]", "fc2.weight [8, 6]"];
    assert_eq!(shapes[..4], layers);
    assert_eq!(shapes[4..], ["fc3.bias [10]", "fc3.weight [6, 10]", "normalisation [2]"]);
    let kept: Vec<_> = std::fs::read_dir(place.path("new/folder")).expect("there").collect();
    assert_eq!(kept.len(), 1, "only the model may be left: {kept:?}");
}

/// The same images in another format train to the same file; without some to test on, too.
#[test]
fn numpy_arrays_train_as_idx_files_do() {
    let place = Place::new();
    std::fs::create_dir(place.path("arrays")).expect("writable");
    let put = |part: &str, count: u32| {
        let classes: Vec<u8> = (0..count).flat_map(|i| i64::from(i % 10).to_le_bytes()).collect();
        place.put(&format!("arrays/{part}_x.npy"), &npy("|u1", &[count as usize, 4, 4], &images(count)[16..]));
        place.put(&format!("arrays/{part}_y.npy"), &npy("<i8", &[count as usize], &classes));
    };
    put("train", 60);
    let flags = "--hidden 8 --batch-size 16 --epochs 2 --device cpu";
    let alone = place.run(&format!("train --data arrays {flags} --out alone"));
    let alone = alone.lines();
    assert!(alone.contains(&"data    arrays, 60 training images of 4x4"), "{alone:?}");
    assert!(!alone.iter().any(|line| line.starts_with("test ")), "{alone:?}");
    put("test", 20);
    let [arrays, files] = ["arrays", "set"].map(|data| {
        let ran = place.run(&format!("train --data {data} {flags} --out {data}"));
        let model = std::fs::read(place.path(&format!("{data}/model.safetensors"))).expect("written");
        (ran.lines().iter().find(|line| line.starts_with("test ")).map(|line| line.to_string()), model)
    });
    assert!(arrays.0.is_some() && arrays == files, "{:?}, {:?}", arrays.0, files.0);
    assert!(std::fs::read(place.path("alone/model.safetensors")).expect("written") == arrays.1);
}

/// 700 test images, so that training (48) and evaluation use different batch sizes, with partial last batches.
#[test]
fn eval_scores_as_training_did_to_the_bit_and_nearly_so_on_another_device() {
    let place = Place::new();
    place.put(TEST_IMAGES, &images(700)).put(TEST_LABELS, &labels(700));
    let score = |ran: Ran, name: &str| {
        let objects = ran.objects();
        let object = event(&objects, name);
        [&object["test_loss"], &object["test_accuracy"]].map(|number| number.as_f64().expect("a number"))
    };
    for (device, other) in [("cpu", "0"), ("0", "cpu")] {
        let train = format!("train --data set --hidden 8 --batch-size 48 --epochs 3 --device {device} --out trained");
        let trained = score(place.run(&format!("{train} --json")), "summary");
        let eval = "eval --data set --model trained/model.safetensors";
        assert_eq!(score(place.run(&format!("{eval} --device {device} --json")), "evaluation"), trained, "{device}");
        let elsewhere = score(place.run(&format!("{eval} --device {other} --json")), "evaluation");
        let apart = [0, 1].map(|i| (elsewhere[i] - trained[i]).abs());
        assert!(apart[0] < 1e-5 && apart[1] < 0.005, "{other} after {device}: {apart:?}");
        let (trained, scored) = (place.run(&train), place.run(&format!("{eval} --device {device}")));
        let test = |ran: &Ran| ran.lines().into_iter().find(|line| line.starts_with("test")).map(str::to_owned);
        assert!(test(&trained).is_some() && test(&trained) == test(&scored), "{trained:?} {scored:?}");
    }
}

#[test]
fn one_seed_gives_one_result() {
    let place = Place::new();
    let loss = |seed: u32| {
        let objects = place.run(&format!("{SMALL} --device cpu --seed {seed} --json")).objects();
        event(&objects, "summary")["test_loss"].clone()
    };
    assert_eq!(loss(1), loss(1));
    assert_ne!(loss(1), loss(2));
}

#[test]
fn validation_is_told_after_each_epoch_and_ends_training() {
    let place = Place::new();
    let train = "train --hidden 16 --train-limit 600 --test-limit 50 --validation 0.25 --epochs 6 --device cpu";
    let lines = place.run(train);
    let lines = lines.lines();
    holds(lines[2], &["450 training, 150 validation and 50 test images"]);
    holds(lines[3], &["1/6", "loss ", "accuracy ", "validation loss ", "accuracy ", "samples/s"]);
    let objects = place.run(&format!("{train} --json")).objects();
    assert_eq!(event(&objects, "start")["data"]["validation"], 150);
    let accuracies: Vec<_> = objects.iter().filter(|object| object["event"] == "epoch").collect();
    let accuracies: Vec<_> = accuracies.iter().map(|epoch| epoch["validation_accuracy"].as_f64()).collect();
    assert!(accuracies.len() == 6 && accuracies.iter().all(Option::is_some), "{objects:?}");
    let summary = event(&objects, "summary");
    assert_eq!((&summary["ended_by"], &summary["kept_epoch"]), (&"epochs".into(), &6.into()));
    assert_eq!(summary["validation_accuracy"].as_f64(), accuracies[5]);

    let target = accuracies[1].expect("a number");
    let ran = place.run(&format!("{train} --target accuracy={target}"));
    let told = ran.lines().into_iter().find(|line| line.starts_with("stopped")).expect("it ends early");
    holds(told, &["after epoch ", "target reached"]);
    let ran = place.run(&train.replace("--epochs 6", "--lr 1 --epochs 40 --patience 2"));
    let told = ran.lines().into_iter().find(|line| line.starts_with("stopped")).expect("it ends early");
    holds(told, &["after epoch ", "no improvement for 2 epochs"]);
    holds(&ran.out, &["kept    the weights of epoch ", "validation loss "]);
}

#[test]
fn runs_of_steps_are_told_by_steps() {
    let place = Place::new();
    let set = "--hidden 16 --train-limit 600 --test-limit 50 --validation 0.25 --device cpu";
    let train = format!("train {set} --steps 9 --eval-every 3");
    let ran = place.run(&train);
    let told: Vec<_> = ran.lines().into_iter().filter(|line| line.starts_with("step ")).collect();
    let places: Vec<_> = told.iter().map(|line| line.split_whitespace().nth(1).expect("a place")).collect();
    assert_eq!(places, ["3/9", "4/9", "6/9", "8/9", "9/9"], "validations, and epochs of 4 steps");
    holds(told[0], &["validation loss ", "samples/s"]);
    let objects = place.run(&format!("{train} --json")).objects();
    let steps = |name: &str| {
        let told = objects.iter().filter(|object| object["event"] == name);
        told.map(|object| object["step"].as_u64().expect("a step")).collect::<Vec<_>>()
    };
    assert_eq!((steps("validation"), steps("epoch")), (vec![3, 6, 9], vec![4, 8]));
    let summary = event(&objects, "summary");
    assert_eq!(
        (&summary["ended_by"], &summary["steps"], &summary["kept_step"]),
        (&"steps".into(), &9.into(), &9.into())
    );
    assert_eq!(summary["epochs"], 2);

    // A file may say it, too; flags override it, whichever way they say it.
    let text = "layers = [{ kind = \"linear\" }]\n[training]\nsteps = 5\neval_every = 2\npatience = 1\nbeta2 = 0.99\n";
    place.put("model.toml", text.as_bytes());
    let file =
        |flags: &str| place.run(&format!("train {} --model model.toml {flags}", set.replace("--hidden 16 ", "")));
    holds(&file("").out, &["update  adam, beta2 0.99", "5 steps in "]);
    holds(&file("--epochs 1 --patience 9").out, &["4 steps in "]);
    holds(&file("--steps 3").out, &["3 steps in "]);
}

/// Training and evaluation draw the same test images.
#[test]
fn eval_draws_the_test_images_that_training_drew() {
    let place = Place::new();
    let flags = "--test-limit 100 --split-seed 9 --device cpu --json";
    let trained = place.run(&format!("train --hidden 8 --train-limit 500 --epochs 1 {flags} --out trained")).objects();
    let eval = |flags: &str| {
        let objects = place.run(&format!("eval --model trained/model.safetensors {flags}")).objects();
        assert_eq!(event(&objects, "evaluation")["images"], 100);
        event(&objects, "evaluation")["test_loss"].clone()
    };
    assert_eq!(eval(flags), event(&trained, "summary")["test_loss"]);
    assert_ne!(eval(&flags.replace('9', "8")), event(&trained, "summary")["test_loss"]);
}

#[test]
fn the_embedded_digits_are_learned() {
    let objects = Place::new().run("train --hidden 16 --epochs 3 --device cpu --json").objects();
    let accuracy = event(&objects, "summary")["test_accuracy"].as_f64().expect("a number");
    assert!(accuracy > 0.9, "{accuracy}");
}

/// One image, one step: nothing is left after the warm-up to measure a rate.
#[test]
fn the_smallest_run_ends_well() {
    let place = Place::new();
    place.put(TRAIN_IMAGES, &images(1)).put(TRAIN_LABELS, &labels(1));
    for device in ["cpu", "0"] {
        let line = format!("train --data set --hidden 1 --epochs 1 --batch-size 1000 --device {device} --json");
        let objects = place.run(&line).objects();
        assert!(
            event(&objects, "summary")["samples_per_second"].as_f64().is_some_and(|rate| rate > 0.0),
            "{objects:?}"
        );
    }
}

#[test]
fn without_a_gpu_the_cpu_trains_and_says_how_to_run_the_shaders() {
    let place = Place::new();
    let adapters = place.run("devices --json").objects();
    let software = |adapter: &Value| adapter["kind"] == "cpu";
    let ran = place.run(&format!("{SMALL} --device auto"));
    let told = ran.lines()[0];
    if adapters.iter().all(software) {
        let (reason, advice) = told.split_once("--device ").expect("the line names a device");
        let (driver, why) = advice.split_once(' ').expect("it says what for");
        holds(reason, &["cpu", "no GPU found"]);
        assert_eq!(why, "to run shaders on a software driver");
        let objects = place.run(&format!("{SMALL} --device {driver} --json")).objects();
        assert!(software(&event(&objects, "summary")["device"]), "{objects:?}");
    } else {
        assert!(!told.contains("no GPU was found"), "{told}");
    }
}

#[test]
fn without_any_vulkan_driver_training_goes_on() {
    let place = Place::new();
    let mut command = place.command(&format!("{SMALL} --json"));
    let ran = Ran::new(command.env("VK_DRIVER_FILES", "/nowhere").output().expect("the command starts"));
    let objects = ran.objects();
    let device = &event(&objects, "summary")["device"];
    assert!(device["kind"] != "cpu" && device["backend"] != "vulkan", "{device}");
}

#[test]
fn explain_shows_the_dispatches_and_trains_nothing() {
    let place = Place::new();
    for (device, variant) in [("cpu", "twin"), ("0", "variant")] {
        let ran = place.run(&format!("{SMALL} --device {device} --explain"));
        ran.lines();
        holds(&ran.out, &["train: ", "MFLOP", "gather", "fc1 ", "loss", "fc3 gradient", "update", "the graph"]);
        holds(&ran.out, &["evaluate: ", "peak memory ", "weights"]);
        holds(&ran.out, &[variant]);
        assert!(!ran.out.contains("epoch"), "{}", ran.out);
        let divided = place.run(&format!("{SMALL} --micro-batch 4 --device {device} --explain"));
        holds(&divided.out, &["micro-batch 4", "gather batch", "accumulate gradient"]);
        let objects = place.run(&format!("{SMALL} --device {device} --explain --json")).objects();
        assert!(event(&objects, "explain")["text"].as_str().is_some_and(|text| ran.out.contains(text.trim_end())));
    }
}

/// A batch whose total work overflows 64 bits.
#[test]
fn explain_adds_up_absurd_sizes() {
    let sizes = "--hidden 30000,30000 --batch-size 4294967295";
    holds(&Place::new().run(&format!("train {sizes} --device cpu --explain")).lines().join("\n"), &["MFLOP"]);
}

#[test]
fn devices_are_told_with_what_they_can_do() {
    let place = Place::new();
    let first = place.first_adapter();
    for key in ["name", "backend", "driver", "kind"] {
        assert!(first[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {first}");
    }
    assert!(first["f16"].is_boolean() && first["timestamps"].is_boolean(), "{first}");
    assert!(first["cooperative_matrices"].is_array() && first.get("subgroup_sizes").is_some(), "{first}");
    let limits = first["limits"].as_object().expect("limits");
    assert!(limits.len() == 5 && limits.values().all(|limit| limit.as_u64() > Some(0)), "{first}");
    let ran = place.run("devices");
    ran.lines();
    let text = |key: &str| first[key].as_str().expect("text").to_owned();
    let words = ["subgroups ", "f16 ", "timestamps ", "cooperative matrices ", "buffers ", "workgroup memory"];
    holds(&ran.out, &["0: ", &text("name"), &text("backend"), &text("driver"), &text("kind")]);
    holds(&ran.out, &words);
}

#[test]
fn data_show_draws_a_sheet() {
    let place = Place::new();
    place.put(TRAIN_IMAGES, &idx(0x803, &[60, 6, 6], [9; 2160]));
    place.put(TEST_IMAGES, &idx(0x803, &[20, 6, 6], [9; 720]));
    for source in ["digits", "set"] {
        let ran = place.run(&format!("data show {source} --out {source}.png"));
        holds(&ran.lines().join("\n"), &["data", source, "images of", "saved", ".png"]);
        let png = std::fs::read(place.path(&format!("{source}.png"))).expect("written");
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xae\x42\x60\x82"), "{source}");
    }
}

#[test]
fn data_show_draws_one_class_alone() {
    let place = Place::new();
    let draw = |flags: &str| {
        place.run(&format!("data show digits {flags} --out sheet.png")).lines();
        std::fs::read(place.path("sheet.png")).expect("written")
    };
    let (all, three, four) = (draw(""), draw("--class 3"), draw("--class 4"));
    assert!(all != three && three != four && three.starts_with(b"\x89PNG\r\n\x1a\n"));
}

/// The small set repeats an image after 251 pixels, hence not within 16 images; labels cycle.
#[test]
fn data_check_tells_flaws_as_text_and_as_json() {
    let place = Place::new();
    let mut spoiled = images(60);
    spoiled[16..48].fill(0);
    place.put(TRAIN_IMAGES, &spoiled);
    let ran = place.run("data check set");
    let lines = ran.lines();
    let line = |head: &str| *lines.iter().find(|line| line.starts_with(head)).unwrap_or_else(|| panic!("{lines:?}"));
    holds(line("training"), &["6", "6", "6"]);
    holds(line("balance"), &["100 %"]);
    holds(line("blank"), &["2", "0", "no ink"]);
    holds(line("duplicate"), &["equal to an earlier image"]);
    holds(&ran.out, &["18 training images are also test images"]);
    let objects = place.run("data check set --json").objects();
    assert_eq!(objects.len(), 1);
    let check = event(&objects, "check");
    assert_eq!((&check["train"]["blank"], &check["train"]["images"]), (&serde_json::json!([0, 1]), &60.into()));
    assert_eq!(check["shared"].as_array().map(Vec::len), Some(18));
    assert_eq!(check["test"]["classes"], serde_json::json!(vec![2; 10]));
}

#[test]
fn dropped_images_are_told() {
    let place = Place::new();
    let mut spoiled = images(60);
    spoiled[16..48].fill(0);
    place.put(TRAIN_IMAGES, &spoiled);
    let ran = place.run(&format!("{SMALL} --device cpu --drop blank,constant"));
    holds(&ran.out, &["58 training", "dropped 2 training images: blank", "dropped 0 training images: constant"]);
    let objects = place.run(&format!("{SMALL} --device cpu --drop blank,constant --json")).objects();
    assert_eq!(event(&objects, "start")["data"]["dropped"], serde_json::json!({ "blank": 2, "constant": 0 }));
}

#[test]
fn kernels_are_tested_once_before_they_are_used() {
    let place = Place::new();
    let objects = |line: &str| {
        // With an empty cache of passed tests.
        let mut command = place.command_with_cache(&format!("{line} --json"));
        Ran::new(command.output().expect("the command starts")).objects()
    };
    let tested = |line: &str| {
        let objects = objects(line);
        let tested = objects.iter().find(|object| object["event"] == "self-test");
        assert!(tested.is_none_or(|tested| tested["replaced"] == serde_json::json!([])), "{tested:?}");
        tested.map_or(0, |tested| tested["tests"].as_u64().expect("a number"))
    };
    let train = format!("{SMALL} --device 0 --out trained");
    assert_eq!(tested(&format!("{train} --no-self-test")), 0);
    assert!(tested(&train) > 12);
    assert_eq!([tested(&train), tested(&format!("{SMALL} --device cpu"))], [0, 0]);
    // Evaluation shares the training run's kernels; the search has another model's.
    assert_eq!(tested("eval --data set --model trained/model.safetensors --device 0"), 0);
    assert!(tested("tune --data set --trials 1 --rungs 1 --device 0") > 12);
}

#[test]
fn every_verb_has_help_that_names_its_flags() {
    let place = Place::new();
    for (verb, words) in [
        ("", &["train", "tune", "eval", "devices", "data", "Examples:", "Exit codes: 0 done, 2 usage"][..]),
        (
            "train",
            &["--data", "--hidden", "--batch-size", "--epochs", "--lr", "--seed", "--device", "--out", "--explain"],
        ),
        (
            "train",
            &[
                "--train-limit",
                "--test-limit",
                "--validation",
                "--split-seed",
                "--target",
                "--patience",
                "--scan-every",
                "--drop",
                "--activation",
                "--dropout",
                "--loss",
                "--init",
                "--optimizer",
                "rmsprop",
                "--momentum",
                "--nesterov",
                "--weight-decay",
                "--clip-norm",
                "--schedule",
                "--warmup",
            ],
        ),
        (
            "tune",
            &[
                "--data",
                "--validation",
                "--trials",
                "--rungs",
                "--min-epochs",
                "--lr",
                "--width",
                "--depth",
                "--batch",
                "--dropout",
                "--weight-decay",
                "--activation",
                "--seed",
                "--device",
                "--out",
                "--json",
            ],
        ),
        ("eval", &["--model", "--data", "--device", "--json"]),
        ("devices", &["--json"]),
        ("data show", &["SOURCE", "digits", "mnist", "--out", "--class"]),
        ("data check", &["SOURCE", "--json"]),
    ] {
        let ran = place.run(&format!("{verb} --help"));
        ran.lines();
        for word in words {
            assert!(ran.out.contains(word), "`{word}` is missing in the help of `{verb}`: {}", ran.out);
        }
    }
    assert_eq!(place.run("--version").lines(), [concat!("shadegrad ", env!("CARGO_PKG_VERSION"))]);
}
