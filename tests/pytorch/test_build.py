from __future__ import annotations

import copy
import io
import pickle
import weakref
from collections.abc import Callable
from itertools import product
from math import ceil, log
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.graph import Network
from cnncalc.layers import KINDS, Kind, Merge
from cnncalc.layers.activation import FUSED
from cnncalc.shapes import Shape

torch = pytest.importorskip("torch", reason="torch is not installed")

from cnncalc.pytorch import NetworkModule, TorchRefuses, build, modules
from cnncalc.pytorch.build import TABLE, layer_of, module_of

by_loops = settings(derandomize=True, max_examples=60, deadline=None)

Fields = dict[str, Any]
Numbers = Any  # a number, or lists of numbers


def made(kind: str, fields: Fields, *inputs: Any) -> Any:
    """The module of one layer, on the CPU, drawn, in double precision."""
    module = module_of(KINDS[kind](**fields), *[input.to("meta") for input in inputs]).to_empty(device="cpu").double()
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return module


def run(kind: str, fields: Fields, *inputs: Numbers, **weights: Numbers) -> Numbers:
    """What a layer makes of one image, given as lists; `weights` are its parameters and buffers."""
    tensors = [torch.tensor([input], dtype=torch.float64) for input in inputs]
    module = made(kind, fields, *tensors)
    module.load_state_dict(
        {**module.state_dict(), **{name: torch.tensor(value, dtype=torch.float64) for name, value in weights.items()}}
    )
    with torch.no_grad():
        return module.eval()(*tensors)[0].tolist()


def near(expected: Numbers) -> Any:
    """The same lists of numbers up to rounding."""

    class Near:
        def __eq__(self, other: object) -> bool:
            a, b = torch.tensor(other, dtype=torch.float64), torch.tensor(expected, dtype=torch.float64)
            return a.shape == b.shape and torch.allclose(a, b)

        def __repr__(self) -> str:
            return repr(expected)

    return Near()


# Every kind ----------------------------------------------------------------------------------------------------------

# For a map of 6 channels, sizes from 5 up, in 1-D to 3-D; `BY_RANK` where fields depend on that.
FIELDS: dict[str, list[Fields]] = {
    "conv": [
        {"out_channels": 4, "kernel_size": 3},
        {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1, "groups": 2, "bias": False},
        {"out_channels": 4, "kernel_size": 2, "stride": 3, "padding": "same", "dilation": 2},
        {"out_channels": 4, "kernel_size": 3, "padding": "full", "activation": "relu"},
        {"out_channels": 4, "kernel_size": 2, "stride": 2, "rounding": "ceil"},
        {"out_channels": 2, "kernel_size": 3, "connections": ((0, 1, 5), (2,)), "stride": 2, "padding": 1},
    ],
    "depthwise_conv": [
        {"kernel_size": 3, "multiplier": 2, "padding": 1},
        {"kernel_size": 2, "padding": "same", "bias": False},
    ],
    "conv_transpose": [
        {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
        {"out_channels": 4, "kernel_size": 3, "stride": 3, "dilation": 2, "bias": False, "activation": "tanh"},
    ],
    "locally_connected": [
        {"out_channels": 2, "kernel_size": 3, "stride": 2},
        {"out_channels": 2, "kernel_size": 2, "padding": "same", "dilation": 2, "bias": False},
    ],
    "linear": [
        {"out_features": 5},
        {"out_features": 5, "flatten": False},
        {"out_features": 5, "bias": False, "activation": "softmax"},
    ],
    "rbf": [{"out_features": 5}, {"out_features": 5, "trainable": True}],
    "max_pool": [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "rounding": "ceil"},
        {"kernel_size": 3, "stride": 2, "padding": "same"},
        {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 2},
    ],
    "avg_pool": [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "rounding": "ceil"},
        {"kernel_size": 3, "stride": 2, "padding": "same", "count_include_pad": False},
    ],
    "lp_pool": [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "norm_type": 1.0, "rounding": "ceil"}],
    "subsample": [{"kernel_size": 2}, {"kernel_size": 2, "stride": 3, "rounding": "ceil", "activation": "tanh"}],
    "depth_pool": [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "mode": "avg"}],
    "adaptive_avg_pool": [{"output_size": 3}, {"output_size": 9}],
    "adaptive_max_pool": [{"output_size": 3}, {"output_size": 9}],
    "global_avg_pool": [{}],
    "global_max_pool": [{}],
    "maxout": [{"pieces": 3}],
    "batch_norm": [{}, {"affine": False}, {"track_running_stats": False}, {"momentum": None}],
    "group_norm": [{"num_groups": 3}, {"num_groups": 2, "affine": False}],
    "layer_norm": [
        {},
        {"axes": "channels"},
        {"axes": "last"},
        {"bias": False},
        {"axes": "channels", "elementwise_affine": False},
    ],
    "instance_norm": [{}, {"affine": True, "track_running_stats": True}],
    "local_response_norm": [{"size": 5}],
    "l2_norm": [{}],
    "scale": [{}, {"init": 20.0, "bias": True}],
    "prelu": [{}, {"num_parameters": 6}],
    "gelu": [{}, {"approximate": "tanh"}],
    "leaky_relu": [{"negative_slope": 0.2}],
    "elu": [{"alpha": 0.5}],
    "softplus": [{"beta": 2.0, "threshold": 10.0}],
    "arithmetic": [
        {"number": 2.0},
        *[{"operation": name, "number": 2.0} for name in ("add", "subtract_from", "divide_into", "power", "minimum")],
    ],
    "function": [{"of": "exp"}, {"of": "rsqrt"}],
    "reduce": [{}, {"by": "max", "axes": (0, 1)}, {"by": "norm", "keep": False}, {"by": "sum", "axes": 1}],
    "dropout": [{"p": 0.5}],
    "drop_path": [{"p": 0.5}],
    "reshape": [{"shape": (2, -1)}, {"shape": -1}],
    "pad": [{"padding": 1}, *[{"padding": 2, "mode": mode} for mode in ("reflect", "replicate", "circular")]],
    "crop": [{"size": 2}, {"sides": 1}],
    "upsample": [{"scale_factor": 2}, {"size": 7}],
    "pixel_shuffle": [{"upscale_factor": 1}],
    "space_to_depth": [{"block_size": 1}],
    "channel_shuffle": [{"groups": 3}],
    "slice": [{"start": 1, "stop": -1, "step": 2}, {"axis": 1, "stop": 3}],
    "concat": [{}, {"axis": 1}],
    "softmax": [{}, {"axis": 1}],
    "log_softmax": [{}, {"axis": 1}],
}
BY_RANK: dict[str, Callable[[int], list[Fields]]] = {
    "conv": lambda rank: [{"out_channels": 2, "kernel_size": (1, 2, 3)[:rank], "padding": ((0, 2),) * rank}],
    "dynamic_conv": lambda rank: [
        {"out_channels": 2, "kernel_size": (1, 2, 3)[:rank], "stride": 2, "padding": ((0, 2),) * rank, "dilation": 2},
        {"out_channels": 3, "kernel_size": 2, "rounding": "ceil", "stride": 2, "groups": 3},
    ],
    "conv_transpose": lambda rank: [{"out_channels": 2, "kernel_size": (1, 2, 3)[:rank], "padding": ((0, 1),) * rank}],
    "max_pool": lambda rank: [
        {"kernel_size": (1, 2, 3)[:rank], "stride": 1, "padding": ((0, 0), (1, 0), (0, 1))[:rank]}
    ],
    "avg_pool": lambda rank: [{"kernel_size": (2, 2, 3)[:rank], "padding": ((1, 0),) * rank, "rounding": "ceil"}],
    "arithmetic": lambda rank: [
        {"operation": "add", "shape": (6, *[1] * rank)},
        {"operation": "divide", "shape": (1, *[1] * rank), "trainable": False},
    ],
    "permute": lambda rank: [{"dims": tuple(reversed(range(rank + 1)))}],
    "upsample": lambda rank: [
        {"scale_factor": 2, "mode": ("linear", "bilinear", "trilinear")[rank - 1], "align_corners": corners}
        for corners in (False, True)
    ],
    "crop": lambda rank: [{"sides": ((0, 1), (2, 0), (1, 1))[:rank]}],
}
NEEDED: dict[str, Fields] = {"arithmetic": {"number": 2.0}, "function": {"of": "exp"}}
MAPS: dict[int, Shape] = {1: (6, 7), 2: (6, 5, 8), 3: (6, 5, 6, 7)}
VECTORS = {
    *("linear", "rbf", "depth_pool", "maxout", "batch_norm", "group_norm", "layer_norm", "local_response_norm"),
    *("l2_norm", "scale", "prelu", "gelu", "leaky_relu", "elu", "softplus", "dropout", "drop_path", "reshape"),
    *("channel_shuffle", "identity", "flatten", "add", "concat", *FUSED),
}


def cases() -> list[Any]:
    """Every kind with every set of fields, in 1-D, 2-D and 3-D, and on a vector where it takes one."""
    found = []
    for kind, spec in KINDS.items():
        for rank, shape in MAPS.items():
            sets = FIELDS.get(kind, [] if kind in BY_RANK else [{}]) + (BY_RANK[kind](rank) if kind in BY_RANK else [])
            found += [(kind, fields, shape, f"{rank}d-{number}") for number, fields in enumerate(sets)]
        if kind in VECTORS:
            found.append((kind, FIELDS.get(kind, [{}])[0], (6,), "vector"))
        if "inplace" in spec.fields:
            found.append((kind, {**NEEDED.get(kind, {}), "inplace": True}, MAPS[2], "inplace"))
    return [
        pytest.param(kind, fields, entering(kind, shape, fields), id=f"{kind}-{which}")
        for kind, fields, shape, which in found
    ]


def entering(kind: str, shape: Shape, fields: Fields) -> tuple[Shape, ...]:
    """What a layer of that kind reads: as often as a merge may; a matrix and its transpose; a map and filters."""
    if kind == "matmul":
        return shape, (*shape[:-2], shape[-1], shape[-2])
    if kind == "dynamic_conv":
        spatial = fields["kernel_size"] if isinstance(fields["kernel_size"], tuple) else (2,) * (len(shape) - 1)
        return shape, (fields["out_channels"] * shape[0] // fields.get("groups", 1) * torch.Size(spatial).numel(),)
    return (shape,) * (3 if issubclass(KINDS[kind], Merge) else 1)


def test_the_table_has_every_kind() -> None:
    assert TABLE.keys() == KINDS.keys()


@pytest.mark.parametrize(("kind", "fields", "inputs"), cases())
def test_shape_and_parameters_are_the_engines(kind: str, fields: Fields, inputs: tuple[Shape, ...]) -> None:
    facts = KINDS[kind](**fields).facts(inputs)
    tensors = [torch.rand(2, *shape, dtype=torch.float64) for shape in inputs]
    module = made(kind, fields, *tensors)
    output = module(*tensors)
    assert tuple(output.shape) == (2, *facts.output)
    assert output.isfinite().all()
    trained = {p.name: p.shape for p in facts.parameters if p.role in ("weight", "bias")}
    kept = {p.name: p.shape for p in facts.parameters if p.role in ("buffer", "counter")}
    assert {name: tuple(tensor.shape) for name, tensor in module.named_parameters()} == trained
    assert {name: tuple(tensor.shape) for name, tensor in module.named_buffers()} == kept
    without_memory = [torch.empty(tensor.shape, device="meta") for tensor in tensors]
    assert module_of(KINDS[kind](**fields), *without_memory).eval()(*without_memory).shape == output.shape


@pytest.mark.parametrize("kind", [kind for kind, spec in KINDS.items() if "inplace" in spec.fields])
@pytest.mark.parametrize("inplace", [True, False])
def test_inplace_is_torchs(kind: str, inplace: bool) -> None:
    input = torch.rand(2, 3)
    inputs = [input, torch.rand(2, 3)] if issubclass(KINDS[kind], Merge) else [input]
    output = module_of(KINDS[kind](**NEEDED.get(kind, {}), inplace=inplace), *inputs)(*inputs)
    assert (output.data_ptr() == input.data_ptr()) is inplace


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_activation_is_the_activation_of_that_name(name: str) -> None:
    input = torch.randn(2, 3, 4, dtype=torch.float64)
    fused = made("conv", {"out_channels": 5, "kernel_size": 2, "activation": name}, input)
    plain = made("conv", {"out_channels": 5, "kernel_size": 2}, input)
    plain.load_state_dict(fused.state_dict())
    assert torch.equal(fused(input), made(name, {}, input)(plain(input)))


# Windows, by hand -----------------------------------------------------------------------------------------------------

ONES_3 = {"weight": [[[1, 1, 1]]], "bias": [0]}
ONES_2 = {"weight": [[[1, 1]]], "bias": [0]}


@pytest.mark.parametrize(
    ("fields", "input", "expected"),
    [
        # TensorFlow's SAME: 3 windows, padding (3 - 1)·2 + 3 - 5 = 2, one before and one after
        pytest.param({"padding": "same", "stride": 2}, [1, 2, 3, 4, 5], [1 + 2, 2 + 3 + 4, 4 + 5], id="same-even"),
        # 3 windows, padding (3 - 1)·2 + 3 - 6 = 1: the odd one after
        pytest.param({"padding": "same", "stride": 2}, [1, 2, 3, 4, 5, 6], [6, 12, 11], id="same-odd-after"),
        # 2 windows of 3 positions two apart, 5 long; padding (2 - 1)·4 + 5 - 6 = 3, one before: -1, 1, 3 and 3, 5, 7
        pytest.param(
            {"padding": "same", "stride": 4, "dilation": 2}, [1, 2, 3, 4, 5, 6], [6, 4 + 6], id="same-dilated"
        ),
        # a stride beyond the window: 2 windows, no padding
        pytest.param({"padding": "same", "stride": 4}, [1, 2, 3, 4, 5, 6, 7], [6, 5 + 6 + 7], id="same-skipping"),
        pytest.param({"padding": "full"}, [1, 2, 3], [1, 3, 6, 5, 3], id="full"),
        pytest.param({"padding": ((2, 0),)}, [1, 2, 3], [1, 3, 6], id="before-only"),
        pytest.param({"padding": ((0, 1),), "stride": 2}, [1, 2, 3, 4], [6, 7], id="after-only"),
        pytest.param({"stride": 2, "rounding": "floor"}, [1, 2, 3, 4, 5, 6], [6, 12], id="floor"),
        pytest.param({"stride": 2, "rounding": "ceil"}, [1, 2, 3, 4, 5, 6], [6, 12, 5 + 6], id="ceil"),
        # never fewer than rounded down, even where windows lie wholly in the padding
        pytest.param({"padding": 4, "rounding": "ceil"}, [1, 2, 3], [0, 0, 1, 3, 6, 5, 3, 0, 0], id="ceil-in-padding"),
        # a window that would start after the input is none
        pytest.param(
            {"stride": 4, "rounding": "ceil", "padding": ((0, 1),)}, [1, 2, 3, 4], [6], id="ceil-starts-inside"
        ),
    ],
)
def test_sums_of_windows(fields: Fields, input: list[int], expected: list[int]) -> None:
    assert run("conv", {"out_channels": 1, "kernel_size": 3, **fields}, [input], **ONES_3) == [expected]


@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
@by_loops
def test_same_padding_by_loops(size: Shape, kernel: Shape, stride: Shape) -> None:
    """TensorFlow's text: out = ceil(in / stride), total = max((out - 1)·stride + kernel - in, 0), total // 2 before."""
    values = torch.arange(1.0, 1 + size[0] * size[1], dtype=torch.float64).reshape(size)
    weights = torch.arange(1.0, 1 + kernel[0] * kernel[1], dtype=torch.float64).reshape(kernel)
    before = [max((ceil(n / s) - 1) * s + k - n, 0) // 2 for n, k, s in zip(size, kernel, stride, strict=True)]
    expected = [
        [
            sum(
                weights[i, j] * values[row, column]
                for i, j in product(range(kernel[0]), range(kernel[1]))
                if 0 <= (row := y * stride[0] + i - before[0]) < size[0]
                and 0 <= (column := x * stride[1] + j - before[1]) < size[1]
            )
            for x in range(ceil(size[1] / stride[1]))
        ]
        for y in range(ceil(size[0] / stride[0]))
    ]
    fields = {"out_channels": 1, "kernel_size": kernel, "stride": stride, "padding": "same", "bias": False}
    assert run("conv", fields, [values.tolist()], weight=[[weights.tolist()]]) == near([expected])


@pytest.mark.parametrize(
    ("fields", "input", "expected"),
    [
        pytest.param({"kernel_size": 3, "stride": 1, "padding": "same"}, [-1, -2, -3], [-1, -1, -2], id="same-below-0"),
        pytest.param({"kernel_size": 2, "padding": "same"}, [-1, -2, -3], [-1, -3], id="same-odd-after"),
        pytest.param({"kernel_size": 2, "padding": ((1, 0),)}, [-1, -2, -3], [-1, -2], id="before-only"),
        pytest.param(
            {"kernel_size": 2, "padding": ((0, 1),), "rounding": "ceil"}, [1, 5, 2, 3, 4], [5, 3, 4], id="ceil"
        ),
        pytest.param({"kernel_size": 2, "stride": 1, "dilation": 3}, [1, 5, 2, 3, 4], [3, 5], id="dilated"),
        # positions -2 and 0, then -1 and 1, and so on
        pytest.param(
            {"kernel_size": 2, "stride": 1, "dilation": 2, "padding": ((2, 0),)},
            [4, 5, 2],
            [4, 5, 4],
            id="2-0",
        ),
    ],
)
def test_largest_of_windows(fields: Fields, input: list[int], expected: list[int]) -> None:
    assert run("max_pool", fields, [input]) == [expected]


@pytest.mark.parametrize(
    ("fields", "counted", "not_counted"),
    [
        # of 2, 4, 6, 8
        pytest.param({"kernel_size": 2, "padding": "same"}, [3, 7], [3, 7], id="same-nothing-to-pad"),
        pytest.param({"kernel_size": 3, "stride": 2, "padding": "same"}, [12 / 3, 14 / 3], [4, 7], id="same-odd-after"),
        pytest.param({"kernel_size": 2, "padding": ((1, 0),)}, [2 / 2, 10 / 2], [2, 5], id="before-only"),
        # what rounding up adds after the padding never counts
        pytest.param({"kernel_size": 2, "padding": ((1, 0),), "rounding": "ceil"}, [1, 5, 8], [2, 5, 8], id="ceil"),
        pytest.param({"kernel_size": 2, "padding": 1, "stride": 3}, [2 / 2, 14 / 2], [2, 7], id="torchs-own"),
    ],
)
def test_means_of_windows(fields: Fields, counted: list[float], not_counted: list[float]) -> None:
    assert run("avg_pool", fields, [[2, 4, 6, 8]]) == near([counted])
    assert run("avg_pool", {**fields, "count_include_pad": False}, [[2, 4, 6, 8]]) == near([not_counted])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "padding", "up"), [(3, 2, 1, False), (3, 2, 1, True), (4, 3, 2, True)])
def test_our_poolings_are_torchs(rank: int, kernel: int, stride: int, padding: int, up: bool) -> None:
    """With the padding made by hand, which is how one-sided paddings are done."""
    input = torch.randn(2, 3, *(7, 8, 9)[:rank], dtype=torch.float64)
    kinds = {name: getattr(torch.nn, f"{name}Pool{rank}d") for name in ("Max", "Avg")}
    sizes, strides, sides = (kernel,) * rank, (stride,) * rank, [(padding, padding)] * rank
    # As many positions as torch has need so much after the padding:
    largest = kinds["Max"](kernel, stride, padding, ceil_mode=up)(input)
    extra = [
        (o - 1) * stride + kernel - n - 2 * padding for o, n in zip(largest.shape[2:], input.shape[2:], strict=True)
    ]
    extra = [max(0, size) for size in extra]
    around = [(padding, padding + size) for size in extra]
    assert torch.equal(modules.PaddedMaxPool(sizes, strides, (1,) * rank, around)(input), largest)
    for counted in (True, False):
        means = kinds["Avg"](kernel, stride, padding, up, counted)(input)
        ours = modules.PaddedAvgPool(sizes, strides, sides, extra, counted)(input)
        assert torch.allclose(ours, means)


def test_a_dilated_window_that_steps_over_a_small_map_has_a_gradient() -> None:
    """torch's own layer writes outside its memory here; ours takes the padding to be what it reads."""
    input = torch.ones(1, 1, 1, 1, requires_grad=True)
    pool = module_of(KINDS["max_pool"](kernel_size=2, dilation=2, padding="same"), input)
    assert isinstance(pool, modules.PaddedMaxPool)
    output = pool(input)
    output.sum().backward()
    assert output.item() == -torch.inf
    assert input.grad is not None
    assert input.grad.item() == 0


def test_a_3d_mean_of_a_map_smaller_than_its_kernel() -> None:
    """torch's own layer refuses, although the padding makes room. Of 4 and 8, one row in two frames of zeros."""
    fields = {"kernel_size": (2, 1, 2), "padding": (1, 0, 0)}
    assert run("avg_pool", fields, [[[[4, 8]]]]) == near([[[[3]]]])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # of 1, 2 by ones: 1 1 1 and, two on, 2 2 2 make 1 1 3 2 2
        pytest.param({}, [1, 1, 3, 2, 2], id="whole"),
        pytest.param({"padding": 1}, [1, 3, 2], id="torchs-padding"),
        pytest.param({"padding": ((1, 0),)}, [1, 3, 2, 2], id="before-only"),
        pytest.param({"padding": ((0, 2),)}, [1, 1, 3], id="after-only"),
        pytest.param({"output_padding": 1}, [1, 1, 3, 2, 2, 0], id="output-padding"),
        pytest.param({"padding": ((2, 1),), "output_padding": 1}, [3, 2, 2], id="both"),
    ],
)
def test_transposed_convolution(fields: Fields, expected: list[int]) -> None:
    spec = {"out_channels": 1, "kernel_size": 3, "stride": 2, **fields}
    assert run("conv_transpose", spec, [[1, 2]], **ONES_3) == [expected]


# Layers of our own, by hand -------------------------------------------------------------------------------------------


def test_a_partial_convolution_reads_its_pairs_in_the_listed_order() -> None:
    """Output 0 reads channel 2, then 0; output 1 reads channel 1: 2·30 + 3·10 + 100, 5·20 + 200."""
    fields = {"out_channels": 2, "kernel_size": 1, "connections": ((2, 0), (1,))}
    weights = {"weight": [[2], [3], [5]], "bias": [100, 200]}
    assert run("conv", fields, [[10], [20], [30]], **weights) == [[2 * 30 + 3 * 10 + 100], [5 * 20 + 200]]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_partial_convolution_is_a_whole_one_with_zeros(rank: int) -> None:
    connections = ((0, 2), (1,), (3, 1, 0))
    fields = {"out_channels": 3, "kernel_size": (2, 3, 2)[:rank], "stride": 2, "padding": ((1, 0),) * rank}
    input = torch.rand(2, 4, *(6, 7, 5)[:rank], dtype=torch.float64)
    partial = made("conv", {**fields, "connections": connections}, input)
    whole = made("conv", fields, input)
    with torch.no_grad():
        whole.weight.zero_()
        whole.bias.copy_(partial.bias)
        pairs = [(output, read) for output, reads in enumerate(connections) for read in reads]
        for kernel, (output, read) in zip(partial.weight, pairs, strict=True):
            whole.weight[output, read] = kernel
    assert torch.allclose(partial(input), whole(input))


@given(
    size=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    dilation=st.sampled_from([(1, 1), (1, 2), (2, 1)]),
)
@by_loops
def test_local_connections_by_loops(size: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> None:
    """weight [out, *positions, in, *kernel], bias [out, *positions]."""
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(span > n for span, n in zip(spans, size, strict=True)):
        return
    input = torch.rand(1, 2, *size, dtype=torch.float64)
    fields = {"out_channels": 3, "kernel_size": kernel, "stride": stride, "dilation": dilation}
    module = made("locally_connected", fields, input)
    output = module(input)[0]
    places = [range((n - span) // s + 1) for n, span, s in zip(size, spans, stride, strict=True)]
    assert output.shape == (3, *map(len, places))
    for c, y, x in product(range(3), *places):
        rows, columns = [
            [place * s + position * d for position in range(k)]
            for place, s, d, k in zip((y, x), stride, dilation, kernel, strict=True)
        ]
        expected = module.bias[c, y, x] + sum(
            module.weight[c, y, x, k, i, j] * input[0, k, row, column]
            for k, (i, row), (j, column) in product(range(2), enumerate(rows), enumerate(columns))
        )
        assert output[c, y, x].item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, [[0.5 * (1 + 2 + 4 + 5) + 1]], id="floor"),
        pytest.param({"rounding": "ceil"}, [[7, 0.5 * (3 + 6) + 1], [0.5 * (7 + 8) + 1, 0.5 * 9 + 1]], id="ceil"),
        pytest.param({"activation": "relu6"}, [[6]], id="activation"),
    ],
)
def test_subsample(fields: Fields, expected: list[list[float]]) -> None:
    rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert run("subsample", {"kernel_size": 2, **fields}, [rows], weight=[0.5], bias=[1]) == near([expected])


def test_rbf() -> None:
    """(1, 2) to (0, 0) and (4, -2): 1 + 4 and 9 + 16."""
    assert run("rbf", {"out_features": 2}, [[1], [2]], centers=[[0, 0], [4, -2]]) == [5, 25]


def test_rbf_centres_are_corners_at_first() -> None:
    centers = made("rbf", {"out_features": 50}, torch.rand(1, 84)).centers
    assert set(centers.flatten().tolist()) == {-1.0, 1.0}


CHANNELS = [[1], [5], [3], [2], [4], [0]]


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        pytest.param("maxout", {"pieces": 2}, [[5], [3], [4]], id="maxout"),
        pytest.param("maxout", {"pieces": 3}, [[5], [4]], id="maxout-of-three"),
        pytest.param("depth_pool", {"kernel_size": 2}, [[5], [3], [4]], id="depth-max"),
        pytest.param("depth_pool", {"kernel_size": 3, "stride": 1}, [[5], [5], [4], [4]], id="depth-stride"),
        pytest.param("depth_pool", {"kernel_size": 3, "mode": "avg"}, [[3], [2]], id="depth-avg"),
        pytest.param("channel_shuffle", {"groups": 2}, [[1], [2], [5], [4], [3], [0]], id="two-groups"),
        pytest.param("channel_shuffle", {"groups": 3}, [[1], [3], [4], [5], [2], [0]], id="three-groups"),
        pytest.param("slice", {"start": 1, "stop": -1, "step": 2}, [[5], [2]], id="slice"),
        pytest.param("l2_norm", {}, [[x / 55**0.5] for (x,) in CHANNELS], id="l2"),
    ],
)
def test_over_channels(kind: str, fields: Fields, expected: list[list[float]]) -> None:
    assert run(kind, fields, CHANNELS) == near(expected)


def test_layer_norm_over_channels_normalises_each_place() -> None:
    """Places (1, 3) and (5, 5): mean 2 and deviation 1, and no deviation."""
    fields = {"axes": "channels", "eps": 1e-12}
    assert run("layer_norm", fields, [[1, 5], [3, 5]], weight=[2, 2], bias=[0, 1]) == near([[-2, 0], [3, 1]])


def test_layer_norm_over_everything() -> None:
    """Mean 3, variance (9 + 1 + 1 + 9) / 4 = 5."""
    unit = 5**-0.5
    assert run("layer_norm", {"eps": 1e-12}, [[0, 2], [4, 6]]) == near([[-3 * unit, -unit], [unit, 3 * unit]])


def test_local_response_norm_of_a_vector_is_that_of_one_place() -> None:
    values = torch.rand(2, 6)
    norm = module_of(KINDS["local_response_norm"](size=3), values)
    assert torch.equal(norm(values), norm(values[..., None])[..., 0])


def test_local_response_norm_takes_a_permuted_map() -> None:
    values = torch.rand(1, 4, 3, 2, 5)
    norm = module_of(KINDS["local_response_norm"](size=3), values)
    assert torch.equal(norm(values.transpose(2, 4)), norm(values).transpose(2, 4))


def test_scale() -> None:
    assert run("scale", {"bias": True}, [[1, 2], [3, 4]], weight=[10, 2], bias=[0, 1]) == [[10, 20], [7, 9]]
    assert run("scale", {"init": 20.0}, [[1, 2]]) == [[20, 40]]


def test_linear_flattens_channels_first() -> None:
    fields = {"out_features": 1, "bias": False}
    assert run("linear", fields, [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], weight=[[0, 1, 0, 0, 0, 0, 100, 0]]) == [2 + 700]


def test_global_pools() -> None:
    rows = [[[1, 2], [3, 6]], [[4, 4], [4, -4]]]
    assert run("global_avg_pool", {}, rows) == [[[3]], [[2]]]
    assert run("global_max_pool", {}, rows) == [[[6]], [[4]]]


# Values moved about ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"size": 2}, [2, 3], id="centred"),
        pytest.param({"size": 1}, [2], id="odd-pixel-after"),
        pytest.param({"sides": ((0, 3),)}, [1], id="one-side"),
        pytest.param({"sides": 1}, [2, 3], id="both-sides"),
    ],
)
def test_crop(fields: Fields, expected: list[int]) -> None:
    assert run("crop", fields, [[1, 2, 3, 4]]) == [expected]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"padding": 1, "value": 9.0}, [9, 1, 2, 3, 9], id="constant"),
        pytest.param({"padding": ((2, 1),), "mode": "reflect"}, [3, 2, 1, 2, 3, 2], id="reflect"),
        pytest.param({"padding": ((2, 0),), "mode": "replicate"}, [1, 1, 1, 2, 3], id="replicate"),
        pytest.param({"padding": ((2, 1),), "mode": "circular"}, [2, 3, 1, 2, 3, 1], id="circular"),
    ],
)
def test_pad(fields: Fields, expected: list[int]) -> None:
    assert run("pad", fields, [[1, 2, 3]]) == [expected]


def test_pad_counts_heights_first() -> None:
    assert run("pad", {"padding": ((1, 0), (0, 2))}, [[[7]]]) == [[[0, 0, 0], [7, 0, 0]]]


def test_permute_and_reshape() -> None:
    assert run("permute", {"dims": (1, 0)}, [[1, 2], [3, 4], [5, 6]]) == [[1, 3, 5], [2, 4, 6]]
    assert run("reshape", {"shape": (2, -1)}, [[1, 2], [3, 4], [5, 6]]) == [[1, 2, 3], [4, 5, 6]]


def test_pixel_shuffle_in_one_dimension() -> None:
    assert run("pixel_shuffle", {"upscale_factor": 2}, [[1, 2], [10, 20]]) == [[1, 10, 2, 20]]
    assert run("space_to_depth", {"block_size": 2}, [[1, 10, 2, 20]]) == [[1, 2], [10, 20]]


def test_pixel_shuffle_is_torchs_in_two_dimensions() -> None:
    deep, wide = torch.rand(2, 12, 3, 4), torch.rand(2, 3, 6, 8)
    assert torch.equal(modules.PixelShuffle(2)(deep), torch.nn.PixelShuffle(2)(deep))
    assert torch.equal(modules.SpaceToDepth(2)(wide), torch.nn.PixelUnshuffle(2)(wide))


def test_pixel_shuffle_and_back_in_three_dimensions() -> None:
    values = torch.rand(2, 3, 2, 4, 6)
    assert torch.equal(modules.PixelShuffle(2)(modules.SpaceToDepth(2)(values)), values)


def test_channel_shuffle_is_torchs() -> None:
    values = torch.rand(2, 6, 3, 4)
    assert torch.equal(modules.ChannelShuffle(3)(values), torch.nn.ChannelShuffle(3)(values))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("add", [[13, 24], [35, 46]]),
        ("subtract", [[-11, -20], [-29, -38]]),
        ("multiply", [[20, 80], [180, 320]]),
        ("divide", [[0.05, 0.05], [0.05, 0.05]]),
        ("mean", [[13 / 3, 24 / 3], [35 / 3, 46 / 3]]),
    ],
)
def test_merges_of_three_paths(kind: str, expected: list[list[float]]) -> None:
    """[[1, 2], [3, 4]], its tenfold, and [[2]], which is repeated."""
    assert run(kind, {}, [[1, 2], [3, 4]], [[10, 20], [30, 40]], [[2], [2]]) == near(expected)


def test_concat() -> None:
    assert run("concat", {}, [[1, 2]], [[3, 4]]) == [[1, 2], [3, 4]]
    assert run("concat", {"axis": 1}, [[1, 2]], [[3]]) == [[1, 2, 3]]


def test_matmul() -> None:
    """Rows of the first by columns of the second."""
    assert run("matmul", {}, [[1, 2], [3, 4]], [[5, 6], [7, 8]]) == [[19, 22], [43, 50]]


def test_a_dynamic_convolution_has_filters_for_each_image() -> None:
    """[1, 2, 4] by the filter [1, 10] is [21, 42]; the second image's [1, 0] takes the first of two neighbours."""
    module = made("dynamic_conv", {"out_channels": 1, "kernel_size": 2}, torch.zeros(2, 1, 3), torch.zeros(2, 2))
    images, filters = torch.tensor([[[1.0, 2.0, 4.0]]] * 2), torch.tensor([[1.0, 10.0], [1.0, 0.0]])
    assert module(images, filters).tolist() == [[[21.0, 42.0]], [[1.0, 2.0]]]


def test_the_filters_of_a_dynamic_convolution_are_in_the_order_of_a_convolutions_weights() -> None:
    torch.manual_seed(0)
    images, filters = torch.rand(3, 4, 6, 7), torch.rand(3, 6 * 2 * 3 * 2)
    fields = {"out_channels": 6, "kernel_size": (3, 2), "stride": 2, "padding": ((1, 0), (2, 1)), "groups": 2}
    found = made("dynamic_conv", fields, images, filters)(images, filters)
    for image, own, expected in zip(images, filters, found, strict=True):
        padded = torch.nn.functional.pad(image, (2, 1, 1, 0))
        assert torch.allclose(torch.conv2d(padded, own.view(6, 2, 3, 2), None, 2, 0, 1, 2), expected)


def test_softmax_along_an_axis() -> None:
    assert run("softmax", {"axis": 1}, [[0, log(3)]]) == near([[0.25, 0.75]])
    assert run("log_softmax", {"axis": 1}, [[0, log(3)]]) == near([[log(0.25), log(0.75)]])


def test_drop_path_keeps_or_drops_whole_images() -> None:
    torch.manual_seed(0)
    ones = torch.ones(200, 3, 2)
    dropped = modules.DropPath(0.25)(ones)
    kept = dropped[:, 0, 0] > 0
    assert torch.equal(dropped, (kept / 0.75)[:, None, None].expand(-1, 3, 2))
    assert 100 < kept.sum() < 200
    assert torch.equal(modules.DropPath(0.25).eval()(ones), ones)
    assert not modules.DropPath(1.0)(ones).any()


# Whole networks -------------------------------------------------------------------------------------------------------

RESIDUAL = """
input: 6x6x2
blocks:
  unit:
    args: {width: null}
    layers:
      - add:
          - - conv: {out_channels: width, kernel_size: 3, padding: 1, bias: false}
            - batch_norm
            - relu
          - conv: {out_channels: width, kernel_size: 1}
layers:
  - {name: stage, unit: {width: 3}, repeat: 2}
  - {name: head, linear: 4}
"""


def test_state_dict_has_the_documents_names() -> None:
    network = cnncalc.loads(RESIDUAL)
    state = build(network).state_dict()
    expected = {f"{node.name}.{p.name}": p.shape for node in network for p in node.facts.parameters}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected
    assert {"stage.0.conv1.weight", "stage.1.batch_norm.running_mean", "head.bias"} < state.keys()


def test_a_layer_is_found_by_its_name() -> None:
    module = build(cnncalc.loads(RESIDUAL))
    assert module.get_submodule("stage.1.batch_norm") is layer_of(module, "stage.1.batch_norm")
    assert isinstance(module.stage.get_submodule("0.conv1"), torch.nn.Conv2d)


@pytest.mark.parametrize("name", ["forward", "type", "half", "steps", "inputs", "training"])
def test_a_layer_may_have_the_name_of_an_attribute(name: str) -> None:
    module = build(cnncalc.loads(f"input: 4\nlayers:\n  - {{name: {name}, linear: 2}}"))
    assert list(module.state_dict()) == [f"{name}.weight", f"{name}.bias"]
    assert module(torch.rand(3, 4)).shape == (3, 2)


def test_values_are_dropped_after_their_last_use() -> None:
    network = cnncalc.loads("input: 8x1\nlayers: [{pad: 1, repeat: 4}, {name: out, pad: 1}]")
    module = build(network)
    alive: list[weakref.ref[Any]] = []
    most = 0

    def watch(_module: Any, _inputs: Any, output: Any) -> None:
        nonlocal most
        alive.append(weakref.ref(output))
        most = max(most, sum(reference() is not None for reference in alive))

    for node in network:
        layer_of(module, node.name).register_forward_hook(watch)
    module(torch.rand(1, 1, 8))
    assert most == 2


def test_a_value_is_kept_for_a_later_reader() -> None:
    text = """
input: 8x1
layers:
  - {name: early, pad: 1}
  - crop: 2
  - pad: 4
  - add: [identity, early]
"""
    output = build(cnncalc.loads(text))(torch.ones(1, 1, 8))
    assert output.tolist() == [[[0, 1, 1, 1, 2, 2, 1, 1, 1, 0]]]


TWO_ENDS = """
inputs: {left: 3, right: 2}
layers:
  - {name: a, linear: 4, from: left}
  - {name: b, linear: 5, from: right}
  - {name: joined, concat: [a, b]}
outputs: [joined, a]
"""


def test_several_inputs_and_outputs() -> None:
    module = build(cnncalc.loads(TWO_ENDS))
    left, right = torch.rand(2, 3), torch.rand(2, 2)
    joined, a = module(left, right)
    assert torch.equal(a, module.a(left))
    assert torch.equal(joined, torch.cat([a, module.b(right)], 1))


def test_the_number_of_inputs_is_checked() -> None:
    with pytest.raises(TypeError, match=r"2 inputs \(left, right\), not 1"):
        build(cnncalc.loads(TWO_ENDS))(torch.rand(2, 3))


def test_a_built_network_learns() -> None:
    torch.manual_seed(0)
    module = build(cnncalc.load("lenet5"))
    images, labels = torch.rand(8, 1, 32, 32), torch.arange(8)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    losses = []
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(-module(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_seed_repeats_the_parameters() -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build(cnncalc.loads(RESIDUAL)).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_a_module_can_be_copied_pickled_and_loaded() -> None:
    module = build(cnncalc.loads(RESIDUAL)).eval()
    input = torch.rand(1, 2, 6, 6)
    expected = module(input)
    assert torch.equal(copy.deepcopy(module)(input), expected)
    assert torch.equal(pickle.loads(pickle.dumps(module))(input), expected)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = build(cnncalc.loads(RESIDUAL)).eval()
    other.load_state_dict(torch.load(file))
    assert torch.equal(other(input), expected)


def test_a_layer_can_be_replaced() -> None:
    module = build(cnncalc.loads(RESIDUAL))
    module.head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(9))
    assert module(torch.rand(2, 2, 6, 6)).shape == (2, 9)


def test_meta_holds_no_values() -> None:
    module = build(cnncalc.load("vgg16"), "meta")
    assert {parameter.device.type for parameter in module.parameters()} == {"meta"}
    assert module(torch.empty(1000, 3, 224, 224, device="meta")).shape == (1000, 1000)


def test_dtype() -> None:
    module = build(cnncalc.loads(RESIDUAL), dtype=torch.float64)
    assert module(torch.rand(2, 2, 6, 6, dtype=torch.float64)).dtype == torch.float64


def test_torchs_refusal_names_the_layer() -> None:
    network = cnncalc.loads("input: 4x1\nlayers: [{name: wide, conv: {out_channels: 2, kernel_size: 3}}]")
    network.nodes[0].layer = KINDS["conv"](out_channels=2, kernel_size=3, groups=2)
    with pytest.raises(TorchRefuses, match=r"`wide` \(conv\): in_channels must be divisible by groups") as refusal:
        build(network)
    assert refusal.value.node is network.nodes[0]


# Independence ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def engine_silenced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Network], Network]:
    """A network whose layers answer nothing and whose nodes hold no facts."""

    def silence(network: Network) -> Network:
        def refuse(*_: Any) -> None:
            raise AssertionError("the engine was asked")

        answers = ("facts", "check", "output", "parameters", "macs", "operations", "reach", "axes", "connection_count")
        for spec in (Kind, *KINDS.values()):
            for base in spec.__mro__:
                for name in answers:
                    if name in base.__dict__ and issubclass(base, Kind):
                        monkeypatch.setattr(base, name, refuse)
        for node in network:
            node.facts = None  # type: ignore[assignment]
        return network

    return silence


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "ssd300_vgg16", "googlenet_paper"])
def test_building_asks_the_engine_nothing(name: str, engine_silenced: Callable[[Network], Network]) -> None:
    network = engine_silenced(cnncalc.load(name))
    with pytest.raises((AssertionError, AttributeError)):
        _ = network.nodes[0].output
    module = build(network, "meta")
    assert isinstance(module, NetworkModule)
    assert sum(parameter.numel() for parameter in module.parameters()) > 0


def test_the_layers_of_a_repeated_merge_stand_below_its_name() -> None:
    """`add.0` is a merge and the scope of `add.0.conv`."""
    network = cnncalc.loads(
        """
input: 6x5x4
layers:
  - add: [{conv: {out_channels: 4, kernel_size: 1}}, identity]
    repeat: 2
"""
    )
    built = build(network, "cpu")
    assert list(built.state_dict()) == [f"add.{i}.conv.{name}" for i in (0, 1) for name in ("weight", "bias")]
    image = torch.rand(2, 4, 6, 5)
    kernels = [built.state_dict()[f"add.{i}.conv.weight"] for i in (0, 1)]
    biases = [built.state_dict()[f"add.{i}.conv.bias"] for i in (0, 1)]
    expected = image
    for kernel, bias in zip(kernels, biases, strict=True):
        expected = torch.nn.functional.conv2d(expected, kernel, bias) + expected
    assert torch.allclose(built(image), expected, atol=1e-6)
