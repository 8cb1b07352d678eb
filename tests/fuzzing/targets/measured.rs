//! Memory that reading takes, held against a limit.

use shadegrad::error::{Error, Result};

/// How much memory a reader may take for a file: so many bytes for each of the file's, and a few besides.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes for each byte of the file.
    pub factor: usize,
    /// Bytes besides, for buffers of a fixed size and the text of an error.
    pub constant: usize,
}

/// What a run took: bytes at its peak, and bytes that its limit allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Bytes held at once. Where memory is moved to grow, the old and the new are counted both.
    pub peak: usize,
    /// Bytes allowed.
    pub allowed: usize,
}

impl Usage {
    /// The share of what is allowed.
    pub fn share(self) -> f64 {
        self.peak as f64 / self.allowed.max(1) as f64
    }
}

impl Limit {
    /// What `read` gives, and what it took for a file of `bytes` bytes.
    ///
    /// # Panics
    /// Where that is more than the limit allows, or an error is not of one short line.
    pub fn measure<T>(self, bytes: usize, read: impl FnOnce() -> Result<T>) -> (Result<T>, Usage) {
        let mut outcome = None;
        let info = allocation_counter::measure(|| outcome = Some(read()));
        let outcome = outcome.expect("the reader returned");
        let usage = Usage { peak: info.bytes_max as usize, allowed: self.factor * bytes + self.constant };
        assert!(usage.share() <= 1.0, "a file of {bytes} bytes took {usage:?}: {:?}", outcome.map(|_| ()));
        if let Err(error) = &outcome {
            assert_told(error);
        }
        (outcome, usage)
    }
}

/// An error says in a line each what is wrong and what to do.
fn assert_told(error: &Error) {
    for text in [error.cause(), error.advice()] {
        assert!(!text.is_empty() && text.chars().count() <= 2010, "{} characters: {text}", text.chars().count());
        assert!(!text.chars().any(char::is_control), "not one line: {text:?}");
    }
}
