"""Course and exam questions: every one of `data/questions.yaml`, asked of cnncalc, and answered as its source does.

Each is answered from its `given`, by what is `asked`. Where a published key is wrong or rounded, `answer` is the right
one, and `published_answer` or `note` what a source prints: ours has to be the one and not the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
import sympy
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
    assert {question["asked"] for question in QUESTIONS.values()} == {*ANSWERS, *NAMED}


@pytest.mark.parametrize("id", QUESTIONS)
def test_question(id: str) -> None:
    question = QUESTIONS[id]
    assert same(answered(question), question["answer"])


def answered(question: Question) -> Any:
    """Our answer; one for each name that the published one has, where these say which of several is meant."""
    asked, given, answer = question["asked"], question["given"], question["answer"]
    if asked in NAMED and isinstance(answer, dict):
        return {name: NAMED[asked](given, name) for name in answer}
    return ANSWERS[asked](given)


def same(ours: Any, published: Any) -> bool:
    """Equal, closed forms as expressions: 49*C^2 is 49·C²."""
    if isinstance(published, dict):
        return ours.keys() == published.keys() and all(same(ours[name], published[name]) for name in ours)
    if isinstance(ours, sympy.Expr):
        letters = {symbol.name: symbol for symbol in ours.free_symbols}
        return bool(sympy.expand(ours - sympy.sympify(published.replace("^", "**"), letters)) == 0)
    return bool(ours == published)


def test_closed_forms_are_compared_as_such() -> None:
    C = sympy.Symbol("C", positive=True, integer=True)
    assert same({"a": 49 * C**2}, {"a": "49*C^2"})
    assert not same(49 * C**2, "27*C^2")
    assert not same(49 * C**2, "49*c^2")
    assert not same({"a": 1}, {"b": 1})


class Key(NamedTuple):
    """What a source prints, by `published_answer` or `note`, the number that it says, and ours; `of` a dict's name."""

    printed: str
    says: float | None
    right: int
    of: str | None = None


# Keys that are wrong, by a slip, a rounding or another convention.
KEYS = {
    "nptel-3": [Key("D (none of these), although 60x60 is choice c", None, 60)],
    "nemotron-1": [Key("5x5", 5, 7)],
    "dlai-w1-02": [Key("says 2600 (forgets the 3 channels)", 100 * (5 * 5 + 1), 100 * (3 * 5 * 5 + 1))],
    "dlai-w3-01": [Key("4x4; forum formula (n-1)s - p + f", (2 - 1) * 2 - 1 + 3, 3, "pytorch_output_padding_0")],
    "geron14-2f": [Key("about 564.6 MB", 564.6e6, 565_613_600)],
    "cs231n-17": [Key("72MB", 72e6, 77_070_336, "bytes"), Key("about 10 million", 10e6, 9_633_792, "values")],
    "d2l-alexnet": [Key("164 MB", 164e6, 164 * 2**20, "bytes"), Key("81 MFLOPs", 81e6, 2 * 42_991_616, "flops")],
}


def test_keys_are_contradicted_where_they_are_wrong() -> None:
    wrong = {
        id
        for id, question in QUESTIONS.items()
        if question["status"] in ("published-disputed", "published-rounded") or "wrong" in question.get("note", "")
    }
    assert wrong <= set(KEYS)


@pytest.mark.parametrize("id", KEYS)
def test_a_wrong_key_is_contradicted(id: str) -> None:
    question = QUESTIONS[id]
    for key in KEYS[id]:
        assert key.printed in question.get("published_answer", "") + question.get("note", "")
        ours = answered(question) if key.of is None else answered(question)[key.of]
        right = question["answer"] if key.of is None else question["answer"][key.of]
        assert ours == right == key.right != key.says


def test_how_rounded_keys_come_about() -> None:
    """By 2^20 for a million, or from numbers that were rounded before."""
    assert 77_070_336 // 2**20 == 73
    assert (171_966_464 // 2**20, 85_983_232 // 2**20) == (164, 82)
    assert 525e6 + 36e6 + 3.6e6 == 564.6e6
    assert answered(QUESTIONS["d2l-vgg"]) == 392 * 2**20


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


def share(part: int, whole: int, digits: int = 4) -> float:
    return round(part / whole, digits)


# Answers --------------------------------------------------------------------------------------------------------------


# The words and letters of questions for the arguments of `side`.
ARGUMENTS = {"input_hw": "W", "i": "W", "kernel_size": "kernel", "k": "kernel", "p": "padding", "s": "stride"}


def arguments(given: Question) -> Question:
    return {ARGUMENTS.get(word, word): size for word, size in given.items()}


def output_side(given: Question) -> Any:
    if "cases" in given:
        # Transposed convolutions: input, kernel, stride, padding, output padding.
        return [side(W, K, P, S, "conv_transpose", output_padding=A) for W, K, S, P, A in given["cases"]]
    asked = arguments(given)
    if isinstance(asked.get("stride"), list):
        return [side(**{**asked, "stride": stride}) for stride in asked["stride"]]
    return side(**asked)


# What names in an answer mean for one output.
VARIANTS: dict[str, Question] = {
    **{f"pytorch_output_padding_{A}": {"kind": "conv_transpose", "output_padding": A} for A in (0, 1)},
    **{word: {"padding": word} for word in ("valid", "same", "full")},
    **{rounding: {"kind": "max_pool", "rounding": rounding} for rounding in ("floor", "ceil")},
}


def output_side_named(given: Question, name: str) -> int:
    return side(**arguments(given), **VARIANTS[name])


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


def weights_symbolic(given: Question, name: str) -> Any:
    """The closed form of `three_3x3`: convolutions on as many channels as the letter says, without biases."""
    (count, kernel) = re.findall(r"(\w+)_(\d)x\2", name)[0]
    size = int(kernel)
    conv = {"out_channels": "in_channels", "kernel_size": size, "padding": size // 2, "bias": False}
    layers = [{"conv": conv}] * {"one": 1, "three": 3}[count]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.yaml"
        path.write_text(json.dumps({"input": [4, 8, 8], "layers": layers}))
        return symbolic(path, [f"{given['symbolic']}=channels"]).totals["weights"].expression


def receptive_field_symbolic(given: Question) -> Any:
    """The recurrence, solved: n layers of k x k windows, and none sees one pixel."""
    n, k = sympy.symbols(given["symbolic"])
    size = sympy.Function("size")
    return sympy.rsolve(size(n) - formulas.field_size(size(n - 1), k, 1), size(n), {size(0): 1})


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


def separable(given: Question, padding: int) -> tuple[int, int, int]:
    """The MACs of a convolution, and of a depthwise one and the 1x1 behind it."""
    K, N = given["kernel_size"], given["out_channels"]
    full = network_of(given, [{"conv": {"out_channels": N, "kernel_size": K, "padding": padding}}])
    both = [
        {"depthwise_conv": {"kernel_size": K, "padding": padding}},
        {"conv": {"out_channels": N, "kernel_size": 1}},
    ]
    depthwise, pointwise = [row.macs for row in cnncalc.analyze(network_of(given, both)).layers]
    return cnncalc.analyze(full).totals.macs, depthwise, pointwise


def multiplications(given: Question) -> Any:
    """Without padding, as 6x6 becomes 4x4."""
    normal, depthwise, pointwise = separable(given, padding=0)
    N, K = sympy.symbols("N K")
    formula = 1 / N + 1 / K**2
    at = {N: given["out_channels"], K: given["kernel_size"]}
    assert formula.subs(at) == sympy.Rational(depthwise + pointwise, normal)
    return {
        "normal": normal,
        "depthwise": depthwise,
        "pointwise": pointwise,
        "separable": depthwise + pointwise,
        "ratio": share(depthwise + pointwise, normal),
        "formula": formula,
    }


def macs(given: Question) -> Any:
    """With `same` padding."""
    standard, depthwise, pointwise = separable(given, padding=given["kernel_size"] // 2)
    both = depthwise + pointwise
    return {"standard": standard, "separable": both, "ratio": share(both, standard)}


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


# By the name of each answer.
NAMED: dict[str, Callable[[Question, str], Any]] = {
    "output_side": output_side_named,
    "weights_symbolic": weights_symbolic,
}

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
    "activation_values_and_bytes_x2": values_and_gradients,
    "padding": padding,
    "output_shape_chw": output_shape,
    "layer": layer,
    "multiplications": multiplications,
    "shapes_and_params_chw": shapes_and_parameters,
    "params": parameters,
    "flatten_features": lambda given: report_of(given).layers[-1].neurons,
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
    "macs": macs,
    "macs_flops": macs_flops,
}
