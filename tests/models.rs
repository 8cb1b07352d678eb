//! Models defined in files: trained, saved, and loaded.

mod command;
mod common;

use command::{Place, Ran, images};
use safetensors::SafeTensors;
use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{Dataset, digits};
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::Caps;
use shadegrad::nn::metric::Measured;
use shadegrad::nn::toml::TomlTable;
use shadegrad::nn::{Augment, ModelConfig};
use shadegrad::optim::{AdamW, UpdateConfig};
use shadegrad::plan::{Executor, Plan};
use shadegrad::train::{TrainConfig, Trainer};

/// Every kind of layer that applies to images.
const LAYERS: &str = r#"
label_smoothing = 0.05
class_weights = "balanced"
layers = [
    { kind = "linear", outputs = 24, bias = false },
    { kind = "batch_norm" },
    { kind = "silu" },
    { kind = "residual", layers = [
        { kind = "layer_norm" },
        { kind = "linear", outputs = 24 },
        { kind = "tanh" },
        { kind = "dropout", probability = 0.1 },
    ] },
    { kind = "reshape", row = [4, 6] },
    { kind = "leaky_relu" },
    { kind = "flatten" },
    { kind = "linear" },
]
"#;

const TRAINING: &str = r#"
[training]
batch_size = 16
epochs = 3
lr = 0.01
optimizer = "sgd"
momentum = 0.9
nesterov = true
schedule = "cosine"
warmup = 2
clip_norm = 1
normalize = "standard"
augment = "shift=1"
seed = 7
"#;

fn blueprint() -> ModelConfig {
    let mut table = TomlTable::parse("layers", LAYERS).expect("it is TOML");
    ModelConfig::read(&mut table).expect("it is a model")
}

/// 3,200 digits for training, and some for validation and test.
fn some_digits() -> Dataset {
    let data = digits(7);
    let validation = data.train().range(3_200..3_600);
    data.first(3_200, 500).with_validation(validation).expect("the items are digits")
}

/// The losses of all steps, the final parameters and running state, and validation and test scores.
fn trained<E: Executor>(executor: impl FnOnce(Plan) -> E) -> (Vec<f32>, Vec<f32>, [Measured; 2]) {
    let (data, adamw) = (some_digits(), AdamW { weight_decay: 0.02, ..AdamW::default() });
    let config = TrainConfig {
        model: blueprint(),
        batch_size: 64,
        epochs: 2,
        update: UpdateConfig::new(adamw, 1e-3),
        augment: "shift=1,rotate=5".parse::<Augment>().expect("it is sound"),
        ..TrainConfig::default()
    };
    let (model, plan) = Trainer::<E>::plan(&config, &data, &Caps::unlimited()).expect("the settings are valid");
    let mut trainer = Trainer::new(executor(plan), model, config, &data).expect("the data fit");
    let mut losses = Vec::new();
    let outcome = pollster::block_on(trainer.train(|update| {
        losses.extend(update.losses);
        Ok(())
    }));
    let validation = outcome.expect("training ends well").validation.expect("there are images for it").score;
    let state = pollster::block_on(trainer.weights()).expect("it can be read");
    let test = pollster::block_on(trainer.test(500)).expect("it runs");
    (losses, state.into_iter().flat_map(|(.., values)| values).collect(), [validation, test])
}

#[test]
fn a_hundred_steps_through_every_layer_agree_with_the_twins() {
    let on_gpu = |plan| pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("it runs");
    let (losses, state, scores) = trained(on_gpu);
    let (twin_losses, twin_state, twin_scores) = trained(|plan| CpuExecutor::<f64>::new(plan).expect("it is valid"));
    assert_eq!(losses.len(), 100);
    assert!(losses[99] < 0.5 * losses[0], "the loss did not decrease: {losses:?}");
    let most = |a: &[f32], b: &[f32]| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).fold(0.0f32, |most, (a, b)| if (a - b).abs() <= most { most } else { (a - b).abs() })
    };
    let apart = [most(&losses, &twin_losses), most(&state, &twin_state)];
    assert!(apart[0] <= 5e-6 && apart[1] <= 1e-5, "loss and state apart by {apart:?}");
    for (score, twin) in scores.iter().zip(twin_scores) {
        assert!((score.loss() - twin.loss()).abs() <= 5e-6, "{score:?}, {twin:?}");
    }
}

#[track_caller]
fn summary(ran: &Ran, name: &str) -> serde_json::Value {
    ran.objects().into_iter().find(|object| object["event"] == name).expect("the event is there")
}

#[test]
fn a_model_file_trains_and_what_it_gives_scores_the_same_when_read_back() {
    let place = Place::new();
    place.put("model.toml", format!("{LAYERS}{TRAINING}").as_bytes());
    let adapter = place.first_adapter()["index"].to_string();
    for device in ["cpu", &adapter] {
        let ran = place.run(&format!("train --data set --model model.toml --device {device} --out trained --json"));
        let start = summary(&ran, "start");
        let told = "sgd, Nesterov momentum 0.9, gradients clipped to norm 1, warm-up of 2 steps, rate by a cosine to 0";
        assert_eq!((&start["update"], &start["augment"]), (&told.into(), &"shift=1".into()));
        assert_eq!(start["normalize"], "standard");
        let done = summary(&ran, "summary");
        assert_eq!((&done["epochs"], &done["steps"]), (&3.into(), &12.into()));
        let ran = place.run(&format!("eval --data set --model trained/model.safetensors --device {device} --json"));
        assert_eq!(summary(&ran, "evaluation")["test_loss"], done["test_loss"], "to the last bit");
    }
}

/// The test loss of the model in `trained`, without the tensor named by `without`, if any.
fn scored(place: &Place, device: &str, without: &str) -> serde_json::Value {
    let bytes = std::fs::read(place.path("trained/model.safetensors")).expect("written");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("it is one");
    let file = SafeTensors::deserialize(&bytes).expect("it is one");
    let tensors: Vec<_> = file.tensors().into_iter().filter(|(name, _)| name != without).collect();
    let bytes = safetensors::serialize(tensors, metadata.metadata().clone()).expect("it can be written");
    place.put("some.safetensors", &bytes);
    let ran = place.run(&format!("eval --data set --model some.safetensors --device {device} --json"));
    summary(&ran, "evaluation")["test_loss"].clone()
}

#[test]
fn images_are_normalized_by_what_is_measured_and_kept_with_the_model() {
    let place = Place::new();
    let bytes = images(60).split_off(16);
    let count = bytes.len() as f64;
    let mean = bytes.iter().map(|&byte| f64::from(byte)).sum::<f64>() / count / 255.0;
    let square = |&byte: &u8| (f64::from(byte) / 255.0 - mean).powi(2);
    let deviation = (bytes.iter().map(square).sum::<f64>() / count).sqrt();
    for device in ["cpu", "0"] {
        let train = format!("train --data set --hidden 8 --epochs 2 --device {device} --out trained");
        let told = format!("normalize mean {mean:.4}, std {deviation:.4}");
        assert!(place.run(&format!("{train} --normalize standard")).lines().contains(&told.as_str()), "{told}");
        let ran = place.run(&format!("{train} --normalize standard --json"));
        let measured = summary(&ran, "normalisation");
        for (name, number) in [("mean", mean), ("deviation", deviation)] {
            assert!((measured[name].as_f64().expect("a number") - number).abs() < 1e-6, "{measured}, not {number}");
        }
        let loss = &summary(&ran, "summary")["test_loss"];
        assert_eq!(scored(&place, device, ""), *loss);
        assert_ne!(scored(&place, device, "normalisation"), *loss, "it is not used");
        // Files of models trained without normalization have no such tensor.
        let ran = place.run(&format!("{train} --json"));
        assert_eq!(scored(&place, device, "normalisation"), summary(&ran, "summary")["test_loss"]);
        assert!(!ran.out.contains("normalisation"), "{ran:?}");
    }
}

#[test]
fn flags_go_before_what_a_model_file_says() {
    let place = Place::new();
    place.put("model.toml", format!("{LAYERS}{TRAINING}").as_bytes());
    let flags = "--epochs 1 --optimizer adam --schedule constant --warmup 0 --class-weights equal --label-smoothing 0";
    let ran = place.run(&format!("train --data set --model model.toml --device cpu --json {flags}"));
    let start = summary(&ran, "start");
    assert_eq!(start["update"], "adam, gradients clipped to norm 1");
    let recipe = start["recipe"].as_str().expect("text");
    assert!(recipe.contains("residual") && recipe.contains("loss cross-entropy;"), "{recipe}");
    assert_eq!(summary(&ran, "summary")["epochs"], 1);
    assert_eq!(place.run("train --model model.toml --hidden 8").code, Some(2), "widths are the file's");
}

#[test]
fn mistakes_in_a_model_file_exit_with_4_at_their_line() {
    let place = Place::new();
    let fails = |text: &str, words: &str| {
        place.put("model.toml", text.as_bytes());
        let ran = place.run("train --data set --model model.toml --device cpu");
        assert_eq!((ran.code, ran.out.as_str()), (Some(4), ""), "{ran:?}");
        assert!(ran.err.starts_with(&format!("error: model.toml:{words}")), "{ran:?}");
    };
    let layers = "layers = [{ kind = \"linear\" }]\n";
    fails(
        &format!("{layers}[training]\nepochs = 1.5"),
        "3:10: `epochs`: expected a whole number of 0 or more, found 1.5",
    );
    fails(&format!("{layers}[training]\nepoch = 1"), "3:1: unknown key `epoch`, expected one of lr, batch_size, ");
    fails(&format!("{layers}[training]\nschedule = \"sine\""), "3:12: no schedule `sine`");
    fails(&format!("{layers}[training]\n[training]"), "3:2: duplicate key");
    fails(&format!("{layers}[trainig]"), "2:2: unknown key `trainig`");
    fails("layers = [{ kind = \"linear\", outputs = 9 }]", "1:11: the last layer makes rows of [9], expected [10]");
    let ran = place.run("train --model nowhere.toml");
    assert!(ran.code == Some(7) && ran.err.contains("nowhere.toml"), "{ran:?}");
}

#[test]
fn early_stopping_keeps_statistics_with_the_weights() {
    let place = Place::new();
    place.put("model.toml", LAYERS.as_bytes());
    let flags = "--validation 0.3 --patience 1 --epochs 30 --batch-size 8 --lr 0.2 --device cpu --out trained --json";
    let ran = place.run(&format!("train --data set --model model.toml {flags}"));
    let done = summary(&ran, "summary");
    assert_eq!(done["ended_by"], "patience", "{done}");
    let epoch = done["kept_epoch"].as_u64().expect("one was kept");
    assert!(epoch < done["epochs"].as_u64().expect("a number"));
    // A run that stops at the kept epoch gives the same model.
    let whole = std::fs::read(place.path("trained/model.safetensors")).expect("written");
    let flags = flags.replace("--epochs 30", &format!("--epochs {epoch}"));
    place.run(&format!("train --data set --model model.toml {flags}"));
    assert!(whole == std::fs::read(place.path("trained/model.safetensors")).expect("written"));
}

#[test]
fn the_models_of_the_readme_and_of_the_assets_train() {
    let place = Place::new();
    let readme = include_str!("../README.md");
    let (_, example) = readme.split_once("```toml\n").expect("there is an example");
    let (example, _) = example.split_once("```").expect("it ends");
    for model in [example, include_str!("../assets/models/mnist_99.toml")] {
        place.put("model.toml", model.as_bytes());
        let flags = "--epochs 1 --warmup 0 --batch-size 20 --device cpu --json";
        let ran = place.run(&format!("train --data set --model model.toml {flags}"));
        assert_eq!(summary(&ran, "summary")["steps"], 3, "{ran:?}");
    }
}
