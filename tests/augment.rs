//! Augmentation on the device: what it leaves unchanged, and its exact effects.

mod common;

use shadegrad::gpu::{Checks, Pipeline, Run};
use shadegrad::kernel::{AnyKernel, Caps, Case, Inputs, Params};
use shadegrad::nn::{Augment, Model};
use shadegrad::ops::batch::gather::{GatherKernel, GatherParams};
use shadegrad::ops::batch::gather_augmented::{GatherAugmentedKernel, GatherAugmentedParams, threshold};
use shadegrad::planner::{EvaluationSpec, TrainSpec, plan_training};
use shadegrad::random::{Random, stream};
use shadegrad::verify::{TAIL, prepare};

const ROWS: usize = 9;
const COLUMNS: usize = 14;
const FEATURES: usize = ROWS * COLUMNS;
const BATCH: usize = 40;

const GATHER: GatherParams = GatherParams {
    samples: 50,
    features: FEATURES as u32,
    batch: BATCH as u32,
    shuffle: 1,
    seed_low: 11,
    seed_high: 12,
};

/// An augmentation of [`GATHER`] that changes nothing.
fn identity() -> GatherAugmentedParams {
    let GatherParams { samples, features, batch, shuffle, seed_low, seed_high } = GATHER;
    let (rows, columns) = (ROWS as u32, COLUMNS as u32);
    let (half_angle, shift, scale, shear, noise) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (horizontal_flip, vertical_flip, erase) = (0, 0, 0);
    GatherAugmentedParams {
        samples,
        features,
        batch,
        shuffle,
        seed_low,
        seed_high,
        rows,
        columns,
        half_angle,
        shift,
        scale,
        shear,
        horizontal_flip,
        vertical_flip,
        noise,
        erase,
    }
}

/// The bits of `inputs` and the `labels` computed on the device from the same random images.
fn gathered<P: Params>(kernel: &dyn AnyKernel, params: &P, epoch: u32) -> (Vec<u32>, Vec<u32>) {
    let gpu = common::gpu();
    let case = Case::new(bytemuck::bytes_of(params).to_vec(), Inputs::Random);
    let variant = kernel.choose(&case.params, &gpu.caps);
    let pipeline = pollster::block_on(Pipeline::new(&gpu, kernel, &variant, Checks::On)).expect("it compiles");
    let mut prepared = prepare(kernel, &pipeline.reflection, case, 5, 0).expect("shapes are known");
    let mut random = Random::new(3, stream::CASES);
    prepared.words[0].iter_mut().for_each(|word| *word = random.bits());
    prepared.words[2][..4].copy_from_slice(&[7, epoch, 0, BATCH as u32 - 3]);
    prepared.words[3][..2].copy_from_slice(&[0.0f32, 1.0].map(f32::to_bits));
    let groups = kernel.groups(&prepared.case.params, &variant);
    let run = Run { params: &prepared.case.params, groups, arrays: &prepared.words };
    let mut after = pollster::block_on(pipeline.run(&gpu, run)).expect("it runs");
    let labels = after.swap_remove(5);
    let inputs = after.swap_remove(4);
    (inputs[..inputs.len() - TAIL].to_vec(), labels[..labels.len() - TAIL].to_vec())
}

#[test]
fn nothing_to_do_leaves_what_gather_gives_to_the_bit() {
    let plain = gathered(&GatherKernel, &GATHER, 2);
    assert!(plain.0.iter().any(|&bits| bits != 0));
    assert_eq!(gathered(&GatherAugmentedKernel, &identity(), 2), plain);
}

/// The images of `inputs` with pixel (x, y) taken from `source(x, y)`.
fn mirrored(inputs: &[u32], source: fn(usize, usize) -> (usize, usize)) -> Vec<u32> {
    let place = |index: usize| {
        let (x, y) = source(index % COLUMNS, index / COLUMNS);
        y * COLUMNS + x
    };
    inputs.chunks_exact(FEATURES).flat_map(|image| (0..FEATURES).map(move |index| image[place(index)])).collect()
}

#[test]
fn flips_are_exact_and_happen_always_or_by_their_share() {
    let (plain, labels) = gathered(&GatherKernel, &GATHER, 2);
    let horizontal = mirrored(&plain, |x, y| (COLUMNS - 1 - x, y));
    let vertical = mirrored(&plain, |x, y| (x, ROWS - 1 - y));
    let both = mirrored(&plain, |x, y| (COLUMNS - 1 - x, ROWS - 1 - y));
    let flip = |horizontal: f64, vertical: f64| {
        let (horizontal_flip, vertical_flip) = (threshold(horizontal), threshold(vertical));
        gathered(&GatherAugmentedKernel, &GatherAugmentedParams { horizontal_flip, vertical_flip, ..identity() }, 2)
    };
    assert_eq!(flip(1.0, 0.0), (horizontal.clone(), labels.clone()));
    assert_eq!(flip(0.0, 1.0), (vertical, labels.clone()));
    assert_eq!(flip(1.0, 1.0), (both, labels));
    let some = flip(0.5, 0.0).0;
    let images = |pixels: &[u32]| pixels.chunks_exact(FEATURES).map(<[u32]>::to_vec).collect::<Vec<_>>();
    let (some, plain, horizontal) = (images(&some), images(&plain), images(&horizontal));
    let flipped = (0..BATCH - 3).filter(|&i| some[i] != plain[i]).count();
    assert!((0..BATCH).all(|i| some[i] == plain[i] || some[i] == horizontal[i]));
    // Five standard deviations of a binomial distribution around 18.5 are 15.2.
    assert!((4..=33).contains(&flipped), "{flipped} of 37 are flipped");
}

#[test]
fn images_change_from_epoch_to_epoch_and_not_otherwise() {
    let params = GatherAugmentedParams { shift: 2.0, shuffle: 0, noise: 1e-4, ..identity() };
    let [first, again, next] = [2, 2, 3].map(|epoch| gathered(&GatherAugmentedKernel, &params, epoch));
    assert_eq!(first, again);
    assert!(first.0 != next.0 && first.1 == next.1);
}

#[test]
fn erasing_clears_a_rectangle_of_at_most_half_the_sides() {
    let (plain, _) = gathered(&GatherKernel, &GATHER, 2);
    let params = GatherAugmentedParams { erase: threshold(1.0), ..identity() };
    let (erased, _) = gathered(&GatherAugmentedKernel, &params, 2);
    for (erased, plain) in erased.chunks_exact(FEATURES).zip(plain.chunks_exact(FEATURES)).take(BATCH - 3) {
        let changed: Vec<usize> = (0..FEATURES).filter(|&i| erased[i] != plain[i]).collect();
        let span = |of: &dyn Fn(usize) -> usize| {
            let places = changed.iter().map(|&i| of(i));
            places.clone().max().expect("some ink is erased") - places.min().expect("some ink is erased") + 1
        };
        let (width, height) = (span(&|i| i % COLUMNS), span(&|i| i / COLUMNS));
        assert!(changed.iter().all(|&i| erased[i] == 0) && width <= COLUMNS.div_ceil(2) && height <= ROWS.div_ceil(2));
        // Pixels that were already paper do not show.
        assert!(changed.len() + 6 >= width * height, "{} of {width}x{height}", changed.len());
    }
}

#[test]
fn only_training_is_augmented_and_only_where_it_is_on() {
    let gathers = |augment: Option<(Augment, [usize; 2])>| {
        let model = Model::mlp([FEATURES, 10]).expect("the widths are sound");
        let training = TrainSpec { ring: 16, augment, ..TrainSpec::new(50, 8, 4) };
        let training = TrainSpec { test: Some(EvaluationSpec { samples: 10, batch: 10 }), ..training };
        let plan = plan_training(&model, &training, &Caps::unlimited()).expect("the sizes fit").plan;
        let text = plan.explain(None).expect("the plan is valid");
        ["augment batch", "gather batch"].map(|name| text.matches(name).count())
    };
    let augment = Augment { hflip: 0.5, ..Augment::default() };
    assert_eq!(gathers(None), [0, 2]);
    assert_eq!(gathers(Some((Augment::default(), [ROWS, COLUMNS]))), [0, 2]);
    assert_eq!(gathers(Some((augment, [ROWS, COLUMNS]))), [1, 1]);
}
