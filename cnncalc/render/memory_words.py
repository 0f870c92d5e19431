"""A memory report in words: what is run, what a figure is made of, where the peak is, which tensor is which."""

from __future__ import annotations

from cnncalc.memory import MemoryReport, Peak, Tensor
from cnncalc.render.summary import size_text, titled
from cnncalc.shapes import shape_text

OPTIMIZERS = {"sgd": "SGD", "momentum": "SGD with momentum", "adam": "Adam", "adamw": "AdamW", "": "no optimizer"}
LOSSES = {"cross_entropy": "cross-entropy", "none": "no loss (outputs get gradients of ones)"}
DEVICES = {"cpu": "CPU", "cuda": "CUDA"}

PHASES = {
    "forward": "the forward pass",
    "loss": "the loss",
    "backward": "the backward pass",
    "recompute": "the backward pass",
    "optimizer": "the optimizer's part",
}

CATEGORIES = {
    "parameters": "weights and biases",
    "buffers": "running statistics and counters",
    "input": "what the network is given",
    "activations": "outputs of layers, in use",
    "saved": "kept for backward, outputs among it",
    "gradients": "of parameters, and on their way back",
    "optimizer state": "kept from step to step",
    "temporary": "of the operator that runs, gone after it",
}

# What an operator makes besides a layer's output.
MADE = {
    "constant_pad_nd": "padded copy",
    "native_batch_norm": "statistics",
    "native_group_norm": "statistics",
    "native_layer_norm": "statistics",
    "max_pool2d_with_indices": "indices",
    "max_pool3d_with_indices": "indices",
    "adaptive_max_pool2d": "indices",
    "adaptive_max_pool3d": "indices",
    "native_dropout": "mask",
    "empty_like": "mask",
    "_to_copy": "copy in another number format",
    "_log_softmax": "log-probabilities",
}


# What is run ----------------------------------------------------------------------------------------------------------


def title(report: MemoryReport) -> str:
    return titled(report.name, report.source)


def setting(report: MemoryReport) -> str:
    """What is run, in a sentence."""
    images = f"a batch of {report.batch:,} images" if report.batch > 1 else "1 image"
    where = f"{report.dtype}{', autocast to ' + report.amp if report.amp else ''}, on {DEVICES[report.device]}"
    if not report.training:
        return f"Predicting {images} in {where}; nothing is kept for a gradient."
    decay = " with weight decay" if report.weight_decay else ""
    parts = [f"Training on {images}: {OPTIMIZERS[report.optimizer]}{decay}, {LOSSES[report.loss]}, {where}"]
    if report.frozen:
        parts.append(f"frozen: {', '.join(f'`{name}`' for name in report.frozen)}")
    if report.checkpointed:
        parts.append(f"checkpointed: {', '.join(f'`{name}`' for name in report.checkpointed)}")
    return "; ".join(parts) + "."


# Sizes ----------------------------------------------------------------------------------------------------------------


def unit_of(report: MemoryReport) -> tuple[str, int]:
    """What bytes are rounded to: MB, 10^6 bytes; kB, 10^3, where there are no MB."""
    return ("MB", 10**6) if report.peak.bytes >= 10**6 else ("kB", 10**3)


def tenths(size: int, unit: int) -> str:
    """Rounded to tenths of a unit."""
    rounded = (size * 10 + unit // 2) // unit
    return f"{rounded // 10:,}.{rounded % 10}"


def category(name: str, report: MemoryReport) -> str:
    """What a category holds."""
    if name == "input" and report.loss == "cross_entropy":
        return "images, and the classes of the loss"
    return CATEGORIES[name]


def share(part: int, whole: int) -> str:
    """Of a hundred, rounded to tenths; what is there is never 0."""
    return f"{tenths(part * 100, whole)} %" if part * 2000 >= whole else "<0.1 %"


# The peak -------------------------------------------------------------------------------------------------------------


def place(report: MemoryReport) -> list[str]:
    """Where the peak is, and how the first step differs from those after it."""
    peak = report.peak
    unit, size = unit_of(report)
    binary = f", {tenths(peak.bytes, 2**20)} MiB" if peak.bytes >= 2**20 else ""
    most = f"{peak.bytes:,} bytes ({tenths(peak.bytes, size)} {unit}{binary})"
    if not peak.operator:
        return [f"The peak: {most}, before anything runs."]
    where = _during(peak, report)
    layer = f" of `{peak.layer}`" if peak.layer else ""
    said = [f"The peak: {most}, in {where}, when `{peak.operator}`{layer} ends."]
    first, last = report.steps[0], report.steps[-1]
    if len(report.steps) > 1 and first.peak != last.peak:
        said.append(
            f"Step 1 peaks at {size_text(first.peak)}, later steps at {size_text(last.peak)}: the optimizer's state is "
            f"there from the end of step 1. A step ends with {size_text(last.end)}."
        )
    elif report.training:
        said.append(f"A step ends with {size_text(last.end)}.")
    return said


def _during(peak: Peak, report: MemoryReport) -> str:
    if not report.training:
        return "prediction"
    alike = len({step.peak for step in report.steps}) == 1
    again = ", as it computes again what was not kept" if peak.phase == "recompute" else ""
    return f"{PHASES[peak.phase]} of {'each step' if alike else f'step {peak.step}'}{again}"


# Tensors --------------------------------------------------------------------------------------------------------------


def shape_of(tensor: Tensor, report: MemoryReport) -> str:
    """As the document writes shapes, `50 of 100x150x100` for a batch; what has no batch is written as torch does."""
    batch, *sizes = tensor.shape or [0]
    of_a_layer = tensor.name and tensor.category != "input"
    if of_a_layer or not sizes or batch != report.batch or report.layout == "chw":
        return shape_text(tuple(tensor.shape), "chw")
    written = shape_text(tuple(sizes), "hwc")
    return f"{batch:,} of {written}" if batch > 1 else written


def what(tensor: Tensor, report: MemoryReport) -> str:
    """A tensor in plain words: what it is, of which layer."""
    layer, _, part = tensor.name.rpartition(".")
    of = tensor.layer or "the loss"
    match tensor.category:
        case "parameters" | "buffers":
            return f"{'weights' if part == 'weight' else part} of {layer}"
        case "input":
            return {"target": "classes of the images", "input": "input"}.get(tensor.name, f"input {tensor.name}")
        case "optimizer state":
            return f"state of {OPTIMIZERS[report.optimizer]} for {tensor.name}"
        case "gradients":
            return f"gradient of {tensor.name}" if tensor.name else f"gradient that {of} passes back"
        case "temporary":
            return f"temporary of {of} ({tensor.operator})"
    if tensor.output:
        said = f"output of {of}"
    elif tensor.category == "activations":
        said = "the loss"
    else:
        word = MADE.get(tensor.operator)
        said = f"{word} made by {of}" if word else f"made by {of} ({tensor.operator})"
    return f"{said}, kept for backward" if tensor.category == "saved" else said
