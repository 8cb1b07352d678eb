//! Worker processes that test mutants in parallel, killed and replaced if they hang or crash.

use super::verdict::Verdict;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Time limit of a shader for a batch of cases, in seconds of work. Originals must use at most a tenth.
const RUNNING: f64 = 8.0;
/// Time limit of compilation, in seconds of work.
const COMPILING: f64 = 300.0;

/// What to test of a kernel.
#[derive(Clone, Copy)]
pub(crate) enum Job {
    /// The original shader, which must pass.
    Original,
    /// The mutant with this number.
    Mutant(usize),
}

/// A worker process and its output.
struct Worker {
    process: Child,
    input: ChildStdin,
    output: Receiver<String>,
    /// Seconds since its last message.
    waited: f64,
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
        Self { process, input, output, waited: 0.0 }
    }

    /// The verdict on a job, and whether the process can continue.
    fn judge(&mut self, kernel: &str, job: Job) -> (Verdict, bool) {
        let job = match job {
            Job::Original => "original".to_owned(),
            Job::Mutant(index) => index.to_string(),
        };
        let asked = writeln!(self.input, "{kernel} {job}").and_then(|()| self.input.flush());
        let (mut patience, mut since) = (COMPILING, self.work());
        while asked.is_ok() {
            match self.output.recv_timeout(Duration::from_secs(1)) {
                Ok(line) => match line.as_str() {
                    "compiling" => (patience, since) = (COMPILING, self.work()),
                    "running" => (patience, since) = (RUNNING, self.work()),
                    line => {
                        let verdict = line.strip_prefix("verdict ").and_then(Verdict::read);
                        let verdict = verdict.expect("a worker says nothing else");
                        let alive = verdict != Verdict::Killed(Verdict::DEVICE.into());
                        return (verdict, alive);
                    }
                },
                Err(RecvTimeoutError::Timeout) => self.waited += 1.0,
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.work() - since > patience {
                let what = if patience == RUNNING { "hang" } else { "compiler hangs" };
                return (Verdict::Killed(what.into()), false);
            }
        }
        (Verdict::Killed("crash".into()), false)
    }

    /// Seconds of CPU time, if the system reports it, since processes often wait on a busy machine; else elapsed
    /// seconds.
    fn work(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        // After the name, the 12th and 13th fields are CPU time in hundredths of a second.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        if ticks.len() == 2 { (ticks[0] + ticks[1]) / 100.0 } else { self.waited }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have exited
        let _ = self.process.wait();
    }
}

/// Runs the jobs that `next` returns, each with its kernel, and passes each verdict to `done`.
pub(crate) fn judge_all(
    workers: usize,
    next: impl Fn() -> Option<(&'static str, Job)> + Sync,
    done: impl Fn(&'static str, Job, Verdict) + Sync,
) {
    let work = || {
        let mut worker = None;
        while let Some((kernel, job)) = next() {
            let (verdict, alive) = worker.get_or_insert_with(Worker::start).judge(kernel, job);
            done(kernel, job, verdict);
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
