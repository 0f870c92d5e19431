"""Every kind of layer: what it keeps for backward, and the most that is live as it predicts, counted by hand.

What is kept follows saved_for_backward of the memory model, measured with torch 2.13. Behind a `prelu`, which keeps the
network's input and nothing of its own, each kind reads 3 maps of 6 rows, 9 columns and 12 channels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import cnncalc
from cnncalc.eager import Setup, Timeline, timeline
from cnncalc.eager.kinds import TABLE, Call
from cnncalc.eager.machine import Tensor
from cnncalc.layers import KINDS, LAYERS, Merge

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
from golden import every
from random_networks import documents

X = 3 * 12 * 6 * 9  # values that come in
PLACES = 3 * 6 * 9  # places of all images
ROWS_OF_CHANNELS = 3 * 12 * 6  # of 9 values each
F, I, N = 4, 8, 8  # bytes of a float32, an int64 index, a Python number

# kind, layers, bytes that it keeps, bytes live beyond parameters and input at the peak of prediction
ROWS = [
    # The input, never the bias; [6, 5] outputs of 5 channels.
    pytest.param(
        "conv",
        "{conv: {out_channels: 5, kernel_size: [3, 2], stride: [1, 2], padding: 1}}",
        X * F,
        (X + 3 * 5 * 6 * 5) * F,
        id="conv",
    ),
    # Padded apart: the padded input (9x9) is kept in the input's place.
    pytest.param(
        "conv",
        "{conv: {out_channels: 5, kernel_size: 4, padding: same}}",
        3 * 12 * 9 * 12 * F,
        (X + 3 * 12 * 9 * 12 + 3 * 5 * 6 * 9) * F,
        id="conv-same",
    ),
    # relu in place: the result is kept, too
    pytest.param(
        "conv",
        "{conv: {out_channels: 5, kernel_size: 1, activation: relu}}",
        (X + 5 * PLACES) * F,
        (X + 5 * PLACES) * F,
        id="conv-relu",
    ),
    # silu in place: a copy of what comes out of the convolution, in training
    pytest.param(
        "conv",
        "{conv: {out_channels: 5, kernel_size: 1, activation: silu}}",
        (X + 5 * PLACES) * F,
        (X + 5 * PLACES) * F,
        id="conv-silu",
    ),
    pytest.param("depthwise_conv", "{depthwise_conv: {kernel_size: 3, padding: 1}}", X * F, 2 * X * F, id="depthwise"),
    pytest.param(
        "conv_transpose",
        "{conv_transpose: {out_channels: 5, kernel_size: 2, stride: 2}}",
        X * F,
        (X + 3 * 5 * 12 * 18) * F,
        id="transpose",
    ),
    # The windows of 12 places as a matrix, 72 values a window, are kept; the input and a padded copy are there beside
    # them, and 4 outputs a place twice, the second time with the bias.
    pytest.param(
        "locally_connected",
        "{locally_connected: {out_channels: 4, kernel_size: [2, 3], stride: 2}}",
        12 * 3 * 72 * F,
        (X + X + 12 * 3 * 72 + 2 * 12 * 3 * 4) * F,
        id="locally_connected",
    ),
    # The map and the filters, 5 x 12 of 2 x 2 an image; the most is there when these are made of tanh's result.
    pytest.param(
        "dynamic_conv",
        "{dynamic_conv: {paths: [identity, [tanh, {linear: {out_features: 240, bias: false}}]], out_channels: 5, "
        "kernel_size: 2}}",
        (X + 3 * 240) * F,
        (2 * X + 3 * 240) * F,
        id="dynamic_conv",
    ),
    pytest.param("linear", "{linear: 10}", X * F, (X + 30) * F, id="linear"),
    # The differences to 10 centers are kept, and squared.
    # Along the last dimension: 10 outputs a row.
    pytest.param(
        "linear",
        "{linear: {out_features: 10, flatten: false}}",
        X * F,
        (X + 10 * ROWS_OF_CHANNELS) * F,
        id="linear-of-rows",
    ),
    pytest.param("rbf", "{rbf: 10}", 10 * X * F, (X + 2 * 10 * X) * F, id="rbf"),
    # Input and int64 indices; [2, 4] outputs a channel. The indices are made in prediction, too.
    pytest.param(
        "max_pool",
        "{max_pool: {kernel_size: [3, 2], stride: 2}}",
        X * F + 36 * 8 * I,
        X * F + 36 * 8 * (F + I),
        id="max_pool",
    ),
    # [3, 5] outputs a channel
    pytest.param(
        "avg_pool",
        "{avg_pool: {kernel_size: 3, stride: 2, padding: 1}}",
        X * F,
        (X + 36 * 15) * F,
        id="avg_pool",
    ),
    # [3, 4] outputs a channel: the input, its squares, and of the size of the output the means, their sign, their
    # absolute value after relu, and what the root is of; the number that they are multiplied by. In prediction the
    # squares are gone by then.
    pytest.param(
        "lp_pool",
        "{lp_pool: {kernel_size: 2, norm_type: 2}}",
        (2 * X + 4 * 36 * 12) * F + N,
        (2 * X + 36 * 12) * F,
        id="lp_pool",
    ),
    # The largest of 4 channels, and of 12: input and result
    pytest.param("depth_pool", "{depth_pool: 4}", (X + 3 * PLACES) * F, (X + 3 * PLACES) * F, id="depth_pool"),
    pytest.param("maxout", "{maxout: 3}", (X + 4 * PLACES) * F, (X + 4 * PLACES) * F, id="maxout"),
    pytest.param("adaptive_avg_pool", "{adaptive_avg_pool: [4, 7]}", X * F, (X + 36 * 28) * F, id="adaptive_avg_pool"),
    # To one place it is a mean, which keeps nothing.
    pytest.param("adaptive_avg_pool", "{adaptive_avg_pool: 1}", 0, (X + 36) * F, id="adaptive_avg_pool-1"),
    pytest.param(
        "adaptive_max_pool",
        "{adaptive_max_pool: [4, 7]}",
        X * F + 36 * 28 * I,
        X * F + 36 * 28 * (F + I),
        id="adaptive_max_pool",
    ),
    pytest.param("global_avg_pool", "global_avg_pool", 0, (X + 36) * F, id="global_avg_pool"),
    pytest.param("global_max_pool", "global_max_pool", (X + 36) * F, (X + 36) * F, id="global_max_pool"),
    # A padded copy of the input, for the mean; the sums, for the weight's gradient; the number that means are
    # multiplied by to be sums; the result of tanh. [3, 4] outputs a channel.
    pytest.param(
        "subsample",
        "{subsample: {kernel_size: 2, activation: tanh}}",
        (X + 2 * 36 * 12) * F + N,
        (2 * X + 36 * 12) * F,
        id="subsample",
    ),
    # A mean and an inverse deviation a channel; in prediction the running ones are used.
    pytest.param("batch_norm", "batch_norm", (X + 2 * 12) * F, 2 * X * F, id="batch_norm"),
    # a group of an image
    pytest.param("group_norm", "{group_norm: 4}", (X + 2 * 3 * 4) * F, (2 * X + 2 * 3 * 4) * F, id="group_norm"),
    # an image, and a place
    pytest.param("layer_norm", "layer_norm", (X + 2 * 3) * F, (2 * X + 2 * 3) * F, id="layer_norm"),
    pytest.param(
        "layer_norm",
        "{layer_norm: {axes: channels}}",
        (X + 2 * PLACES) * F,
        (2 * X + 2 * PLACES) * F,
        id="layer_norm-of-channels",
    ),
    # a row of a channel
    pytest.param(
        "layer_norm",
        "{layer_norm: {axes: last}}",
        (X + 2 * ROWS_OF_CHANNELS) * F,
        (2 * X + 2 * ROWS_OF_CHANNELS) * F,
        id="layer_norm-of-rows",
    ),
    # a channel of an image
    pytest.param("instance_norm", "instance_norm", (X + 2 * 36) * F, (2 * X + 2 * 36) * F, id="instance_norm"),
    # The input, the squares with 4 channels of padding, what the power is of, and the divisor; a number. In prediction
    # the mean, its multiple and that plus a number are there at once, beside the input.
    pytest.param(
        "local_response_norm",
        "{local_response_norm: 5}",
        (3 * X + 16 * PLACES) * F + N,
        4 * X * F + N,
        id="local_response_norm",
    ),
    # The input; the length of a vector a place, and that at least a small number.
    pytest.param("l2_norm", "l2_norm", (X + 2 * PLACES) * F, (2 * X + PLACES) * F, id="l2_norm"),
    # The product, and the product plus the bias.
    pytest.param("scale", "{scale: {bias: true}}", X * F, 3 * X * F, id="scale"),
    # Input or result: both are kept anyway where the next layer keeps its input.
    pytest.param("relu", "relu", X * F, 2 * X * F, id="relu"),
    pytest.param("relu6", "relu6", X * F, 2 * X * F, id="relu6"),
    pytest.param("leaky_relu", "{leaky_relu: 0.1}", X * F, 2 * X * F, id="leaky_relu"),
    pytest.param("prelu", "{prelu: in_channels}", X * F, 2 * X * F, id="prelu"),
    pytest.param("elu", "elu", X * F, 2 * X * F, id="elu"),
    pytest.param("selu", "selu", X * F, 2 * X * F, id="selu"),
    pytest.param("gelu", "gelu", X * F, 2 * X * F, id="gelu"),
    pytest.param("silu", "silu", X * F, 2 * X * F, id="silu"),
    pytest.param("mish", "mish", X * F, 2 * X * F, id="mish"),
    pytest.param("sigmoid", "sigmoid", X * F, 2 * X * F, id="sigmoid"),
    pytest.param("tanh", "tanh", X * F, 2 * X * F, id="tanh"),
    pytest.param("softplus", "softplus", X * F, 2 * X * F, id="softplus"),
    pytest.param("hard_swish", "hard_swish", X * F, 2 * X * F, id="hard_swish"),
    pytest.param("hard_sigmoid", "hard_sigmoid", X * F, 2 * X * F, id="hard_sigmoid"),
    pytest.param("softmax", "softmax", X * F, 2 * X * F, id="softmax"),
    pytest.param("log_softmax", "log_softmax", X * F, 2 * X * F, id="log_softmax"),
    # The number that is multiplied by; nothing; input, exponents and result; the result of exp; nothing, but the
    # gradient is expanded from a value a channel; a row's lengths beside the input.
    pytest.param("arithmetic", "{arithmetic: {number: 0.5}}", N, 2 * X * F + N, id="arithmetic"),
    pytest.param("arithmetic", "{arithmetic: {operation: add, shape: [12, 1, 1]}}", 0, 2 * X * F, id="arithmetic-add"),
    pytest.param(
        "arithmetic", "{arithmetic: {operation: power, shape: [12, 1, 1]}}", 2 * X * F, 2 * X * F, id="arithmetic-power"
    ),
    pytest.param("function", "{function: exp}", X * F, 2 * X * F, id="function"),
    pytest.param("reduce", "{reduce: {by: mean, axes: [1, 2]}}", 0, (X + 36) * F, id="reduce"),
    pytest.param(
        "reduce",
        "{reduce: {by: norm, axes: 2}}",
        (X + ROWS_OF_CHANNELS) * F,
        (X + ROWS_OF_CHANNELS) * F,
        id="reduce-norm",
    ),
    # In place: the result is the input's memory; where the formula needs the input, a copy of it is kept.
    pytest.param("relu", "{relu: {inplace: true}}", X * F, X * F, id="relu-in-place"),
    pytest.param("leaky_relu", "{leaky_relu: {inplace: true}}", X * F, X * F, id="leaky_relu-in-place"),
    pytest.param("silu", "{silu: {inplace: true}}", X * F, X * F, id="silu-in-place"),
    pytest.param("function", "{function: {of: sin, inplace: true}}", X * F, X * F, id="function-in-place"),
    pytest.param("function", "{function: {of: exp, inplace: true}}", X * F, X * F, id="function-over-its-result"),
    pytest.param("arithmetic", "{arithmetic: {number: 2, inplace: true}}", N, X * F + N, id="arithmetic-in-place"),
    # what it multiplies, for the factors' gradient
    pytest.param("arithmetic", "{arithmetic: {shape: [12, 1, 1], inplace: true}}", X * F, X * F, id="product-in-place"),
    # Noise in float32; nothing in prediction.
    pytest.param("dropout", "{dropout: 0.5}", X * F, X * F, id="dropout"),
    pytest.param("dropout", "{dropout: {p: 0.5, inplace: true}}", X * F, X * F, id="dropout-in-place"),
    pytest.param("dropout", "{dropout: 0}", 0, X * F, id="dropout-of-nothing"),
    # a number an image
    pytest.param("drop_path", "{drop_path: 0.2}", 3 * F, X * F, id="drop_path"),
    # Views.
    pytest.param("flatten", "flatten", 0, X * F, id="flatten"),
    pytest.param("reshape", "{reshape: [8, 3, -1]}", 0, X * F, id="reshape"),
    pytest.param("permute", "{permute: [1, 2, 0]}", 0, X * F, id="permute"),
    pytest.param("crop", "{crop: [4, 5]}", 0, X * F, id="crop"),
    pytest.param("slice", "{slice: {start: 1, stop: 8, step: 3}}", 0, X * F, id="slice"),
    pytest.param("identity", "identity", 0, X * F, id="identity"),
    # A view of a permutation takes a copy.
    pytest.param("pixel_shuffle", "{pixel_shuffle: 2}", 0, 2 * X * F, id="pixel_shuffle"),
    pytest.param("space_to_depth", "{space_to_depth: 3}", 0, 2 * X * F, id="space_to_depth"),
    pytest.param("channel_shuffle", "{channel_shuffle: 4}", 0, 2 * X * F, id="channel_shuffle"),
    # but that of one group
    pytest.param("channel_shuffle", "{channel_shuffle: 1}", 0, X * F, id="channel_shuffle-of-one-group"),
    # [7, 14] outputs a channel; a reflection keeps the input
    pytest.param("pad", "{pad: [[0, 1], [2, 3]]}", 0, (X + 36 * 7 * 14) * F, id="pad"),
    pytest.param(
        "pad", "{pad: {padding: [[0, 1], [2, 3]], mode: reflect}}", X * F, (X + 36 * 7 * 14) * F, id="pad-reflect"
    ),
    pytest.param("upsample", "{upsample: {scale_factor: 2}}", 0, 5 * X * F, id="upsample"),
    # Merges, beside what tanh keeps: its result, which is one of the operands.
    pytest.param("add", "{add: [identity, tanh]}", 0, 3 * X * F, id="add"),
    pytest.param("subtract", "{subtract: [identity, tanh]}", 0, 3 * X * F, id="subtract"),
    # the other operand
    pytest.param("multiply", "{multiply: [identity, tanh]}", X * F, 3 * X * F, id="multiply"),
    pytest.param("divide", "{divide: [identity, tanh]}", X * F, 3 * X * F, id="divide"),
    # the number of paths; the sum and the mean
    pytest.param("mean", "{mean: [identity, tanh]}", N, 4 * X * F + N, id="mean"),
    pytest.param("concat", "{concat: [identity, tanh]}", 0, 4 * X * F, id="concat"),
    # the other operand; 6x6 values a channel
    pytest.param(
        "matmul",
        "{matmul: [tanh, [{permute: [0, 2, 1]}]]}",
        X * F,
        (2 * X + 36 * 36) * F,
        id="matmul",
    ),
]


def test_every_kind_is_in_the_table() -> None:
    assert sorted(TABLE) == sorted(layer.kind for layer in LAYERS)


def test_every_kind_has_a_row() -> None:
    assert {row.values[0] for row in ROWS} == set(KINDS)


@pytest.mark.parametrize(("kind", "layers", "kept", "peak"), ROWS)
def test_a_kind(run: Callable[..., Timeline], kind: str, layers: str, kept: int, peak: int) -> None:
    found = run(f"prelu, {layers}", "6x9x12", training=True, loss="none").kept()
    if issubclass(KINDS[kind], Merge):
        assert found.pop("tanh") == X * F
    assert sum(found.values()) == kept
    assert all(layer.startswith(kind) for layer in found)
    predicted = run(f"prelu, {layers}", "6x9x12")
    assert predicted.bytes - predicted.at_rest == peak
    assert predicted.kept() == {}


@pytest.mark.parametrize(
    ("layers", "left", "read"),
    [
        pytest.param(
            "{conv: {out_channels: 4, kernel_size: 1}}, {relu: {inplace: true}}", *2 * [4 * PLACES], id="in-place"
        ),
        pytest.param("relu, tanh, selu", X, X, id="one-after-another"),
        pytest.param("relu, flatten", X, X, id="a-view"),
        pytest.param("relu, {slice: {stop: 1}}", X, PLACES, id="a-part-keeps-the-whole"),
        pytest.param("relu, {slice: {stop: 1}}, flatten", X, PLACES, id="a-view-of-it-too"),
        # two of the rows are no view of a vector: the copy is all that stays
        pytest.param("relu, {slice: {axis: 1, stop: 2}}, flatten", 36 * 2 * 9, 36 * 2 * 9, id="a-copied-part"),
        pytest.param("{add: [relu, tanh]}", X, X, id="paths"),
    ],
)
def test_what_is_left_for_the_next_layer(run: Callable[..., Timeline], layers: str, left: int, read: int) -> None:
    """Beside it the next layer's result: as many values as it reads."""
    found = run(f"{layers}, sigmoid", "6x9x12")
    assert found.events[-1].live - found.at_rest == (left + read) * F


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every kind's function checks the shape of what it returns against the engine's; the kinds that ran."""
    ran: list[str] = []

    def checking(kind: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(call: Call, *inputs: Tensor) -> Tensor:
            output = function(call, *inputs)
            assert output.shape == call.output, kind
            assert len(output.strides) == len(output.shape), kind
            ran.append(kind)
            return output

        return run

    for kind, function in TABLE.items():
        monkeypatch.setitem(TABLE, kind, checking(kind, function))
    return ran


def test_outputs_have_the_shapes_that_the_engine_says(checked: list[str]) -> None:
    for row in every():
        timeline(row.network, row.setup)
    assert set(checked) == set(KINDS)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(documents())
def test_outputs_of_random_networks_have_them(checked: list[str], text: str) -> None:
    timeline(cnncalc.loads(text), Setup(batch=2))


def test_a_single_value_is_not_normalised(run: Callable[..., Timeline]) -> None:
    layers = "{conv: {out_channels: 4, kernel_size: 3}}, global_avg_pool, batch_norm"
    with pytest.raises(cnncalc.DocumentError) as error:
        run(layers, training=True, batch=1)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "one-value-to-normalise"
    assert diagnostic.span is not None
    run(layers, training=True, batch=2)
    run(layers, batch=1)
    run("{conv: {out_channels: 4, kernel_size: 3}}, batch_norm", training=True, batch=1)


@pytest.mark.parametrize(
    ("norm", "refused"),
    [
        ("{batch_norm: {track_running_stats: false}}", True),
        ("batch_norm", False),
        ("{group_norm: 4}", True),
        ("{group_norm: 2}", False),  # two channels of a value each
    ],
)
def test_nor_is_it_in_prediction_by_its_own_statistics(run: Callable[..., Timeline], norm: str, refused: bool) -> None:
    layers = f"{{conv: {{out_channels: 4, kernel_size: 3}}}}, global_avg_pool, {norm}"
    run(layers, batch=2)
    if not refused:
        run(layers, batch=1)
        return
    with pytest.raises(cnncalc.DocumentError, match=r"torch refuses to run this: `\w+` would normalise a single value"):
        run(layers, batch=1)
