"""Two networks side by side: which layers are the same, what changed of them, and where it begins."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

import cnncalc
from cnncalc.diff import Change, Diff, Place, aligned, change, diff, percent_text, spans, value_text
from cnncalc.figures import Figures, LayerFigures, figures

# 48 places; 76 parameters and 3,456 MACs, then 245 and 240.
SMALL = """\
input: 6x8x2
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: pool, max_pool: 2}
  - {name: last, linear: 5}
"""


def of(text: str) -> Figures:
    return figures(cnncalc.loads(text))


def compared(old: str, new: str) -> Diff:
    network = cnncalc.loads(new, name="new.yaml")
    return diff(of(old), figures(network), ("old", "new.yaml"), spans(network))


def names(found: Diff) -> list[tuple[str, str]]:
    return [(layer.status, layer.name) for layer in found.layers]


def changes(found: Diff, layer: str) -> dict[str, tuple[Any, Any]]:
    (one,) = [one for one in found.layers if one.name == layer]
    return {made.quantity: (made.old, made.new) for made in one.changes}


# What changed ---------------------------------------------------------------------------------------------------------


def test_nothing() -> None:
    found = compared(SMALL, f"# A comment.\n{SMALL}")
    assert found.same
    assert (found.layers, found.unchanged, found.first) == ([], 3, None)
    assert found.changed_totals == []


def test_a_stride() -> None:
    """A quarter of the places, and all that follows."""
    found = compared(SMALL, SMALL.replace("kernel_size: 3", "kernel_size: 3, stride: 2"))
    assert not found.same
    assert names(found) == [("changed", "first"), ("changed", "pool"), ("changed", "last")]
    assert found.unchanged == 0
    assert changes(found, "first") == {
        "output": ([4, 6, 8], [4, 3, 4]),
        "title": ("3x3", "3x3/2"),
        "macs": (3456, 864),
        "multiplies": (3456, 864),
        "operations": ({"multiplies": 3456, "adds": 3648}, {"multiplies": 864, "adds": 912}),
        "activations": (192, 48),
        "connections": (3648, 912),
        "jump": ([1, 1], [2, 2]),
    }
    assert changes(found, "pool")["receptive_field"] == ([4, 4], [5, 5])
    assert changes(found, "last")["parameters"] == (245, 4 * 1 * 2 * 5 + 5)
    assert [layer.independent for layer in found.layers] == [True, False, False]
    totals = {total.quantity: total for total in found.changed_totals}
    assert totals["parameters"] == Change("parameters", 321, 121, -200, round(-20000 / 321, 2))
    assert totals["macs"] == Change("macs", 3696, 904, -2792, -75.54)
    assert "depth" not in totals
    assert len(found.totals) == 15


def test_the_first_layer_that_changed() -> None:
    found = compared(SMALL, SMALL.replace("max_pool: 2", "max_pool: 3"))
    assert found.first is not None
    assert (found.first.name, found.first.place) == ("pool", Place("new.yaml", 4, 5))
    assert found.first.line == "  - {name: pool, max_pool: 3}"
    assert names(found) == [("changed", "pool"), ("changed", "last")]
    assert found.unchanged == 1


def test_a_layer_in_a_block_knows_where_that_is_used() -> None:
    text = """\
input: 6x8x2
blocks:
  wide:
    args: {stride: 1}
    layers: [{conv: {out_channels: 4, kernel_size: 3, stride: stride}}]
layers:
  - {name: one, wide: {}}
"""
    found = compared(text, text.replace("wide: {}", "wide: {stride: 2}"))
    (layer,) = found.layers
    assert (layer.name, layer.place) == ("one.conv", Place("new.yaml", 5, 14))
    assert layer.used_at == [Place("new.yaml", 7, 5)]


def test_without_a_document_there_is_no_place() -> None:
    found = diff(of(SMALL), of(SMALL.replace("linear: 5", "linear: 6")))
    assert found.first is not None
    assert (found.first.name, found.first.place, found.first.line) == ("last", None, "")
    assert found.old.source == "<text>"


def test_inputs_and_outputs() -> None:
    found = compared(SMALL, SMALL.replace("6x8x2", "6x8x3").replace("linear: 5", "linear: 6"))
    assert [(one.quantity, one.old, one.new) for one in found.changed_ends] == [
        ("inputs", [{"name": "input", "shape": [2, 6, 8]}], [{"name": "input", "shape": [3, 6, 8]}]),
        ("outputs", [{"name": "last", "shape": [5]}], [{"name": "last", "shape": [6]}]),
    ]


def test_outputs_alone() -> None:
    text = "input: 6x8x2\nlayers: [{name: a, relu: {}}, {name: b, tanh: {}}]\noutputs: [a, b]"
    found = compared(text, text.replace("[a, b]", "[b, a]"))
    assert (found.layers, found.changed_totals, len(found.changed_ends)) == ([], [], 1)
    assert not found.same


def test_another_kind_under_the_same_name() -> None:
    found = compared(SMALL, SMALL.replace("max_pool: 2", "avg_pool: 2"))
    assert names(found) == [("changed", "pool")]
    assert changes(found, "pool")["kind"] == ("max_pool", "avg_pool")


def test_other_wires() -> None:
    """The same numbers, read from another layer: `a` need not wait for `c`, and its 96 values go before that."""
    text = """\
input: 6x8x2
layers: [{name: a, relu: {}}, {name: b, tanh: {}}, {name: c, sigmoid: {}, from: a}]
outputs: [b, c]
"""
    found = compared(text, text.replace("from: a", "from: b"))
    assert names(found) == [("changed", "c")]
    assert changes(found, "c") == {"inputs": (["a"], ["b"])}
    assert [(total.quantity, total.difference) for total in found.changed_totals] == [("memory.prediction", -4 * 96)]


def test_a_change_that_follows_from_no_other() -> None:
    """Two paths from one layer; each changes by itself, and what joins them follows."""
    text = """\
input: 6x8x2
layers:
  - concat:
      - {name: a, conv: {out_channels: 3, kernel_size: 1}}
      - {name: b, conv: {out_channels: 3, kernel_size: 1}}
"""
    found = compared(text, text.replace("out_channels: 3", "out_channels: 5"))
    assert [(layer.name, layer.independent) for layer in found.layers] == [("a", True), ("b", True), ("concat", False)]


def test_memory_that_is_refused() -> None:
    old = "input: 4x4x2\nlayers: [{group_norm: 2}, global_avg_pool]"
    new = "input: 4x4x2\nlayers: [global_avg_pool, {group_norm: 2}]"
    (total,) = [total for total in compared(old, new).totals if total.quantity == "memory.prediction"]
    assert (total.new, total.difference, total.percent) == (None, None, None)
    assert total.old is not None
    assert total.refused.startswith("torch refuses to run this: `group_norm`")


# Which layers are the same --------------------------------------------------------------------------------------------


def renamed(found: Diff) -> dict[str, str]:
    return {layer.name: layer.old.name for layer in found.layers if layer.status == "renamed" and layer.old}


def test_a_new_name() -> None:
    found = compared(SMALL, SMALL.replace("name: pool", "name: down"))
    assert renamed(found) == {"down": "pool"}
    (layer,) = found.layers  # `last` reads the same layer under its new name
    assert layer.renamed_only
    assert layer.changes == []
    assert found.first is None
    assert found.unchanged == 2
    assert not found.same


def test_a_new_name_and_a_change() -> None:
    found = compared(SMALL, SMALL.replace("name: pool, max_pool: 2", "name: down, max_pool: 3"))
    assert names(found) == [("renamed", "down"), ("changed", "last")]
    assert changes(found, "down")["output"] == ([4, 3, 4], [4, 2, 2])
    assert found.first is not None
    assert found.first.name == "down"


def test_all_names_are_new() -> None:
    found = compared(SMALL, SMALL.replace("name: ", "name: my_"))
    assert renamed(found) == {"my_first": "first", "my_pool": "pool", "my_last": "last"}
    assert found.unchanged == 0


def test_added_and_removed() -> None:
    old = SMALL.replace("  - {name: pool", "  - {name: act, relu: {}}\n  - {name: pool")
    new = SMALL.replace("  - {name: last", "  - {name: norm, batch_norm: {}}\n  - {name: last")
    found = compared(old, new)
    assert names(found) == [("removed", "act"), ("changed", "pool"), ("added", "norm"), ("changed", "last")]
    gone, pool, norm, last = found.layers
    assert (gone.after, gone.place) == ("first", Place("new.yaml", 3, 5))
    assert (gone.new, norm.old) == (None, None)
    assert changes(found, "pool") == {"inputs": (["act"], ["first"])}
    assert (pool.independent, norm.independent, last.independent) == (True, False, False)
    assert found.first is not None
    assert (found.first.name, found.first.status, found.first.line) == ("act", "removed", "")


def test_removed_from_the_start() -> None:
    found = compared(SMALL.replace("  - {name: first", "  - {name: act, relu: {}}\n  - {name: first"), SMALL)
    gone = found.layers[0]
    assert (gone.name, gone.status, gone.after, gone.place) == ("act", "removed", "", None)


def layers(*kinds: str) -> list[LayerFigures]:
    """`name:kind`, or `name:kind:parameters`."""
    some = of("input: 6x8x2\nlayers: [relu]").layers[0]
    made = []
    for text in kinds:
        name, kind, parameters = [*text.split(":"), "0"][:3]
        made.append(replace(some, name=name, kind=kind, parameters=int(parameters)))
    return made


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(["a:conv", "b:relu"], ["a:conv", "b:relu"], {"a": "a", "b": "b"}, id="names"),
        pytest.param(["a:conv", "b:relu"], ["b:relu", "a:conv"], {"a": "a", "b": "b"}, id="another-order"),
        pytest.param(["a:conv"], ["a:relu"], {"a": "a"}, id="another-kind"),
        pytest.param(["a:conv", "b:conv"], ["x:conv", "y:conv"], {"x": "a", "y": "b"}, id="same-kinds-in-order"),
        pytest.param(["a:conv"], ["x:relu"], {}, id="no-kind-in-common"),
        pytest.param(["a:conv"], ["x:conv", "y:conv"], {}, id="which-one"),
        pytest.param(["a:conv"], ["x:conv", "y:relu"], {"x": "a"}, id="the-only-one-of-its-kind"),
        pytest.param(["a:conv:9"], ["x:conv:7", "y:conv:9"], {"y": "a"}, id="the-only-one-with-its-numbers"),
        pytest.param(
            ["a:conv:9", "b:conv:5"],
            ["x:conv:7", "y:conv:9", "z:relu"],
            {"y": "a", "x": "b"},
            id="numbers-first-then-kinds",
        ),
        pytest.param(["a:conv", "k:relu"], ["k:relu", "x:conv"], {"k": "k"}, id="not-across-a-neighbour"),
        pytest.param(
            ["k:relu", "a:conv", "l:relu"], ["x:conv", "l:relu", "k:relu"], {"k": "k", "l": "l"}, id="both-neighbours"
        ),
        pytest.param(
            ["k:relu", "a:conv", "l:relu", "b:conv"],
            ["k:relu", "x:conv", "l:relu", "y:conv"],
            {"k": "k", "l": "l", "x": "a", "y": "b"},
            id="each-between-its-neighbours",
        ),
    ],
)
def test_alignment(old: list[str], new: list[str], expected: dict[str, str]) -> None:
    found = aligned(layers(*old), layers(*new))
    assert {name: layer.name for name, layer in found.items()} == expected


def test_a_second_convolution_takes_the_number_from_the_first() -> None:
    """Unnamed layers: `conv` becomes `conv1`, and keeps its numbers."""
    old = "input: 6x8x2\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}, {name: last, linear: 5}]"
    new = old.replace("{name: last", "{conv: {out_channels: 4, kernel_size: 1}}, {name: last")
    found = compared(old, new)
    assert names(found) == [("renamed", "conv1"), ("added", "conv2"), ("changed", "last")]
    assert found.first is not None
    assert found.first.name == "conv2"


# In words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (100, 105, ("+5.0 %", 5.0)),
        (300, 200, ("-33.3 %", -33.33)),
        (10_000, 10_001, ("+<0.1 %", 0.01)),
        (10**9, 10**9 - 1, ("-<0.1 %", -0.0)),
        (1, 40, ("+3,900.0 %", 3900.0)),
        (0, 7, ("", None)),
        (7, 0, ("-100.0 %", -100.0)),
        (2000, 2001, ("+0.1 %", 0.05)),  # a half rounds up
        (1, 10**400, (f"+{10**402 - 100:,}.0 %", None)),
    ],
)
def test_percent(old: int, new: int, expected: tuple[str, float | None]) -> None:
    assert (percent_text(old, new), change("macs", old, new).percent) == expected
    assert change("macs", old, new).difference == new - old


def test_percent_of_nothing_else() -> None:
    assert percent_text(None, 5) == percent_text("a", "b") == percent_text(5, 5) == ""
    assert change("output", [1], [2]).difference is None


def test_percent_is_exact_beyond_floats() -> None:
    old = 3 * 10**30
    assert percent_text(old, old + int(Fraction(old, 200))) == "+0.5 %"


@pytest.mark.parametrize(
    ("quantity", "value", "expected"),
    [
        ("macs", 1234567, "1,234,567"),
        ("output", [3, 6, 8], "6x8x3"),
        ("output", [5], "5"),
        ("receptive_field", [3, 5], "3x5"),
        ("receptive_field", None, "none"),
        ("title", "", "none"),
        ("kind", "conv", "conv"),
        ("operations", {"multiplies": 2000, "adds": 1}, "2,000 multiplies, 1 adds"),
        ("operations", {}, "none"),
        ("input_shapes", [[3, 6, 8], [1, 2, 2]], "6x8x3 and 2x2x1"),
        ("inputs", ["a", "b"], "a, b"),
        ("inputs", [{"name": "input", "shape": [3, 6, 8]}], "input 6x8x3"),
        ("jump", [2, "1/2"], "2, 1/2"),
        ("jump", [], "none"),
    ],
)
def test_values(quantity: str, value: Any, expected: str) -> None:
    assert value_text(quantity, value, "hwc") == expected


def test_shapes_as_the_document_writes_them() -> None:
    assert value_text("output", [3, 6, 8], "chw") == "[3, 6, 8]"
