//! Loads a data set from a folder with four IDX files.

mod file;

use super::format::DataFormat;
use crate::data::{Dataset, Provenance, Split, Task};
use crate::error::{Error, Kind, Result};
use file::{CLASSES, Content, IdxFile, check_counts};
use mnist::MnistBuilder;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Registry entry.
pub(super) const FORMAT: DataFormat = DataFormat {
    value: "DIR",
    about: "a folder with four IDX files",
    files: ADVICE,
    recognizes: |place| FILES.iter().any(|(name, _)| locate(Path::new(place), name).is_some()),
    load: |place, _| load(Path::new(place), place),
};

const ADVICE: &str = "put these four files there, plain or as .gz: train-images-idx3-ubyte, train-labels-idx1-ubyte, \
                      t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte";

/// MNIST's file names and their contents: training images and labels, test images and labels.
const FILES: [(&str, Content); 4] = [
    ("train-images-idx3-ubyte", Content::Images),
    ("train-labels-idx1-ubyte", Content::Labels),
    ("t10k-images-idx3-ubyte", Content::Images),
    ("t10k-labels-idx1-ubyte", Content::Labels),
];

/// Images, rows and columns of MNIST's own files: the only sizes the `mnist` crate reads.
const STANDARD: [(usize, usize, usize); 2] = [(60_000, 28, 28), (10_000, 28, 28)];

/// Loads the four files, all of them checked.
///
/// Our reader opens every file and checks header, length and labels. If all four are uncompressed and have MNIST's own
/// sizes, the `mnist` crate then parses them: it supports nothing else, panics on unexpected data, and never checks the
/// payload's length. Gzipped files and other sizes are parsed by our reader.
pub(super) fn load(folder: &Path, name: &str) -> Result<Dataset> {
    let paths = find(folder)?;
    let mut files = Vec::with_capacity(4);
    for (path, (_, content)) in paths.iter().zip(FILES) {
        files.push(IdxFile::open(path, content)?);
    }
    check_together(&files)?;

    let payloads = match parse_standard(folder, &files)? {
        Some(payloads) => payloads,
        // Collect before returning an error, so that it is the first file's, not the first in time.
        None => files.par_iter_mut().map(IdxFile::payload).collect::<Vec<_>>().into_iter().collect::<Result<_>>()?,
    };
    let mut payloads = payloads.into_iter();
    let mut split = |images: &IdxFile<'_>| {
        let &[rows, columns] = images.item_extents() else { return None };
        Some(Split::of_images([rows, columns], payloads.next()?, payloads.next()?))
    };
    let (train, test) = split(&files[0]).zip(split(&files[2])).expect("two pairs of files were read");
    let source = Provenance { format: "idx", place: folder.display().to_string() };
    Dataset::new(name, Task::classify(CLASSES), train?, source)?.with_test(test?)
}

/// The four paths.
fn find(folder: &Path) -> Result<Vec<PathBuf>> {
    let found = |(name, _): &(&str, Content)| {
        locate(folder, name).ok_or_else(|| {
            let cause = format!("{}: expected {name}, found no such file", folder.display());
            Error::new(Kind::Data, cause, ADVICE)
        })
    };
    FILES.iter().map(found).collect()
}

/// The file with this name, plain or gzipped, also with MNIST's older spelling.
fn locate(folder: &Path, name: &str) -> Option<PathBuf> {
    let spellings = [name.to_string(), name.replace("-idx", ".idx")];
    let names = spellings.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]);
    names.map(|name| folder.join(name)).find(|path| path.exists())
}

/// Checks across files: a label for each image, and equal image sizes.
fn check_together(files: &[IdxFile<'_>]) -> Result<()> {
    for pair in files.chunks_exact(2) {
        check_counts(&pair[0], &pair[1])?;
    }
    let (train, test) = (&files[0], &files[2]);
    if train.item_extents() != test.item_extents() {
        let cause = format!(
            "{}: expected images of {:?} pixels, as in {}, found {:?}",
            test.path().display(),
            train.item_extents(),
            train.path().display(),
            test.item_extents(),
        );
        return Err(Error::new(Kind::Data, cause, "take training and test files from the same set"));
    }
    Ok(())
}

/// The payloads parsed by the `mnist` crate, or `None` if it cannot read these files.
fn parse_standard(folder: &Path, files: &[IdxFile<'_>]) -> Result<Option<Vec<Vec<u8>>>> {
    let standard = files.chunks_exact(2).zip(STANDARD).all(|(pair, (count, rows, columns))| {
        pair.iter().all(|file| file.count() == count && !file.is_compressed())
            && pair[0].item_extents() == [rows, columns]
    });
    let names: Option<Vec<&str>> = files.iter().map(|file| file.path().file_name()?.to_str()).collect();
    let (true, Some(folder), Some(names)) = (standard, folder.to_str(), names) else { return Ok(None) };

    // The files passed every check, so only a concurrent change can make the crate panic.
    let parsed = std::panic::catch_unwind(|| {
        MnistBuilder::new()
            .base_path(folder)
            .training_images_filename(names[0])
            .training_labels_filename(names[1])
            .test_images_filename(names[2])
            .test_labels_filename(names[3])
            .finalize()
    })
    .map_err(|_| {
        let cause = format!("{folder}: the files changed while they were read");
        Error::new(Kind::Data, cause, "wait until the files are complete, then try again")
    })?;
    let payloads = vec![parsed.trn_img, parsed.trn_lbl, parsed.tst_img, parsed.tst_lbl];
    files[1].check_labels(&payloads[1])?;
    files[3].check_labels(&payloads[3])?;
    Ok(Some(payloads))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    /// Files of zeros, which take no space on most file systems.
    fn zeros(folder: &Path, counts: [u32; 2], side: u32) -> Vec<IdxFile<'static>> {
        let open = |(i, (name, content)): (usize, (&str, Content))| {
            let (path, count) = (folder.join(name), counts[i / 2]);
            let header = match content {
                Content::Images => vec![0x803, count, side, side],
                Content::Labels => vec![0x801, count],
            };
            let payload: u32 = header[1..].iter().product();
            let mut file = File::create(&path).expect("writable");
            header.iter().for_each(|word| file.write_all(&word.to_be_bytes()).expect("room"));
            file.set_len(4 * header.len() as u64 + u64::from(payload)).expect("room");
            IdxFile::open(&path, content).expect("sound")
        };
        FILES.into_iter().enumerate().map(open).collect()
    }

    #[test]
    fn the_mnist_crate_parses_what_it_can_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let parses = |counts, side| {
            let files = zeros(folder.path(), counts, side);
            parse_standard(folder.path(), &files).expect("sound").is_some()
        };
        assert!(parses([60_000, 10_000], 28));
        assert!(!parses([60_000, 10_001], 28) && !parses([59_999, 10_000], 28) && !parses([60_000, 10_000], 27));
    }

    #[test]
    fn a_file_that_changes_between_check_and_parse_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = zeros(folder.path(), [60_000, 10_000], 28);
        let shorten = |length| {
            let labels = File::options().write(true).open(files[3].path()).expect("there");
            labels.set_len(length).expect("writable");
            parse_standard(folder.path(), &files).expect_err("changed")
        };
        for length in [10_007, 3] {
            let error = shorten(length);
            assert!(error.kind() == Kind::Data && error.cause().contains("changed while"), "{error:?}");
        }
    }
}
