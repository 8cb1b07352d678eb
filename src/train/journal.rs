//! The file of a search: a JSON line that identifies the search, then a line per finished run.

use super::tune::{Assignment, Finished};
use crate::error::{Error, Kind, Result};
use crate::nn::metric::Measured;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open search file that runs are appended to.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the file of the search described by `search`, or creates it, and returns its runs. A partial last line,
    /// left by an interrupted search, is removed.
    ///
    /// # Errors
    /// If the file cannot be read or written, belongs to another search, or is damaged.
    pub fn open(path: &Path, search: &Value) -> Result<(Self, Vec<Finished>)> {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(|error| Error::io("open", path, &error))?;
        let mut text = String::new();
        match file.read_to_string(&mut text) {
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(another(path)),
            read => read.map_err(|error| Error::io("read", path, &error))?,
        };
        let head = format!("{search}\n");
        let mut journal = Self { file, path: path.to_owned() };
        if head.starts_with(&text) {
            journal.cut(0)?;
            journal.write(&head)?;
            return Ok((journal, Vec::new()));
        }
        let Some(runs) = text.strip_prefix(&head) else { return Err(another(path)) };
        let runs = &runs[..runs.rfind('\n').map_or(0, |end| end + 1)];
        let done = runs.lines().enumerate().map(|(i, line)| {
            finished(line).ok_or_else(|| {
                let cause = format!("line {} of {} is not a run of a search", i + 2, path.display());
                Error::new(Kind::Data, cause, "remove that line, or use another --out")
            })
        });
        let done = done.collect::<Result<_>>()?;
        journal.cut(head.len() + runs.len())?;
        Ok((journal, done))
    }

    /// Appends a run; `about` is an object with further keys. Returns the line, and the score as parsed from it, so
    /// that a resumed search sees the same numbers.
    pub fn add(&mut self, done: &Finished, about: &Value) -> Result<(Value, Option<Measured>)> {
        let mut line = json!({
            "event": "trial",
            "trial": done.run.trial,
            "rung": done.run.rung,
            "epochs": done.run.epochs,
        });
        for (i, name) in Measured::names().enumerate() {
            let value = done.score.and_then(|score| Some(score.iter().nth(i)?.1));
            line[validation(name)] = value.into();
        }
        for (key, value) in about.as_object().into_iter().flatten() {
            line[key] = value.clone();
        }
        self.write(&format!("{line}\n"))?;
        let score = finished(&line.to_string()).and_then(|done| done.score);
        Ok((line, score))
    }

    /// Truncates to the first `bytes` bytes, and continues there.
    fn cut(&mut self, bytes: usize) -> Result<()> {
        let cut = self.file.set_len(bytes as u64).and_then(|()| self.file.seek(SeekFrom::End(0)));
        cut.map(|_| ()).map_err(|error| Error::io("write", &self.path, &error))
    }

    fn write(&mut self, line: &str) -> Result<()> {
        self.file.write_all(line.as_bytes()).map_err(|error| Error::io("write", &self.path, &error))
    }
}

fn another(path: &Path) -> Error {
    let cause = format!("{} belongs to another search: its first line differs", path.display());
    Error::new(Kind::Usage, cause, "use the same flags, or another --out")
}

/// The key of a metric over the validation items.
fn validation(metric: &str) -> String {
    format!("validation_{metric}")
}

/// Parses a run from a line.
fn finished(line: &str) -> Option<Finished> {
    let line: Value = serde_json::from_str(line).ok()?;
    let count = |key: &str| line[key].as_u64().and_then(|count| usize::try_from(count).ok());
    let run = Assignment { trial: count("trial")?, rung: count("rung")?, epochs: count("epochs")? };
    let values: Vec<_> = Measured::names().map(|name| (name, &line[validation(name)])).collect();
    let score = if values.iter().all(|(_, value)| value.is_null()) {
        None
    } else {
        let values = values.into_iter().map(|(name, value)| Some((name, value.as_f64()?)));
        Some(Measured::of(&values.collect::<Option<Vec<_>>>()?))
    };
    Some(Finished { run, score })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> [Finished; 3] {
        let score = Some(Measured::of(&[("loss", 0.1 + 0.2), ("accuracy", 2.0 / 3.0)]));
        let run = |trial| Assignment { trial, rung: 1, epochs: 2 };
        [Finished { run: run(0), score }, Finished { run: run(1), score: None }, Finished { run: run(2), score }]
    }

    #[test]
    fn what_was_added_is_there_wherever_the_file_is_cut_off() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tune.jsonl");
        let search = json!({ "event": "search", "seed": 42 });
        let (mut journal, none) = Journal::open(&path, &search).expect("new");
        assert!(none.is_empty());
        let added = runs().map(|run| journal.add(&run, &json!({ "seconds": 1.5 })).expect("writable").1);
        let whole = std::fs::read(&path).expect("written");
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).expect("writable");
            let (_, done) = Journal::open(&path, &search).expect("sound");
            let complete = whole[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
            assert_eq!(done.len(), complete);
            for ((done, run), score) in done.iter().zip(runs()).zip(added) {
                assert_eq!((done.run, done.score), (run.run, score));
            }
            let lines = complete + 1;
            let left = std::fs::read_to_string(&path).expect("there");
            assert!(left.ends_with('\n') && left.lines().count() == lines, "{length}: {left}");
        }
    }

    #[test]
    fn files_of_something_else_are_refused_and_left_as_they_are() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tune.jsonl");
        let search = json!({ "event": "search", "seed": 42 });
        for (content, kind) in [
            (b"notes without a newline".to_vec(), Kind::Usage),
            (b"\xff\xfe\n".to_vec(), Kind::Usage),
            (format!("{}\n", json!({ "event": "search", "seed": 43 })).into_bytes(), Kind::Usage),
            (format!("{search}\nnonsense\n").into_bytes(), Kind::Data),
            (format!("{search}\n{}\n", json!({ "trial": 1, "rung": 0 })).into_bytes(), Kind::Data),
        ] {
            std::fs::write(&path, &content).expect("writable");
            let refused = Journal::open(&path, &search);
            assert!(refused.is_err_and(|error| error.kind() == kind), "{}", String::from_utf8_lossy(&content));
            assert_eq!(std::fs::read(&path).expect("there"), content);
        }
    }
}
