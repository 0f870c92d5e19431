from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.base import EVERYTHING, POINTWISE, UNTRACKED, Reach
from cnncalc.shapes import Shape

# A norm that takes its statistics from its input adds each element to a mean, subtracts the mean, squares the
# difference, adds it to a variance and multiplies the difference by 1/√: 3 adds and 2 multiplies. Each set of elements
# has 2 divisions by its size, an add of ε, a root and a division for 1/√. A factor is a multiply more, a shift an add.

ROWS = [
    pytest.param(
        "batch_norm",
        {},
        (6, 5, 4),
        {
            "output": (6, 5, 4),
            "parameters": {
                "weight": (6,),
                "bias": (6,),
                "running_mean": (6,),
                "running_var": (6,),
                "num_batches_tracked": (),
            },
            "weights": 6,
            "biases": 6,
            "buffers": 6 + 6,
            "multiplies": 6 * 5 * 4,
            "adds": 6 * 5 * 4,
            "connections": 2 * (6 * 5 * 4),
            "activations": 6 * 5 * 4,
        },
        id="batch",
    ),
    pytest.param(
        "batch_norm",
        {"affine": False},
        (10,),
        {
            "output": (10,),
            "parameters": {"running_mean": (10,), "running_var": (10,), "num_batches_tracked": ()},
            "buffers": 10 + 10,
            "multiplies": 10,
            "adds": 10,
            "activations": 10,
        },
        id="batch-of-vectors-without-factors",
    ),
    pytest.param(
        "batch_norm",
        {"track_running_stats": False},
        (3, 2, 5, 4),
        {
            "output": (3, 2, 5, 4),
            "parameters": {"weight": (3,), "bias": (3,)},
            "weights": 3,
            "biases": 3,
            "multiplies": (2 + 1) * 120,
            "adds": (3 + 1) * 120 + 3,
            "divisions": 3 * 3,
            "roots": 3,
            "connections": 2 * 120,
            "activations": 120,
        },
        id="batch-3-d-without-statistics",
    ),
    pytest.param(
        "group_norm",
        {"num_groups": 2},
        (6, 5, 4),
        {
            "output": (6, 5, 4),
            "parameters": {"weight": (6,), "bias": (6,)},
            "weights": 6,
            "biases": 6,
            "multiplies": (2 + 1) * 120,
            "adds": (3 + 1) * 120 + 2,
            "divisions": 3 * 2,
            "roots": 2,
            "connections": 2 * 120,
            "activations": 120,
        },
        id="group",
    ),
    pytest.param(
        "group_norm",
        {"num_groups": 3, "affine": False},
        (6, 10),
        {
            "output": (6, 10),
            "multiplies": 2 * 60,
            "adds": 3 * 60 + 3,
            "divisions": 3 * 3,
            "roots": 3,
            "activations": 60,
        },
        id="group-1-d-without-factors",
    ),
    pytest.param(
        "layer_norm",
        {},
        (6, 5, 4),
        {
            "output": (6, 5, 4),
            "parameters": {"weight": (6, 5, 4), "bias": (6, 5, 4)},
            "weights": 120,
            "biases": 120,
            "multiplies": (2 + 1) * 120,
            "adds": (3 + 1) * 120 + 1,
            "divisions": 3,
            "roots": 1,
            "connections": 2 * 120,
            "activations": 120,
        },
        id="layer",
    ),
    pytest.param(
        "layer_norm",
        {"axes": "channels", "bias": False},
        (6, 5, 4),
        {
            "output": (6, 5, 4),
            "parameters": {"weight": (6,)},
            "weights": 6,
            "multiplies": (2 + 1) * 120,
            "adds": 3 * 120 + 5 * 4,
            "divisions": 3 * (5 * 4),
            "roots": 5 * 4,
            "connections": 120,
            "activations": 120,
        },
        id="layer-of-each-place",
    ),
    pytest.param(
        "layer_norm",
        {"axes": "last"},
        (6, 5, 4),
        {
            "output": (6, 5, 4),
            "parameters": {"weight": (4,), "bias": (4,)},
            "weights": 4,
            "biases": 4,
            "multiplies": (2 + 1) * 120,
            "adds": (3 + 1) * 120 + 6 * 5,
            "divisions": 3 * (6 * 5),
            "roots": 6 * 5,
            "connections": 2 * 120,
            "activations": 120,
        },
        id="layer-of-the-last-dimension",
    ),
    pytest.param(
        "layer_norm",
        {"elementwise_affine": False},
        (10,),
        {"output": (10,), "multiplies": 2 * 10, "adds": 3 * 10 + 1, "divisions": 3, "roots": 1, "activations": 10},
        id="layer-of-a-vector-without-factors",
    ),
    pytest.param(
        "instance_norm",
        {},
        (6, 5, 4),
        {
            "output": (6, 5, 4),
            "multiplies": 2 * 120,
            "adds": 3 * 120 + 6,
            "divisions": 3 * 6,
            "roots": 6,
            "activations": 120,
        },
        id="instance",
    ),
    pytest.param(
        "instance_norm",
        {"affine": True, "track_running_stats": True},
        (6, 20),
        {
            "output": (6, 20),
            "parameters": {
                "weight": (6,),
                "bias": (6,),
                "running_mean": (6,),
                "running_var": (6,),
                "num_batches_tracked": (),
            },
            "weights": 6,
            "biases": 6,
            "buffers": 6 + 6,
            "multiplies": 120,
            "adds": 120,
            "connections": 2 * 120,
            "activations": 120,
        },
        id="instance-1-d-with-statistics",
    ),
    pytest.param(
        "local_response_norm",
        {"size": 5},
        (96, 5, 4),
        {
            "output": (96, 5, 4),
            "multiplies": (1 + 1) * 1920,  # the square, and the sum times alpha/n
            "adds": (4 + 1) * 1920,  # a sum of five, and k
            "powers": 1920,
            "divisions": 1920,
            "activations": 1920,
        },
        id="local-response",
    ),
    pytest.param(
        "l2_norm",
        {},
        (512, 3, 4),
        {
            "output": (512, 3, 4),
            "multiplies": 512 * 12,
            "adds": 511 * 12,
            "roots": 12,
            "comparisons": 12,  # with ε
            "divisions": 512 * 12,
            "activations": 512 * 12,
        },
        id="l2",
    ),
    pytest.param(
        "l2_norm",
        {},
        (7,),
        {
            "output": (7,),
            "multiplies": 7,
            "adds": 6,
            "roots": 1,
            "comparisons": 1,
            "divisions": 7,
            "activations": 7,
        },
        id="l2-of-a-vector",
    ),
    pytest.param(
        "scale",
        {"init": 20.0},
        (512, 3, 4),
        {
            "output": (512, 3, 4),
            "parameters": {"weight": (512,)},
            "weights": 512,
            "multiplies": 512 * 12,
            "connections": 512 * 12,
            "activations": 512 * 12,
        },
        id="scale-ssd",
    ),
    pytest.param(
        "scale",
        {"bias": True},
        (3, 10),
        {
            "output": (3, 10),
            "parameters": {"weight": (3,), "bias": (3,)},
            "weights": 3,
            "biases": 3,
            "multiplies": 30,
            "adds": 30,
            "connections": 2 * 30,
            "activations": 30,
        },
        id="scale-and-shift-1-d",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


@pytest.mark.parametrize(
    ("kind", "fields", "input", "module", "arguments"),
    [
        pytest.param("batch_norm", {}, (6, 5, 4), "BatchNorm2d", (6,), id="batch"),
        pytest.param("batch_norm", {"affine": False}, (6, 20), "BatchNorm1d", (6, 1e-5, 0.1, False), id="batch-plain"),
        pytest.param(
            "batch_norm",
            {"track_running_stats": False},
            (6, 2, 5, 4),
            "BatchNorm3d",
            (6, 1e-5, 0.1, True, False),
            id="batch-without-statistics",
        ),
        pytest.param("group_norm", {"num_groups": 3}, (6, 5, 4), "GroupNorm", (3, 6), id="group"),
        pytest.param("layer_norm", {}, (6, 5, 4), "LayerNorm", ((6, 5, 4),), id="layer"),
        pytest.param(
            "layer_norm", {"bias": False}, (6, 5, 4), "LayerNorm", ((6, 5, 4), 1e-5, True, False), id="layer-bias"
        ),
        pytest.param("instance_norm", {}, (6, 5, 4), "InstanceNorm2d", (6,), id="instance"),
        pytest.param(
            "instance_norm",
            {"affine": True, "track_running_stats": True},
            (6, 5, 4),
            "InstanceNorm2d",
            (6, 1e-5, 0.1, True, True),
            id="instance-all",
        ),
    ],
)
def test_tensors_are_torchs(
    kind: str, fields: dict[str, Any], input: Shape, module: str, arguments: tuple[Any, ...], torch: Any
) -> None:
    norm = getattr(torch.nn, module)(*arguments)
    parameters = KINDS[kind](**fields).facts((input,)).parameters
    assert {parameter.name: parameter.shape for parameter in parameters} == {
        name: tuple(tensor.shape) for name, tensor in norm.state_dict().items()
    }
    trained = {parameter.name for parameter in parameters if parameter.role in ("weight", "bias")}
    assert trained == {name for name, _ in norm.named_parameters()}


@pytest.mark.parametrize(
    ("kind", "fields", "on_a_map", "on_a_vector"),
    [
        pytest.param("batch_norm", {}, POINTWISE, POINTWISE, id="batch"),
        pytest.param("batch_norm", {"track_running_stats": False}, EVERYTHING, POINTWISE, id="batch-of-its-own"),
        pytest.param("group_norm", {"num_groups": 2}, EVERYTHING, UNTRACKED, id="group"),
        pytest.param("group_norm", {"num_groups": 1}, EVERYTHING, EVERYTHING, id="one-group"),
        pytest.param("layer_norm", {}, EVERYTHING, EVERYTHING, id="layer"),
        pytest.param("layer_norm", {"axes": "channels"}, POINTWISE, EVERYTHING, id="layer-of-each-place"),
        pytest.param("local_response_norm", {"size": 5}, POINTWISE, UNTRACKED, id="local-response"),
        pytest.param("l2_norm", {}, POINTWISE, EVERYTHING, id="l2"),
        pytest.param("scale", {}, POINTWISE, POINTWISE, id="scale"),
    ],
)
def test_reach(kind: str, fields: dict[str, Any], on_a_map: Reach, on_a_vector: Reach) -> None:
    assert KINDS[kind](**fields).facts(((6, 5, 4),)).reach is on_a_map
    assert KINDS[kind](**fields).facts(((6,),)).reach is on_a_vector


def test_an_instance_norm_reads_its_whole_map_unless_it_tracks_statistics() -> None:
    assert KINDS["instance_norm"]().facts(((6, 5, 4),)).reach is EVERYTHING
    assert KINDS["instance_norm"](track_running_stats=True).facts(((6, 5, 4),)).reach is POINTWISE


@pytest.mark.parametrize(
    ("kind", "fields", "input", "error"),
    [
        pytest.param("group_norm", {"num_groups": 4}, (6, 5, 4), ("groups-divide-channels", "num_groups"), id="groups"),
        pytest.param("instance_norm", {}, (6,), ("no-spatial-dimensions", ""), id="instance-of-a-vector"),
        pytest.param("instance_norm", {}, (6, 1, 1), ("one-value-to-normalise", ""), id="instance-of-one-value"),
    ],
)
def test_refused(
    kind: str, fields: dict[str, Any], input: Shape, error: tuple[str, str], refused: Callable[..., tuple[str, str]]
) -> None:
    assert refused(kind, fields, input) == error
