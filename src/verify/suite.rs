//! The full verification of an adapter: kernels in all forms, and the other checks, on several threads.

use super::bench::{Bench, Outcome};
use super::compare::Worst;
use super::kernels;
use super::row::{Failure, Row, Verdict, What};
use super::selection::{Selection, Settings, VerifyJob, not_run, select};
use crate::error::{Error, Kind, Result};
use crate::gpu::Gpu;
use crate::kernel::{AnyKernel, Effort, word};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

/// Progress events.
#[derive(Debug)]
pub enum Event<'a> {
    /// More cases of a kernel were compared.
    Cases(&'static str, usize),
    /// A result.
    Row(&'a Row),
    /// Finished and total jobs.
    Jobs(usize, usize),
}

/// The results.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of the kernels.
    pub rows: Vec<Row>,
    /// Number of forms (variant, runtime checks on or off) that ran cases.
    pub forms: usize,
    /// Number of forms the kernels have on the adapter.
    pub forms_in_all: usize,
    /// Number of distinct matrix products, by layout and shape.
    pub products: usize,
}

impl Report {
    /// Number of cases compared, including failures.
    pub fn cases(&self) -> usize {
        self.rows.iter().map(|row| row.worst.cases + row.failed).sum()
    }

    /// All failures, in order.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.rows.iter().filter_map(|row| match &row.verdict {
            Verdict::Failed(failure) => Some(&**failure),
            _ => None,
        })
    }

    /// Number of rows with this verdict.
    pub fn count(&self, verdict: &str) -> usize {
        self.rows.iter().filter(|row| row.verdict.name() == verdict).count()
    }

    /// An error if anything failed; `again` returns the command that reproduces a failure.
    ///
    /// # Errors
    /// If a row failed.
    pub fn verdict(&self, again: impl Fn(&Failure) -> String) -> Result<()> {
        let Some(first) = self.failures().next() else { return Ok(()) };
        let failed = self.failures().count();
        Err(Error::new(
            Kind::Device,
            format!("{failed} of {} rows failed; the first: {first}", self.rows.len()),
            format!("update the driver, or report this with the output of `{}`", again(first)),
        ))
    }
}

/// A message from a worker thread.
enum Message {
    Cases(&'static str, usize),
    Done(usize, SuiteFindings),
    Broken(Error),
}

/// Results of a job.
struct SuiteFindings {
    rows: Vec<Row>,
    forms: usize,
    products: BTreeSet<(&'static str, [Option<u32>; 3])>,
    /// Whether the device is no longer usable.
    broken: bool,
}

/// Verifies kernels on an adapter; calls `watch` with each result. `open` opens the adapter once per thread, since a
/// software driver compiles on one thread per device, or only once if devices share a context.
///
/// # Errors
/// If `settings` select nothing, the device cannot be opened, or `watch` fails. Device errors are in the report.
pub fn run(
    open: &(impl Fn() -> Result<Arc<Gpu>> + Sync),
    kernels: &[&'static dyn AnyKernel],
    settings: &Settings,
    mut watch: impl FnMut(Event<'_>) -> Result<()>,
) -> Result<Report> {
    let until = settings.time.map(|time| Instant::now() + time);
    let gpu = open()?;
    let Selection { jobs, not_run, forms_in_all } = select(kernels, settings, &gpu.caps)?;
    let mut report = Report { rows: not_run, forms_in_all, ..Report::default() };
    report.rows.iter().try_for_each(|row| watch(Event::Row(row)))?;
    let threads = if gpu.shares_context() { 1 } else { rayon::current_num_threads().min(jobs.len()).min(8) };
    let name = gpu.info.name.clone();
    drop(gpu);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = channel();
    let found = std::thread::scope(|scope| {
        let start = |_| {
            let (jobs, next, stop, sender) = (&jobs, &next, &stop, sender.clone());
            scope.spawn(move || {
                if let Err(error) = work(open, kernels, jobs, (settings, until), (next, stop), &sender) {
                    // The receiver is gone if the run was aborted.
                    let _ = sender.send(Message::Broken(error));
                }
            })
        };
        let threads: Vec<_> = (0..threads).map(start).collect();
        drop(sender);
        let found = listen(&receiver, jobs.len(), &mut watch);
        stop.store(true, Ordering::Relaxed);
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let advice = "update the driver, or report this with the panic message above";
        let broke_off = || Err(Error::new(Kind::Device, format!("wgpu panicked while verifying on {name}"), advice));
        if ended.iter().any(std::thread::Result::is_err) { broke_off() } else { found }
    })?;
    let mut products = BTreeSet::new();
    for found in found.into_iter().flatten() {
        report.rows.extend(found.rows);
        report.forms += found.forms;
        products.extend(found.products);
    }
    report.products = products.len();
    Ok(report)
}

/// Receives messages until all threads have finished or something fails.
fn listen(
    receiver: &Receiver<Message>,
    jobs: usize,
    watch: &mut impl FnMut(Event<'_>) -> Result<()>,
) -> Result<Vec<Option<SuiteFindings>>> {
    let mut found: Vec<Option<SuiteFindings>> = (0..jobs).map(|_| None).collect();
    let mut done = 0;
    watch(Event::Jobs(done, jobs))?;
    for message in receiver {
        match message {
            Message::Cases(op, cases) => watch(Event::Cases(op, cases))?,
            Message::Broken(error) => return Err(error),
            Message::Done(job, of_job) => {
                done += 1;
                of_job.rows.iter().try_for_each(|row| watch(Event::Row(row)))?;
                watch(Event::Jobs(done, jobs))?;
                found[job] = Some(of_job);
            }
        }
    }
    Ok(found)
}

/// Runs jobs on a device of its own.
fn work(
    open: &(impl Fn() -> Result<Arc<Gpu>> + Sync),
    kernels: &[&'static dyn AnyKernel],
    jobs: &[VerifyJob],
    (settings, until): (&Settings, Option<Instant>),
    (next, stop): (&AtomicUsize, &AtomicBool),
    sender: &Sender<Message>,
) -> Result<()> {
    let mut bench = Bench::new(open()?, kernels, settings.effort);
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(number) else { break };
        let found = pollster::block_on(job.run(&bench, settings, until, sender));
        let found = found.unwrap_or_else(|error| job.broken(&error, settings.effort));
        if found.broken {
            // If reopening fails, nothing more can be verified.
            bench = Bench::new(open()?, kernels, settings.effort);
        }
        if sender.send(Message::Done(number, found)).is_err() {
            break;
        }
    }
    Ok(())
}

impl VerifyJob {
    async fn run(
        &self,
        bench: &Bench<'_>,
        settings: &Settings,
        until: Option<Instant>,
        sender: &Sender<Message>,
    ) -> Result<SuiteFindings> {
        match self {
            Self::Kernel(kernel, forms) | Self::Spare(kernel, forms) => {
                let until = until.filter(|_| matches!(self, Self::Spare(..)));
                let watch = |cases| {
                    // The receiver is gone if the run was aborted.
                    let _ = sender.send(Message::Cases(kernel.name(), cases));
                };
                let found = kernels::verify(&bench.gpu, *kernel, forms.clone(), settings, until, &watch).await?;
                let product = kernel.body().starts_with("matmul_");
                let shapes = found.shapes.iter().filter(|_| product);
                let products = shapes.map(|params| (kernel.body(), extents(*kernel, params))).collect();
                Ok(SuiteFindings { rows: found.rows, forms: found.forms, products, broken: found.broken })
            }
            Self::Whole(whole, entry) => {
                let (op, variant) = (whole.name(), entry.clone());
                let row = match whole.run(bench, entry).await? {
                    Outcome::Fine(worst) => Row { op, variant, worst, failed: 0, verdict: Verdict::Passed },
                    Outcome::NotRun(reason) => not_run(op, variant, reason),
                    Outcome::Wrong(words) => failed(op, variant, words, settings.effort),
                };
                let broken = bench.gpu.healthy("verifying").is_err();
                Ok(SuiteFindings { rows: vec![row], forms: 0, products: BTreeSet::new(), broken })
            }
        }
    }

    /// The result of a job that ended with an error.
    fn broken(&self, error: &Error, effort: Effort) -> SuiteFindings {
        let row = |op, variant: &str| failed(op, variant.to_owned(), error.to_string(), effort);
        let rows = match self {
            Self::Kernel(kernel, forms) | Self::Spare(kernel, forms) => {
                let variants: BTreeSet<_> = forms.iter().map(|form| form.variant.name.as_str()).collect();
                variants.into_iter().map(|variant| row(kernel.name(), variant)).collect()
            }
            Self::Whole(whole, entry) => vec![row(whole.name(), entry)],
        };
        SuiteFindings { rows, forms: 0, products: BTreeSet::new(), broken: true }
    }
}

fn failed(op: &'static str, variant: String, words: String, effort: Effort) -> Row {
    let failure = Failure { op, variant: variant.clone(), case: None, effort, wrong: What::Words(words) };
    let verdict = Verdict::Failed(Box::new(failure));
    Row { op, variant, worst: Worst { ulps: None, ..Worst::default() }, failed: 1, verdict }
}

/// m, k and n of a product.
fn extents(kernel: &dyn AnyKernel, params: &[u8]) -> [Option<u32>; 3] {
    let (fields, _) = kernel.fields();
    ["m", "k", "n"].map(|name| word(&fields, params, name))
}
