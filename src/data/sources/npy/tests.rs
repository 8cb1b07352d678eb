use super::*;
use crate::data::{Images, Source};
use crate::error::Kind;
use std::fmt::Write as _;

/// A version 1.0 file as written by NumPy, with its header padded to 64 bytes.
fn npy(descr: &str, fortran: bool, shape: &[usize], payload: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let extents = shape.iter().fold(String::new(), |mut text, extent| {
        let _ = write!(text, "{extent}, ");
        text
    });
    with_header(&format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({extents}), }}"), payload)
}

fn with_header(text: &str, payload: &[u8]) -> Vec<u8> {
    let length = (text.len() + 1 + 10).next_multiple_of(64) - 10;
    let header = format!("{text:<width$}\n", width = length - 1);
    [MAGIC, &[1, 0], &(length as u16).to_le_bytes(), header.as_bytes(), payload].concat()
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// The same file in version 2.0, whose header length has four bytes.
fn second_version(file: &[u8]) -> Vec<u8> {
    [MAGIC, &[2, 0], &file[8..10], &[0, 0], &file[10..]].concat()
}

fn bytes<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

/// Three classes, as bytes.
fn classes() -> Vec<u8> {
    npy("|u1", false, &[3], &[2, 0, 1])
}

/// Checks that reading `inputs` with three classes fails with a data error that contains all `words`.
#[track_caller]
fn refused(inputs: &[u8], words: &[&str]) {
    fails(Dataset::from_npy(inputs, &classes()), words);
}

#[track_caller]
fn fails(read: Result<Dataset>, words: &[&str]) {
    let error = read.expect_err("the file is not valid");
    assert_eq!(error.kind(), Kind::Data, "{error}");
    for word in words {
        assert!(error.cause().contains(word), "`{word}` is missing in: {error}");
    }
    assert!(!error.advice().is_empty());
}

#[test]
fn inputs_of_every_type_and_shape_are_read_in_both_versions() {
    let six = |field: FieldValues| (field, [3usize, 2]);
    for (descr, payload, (expected, shape)) in [
        ("|u1", vec![0, 1, 2, 253, 254, 255], six(FieldValues::U8(vec![0, 1, 2, 253, 254, 255]))),
        ("<u2", bytes(&[0u16, 1, 2, 3, 4, 65_535]), six(FieldValues::U16(vec![0, 1, 2, 3, 4, 65_535]))),
        ("<u4", bytes(&[0u32, 1, 2, 3, 4, u32::MAX]), six(FieldValues::U32(vec![0, 1, 2, 3, 4, u32::MAX]))),
        ("<f4", bytes(&[0.5f32, -1.0, 2.0, 3.0, 4.0, 5.0]), six(FieldValues::F32(vec![0.5, -1.0, 2.0, 3.0, 4.0, 5.0]))),
        ("<f8", bytes(&[0.1f64, -1.0, 2.0, 3.0, 4.0, 5.0]), six(FieldValues::F32(vec![0.1, -1.0, 2.0, 3.0, 4.0, 5.0]))),
    ] {
        let file = npy(descr, false, &shape, &payload);
        for file in [file.clone(), second_version(&file)] {
            let data = Dataset::from_npy(&file, &classes()).expect("sound");
            let [input] = data.train().inputs() else { panic!("one input") };
            assert_eq!((input.values(), input.item().extents()), (&expected, &[2][..]), "{descr}");
            assert_eq!((data.task(), data.test()), (&Task::classify(3), None));
            assert_eq!(data.train().targets().bytes(), Some(&[2, 0, 1][..]));
        }
    }
    let numbers = Dataset::from_npy(&npy("|u1", false, &[3], &[7, 8, 9]), &classes()).expect("sound");
    assert_eq!(numbers.train().inputs()[0].item().extents(), [1], "a number for each item");
    let images = Dataset::from_npy(&npy("|u1", false, &[3, 1, 2], &[7, 8, 9, 1, 2, 3]), &classes()).expect("sound");
    assert_eq!(Images::of(images.train()).expect("they are images").image(2), [2, 3]);
}

#[test]
fn fortran_order_becomes_c_order() {
    // Element [i, j, k] is 100 i + 10 j + k; i is contiguous in the file.
    let element = |[i, j, k]: [u16; 3]| 100 * i + 10 * j + k;
    let all = |extents: [u16; 3], order: fn([u16; 3]) -> [u16; 3]| -> Vec<u16> {
        let [a, b, c] = extents;
        let indices = (0..a).flat_map(|i| (0..b).flat_map(move |j| (0..c).map(move |k| [i, j, k])));
        indices.map(|index| element(order(index))).collect()
    };
    let file = npy("<u2", true, &[3, 2, 4], &bytes(&all([4, 2, 3], |[k, j, i]| [i, j, k])));
    let data = Dataset::from_npy(&file, &classes()).expect("sound");
    assert_eq!(data.train().inputs()[0].values(), &FieldValues::U16(all([3, 2, 4], |index| index)));
    let same = npy("|u1", true, &[3], &[2, 0, 1]);
    assert_eq!(Dataset::from_npy(&file, &same), Ok(data), "one axis has one order");
}

#[test]
fn classes_of_every_type_are_read_into_the_narrowest() {
    let inputs = npy("|u1", false, &[3], &[7, 8, 9]);
    for (descr, payload) in [
        ("<u2", bytes(&[2u16, 0, 1])),
        ("<u4", bytes(&[2u32, 0, 1])),
        ("<i4", bytes(&[2i32, 0, 1])),
        ("<i8", bytes(&[2i64, 0, 1])),
    ] {
        let read = Dataset::from_npy(&inputs, &npy(descr, false, &[3], &payload));
        assert_eq!(read, Dataset::from_npy(&inputs, &classes()), "{descr}");
    }
    let of = |most: i64| {
        let data = Dataset::from_npy(&inputs, &npy("<i8", false, &[3], &bytes(&[0, most, 1]))).expect("sound");
        (data.task().outputs().len(), data.train().targets().values().type_name())
    };
    assert_eq!([of(255), of(256), of(65_535)], [(256, "u8"), (257, "u16"), (65_536, "u16")]);
    for (found, place) in [(65_536, "found 65536"), (-1, "found -1"), (i64::MIN, "found -9223372036854775808")] {
        let read = Dataset::from_npy(&inputs, &npy("<i8", false, &[3], &bytes(&[0, 1, found])));
        fails(read, &["y: class 2 at byte 144: expected an index from 0 to 65535", place]);
    }
    for (file, words) in [
        (npy("<f4", false, &[3], &bytes(&[0.0f32, 1.0, 2.0])), ["classes of |u1", "found <f4"]),
        (npy("|u1", false, &[2], &[0, 1]), ["shape [3], one per item of x", "found [2]"]),
        (npy("|u1", false, &[3, 1], &[0, 1, 2]), ["shape [3]", "found [3, 1]"]),
    ] {
        fails(Dataset::from_npy(&inputs, &file), &words);
    }
}

#[test]
fn damaged_headers_are_reported_with_their_place() {
    let sound = npy("|u1", false, &[3], &[7, 8, 9]);
    for (length, words) in [
        (0, "at byte 0: expected `\\x93NUMPY`, found ``"),
        (5, "found `\\x93NUMP`"),
        (6, "is truncated: it ends at byte 6"),
        (9, "is truncated: it ends at byte 9"),
        (50, "expected a header of 118 bytes, found 40"),
        (128, "expected 131 bytes (|u1 [3] from byte 128 on), found 128"),
    ] {
        refused(&sound[..length], &[words]);
    }
    refused(&[&sound[..], &[0]].concat(), &["expected 131 bytes", "found 132"]);
    refused(b"PK\x03\x04 a zip file", &["at byte 0", "found `PK\\x03\\x04 a`"]);
    for version in [[1, 1], [3, 0], [0, 0]] {
        let found = format!("found {}.{}", version[0], version[1]);
        refused(&[MAGIC, &version, &sound[8..]].concat(), &["at byte 6: expected version 1.0 or 2.0", &found]);
    }
    let header = |text: &str, words: &str| refused(&with_header(text, &[7, 8, 9]), &[words]);
    header("", "at byte 64: expected `{`, found the end of the header");
    header("[]", "at byte 10: expected `{`, found `[]");
    header("{}", "at byte 64: expected descr, fortran_order and shape");
    header("{'descr': '|u1', 'shape': (3,)}", "expected descr, fortran_order and shape, found the end");
    header(
        "{'descr': '|u1', 'descr': '|u1'}",
        "at byte 27: expected descr, fortran_order and shape, once each, found `descr`",
    );
    header("{'strides': (1,)}", "at byte 11: expected descr, fortran_order and shape, once each, found `strides`");
    header("{descr: '|u1'}", "at byte 11: expected a string, found `descr: '|u1'}");
    header("{'descr", "at byte 11: expected a string that ends");
    header("{'descr' '|u1'}", "at byte 19: expected `:`");
    header("{'descr': '|u1' 'shape': (3,)}", "at byte 26: expected `}`");
    header(
        "{'descr': [('a', '<f4')]}",
        "at byte 20: expected one element type of |u1, <u2, <u4, <i4, <i8, <f4, <f8, found `[(",
    );
    header(
        "{'descr': '>f4'}",
        "at byte 20: expected an element type of |u1, <u2, <u4, <i4, <i8, <f4, <f8, found `>f4`",
    );
    header("{'descr': '|O'}", "found `|O`");
    header("{'fortran_order': 0}", "at byte 28: expected True or False, found `0}");
    header("{'shape': 3}", "at byte 20: expected `(`");
    header("{'shape': (3, -1)}", "at byte 24: expected an extent, found `-1)}");
    header("{'shape': (99999999999999999999,)}", "at byte 21: expected an extent");
    header("{'shape': (3 4)}", "at byte 23: expected `)`");
    header(
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)} 5",
        "at byte 66: expected the end of the header, found `5`",
    );
    // Python would accept these too.
    let odd = "{\"shape\":(3,),'fortran_order':False,'descr':\"|u1\"}";
    Dataset::from_npy(&with_header(odd, &[7, 8, 9]), &classes()).expect("sound");
}

/// If memory were allocated before the check, these would abort the test.
#[test]
fn sizes_that_the_file_cannot_hold_are_refused_before_memory_is_taken() {
    let most = usize::MAX;
    for (shape, words) in [
        (vec![1 << 45], "expected 35184372088960 bytes (|u1 [35184372088832]"),
        (vec![most, most], "expected 340282366920938463426481119284349108353 bytes"),
        (vec![most, most, most], "expected more than 2^128 bytes"),
        (vec![3, 0], "found an array of shape [3, 0]"),
        (vec![0], "found an array of shape [0]"),
        (vec![], "expected one item or more, found an array of shape []"),
    ] {
        refused(&npy("|u1", false, &shape, &[7, 8, 9]), &[words]);
    }
    let long = [MAGIC, &[2, 0], &u32::MAX.to_le_bytes(), b"{'descr': '|u1'"].concat();
    refused(&long, &["expected a header of 4294967295 bytes, found 15"]);
}

#[test]
fn inputs_that_are_no_measurements_are_refused() {
    refused(&npy("<i8", false, &[3], &bytes(&[1i64, 2, 3])), &["expected inputs of |u1", "found <i8"]);
    let wide = npy("<f8", false, &[3], &bytes(&[1.0, f64::INFINITY, 1e39]));
    refused(&wide, &["x: element 2 at byte 144: expected a number in the range of f32, found 1e39"]);
}

#[test]
fn folders_have_a_part_to_train_on_and_may_have_one_to_test_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("writable");
    let path = folder.path().display().to_string();
    let load = || path.parse::<Source>().and_then(|source| source.load(&mut |_| panic!("nothing is downloaded")));
    fails(load(), &["expected the files of a data set, found none"]);
    let (inputs, other) = (npy("|u1", false, &[3], &[7, 8, 9]), npy("<u2", false, &[3], &bytes(&[7u16, 8, 9])));
    put("y.npy", &classes());
    fails(load(), &["x.npy: there is no such file"]);
    put("x.npy", &inputs);
    let data = load().expect("sound");
    assert_eq!((data.name(), data.train().len(), data.test()), (path.as_str(), 3, None));
    put("test_x.npy", &inputs);
    fails(load(), &["test_y.npy: there is no such file"]);
    put("test_y.npy", &npy("<i4", false, &[3], &bytes(&[300i32, 0, 1])));
    let data = load().expect("sound");
    assert_eq!((data.task(), data.test().map(Split::len)), (&Task::classify(301), Some(3)), "classes of both parts");
    assert_eq!(data.train().targets().values(), &FieldValues::U16(vec![2, 0, 1]), "types of both parts");
    put("test_x.npy", &other);
    fails(load(), &["expected test items of x [1] u8, y [] u16, found x [1] u16, y [] u16"]);
    std::fs::remove_file(folder.path().join("y.npy")).expect("there");
    std::fs::create_dir(folder.path().join("y.npy")).expect("writable");
    fails(load(), &["y.npy: is not a regular file"]);
}
