//! Property tests on random inputs, shrunk to a minimal counterexample. Inputs are reproducible; set `PROPTEST_CASES`
//! and `PROPTEST_RNG_SEED` for more, or other ones.

use flate2::{Compression, read::GzEncoder};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, contextualize_config};
use shadegrad::data::{Amount, Field, Images, Split, Task};
use shadegrad::error::{Error, Kind};
use shadegrad::kernel::{AnyKernel, Args, View};
use shadegrad::nn::toml::ValueKind;
use shadegrad::nn::{Augment, ClassWeights};
use shadegrad::ops::rate;
use shadegrad::ops::update::schedule::{self, ScheduleParams, kind};
use shadegrad::random::{Random, permute, step_words};
use shadegrad::shape::{DType, Shape};
use shadegrad::train::{Candidates, StopTarget};
use std::fmt::{Debug, Display};
use std::io::Read;
use std::str::FromStr;

fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    contextualize_config(ProptestConfig { failure_persistence: None, ..config })
}

/// Written and read back unchanged.
fn round_trips<T: Display + Debug + PartialEq + FromStr<Err = Error>>(value: &T) -> Result<(), TestCaseError> {
    let text = value.to_string();
    let read = text.parse::<T>();
    prop_assert_eq!(read.as_ref(), Ok(value), "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn the_order_of_an_epoch_is_a_permutation(seed: [u32; 2], epoch: u32, n in 1u32..5000) {
        let mut seen = vec![false; n as usize];
        (0..n).for_each(|i| seen[permute(seed, epoch, i, n) as usize] = true);
        prop_assert!(seen.iter().all(|&seen| seen));
    }

    #[test]
    fn two_places_of_a_large_permutation_are_two(seed: [u32; 2], epoch: u32, n in 2u32.., i: u32, j: u32) {
        let (i, j) = (i % n, j % n);
        let [a, b] = [i, j].map(|index| permute(seed, epoch, index, n));
        prop_assert!(a < n && b < n && (a == b) == (i == j));
    }

    #[test]
    fn random_numbers_lie_in_their_ranges(seed: u64, stream: u32, n in 1u32.., low in 1e-9f32..1e9, ulps in prop_oneof![1u32..4, 1u32..1 << 26]) {
        let mut random = Random::new(seed, stream);
        let high = f32::from_bits(low.to_bits() + ulps);
        for _ in 0..50 {
            prop_assert!(random.below(n) < n);
            prop_assert!((0.0..1.0).contains(&random.uniform()));
            let [up, down] = [random.between(low, high), random.between(-high, -low)];
            prop_assert!((low..high).contains(&up) && (-high..-low).contains(&down), "{} {}", up, down);
            prop_assert!(random.normal().is_finite());
        }
    }

    #[test]
    fn streams_and_seeds_give_other_numbers(seed: u64, stream: u32, step: u32, bit in 0u32..64) {
        let first = |seed, stream| { let mut random = Random::new(seed, stream); [random.bits(), random.bits()] };
        prop_assert_eq!(first(seed, stream), first(seed, stream));
        prop_assert_ne!(first(seed, stream), first(seed ^ 1 << bit, stream));
        prop_assert_ne!(first(seed, stream), first(seed, stream ^ 1 << (bit % 32)));
        let words = [seed as u32, (seed >> 32) as u32];
        prop_assert_ne!(step_words(words, stream, step, 0), step_words(words, stream, step ^ 1 << (bit % 32), 0));
        prop_assert_ne!(step_words(words, stream, step, 0), step_words(words, stream, step, 1));
    }

    #[test]
    fn words_hold_the_elements_and_no_more_than_a_row_is_padded(extents in prop::collection::vec(0usize..1 << 20, 0..5)) {
        let product = extents.iter().try_fold(1u128, |product, &extent| product.checked_mul(extent as u128));
        let shape = Shape::new(extents.clone());
        prop_assert_eq!(shape.elements().ok().map(|n| n as u128), product.filter(|&n| n <= usize::MAX as u128));
        prop_assert_eq!(shape.words(DType::F32), shape.elements());
        if let (Ok(bytes), Ok(elements)) = (shape.words(DType::U8), shape.elements()) {
            let [bytes, elements] = [bytes, elements].map(|n| n as u128);
            let row = extents.last().copied().unwrap_or(1).max(1) as u128;
            prop_assert_eq!(bytes * row, elements * row.div_ceil(4), "{} bytes in {} words", elements, bytes);
        }
    }

    #[test]
    fn any_text_makes_an_error_of_one_line(cause: String, advice: String, kept in "[a-z]{1,9}") {
        let error = Error::new(Kind::Data, format!("{kept}{cause}"), advice);
        for line in [error.cause(), error.advice()] {
            prop_assert!(!line.contains(char::is_control) && line.chars().count() < 2100);
        }
        prop_assert!(error.cause().starts_with(&kept));
    }

    #[test]
    fn settings_are_read_as_they_are_shown(
        share in 1e-300f64..1.0,
        count in 1usize..,
        weights in prop::collection::vec(0f32..1e30, 1..12),
        range in [any::<u32>(), any::<u32>()],
        list in prop::collection::vec(prop::num::f64::NORMAL, 1..5),
        augment in [-1e6f32..1e6, 0f32..1.0, 0f32..1.0, 0f32..1.0],
    ) {
        round_trips(&Amount::Share(share))?;
        round_trips(&Amount::Count(count))?;
        round_trips(&ClassWeights::Given(weights))?;
        let [low, high] = [range[0].min(range[1]), range[0].max(range[1])].map(|end| end as usize);
        let list = Candidates::OneOf(list.iter().map(f64::to_string).collect());
        for (candidates, kind) in [(Candidates::Whole(low, high), ValueKind::Whole), (list, ValueKind::Number)] {
            prop_assert_eq!(Candidates::read(&candidates.to_string(), kind), Ok(candidates));
        }
        let [rotate, scale, hflip, noise] = augment;
        let augment = Augment { rotate, scale, hflip, noise, ..Augment::default() };
        if augment.is_on() {
            round_trips(&augment)?;
        }
    }

    #[test]
    fn settings_refuse_any_other_text_in_a_line(text: String) {
        let refuses = |error: Option<Error>| error.is_none_or(|e| e.kind() == Kind::Usage && !e.advice().is_empty());
        prop_assert!(refuses(text.parse::<Amount>().err()));
        prop_assert!(refuses(text.parse::<ClassWeights>().err()));
        prop_assert!(refuses(text.parse::<Augment>().err()));
        prop_assert!(refuses(text.parse::<StopTarget>().err()));
        prop_assert!(refuses(Candidates::read(&text, ValueKind::Number).err()));
        if let Ok(Amount::Share(share)) = text.parse() {
            prop_assert!(share > 0.0 && share < 1.0);
        }
    }
}

/// Images and labels of any size and kind.
fn split() -> impl Strategy<Value = Split> {
    (1usize..60, 1usize..6, 1usize..6).prop_flat_map(|(count, rows, columns)| {
        let images = prop::collection::vec(any::<u8>(), count * rows * columns);
        let labels = prop::collection::vec(0..10u8, count);
        let split =
            move |(images, labels)| Split::of_images([rows, columns], images, labels).expect("an image per label");
        (images, labels).prop_map(split)
    })
}

fn bytes(field: &Field) -> &[u8] {
    field.bytes().expect("all of it is bytes")
}

/// The two files that hold it.
fn idx(split: &Split) -> [Vec<u8>; 2] {
    let file = |magic: u32, extents: &[usize], payload: &[u8]| {
        let words = std::iter::once(magic).chain(extents.iter().map(|&extent| extent as u32));
        words.flat_map(u32::to_be_bytes).chain(payload.iter().copied()).collect()
    };
    let Images { rows, columns, pixels } = Images::of(split).expect("they are images");
    let images = file(0x0803, &[split.len(), rows, columns], pixels);
    [images, file(0x0801, &[split.len()], bytes(split.targets()))]
}

fn gzipped(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut gzipped = Vec::new();
    GzEncoder::new(bytes, Compression::new(level)).read_to_end(&mut gzipped).expect("it is in memory");
    gzipped
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn idx_files_hold_what_was_written(split in split(), level in 0u32..10, place: prop::sample::Index, byte: u8) {
        let [images, labels] = idx(&split);
        let [small_images, small_labels] = [&images, &labels].map(|file| gzipped(file, level));
        prop_assert_eq!(Split::from_idx(&images, &labels), Ok(split.clone()));
        prop_assert_eq!(Split::from_idx(&small_images, &small_labels), Ok(split.clone()));
        for (file, kind) in [(&images, 0), (&labels, 1), (&small_images, 2), (&small_labels, 3)] {
            let read = |file: &[u8]| match kind % 2 {
                0 => Split::from_idx(file, &labels),
                _ => Split::from_idx(&images, file),
            };
            let cut = place.index(file.len());
            prop_assert!(read(&file[..cut]).is_err(), "{} of {} bytes of file {}", cut, file.len(), kind);
            let more = [&file[..], &[byte]].concat();
            // Zeros after a gzip stream are padding.
            prop_assert!(read(&more).is_err() || (kind > 1 && byte == 0), "{} behind file {}", byte, kind);
        }
    }

    #[test]
    fn a_split_is_divided_without_loss_and_by_class(split in split(), count in 0usize..70, seed: u64) {
        // Each image tells which it was.
        let (numbers, labels) = ((0..split.len() as u8).collect(), bytes(split.targets()));
        let numbered = Split::of_images([1, 1], numbers, labels.to_vec()).expect("an image per label");
        let (drawn, rest) = numbered.divide(count, &Task::classify(10), &mut Random::new(seed, 4));
        prop_assert_eq!(drawn.len(), count.min(numbered.len()));
        let numbers = |part: &Split| bytes(&part.inputs()[0]).to_vec();
        let mut all = [numbers(&drawn), numbers(&rest)].concat();
        for part in [&drawn, &rest] {
            prop_assert!(numbers(part).is_sorted(), "in the order in which they were");
            let labels: Vec<u8> = numbers(part).iter().map(|&i| labels[usize::from(i)]).collect();
            prop_assert_eq!(bytes(part.targets()), &labels);
        }
        all.sort_unstable();
        prop_assert_eq!(all, numbers(&numbered), "each once");
        for (class, (of, drawn_of)) in numbered.class_counts(10).into_iter().zip(drawn.class_counts(10)).enumerate() {
            let share = of as f64 * drawn.len() as f64 / numbered.len() as f64;
            prop_assert!((drawn_of as f64 - share).abs() < 1.0, "{} of class {}, exactly {}", drawn_of, class, share);
        }
    }

    #[test]
    fn a_schedule_rises_to_the_rate_and_never_again(
        which in prop::sample::select(vec![kind::CONSTANT, kind::STEP_DECAY, kind::COSINE]),
        warmup in 0u32..50,
        every in 1u32..30,
        gamma in 0.01f32..1.0,
        steps in 1u32..100,
    ) {
        let params = ScheduleParams { kind: which, warmup, every, gamma, steps };
        let factors: Vec<f64> = (1..=warmup + steps + 2).map(|step| factor(&params, step)).collect();
        let (rising, after) = factors.split_at(warmup as usize);
        prop_assert!(factors.iter().all(|factor| (0.0..=1.0).contains(factor)), "{:?}", factors);
        prop_assert!(rising.is_sorted() && rising.first().is_none_or(|first| *first > 0.0));
        prop_assert!(rising.last().is_none_or(|last| *last == 1.0));
        // A sine near 1 may round either way.
        prop_assert!(after.is_sorted_by(|a, b| *b <= a + 1e-12) && (after[0] - 1.0).abs() < 1e-12, "{:?}", after);
        prop_assert!(which != kind::COSINE || after[steps as usize] == 0.0);
    }
}

/// The schedule's rate at this step, for a base rate of 1.
fn factor(params: &ScheduleParams, step: u32) -> f64 {
    let (counters, mut rates) = (vec![step, 0, 0, 1], vec![1.0; rate::COUNT]);
    let views = vec![("counters", View::Word(&counters)), ("rates", View::RealMut(&mut rates))];
    AnyKernel::twin_f64(&schedule::ScheduleKernel, bytemuck::bytes_of(params), &mut Args::new(views));
    rates[rate::LEARNING_RATE]
}
