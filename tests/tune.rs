//! `shadegrad tune` as users run it.

mod command;

use command::{Place, Ran, TRAIN_IMAGES, TRAIN_LABELS, images, labels};
use serde_json::Value;

const SMALL: &str = "tune --data set --trials 4 --rungs 2 --width 4..16 --depth 1..2 --batch 8,16 --validation 0.2";

/// The object with this event.
#[track_caller]
fn event<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    objects.iter().find(|object| object["event"] == name).unwrap_or_else(|| panic!("no {name} in {objects:?}"))
}

/// The lines of a runs file, without timings.
fn runs(place: &Place, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(file)).expect("written");
    let line = |line| {
        let mut object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        object.as_object_mut().expect("an object").remove("seconds");
        object
    };
    text.lines().map(line).collect()
}

#[test]
fn the_best_run_is_told_with_the_command_that_repeats_it() {
    let place = Place::new();
    let sgd = "--optimizer sgd --momentum 0.9 --nesterov --clip-norm 1 --schedule step:2:0.5 --warmup 2 \
               --label-smoothing 0.1 --class-weights balanced --init xavier --normalize standard \
               --augment rotate=10,shift=1";
    for (device, fixed) in [
        ("cpu", "--optimizer adamw"),
        ("0", "--optimizer adamw"),
        ("cpu", sgd),
        ("cpu", "--optimizer adam --schedule cosine --loss mse --init zeros"),
        ("cpu", "--optimizer rmsprop"),
    ] {
        let flags = fixed.trim_start_matches("--optimizer adamw"); // the default
        let found = place.run(&format!("{SMALL} --device {device} {flags} --json")).objects();
        std::fs::remove_file(place.path("tune.jsonl")).expect("there");
        if device == "0" {
            assert_eq!(event(&found, "start")["device"]["name"], place.first_adapter()["name"]);
        }
        let summary = event(&found, "summary");
        assert_eq!((&summary["runs"], &summary["diverged"]), (&6.into(), &0.into()));
        let command = summary["command"].as_str().expect("a command").strip_prefix("shadegrad ").expect("its name");
        let missing = |flag: &&str| !format!("{command} ").contains(&format!(" --{flag} "));
        let missing: Vec<_> = fixed.trim_start_matches("--").split(" --").filter(missing).collect();
        assert!(missing.is_empty(), "{command} lacks {missing:?}");
        assert_eq!(command.contains("--weight-decay"), !fixed.contains("adam "), "{command}");
        let again = place.run(&format!("{command} --json")).objects();
        for key in ["validation_loss", "validation_accuracy", "epochs"] {
            assert_eq!(event(&again, "summary")[key], summary[key], "{key} of {command}");
        }
        let losses = found.iter().filter(|object| object["event"] == "trial").map(|trial| &trial["validation_loss"]);
        let least = losses.filter_map(Value::as_f64).fold(f64::INFINITY, f64::min);
        assert_eq!(summary["validation_loss"].as_f64(), Some(least));
    }
}

#[test]
fn images_are_sent_once_and_each_run_is_that_of_train() {
    let place = Place::new();
    // Compared with so many images, uploads for the runs are small: kernel parameters and initial weights.
    place.put(TRAIN_IMAGES, &images(6_000)).put(TRAIN_LABELS, &labels(6_000));
    let search = "tune --data set --trials 3 --rungs 1 --width 4..16 --depth 1..2 --batch 80,120 --device 0";
    let found = place.run(&format!("{search} --json")).objects();
    let sent = event(&found, "summary")["bytes_up"].as_u64().expect("a count");
    let data = (6_000 + 20) * (16 + 1);
    assert!((data..data + data / 2).contains(&sent), "{sent} bytes were sent, the images are {data}");
    let data = event(&found, "start")["search"]["data"]["flags"].as_str().expect("flags");
    for trial in found.iter().filter(|object| object["event"] == "trial") {
        let setting = |name: &str| trial["settings"][name].to_string().replace('"', "");
        let depth = trial["settings"]["depth"].as_u64().expect("a count") as usize;
        let model = ["activation", "dropout", "lr"].map(|name| format!("--{name} {}", setting(name))).join(" ");
        let hidden = vec![setting("width"); depth].join(",");
        let [batch, decay] = ["batch", "weight_decay"].map(setting);
        let again = place.run(&format!(
            "train {data} --hidden {hidden} {model} --batch-size {batch} --optimizer adamw --weight-decay {decay} \
             --epochs 1 --device 0 --json"
        ));
        assert_eq!(event(&again.objects(), "summary")["validation_loss"], trial["validation_loss"], "{trial}");
    }
}

#[test]
fn a_search_goes_on_where_it_was_broken_off_and_ends_the_same() {
    let place = Place::new();
    let search = |file: &str| place.run(&format!("{SMALL} --device cpu --out {file} --json")).objects();
    let whole = search("whole.jsonl");
    let text = std::fs::read_to_string(place.path("whole.jsonl")).expect("written");
    assert_eq!(text.lines().count(), 7);
    // Interrupted after three runs, and in the middle of the fifth one's line.
    for (file, lines, more) in [("three.jsonl", 4, 0), ("midst.jsonl", 5, 30), ("all.jsonl", 7, 0)] {
        let end = text.match_indices('\n').nth(lines - 1).expect("a line").0 + 1;
        place.put(file, &text.as_bytes()[..end + more]);
        let resumed = search(file);
        assert_eq!(event(&resumed, "start")["resumed"], lines - 1);
        assert_eq!(resumed.iter().filter(|object| object["event"] == "trial").count(), 7 - lines);
        assert_eq!(event(&resumed, "summary"), event(&whole, "summary"));
        assert_eq!(runs(&place, file), runs(&place, "whole.jsonl"));
    }
    for flag in ["--seed 7", "--schedule cosine"] {
        let other = place.run(&format!("{SMALL} --device cpu --out whole.jsonl {flag}"));
        assert!(other.code == Some(2) && other.err.contains("belongs to another search"), "{other:?}");
    }
    assert_eq!(std::fs::read_to_string(place.path("whole.jsonl")).expect("there"), text);
}

#[test]
fn a_search_is_told_in_plain_lines_where_no_terminal_is() {
    let ran = Place::new().run(&format!("{SMALL} --device cpu"));
    let lines = ran.lines();
    assert!(!ran.out.contains(['\x1b', '\r']), "{:?}", ran.out);
    let heads: Vec<_> = lines.iter().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(heads[..4], ["device", "data", "search", "trial"]);
    assert_eq!(heads[4..8], ["0", "1", "2", "3"]);
    assert_eq!(heads[10..12], ["the", "trial"]);
    assert_eq!(heads[18..], ["best", "saved", "retrain", "shadegrad"]);
    assert!(lines[1].contains("48 training, 12 validation"), "{}", lines[1]);
}

#[test]
fn dropped_images_are_told_and_the_command_drops_them_too() {
    let place = Place::new();
    let found = place.run(&format!("{SMALL} --device cpu --drop blank,duplicate --json")).objects();
    assert!(event(&found, "start")["dropped"]["duplicate"].as_u64() > Some(0), "{found:?}");
    let command = event(&found, "summary")["command"].as_str().expect("a command");
    assert!(command.contains("--drop blank,duplicate"), "{command}");
}

#[test]
fn runs_that_diverge_are_the_worst_and_a_search_of_them_alone_fails() {
    let place = Place::new();
    let search = |rates: &str, file: &str| -> Ran {
        place.run(&format!("{SMALL} --activation relu --device cpu --lr {rates} --out {file} --json"))
    };
    let mixed = search("1e-3,1e37", "mixed.jsonl");
    let found = mixed.objects();
    let diverged = found.iter().filter(|object| object["event"] == "trial" && object["validation_loss"].is_null());
    assert!(diverged.count() > 0 && event(&found, "summary")["validation_loss"].is_number(), "{found:?}");
    let all = search("1e37", "all.jsonl");
    assert!(all.code == Some(6) && all.err.contains("all runs of the search diverged"), "{all:?}");
}

#[test]
fn searches_that_cannot_be_exit_with_2() {
    let place = Place::new();
    for (flags, words) in [
        ("--trials 0", ["0 trials", "--trials 16"]),
        ("--rungs 4", ["4 rungs are too many for 4 trials", "--rungs 3"]),
        ("--min-epochs 0", ["0 epochs", "--min-epochs 1"]),
        ("--lr 0..1", ["learning rate of 0", "--lr 1e-4..1e-2"]),
        ("--lr -1..1", ["learning rate of -1", "--lr 1e-4..1e-2"]),
        ("--lr 1..0.1", ["`1..0.1`", "--help"]),
        ("--width 1,x", ["`1,x`", "--help"]),
        ("--depth 0", ["depth of 0", "--depth 1..3"]),
        ("--dropout 0..1", ["dropout of 1", "--dropout 0..0.5"]),
        ("--weight-decay nan", ["weight decay of NaN", "--weight-decay 0..0.1"]),
        ("--activation relu,rolu", ["rolu", "--help"]),
        ("--optimizer adam --weight-decay 0..0.1", ["adam has no weight decay", "--optimizer adamw"]),
        ("--momentum 0.9", ["adamw has no momentum", "--optimizer sgd"]),
        ("--warmup 3", ["warm-up of 3 steps, but the run has 3", "fewer steps"]),
        ("--class-weights 1,2", ["2 class weights", "one for each class"]),
        ("--augment rotate=200", ["rotate=200", "0 to 180"]),
        ("--validation 60", ["60 of 60 training images", "--validation 0.1"]),
    ] {
        let name = flags.split(' ').next().expect("a flag");
        let rest: Vec<_> = SMALL.split(" --").filter(|flag| !flag.starts_with(&name[2..])).collect();
        let ran = place.run(&format!("{} {flags} --device cpu", rest.join(" --").replace("--rungs 2", "--rungs 1")));
        assert_eq!(ran.code, Some(2), "{flags}: {ran:?}");
        assert!(words.iter().all(|word| ran.err.contains(word)), "{flags}: {}", ran.err);
    }
    assert!(!place.path("tune.jsonl").exists());
}
