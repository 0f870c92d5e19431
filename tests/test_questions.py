"""Course and exam questions: every one of `data/questions.yaml`, asked of cnncalc, and answered as its source does.

Where a published key is wrong or rounded, `answer` is the right one, and `published_answer` what the source prints:
then ours has to be the one and not the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

import cnncalc
from cnncalc import Network, Report, formulas
from cnncalc.convert import dense_to_conv
from cnncalc.counting import chosen, count
from cnncalc.derivations import explain
from cnncalc.solve import solve
from cnncalc.symbolic import symbolic

COPY = Path(__file__).parent / "data" / "questions.yaml"
ORIGINAL = Path(__file__).parents[2] / "shared" / "questions.yaml"

Question = dict[str, Any]
QUESTIONS: dict[str, Question] = {each["id"]: each for each in yaml.safe_load(COPY.read_text("utf-8"))["questions"]}

# The words of the questions that are not ours.
WORDS = {"maxpool": "max_pool", "avgpool": "avg_pool", "batchnorm": "batch_norm"}
PRESETS = {"vgg16": "vgg16", "alexnet-one-tower": "alexnet_one_tower"}


def test_the_copy_is_the_original() -> None:
    if not ORIGINAL.exists():
        pytest.skip("the original stands beside the author's checkout only")
    assert COPY.read_bytes() == ORIGINAL.read_bytes()


def test_every_question_is_answered() -> None:
    assert len(QUESTIONS) == 59
    assert {question["asked"] for question in QUESTIONS.values()} == set(ANSWERS)


@pytest.mark.parametrize("id", QUESTIONS)
def test_question(id: str) -> None:
    question = QUESTIONS[id]
    assert ANSWERS[question["asked"]](question["given"]) == question["answer"]


# Keys that the sources print and that are wrong: what they say, and what it would have to be for them to be right.
WRONG_KEYS = {
    "nptel-3": ("D (none of these), although 60x60 is choice c", 60),
    "nemotron-1": ("5x5", 7),
    "dlai-w3-01": ("4x4; forum formula (n-1)s - p + f", {"pytorch_output_padding_0": 3, "pytorch_output_padding_1": 4}),
}


@pytest.mark.parametrize("id", WRONG_KEYS)
def test_a_wrong_key_is_contradicted(id: str) -> None:
    printed, right = WRONG_KEYS[id]
    question = QUESTIONS[id]
    assert question["published_answer"] == printed
    assert ANSWERS[question["asked"]](question["given"]) == question["answer"] == right


def test_every_disputed_key_is_contradicted() -> None:
    disputed = {id for id, question in QUESTIONS.items() if question["status"] == "published-disputed"}
    assert disputed <= set(WRONG_KEYS)
    assert ANSWERS["output_side"](QUESTIONS["nemotron-1"]["given"]) != 5


def test_a_key_that_forgets_the_channels() -> None:
    """dlai-w1-02: a page says 2,600, which is 100 · (5·5 + 1)."""
    assert "says 2600" in QUESTIONS["dlai-w1-02"]["note"]
    assert 100 * (5 * 5 + 1) == 2600
    assert ANSWERS["params_total"](QUESTIONS["dlai-w1-02"]["given"]) == 100 * (5 * 5 * 3 + 1) == 7600


def test_rounded_keys() -> None:
    """The figures that the sources print, and how they come about."""
    training = ANSWERS["train_bytes"](QUESTIONS["geron14-2f"]["given"])
    assert training == 565_613_600 != 564_600_000
    values = ANSWERS["activation_values_and_bytes_x2"](QUESTIONS["cs231n-17"]["given"])
    assert (values["bytes"], values["bytes"] // 2**20, values["bytes"] // 10**6) == (77_070_336, 73, 77)
    alexnet = ANSWERS["bytes_macs_flops"](QUESTIONS["d2l-alexnet"]["given"])
    assert (alexnet["bytes"] // 2**20, alexnet["flops"] // 2**20) == (164, 82)
    assert ANSWERS["bytes"](QUESTIONS["d2l-vgg"]["given"]) == 392 * 2**20


# Networks to ask ------------------------------------------------------------------------------------------------------


def network_of(given: Question, layers: list[Any] | None = None) -> Network:
    """The network of a question, in our words."""
    if "preset" in given:
        return cnncalc.load(PRESETS[given["preset"]])
    written = []
    for layer in given["layers"] if layers is None else layers:
        (kind, fields), *_ = layer.items() if isinstance(layer, dict) else [(layer, {})]
        written.append({WORDS.get(kind, kind): fields})
    return cnncalc.loads(json.dumps({"input": given["input"], "layers": written}))


def report_of(given: Question) -> Report:
    return cnncalc.analyze(network_of(given), given.get("batch", 1), given.get("dtype", "float32"))


def side(W: int, kernel: int, padding: Any = 0, stride: int = 1, kind: str = "conv", **fields: Any) -> int:
    """The output of a window on a square map with one channel."""
    layer = {"kernel_size": kernel, "padding": padding, "stride": stride, **fields}
    layer |= {"out_channels": 1} if kind.startswith("conv") else {}
    (height, width) = network_of({"input": [1, W, W]}, [{kind: layer}]).outputs[0].output[1:]
    assert height == width
    return int(height)


def power(form: Any) -> str:
    """A closed form as the questions write it: 49*C^2."""
    return str(form).replace("**", "^")


def share(part: int, whole: int, digits: int = 4) -> float:
    return round(part / whole, digits)


# Answers --------------------------------------------------------------------------------------------------------------


def output_side(given: Question) -> Any:
    if "cases" in given:
        # Transposed convolutions: input, kernel, stride, padding, output padding.
        return [side(W, K, P, S, "conv_transpose", output_padding=A) for W, K, S, P, A in map(tuple, given["cases"])]
    W = given.get("input_hw", given.get("i"))
    K, S = given.get("kernel_size", given.get("k")), given.get("stride", given.get("s", 1))
    P = given.get("padding", given.get("p"))
    if isinstance(S, list):
        return [side(W, K, P, one) for one in S]
    if (W, K, S, P) == (2, 3, 2, 1):
        return {f"pytorch_output_padding_{A}": side(W, K, P, S, "conv_transpose", output_padding=A) for A in (0, 1)}
    if S == 2 and P is None:
        return {rounding: side(W, K, 0, S, "max_pool", rounding=rounding) for rounding in ("floor", "ceil")}
    if "i" in given and P is None:
        return {word: side(W, K, word) for word in ("valid", "same", "full")}
    return side(W, K, P or 0, S)


def fits(given: Question) -> Any:
    W, F, P, S = given["input_hw"], given["kernel_size"], given["padding"], given["stride"]
    with pytest.raises(cnncalc.DocumentError, match="the remainder is 1"):
        side(W, F, P, S, rounding="exact")
    positions = Fraction(W - F + 2 * P, S) + 1
    assert formulas.output_size(W, F, P, S) == positions.__floor__()
    return f"no: ({W}-{F})/{S}+1 = {float(positions)}"


def padding(given: Question) -> Any:
    """The padding that keeps the size, the same for every size."""
    found = []
    for kernel in given["kernel_size"]:
        (one,) = solve("conv", input=32, output=32, kernel_size=kernel, stride=given["stride"]).choices
        found.append(one.sizes["padding"])
    return found


def layer(given: Question) -> Any:
    """The plainest layer that takes one shape to another."""
    (channels, *sizes), (out_channels, *outputs) = given["input"], given["target_chw"]
    found = solve("conv", input=sizes[0], output=outputs[0], channels=channels, out_channels=out_channels)
    plainest = found.choices[0]
    return {
        "conv": {
            "out_channels": out_channels,
            "kernel_size": plainest.sizes["kernel_size"],
            "stride": plainest.sizes["stride"],
        }
    }


def choice(given: Question) -> Any:
    """The one of the choices (kernel, stride, padding) that gives the output exactly."""
    found = []
    for F, S, P in given["choices"]:
        if S > 0 and side(given["input_hw"], F, P, S) == given["output_hw"]:
            found.append([F, S, P])
    (one,) = found
    return one


def im2col(given: Question) -> Any:
    network = network_of(given)
    names = {"X_col": "im2col_input", "W_row": "im2col_weights", "out": "im2col_output"}
    return {name: explain(network, "conv", quantity)[0].value for name, quantity in names.items()}


def neurons(given: Question) -> Any:
    report = report_of(given)
    (conv,) = report.layers
    (unshared,) = explain(network_of(given), "conv", "unshared_parameters")
    return {
        "neurons": conv.neurons,
        "params_unshared": unshared.value,
        "weights_shared": conv.weights,
        "params_shared": conv.parameters,
    }


def shape_and_parameters(given: Question) -> Any:
    (conv,) = report_of(given).layers
    (unshared,) = explain(network_of(given), "conv", "unshared_parameters")
    channels, *sizes = conv.output
    return {"output_hwc": [*sizes, channels], "params_unshared": unshared.value, "params_shared": conv.parameters}


def sliding(given: Question) -> Any:
    """VGG-16's dense layers as convolutions over a larger image; they read what its last pooling makes."""
    converted = dense_to_conv(cnncalc.load("vgg16"), tuple(given["input"]))
    larger = cnncalc.loads(converted.document)
    shapes = {node.name: node.output for node in larger}
    before = next(node for node in larger if node.name == converted.changes[0].name).inputs[0]
    channels, *sizes = before.output
    classes, *places = shapes[converted.outputs[0].name]
    return {"features": [*sizes, channels], "scores": [*places, classes]}


def weights_symbolic(given: Question) -> Any:
    """Closed forms of convolutions on as many channels as the letter says, without biases."""
    letter = given["symbolic"]
    sizes = {"C": {"one_7x7": (7, 1), "three_3x3": (3, 3)}, "c": {"one_5x5": (5, 1), "three_3x3": (3, 3)}}
    return {name: weights_in(letter, *shape) for name, shape in sizes[letter].items()}


def weights_in(letter: str, kernel: int, layers: int) -> str:
    conv = {"out_channels": "in_channels", "kernel_size": kernel, "padding": kernel // 2, "bias": False}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.yaml"
        path.write_text(json.dumps({"input": [4, 8, 8], "layers": [{"conv": conv}] * layers}))
        return power(symbolic(path, [f"{letter}=channels"]).totals["weights"])


def receptive_field_symbolic(given: Question) -> Any:
    """n layers of a k x k window: the recurrence with a letter for k, for one layer after another."""
    import sympy

    k = sympy.Symbol("k", positive=True, integer=True)
    size: Any = 1
    for n in range(1, 12):
        size = formulas.field_size(size, k, 1)
        assert sympy.expand(size - ((k - 1) * (n - 1) + k)) == 0
    assert set(given["symbolic"]) == {"n", "k"}
    return "(k-1)*(n-1)+k"


def windows(given: Question) -> tuple[int, int]:
    """The field and the jump behind windows of (kernel, stride) on a large map."""
    layers = [{"conv": {"out_channels": 1, "kernel_size": F, "stride": S}} for F, S in given["layers"]]
    network = network_of({"input": [1, 999, 999]}, layers)
    field = cnncalc.analyze(network).layers[-1].receptive_field
    assert field is not None
    assert field.jump is not None
    return field.size[0], int(field.jump[0])


def receptive_field(given: Question) -> Any:
    if "preset" in given:
        fields = {row.name: row.receptive_field for row in report_of(given).layers}
        pool, dense = fields["stage5.max_pool"], fields["fc6"]
        assert pool is not None
        assert dense is not None
        assert pool.jump is not None
        return {"pool5": pool.size[0], "stride": pool.jump[0], "fc6": dense.size[0]}
    if "input" not in given:
        return windows(given)[0]
    field = report_of(given).layers[-1].receptive_field
    assert field is not None
    return field.size[0]


def per_layer(given: Question) -> Any:
    rows = report_of(given).layers
    if "preset" not in given:
        return [row.parameters for row in rows]
    conv = [row.parameters for row in rows if row.kind == "conv"]
    dense = [row.parameters for row in rows if row.kind == "linear"]
    return {"conv": conv, "conv_total": sum(conv), "fc": dense, "total": sum(conv) + sum(dense)}


def parameters(given: Question) -> Any:
    if "cases" in given:
        # Input channels, filters, kernel.
        return [
            cnncalc.analyze(
                network_of({"input": [C, 9, 9]}, [{"conv": {"out_channels": N, "kernel_size": K}}])
            ).totals.parameters
            for C, N, K in given["cases"]
        ]
    conv, norm = report_of(given).layers
    return {
        "conv_weights": conv.weights,
        "conv_bias": conv.biases,
        "bn_trainable": norm.parameters,
        "trainable_total": conv.parameters + norm.parameters,
        "bn_non_trainable": norm.buffers,
    }


def shapes_and_parameters(given: Question) -> Any:
    return [[row.output, row.parameters] for row in report_of(given).layers]


def output_shape(given: Question) -> Any:
    if "cases" not in given:
        return list(network_of(given).outputs[0].output)
    shapes = []
    for case in given["cases"]:
        fields = {name: case[name] for name in ("kernel_size", "stride", "out_channels")}
        shapes.append(list(network_of(case, [{"conv_transpose": fields}]).outputs[0].output))
    return shapes


def channels_last(given: Question) -> Any:
    channels, *sizes = network_of(given).outputs[0].output
    return [*sizes, channels]


def output_sides(given: Question) -> Any:
    if "layers" in given:
        return [row.output[1] for row in report_of(given).layers]
    W, K, P, S = given["input"][1], given["kernel_size"], given["padding"], given["stride"]
    smaller = side(W, K, P, S)
    return [smaller, side(smaller, K, P, S, "conv_transpose")]


def multiplications(given: Question) -> Any:
    """A convolution, and a depthwise one before a 1x1: as the question asks for the sum or its parts."""
    K, N = given["kernel_size"], given["out_channels"]
    padded = 0 if given["input"][1] == 6 else K // 2
    beside = {"padding": padded, "bias": False}
    full = cnncalc.analyze(network_of(given, [{"conv": {"out_channels": N, "kernel_size": K, **beside}}]))
    both = cnncalc.analyze(
        network_of(
            given,
            [{"depthwise_conv": {"kernel_size": K, **beside}}, {"conv": {"out_channels": N, "kernel_size": 1}}],
        )
    )
    depthwise, pointwise = [row.macs for row in both.layers]
    if padded:
        total = depthwise + pointwise
        return {"standard": full.totals.macs, "separable": total, "ratio": share(total, full.totals.macs)}
    assert Fraction(depthwise + pointwise, full.totals.macs) == Fraction(1, N) + Fraction(1, K**2)
    return {
        "normal": full.totals.macs,
        "depthwise": depthwise,
        "pointwise": pointwise,
        "separable": depthwise + pointwise,
        "ratio": share(depthwise + pointwise, full.totals.macs),
        "formula": "1/N + 1/K^2",
    }


def macs_flops(given: Question) -> Any:
    network = network_of(given)
    rows = cnncalc.analyze(network).layers
    (flops,) = count(network, chosen(["flop_counter"])).counts
    conv = sum(row.macs for row in rows if row.kind == "conv")
    dense = sum(row.macs for row in rows if row.kind == "linear")
    return {"conv": conv, "fc": dense, "total": conv + dense, "flops": flops.total}


def dense_layers(given: Question) -> Any:
    rows = [
        cnncalc.analyze(network_of({"input": [C]}, [{"linear": {"out_features": N, "bias": False}}])).totals
        for C, N in given["weights"]
    ]
    weights, macs = sum(row.weights for row in rows), sum(row.macs for row in rows)
    bytes = sum(row.memory.parameters for row in rows)
    return {"weights": weights, "bytes": bytes, "MiB": bytes / 2**20, "macs": macs, "flops": 2 * macs}


def dense_bytes(given: Question) -> Any:
    layer = {"linear": {"out_features": given["out_features"], "bias": False}}
    return cnncalc.analyze(network_of({"input": [given["in_features"]]}, [layer])).totals.memory.parameters


def lost(given: Question) -> Any:
    W, K, times = given["input_hw"], given["kernel_size"], given["repeat"]
    convolutions = [{"conv": {"out_channels": 1, "kernel_size": K}}] * times
    O = network_of({"input": [1, W, W]}, convolutions).outputs[0].output[1]
    return {"side": O, "lost": share(W * W - O * O, W * W)}


def subsampling(given: Question) -> Any:
    (row,) = cnncalc.analyze(network_of(given, [{"subsample": given["subsample"]}])).layers
    return {"params": row.parameters, "connections": row.connections}


def units(given: Question) -> Any:
    """Units, weights and connections (without biases) of layers that stand alone."""
    found = []
    for each in given["layers"]:
        (row,) = cnncalc.analyze(network_of(each, [{"conv": each["conv"]}])).layers
        found.append([row.neurons, row.weights, row.macs])
    return found


def dilated(given: Question) -> Any:
    W, K, D = given["i"], given["k"], given["d"]
    return [formulas.effective_kernel(K, D), side(W, K, dilation=D)]


def values_and_gradients(given: Question) -> Any:
    """CS231n's rule: as many gradients as activations."""
    report = report_of(given)
    every = report.totals.activation_bytes
    return {"values": report.totals.activations, "bytes": formulas.sum_training(every)}


ANSWERS: dict[str, Callable[[Question], Any]] = {
    "params_total": lambda given: report_of(given).totals.parameters,
    "params_per_layer": per_layer,
    "output_hw_per_layer": lambda given: [row.output[1:] for row in report_of(given).layers],
    "activation_bytes_per_layer": lambda given: [row.activation_bytes for row in report_of(given).layers],
    "inference_peak_bytes": lambda given: report_of(given).totals.memory.prediction,
    "train_bytes": lambda given: report_of(given).totals.memory.training,
    "output_side": output_side,
    "fits": fits,
    "neurons_and_params": neurons,
    "im2col_shapes": im2col,
    "shapes_hwc": sliding,
    "weights_symbolic": weights_symbolic,
    "activation_values_and_bytes_x2": values_and_gradients,
    "padding": padding,
    "output_shape_chw": output_shape,
    "layer": layer,
    "multiplications": multiplications,
    "shapes_and_params_chw": shapes_and_parameters,
    "params": parameters,
    "flatten_features": lambda given: prod_of(network_of(given).outputs[0].output),
    "output_shape_hwc": channels_last,
    "choice_F_S_P": choice,
    "receptive_field_symbolic": receptive_field_symbolic,
    "receptive_field": receptive_field,
    "receptive_field_and_stride": lambda given: list(windows(given)),
    "params_and_connections": subsampling,
    "units_weights_connections": units,
    "effective_kernel_and_output": dilated,
    "shape_and_params": shape_and_parameters,
    "output_side_and_loss": lost,
    "output_sides": output_sides,
    "bytes_macs_flops": dense_layers,
    "bytes": dense_bytes,
    "macs": multiplications,
    "macs_flops": macs_flops,
}


def prod_of(shape: tuple[int, ...]) -> int:
    return formulas.output_elements(*shape)
