#!/usr/bin/env python3
"""Test accuracy of the two classic programs, here and in PyTorch, on the same images over several seeds.

usage: benches/peers/accuracy.py --data DIR [--shadegrad FILE] [--device NAME]... [--seeds N] [--program first|second]
       [--record FILE]

DIR holds the four IDX files of MNIST, plain or gzipped. The programs:
- first: 784-1024-10, ReLU, cross-entropy, Adam 1e-3, all 60,000 images, 10 epochs, batches of 32 and of 128;
- second: 784-1024-1024-10, ReLU, mean squared error of softmax probabilities, Adam 1e-3, batches of 128, 10 epochs,
  on the first 10,000 training images, with the last 1,000 held out for the test.
PyTorch uses its own initialization, its own order of the images, and its default number of threads.
"""
import argparse, datetime, gzip, json, os, pathlib, statistics, struct, subprocess, sys, tempfile

NAMES = {"images": "-images-idx3-ubyte", "labels": "-labels-idx1-ubyte"}
EPOCHS = 10


def idx(folder, prefix, what):
    """The payload of an IDX file, and the size of an item in bytes."""
    path = pathlib.Path(folder) / (prefix + NAMES[what])
    raw = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes())
    extents = struct.unpack(f">{raw[3]}I", raw[4:4 + 4 * raw[3]])
    item = 1
    for extent in extents[1:]:
        item *= extent
    return raw[4 + 4 * raw[3]:], item, extents


def write_part(source, target, prefix, first, last):
    """Writes items first to last of the training set as IDX files named `prefix`."""
    for what in NAMES:
        payload, item, extents = idx(source, "train", what)
        head = struct.pack(">BBBB", 0, 0, 8, len(extents)) + struct.pack(f">{len(extents)}I", last - first, *extents[1:])
        (pathlib.Path(target) / (prefix + NAMES[what])).write_bytes(head + payload[first * item:last * item])


def shadegrad(binary, device, data, flags, seed):
    command = [binary, "train", "--data", data, "--device", device, "--epochs", str(EPOCHS), "--seed", str(seed), "--json"]
    lines = subprocess.run(command + flags, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(e for e in map(json.loads, lines) if e["event"] == "summary")["test_accuracy"]


def pytorch(data, hidden, loss, batch, seed):
    import torch
    torch.manual_seed(seed)
    def split(prefix):
        images, item, _ = idx(data, prefix, "images")
        labels, _, _ = idx(data, prefix, "labels")
        return (torch.frombuffer(bytearray(images), dtype=torch.uint8).reshape(-1, item).float() / 255,
                torch.frombuffer(bytearray(labels), dtype=torch.uint8).long())
    (x, y), (xt, yt) = split("train"), split("t10k")
    widths, layers = [784, *hidden, 10], []
    for k, n in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(k, n), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    one_hot = torch.eye(10)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(batch):
            z = model(x[rows])
            if loss == "cross-entropy":
                value = torch.nn.functional.cross_entropy(z, y[rows])
            else:
                value = torch.nn.functional.mse_loss(z.softmax(1), one_hot[y[rows]])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    with torch.no_grad():
        return (model(xt).argmax(1) == yt).float().mean().item()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--shadegrad", default="target/release/shadegrad")
    arguments.add_argument("--device", action="append", help="of shadegrad (default: cpu)")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--program", choices=["first", "second"], action="append", help="default: both")
    arguments.add_argument("--record", help="a file to append the table to")
    asked = arguments.parse_args()
    import torch
    lines = [f"| program, test accuracy in % over seeds 1 to {asked.seeds} | " + " | ".join(
        [f"shadegrad, {device}" for device in asked.device or ["cpu"]] + [f"PyTorch {torch.__version__}, CPU"]) + " |"]
    lines.append("| --- |" + " --- |" * (1 + len(asked.device or ["cpu"])))
    seeds = range(1, asked.seeds + 1)
    with tempfile.TemporaryDirectory() as part:
        write_part(asked.data, part, "train", 0, 9_000)
        write_part(asked.data, part, "t10k", 9_000, 10_000)
        for program, name, data, hidden, loss, batch in [
            ("first", "784-1024-10, cross-entropy, batch 32", asked.data, [1024], "cross-entropy", 32),
            ("first", "784-1024-10, cross-entropy, batch 128", asked.data, [1024], "cross-entropy", 128),
            ("second", "784-1024-1024-10, softmax-mse, 9,000 images", part, [1024, 1024], "softmax-mse", 128),
        ]:
            if program not in (asked.program or ["first", "second"]):
                continue
            flags = ["--hidden", ",".join(map(str, hidden)), "--loss", loss, "--batch-size", str(batch)]
            columns = [[shadegrad(asked.shadegrad, device, data, flags, seed) for seed in seeds]
                       for device in asked.device or ["cpu"]]
            columns.append([pytorch(data, hidden, loss, batch, seed) for seed in seeds])
            cells = [f"**{100 * statistics.median(c):.2f}** ({', '.join(f'{100 * a:.2f}' for a in c)})" for c in columns]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    if asked.record:
        with open(asked.record, "a") as record:
            record.write(f"\n{datetime.date.today()}, `benches/peers/accuracy.py`, medians in bold:\n\n" + "\n".join(lines) + "\n")


main()
