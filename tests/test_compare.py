"""Networks side by side: totals and ratios against hand counts, and what any alignment has to keep."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc import compare as module
from cnncalc.compare import (
    PER_IMAGE,
    SUMS,
    WORDS,
    Comparison,
    Layer,
    Row,
    alignment,
    compare,
    labels,
    likeness,
    ratio_text,
)
from cnncalc.diagnostics import DocumentError
from cnncalc.figures import QUANTITIES, Figures, figures


@cache
def of(name: str) -> Figures:
    return figures(cnncalc.load(name))


def texts(*documents: str, **options: object) -> Comparison:
    return compare([figures(cnncalc.loads(text)) for text in documents], "abcde"[: len(documents)], **options)  # type: ignore[arg-type]


def total(found: Comparison, quantity: str) -> tuple[list[int | None], list[str]]:
    (one,) = [total for total in found.totals if total.quantity == quantity]
    return one.values, [ratio_text(value, one.values[0]) for value in one.values]


# Totals ---------------------------------------------------------------------------------------------------------------


def test_published_networks() -> None:
    """Parameters and MACs as torchvision has them."""
    found = compare([of("vgg16"), of("alexnet_torchvision"), of("resnet50")])
    # 61,100,840 / 138,357,544 = 0.44162; 25,557,032 / 138,357,544 = 0.18472
    assert total(found, "parameters") == ([138_357_544, 61_100_840, 25_557_032], ["×1", "×0.442", "×0.185"])
    # 714,188,480 / 15,470,264,320 = 0.046165; 4,089,184,256 / 15,470,264,320 = 0.26433
    assert total(found, "macs") == ([15_470_264_320, 714_188_480, 4_089_184_256], ["×1", "×0.0462", "×0.264"])
    # 13 + 3, 5 + 3 and 1 + 3·16 + 1; 8/16 is exact, 50/16 = 3.125, and half of a hundredth is rounded up
    assert total(found, "depth") == ([16, 8, 50], ["×1", "×0.5", "×3.13"])
    # two running statistics of each of the 26,560 channels behind a convolution; a ratio to 0 is none
    assert total(found, "buffers") == ([0, 0, 2 * 26_560], ["-", "-", "-"])
    (buffers,) = [one for one in found.totals if one.quantity == "buffers"]
    assert buffers.ratios == [None, None, None]
    (macs,) = [one for one in found.totals if one.quantity == "macs"]
    assert macs.ratios == [1.0, 714_188_480 / 15_470_264_320, 4_089_184_256 / 15_470_264_320]
    # the other way round: 138,357,544 / 25,557,032 = 5.41368
    assert total(compare([of("resnet50"), of("vgg16")]), "parameters")[1] == ["×1", "×5.41"]


def test_every_total_by_hand() -> None:
    """48 values into 5, and into 10 without a bias and a ReLU; see tests/test_figures.py for the quantities."""
    found = texts(
        "input: 4x6x2\nlayers: [{linear: 5}]", "input: 4x6x2\nlayers: [{linear: {out_features: 10, bias: false}}, relu]"
    )
    values = {one.quantity: one.values for one in found.totals if not one.quantity.startswith("memory")}
    assert values == {
        "layers": [1, 2],
        "depth": [1, 1],
        "parameters": [245, 480],
        "weights": [240, 480],
        "biases": [5, 0],
        "buffers": [0, 0],
        "macs": [240, 480],
        "multiplies": [240, 480],
        "flops": [2 * 240 + 5, 2 * 480 + 10],  # 10 comparisons with 0
        "activations": [5, 10 + 10],
        "connections": [240 + 5, 480],
        "textbook.prediction": [4 * (5 + 245), 4 * (10 + 10 + 480)],  # of layers, so that the input is none
        "textbook.training": [4 * (2 * (48 + 5) + 245), 4 * (2 * (48 + 20) + 480)],
    }
    assert total(found, "biases")[1] == ["×1", "×0"]
    assert [one.quantity for one in found.totals] == list(QUANTITIES) == list(WORDS)
    (flops,) = [one for one in found.totals if one.quantity == "flops"]
    assert flops.counts == "2 · MACs + bias additions + every other operation, for one image"
    assert set(PER_IMAGE) <= set(SUMS)


def test_a_network_with_itself() -> None:
    found = compare([of("lenet5"), of("lenet5")], ["lenet5", "lenet5"], layers=True)
    assert [side.label for side in found.networks] == ["lenet5", "lenet5 (2)"]
    assert all(total(found, quantity)[1] == ["×1", "×1"] for quantity in QUANTITIES)
    assert found.rows is not None
    assert all(left == right for left, right in found.rows)
    assert len(found.rows) == 7


def test_what_torch_refuses() -> None:
    """Batch norm over one value of one image."""
    alone = "input: 4x4x2\nlayers: [global_avg_pool, {group_norm: 2}]"
    found = texts("input: 4x4x2\nlayers: [global_avg_pool]", alone)
    (memory,) = [one for one in found.totals if one.quantity == "memory.prediction"]
    assert memory.values[1] is None
    assert memory.ratios == [1.0, None]
    assert memory.refused[0] == ""
    assert memory.refused[1].startswith("torch refuses to run this: `group_norm` would normalise a single value")
    assert ratio_text(5, None) == ratio_text(None, 5) == "-"


def test_the_batch_is_of_memory_alone() -> None:
    network = cnncalc.loads("input: 4x6x2\nlayers: [{linear: 5}]")
    found = compare([figures(network, 8), figures(network, 8)])
    assert (found.runs.prediction_batch, found.runs.training_batch) == (8, 8)
    # the only layer's output for 8 images, the parameters once
    assert total(found, "textbook.prediction")[0] == [4 * (8 * 5 + 245)] * 2
    assert total(found, "textbook.training")[0] == [4 * (8 * (48 + 5) + 245)] * 2
    assert total(found, "macs")[0] == [240, 240]


@pytest.mark.parametrize("count", [0, 1])
def test_one_network_is_refused(count: int) -> None:
    with pytest.raises(DocumentError, match="there is nothing to compare"):
        compare([of("lenet5")] * count)


@pytest.mark.parametrize(
    ("value", "first", "text"),
    [
        (37, 100, "×0.37"),
        (1, 3, "×0.333"),
        (2, 3, "×0.667"),
        (1, 1, "×1"),
        (3, 1, "×3"),
        (0, 7, "×0"),
        (7, 0, "-"),
        (0, 0, "-"),
        (1001, 2000, "×0.501"),  # 0.5005
        (50_003, 100_000, "×0.500"),  # not a half
        (9_999, 10_000, "×1.00"),  # not the same
        (99_949, 10_000, "×9.99"),
        (99_951, 10_000, "×10.0"),
        (1_234_567, 1000, "×1,235"),
        (999_600, 1000, "×1,000"),
        (1, 7_000_000, "×0.000000143"),
        (10**30 + 1, 2 * 10**30, "×0.500"),
        (10**30, 2 * 10**30, "×0.5"),
        (-1, 2, "×-0.5"),
    ],
)
def test_ratios(value: int, first: int, text: str) -> None:
    assert ratio_text(value, first) == text


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_ratio_is_within_half_of_its_last_digit(value: int, first: int) -> None:
    text = ratio_text(value, first).removeprefix("×").replace(",", "")
    whole, _, part = text.partition(".")
    scale = 10 ** len(part)
    assert abs(int(whole + part) * first - value * scale) * 2 <= first
    digits = (whole + part).lstrip("0")
    exact = int(whole + part) * first == value * scale
    assert len(digits) == 3 or (len(digits) > 3 and not part) or exact


def test_labels() -> None:
    assert labels(["a", "b", "a", "a", "-"]) == ["a", "b", "a (2)", "a (3)", "<stdin>"]
    assert labels(["a", "a (2)", "a"]) == ["a", "a (2)", "a (3)"]
    assert len(compare([of("lenet5")] * 2).networks) == 2
    assert compare([of("lenet5")] * 2).networks[0].label == "lenet5.yaml"


def test_it_is_plain_data() -> None:
    found = compare([of("lenet5"), of("mnist_cnn")], layers=True)
    assert found.to_dict() == asdict(found)
    assert found.to_dict()["networks"][1]["inputs"] == [{"name": "input", "shape": [1, 28, 28]}]


# Layers ---------------------------------------------------------------------------------------------------------------


def layer(name: str, kind: str = "conv", output: tuple[int, ...] = (8, 4, 4), title: str = "3x3") -> Layer:
    return Layer(name, kind, title, list(output), 0, 0, 0, 0, 0, 0, 0, 0, 0)


def names(rows: list[Row]) -> list[list[str]]:
    return [[one.name if one is not None else "" for one in row] for row in rows]


def test_what_makes_layers_alike() -> None:
    one = layer("a")
    assert likeness(one, layer("a")) == 9
    assert likeness(one, layer("b")) == 8
    assert likeness(one, layer("a", title="1x1")) == 7
    assert likeness(one, layer("a", output=(8, 4, 5))) == 6
    assert likeness(one, layer("b", output=(8, 4, 5), title="1x1")) == 3
    assert likeness(one, layer("a", kind="relu")) == 0


PLAIN = """\
input: 8x8x3
layers:
  - {name: one, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: two, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: pool, max_pool: 2}
  - {name: out, linear: 5}
"""
NORMED = """\
input: 8x8x3
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: norm, batch_norm: {}}
  - {name: act, relu: {}}
  - {name: down, max_pool: 2}
  - {name: last, linear: 7}
"""
SHORT = (
    "input: 8x8x3\nlayers:\n  - {name: pool, max_pool: 2}\n  - {name: flat, flatten: {}}\n  - {name: out, linear: 5}\n"
)


def test_rows() -> None:
    found = texts(PLAIN, NORMED, layers=True)
    assert found.rows is not None
    assert names(found.rows) == [
        ["one", "first"],
        ["two", ""],
        ["", "norm"],
        ["", "act"],
        ["pool", "down"],
        ["out", "last"],
    ]
    assert found.by_name == []
    first = found.rows[0][0]
    assert first is not None
    # 64 places, 4 channels of 27 products each; a bias for each output
    assert (first.parameters, first.macs, first.flops) == (4 * 28, 256 * 27, 2 * 256 * 27 + 256)
    assert (first.connections, first.activations, first.output) == (256 * 28, 256, [4, 8, 8])
    assert texts(PLAIN, NORMED).rows is None


def test_three_networks_stand_beside_the_first() -> None:
    found = texts(PLAIN, NORMED, SHORT, layers=True)
    assert found.rows is not None
    assert names(found.rows) == [
        ["one", "first", ""],
        ["two", "", ""],
        ["", "norm", ""],
        ["", "act", ""],
        ["pool", "down", "pool"],
        ["", "", "flat"],
        ["out", "last", "out"],
    ]


def test_resnet101_is_resnet50_with_more_blocks_in_the_third_stage() -> None:
    """23 blocks for 6: 17 more of 3 convolutions, 3 norms, 3 ReLUs and an addition."""
    found = compare([of("resnet50"), of("resnet101")], layers=True)
    assert found.rows is not None
    alone = [row[1] for row in found.rows if row[0] is None]
    assert all(row[1] is not None and (row[0] is None or row[0].name == row[1].name) for row in found.rows)
    assert {one.name.rsplit(".", 1)[0].split(".")[0] for one in alone if one is not None} == {"layer3"}
    assert len(alone) == 17 * 10 == len(of("resnet101").layers) - len(of("resnet50").layers)


def test_blocks() -> None:
    found = compare([of("resnet50"), of("resnet101")], layers=True, depth=1)
    assert found.rows is not None
    assert names(found.rows) == [
        [name] * 2 for name in ("conv1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")
    ]
    blocks = [row[0] for row in found.rows if row[0] is not None]
    assert [one.kind for one in blocks][3:7] == ["block"] * 4
    # torchvision: 25,557,032 parameters in all; layer4 halves 14x14x1024 to 7x7x2048
    assert sum([one.parameters for one in blocks]) == 25_557_032
    assert blocks[6].output == [2048, 7, 7]
    for quantity in SUMS:
        assert sum([getattr(one, quantity) for one in blocks]) == QUANTITIES[quantity](of("resnet50").totals)


# Alignments -----------------------------------------------------------------------------------------------------------

LAYERS = st.builds(
    layer,
    st.sampled_from("abcdef"),
    st.sampled_from(["conv", "relu", "add"]),
    st.sampled_from([(8, 4, 4), (8, 2, 2)]),
    st.sampled_from(["3x3", "1x1"]),
)


def distinct(layers: list[Layer]) -> list[Layer]:
    """No name twice, as in a network."""
    return list({one.name: one for one in layers}.values())


NETWORKS = st.one_of(st.lists(LAYERS, max_size=6).map(distinct), st.lists(LAYERS, max_size=9))


def best(a: list[Layer], b: list[Layer]) -> int:
    """What the best alignment comes to, by trying all that can become of the first two layers."""

    @cache
    def of(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        return max(of(i + 1, j), of(i, j + 1), of(i + 1, j + 1) + likeness(a[i], b[j]))

    return of(0, 0)


@given(NETWORKS, NETWORKS)
@settings(max_examples=400, deadline=None)
def test_the_best_alignment(a: list[Layer], b: list[Layer]) -> None:
    pairs, by_name = alignment(a, b)
    assert not by_name
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    assert all(likeness(a[i], b[j]) for i, j in pairs)
    assert sum([likeness(a[i], b[j]) for i, j in pairs]) == best(a, b)
    assert alignment(b, a) == ([(j, i) for i, j in pairs], False)


@given(NETWORKS)
def test_equal_networks_align_in_full(a: list[Layer]) -> None:
    assert alignment(a, list(a)) == ([(i, i) for i in range(len(a))], False)


@given(st.lists(NETWORKS, min_size=2, max_size=4))
@settings(max_examples=200, deadline=None)
def test_rows_have_every_layer_once_and_in_order(networks: list[list[Layer]]) -> None:
    rows, _ = module._rows(networks)
    for at, layers in enumerate(networks):
        column = [one for row in rows if (one := row[at]) is not None]
        assert list(map(id, column)) == list(map(id, layers))
    assert all(any(one is not None for one in row) for row in rows)
    assert all(row[0] is not None or sum(one is not None for one in row) == 1 for row in rows)


@given(NETWORKS.map(distinct), NETWORKS.map(distinct))
def test_large_networks_align_by_name(a: list[Layer], b: list[Layer]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_PAIRS", 0)
        pairs, _ = alignment(a, b)
        assert alignment(b, a)[0] == [(j, i) for i, j in pairs]
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    common = [i for i, one in enumerate(a) if any((one.name, one.kind) == (two.name, two.kind) for two in b)]
    assert {i for i, _ in pairs} <= set(common)
    assert bool(pairs) == bool(common)


def test_the_longest_run_of_names() -> None:
    """Without `d`, of d, a, b, c; without `a`, of b, c, d, a, e."""
    pairs = module._by_name([layer(name) for name in "dabc"], [layer(name) for name in "abcd"])
    assert pairs == [(1, 0), (2, 1), (3, 2)]
    pairs = module._by_name([layer(name) for name in "bcdae"], [layer(name) for name in "abcde"])
    assert pairs == [(0, 1), (1, 2), (2, 3), (4, 4)]


def test_what_is_said_above_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAIRS", 4 * 5 - 1)
    found = texts(PLAIN, NORMED, SHORT, layers=True)
    assert found.by_name == ["b"]
    monkeypatch.setattr(module, "MOST_PAIRS", 4 * 5)
    assert texts(PLAIN, NORMED, SHORT, layers=True).by_name == []


def test_a_thousand_layers_take_no_longer_than_a_table() -> None:
    """Pairs are bounded; 1,000 by 1,000 layers are 0.1 s, so that ten times as much is a mistake."""
    from time import perf_counter

    a = [layer(f"a{i}", "conv" if i % 3 else "relu", (i % 7, 4, 4)) for i in range(1000)]
    b = [layer(f"b{i}", "conv" if i % 4 else "relu", (i % 5, 4, 4)) for i in range(1000)]
    start = perf_counter()
    pairs, by_name = alignment(a, b)
    assert perf_counter() - start < 5
    assert not by_name
    assert len(pairs) > 500
