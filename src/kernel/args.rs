//! What a twin computes on: slices by binding name.

use smallvec::SmallVec;

/// Host data of one array: numbers, or words (u32, and bytes packed as on the device).
#[derive(Clone, Debug, PartialEq)]
pub enum Array<T> {
    /// f32 on the device; in the oracle, f64.
    Real(Vec<T>),
    /// u32, or bytes four to a word.
    Word(Vec<u32>),
}

/// One binding of a dispatch on the CPU.
#[derive(Debug)]
pub enum View<'a, T> {
    /// Numbers to read.
    Real(&'a [T]),
    /// Numbers to write or update.
    RealMut(&'a mut [T]),
    /// Words to read.
    Word(&'a [u32]),
    /// Words to write or update.
    WordMut(&'a mut [u32]),
}

/// The bindings of a dispatch, each taken once by name.
///
/// # Panics
/// The methods panic where the twin asks for a binding that its shader does not declare so: a fault in the op, which
/// its first test meets.
#[derive(Debug)]
pub struct Args<'a, T> {
    views: FewBindings<(&'a str, View<'a, T>)>,
}

/// One thing for each binding of a dispatch. Kernels have at most eight storage bindings, as many as every adapter of the
/// WebGPU standard allows: for these nothing is allocated, so that steps on the CPU allocate nothing.
pub type FewBindings<X> = SmallVec<[X; 8]>;

impl<'a, T> Args<'a, T> {
    /// From views by name.
    pub fn new(views: impl IntoIterator<Item = (&'a str, View<'a, T>)>) -> Self {
        Self { views: views.into_iter().collect() }
    }

    /// Takes numbers to read.
    pub fn real(&mut self, name: &str) -> &'a [T] {
        match self.take(name) {
            View::Real(data) => data,
            View::RealMut(data) => data,
            _ => panic!("binding `{name}` holds words, its twin reads numbers"),
        }
    }

    /// Takes numbers to write.
    pub fn real_mut(&mut self, name: &str) -> &'a mut [T] {
        match self.take(name) {
            View::RealMut(data) => data,
            _ => panic!("binding `{name}` is not declared as numbers to write, its twin writes them"),
        }
    }

    /// Takes words to read.
    pub fn word(&mut self, name: &str) -> &'a [u32] {
        match self.take(name) {
            View::Word(data) => data,
            View::WordMut(data) => data,
            _ => panic!("binding `{name}` holds numbers, its twin reads words"),
        }
    }

    /// Takes words to write.
    pub fn word_mut(&mut self, name: &str) -> &'a mut [u32] {
        match self.take(name) {
            View::WordMut(data) => data,
            _ => panic!("binding `{name}` is not declared as words to write, its twin writes them"),
        }
    }

    fn take(&mut self, name: &str) -> View<'a, T> {
        let position = self.views.iter().position(|(n, _)| *n == name);
        let position = position.unwrap_or_else(|| panic!("no binding `{name}` is left for the twin to take"));
        self.views.swap_remove(position).1
    }
}
