//! Checks the memory use of readers against a limit.

use shadegrad::error::{Error, Result};

/// A reader's memory limit: bytes per byte of the file, plus a constant.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes per byte of the file.
    pub factor: usize,
    /// Constant part, for fixed-size buffers and error messages.
    pub constant: usize,
}

/// Memory use of a run: peak bytes, and bytes allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Peak bytes. A reallocation counts both old and new memory.
    pub peak: usize,
    /// Bytes allowed.
    pub allowed: usize,
}

impl Usage {
    /// Use relative to the limit.
    pub fn share(self) -> f64 {
        self.peak as f64 / self.allowed.max(1) as f64
    }
}

impl Limit {
    /// Runs `read` and measures it for a file of `bytes` bytes.
    ///
    /// # Panics
    /// If it exceeds the limit, or an error is not short single lines.
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

/// Errors have one line each for cause and advice.
fn assert_told(error: &Error) {
    for text in [error.cause(), error.advice()] {
        assert!(!text.is_empty() && text.chars().count() <= 2010, "{} characters: {text}", text.chars().count());
        assert!(!text.chars().any(char::is_control), "not one line: {text:?}");
    }
}
