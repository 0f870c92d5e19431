"""Every number of a network as plain records: what a lock file holds, and what `diff` compares.

There are no places and no paths in it, so that it is the same wherever a document stands and whatever comments it has.
Shapes are [channels, *spatial]; counts are for one image, bytes for the run that is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

from cnncalc.analysis import analyze
from cnncalc.diagnostics import DocumentError
from cnncalc.eager import Setup, timeline
from cnncalc.graph import Network
from cnncalc.passes.memory import textbook
from cnncalc.report import LayerReport, ReceptiveField, Tensor
from cnncalc.shapes import Layout

SCHEMA_VERSION = 1

# The two runs that memory is told of. Batch norm cannot train on one image, so that training is of two.
PREDICTION = Setup()
TRAINING = Setup(batch=2, training=True)


@dataclass(slots=True)
class LayerFigures:
    """One layer; `title` are its sizes in words, as `analyze` shows them."""

    name: str
    kind: str
    title: str
    inputs: list[str]
    input_shapes: list[list[int]]
    output: list[int]
    parameters: int
    weights: int
    biases: int
    buffers: int
    macs: int
    multiplies: int
    operations: dict[str, int]
    activations: int
    connections: int
    receptive_field: ReceptiveField | None


@dataclass(slots=True)
class RunFigures:
    """Bytes of one run: by the textbook, and as torch holds them (None where it refuses to run: `refused` says why)."""

    batch: int
    textbook: int
    eager: int | None
    refused: str


@dataclass(slots=True)
class MemoryFigures:
    """A prediction of one image, and training a batch of two."""

    dtype: str
    device: str
    optimizer: str
    prediction: RunFigures
    training: RunFigures


@dataclass(slots=True)
class TotalFigures:
    """Sums over all layers; `flops` are all operations, `depth` is in weighted layers."""

    layers: int
    parameters: int
    weights: int
    biases: int
    buffers: int
    macs: int
    multiplies: int
    flops: int
    operations: dict[str, int]
    activations: int
    connections: int
    depth: int
    memory: MemoryFigures


@dataclass(slots=True)
class Figures:
    """A whole network; `document` is the name of its file, without the folder."""

    schema_version: int
    document: str
    name: str
    layout: Layout
    inputs: list[Tensor]
    outputs: list[Tensor]
    layers: list[LayerFigures]
    totals: TotalFigures


# The totals by the names that `expect` has for them, too.
QUANTITIES: dict[str, Callable[[TotalFigures], int | None]] = {
    "layers": lambda totals: totals.layers,
    "depth": lambda totals: totals.depth,
    "parameters": lambda totals: totals.parameters,
    "weights": lambda totals: totals.weights,
    "biases": lambda totals: totals.biases,
    "buffers": lambda totals: totals.buffers,
    "macs": lambda totals: totals.macs,
    "multiplies": lambda totals: totals.multiplies,
    "flops": lambda totals: totals.flops,
    "activations": lambda totals: totals.activations,
    "connections": lambda totals: totals.connections,
    "textbook.prediction": lambda totals: totals.memory.prediction.textbook,
    "textbook.training": lambda totals: totals.memory.training.textbook,
    "memory.prediction": lambda totals: totals.memory.prediction.eager,
    "memory.training": lambda totals: totals.memory.training.eager,
}
BYTES = ("textbook.prediction", "textbook.training", "memory.prediction", "memory.training")


def refusal(totals: TotalFigures, quantity: str) -> str:
    """Why a quantity of the totals has no value, "" where it has one."""
    if quantity == "memory.prediction":
        return totals.memory.prediction.refused
    return totals.memory.training.refused if quantity == "memory.training" else ""


def document_name(source: str) -> str:
    """A document's file, without its folder."""
    return PurePath(source).name.encode("utf-8", "replace").decode()


def figures(network: Network, batch: int | None = None) -> Figures:
    """Every number of a network; both runs are of `batch` images where that is given, as no lock has them."""
    prediction, training = [run if batch is None else replace(run, batch=batch) for run in (PREDICTION, TRAINING)]
    report = analyze(network)
    totals = report.totals
    return Figures(
        schema_version=SCHEMA_VERSION,
        document=document_name(network.source),
        name=network.name,
        layout=network.layout,
        inputs=report.inputs,
        outputs=report.outputs,
        layers=[_layer(row) for row in report.layers],
        totals=TotalFigures(
            layers=totals.layers,
            parameters=totals.parameters,
            weights=totals.weights,
            biases=totals.biases,
            buffers=totals.buffers,
            macs=totals.macs,
            multiplies=totals.multiplies,
            flops=sum(totals.operations.values()),
            operations=totals.operations,
            activations=totals.activations,
            connections=totals.connections,
            depth=totals.depth.layers,
            memory=MemoryFigures(
                dtype=PREDICTION.dtype,
                device=PREDICTION.device,
                optimizer=TRAINING.optimizer,
                prediction=_run(network, prediction),
                training=_run(network, training),
            ),
        ),
    )


def _layer(row: LayerReport) -> LayerFigures:
    return LayerFigures(
        name=row.name,
        kind=row.kind,
        title=row.title,
        inputs=row.inputs,
        input_shapes=row.input_shapes,
        output=row.output,
        parameters=row.parameters,
        weights=row.weights,
        biases=row.biases,
        buffers=row.buffers,
        macs=row.macs,
        multiplies=row.multiplies,
        operations=row.operations,
        activations=row.activations,
        connections=row.connections,
        receptive_field=row.receptive_field,
    )


def _run(network: Network, setup: Setup) -> RunFigures:
    least = textbook(network, setup.batch, setup.dtype)
    bytes = least.training if setup.training else least.prediction
    try:
        return RunFigures(setup.batch, bytes, timeline(network, setup).bytes, "")
    except DocumentError as error:
        return RunFigures(setup.batch, bytes, None, error.diagnostics[0].message)
