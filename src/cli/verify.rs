//! `shadegrad verify`.

use super::open::{Device, device_json};
use super::output::{Output, thousands};
use super::verify_html::page;
use super::verify_model::VerifiedModelFlags;
use super::verify_table::Table;
use crate::error::{Error, Kind, Result};
use crate::gpu::{self, Adapter, Chosen, DeviceChoice, Gpu};
use crate::kernel::Effort;
use crate::ops::registry;
use crate::text::quoted;
use crate::verify::{self, Event, FailedCase, Failure, Report, Row, Settings, Verdict, What, Wrong};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time limit after which the quick run starts no more low-priority forms.
const TIME: Duration = Duration::from_secs(14);

/// The flags of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// An adapter's number or part of its name from `shadegrad devices`, or `auto`: a GPU, else a software driver
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: DeviceChoice,
    /// A few hundred shapes per kernel: variants training would use first, then others for 14 s (default)
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Thousands of shapes a kernel, every optimizer, fifty repeats, the largest bindings: this takes minutes
    #[arg(long)]
    full: bool,
    /// Only this kernel, such as matmul_nn, or kind of check: trajectory, limits, determinism, gradients or transposes
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    /// Only this variant of the kernel, or entry of the check
    #[arg(long, value_name = "NAME", requires = "op")]
    variant: Option<String>,
    /// Only the case with this number, from a failure message
    #[arg(long, value_name = "N", requires = "op")]
    case: Option<usize>,
    /// Seed of shapes and inputs
    #[arg(long, default_value_t = 42, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    model: VerifiedModelFlags,
    /// Print one JSON object per line instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Write a self-contained HTML page with all results to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let started = Instant::now();
        let adapter = self.adapter()?;
        let open = || pollster::block_on(Gpu::open(&adapter));
        let gpu = open()?;
        let device = Device::Gpu(gpu.clone());
        output.line(format_args!("device  {device}"))?;
        if let Some(path) = self.model.file() {
            output.event(&json!({ "event": "start", "device": device_json(&device), "model": path }))?;
            return self.model.run(path, gpu, output);
        }
        let (effort, size) = if self.full { (Effort::FULL, "full") } else { (Effort::QUICK, "quick") };
        output.line(format_args!("verify  {size}, seed {}", self.seed))?;
        let device_json = device_json(&device);
        output.event(&json!({ "event": "start", "device": device_json, "size": size, "seed": self.seed }))?;
        let settings = Settings {
            effort: effort.with_seed(self.seed),
            op: self.op.clone(),
            variant: self.variant.clone(),
            case: self.case,
            time: (!self.full && self.op.is_none()).then_some(TIME),
        };
        let mut table = Table::new(output)?;
        let report = verify::run(&open, &registry(), &settings, |event| {
            if let Event::Row(row) = event {
                output.event(&self.row(row, &adapter))?;
            }
            table.tell(event)
        });
        table.end();
        let (report, seconds) = (report?, started.elapsed().as_secs_f64());
        if let Some(path) = &self.html {
            let heading = format!("{}; {size}, seed {}", device, self.seed);
            let page = page(&heading, &summary(&report, seconds), &report, |failure| self.again(failure, &adapter));
            std::fs::write(path, page).map_err(|error| Error::io("write", path, &error))?;
        }
        self.conclude(output, &report, seconds, &adapter)
    }

    fn adapter(&self) -> Result<Adapter> {
        let none = |cause: &str, advice: &str| Err(Error::new(Kind::Device, cause, advice));
        match pollster::block_on(gpu::choose(&self.device))? {
            Chosen::Adapter(adapter) => Ok(adapter),
            Chosen::NoGpu(others) => match others.into_iter().next() {
                Some(adapter) => Ok(adapter),
                None => none("no adapter to verify", "install a Vulkan driver; see `shadegrad devices`"),
            },
            Chosen::Native => {
                let advice = "use an adapter from `shadegrad devices`; the CPU path is the reference itself";
                Err(Error::new(Kind::Usage, "the CPU path runs no shaders", advice))
            }
        }
    }

    /// The command that reruns exactly this failure.
    fn again(&self, failure: &Failure, adapter: &Adapter) -> String {
        let device = match &self.device {
            DeviceChoice::Auto => adapter.get_info().name,
            named => named.to_string(),
        };
        let words = failure.selection().into_iter().chain(["--device".to_owned(), device]);
        format!("shadegrad verify {}", words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" "))
    }

    fn conclude(&self, output: &Output, report: &Report, seconds: f64, adapter: &Adapter) -> Result<()> {
        for failure in report.failures() {
            output.line(format_args!("FAIL    {failure}"))?;
            output.line(format_args!("again   {}", self.again(failure, adapter)))?;
        }
        for line in summary(report, seconds) {
            output.line(line)?;
        }
        output.event(&json!({
            "event": "summary",
            "cases": report.cases(),
            "forms": report.forms,
            "forms_in_all": report.forms_in_all,
            "products": report.products,
            "passed": report.count("pass"),
            "loose": report.count("loose"),
            "failed": report.count("FAIL"),
            "not_run": report.count("not run"),
            "seconds": seconds,
        }))?;
        report.verdict(|failure| self.again(failure, adapter))
    }

    fn row(&self, row: &Row, adapter: &Adapter) -> Value {
        let mut value = json!({
            "event": "row",
            "op": row.op,
            "variant": row.variant,
            "cases": row.worst.cases,
            "failed": row.failed,
            "hard": row.worst.hard,
            "soft": row.worst.soft,
            "ulps": row.worst.ulps,
            "verdict": row.verdict.name(),
        });
        match &row.verdict {
            Verdict::Passed | Verdict::Loose => {}
            Verdict::NotRun(reason) => value["reason"] = json!(reason),
            Verdict::Failed(failure) => {
                let mut told = describe(failure);
                told["again"] = json!(self.again(failure, adapter));
                value["failure"] = told;
            }
        }
        value
    }
}

/// A failure as JSON.
fn describe(failure: &Failure) -> Value {
    let mut value = json!({ "message": failure.to_string(), "seed": failure.effort.seed() });
    if let Some(FailedCase { index, shape, inputs, checks, alone }) = &failure.case {
        value["case"] = json!(index);
        value["shape"] = json!(shape);
        value["inputs"] = json!(format!("{inputs:?}").to_lowercase());
        value["checks"] = json!(format!("{checks:?}").to_lowercase());
        value["alone"] = json!(alone);
    }
    if let What::Element(fault) = &failure.wrong {
        value["binding"] = json!(fault.binding);
        value["element"] = json!(fault.element);
        let (expected, found, bound) = match fault.wrong {
            Wrong::Number { expected, found, bound } => (json!(expected), json!(found), json!(bound)),
            Wrong::Word { expected, found } | Wrong::Overwritten { expected, found } => {
                (json!(expected), json!(found), json!(0))
            }
            Wrong::NeverWritten { expected } => (json!(expected), Value::Null, Value::Null),
        };
        value["expected"] = expected;
        value["found"] = found;
        value["bound"] = bound;
    }
    value
}

/// Summary lines.
fn summary(report: &Report, seconds: f64) -> Vec<String> {
    let mut cases = format!("cases   {}", thousands(report.cases() as u64));
    if report.forms > 0 {
        cases.push_str(&format!(" in {} of {} forms of kernels", report.forms, report.forms_in_all));
    }
    if report.products > 0 {
        let products = thousands(report.products as u64);
        cases.push_str(&format!("; {products} distinct matrix products (shape and layout)"));
    }
    let mut lines = vec![cases];
    let mut verdicts = vec![format!("{} passed", report.count("pass"))];
    for (name, meaning) in [
        ("FAIL", "failed"),
        ("loose", "loose: within the hard bound but above the expected error"),
        ("not run", "not run"),
    ] {
        if report.count(name) > 0 {
            verdicts.push(format!("{} {meaning}", report.count(name)));
        }
    }
    lines.push(format!("rows    {}; in {seconds:.1} s", verdicts.join(", ")));
    lines
}
