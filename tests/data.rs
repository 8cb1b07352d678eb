//! Data sets load correctly, and every kind of damage is reported in one helpful line.

use flate2::{Compression, write::GzEncoder};
use shadegrad::data::{Dataset, Images, Source, Split, Task};
use shadegrad::error::{Error, Kind, Result};
use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

fn idx(magic: u32, extents: &[u32], payload: &[u8]) -> Vec<u8> {
    let words = std::iter::once(&magic).chain(extents).flat_map(|word| word.to_be_bytes());
    words.chain(payload.iter().copied()).collect()
}

fn images(count: u32, rows: u32, columns: u32) -> Vec<u8> {
    let payload: Vec<u8> = (0..count * rows * columns).map(|i| (i * 7 % 256) as u8).collect();
    idx(0x803, &[count, rows, columns], &payload)
}

fn labels(count: u32) -> Vec<u8> {
    let payload: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
    idx(0x801, &[count], &payload)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writes to memory")
}

fn source(text: &str) -> Source {
    text.parse().expect("a source")
}

/// A folder with a small valid set of 30 + 10 images of 5 x 4, for tests to damage.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        folder.put(TRAIN_IMAGES, &images(30, 5, 4)).put(TRAIN_LABELS, &labels(30));
        folder.put(TEST_IMAGES, &images(10, 5, 4)).put(TEST_LABELS, &labels(10));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> &Self {
        std::fs::write(self.path(name), bytes).expect("writable");
        self
    }

    fn remove(&self, name: &str) -> &Self {
        std::fs::remove_file(self.path(name)).expect("there");
        self
    }

    fn load(&self) -> Result<Dataset> {
        source(&self.0.path().display().to_string()).load(&mut |_| panic!("nothing is downloaded"))
    }

    /// Checks that loading fails with a data error that names `file` and contains all `words`.
    #[track_caller]
    fn fails(&self, file: &str, words: &[&str]) -> Error {
        let error = self.load().expect_err("the set is not sound");
        assert_eq!((error.kind(), error.exit_code()), (Kind::Data, 3), "{error:?}");
        let path = self.path(file).display().to_string();
        for word in words.iter().copied().chain([path.trim_end_matches(['/', '\\'])]) {
            assert!(error.cause().contains(word), "`{word}` is missing from: {}", error.cause());
        }
        assert!(!error.advice().is_empty());
        assert!(!error.cause().contains('\n') && !error.advice().contains('\n'), "one line each: {error:?}");
        error
    }
}

/// Checks that training images `bytes` fail, plain and gzipped.
#[track_caller]
fn train_images_fail(bytes: &[u8], words: &[&str], gzipped_words: &[&str]) -> Error {
    Folder::new().put(TRAIN_IMAGES, &gzip(bytes)).fails(TRAIN_IMAGES, gzipped_words);
    Folder::new().put(TRAIN_IMAGES, bytes).fails(TRAIN_IMAGES, words)
}

/// The part of a set that is there to test on.
fn test_part(set: &Dataset) -> &Split {
    set.test().expect("IDX folders have a test part")
}

/// Pixels and labels of a part.
fn bytes(split: &Split) -> [&[u8]; 2] {
    [&split.inputs()[0], split.targets()].map(|field| field.bytes().expect("IDX files hold bytes"))
}

#[test]
fn plain_files_of_any_size_load() {
    let set = Folder::new().load().expect("sound");
    let images = Images::of(set.train()).expect("they are images");
    assert_eq!((images.len(), images.rows, images.columns, set.train().features()), (30, 5, 4, 20));
    assert_eq!((test_part(&set).len(), set.task()), (10, &Task::classify(10)));
    assert_eq!(bytes(set.train()), [&self::images(30, 5, 4)[16..], &labels(30)[8..]]);
    assert_eq!(bytes(test_part(&set)), [&self::images(10, 5, 4)[16..], &labels(10)[8..]]);
    assert_eq!(images.image(29), &self::images(30, 5, 4)[16 + 29 * 20..]);
}

#[test]
fn files_are_gzipped_by_their_content_whatever_their_names() {
    let plain = Folder::new();
    let mixed = Folder::new();
    mixed.put(TRAIN_IMAGES, &gzip(&images(30, 5, 4)));
    mixed.remove(TRAIN_LABELS).put("train-labels-idx1-ubyte.gz", &labels(30));
    mixed.remove(TEST_IMAGES).put("t10k-images.idx3-ubyte", &images(10, 5, 4));
    mixed.remove(TEST_LABELS).put("t10k-labels.idx1-ubyte.gz", &gzip(&labels(10)));
    let (plain, mixed) = (plain.load().expect("sound"), mixed.load().expect("sound"));
    assert_eq!((plain.train(), plain.test()), (mixed.train(), mixed.test()));
}

#[test]
fn a_gzip_file_of_several_members_is_one_file() {
    let bytes = images(30, 5, 4);
    let members = [gzip(&bytes[..100]), gzip(&bytes[100..])].concat();
    let set = Folder::new();
    set.put(TRAIN_IMAGES, &members);
    assert_eq!(self::bytes(set.load().expect("sound").train())[0], &bytes[16..]);
}

/// For the one size that the `mnist` crate parses, our reader gives the same on gzipped files.
#[test]
fn the_standard_size_loads_alike_plain_and_gzipped() {
    let standard = [
        (TRAIN_IMAGES, images(60_000, 28, 28)),
        (TRAIN_LABELS, labels(60_000)),
        (TEST_IMAGES, images(10_000, 28, 28)),
        (TEST_LABELS, labels(10_000)),
    ];
    let (plain, gzipped) = (Folder::new(), Folder::new());
    for (name, bytes) in &standard {
        plain.put(name, bytes);
        gzipped.put(name, &gzip(bytes));
    }
    let (plain, gzipped) = (plain.load().expect("sound"), gzipped.load().expect("sound"));
    let images = Images::of(plain.train()).expect("they are images");
    assert_eq!((images.rows, images.columns, test_part(&plain).len()), (28, 28, 10_000));
    assert!(bytes(plain.train()) == [&standard[0].1[16..], &standard[1].1[8..]]);
    assert!(plain.train() == gzipped.train() && plain.test() == gzipped.test());
}

#[test]
fn labels_of_the_standard_size_are_checked_too() {
    let folder = Folder::new();
    folder.put(TRAIN_IMAGES, &images(60_000, 28, 28)).put(TRAIN_LABELS, &labels(60_000));
    let mut spoiled = labels(10_000);
    spoiled[8 + 1234] = 10;
    folder.put(TEST_IMAGES, &images(10_000, 28, 28)).put(TEST_LABELS, &spoiled);
    folder.fails(TEST_LABELS, &["label 1234 at offset 1242", "found 10"]);
}

#[test]
fn a_missing_folder_or_file_names_all_four() {
    let folder = Folder::new();
    let missing = source(&folder.path("nowhere").display().to_string()).load(&mut |_| {}).expect_err("missing");
    assert!(missing.cause().contains("there is no folder") && missing.cause().contains("nowhere"), "{missing:?}");
    let error = folder.remove(TEST_IMAGES).fails("", &[TEST_IMAGES, "no such file"]);
    for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
        assert!(error.advice().contains(name) && missing.advice().contains(name), "{}", error.advice());
    }
    assert_eq!((missing.kind(), missing.exit_code()), (Kind::Data, 3));
}

#[test]
fn a_folder_in_the_place_of_a_file_is_told() {
    let folder = Folder::new();
    folder.remove(TRAIN_LABELS);
    std::fs::create_dir(folder.path(TRAIN_LABELS)).expect("writable");
    folder.fails(TRAIN_LABELS, &["not a regular file"]);
}

#[test]
fn an_empty_file_is_told() {
    train_images_fail(b"", &["is empty"], &["is empty"]);
}

#[test]
fn a_truncated_header_is_told() {
    for length in [1, 3, 4, 15] {
        let end = format!("expected 16 bytes, found the end at offset {length}");
        let gzipped = format!("expected 16 bytes, found the end at decompressed offset {length}");
        train_images_fail(&images(30, 5, 4)[..length], &["truncated", &end], &["truncated", &gzipped]);
    }
}

#[test]
fn a_truncated_payload_is_told() {
    let words = ["truncated", "expected 616 bytes (30 x 5 x 4 after the header), found 615"];
    let gzipped_words = ["truncated", "expected 616 bytes, found the end at decompressed offset 615"];
    train_images_fail(&images(30, 5, 4)[..615], &words, &gzipped_words);
}

#[test]
fn trailing_bytes_are_told() {
    let mut bytes = images(30, 5, 4);
    bytes.push(0);
    let words = ["trailing bytes", "expected 616 bytes (30 x 5 x 4 after the header), found 617"];
    train_images_fail(&bytes, &words, &["trailing bytes", "expected the end at decompressed offset 616"]);
}

#[test]
fn a_byte_swapped_magic_number_is_told() {
    let mut bytes = images(30, 5, 4);
    bytes[..4].reverse();
    let words = ["expected 0x00000803", "found 0x03080000", "byte-swapped"];
    train_images_fail(&bytes, &words, &words);
}

#[test]
fn swapped_image_and_label_files_are_told() {
    let folder = Folder::new();
    folder.put(TRAIN_IMAGES, &labels(30)).put(TRAIN_LABELS, &images(30, 5, 4));
    let error = folder.fails(TRAIN_IMAGES, &["expected 0x00000803 (images)", "found 0x00000801", "labels"]);
    assert!(error.advice().contains("swapped"), "{}", error.advice());
    folder.put(TRAIN_IMAGES, &images(30, 5, 4));
    folder.fails(TRAIN_LABELS, &["offset 0", "expected 0x00000801 (labels)", "found 0x00000803", "images"]);
}

#[test]
fn another_magic_number_is_told() {
    let floats = idx(0xd03, &[30, 5, 4], &[0; 600]);
    let words = ["expected 0x00000803 (images)", "found 0x00000d03", "another magic number"];
    train_images_fail(&floats, &words, &words);
}

#[test]
fn a_web_page_in_the_place_of_data_is_told() {
    for page in ["<!DOCTYPE html><html></html>", "\r\n <html><body>404</body></html>", "<?xml version='1.0'?><Error/>"]
    {
        let error = train_images_fail(page.as_bytes(), &["web page"], &["web page"]);
        assert!(error.advice().contains("download failed"), "{}", error.advice());
    }
}

#[test]
fn counts_that_differ_are_told() {
    let folder = Folder::new();
    let path = folder.path(TEST_IMAGES).display().to_string();
    folder.put(TEST_LABELS, &labels(9)).fails(TEST_LABELS, &["expected 10 labels", "found 9", &path]);
}

#[test]
fn sizes_that_differ_are_told() {
    let folder = Folder::new();
    folder.put(TEST_IMAGES, &images(10, 4, 5)).fails(TEST_IMAGES, &["expected images of [5, 4]", "found [4, 5]"]);
}

#[test]
fn extents_of_zero_are_told() {
    for (extents, words) in [
        ([0, 5, 4], ["offset 4", "one or more images, found 0"]),
        ([30, 0, 4], ["offset 8", "one or more rows, found 0"]),
        ([30, 5, 0], ["offset 12", "one or more columns, found 0"]),
    ] {
        train_images_fail(&idx(0x803, &extents, &[]), &words, &words);
    }
}

#[test]
fn a_label_that_is_no_class_is_told_with_its_place() {
    let mut bytes = labels(30);
    bytes[8 + 17] = 10;
    Folder::new().put(TRAIN_LABELS, &bytes).fails(TRAIN_LABELS, &["label 17 at offset 25", "found 10"]);
    Folder::new().put(TRAIN_LABELS, &gzip(&bytes)).fails(TRAIN_LABELS, &["label 17 at decompressed offset 25"]);
}

/// If memory were allocated before the check, these would abort the test: 2^96 bytes, 2^64 and 16 (which wrap to 16 in
/// 64 bits), and 2^45, which is addressable but larger than this file.
#[test]
fn extents_that_no_file_can_hold_are_refused_before_memory_is_taken() {
    let most = u32::MAX;
    for (extents, total) in [
        ([most, most, most], "79228162458924105385300197391"),
        ([1 << 31, 1 << 31, 4], "18446744073709551632"),
        ([1 << 15, 1 << 15, 1 << 15], "35184372088848"),
    ] {
        let bytes = idx(0x803, &extents, &[0; 16]);
        train_images_fail(&bytes, &["truncated", total, "found 32"], &["truncated", total, "gzipped"]);
    }
}

#[test]
fn gzip_damage_is_told() {
    let good = gzip(&images(30, 5, 4));
    let spoil = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let checksum = good.len() - 8;
    for (bytes, words) in [
        (spoil(&|b| b[checksum] ^= 1), ["damaged gzip", "checksum"]),
        (spoil(&|b| b.truncate(checksum + 3)), ["gzip stream is truncated", "offset 616"]),
        (spoil(&|b| b.truncate(checksum / 2)), ["gzip stream is truncated", "offset"]),
        (spoil(&|b| b.truncate(5)), ["gzip stream is truncated", "offset 0"]),
        (spoil(&|b| b.extend(b"trailing garbage")), ["damaged gzip", "decompressed offset 616"]),
        (spoil(&|b| b[10..40].fill(0xff)), ["damaged gzip", "offset"]),
    ] {
        Folder::new().put(TRAIN_IMAGES, &bytes).fails(TRAIN_IMAGES, &words);
    }
}

/// A stream of 64 MiB whose header announces 600 bytes, truncated at the end. Only a reader that gets there would
/// report that; ours stops one byte past the announced size.
#[test]
fn a_gzip_bomb_is_not_unpacked() {
    let mut bomb = gzip(&[images(30, 5, 4), vec![0; 1 << 26]].concat());
    bomb.truncate(bomb.len() - 8);
    Folder::new().put(TRAIN_IMAGES, &bomb).fails(TRAIN_IMAGES, &["trailing bytes", "decompressed offset 616"]);
}

#[test]
fn sources_are_read_as_they_are_written() {
    for text in ["digits", "mnist", "some/folder"] {
        assert_eq!(source(text).to_string(), text);
    }
    assert_eq!("".parse::<Source>().expect_err("nothing").kind(), Kind::Usage);
    assert_eq!(Source::values(), "digits|mnist|DIR");
    assert_eq!(
        Source::help(),
        "`digits` (embedded), `mnist` (downloaded), a folder with four IDX files, or a folder with NumPy arrays (train_x.npy, \
         train_y.npy, test_x.npy, test_y.npy)"
    );
    let empty = tempfile::tempdir().expect("a temporary folder");
    let error = source(&empty.path().display().to_string()).load(&mut |_| {}).expect_err("nothing is there");
    assert!(error.kind() == Kind::Data && error.cause().contains("found none"), "{error}");
    assert!(
        error.advice().contains(TRAIN_IMAGES) && error.advice().contains("; or put NumPy arrays there: train_x.npy"),
        "{}",
        error.advice()
    );
}
