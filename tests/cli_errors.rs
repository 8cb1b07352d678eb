//! Failures end the command with an exit code and two lines on stderr: cause and advice.

mod command;

use command::{Place, Ran, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, idx, images, labels, npy};
use flate2::{Compression, write::GzEncoder};
use shadegrad::nn::Model;
use shadegrad::shape::Shape;
use shadegrad::train::ModelFile;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

const SMALL: &str = "train --data set --hidden 4 --epochs 1 --batch-size 16";

/// Checks the exit code, and that stderr has two lines containing all the words.
#[track_caller]
fn failed(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    let lines: Vec<_> = ran.err.lines().collect();
    let [cause, advice] = lines[..] else { panic!("two lines are expected on stderr: {ran:?}") };
    assert!(cause.strip_prefix("error: ").is_some_and(|text| !text.is_empty()), "{ran:?}");
    assert!(advice.strip_prefix("  try: ").is_some_and(|text| !text.is_empty()), "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is missing from: {}", ran.err);
    }
}

#[test]
fn settings_that_cannot_be_used_exit_with_2() {
    let place = Place::new();
    for (flags, words) in [
        ("--batch-size 0", ["batch size of 0", "--batch-size 128"]),
        ("--micro-batch 0", ["a micro-batch of 0", "--micro-batch 32"]),
        ("--batch-size 16 --micro-batch 17", ["17 in a batch of 16", "from 1 to that of the batch"]),
        ("--batch-size 9999 --micro-batch 1", ["dispatches a step", "a larger --micro-batch"]),
        ("--micro-batch 4 --class-weights balanced", ["class weights", "leave out --micro-batch"]),
        ("--epochs 0", ["epochs must be at least 1", "--epochs 5"]),
        ("--epochs 99999999999999999", ["99999999999999999 epochs", "fewer"]),
        ("--steps 0", ["0 steps", "--steps 1000"]),
        ("--steps 99999999999", ["99999999999 steps", "fewer"]),
        ("--epochs 2 --steps 3", ["both epochs and steps", "leave the other out"]),
        ("--eval-every 0", ["validation every 0 steps", "--eval-every 500"]),
        ("--eval-every 5", ["none are held out", "--validation 0.1"]),
        ("--optimizer adamw --beta2 1", ["a beta2 of 1", "below 1"]),
        ("--optimizer sgd --epsilon 1e-6", ["sgd has no epsilon", "--optimizer adam"]),
        ("--hidden 0", ["layer 1: linear: layer width must be at least 1", "widths of 1 or more"]),
        ("--hidden 16,0,8", ["layer 3: linear: layer width must be at least 1", "widths of 1 or more"]),
        ("--dropout 1", ["dropout probability 1", "--dropout 0.1"]),
        ("--label-smoothing 1", ["label smoothing 1", "below 1"]),
        ("--label-smoothing 0.1 --loss mse", ["with the loss mse", "--loss cross-entropy"]),
        ("--class-weights 1,2", ["2 class weights", "one for each class"]),
        ("--class-weights 1,heavy", ["no class weights `1,heavy`", "--help"]),
        ("--lr 0", ["learning rate must be above 0, not 0", "finite number above 0"]),
        ("--lr -0.1", ["learning rate must be above 0, not -0.1", "finite number above 0"]),
        ("--lr nan", ["learning rate must be above 0, not NaN", "finite number above 0"]),
        ("--lr inf", ["learning rate must be above 0, not inf", "finite number above 0"]),
        ("--lr fast", ["'fast' for '--lr", "--help"]),
        ("--hidden 99999999999999999999999", ["number too large", "--help"]),
        ("--hidden 16,,8", ["'--hidden", "--help"]),
        ("--seed -1", ["'-1'", "--help"]),
        ("--device=", ["device name is empty", "--help"]),
        ("--data=", ["data set name is empty", "--help"]),
        ("--validation 1.5", ["`1.5`", "share such as 0.1"]),
        ("--validation 10000", ["10000 of 10000 training images", "--validation 0.1"]),
        ("--test-limit 0", ["limit of 0 images", "--test-limit 1000"]),
        ("--target 0.98", ["`0.98`", "accuracy=0.98"]),
        ("--target accuracy=0.98", ["none are held out", "--validation 0.1"]),
        ("--drop blank,smudge", ["`smudge`", "blank, constant, duplicate"]),
        ("--patience 0", ["patience of 0", "--patience 3"]),
        ("--scan-every 0", ["scan every 0 steps", "--scan-every 100"]),
        ("--epoch 3", ["'--epoch'", "'--epochs'"]),
        ("--momentum 0.9", ["adam has no momentum", "--optimizer sgd"]),
        ("--optimizer sgd --momentum 1", ["momentum of 1", "below 1"]),
        ("--optimizer sgd --momentum nan", ["momentum of NaN", "below 1"]),
        ("--optimizer sgd --nesterov", ["momentum of 0", "--momentum 0.9"]),
        ("--weight-decay 0.1", ["adam has no weight decay", "--optimizer adamw"]),
        ("--optimizer adamw --weight-decay -1", ["weight decay of -1", "0 or more"]),
        ("--optimizer adagrad", ["'adagrad' for '--optimizer", "--help"]),
        ("--clip-norm 0", ["clip norm of 0", "above 0"]),
        ("--clip-norm inf", ["clip norm of inf", "finite"]),
        ("--schedule linear", ["no schedule `linear`", "--help"]),
        ("--schedule step:0:0.5", ["every 0 steps", "1 step or more"]),
        ("--schedule step:10:1.5", ["a factor 1.5", "at most 1"]),
        ("--augment spin=1", ["unknown augmentation `spin`", "rotate, shift, scale"]),
        ("--augment rotate", ["`rotate` is not NAME=AMOUNT", "--help"]),
        ("--augment rotate=far", ["`far` of rotate is not a number", "--help"]),
        ("--augment scale=0.9", ["augmentation of scale=0.9", "from 0 to 0.5"]),
        ("--normalize mean", ["unknown normalization \"mean\"", "--help"]),
        ("--warmup 999999", ["warm-up of 999999 steps", "fewer steps"]),
    ] {
        let ran = place.run(&format!("train --json {flags}"));
        failed(&ran, 2, &words);
        assert_eq!(ran.out, "", "{flags}");
    }
}

#[test]
fn commands_that_cannot_be_understood_exit_with_2() {
    let place = Place::new();
    failed(&place.run("trian"), 2, &["'trian'", "'train'", "--help"]);
    failed(&place.run("eval"), 2, &["--model <FILE>", "usage is shadegrad eval"]);
    failed(&place.run("data show digits --class 10"), 2, &["no training images of class 10", "0 to 9"]);
    failed(&place.run("data show digits --augment shear=9"), 2, &["shear=9", "from 0 to 2"]);
    failed(&place.run("data show"), 2, &["<SOURCE>", "usage is shadegrad data show"]);
    for line in ["", "data"] {
        let ran = place.run(line);
        let (help, told) = ran.err.split_at(ran.err.find("error: ").expect("an error is told"));
        assert!(help.contains("Usage: ") && help.contains("Commands:"), "{help}");
        failed(&Ran { err: told.to_owned(), ..ran }, 2, &["no command", "commands above"]);
    }
}

/// All variants are tested in tests/data.rs; these go through the command.
#[test]
fn data_that_are_not_sound_exit_with_3() {
    let swapped = |mut bytes: Vec<u8>| {
        bytes[..4].reverse();
        bytes
    };
    let page = b"<!DOCTYPE html><title>404</title>";
    let huge = idx(0x803, &[u32::MAX; 3], [0; 16]);
    let mut ten = labels(60);
    ten[8 + 17] = 10;
    for (file, bytes, words) in [
        (TRAIN_IMAGES, vec![], ["is empty", "fetch it again"]),
        (TRAIN_IMAGES, images(60)[..500].to_vec(), ["expected 976 bytes", "found 500"]),
        (TEST_IMAGES, [images(20), vec![0]].concat(), ["expected 336 bytes", "found 337"]),
        (TRAIN_IMAGES, swapped(images(60)), ["found 0x03080000", "byte-swapped"]),
        (TRAIN_IMAGES, labels(60), ["expected 0x00000803 (images)", "found 0x00000801"]),
        (TRAIN_LABELS, images(60), ["expected 0x00000801 (labels)", "found 0x00000803"]),
        (TRAIN_LABELS, labels(59), ["expected 60 labels", "found 59"]),
        (TRAIN_LABELS, ten, ["label 17 at offset 25", "found 10"]),
        (TEST_LABELS, page.to_vec(), ["web page", "download"]),
        (TRAIN_IMAGES, huge, ["79228162458924105385300197391", "found 32"]),
        (TRAIN_IMAGES, damaged_gzip(), ["damaged gzip", "checksum"]),
    ] {
        let place = Place::new();
        let ran = place.put(file, &bytes).run(&format!("{SMALL} --device cpu --json"));
        failed(&ran, 3, &words);
        failed(&ran, 3, &[&file.replace('/', std::path::MAIN_SEPARATOR_STR)]);
        assert_eq!(ran.out, "");
    }
}

/// Valid images with a wrong checksum.
fn damaged_gzip() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut bytes = encoder.write_all(&images(60)).and_then(|()| encoder.finish()).expect("writes to memory");
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    bytes
}

#[test]
fn arrays_that_cannot_be_trained_on_or_drawn_are_refused_before_anything_runs() {
    let place = Place::new();
    std::fs::create_dir(place.path("arrays")).expect("writable");
    let set = |x: &[u8], classes: [u16; 2]| {
        place.put("arrays/x.npy", x);
        place.put("arrays/y.npy", &npy("<u2", &[2], &classes.map(u16::to_le_bytes).concat()));
    };
    let run = |line: &str, code: i32, words: &[&str]| failed(&place.run(line), code, words);
    let train = "train --data arrays --hidden 4 --batch-size 2 --epochs 1 --device cpu";
    set(&npy("<f4", &[2, 3], &[0; 24]), [0, 1]);
    run(train, 2, &["arrays: the input `x` of [3] f32 cannot be trained on yet", "inputs as bytes"]);
    run("data check arrays", 3, &["expected one input of bytes, found inputs of [3] f32"]);
    set(&npy("|u1", &[2, 4], &[7; 8]), [0, 256]);
    run(train, 2, &["arrays: the classes `y` of [] u16 cannot be trained on yet", "at most 256 classes"]);
    set(&npy("|u1", &[2, 4], &[7; 8]), [0, 1]);
    run("data show arrays", 3, &["expected grayscale images", "found inputs of [4] u8", "use a data set of images"]);
    run(&format!("{train} --augment rotate=5"), 2, &["augmentation of inputs of shape [4]", "leave --augment out"]);
    assert_eq!(place.run(&format!("{train} --out trained")).code, Some(0));
    run(
        "eval --model trained/model.safetensors --data arrays --device cpu",
        3,
        &["arrays (npy) has no items to test on"],
    );
}

#[test]
fn data_that_are_not_there_exit_with_3_whatever_the_verb() {
    let place = Place::new();
    for line in ["train --data nowhere --device cpu", "data show nowhere --out sheet.png"] {
        failed(&place.run(line), 3, &["no folder nowhere", "train-images-idx3-ubyte"]);
    }
    std::fs::remove_file(place.path(TEST_LABELS)).expect("there");
    failed(&place.run(&format!("{SMALL} --device cpu")), 3, &["t10k-labels-idx1-ubyte", "no such file"]);
}

/// A model file with these tensors.
fn write_model(place: &Place, widths: [usize; 2], tensors: &[(&str, &[usize], f32)]) {
    let tensor = |&(name, shape, value): &(&str, &[usize], f32)| {
        (name.to_owned(), Shape::new(shape), vec![value; shape.iter().product()])
    };
    let model = Model::mlp(widths).expect("the widths are sound");
    let tensors: Vec<_> = tensors.iter().map(tensor).collect();
    ModelFile::write(&place.path("model"), &model, &tensors, &[]).expect("writable");
}

#[test]
fn model_files_that_are_no_perceptron_exit_with_4() {
    let place = Place::new();
    let eval = || place.run("eval --data set --model model --device cpu --json");
    failed(&eval(), 4, &["cannot read model", "No such file"]);
    failed(&place.run("eval --data set --model set --device cpu"), 4, &["cannot read set"]);
    let (bias, weight) = (("fc1.bias", &[10][..], 0.0), ("fc1.weight", &[16, 10][..], 0.0));
    write_model(&place, [16, 10], &[weight, bias]);
    eval().lines();
    let whole = std::fs::read(place.path("model")).expect("written");
    for bytes in [&[], &whole[..5], &whole[..whole.len() / 2], &whole[..whole.len() - 1], b"no model, but some text"] {
        place.put("model", bytes);
        failed(&eval(), 4, &["model: not safetensors", "train --out"]);
    }
    for (tensors, words) in [
        (&[weight][..], ["no tensor `fc1.bias`", "found [\"fc1.weight\"]"]),
        (&[("fc1.weight", &[160], 0.0), bias], ["`fc1.weight` is F32 [160]", "expected F32 [16, 10]"]),
        (&[weight, ("fc1.bias", &[9], 0.0)], ["`fc1.bias` is F32 [9]", "expected F32 [10]"]),
        (&[weight, ("fc1.bias", &[10], f32::NAN)], ["number 0 of `fc1.bias`", "not finite"]),
        (&[weight, bias, ("more", &[1], 0.0)], ["3 tensors", "expected 2 for 16-10"]),
    ] {
        write_model(&place, [16, 10], tensors);
        let ran = eval();
        failed(&ran, 4, &words);
        assert_eq!(ran.out, "");
    }
    for (widths, words) in [
        ([9, 10], ["expects 9 inputs", "has 16 pixels and 10 classes"]),
        ([16, 9], ["and 9 classes", "16 pixels and 10 classes"]),
    ] {
        write_model(&place, widths, &[("fc1.weight", &widths, 0.0), ("fc1.bias", &widths[1..], 0.0)]);
        failed(&eval(), 4, &words);
    }
}

#[test]
fn adapters_that_are_not_there_exit_with_5() {
    let place = Place::new();
    let name = place.first_adapter()["name"].as_str().expect("text").to_owned();
    failed(&place.run(&format!("{SMALL} --device voodoo2")), 5, &["matching \"voodoo2\"", &name, "--device cpu"]);
    failed(&place.run(&format!("{SMALL} --device 99")), 5, &["number 99", &name, "shadegrad devices"]);
}

#[test]
fn models_too_big_for_the_device_exit_with_5_and_tell_bytes_needed_and_had() {
    let place = Place::new();
    let limit = place.first_adapter()["limits"]["binding_bytes"].as_u64().expect("a number");
    // The first layer's weights alone exceed a binding, or 32-bit addressing.
    let width = limit / (4 * 16) + 1;
    // In tens of bytes: a model may use all of 32 bits, a binding whole words.
    let had = (limit.min(u64::from(u32::MAX)) / 10).to_string();
    failed(&place.run(&format!("train --data set --hidden {width} --device 0")), 5, &[" needs ", "bytes", &had]);
    for device in ["cpu", "0"] {
        let run = |sizes: &str| place.run(&format!("train --data set --device {device} {sizes}"));
        failed(&run("--hidden 99999999999999"), 5, &["fc1.weight", "needs 6400000000000000 bytes", "4294967295"]);
        failed(&run("--hidden 18446744073709551615"), 5, &["more than 2^64 bytes", "4294967295 at once"]);
        failed(&run("--batch-size 99999999999"), 5, &["99999999999 does not fit", "smaller"]);
        failed(&run("--batch-size 4294967295"), 5, &["needs 274877906880 bytes", "allows "]);
    }
}

/// Thousands of layers, each small enough, that take 500 GB in total. On Linux, which reports the available memory,
/// they are rejected; otherwise the system would kill the process, with twins and software drivers alike.
#[cfg(target_os = "linux")]
#[test]
fn models_too_big_for_the_machine_exit_with_5_and_tell_bytes_needed_and_had() {
    let place = Place::new();
    let mut devices = vec!["cpu"];
    devices.extend((place.first_adapter()["kind"] == "cpu").then_some("0"));
    let layers = "1,784,".repeat(2000);
    for device in devices {
        let ran = place.run(&format!("train --data set --hidden {layers}1 --batch-size 42000 --device {device}"));
        failed(&ran, 5, &["the plan needs ", "bytes of memory, this machine has ", "smaller"]);
    }
}

#[test]
fn a_loss_that_is_not_finite_exits_with_6() {
    let place = Place::new();
    for device in ["cpu", "0"] {
        let ran = place.run(&format!("train --data set --hidden 4 --device {device} --lr 3e38 --out trained"));
        failed(&ran, 6, &["the loss of step ", "not finite", "after step ", "weights/fc1.weight [0, 0]", "--lr"]);
        assert!(!place.path("trained/model.safetensors").exists(), "a diverged model must not be saved");
    }
}

#[test]
fn an_output_that_cannot_be_written_exits_with_7_before_training() {
    let place = Place::new();
    place.put("file", b"kept");
    std::fs::create_dir_all(place.path("taken/model.safetensors")).expect("writable");
    for (out, named) in [("file", "file"), ("file/below", "file"), ("taken", "model.safetensors")] {
        let ran = place.run(&format!("{SMALL} --device cpu --out {out}"));
        failed(&ran, 7, &["cannot ", named, "check that the path"]);
        assert_eq!(ran.out, "", "must fail before any output");
    }
    assert_eq!(std::fs::read(place.path("file")).expect("there"), b"kept");
    failed(&place.run("data show digits --out file/sheet.png"), 7, &["cannot write file", "check that the path"]);
}

#[test]
fn an_output_that_nobody_reads_exits_with_7() {
    let place = Place::new();
    for line in [SMALL, "train --data set --hidden 4 --json", "devices", "train --help"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = Ran::new(place.command(line).stdout(writer).output().expect("the command starts"));
        failed(&ran, 7, &["standard output", "keep the output open"]);
    }
}

/// As in `| head -2`: training that would take hours must end when its output is closed.
#[test]
fn training_ends_when_its_reader_goes() {
    let place = Place::new();
    for flags in ["--json", "--device cpu"] {
        let mut command = place.command(&format!("train --data set --hidden 4 --epochs 100000000 {flags}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let reader = BufReader::new(child.stdout.take().expect("piped"));
        assert_eq!(reader.lines().take(2).map_while(Result::ok).count(), 2);
        let soon = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            child.try_wait().expect("it was started").is_some()
        });
        child.kill().expect("it ends by itself, or so");
        assert!(soon, "training continues with {flags}");
        failed(
            &Ran::new(child.wait_with_output().expect("it has ended")),
            7,
            &["standard output", "keep the output open"],
        );
    }
}
