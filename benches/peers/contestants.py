"""The contestants: how each is built, run and parsed, or why it is absent."""
import json, os, statistics, subprocess, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "peers"
HERE = Path(__file__).resolve().parent
# Burn tunes its kernels, silently, in the first run of each batch size on each driver.
PATIENCE = 3600


class Absent(Exception):
    """The reason a contestant cannot run."""


def call(command, env=None, timeout=PATIENCE):
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True,
                              timeout=timeout)
    except FileNotFoundError as error:
        raise Absent(f"no {error.filename}") from error
    except subprocess.TimeoutExpired as error:
        raise Absent(f"{command[0]} timed out after {timeout} s") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Absent(f"{Path(command[0]).name} failed: {lines[-1] if lines else done.returncode}")
    return done.stdout


class Driver:
    """The Vulkan driver for shaders: the environment's, or one of tests/driver by name."""

    def __init__(self, name):
        # Burn caches tuning results by this name: one driver's choices do not suit another.
        self.env, self.runner = {"CUBECL_ENVIRONMENT": name} if name else {}, []
        for line in call([ROOT / "tests/driver", name]).splitlines() if name else []:
            key, value = line.removeprefix("export ").split("=", 1)
            if key.endswith("_RUNNER"):
                self.runner = [value]
            else:
                self.env[key] = value.split("${")[0]


def steady_rate(output, batch):
    """Samples per second from the output of `train --json`, measured as in the peers' programs: the median over windows of at
    least half a second after the warm-up, skipping windows in which an epoch ends, since its last batch may be short."""
    rates, begun = [], None
    for event in map(json.loads, output.splitlines()):
        if event["event"] not in ("progress", "epoch"):
            continue
        now = event["step"], event["seconds"]
        if begun and event["event"] == "progress" and now[1] - begun[1] < 0.5:
            continue
        if begun and event["event"] == "progress":
            rates.append(batch * (now[0] - begun[0]) / (now[1] - begun[1]))
        begun = now if now[0] >= 10 else None
    return statistics.median(rates) if rates else json.loads(output.splitlines()[-1])["samples_per_second"]


class Contestant:
    """A program that trains 784-1024-10 with Adam on MNIST and reports samples per second."""

    # Whether its first run at a batch size compiles, tests or tunes what later runs reuse.
    learns = False

    def __init__(self, name, where, version=""):
        self.name, self.where, self.version = name, where, version

    def prepare(self, build):
        """Builds what is missing; raises Absent if that fails."""

    def run(self, batch):
        """Samples per second, seconds to the first step, and the last loss."""
        raise NotImplementedError


class Shadegrad(Contestant):
    """This engine."""

    def __init__(self, device, options, driver):
        super().__init__(f"shadegrad --device {device}", "CPU" if device == "cpu" else "shaders")
        self.learns = device != "cpu"
        self.device, self.options, self.driver, self.epochs = device, options, driver, {}

    def prepare(self, build):
        if build:
            call(["cargo", "build", "--release"])

    def train(self, batch, epochs):
        command = [*self.driver.runner, ROOT / "target/release/shadegrad", "train", "--data", self.options.folder,
                   "--device", self.device, "--batch-size", batch, "--epochs", epochs, "--json"]
        output = call(command, self.driver.env)
        summary = json.loads(output.splitlines()[-1])
        return steady_rate(output, batch), summary["first_step_seconds"], summary["train_loss"]

    def run(self, batch):
        if batch not in self.epochs:
            self.epochs[batch] = max(1, round(self.options.seconds * self.train(batch, 1)[0] / 60_000))
        return self.train(batch, self.epochs[batch])


class Program(Contestant):
    """A Rust program of this folder, built with cargo into target/peers, that prints RESULT and JSON."""

    def __init__(self, name, where, version, folder, target, arguments, options, driver=None, features=()):
        super().__init__(name, where, version)
        self.folder, self.features, self.arguments, self.options = folder, features, arguments, options
        self.target, self.driver, self.learns = TARGET / target, driver, driver is not None

    def prepare(self, build):
        program = self.target / "release" / f"{self.folder}-bench"
        if build and not program.exists():
            call(["cargo", "build", "--release", "--manifest-path", HERE / self.folder / "Cargo.toml", *self.features],
                 {"CARGO_TARGET_DIR": str(self.target)}, timeout=None)
        if not program.exists():
            raise Absent(f"no {program.relative_to(ROOT)}: run without --no-build")
        self.program = program

    def run(self, batch):
        driver = self.driver
        command = [*(driver.runner if driver else []), self.program, *self.arguments, batch, "speed", self.options.seconds]
        return figures(call(command, {**(driver.env if driver else {}), "MNIST_DIR": str(self.options.folder)}))


class Script(Contestant):
    """A Python program of this folder that prints RESULT and JSON."""

    def __init__(self, name, where, python, script, arguments, options, modules):
        super().__init__(name, where)
        self.python, self.script, self.arguments, self.options, self.modules = python, script, arguments, options, modules

    def prepare(self, build):
        versions = "; ".join(["import importlib.metadata as m"] + [f"print(m.version('{name}'))" for name in self.modules])
        try:
            self.version = " ".join(call([self.python, "-c", versions]).split())
        except Absent as error:
            raise Absent(f"{self.python} has no {' and '.join(self.modules)} ({error})") from error

    def run(self, batch):
        command = [self.python, HERE / self.script, *(word(batch) if callable(word) else word for word in self.arguments)]
        return figures(call(command, {"MNIST_DIR": str(self.options.folder)}))


def figures(output):
    found = json.loads(next(line for line in output.splitlines() if line.startswith("RESULT "))[7:])
    loss = found.get("last_loss", found.get("loss"))
    return found["samples_s_median"], found.get("first_step_done_at_s") or float("nan"), loss


def everyone(options, driver, hardware):
    """All contestants; those that need a GPU only if there is a hardware GPU."""
    burn_device = "wgpu-default" if hardware else "wgpu"
    flags = ["--no-default-features", "--features"]
    torch = lambda mode, device: Script(f"PyTorch {mode}, {device}", "CPU" if device == "cpu" else "CUDA", options.python,
                                        "torch_mlp.py", [str, options.seconds, mode, "--device", device], options, ["torch"])
    them = [
        Shadegrad(options.device, options, driver),
        Shadegrad("cpu", options, Driver(None)),
        Program("burn wgpu", "shaders", "0.22.1", "burn", "", [burn_device], options, driver, [*flags, "default,wgpu"]),
        Program("burn flex", "CPU", "0.22.1", "burn", "burn-flex", ["flex"], options, None, [*flags, "default,flex"]),
        Program("meganeura", "shaders", "0.3.0", "meganeura", "meganeura", [], options, driver),
        Program("candle", "CPU", "0.11", "candle", "candle", [], options),
        torch("eager", "cpu"),
        torch("compiled", "cpu"),
        Script("Keras", "CPU", options.keras_python, "keras_mlp.py", [str, 3], options, ["keras", "tensorflow-cpu"]),
    ]
    if hardware:
        them[7:7] = [torch(mode, "cuda") for mode in ["eager", "compiled", "graphed"]]
    return [one for one in them if any(word in one.name for word in options.only)]
