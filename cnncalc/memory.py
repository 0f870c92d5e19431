"""`memory`: what a network takes in memory, by every model, and the eager run in detail; put together into a report.

The records are plain, of exact integers: bytes for the whole batch. pydantic writes and reads their JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from cnncalc import formulas
from cnncalc.eager import CATEGORIES, Setup, Timeline, timeline
from cnncalc.graph import Network
from cnncalc.passes.memory import Textbook, every_output, liveness, textbook
from cnncalc.shapes import DTYPE_BYTES, Layout, elements

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1

NOT_MODELLED = {
    "cpu": [
        "what a kernel allocates and frees inside itself: oneDNN's copies of weights and images in its own layout "
        "(up to a fifth more in prediction, up to a twelfth in training, in what was measured)",
        "Python, torch's libraries and the data loader",
    ],
    "cuda": [
        "the workspace of cuDNN's convolutions, which depends on the algorithm it picks",
        "cuBLAS's workspace, 8,519,680 bytes or 32 MiB a stream",
        "free memory that the allocator keeps, and blocks it hands out larger than asked for: but for workspaces, "
        "these numbers lie between the peaks of requested_bytes and allocated_bytes in torch.cuda.memory_stats()",
        "the CUDA context, some hundreds of MB",
    ],
}


@dataclass(slots=True)
class Term:
    """One part of a sum, in words."""

    name: str
    bytes: int


@dataclass(slots=True)
class Model:
    """A named model's figure for prediction or training, and the terms that add up to it."""

    model: Literal["textbook", "sum", "liveness", "eager"]
    of: Literal["prediction", "training"]
    bytes: int
    terms: list[Term]
    why: str


@dataclass(slots=True)
class Tensor:
    """A tensor that is alive at the peak.

    `name` is a parameter's or an input's; `operator` made it for `layer`, and `output` is whether it is the layer's
    output.
    """

    bytes: int
    shape: list[int]
    category: str
    layer: str
    operator: str
    name: str
    output: bool


@dataclass(slots=True)
class Peak:
    """The first moment at which the most is alive: after which operator, of which layer, in which phase of which step.

    `event` counts the run's operators from 0; `categories` add up to `bytes`; `tensors` are alive, the largest first.
    """

    bytes: int
    event: int
    step: int
    phase: str
    layer: str
    operator: str
    categories: dict[str, int]
    tensors: list[Tensor]


@dataclass(slots=True)
class Step:
    """One step of training (or the prediction): its number from 1, its peak, and what its last operator leaves."""

    number: int
    peak: int
    end: int


@dataclass(slots=True)
class Event:
    """The end of one operator: the bytes alive, in all and by category."""

    step: int
    phase: str
    layer: str
    operator: str
    bytes: int
    categories: dict[str, int]


@dataclass(slots=True)
class MemoryReport:
    """Everything `memory` says of a network.

    `difference` adds up to what `eager` says minus what `textbook` says. `kept` is what each layer is first to keep for
    the backward pass, in the first step; the loss is the layer "". What has no meaning without training is "".
    """

    schema_version: int
    name: str
    source: str
    layout: Layout
    batch: int
    dtype: str
    device: str
    training: bool
    optimizer: str
    weight_decay: bool
    loss: str
    frozen: list[str]
    checkpointed: list[str]
    amp: str
    models: list[Model]
    difference: list[Term]
    at_rest: int
    peak: Peak
    steps: list[Step]
    kept: dict[str, int]
    not_modelled: list[str]
    timeline: list[Event]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def memory(network: Network, setup: Setup | None = None) -> MemoryReport:
    """What a network takes in memory for `setup` (a prediction of one image if nothing is said).

    Raises `DocumentError` where torch would refuse to run or train the network.
    """
    setup = setup or Setup()
    run = timeline(network, setup)
    least = textbook(network, setup.batch, setup.dtype)
    peak = _peak(run)
    return MemoryReport(
        schema_version=SCHEMA_VERSION,
        name=network.name,
        source=network.source,
        layout=network.layout,
        batch=setup.batch,
        dtype=setup.dtype,
        device=setup.device,
        training=setup.training,
        optimizer=setup.optimizer if setup.training else "",
        weight_decay=setup.weight_decay and setup.training,
        loss=setup.loss if setup.training else "",
        frozen=list(setup.frozen),
        checkpointed=list(setup.checkpointed),
        amp=setup.amp,
        models=[*_models(network, setup, least), _eager(setup, peak)],
        difference=_difference(network, setup, least, peak),
        at_rest=run.at_rest,
        peak=peak,
        steps=_steps(run),
        kept=run.kept() if setup.training else {},
        not_modelled=[*_not_measured(network, setup), *NOT_MODELLED[setup.device]],
        timeline=_events(run),
    )


def _not_measured(network: Network, setup: Setup) -> list[str]:
    """Rules that were not measured on the device, and a bound that does not need them."""
    if not setup.amp or setup.device == "cpu":
        return []
    full = timeline(network, replace(setup, amp="")).bytes
    weighted = [node for node in network.nodes if node.facts.macs]
    values = sum([elements(shape) for node in weighted for shape in (*node.input_shapes, node.output)])
    parameters = sum([node.facts.weights + node.facts.biases for node in weighted])
    copies = formulas.tensor_bytes(values, DTYPE_BYTES[setup.amp], setup.batch)
    copies += formulas.tensor_bytes(parameters, DTYPE_BYTES[setup.amp], 1)
    return [
        "autocast's own choice of operators on CUDA: its rules were measured on CPU. It is at most "
        f"{full + 2 * copies:,} bytes: what is held in {setup.dtype}, and a copy in {setup.amp} of all that "
        "convolutions and dense layers read and make, and of its gradients"
    ]


# The models -----------------------------------------------------------------------------------------------------------


def _models(network: Network, setup: Setup, least: Textbook) -> list[Model]:
    every = every_output(network, setup.batch, setup.dtype)
    parameters = Term("parameters", least.parameters)
    if setup.training:
        return [
            Model(
                "textbook",
                "training",
                least.training,
                [Term("input", least.input), Term("every layer's output", least.outputs), parameters],
                "every output is kept; no gradients, no optimizer, nothing that a layer keeps beside its output",
            ),
            Model(
                "sum",
                "training",
                every.training,
                [Term("every layer's output", every.outputs), Term("a gradient of each", every.outputs)],
                "outputs alone, each with a gradient that lives as long as it; parameters stand apart",
            ),
        ]
    alive = liveness(network, setup.batch, setup.dtype)
    widest = f" (`{least.widest.name}` and what it reads)" if least.widest is not None else ""
    most = f" while `{alive.at.name}` runs" if alive.at is not None else ""
    return [
        Model(
            "textbook",
            "prediction",
            least.prediction,
            [Term(f"two consecutive layers' outputs{widest}", least.widest_pair), parameters],
            "a layer's input goes as soon as its output is there; the network's own input is left out",
        ),
        Model(
            "sum",
            "prediction",
            every.prediction,
            [Term("every layer's output", every.outputs)],
            "outputs alone, none of them freed; parameters stand apart",
        ),
        Model(
            "liveness",
            "prediction",
            alive.prediction,
            [
                Term("input", alive.input),
                Term(f"outputs alive{most}", alive.outputs),
                parameters,
                Term("buffers", alive.buffers),
            ],
            "in the document's order, an output going after its last reader",
        ),
    ]


def _eager(setup: Setup, peak: Peak) -> Model:
    terms = [Term(name, size) for name, size in peak.categories.items() if size]
    why = "the most that is alive at the end of any operator; by category below"
    return Model("eager", "training" if setup.training else "prediction", peak.bytes, terms, why)


def _difference(network: Network, setup: Setup, least: Textbook, peak: Peak) -> list[Term]:
    """What torch holds at its peak and the textbook leaves out; negative is what the textbook counts beyond it."""
    held, blocks = peak.categories, ", in whole blocks" if setup.device == "cuda" else ""
    outputs = sum(tensor.bytes for tensor in peak.tensors if tensor.output)
    loss = sum(tensor.bytes for tensor in peak.tensors if tensor.category == "activations" and not tensor.output)
    named = sum(tensor.bytes for tensor in peak.tensors if tensor.category == "gradients" and tensor.name)
    if setup.training:
        missing, which = _missing(network, setup, peak)
        gone = "not made yet, or gone" if peak.phase == "forward" else "gone by then"
        terms = [
            Term(f"outputs {gone} ({which})", -missing),
            Term(f"outputs in another size than the textbook's{blocks}", outputs + missing - least.outputs),
        ]
    else:
        terms = [Term("outputs there at once, less the textbook's two", outputs - least.widest_pair)]
    given = "classes of the images" if setup.training else "the network's input"
    terms += [
        Term("kept for backward beside outputs", held["saved"] + held["activations"] - outputs - loss),
        Term("gradients of parameters", named),
        Term("gradients on their way back", held["gradients"] - named),
        Term("the optimizer's state", held["optimizer state"]),
        Term("temporary tensors", held["temporary"]),
        Term("buffers", held["buffers"]),
        Term(f"{given}{blocks}", held["input"] - (least.input if setup.training else 0)),
        Term(f"parameters{blocks}", held["parameters"] - least.parameters),
        Term("the loss", loss),
    ]
    return [term for term in terms if term.bytes]


def _missing(network: Network, setup: Setup, peak: Peak) -> tuple[int, str]:
    """The outputs that are not alive at the peak: how many bytes by the textbook, and of which layers."""
    alive = {tensor.layer for tensor in peak.tensors if tensor.output}
    missing = [node for node in network if node.facts.activations and node.name not in alive]
    elements = sum(node.facts.activations for node in missing)
    which = ", ".join(f"`{node.name}`" for node in missing) if len(missing) <= 2 else f"{len(missing):,} layers"
    return formulas.tensor_bytes(elements, DTYPE_BYTES[setup.dtype], setup.batch), which


# The run --------------------------------------------------------------------------------------------------------------


def _peak(run: Timeline) -> Peak:
    index = run.peak
    if index < 0:
        return Peak(run.at_rest, -1, 1, "", "", "", dict.fromkeys(CATEGORIES, 0) | {"input": run.at_rest}, [])
    event = run.events[index]
    step = sum(1 for start in run.starts if start <= index)
    categories = run.categories(index)
    return Peak(event.live, index, step, event.phase, event.layer, event.operator, categories, _tensors(run, index))


def _tensors(run: Timeline, index: int) -> list[Tensor]:
    """What is alive at an event, the largest first."""
    return [
        Tensor(held.bytes, list(held.shape), held.category, held.layer, held.operator, held.name, held.output)
        for held in run.held(index)
    ]


def _steps(run: Timeline) -> list[Step]:
    steps = []
    for number in range(len(run.starts)):
        events = run.step(number)
        lives = [run.events[index].live for index in events] or [run.at_rest]
        steps.append(Step(number + 1, max(lives), lives[-1]))
    return steps


def _events(run: Timeline) -> list[Event]:
    step = [0] * len(run.events)
    for number in range(len(run.starts)):
        for index in run.step(number):
            step[index] = number + 1
    return [
        Event(number, event.phase, event.layer, event.operator, event.live, categories)
        for number, event, categories in zip(step, run.events, run.by_category(), strict=True)
    ]


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(report: MemoryReport, indent: int | None = 2) -> str:
    text: str = _adapter().dump_json(report, indent=indent).decode()
    return text


def from_json(text: str | bytes) -> MemoryReport:
    """Raises pydantic's ValidationError where the text is not a memory report."""
    report: MemoryReport = _adapter().validate_json(text)
    return report


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a memory report."""
    return _adapter().json_schema()


def _adapter() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(MemoryReport)
