"""Closed forms: held against published ones, and against the ordinary analysis at other sizes, to the unit."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError, Source
from cnncalc.language.load import document_of
from cnncalc.symbolic import ClosedForm, ClosedForms, OutsideDomain, closed_forms, symbolic

sympy = pytest.importorskip("sympy")


def of(text: str, *symbols: str, settings: tuple[str, ...] = ()) -> ClosedForms:
    return closed_forms(document_of(Source("test.yaml", text), None, settings), symbols)


# Published ------------------------------------------------------------------------------------------------------------

STACK = """
input: [C, 32, 32]
args: {C: 64, K: 3}
layers:
  - conv: {out_channels: C, kernel_size: K, padding: same, bias: false}
    repeat: %d
"""


@pytest.mark.parametrize(
    ("count", "kernel", "weights"),
    [
        (1, 7, "49*C**2"),  # CS231n, "Prefer a stack of small filter CONV to one large receptive field CONV layer"
        (3, 3, "27*C**2"),
        (1, 5, "25*C**2"),  # d2l.ai, VGG: one 5x5 against three 3x3
        (2, 3, "18*C**2"),
    ],
)
def test_a_stack_of_small_kernels(count: int, kernel: int, weights: str) -> None:
    found = of(STACK % count, "C", settings=(f"K={kernel}",))
    assert str(found.totals["weights"]) == weights
    assert found.totals["weights"].value == eval(weights, {"C": 64})
    assert found.conditions == []
    assert (found.letters[0].least, found.letters[0].limited) == (1, True)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_receptive_field_of_n_kernels_of_k(n: int) -> None:
    """(k − 1)·(n − 1) + k (HSE, Introduction to Deep Learning)."""
    found = of(STACK % n, "k=K", settings=("K=3",))
    field = found.layers[-1].receptive_field
    assert field is not None
    k = sympy.Symbol("k", integer=True, positive=True)
    assert [sympy.expand(each.expression - ((k - 1) * (n - 1) + k)) for each in field] == [0, 0]


def test_vgg16_in_height_and_width() -> None:
    """Its convolutions take 15,346,630,656 MACs at 224x224 and grow with H·W, as the first dense layer does."""
    found = symbolic("vgg16", ["H=height*32", "W=width*32"])
    convolutions = 15_346_630_656 // (224 * 224)
    dense = 512 * 4096 // (32 * 32)  # a weight for each of (H / 32)·(W / 32)·512 inputs and 4,096 units
    assert convolutions * 224 * 224 == 15_346_630_656
    assert str(found.totals["macs"]) == f"{convolutions + dense}*H*W + {4096 * 4096 + 4096 * 1000}"
    assert found.conditions == []
    for letter in found.letters:
        assert (letter.least, letter.multiple, letter.limited) == (32, 32, True)
    for height, width in ((224, 224), (256, 256), (320, 224), (32, 64)):
        report = cnncalc.analyze(cnncalc.load("vgg16", [f"input={height}x{width}x3"]))
        totals = found.at(H=height, W=width)
        assert totals["macs"] == report.totals.macs
        assert totals["parameters"] == report.totals.parameters
    with pytest.raises(OutsideDomain, match="W has to be from 32 to 2147483616, a multiple of 32"):
        found.at(H=256, W=250)


def test_a_floor_stays_where_nothing_is_known_of_the_size() -> None:
    """AlexNet's conv1: ⌊(H − 11) / 4⌋ + 1, which is ⌊(H − 7) / 4⌋."""
    found = symbolic("alexnet", ["H=height", "W=width"])
    H, W = sympy.symbols("H W", integer=True, positive=True)
    channels, height, width = found.layers[0].output
    assert channels.value == 96
    assert sympy.simplify(height.expression - sympy.floor((H - 7) / sympy.Integer(4))) == 0
    assert sympy.simplify(width.expression - sympy.floor((W - 7) / sympy.Integer(4))) == 0
    assert found.letters[0].least == 67  # 11 + 4·(15 − 1), the three poolings needing 15 = ((1·2 + 1)·2 + 1)·2 + 1


# Against the ordinary analysis ----------------------------------------------------------------------------------------

CASES: list[tuple[str, tuple[str, ...]]] = [
    ("vgg16", ("H=height", "W=width")),
    ("alexnet", ("H=height", "W=width", "K=classes")),
    ("lenet5", ("H=height", "W=width")),
    ("resnet18", ("H=height", "W=width")),
    ("googlenet", ("S=height", "S=width")),
    ("densenet121", ("H=height", "classes")),
    ("mobilenet_v2", ("H=height", "W=width")),
    ("squeezenet1_1", ("H=height", "W=width")),
    ("inception_v3", ("H=height", "W=width")),
    ("unet", ("S=height", "S=width")),
    ("ssd300_vgg16", ("S=height", "S=width")),
    ("se_resnet50", ("H=height*2", "W=width*4")),
    ("vgg16_torchvision", ("H=height", "W=width")),
    ("zfnet", ("H=height", "W=width")),
]


def values_tried(found: ClosedForms, count: int) -> list[dict[str, int]]:
    """Values near the ends of the domain, near the document's own, and some between; in the domain and outside."""
    rng = random.Random(found.name)
    tried = []
    for _ in range(count):
        values = {}
        for letter in found.letters:
            near = rng.choice([letter.least, letter.sample])
            value = max(1, near + letter.multiple * rng.randint(-2, 40))
            values[letter.name] = value + rng.choice([0, 0, 0, 1]) if letter.multiple > 1 else value
        tried.append(values)
    return tried


def ordinary(name: str, found: ClosedForms, values: dict[str, int]) -> cnncalc.Report | None:
    """The ordinary analysis with these values in the letters' places; None where it refuses them."""
    network = cnncalc.load(name)
    sizes = dict(zip(("channels", "height", "width"), network.inputs[0].output, strict=True))
    args = []
    for letter in found.letters:
        for place in letter.stands_for.split(" and "):
            if place.startswith("input."):
                sizes[place.removeprefix("input.")] = values[letter.name]
            else:
                args.append(f"{place}={values[letter.name]}")
    shape = f"{sizes['height']}x{sizes['width']}x{sizes['channels']}"
    try:
        return cnncalc.analyze(cnncalc.load(name, [f"input={shape}", *args]))
    except DocumentError:
        return None


@pytest.mark.parametrize(("name", "symbols"), CASES, ids=[name for name, _ in CASES])
def test_every_number_is_that_of_the_ordinary_analysis(name: str, symbols: tuple[str, ...]) -> None:
    found = symbolic(name, symbols)
    own = {letter.name: letter.sample for letter in found.letters}
    assert found.at(**own) == {key: form.value for key, form in found.totals.items()}  # the document is in its domain
    inside = 0
    for values in [own, *values_tried(found, 12)]:
        try:
            totals = found.at(**values)
        except OutsideDomain:
            continue
        inside += 1
        report = ordinary(name, found, values)
        assert report is not None, values
        for key in ("parameters", "weights", "biases", "buffers", "macs", "multiplies", "activations", "connections"):
            assert totals[key] == getattr(report.totals, key), (key, values)
        assert totals["activation_bytes"] == report.totals.activation_bytes
        assert totals["memory.training"] == report.totals.memory.training
        assert totals["memory.prediction"] in (None, report.totals.memory.prediction)
        assert found.depth == report.totals.depth.layers
        for forms, row in zip(found.layers, report.layers, strict=True):
            assert forms.name == row.name
            assert [size.at(**values) for size in forms.output] == row.output
            for key in ("parameters", "weights", "biases", "macs", "multiplies", "activations", "activation_bytes"):
                assert getattr(forms, key).at(**values) == getattr(row, key), (forms.name, key, values)
            if forms.receptive_field is not None:
                assert row.receptive_field is not None
                assert [size.at(**values) for size in forms.receptive_field] == row.receptive_field.size
    assert inside > (0 if name == "unet" else 4)


BRANCHES = """
input: [c, H, W]
args: {c: 6, H: 20, W: 17, k: 3, s: 2, g: 2, m: 4}
layers:
  - conv: {out_channels: m * g, kernel_size: [k, 3], stride: [s, 1], padding: k // 2, groups: g}
  - batch_norm
  - max_pool: {kernel_size: 2, rounding: ceil, padding: 1}
  - conv: {out_channels: 2 * m, kernel_size: 3, padding: same, stride: 2}
    when: m > 2
  - conv: {out_channels: make_divisible(0.75 * m), kernel_size: 1}
  - add:
      - identity
      - conv: {out_channels: in_channels, kernel_size: 1, stride: 2 if H > 1000 else 1}
  - adaptive_avg_pool: 3
  - conv_transpose: {out_channels: 5, kernel_size: 2, stride: 2}
  - concat:
      - identity
      - conv: {out_channels: m, kernel_size: 3, padding: 1}
  - global_avg_pool
  - linear: m + 1
"""


@pytest.mark.parametrize(
    "letters", ["H", "W", "k", "m", "c", "HW", "Hk", "cmW", "Wk", "Hcm", "gm", "gc", "HWkmc"], ids=lambda one: one
)
def test_all_that_is_allowed_takes_the_same_branches(letters: str) -> None:
    """Small values one by one: what the domain allows is analysed without a complaint, to the same numbers."""
    found = of(BRANCHES, *letters)
    own = {"c": 6, "H": 20, "W": 17, "k": 3, "g": 2, "m": 4}
    reach = {1: 45, 2: 14, 3: 6}.get(len(letters), 3)
    allowed = refused = 0
    for steps in product(range(reach), repeat=len(letters)):
        values = {letter: max(1, own[letter] - reach // 3 + step) for letter, step in zip(letters, steps, strict=True)}
        try:
            totals = found.at(**values)
        except OutsideDomain:
            refused += 1
            continue
        allowed += 1
        network = cnncalc.loads(BRANCHES, [f"{name}={value}" for name, value in values.items()])
        report = cnncalc.analyze(network)
        assert totals["parameters"] == report.totals.parameters, values
        assert totals["macs"] == report.totals.macs, values
        assert totals["multiplies"] == report.totals.multiplies, values
        assert totals["memory.training"] == report.totals.memory.training, values
        for forms, row in zip(found.layers, report.layers, strict=True):
            assert [size.at(**values) for size in forms.output] == row.output, (values, row.name)
    assert allowed > 0
    assert bool(refused) == bool(set(letters) & set("cgm"))  # which other sizes have to fit


def test_a_condition_of_the_document_is_kept() -> None:
    """`when: m > 2` and `H > 1000` are decided by the document's own m and H, and what they are is said."""
    found = of(BRANCHES, "H", "m")
    letters = {letter.name: letter for letter in found.letters}
    assert letters["H"].most == 1000
    assert not letters["H"].limited
    assert letters["m"].least >= 3
    with pytest.raises(OutsideDomain, match="H has to be from 1 to 1000"):
        found.at(H=1001, m=4)


def test_groups_have_to_divide_the_channels() -> None:
    text = "input: [C, 8, 8]\nargs: {C: 12}\nlayers:\n  - conv: {out_channels: 2 * C, kernel_size: 3, groups: 4}\n"
    found = of(text, "C")
    assert found.letters[0].multiple == 4
    assert str(found.totals["weights"]) == "9*C**2/2"  # 2·C filters of 3·3·C/4
    with pytest.raises(OutsideDomain, match="C has to be from 4 to 1073741820, a multiple of 4"):
        found.at(C=6)
    with pytest.raises(DocumentError):
        cnncalc.loads(text, ["C=6"])


def test_an_equality_that_the_document_needs_pins_the_letter() -> None:
    text = "input: [C, 8, 8]\nargs: {C: 12}\nlayers:\n  - add: [identity, {conv: {out_channels: 12, kernel_size: 1}}]\n"
    (letter,) = of(text, "C").letters
    assert (letter.least, letter.most) == (12, 12)


@pytest.mark.parametrize("values", [{}, {"H": 224}, {"H": 224, "W": 224, "C": 3}, {"h": 224, "W": 224}])
def test_a_value_is_needed_for_every_letter(values: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="a value for each of H, W"):
        symbolic("alexnet", ["H=height", "W=width"]).at(**values)


def test_a_letter_for_two_sizes() -> None:
    found = symbolic("alexnet", ["S=height", "S=width"])
    (letter,) = found.letters
    assert letter.stands_for == "input.height and input.width"
    assert found.at(S=227)["parameters"] == 60_965_224


def test_memory_of_predicting_is_not_told_where_other_layers_are_larger() -> None:
    """The largest two: conv and its pooling for large H, the dense layers for small ones."""
    text = """
input: [1, H, 8]
args: {H: 100}
layers:
  - conv: {out_channels: 4, kernel_size: 1}
  - relu
  - global_avg_pool
  - linear: 500
  - linear: 500
"""
    found = of(text, "H")
    assert found.conditions == []
    assert found.prediction_conditions != []
    for H in (1, 10, 16, 17, 40, 100, 1000):
        predicted = cnncalc.analyze(cnncalc.loads(text, [f"H={H}"])).totals.memory.prediction
        assert found.at(H=H)["memory.prediction"] in (None, predicted)
    assert found.at(H=1)["memory.prediction"] is None
    assert (
        found.at(H=1000)["memory.prediction"]
        == cnncalc.analyze(cnncalc.loads(text, ["H=1000"])).totals.memory.prediction
    )


def test_sympy_reads_a_form_as_it_is_counted() -> None:
    found = symbolic("alexnet", ["H=height", "W=width"])
    H, W = sympy.symbols("H W", integer=True, positive=True)
    for values in ({"H": 227, "W": 227}, {"H": 300, "W": 233}, {"H": 67, "W": 68}):
        for each in found.totals.values():
            assert each.expression.subs({H: values["H"], W: values["W"]}) == each.at(**values)


def test_no_form_is_longer_for_being_shortened() -> None:
    found = symbolic("inception_v3", ["H=height", "W=width"])
    every: list[ClosedForm] = [*found.totals.values(), *[size for layer in found.layers for size in layer.output]]
    assert all(len(each.shortest.terms) <= len(each.polynomial.terms) for each in every)
    assert all(len(size.shortest.terms) == 1 for layer in found.layers for size in layer.output)
    for each in every:
        for values in ({"H": 299, "W": 299}, {"H": 301, "W": 76}):
            assert each.shortest.at(values) == each.polynomial.at(values)


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbols", "code", "said"),
    [
        (["H=heigt"], "unknown-size", "no arg or input size `heigt`"),
        (["H=height*33"], "not-a-multiple", "`input.height` is 20, which is no multiple of 33"),
        (["H=height*0"], "malformed-symbol", "is not a letter"),
        (["3=height"], "malformed-symbol", "is not a letter"),
        ([""], "malformed-symbol", "is not a letter"),
        (["H=height", "W=height"], "two-letters", "has two letters, H and W"),
        (["S=height", "S=width"], "letter-of-two-values", "which are 20 and 12"),
        (["depths"], "not-a-size", "`depths` is [1, 2]"),
        (["nothing"], "not-a-size", "`nothing` is null"),
        (["n"], "wrong-type", "`repeat` has to be a whole number"),
        (["width=0.5"], "unknown-size", "no arg or input size `0.5`"),
    ],
)
def test_mistakes(symbols: list[str], code: str, said: str) -> None:
    text = """
input: 20x12x3
args: {depths: [1, 2], nothing: null, n: 2}
layers:
  - conv: {out_channels: 4, kernel_size: 3}
    repeat: n
"""
    with pytest.raises(DocumentError) as error:
        of(text, *symbols)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == code
    assert said in diagnostic.message


def test_a_layer_that_has_to_know_a_size() -> None:
    with pytest.raises(DocumentError) as error:
        of("input: [C, 8, 8]\nargs: {C: 12}\nlayers:\n  - relu\n  - slice: {stop: -1}\n", "C")
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "no-closed-form"
    assert diagnostic.span is not None
    assert diagnostic.span.line == 5


def test_a_document_that_cannot_be_is_refused_as_ever() -> None:
    text = "input: [C, 8, 8]\nargs: {C: 13}\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3, groups: 4}\n"
    with pytest.raises(DocumentError) as error:
        of(text, "C")
    assert error.value.diagnostics[0].code == "groups-divide-channels"


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"dtype": "float31"}])
def test_a_batch_and_a_number_format(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batch|number format"):
        symbolic("lenet5", ["H=height"], **wrong)


def test_bytes_are_for_the_batch() -> None:
    one, eight = (symbolic("lenet5", ["H=height"], batch=batch, dtype="float16") for batch in (1, 8))
    own = cnncalc.analyze(cnncalc.load("lenet5"), 8, "float16").totals
    assert eight.totals["activation_bytes"].value == own.activation_bytes
    assert eight.totals["memory.training"].value == own.memory.training
    assert eight.totals["macs"] == one.totals["macs"]


def test_without_sympy_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "sympy.py").write_text("raise ImportError('none')")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
sys.path.insert(1, {str(Path(cnncalc.__file__).parent.parent)!r})
sys.argv = ["cnncalc", "analyze", "lenet5", "--symbol", "H=height"]
from cnncalc.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error[needs-sympy]: closed forms need sympy, which is missing\n  = help: pip install 'cnncalc[symbolic]'\n"
    )
