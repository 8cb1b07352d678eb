//! Processes that judge mutants side by side, each killed and replaced when it hangs or crashes.

use super::report::Verdict;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a shader may run on one case. The longest of the originals takes a hundredth of it.
const RUNNING: Duration = Duration::from_secs(20);
/// How long a driver may compile.
const COMPILING: Duration = Duration::from_secs(300);

/// A process at work, and what it says.
struct Worker {
    process: Child,
    input: ChildStdin,
    output: Receiver<String>,
}

impl Worker {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut process = Command::new(program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this program can be started again");
        let input = process.stdin.take().expect("it was asked for");
        let lines = BufReader::new(process.stdout.take().expect("it was asked for")).lines();
        let (send, output) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Self { process, input, output }
    }

    /// The verdict on one mutant, and whether the process can go on.
    fn judge(&mut self, kernel: &str, index: usize) -> (Verdict, bool) {
        let asked = writeln!(self.input, "{kernel} {index}").and_then(|()| self.input.flush());
        let mut patience = COMPILING;
        while asked.is_ok() {
            match self.output.recv_timeout(patience) {
                Ok(line) => match line.as_str() {
                    "compiling" => patience = COMPILING,
                    "running" => patience = RUNNING,
                    line => {
                        let verdict = line.strip_prefix("verdict ").and_then(Verdict::read);
                        return (verdict.expect("a worker says nothing else"), true);
                    }
                },
                Err(RecvTimeoutError::Timeout) if patience == RUNNING => return (Verdict::Killed("hang".into()), false),
                Err(RecvTimeoutError::Timeout) => return (Verdict::Killed("compiler hangs".into()), false),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        (Verdict::Killed("crash".into()), false)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended by itself
        let _ = self.process.wait();
    }
}

/// Judges jobs, which are kernels with numbers of mutants, as `next` gives them, and hands each verdict to `done`.
pub(crate) fn judge_all(
    workers: usize,
    next: impl Fn() -> Option<(String, usize)> + Sync,
    done: impl Fn(&str, usize, Verdict) + Sync,
) {
    let work = || {
        let mut worker = None;
        while let Some((kernel, index)) = next() {
            let (verdict, alive) = worker.get_or_insert_with(Worker::start).judge(&kernel, index);
            done(&kernel, index, verdict);
            if !alive {
                worker = None;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
}
