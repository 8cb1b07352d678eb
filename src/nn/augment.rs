//! Random augmentation of images during training.

use crate::error::{Error, Kind, Result};
use crate::ops::batch::gather::GatherParams;
use crate::ops::batch::gather_augmented::{self, GatherAugmentedParams, NOISE_DEVIATION, threshold};
use crate::ops::word;
use crate::random::seed_words;
use crate::shape::TensorType;
use std::fmt;
use std::str::FromStr;

/// Amounts of augmentation, drawn anew for each image and epoch. The default changes nothing and costs nothing.
///
/// As text, `rotate=10,shift=2,hflip=0.5`: amounts not given are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Maximum rotation in degrees, in either direction: 0 to 180.
    pub rotate: f32,
    /// Maximum shift in pixels along both axes: 0 to 1000.
    pub shift: f32,
    /// Maximum relative change in size: 0 to 0.5.
    pub scale: f32,
    /// Maximum shear in columns per row, in either direction: 0 to 2.
    pub shear: f32,
    /// Probability of a horizontal flip.
    pub hflip: f32,
    /// Probability of a vertical flip.
    pub vflip: f32,
    /// Standard deviation of noise added to each pixel, with ink 1 and paper 0; results are clamped to 0 to 1.
    pub noise: f32,
    /// Probability of erasing a rectangle up to half as high and wide as the image.
    pub erase: f32,
}

/// Name, maximum and field of an amount.
type AmountField = (&'static str, f32, fn(&mut Augment) -> &mut f32);

/// In field order.
const AMOUNTS: [AmountField; 8] = [
    ("rotate", 180.0, |augment| &mut augment.rotate),
    ("shift", 1000.0, |augment| &mut augment.shift),
    ("scale", 0.5, |augment| &mut augment.scale),
    ("shear", 2.0, |augment| &mut augment.shear),
    ("hflip", 1.0, |augment| &mut augment.hflip),
    ("vflip", 1.0, |augment| &mut augment.vflip),
    ("noise", 1.0, |augment| &mut augment.noise),
    ("erase", 1.0, |augment| &mut augment.erase),
];

/// Larger sides are rejected: positions in an image must be exact in f32, including halves.
const LARGEST_SIDE: usize = 1 << 16;

impl Augment {
    /// Whether it changes any image.
    pub fn is_on(&self) -> bool {
        *self != Self::default()
    }

    /// Each amount with its name and maximum.
    fn amounts(mut self) -> [(&'static str, f32, f32); 8] {
        AMOUNTS.map(|(name, most, field)| (name, *field(&mut self), most))
    }

    /// Checks each amount.
    ///
    /// # Errors
    /// If an amount is out of range; names it and its range.
    pub fn validate(&self) -> Result<()> {
        match self.amounts().into_iter().find(|(_, amount, most)| !(0.0..=*most).contains(amount)) {
            None => Ok(()),
            Some((name, amount, most)) => Err(Error::new(
                Kind::Usage,
                format!("an augmentation of {name}={amount}"),
                format!("give {name} a number from 0 to {most}"),
            )),
        }
    }

    /// This for inputs of shape `item`, with the rows and columns of an image, if it changes any.
    ///
    /// # Errors
    /// Returns an error if it changes images and the inputs are none.
    pub fn over(self, item: &TensorType) -> Result<Option<(Self, [usize; 2])>> {
        match item.extents() {
            _ if !self.is_on() => Ok(None),
            &[rows, columns] => Ok(Some((self, [rows, columns]))),
            _ => Err(Error::new(
                Kind::Usage,
                format!("augmentation of inputs of shape {}, which are not images of [rows, columns]", item.shape),
                "leave --augment out, or use a data set of images",
            )),
        }
    }

    /// `samples` images of `[rows, columns]` as augmented in the first epoch of training with `seed`, in \[0, 1];
    /// `images` are packed as on the device.
    ///
    /// # Errors
    /// If an amount is out of range, or the images are empty or too large.
    pub fn preview(&self, images: &[u32], samples: usize, image: [usize; 2], seed: u64) -> Result<Vec<f32>> {
        self.validate()?;
        let features = word(image[0].saturating_mul(image[1]))?;
        let (samples, [seed_low, seed_high]) = (word(samples)?, seed_words(seed));
        let gather = GatherParams { samples, features, batch: samples, shuffle: 0, seed_low, seed_high };
        Ok(gather_augmented::preview(&self.gather(gather, image)?, images))
    }

    /// Parameters of a gather that augments images of `[rows, columns]`.
    ///
    /// # Errors
    /// If the images are empty or too large.
    pub fn gather(&self, gather: GatherParams, [rows, columns]: [usize; 2]) -> Result<GatherAugmentedParams> {
        let fits = rows.checked_mul(columns) == Some(gather.features as usize);
        if !fits || rows.max(columns) > LARGEST_SIDE {
            return Err(Error::new(
                Kind::Usage,
                format!("augmentation of {} inputs as images of {rows}x{columns}", gather.features),
                format!("augment images of at most {LARGEST_SIDE} rows and columns, or leave --augment out"),
            ));
        }
        let GatherParams { samples, features, batch, shuffle, seed_low, seed_high } = gather;
        Ok(GatherAugmentedParams {
            samples,
            features,
            batch,
            shuffle,
            seed_low,
            seed_high,
            rows: word(rows)?,
            columns: word(columns)?,
            half_angle: (0.5 * f64::from(self.rotate).to_radians()) as f32,
            shift: self.shift,
            scale: self.scale,
            shear: self.shear,
            horizontal_flip: threshold(self.hflip.into()),
            vertical_flip: threshold(self.vflip.into()),
            noise: (f64::from(self.noise) / NOISE_DEVIATION) as f32,
            erase: threshold(self.erase.into()),
        })
    }
}

impl FromStr for Augment {
    type Err = Error;

    /// Parses `NAME=AMOUNT,...`. Ranges are checked by [`Self::validate`].
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |cause: String| Err(Error::new(Kind::Usage, cause, "give such as rotate=10,shift=2,hflip=0.5"));
        let mut augment = Self::default();
        let mut seen = Vec::new();
        for part in text.split(',') {
            let Some((name, value)) = part.split_once('=') else {
                return refuse(format!("`{part}` is not NAME=AMOUNT"));
            };
            let Some((name, _, field)) = AMOUNTS.iter().find(|(known, ..)| *known == name) else {
                let known = AMOUNTS.map(|(name, ..)| name).join(", ");
                return refuse(format!("unknown augmentation `{name}`: choose from {known}"));
            };
            if seen.contains(name) {
                return refuse(format!("`{name}` is repeated"));
            }
            seen.push(*name);
            let Ok(value) = value.parse() else {
                return refuse(format!("the amount `{value}` of {name} is not a number"));
            };
            *field(&mut augment) = value;
        }
        Ok(augment)
    }
}

/// The format it is parsed from; `none` if it changes nothing.
impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.amounts().into_iter().filter(|(_, amount, _)| *amount != 0.0);
        let parts: Vec<_> = on.map(|(name, amount, _)| format!("{name}={amount}")).collect();
        f.write_str(if parts.is_empty() { "none".to_owned() } else { parts.join(",") }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "rotate=10,shift=2,scale=0.1,shear=0.1,hflip=0.5,vflip=0.5,noise=0.05,erase=0.1";

    #[test]
    fn text_is_read_and_shown_alike() {
        let augment: Augment = ALL.parse().expect("all are known");
        assert_eq!(augment.to_string(), ALL);
        assert!(augment.is_on() && augment.validate().is_ok());
        assert!(!Augment::default().is_on() && Augment::default().to_string() == "none");
        assert_eq!("rotate=0".parse(), Ok(Augment::default()));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, words) in [
            ("", "`` is not"),
            ("rotate", "`rotate` is not"),
            ("spin=1", "`spin`"),
            ("shift=far", "`far` of shift"),
            ("shift=1,shift=2", "`shift` is repeated"),
            ("shift=1,", "`` is not"),
        ] {
            let error = text.parse::<Augment>().expect_err(text);
            assert!(error.cause().contains(words), "{error}");
        }
        for text in ["rotate=181", "shift=-1", "scale=0.6", "hflip=1.1", "noise=nan", "shear=inf", "erase=2"] {
            let error = text.parse::<Augment>().and_then(|augment| augment.validate()).expect_err(text);
            assert!(error.advice().contains("from 0 to"), "{error}");
        }
    }

    #[test]
    fn images_must_be_those_of_the_model_and_not_too_large() {
        let of = |features, shape| {
            let gather = GatherParams { samples: 1, features, batch: 1, shuffle: 0, seed_low: 0, seed_high: 0 };
            Augment::default().gather(gather, shape)
        };
        let rotate: Augment = "rotate=10".parse().expect("it is known");
        assert_eq!(rotate.over(&TensorType::f32([2, 3])), Ok(Some((rotate, [2, 3]))));
        assert_eq!(Augment::default().over(&TensorType::f32([6])), Ok(None));
        assert!(rotate.over(&TensorType::f32([6])).is_err_and(|error| error.cause().contains("shape [6]")));
        assert!(of(6, [2, 3]).is_ok() && of(6, [2, 2]).is_err() && of(1 << 17, [1, 1 << 17]).is_err());
    }
}
