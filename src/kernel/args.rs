//! A twin's arguments: slices by binding name.

use smallvec::SmallVec;

/// Host data of an array: floats, or words (u32, and bytes packed as on the device).
#[derive(Clone, Debug, PartialEq)]
pub enum Array<T> {
    /// f32 on the device; in the oracle, f64.
    Real(Vec<T>),
    /// u32, or bytes packed four to a word.
    Word(Vec<u32>),
}

/// A binding of a dispatch on the CPU.
#[derive(Debug)]
pub enum View<'a, T> {
    /// Floats, read-only.
    Real(&'a [T]),
    /// Floats, writable.
    RealMut(&'a mut [T]),
    /// Words, read-only.
    Word(&'a [u32]),
    /// Words, writable.
    WordMut(&'a mut [u32]),
}

/// The bindings of a dispatch; each can be taken once, by name.
///
/// # Panics
/// The methods panic if the twin requests a binding that its shader does not declare that way: a bug in the op that its
/// first test finds.
#[derive(Debug)]
pub struct Args<'a, T> {
    views: FewBindings<(&'a str, View<'a, T>)>,
}

/// One item per binding of a dispatch. Kernels have at most eight storage bindings, the WebGPU minimum; up to that,
/// nothing is allocated, so that steps on the CPU are allocation-free.
pub type FewBindings<X> = SmallVec<[X; 8]>;

impl<'a, T> Args<'a, T> {
    /// From named views.
    pub fn new(views: impl IntoIterator<Item = (&'a str, View<'a, T>)>) -> Self {
        Self { views: views.into_iter().collect() }
    }

    /// Takes floats to read.
    pub fn real(&mut self, name: &str) -> &'a [T] {
        match self.take(name) {
            View::Real(data) => data,
            View::RealMut(data) => data,
            _ => panic!("binding `{name}` holds words, but the twin reads floats"),
        }
    }

    /// Takes floats to write.
    pub fn real_mut(&mut self, name: &str) -> &'a mut [T] {
        match self.take(name) {
            View::RealMut(data) => data,
            _ => panic!("binding `{name}` is not declared as writable floats, but the twin writes them"),
        }
    }

    /// Takes words to read.
    pub fn word(&mut self, name: &str) -> &'a [u32] {
        match self.take(name) {
            View::Word(data) => data,
            View::WordMut(data) => data,
            _ => panic!("binding `{name}` holds floats, but the twin reads words"),
        }
    }

    /// Takes words to write.
    pub fn word_mut(&mut self, name: &str) -> &'a mut [u32] {
        match self.take(name) {
            View::WordMut(data) => data,
            _ => panic!("binding `{name}` is not declared as writable words, but the twin writes them"),
        }
    }

    fn take(&mut self, name: &str) -> View<'a, T> {
        let position = self.views.iter().position(|(n, _)| *n == name);
        let position = position.unwrap_or_else(|| panic!("no binding `{name}` is left for the twin to take"));
        self.views.swap_remove(position).1
    }
}
