#!/usr/bin/env python3
"""Trains three small models for a hundred steps in PyTorch and writes every step to hundred_steps.safetensors next to
this file, the reference of tests/golden.rs.

    python3 -m venv target/torch && target/torch/bin/pip install torch && target/torch/bin/python tests/golden/export.py

Everything is computed in double precision, on the CPU, from fixed seeds: the file changes only with this script or PyTorch.
It contains `images` [800, 16] and `labels` [800], bytes, in training order, 8 per step; and for each model, under
`MODEL/`, the `losses` [100] of the steps and each tensor [101, ...] before the first step and after each one. Weights are
[inputs, outputs], the transpose of PyTorch's. The metadata contain batch size and settings."""
import json
import struct
from pathlib import Path

import torch
from torch import nn

STEPS, BATCH, FEATURES, CLASSES = 100, 8, 16, 4
# Closer to zero than this, rounding in single precision could decide on which side of its kink a ReLU is.
MARGIN = 2e-5


def perceptron(*widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return layers[:-1]


def normed_perceptron(*widths):
    """Batch norm replaces each hidden layer's bias, which it would cancel."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
    return layers + [nn.Linear(*widths[-2:])]


def squared_error(logits, labels):
    return nn.functional.mse_loss(logits, nn.functional.one_hot(labels, CLASSES).to(logits.dtype))


def adam(model, learning_rate):
    return torch.optim.Adam(model.parameters(), lr=learning_rate)


def sgd(model, learning_rate, momentum):
    return torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum)


def adamw(model, learning_rate, weight_decay):
    """Only matrices decay, not biases and norms."""
    groups = [{"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": weight_decay},
              {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate)


MODELS = {
    "cross_entropy_adam": (perceptron(FEATURES, 12, CLASSES), nn.functional.cross_entropy, adam,
                           {"learning_rate": 0.01}),
    "mse_momentum": (perceptron(FEATURES, 10, 8, CLASSES), squared_error, sgd,
                     {"learning_rate": 0.1, "momentum": 0.9}),
    "batch_norm_adamw": (normed_perceptron(FEATURES, 10, 8, CLASSES), nn.functional.cross_entropy, adamw,
                         {"learning_rate": 0.01, "weight_decay": 0.1}),
}


def data(generator):
    """Images scattered around a class center, widely enough for classes to overlap."""
    centres = 80 + 96 * torch.rand(CLASSES, FEATURES, generator=generator)
    labels = torch.randint(CLASSES, (STEPS * BATCH,), generator=generator)
    noise = 40 * torch.randn(STEPS * BATCH, FEATURES, generator=generator)
    return (centres[labels] + noise).clamp(0, 255).to(torch.uint8), labels


def begin(model, generator):
    """He-initialized weights, biases and norms near their defaults; all exact in single precision."""
    for parameter in model.parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        scale = (2 / parameter.shape[1]) ** 0.5 if parameter.dim() == 2 else 0.1
        parameter.data = (scale * drawn).to(torch.float64)
    for module in model:
        if isinstance(module, nn.BatchNorm1d):
            module.weight.data = (1 + module.weight.data).to(torch.float32).to(torch.float64)


def snapshot(model):
    """The model's state, by the engine's names."""
    tensors, counts = {}, {}
    for module in model:
        stem = {nn.Linear: "fc", nn.BatchNorm1d: "bn"}.get(type(module))
        counts[stem] = counts.get(stem, 0) + 1
        for name, tensor in module.state_dict().items():
            if tensor.dim() > 0:
                tensors[f"{stem}{counts[stem]}.{name}"] = tensor.detach().T.clone() if tensor.dim() == 2 else tensor.clone()
    return tensors


def train(model, loss_of, optimiser, images, labels):
    nearest = []
    for module in model:
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _, inputs, __: nearest.append(inputs[0].abs().min().item()))
    losses, states = [], [snapshot(model)]
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        optimiser.zero_grad()
        loss = loss_of(model(images[rows].to(torch.float64) / 255), labels[rows])
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
        states.append(snapshot(model))
    assert min(nearest) > MARGIN, f"an activation of {min(nearest)} is too near its kink: take another seed"
    print(f"loss from {losses[0]:.3f} to {losses[-1]:.3f}, no activation nearer to its kink than {min(nearest):.1e}")
    return torch.stack(losses), {name: torch.stack([state[name] for state in states]) for name in states[0]}


def write(path, tensors, metadata):
    """The format: https://huggingface.co/docs/safetensors. A length, a JSON header of that length, then the numbers."""
    kinds = {torch.float64: "F64", torch.float32: "F32", torch.uint8: "U8"}
    header, body = {"__metadata__": metadata}, b""
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        numbers = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(body), len(body) + len(numbers)]}
        body += numbers
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def main():
    generator = torch.Generator().manual_seed(7)
    images, labels = data(generator)
    tensors = {"images": images, "labels": labels.to(torch.uint8)}
    metadata = {"torch": torch.__version__, "batch": str(BATCH)}
    for name, (layers, loss_of, optimiser, settings) in MODELS.items():
        model = nn.Sequential(*layers).to(torch.float64).train()
        begin(model, generator)
        print(name, end=": ")
        losses, states = train(model, loss_of, optimiser(model, **settings), images, labels)
        tensors[f"{name}/losses"] = losses
        tensors.update({f"{name}/{tensor}": values.to(torch.float32) for tensor, values in states.items()})
        metadata.update({f"{name}/{key}": repr(value) for key, value in settings.items()})
    write(Path(__file__).with_name("hundred_steps.safetensors"), tensors, metadata)


main()
