//! IDX files, plain and gzipped.

use super::{Limit, Usage};
use flate2::read::MultiGzDecoder;
use shadegrad::data::{Field, Split};
use std::io::Read;

const PLAIN: Limit = Limit { factor: 2, constant: 4 << 10 };

/// Also the state of two decoders, each with its part of the 64 KiB being read.
const GZIPPED: Limit = Limit { factor: 2, constant: 256 << 10 };

/// Inputs are unpacked at most this far for comparison.
const MOST: usize = 1 << 22;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Parses the bytes as images and as labels, each with a matching counterpart.
pub fn idx(bytes: &[u8]) -> Usage {
    let limit = if bytes.starts_with(&GZIP) { GZIPPED } else { PLAIN };
    read(bytes, &unpacked(bytes).0, limit).1
}

/// The same, also parsing the unpacked contents of gzipped bytes directly.
pub fn gzip(bytes: &[u8]) -> Usage {
    let (plain, sound) = unpacked(bytes);
    let (gzipped, usage) = read(bytes, &plain, GZIPPED);
    if sound && !plain.starts_with(&GZIP) {
        assert_eq!(gzipped, read(&plain, &plain, PLAIN).0, "gzipped and plain differ");
    }
    usage
}

/// The unpacked contents of gzipped bytes as far as possible, and whether they are complete; other bytes unchanged.
fn unpacked(bytes: &[u8]) -> (Vec<u8>, bool) {
    if !bytes.starts_with(&GZIP) {
        return (bytes.to_vec(), true);
    }
    let mut plain = Vec::new();
    let outcome = MultiGzDecoder::new(bytes).take(MOST as u64).read_to_end(&mut plain);
    let sound = outcome.is_ok() && plain.len() < MOST;
    (plain, sound)
}

/// Reads a file as images and as labels. The limit depends on its contents, as far as its header requests them.
fn read(stored: &[u8], plain: &[u8], limit: Limit) -> ([Option<Split>; 2], Usage) {
    let count = plain.get(4..8).map_or(1, word);
    let [images, labels] = partners(count.clamp(1, 1 << 12));
    let pixels = plain.get(8..16).map_or(0, |sides| word(&sides[..4]).saturating_mul(word(&sides[4..])));
    let size = |header: usize, promised: usize| plain.len().min(header.saturating_add(promised)).max(stored.len());
    let outcomes = [
        limit.measure(size(17, count.saturating_mul(pixels)) + labels.len(), || Split::from_idx(stored, &labels)),
        limit.measure(size(9, count) + images.len(), || Split::from_idx(&images, stored)),
    ];
    let [(as_images, first), (as_labels, second)] = outcomes;
    if let Ok(split) = &as_images {
        check(split);
        assert_eq!([count, split.features()], [split.len(), pixels]);
        assert_eq!(bytes(&split.inputs()[0]), &plain[16..]);
    }
    if let Ok(split) = &as_labels {
        check(split);
        assert_eq!((count, bytes(split.targets())), (split.len(), &plain[8..]));
    }
    ([as_images.ok(), as_labels.ok()], if first.share() > second.share() { first } else { second })
}

fn check(split: &Split) {
    assert_eq!(split.len() * split.features(), bytes(&split.inputs()[0]).len());
    assert!(bytes(split.targets()).iter().all(|&label| label < 10));
}

fn bytes(field: &Field) -> &[u8] {
    field.bytes().expect("IDX files hold bytes")
}

/// Images of one pixel, and labels, in this number.
fn partners(count: usize) -> [Vec<u8>; 2] {
    [&[0x0803, count, 1, 1][..], &[0x0801, count]].map(|header| {
        let header = header.iter().flat_map(|&word| (word as u32).to_be_bytes());
        header.chain(std::iter::repeat_n(1, count)).collect()
    })
}

fn word(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |word, &byte| word << 8 | usize::from(byte))
}
