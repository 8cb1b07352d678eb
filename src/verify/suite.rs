//! Everything that is verified on an adapter: kernels in their forms, and the checks beyond them, on several threads.

use super::compare::Worst;
use super::form::{Form, forms};
use super::kernels;
use super::row::{Failure, Row, Verdict, What};
use super::whole::{Bench, Outcome, Whole};
use crate::error::{Error, Kind, Result};
use crate::gpu::Gpu;
use crate::kernel::{AnyKernel, Caps, Effort};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Subgroups that every kernel with forms for them has forms for.
const USUAL_SUBGROUP: u32 = 32;

/// What to verify.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much, and from which seed.
    pub effort: Effort,
    /// Only this kernel, or kind of check.
    pub op: Option<String>,
    /// Only this variant, or entry.
    pub variant: Option<String>,
    /// Only the case of this place among the kernel's cases.
    pub case: Option<usize>,
}

impl Settings {
    /// Everything, in this size.
    pub fn all(effort: Effort) -> Self {
        Self { effort, op: None, variant: None, case: None }
    }
}

/// What happens on the way.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many more cases were compared.
    Cases(&'static str, usize),
    /// This was found.
    Row(&'a Row),
    /// So many of so many jobs are done.
    Jobs(usize, usize),
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All of it, in the order of the kernels.
    pub rows: Vec<Row>,
    /// Forms of kernels, each a variant with checks on or off, in which cases were run.
    pub forms: usize,
    /// How many forms the kernels have on the adapter.
    pub forms_in_all: usize,
    /// Matrix products that differ in layout or shape.
    pub products: usize,
}

impl Report {
    /// Cases compared, those that failed included.
    pub fn cases(&self) -> usize {
        self.rows.iter().map(|row| row.worst.cases + row.failed).sum()
    }

    /// The failures, in order.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.rows.iter().filter_map(|row| match &row.verdict {
            Verdict::Failed(failure) => Some(&**failure),
            _ => None,
        })
    }

    /// How many rows have this verdict, by its name.
    pub fn count(&self, verdict: &str) -> usize {
        self.rows.iter().filter(|row| row.verdict.name() == verdict).count()
    }

    /// An error where anything failed; `again` gives the command that does a failure again.
    ///
    /// # Errors
    /// So.
    pub fn verdict(&self, again: impl Fn(&Failure) -> String) -> Result<()> {
        let Some(first) = self.failures().next() else { return Ok(()) };
        let failed = self.failures().count();
        Err(Error::new(
            Kind::Device,
            format!("{failed} of {} rows failed; the first: {first}", self.rows.len()),
            format!("update the driver, or report this with what `{}` prints", again(first)),
        ))
    }
}

/// What a thread takes on at a time.
enum Job {
    Kernel(&'static dyn AnyKernel, Vec<Form>),
    Whole(Whole, &'static str),
}

/// What a thread sends back.
enum Message {
    Cases(&'static str, usize),
    Done(usize, Found),
    Broken(Error),
}

/// What was found in a job.
struct Found {
    rows: Vec<Row>,
    forms: usize,
    products: BTreeSet<(&'static str, Vec<u8>)>,
    /// Whether the device is of no more use.
    broken: bool,
}

/// Verifies kernels on an adapter, which `open` opens once for each thread, as a software driver compiles on one thread
/// of each device; tells `watch` of what is found as it is found.
///
/// # Errors
/// Where `settings` select nothing, the device cannot be opened, or `watch` fails. What an adapter does wrong is in the
/// report.
pub fn run(
    open: &(impl Fn() -> Result<Arc<Gpu>> + Sync),
    kernels: &[&'static dyn AnyKernel],
    settings: &Settings,
    mut watch: impl FnMut(Event<'_>) -> Result<()>,
) -> Result<Report> {
    let gpu = open()?;
    let mut report = Report::default();
    let jobs = jobs(kernels, settings, &gpu.caps, &mut report)?;
    report.rows.iter().try_for_each(|row| watch(Event::Row(row)))?;
    let threads = rayon::current_num_threads().min(jobs.len()).min(8);
    drop(gpu);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = channel();
    let mut found: Vec<Option<Found>> = jobs.iter().map(|_| None).collect();
    let mut outcome = Ok(());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (jobs, next, stop, sender) = (&jobs, &next, &stop, sender.clone());
            scope.spawn(move || {
                if let Err(error) = work(open, kernels, jobs, settings, (next, stop), &sender) {
                    // Nobody listens any more where the run was broken off.
                    let _ = sender.send(Message::Broken(error));
                }
            });
        }
        drop(sender);
        let mut done = 0;
        for message in receiver {
            let told = match message {
                Message::Cases(op, cases) => watch(Event::Cases(op, cases)),
                Message::Broken(error) => Err(error),
                Message::Done(job, rows) => {
                    done += 1;
                    let told = rows.rows.iter().try_for_each(|row| watch(Event::Row(row)));
                    found[job] = Some(rows);
                    told.and_then(|()| watch(Event::Jobs(done, jobs.len())))
                }
            };
            if told.is_err() && outcome.is_ok() {
                outcome = told;
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    outcome?;
    let mut products = BTreeSet::new();
    for found in found.into_iter().flatten() {
        report.rows.extend(found.rows);
        report.forms += found.forms;
        products.extend(found.products);
    }
    report.products = products.len();
    Ok(report)
}

/// Takes on job after job, on a device of its own.
fn work(
    open: &(impl Fn() -> Result<Arc<Gpu>> + Sync),
    kernels: &[&'static dyn AnyKernel],
    jobs: &[Job],
    settings: &Settings,
    (next, stop): (&AtomicUsize, &AtomicBool),
    sender: &Sender<Message>,
) -> Result<()> {
    let mut gpu = open()?;
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(number) else { break };
        let bench = Bench { gpu: &gpu, kernels, effort: settings.effort };
        let found = pollster::block_on(job.run(&bench, settings, sender));
        let found = found.unwrap_or_else(|error| job.broken(&error, settings.effort));
        if found.broken {
            // If it cannot be opened again, nothing more can be verified.
            gpu = open()?;
        }
        if sender.send(Message::Done(number, found)).is_err() {
            break;
        }
    }
    Ok(())
}

impl Job {
    async fn run(&self, bench: &Bench<'_>, settings: &Settings, sender: &Sender<Message>) -> Result<Found> {
        match self {
            Self::Kernel(kernel, forms) => {
                let watch = |cases| {
                    // Nobody listens any more where the run was broken off.
                    let _ = sender.send(Message::Cases(kernel.name(), cases));
                };
                let (forms, effort) = (forms.clone(), settings.effort);
                let found = kernels::verify(bench.gpu, *kernel, forms, effort, settings.case, &watch).await?;
                let product = kernel.body().starts_with("matmul_");
                let shapes = found.shapes.into_iter().filter(|_| product);
                let products = shapes.map(|shape| (kernel.body(), shape)).collect();
                Ok(Found { rows: found.rows, forms: found.forms, products, broken: found.broken })
            }
            Self::Whole(whole, entry) => {
                let (op, variant) = (whole.name(), (*entry).to_owned());
                let row = match whole.run(bench, entry).await? {
                    Outcome::Fine(worst) => Row { op, variant, worst, failed: 0, verdict: Verdict::Passed },
                    Outcome::NotRun(reason) => not_run(op, variant, reason),
                    Outcome::Wrong(words) => failed(op, variant, words, settings.effort),
                };
                Ok(Found { rows: vec![row], forms: 0, products: BTreeSet::new(), broken: false })
            }
        }
    }

    /// What is to be said of a job that an error ended.
    fn broken(&self, error: &Error, effort: Effort) -> Found {
        let row = |op, variant: &str| failed(op, variant.to_owned(), error.to_string(), effort);
        let rows = match self {
            Self::Kernel(kernel, forms) => {
                let variants: BTreeSet<_> = forms.iter().map(|form| form.variant.name.as_str()).collect();
                variants.into_iter().map(|variant| row(kernel.name(), variant)).collect()
            }
            Self::Whole(whole, entry) => vec![row(whole.name(), entry)],
        };
        Found { rows, forms: 0, products: BTreeSet::new(), broken: true }
    }
}

fn not_run(op: &'static str, variant: String, reason: String) -> Row {
    Row { op, variant, worst: Worst { ulps: None, ..Worst::default() }, failed: 0, verdict: Verdict::NotRun(reason) }
}

fn failed(op: &'static str, variant: String, words: String, effort: Effort) -> Row {
    let failure = Failure { op, variant: variant.clone(), case: None, effort, wrong: What::Words(words) };
    let verdict = Verdict::Failed(Box::new(failure));
    Row { op, variant, worst: Worst { ulps: None, ..Worst::default() }, failed: 1, verdict }
}

/// The jobs that `settings` select, the longest first; rows for what an adapter cannot run go to the report.
fn jobs(kernels: &[&'static dyn AnyKernel], settings: &Settings, caps: &Caps, report: &mut Report) -> Result<Vec<Job>> {
    let names: Vec<_> = kernels.iter().map(|kernel| kernel.name()).chain(Whole::ALL.map(Whole::name)).collect();
    let among = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    if let Some(op) = settings.op.as_ref().filter(|op| !names.contains(&op.as_str())) {
        return Err(unknown("op", op, &names));
    }
    let (mut jobs, mut variants) = (Vec::new(), Vec::new());
    for whole in Whole::ALL.into_iter().filter(|whole| settings.case.is_none() && among(&settings.op, whole.name())) {
        let entries = whole.entries(settings.effort);
        variants.extend(entries.iter().map(|entry| (*entry).to_owned()));
        let chosen = entries.into_iter().filter(|entry| among(&settings.variant, entry));
        jobs.extend(chosen.map(|entry| Job::Whole(whole, entry)));
    }
    for kernel in kernels.iter().filter(|kernel| among(&settings.op, kernel.name())) {
        let all = kernel.variants(caps);
        report.forms_in_all += 2 * all.len();
        variants.extend(all.iter().map(|variant| variant.name.clone()));
        let chosen = |form: &Form| among(&settings.variant, &form.variant.name);
        let chosen: Vec<_> = forms(*kernel, caps, settings.effort).into_iter().filter(chosen).collect();
        if !chosen.is_empty() {
            jobs.push(Job::Kernel(*kernel, chosen));
        }
        report.rows.extend(without_subgroups(*kernel, caps).filter(|_| settings.variant.is_none()));
    }
    match (&settings.variant, settings.case) {
        (Some(variant), _) if jobs.is_empty() => Err(unknown("variant", variant, &variants)),
        (_, Some(case)) if !has_case(&jobs, case, settings.effort) => {
            let advice = "give the number that a failure told, with its seed, and --full where it was a full run";
            Err(Error::new(Kind::Usage, format!("the op has no case {case}"), advice))
        }
        _ => Ok(jobs),
    }
}

fn has_case(jobs: &[Job], case: usize, effort: Effort) -> bool {
    jobs.iter().any(|job| matches!(job, Job::Kernel(kernel, _) if case < kernel.cases(effort).len()))
}

/// A row for the forms that a kernel would have, had the adapter the usual subgroups.
fn without_subgroups(kernel: &dyn AnyKernel, caps: &Caps) -> Option<Row> {
    let with = kernel.variants(&Caps { subgroup_size: Some(USUAL_SUBGROUP), ..caps.clone() }).len();
    let lacking = with.saturating_sub(kernel.variants(caps).len());
    let reason = match caps.subgroup_size {
        None => "the adapter has no subgroup operations with subgroups of one size".to_owned(),
        Some(size) => format!("there is no form for subgroups of {size}"),
    };
    (lacking > 0).then(|| not_run(kernel.name(), format!("{lacking} with subgroups"), reason))
}

/// The error for a name that nothing has: tells those most like it.
fn unknown(what: &str, name: &str, names: &[impl AsRef<str>]) -> Error {
    let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.sort_by_key(|other| (distance(name, other), *other));
    names.dedup();
    names.truncate(8);
    let advice = format!("the names most like it are {}", names.join(", "));
    Error::new(Kind::Usage, format!("there is no {what} {name:?}"), advice)
}

/// How many characters must be put in, left out or changed to make one word of another: Wagner and Fischer, "The
/// String-to-String Correction Problem", Journal of the ACM 21(1), 1974.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_changes() {
        let pairs = [("", ""), ("relu", "relu"), ("relu", "rely"), ("relu", "elu"), ("relu", "gelu_tanh"), ("abc", "")];
        assert_eq!(pairs.map(|(a, b)| distance(a, b)), [0, 0, 1, 1, 6, 3]);
    }
}
