//! Contact sheets: a grid of samples as a picture, to look at a data set.

use super::{CLASSES, Split};
use crate::error::{Error, Kind, Result};

/// Pixels of paper between two samples and around them.
const GAP: usize = 4;

const PAPER: u8 = 255;

/// The most pixels a sheet may have: more than any screen shows, and less than any machine's memory.
const MOST_PIXELS: usize = 1 << 28;

/// For each class the indices of its first `count` samples: the rows of a sheet that shows every class.
pub fn by_class(split: &Split, count: usize) -> Vec<Vec<usize>> {
    (0..CLASSES)
        .map(|class| (0..split.len()).filter(|&i| usize::from(split.labels[i]) == class).take(count).collect())
        .collect()
}

/// A PNG of the samples that `grid` names, a row of indices for each row of the sheet: dark ink on white paper.
pub fn contact_sheet(split: &Split, grid: &[Vec<usize>]) -> Result<Vec<u8>> {
    let across = grid.iter().map(Vec::len).max().unwrap_or(0);
    if across == 0 {
        return Err(Error::new(Kind::Usage, "a sheet without samples", "ask for at least one sample"));
    }
    if let Some(index) = grid.iter().flatten().find(|&&index| index >= split.len()) {
        let cause = format!("there is no sample {index}: the set has {}", split.len());
        return Err(Error::new(Kind::Usage, cause, "count samples from 0"));
    }
    let extent = |count: usize, size: usize| GAP + count * (size + GAP);
    let (width, height) = (extent(across, split.columns), extent(grid.len(), split.rows));
    if width.saturating_mul(height) > MOST_PIXELS {
        let cause = format!("a sheet of {width} x {height} pixels is too large");
        return Err(Error::new(Kind::Usage, cause, "ask for fewer samples"));
    }

    let mut pixels = vec![PAPER; width * height];
    for (down, row) in grid.iter().enumerate() {
        for (right, &index) in row.iter().enumerate() {
            let corner = extent(down, split.rows) * width + extent(right, split.columns);
            for (y, line) in split.image(index).chunks_exact(split.columns).enumerate() {
                let target = &mut pixels[corner + y * width..][..split.columns];
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
