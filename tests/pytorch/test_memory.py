"""The model of eager torch beside torch: every operator, every byte; and the instrument that says what is live."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.eager import Setup, Timeline, autograd, kinds, optimizers
from cnncalc.eager.kinds import Call
from cnncalc.eager.machine import Tensor
from cnncalc.graph import Network

sys.path.insert(0, str(Path(__file__).parent.parent))
from random_networks import documents, lacks_kernel, setups

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cnncalc.pytorch import MemoryVerification, diagnostics, verify_memory
from cnncalc.pytorch.memory import boundaries, boundaries_of, measured

SMALL = """\
input: 9x8x2
layers:
  - name: first
    conv: {out_channels: 3, kernel_size: 3, padding: 1, bias: false}
  - batch_norm
  - relu: {inplace: true}
  - max_pool: 2
  - {name: head, linear: 5}
"""


pytestmark = pytest.mark.usefixtures("one_thread")


def failures(report: MemoryVerification) -> list[tuple[str | None, str, Any, Any]]:
    return [(layer and layer.name, c.quantity, c.engine, c.torch) for layer, c in report.disagreements]


def said(report: MemoryVerification, network: Network) -> str:
    return "\n".join(map(str, diagnostics(report, network)))


# The instrument -------------------------------------------------------------------------------------------------------


def test_bytes_at_every_operator_by_hand() -> None:
    """A float32 of 2x3 is 24 bytes; `run` lets go of its tensors as it goes."""
    x = torch.rand(2, 3)

    def run() -> None:
        y = x + x  # 24
        z = y.relu()  # and 24
        del y
        w = z.sum()  # 24 and 4
        del z
        w.add_(w)  # 4

    assert boundaries(run, 100) == [("add", 124), ("relu", 148), ("sum", 128), ("add_", 104)]


def test_operators_that_are_made_of_others_are_not_seen_and_those_are() -> None:
    linear, x = nn.Linear(3, 5), torch.rand(2, 3)

    def run() -> None:
        with torch.no_grad():
            linear(x)

    assert boundaries(run) == [("t", 0), ("addmm", 2 * 5 * 4)]


def test_what_an_operator_allocates_on_its_way_is_not_seen() -> None:
    """A norm in another number format copies its input first."""
    x = torch.rand(64, 64, dtype=torch.bfloat16)

    def run() -> None:
        torch.linalg.vector_norm(x, dtype=torch.float64)

    assert boundaries(run) == [("linalg_vector_norm", 8)]


def test_python_numbers_are_tensors_while_their_operator_runs() -> None:
    x = torch.rand(2, 3)

    def run() -> None:
        y = x * 2.0
        y.relu_()

    assert boundaries(run) == [("mul", 24 + 8), ("relu_", 24)]


def test_a_small_module_forward_and_backward_by_hand() -> None:
    """One dense layer without bias, 3 to 5, of 2 images, and a ReLU in place; no input wants a gradient."""
    linear, x = nn.Linear(3, 5, bias=False), torch.rand(2, 3)
    rest, output, weight, scalar = 1000, 2 * 5 * 4, 5 * 3 * 4, 4

    def run() -> None:
        total = linear(x).relu_().sum()
        total.backward()

    assert boundaries(run, rest) == [
        ("t", rest),
        ("mm", rest + output),
        ("relu_", rest + output),
        ("sum", rest + output + scalar),  # the ReLU keeps its result
        ("ones_like", rest + output + 2 * scalar),  # the loss and its gradient
        ("expand", rest + output + 2 * scalar),  # a view of the gradient
        ("threshold_backward", rest + 2 * output + 2 * scalar),
        ("t", rest + output + 2 * scalar),  # of its gradient; the ReLU's result is gone
        ("mm", rest + output + weight + 2 * scalar),
        ("t", rest + output + weight + 2 * scalar),
        ("t", rest + weight + 2 * scalar),
        ("detach", rest + weight + 2 * scalar),  # the parameter takes the gradient over
    ]


def test_runs_that_follow_one_another() -> None:
    held: list[Any] = []
    first, second = boundaries_of([lambda: held.append(torch.ones(4)), lambda: held.append(torch.ones(8))], 8)
    assert first == [("ones", 8 + 16)]
    assert second == [("ones", 8 + 16 + 32)]
    assert boundaries_of([lambda: None, lambda: held.clear()], 56) == [[], []]


def test_garbage_from_before_is_not_freed_on_the_way() -> None:
    """A cycle that holds a tensor, left by a run before, would be collected as soon as there are enough new objects."""

    def litter() -> None:
        cycle: list[Any] = [torch.ones(1000)]
        cycle.append(cycle)

    x = torch.rand(2)

    def run() -> None:
        objects: list[Any] = [[] for _ in range(200_000)]
        x + x
        assert objects

    assert boundaries(litter) == [("ones", 4000)]
    assert boundaries(run) == [("add", 8)]


def test_why_a_dispatch_mode_must_not_be_used() -> None:
    """A value used twice: its second gradient is added in place, but out of place while a mode is active."""

    class Idle(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    def run() -> None:
        x = torch.rand(2, 3, requires_grad=True)
        y = x.sigmoid()
        (y.tanh() + y.sin()).sum().backward()

    def under_a_mode() -> None:
        with Idle():
            run()

    assert "add_" in [operator for operator, _ in boundaries(run)]
    assert "add_" not in [operator for operator, _ in boundaries(under_a_mode)]


def test_what_goes_wrong_inside_comes_out() -> None:
    def run() -> None:
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        boundaries(run)
    assert boundaries(lambda: None) == []


# Networks that agree --------------------------------------------------------------------------------------------------


def test_what_is_compared() -> None:
    """Every quantity of a small network in batches of 3, the counts by hand."""
    network = cnncalc.loads(SMALL)
    report = verify_memory(network, Setup(batch=3, optimizer="momentum"))
    assert failures(report) == []
    (pool,) = [layer for layer in report.layers if layer.name == "max_pool"]
    maps, indices = 3 * (4 * 4 * 3) * 4, 3 * (4 * 4 * 3) * 8
    assert [(c.quantity, c.count) for c in pool.comparisons] == [
        ("live bytes in prediction", 1),
        ("live bytes in training", 2 * 2),  # forward and backward of two steps
        ("kept bytes", 1),
    ]
    assert pool.comparisons[-1].torch == indices
    (head,) = [layer for layer in report.layers if layer.name == "head"]
    assert head.comparisons[-1].torch == maps  # its input, which no one kept before
    totals = {c.quantity: c.torch for c in report.totals}
    parameters, buffers, images = 54 + 6 + 48 * 5 + 5, 6, 3 * 9 * 8 * 2
    rest = (parameters + buffers + images) * 4 + 8
    assert totals["live bytes at rest in prediction"] == rest
    assert totals["live bytes at rest in training"] == rest + 3 * 8
    assert totals["kept bytes of the loss"] == 3 * 5 * 4 + 4
    assert list(totals) == [
        "live bytes at rest in prediction",
        "peak of prediction",
        "live bytes at rest in training",
        "live bytes in training",
        "peak of the first training step",
        "peak of a later training step",
        "kept bytes of the loss",
        "kept bytes in all",
    ]
    boundaries = sum(len(step) for step in measured(network, replace(report.setup)).steps)
    assert sum(c.count for _, c in report if c.quantity == "live bytes in training") == boundaries
    # 8 totals, of which one stands for the loss' operators, and what each layer keeps
    assert report.compared == boundaries + 7 + 5 + sum(
        c.count for _, c in report if c.quantity == "live bytes in prediction"
    )


@pytest.mark.parametrize("name", ["lenet5", "mnist_cnn", "cifar_pattern", "paddle_cnn", "homework_3_layers"])
def test_small_networks_of_the_zoo(name: str) -> None:
    assert failures(verify_memory(cnncalc.load(name))) == []


@pytest.mark.parametrize(
    ("name", "input"),
    [
        ("alexnet_torchvision", "64x64x3"),
        ("densenet121", "64x64x3"),
        ("googlenet_aux", "64x64x3"),
        ("mobilenet_v2", "64x64x3"),
        ("resnet18", "64x64x3"),
        ("resnet50", "40x56x3"),
        ("se_resnet50", "64x64x3"),
        ("squeezenet1_1", "64x64x3"),
        ("xception", "75x75x3"),
    ],
)
def test_large_networks_of_the_zoo_on_small_images(name: str, input: str) -> None:
    network = cnncalc.load(name, [f"input={input}"])
    assert failures(verify_memory(network, Setup(batch=2, optimizer="adam"))) == []


# Random networks, and how each kind of them is trained
RANDOM: dict[str, tuple[int, Setup]] = {
    "adam": (60, Setup(batch=2, optimizer="adam")),
    "one image": (30, Setup(batch=1, optimizer="sgd")),
    "three images, momentum": (30, Setup(batch=3, optimizer="momentum")),
    "no loss, no optimizer": (30, Setup(batch=2, optimizer="", loss="none")),
    "float64, adamw": (30, Setup(batch=2, dtype="float64", optimizer="adamw")),
    "bfloat16": (30, Setup(batch=2, dtype="bfloat16", optimizer="sgd")),
    "float16": (30, Setup(batch=2, dtype="float16", optimizer="adam")),
    "weight decay, sgd": (20, Setup(batch=2, optimizer="sgd", weight_decay=True)),
    "weight decay, momentum": (20, Setup(batch=2, optimizer="momentum", weight_decay=True)),
    "weight decay, adam": (20, Setup(batch=2, optimizer="adam", weight_decay=True)),
    "weight decay, adamw": (20, Setup(batch=2, optimizer="adamw", weight_decay=True)),
    "autocast": (30, Setup(batch=2, optimizer="sgd", amp="bfloat16")),
}


def agree(networks: int, first: int, setup: Callable[[st.DataObject, Network], Setup]) -> None:
    """As many random networks, each with the setup that it is given, compared; the smallest that differs is raised."""

    @seed(first)
    @settings(max_examples=networks, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(documents(), st.data())
    def compare(text: str, data: st.DataObject) -> None:
        network = cnncalc.loads(text)
        asked = setup(data, network)
        report = verify_memory(network, asked)
        assert report.agrees or lacks_kernel(report.totals), f"{text}\n{asked}\n{said(report, network)}"

    compare()


@pytest.mark.parametrize("how", RANDOM)
@pytest.mark.filterwarnings("ignore")
def test_random_networks(how: str) -> None:
    networks, setup = RANDOM[how]
    agree(networks, 30 + list(RANDOM).index(how), lambda data, network: setup)


@pytest.mark.filterwarnings("ignore")
def test_random_networks_partly_frozen() -> None:
    def setup(data: st.DataObject, network: Network) -> Setup:
        names = [
            f"{node.name}.{p.name}" for node in network for p in node.facts.parameters if p.role in ("weight", "bias")
        ]
        frozen = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        return Setup(batch=2, optimizer="momentum", frozen=tuple(frozen))

    agree(60, 50, setup)


@pytest.mark.filterwarnings("ignore")
def test_random_networks_trained_in_any_way() -> None:
    agree(60, 51, lambda data, network: data.draw(setups(network)))


def test_several_inputs_and_outputs_of_several_sizes() -> None:
    """Outputs that are vectors, maps and a value of rank 3; a class for each of their places."""
    document = """
inputs: {image: 9x8x2, mask: 9x8x1, code: 7, sound: 12x2}
layers:
  - {name: features, conv: {out_channels: 4, kernel_size: 3, padding: same}, from: image}
  - {name: gated, multiply: [features, mask]}
  - {name: dense, linear: 4, from: code}
  - {name: unused, linear: 3, from: dense}
  - {name: pooled, global_avg_pool: {}, from: gated}
  - {name: flat, flatten: {}}
  - {name: joined, add: [flat, dense]}
  - {name: heard, conv: {out_channels: 5, kernel_size: 3}, from: sound}
outputs: [joined, gated, heard]
"""
    network = cnncalc.loads(document)
    for loss in ("cross_entropy", "none"):
        assert failures(verify_memory(network, Setup(batch=2, optimizer="adam", loss=loss))) == []


def test_a_network_without_parameters_has_nothing_to_train() -> None:
    report = verify_memory(cnncalc.loads("input: 4x4x2\nlayers: [relu, global_max_pool]"))
    assert failures(report) == []
    assert {c.torch for layer in report.layers for c in layer.comparisons if c.quantity == "kept bytes"} == {0}


def test_frozen_parameters_by_pattern() -> None:
    network = cnncalc.loads(SMALL)
    report = verify_memory(network, Setup(batch=2, optimizer="adam", frozen=("first.*", "batch_norm.*")))
    assert failures(report) == []
    kept = {layer.name: layer.comparisons[-1].torch for layer in report.layers}
    assert (kept["first"], kept["batch_norm"], kept["relu"], kept["max_pool"]) == (0, 0, 0, 0)
    assert kept["head"] == 2 * 48 * 4


def test_checkpointed_layers_keep_nothing_that_a_hook_is_shown() -> None:
    network = cnncalc.loads(SMALL)
    report = verify_memory(network, Setup(batch=2, optimizer="adam", checkpointed=("batch_norm", "relu")))
    assert failures(report) == []
    assert not [c for _, c in report if c.quantity.startswith("kept")]


def test_images_that_are_written_over_are_new_in_every_step() -> None:
    """The gradient of the factors goes to the first step's graph no more, which torch has let go by then."""
    network = cnncalc.loads("input: 4x5x3\nlayers: [{arithmetic: {shape: [3, 1, 1], inplace: true}}, {linear: 2}]")
    assert failures(verify_memory(network, Setup(batch=2, optimizer="momentum", steps=3))) == []


# Refusals -------------------------------------------------------------------------------------------------------------

OVERWRITTEN = "input: 4x4x1\nlayers: [{conv: {out_channels: 1, kernel_size: 1}}, sigmoid, {relu: {inplace: true}}]"


def test_both_refuse_what_is_written_over() -> None:
    report = verify_memory(cnncalc.loads(OVERWRITTEN))
    assert report.agrees
    (training,) = [c for c in report.totals if c.quantity == "training"]
    assert str(training.engine).startswith("refused: `sigmoid` needs a value for its gradient")
    assert "modified by an inplace operation" in str(training.torch)
    assert training.note == "both refuse it"


def test_both_refuse_to_normalise_one_value() -> None:
    report = verify_memory(cnncalc.loads("input: 4x4x2\nlayers: [global_avg_pool, batch_norm]"), Setup(batch=1))
    assert report.agrees
    (training,) = [c for c in report.totals if c.quantity == "training"]
    assert "Expected more than 1 value per channel" in str(training.torch)


def test_torch_alone_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autograd.Node, "check", lambda node: None)
    network = cnncalc.loads(OVERWRITTEN)
    report = verify_memory(network)
    assert [quantity for _, quantity, _, _ in failures(report)] == ["training"]
    assert "torch refuses the training: one of the variables needed for gradient" in said(report, network)


def test_the_model_alone_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(node: autograd.Node) -> None:
        if node.layer == "head":
            raise autograd.Refused(node.layer, "needed-for-backward", "`head` is no more", "do without")

    monkeypatch.setattr(autograd.Node, "check", refuse)
    report = verify_memory(cnncalc.loads(SMALL))
    assert failures(report) == [(None, "training", "refused: `head` is no more", "runs")]


# A model that is wrong ------------------------------------------------------------------------------------------------


def changed(kind: str, change: Callable[[Call, Tensor, Tensor], Tensor]) -> tuple[str, Callable[..., Tensor]]:
    """The model's table entry of a kind, its result (third) changed."""
    right = kinds.TABLE[kind]
    return kind, lambda call, x: change(call, x, right(call, x))


def one_operator_more(call: Call, x: Tensor, result: Tensor) -> Tensor:
    result.tick("detach")
    return result


def one_byte_more(call: Call, x: Tensor, result: Tensor) -> Tensor:
    result.storage.machine.live += 1
    return result


def test_a_wrong_operator_is_named_with_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.TABLE, *changed("max_pool", one_operator_more))
    network = cnncalc.loads(SMALL, name="small.yaml")
    report = verify_memory(network, Setup(batch=2, optimizer="adam"))
    layer, quantity, engine, in_torch = failures(report)[0]
    assert (layer, quantity) == ("max_pool", "live bytes in prediction")
    rest = (54 + 6 + 6 + 245) * 4 + 8 + 2 * (9 * 8 * 2) * 4
    maps, pooled = 2 * (9 * 8 * 3) * 4, 2 * (4 * 4 * 3) * 4
    assert engine == f"{rest + maps + pooled:,} after `detach`"
    assert in_torch == f"{rest + pooled:,} after `view`"  # of the dense layer, when the maps are gone
    assert (
        "small.yaml:7:5: error[torch-disagrees]: `max_pool` (max_pool): live bytes in prediction is 4,516 after "
        "`detach` by cnncalc, 2,788 after `view` in torch\n"
    ) in said(report, network)
    assert "  = note: operator 6 of 9 of the model; after `max_pool2d_with_indices` before it both have 5,284" in said(
        report, network
    )


def test_a_wrong_byte_is_named_with_the_layer_and_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `relu` makes too large shows at the next operator, and in the peaks."""
    monkeypatch.setitem(kinds.TABLE, *changed("relu", one_byte_more))
    report = verify_memory(cnncalc.loads(SMALL))
    found = failures(report)
    assert [(layer, quantity) for layer, quantity, _, _ in found][:1] == [("max_pool", "live bytes in prediction")]
    engine, in_torch = [str(answer).partition(" after ") for answer in found[0][2:]]
    assert engine[2] == in_torch[2] == "`max_pool2d_with_indices`"
    assert int(engine[0].replace(",", "")) == int(in_torch[0].replace(",", "")) + 1
    assert {"peak of the first training step", "peak of a later training step"} <= {found for _, found, _, _ in found}


def test_nothing_is_compared_behind_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    right = verify_memory(cnncalc.loads(SMALL))
    monkeypatch.setitem(kinds.TABLE, *changed("relu", one_byte_more))
    wrong = verify_memory(cnncalc.loads(SMALL))
    counted = {layer.name: [c.count for c in layer.comparisons] for layer in wrong.layers}
    assert counted["first"][0] == 1
    assert counted["max_pool"][:2] == [1, 1]
    assert "live bytes in prediction" not in [c.quantity for c in wrong.layers[-1].comparisons]
    assert wrong.compared < right.compared


def test_a_wrong_optimizer_is_named_at_the_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "STEP", 5)
    report = verify_memory(cnncalc.loads(SMALL), Setup(batch=2, optimizer="adam"))
    layer, quantity, engine, _ = failures(report)[0]
    assert (layer, quantity) == ("first", "live bytes in training")
    assert engine.endswith("after `empty`")
    (note,) = [c.note for _, c in report.disagreements if c.note]
    assert "in the optimizer of step 1" in note


def test_an_operator_too_few_and_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_early(model: Any) -> Any:
        model.events.pop()
        return model

    from cnncalc.pytorch import memory

    right = memory.timeline
    monkeypatch.setattr(memory, "timeline", lambda network, setup: ends_early(right(network, setup)))
    report = verify_memory(cnncalc.loads(SMALL))
    layer, quantity, engine, in_torch = failures(report)[0]
    assert (layer, quantity, engine) == (None, "live bytes in prediction", "at an end")
    assert str(in_torch).endswith("after `addmm`")


def test_wrong_bytes_kept_are_told_of_their_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Timeline.kept

    def kept(timeline: Timeline) -> dict[str, int]:
        found = right(timeline)
        found["max_pool"] += 1
        return found

    monkeypatch.setattr(Timeline, "kept", kept)
    report = verify_memory(cnncalc.loads(SMALL))
    indices = 2 * 48 * 8
    assert failures(report)[0] == ("max_pool", "kept bytes", indices + 1, indices)
    assert [quantity for _, quantity, _, _ in failures(report)] == ["kept bytes", "kept bytes in all"]


def test_a_wrong_parameter_is_seen_at_rest() -> None:
    network = cnncalc.loads(SMALL)
    facts = network["head"].facts
    wrong = facts.parameters[0]._replace(shape=(5, 49))
    network["head"].facts = replace(facts, parameters=(wrong, *facts.parameters[1:]))
    report = verify_memory(network)
    at_rest = [(engine - in_torch) for _, quantity, engine, in_torch in failures(report) if "at rest" in quantity]
    assert at_rest == [20, 20]


# The report -----------------------------------------------------------------------------------------------------------


def test_the_report_says_what_was_run() -> None:
    setup = Setup(batch=3, dtype="float64", optimizer="sgd", weight_decay=True, frozen=("first.*",))
    report = verify_memory(cnncalc.loads(SMALL, name="small.yaml"), setup, seed=7)
    written = report.to_dict()
    assert json.loads(json.dumps(written)) == written
    assert (written["source"], written["device"], written["batch"], written["seed"]) == ("small.yaml", "cpu", 3, 7)
    assert written["setup"]["optimizer"] == "sgd"
    assert report.conditions == (
        f"torch {torch.__version__} on cpu, batch of 3, float64, sgd with weight decay, cross-entropy, first.* frozen"
    )
    other = verify_memory(
        cnncalc.loads(SMALL), Setup(optimizer="", loss="none", amp="bfloat16", checkpointed=("relu",))
    )
    assert other.conditions == (
        f"torch {torch.__version__} on cpu, batch of 1, float32, no optimizer, no loss, autocast to bfloat16, "
        "relu checkpointed"
    )


def test_the_callers_random_numbers_and_modes_are_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    verify_memory(cnncalc.loads(SMALL))
    assert torch.equal(torch.rand(5), expected)
    assert torch.is_grad_enabled()


def test_torch_runs_on_one_thread_and_has_its_own_back() -> None:
    """On more, oneDNN takes this convolution over, and makes a frozen weight's gradient together with the bias's."""
    network = cnncalc.loads("input: 5x5x3\nlayers: [{conv: {out_channels: 4, kernel_size: 1}}]")
    setup = Setup(batch=2, training=True, optimizer="", loss="none", frozen=("conv.weight",))
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(measured(network, setup))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert found[0] == found[1]


def test_progress_counts_up() -> None:
    told: list[tuple[str, int, int]] = []
    verify_memory(cnncalc.loads(SMALL), progress=lambda *said: told.append(said))
    assert told == [
        ("memory in prediction", 0, 2),
        ("memory in prediction", 1, 2),
        ("memory in training", 1, 2),
        ("memory in training", 2, 2),
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"frozen": ("nowhere.*",)}, "nothing-to-freeze"),
        ({"checkpointed": ("nowhere",)}, "unknown-block"),
        pytest.param(
            {"device": "cuda"},
            "no-such-device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
        ),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], code: str) -> None:
    with pytest.raises(DocumentError) as refusal:
        verify_memory(cnncalc.loads(SMALL), Setup(batch=2, **options))
    assert [diagnostic.code for diagnostic in refusal.value.diagnostics] == [code]


def test_too_little_memory_is_said() -> None:
    with pytest.raises(DocumentError) as refusal:
        verify_memory(cnncalc.loads("input: 100_000_000\nlayers: [{linear: 100_000_000}]"))
    assert refusal.value.diagnostics[0].code == "out-of-memory"


def test_an_old_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: bool) -> None:
        raise TypeError

    monkeypatch.setattr(torch._C._profiler, "_ExperimentalConfig", refuse)
    with pytest.raises(DocumentError) as refusal:
        verify_memory(cnncalc.loads(SMALL))
    assert refusal.value.diagnostics[0].code == "torch-too-old"


# On a GPU -------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
@pytest.mark.parametrize("amp", ["", "bfloat16"])
@pytest.mark.parametrize("name", ["lenet5", "mnist_cnn", "resnet18", "vgg11", "densenet121"])
def test_peaks_on_a_gpu(name: str, amp: str) -> None:
    """torch holds what the model says, under autocast, too."""
    report = verify_memory(cnncalc.load(name), Setup(batch=2, device="cuda", optimizer="adam", amp=amp))
    assert failures(report) == []
    assert {c.quantity for c in report.totals} >= {"peak of prediction", "peak of a later training step"}


@pytest.mark.parametrize("more", [0, 512, -512])
def test_peaks_on_a_gpu_are_equal(monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    """With a device that holds so much more, and takes 100 bytes inside its operators."""
    from cnncalc.eager import timeline
    from cnncalc.pytorch import memory

    network = cnncalc.loads(SMALL)

    def on_a_gpu(network: Network, setup: Setup) -> memory.Measured:
        model = timeline(network, setup)
        steps = [
            [memory.Boundary(event.operator, event.live + more) for event in map(model.events.__getitem__, indices)]
            for indices in map(model.step, range(len(model.starts)))
        ]
        peaks = [max(boundary.live for boundary in step) for step in steps]
        return memory.Measured(model.at_rest, steps, {}, [peak + 100 for peak in peaks])

    monkeypatch.setattr(memory, "measured", on_a_gpu)
    monkeypatch.setattr(memory, "chosen", lambda device: device)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: torch.no_grad())
    report = verify_memory(network, Setup(batch=2, device="cuda", optimizer="adam"))
    assert report.agrees is (more == 0)
    assert [c.quantity for c in report.totals] == [
        "live bytes at rest in prediction",
        "peak of prediction",
        "live bytes at rest in training",
        "peak of the first training step",
        "peak of a later training step",
    ]
    peak = report.totals[1]
    assert peak.torch == peak.engine + more
    assert peak.note == "without up to 100 bytes that operators take and give back inside themselves, as cuDNN does"
    assert not any(layer.comparisons for layer in report.layers)
