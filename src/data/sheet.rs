//! Contact sheets: a grid of samples as an image, for looking at a data set.

use super::{Dataset, Images, Split};
use crate::error::{Error, Kind, Result};

/// Pixels between and around samples.
const GAP: usize = 4;

const PAPER: u8 = 255;

/// Maximum number of pixels: more than any screen, less than any machine's memory.
const MOST_PIXELS: usize = 1 << 28;

/// For each class, the indices of its first `count` training samples: the rows of a sheet with all classes. Other tasks
/// have one row.
pub fn by_class(data: &Dataset, count: usize) -> Vec<Vec<usize>> {
    let mut classes = data.task().strata(data.train().targets());
    classes.iter_mut().for_each(|members| members.truncate(count));
    classes
}

/// An overview of a data set: a row per class with twenty training samples each.
///
/// # Errors
/// As for [`contact_sheet`].
pub fn overview(data: &Dataset) -> Result<Vec<u8>> {
    contact_sheet(data.train(), &by_class(data, 20))
}

/// A PNG of the samples in `grid`, rows of indices for each row of the sheet: dark ink on white paper.
///
/// # Errors
/// Returns an error if the samples are not grayscale images, or there are none, an unknown one or too many.
pub fn contact_sheet(split: &Split, grid: &[Vec<usize>]) -> Result<Vec<u8>> {
    let across = grid.iter().map(Vec::len).max().unwrap_or(0);
    if across == 0 {
        return Err(Error::new(Kind::Usage, "a sheet without samples", "ask for at least one sample"));
    }
    if let Some(index) = grid.iter().flatten().find(|&&index| index >= split.len()) {
        let cause = format!("there is no sample {index}: the set has {}", split.len());
        return Err(Error::new(Kind::Usage, cause, "count samples from 0"));
    }
    let images = Images::of(split)?;
    let extent = |count: usize, size: usize| GAP + count * (size + GAP);
    let (width, height) = (extent(across, images.columns), extent(grid.len(), images.rows));
    if width.saturating_mul(height) > MOST_PIXELS {
        let cause = format!("a sheet of {width} x {height} pixels is too large");
        return Err(Error::new(Kind::Usage, cause, "ask for fewer samples"));
    }

    let mut pixels = vec![PAPER; width * height];
    for (down, row) in grid.iter().enumerate() {
        for (right, &index) in row.iter().enumerate() {
            let corner = extent(down, images.rows) * width + extent(right, images.columns);
            for (y, line) in images.image(index).chunks_exact(images.columns).enumerate() {
                let target = &mut pixels[corner + y * width..][..images.columns];
                target.iter_mut().zip(line).for_each(|(pixel, ink)| *pixel = PAPER - ink);
            }
        }
    }
    encode(width, height, &pixels)
}

fn encode(width: usize, height: usize, pixels: &[u8]) -> Result<Vec<u8>> {
    let failed = |error: png::EncodingError| {
        Error::new(
            Kind::Io,
            format!("cannot encode a sheet of {width} x {height} pixels: {error}"),
            "ask for fewer samples",
        )
    };
    let mut file = Vec::new();
    // `MOST_PIXELS` keeps both below 2^32.
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::super::{DIGITS_SEED, Provenance, Task, digits};
    use super::*;

    fn decode(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("fits")];
        let frame = reader.next_frame(&mut pixels).expect("whole");
        assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Grayscale, png::BitDepth::Eight));
        (frame.width, frame.height, pixels)
    }

    #[test]
    fn the_sheet_in_assets_shows_the_digits_as_they_are_drawn_now() {
        let drawn = overview(&digits(DIGITS_SEED)).expect("twenty of each class");
        let kept = include_bytes!("../../assets/digits.png");
        assert!(
            decode(&drawn) == decode(kept),
            "the digits have changed; look at them with `shadegrad data show digits --out assets/digits.png`, and commit it"
        );
    }

    #[test]
    fn samples_lie_in_their_cells_dark_on_white() {
        let split = Split::of_images([1, 2], vec![0, 255, 100, 5, 1, 2], vec![3, 0, 3]).expect("an image per label");
        let source = Provenance { format: "test", place: "three".to_owned() };
        let data = Dataset::new("three", Task::classify(10), split, source).expect("sound");
        let grid = by_class(&data, 5);
        assert_eq!((&grid[0], &grid[3], grid.iter().flatten().count()), (&vec![1], &vec![0, 2], 3));
        let (width, height, pixels) = decode(&contact_sheet(data.train(), &grid[3..5]).expect("two samples"));
        // Two samples across with three gaps; two rows with three gaps, the second without samples.
        assert_eq!((width, height), (4 + 6 + 6, 4 + 5 + 5));
        let mut expected = vec![255; 16 * 14];
        expected[4 * 16 + 4..][..2].copy_from_slice(&[255, 0]);
        expected[4 * 16 + 10..][..2].copy_from_slice(&[254, 253]);
        assert_eq!(pixels, expected);
    }

    #[test]
    fn a_sheet_of_nothing_of_what_is_not_there_and_of_too_much_is_refused() {
        let split = Split::of_images([1, 1], vec![0], vec![0]).expect("an image per label");
        for (grid, word) in [
            (vec![vec![]; 10], "without samples"),
            (vec![vec![0, 1]], "no sample 1"),
            (vec![vec![0; 1 << 12]; 1 << 12], "too large"),
        ] {
            let error = contact_sheet(&split, &grid).expect_err("refused");
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.cause().contains(word), "{}", error.cause());
        }
    }
}
