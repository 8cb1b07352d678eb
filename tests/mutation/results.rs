//! Verdicts on disk, so that kernels can be tested one at a time and an interrupted run loses little.

use super::mutant::Mutant;
use super::verdict::Verdict;
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

/// Verdicts by kernel and mutant; mutants include their text, so that a verdict on an older text does not count.
pub(crate) struct Results {
    known: BTreeMap<(String, String), Verdict>,
    file: Mutex<File>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mutants.tsv")
}

fn name(mutant: &Mutant) -> String {
    let mut hasher = DefaultHasher::new();
    mutant.text.hash(&mut hasher);
    format!("{mutant} {:016x}", hasher.finish())
}

impl Results {
    /// Loads earlier verdicts, except for the kernels that `forget` selects.
    pub(crate) fn open(forget: impl Fn(&str) -> bool) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        let mut known = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.split('\t');
            if let [Some(kernel), Some(mutant), Some(verdict)] = [(); 3].map(|()| fields.next())
                && let Some(verdict) = Verdict::read(verdict)
                && !forget(kernel)
            {
                known.insert((kernel.to_owned(), mutant.to_owned()), verdict);
            }
        }
        let mut file = File::create(path())?;
        for ((kernel, mutant), verdict) in &known {
            writeln!(file, "{kernel}\t{mutant}\t{verdict}")?;
        }
        Ok(Self { known, file: Mutex::new(file) })
    }

    /// The verdict on a mutant.
    pub(crate) fn get(&self, kernel: &str, mutant: &Mutant) -> Option<&Verdict> {
        self.known.get(&(kernel.to_owned(), name(mutant)))
    }

    /// Records a verdict.
    pub(crate) fn put(&self, kernel: &str, mutant: &Mutant, verdict: &Verdict) {
        let mut file = self.file.lock().expect("no writer panics");
        let written = writeln!(file, "{kernel}\t{}\t{verdict}", name(mutant)).and_then(|()| file.flush());
        written.expect("the results can be written");
    }
}
