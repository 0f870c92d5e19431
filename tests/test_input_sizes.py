"""`cnncalc.input_sizes`: what networks take and what gives an output, against hand counts and every size tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc import DocumentError, load, loads
from cnncalc.input_sizes import AxisInputs, Inputs, Pattern, accepted, inputs_for, pattern, to_json


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A file for documents."""
    return tmp_path / "network.yaml"


def ranges(found: Inputs) -> list[tuple[int | None, int | None]]:
    return [(axis.first, axis.last) for axis in found.axes]


# What is taken --------------------------------------------------------------------------------------------------------


def test_vgg16() -> None:
    """Five pools by 2: multiples of 32 exactly, 32 at least. fc6 has 512·n·n·4096 weights for a map of n by n.

    138,357,544 - 512·49·4096 + 512·4096 = 37,694,248.
    """
    found = accepted("vgg16")
    assert found.smallest == 32
    assert found.accepted == Pattern([], 1, [0], 32)
    assert found.exact == found.read == Pattern([], 32, [0], 32)
    assert (found.parameters, found.other, found.other_parameters) == (138_357_544, 32, 37_694_248)
    assert found.resized == "fc6"
    assert found.refused == 31


def test_resnet50() -> None:
    """Every stride-2 layer takes n to (n + 1)/2 exactly where n is odd: sizes 32·k + 1, as 225 or 513."""
    found = accepted("resnet50")
    assert (found.smallest, found.exact) == (1, Pattern([], 32, [1], 1))
    assert (found.other, found.resized, found.refused) == (None, "", None)


def test_unet_crops_to_its_own_size() -> None:
    """Figure 1's crops are numbers: up to 15 more pixels vanish in the four pools, then a copy no longer fits."""
    found = accepted("unet")
    assert found.accepted == Pattern(list(range(572, 588)), 1, [], 588)
    assert found.exact == Pattern([572], 1, [], 573)
    assert found.refused == 588
    assert "concat" in found.refusal


def test_a_skip_that_needs_multiples(document: Path) -> None:
    """Down twice by 2 and up twice, joined with the input: multiples of 4."""
    document.write_text(
        "input: 16x16x1\nlayers:\n  - concat: [identity, [{max_pool: 2}, {max_pool: 2}, {upsample: 4}]]\n"
    )
    found = accepted(document)
    assert (found.smallest, found.accepted) == (4, Pattern([], 4, [0], 4))
    assert found.refused == 15
    wanted = inputs_for(document, (24,))
    assert ranges(wanted) == [(24, 24), (24, 24)]
    nothing = inputs_for(document, (23,)).axes[0]
    assert (nothing.first, nothing.below, nothing.above) == (None, (20, 20), (24, 24))


def test_a_network_that_takes_one_size(document: Path) -> None:
    """A reshape in numbers takes its own size and no other."""
    document.write_text("input: 6x6x4\nlayers: [{reshape: [16, 3, 3]}, {linear: 2}]\n")
    found = accepted(document)
    assert (found.smallest, found.accepted.single, found.accepted.remainders) == (6, [6], [])
    assert found.refused == 7


def test_rows_and_sequences(document: Path) -> None:
    """One axis: lengths. 100 samples, a kernel of 10 by 5: 5·k."""
    document.write_text("input: 100x2\nlayers: [{conv: {out_channels: 3, kernel_size: 10, stride: 5}}]\n")
    found = accepted(document)
    assert (found.smallest, found.exact) == (10, Pattern([], 5, [0], 10))
    assert ranges(inputs_for(document, (4,))) == [(25, 29)]


def test_settings_go_before(document: Path) -> None:
    document.write_text("input: 20x20x3\nargs: {k: 3}\nlayers: [{conv: {out_channels: 1, kernel_size: k}}]\n")
    assert accepted(document).smallest == 3
    assert accepted(document, ["k=7"]).smallest == 7


@given(st.data())
def test_a_pattern_says_who_is_a_member(data: st.DataObject) -> None:
    """Whatever the sizes: the rule and the exceptions give them back, all of them and no others."""
    last = data.draw(st.integers(4, 60))
    period = data.draw(st.integers(1, 9))
    inside = data.draw(st.sets(st.integers(0, period - 1)))
    start = data.draw(st.integers(1, last))
    members = {n for n in range(start, last + 1) if n % period in inside}
    members ^= data.draw(st.sets(st.integers(1, last), max_size=2))
    found = pattern(members, last)
    ruled = {n for n in range(found.start, last + 1) if found.period and n % found.period in set(found.remainders)}
    assert set(found.single) | ruled == members


# What gives an output -------------------------------------------------------------------------------------------------


def test_resnet152() -> None:
    """n becomes ⌈n/2⌉ five times: 7 is from 6·32 + 1 = 193 to 7·32 = 224."""
    found = inputs_for("resnet152", (7, 7))
    assert ranges(found) == [(193, 224), (193, 224)]
    assert (found.layer, found.passed) == ("layer4.2.relu3", "fc")
    assert (found.axes[0].below, found.axes[0].above) == ((6, 192), (8, 225))


def test_vgg16_rectangle() -> None:
    """n becomes ⌊n/2⌋ five times: 7 is from 7·32 to 8·32 - 1, 5 from 160 to 191."""
    found = inputs_for("vgg16", (7, 5))
    assert ranges(found) == [(224, 255), (160, 191)]
    assert found.separable


def test_a_layer_or_a_block_by_name() -> None:
    assert ranges(inputs_for("vgg16", (14, 10), "stage4")) == [(224, 239), (160, 175)]
    assert inputs_for("vgg16", (14,), "stage4.max_pool").layer == "stage4.max_pool"


def test_every_end_of_a_range_is_one(document: Path) -> None:
    """inception_v3 at 8x8: the sizes at the ends give it, those beside them do not."""
    found = inputs_for("inception_v3", (8, 8))
    ((first, last), _) = ranges(found)
    assert first is not None
    assert last is not None

    def output(size: int) -> int:
        network = load("inception_v3", [f"input={size}x299x3"])
        return network[found.layer].output[1]

    assert [output(size) for size in (first - 1, first, last, last + 1)] == [7, 8, 8, 9]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["c3", "c3p1", "c5s2", "p2", "p3s2p1", "same2", "ceil"]), min_size=1, max_size=4),
    st.integers(1, 9),
)
def test_bisection_finds_what_trying_finds(kinds: list[str], wanted: int) -> None:
    layer = {
        "c3": "conv: {out_channels: 1, kernel_size: 3}",
        "c3p1": "conv: {out_channels: 1, kernel_size: 3, padding: 1}",
        "c5s2": "conv: {out_channels: 1, kernel_size: 5, stride: 2}",
        "p2": "max_pool: 2",
        "p3s2p1": "max_pool: {kernel_size: 3, stride: 2, padding: 1}",
        "same2": "conv: {out_channels: 1, kernel_size: 3, stride: 2, padding: same}",
        "ceil": "max_pool: {kernel_size: 3, stride: 2, rounding: ceil}",
    }
    text = "input: 130x1\nlayers:\n" + "".join(f"  - {layer[kind]}\n" for kind in kinds)
    outputs = {}
    for size in range(1, 300):
        try:
            outputs[size] = loads(text, [f"input={size}x1"]).outputs[0].output[1]
        except DocumentError:
            continue
    expected = [size for size, output in outputs.items() if output == wanted]
    found = answer(text, wanted)
    if found.first is None:
        assert expected == []
    elif found.last is not None and found.last < 300:
        assert (found.sizes or list(range(found.first, found.last + 1))) == expected


def answer(text: str, wanted: int) -> AxisInputs:
    """As for a file."""
    from cnncalc.diagnostics import Source
    from cnncalc.input_sizes import _Document, _inputs_for

    return _inputs_for(_Document(Source("<text>", text), None, ()), (wanted,), "", None).axes[0]


def test_an_adaptive_pool_takes_all() -> None:
    found = inputs_for("alexnet_torchvision", (6,)).axes[0]
    assert (found.first, found.limited) == (63, True)


def test_none_and_the_nearest() -> None:
    """U-Net's crops leave it one output, 388."""
    found = inputs_for("unet", (400,)).axes[0]
    assert (found.first, found.below, found.above) == (None, (388, 587), None)


def test_axes_that_depend_on_one_another(document: Path) -> None:
    """A map added to itself turned over has to be square: no height goes without its width."""
    document.write_text("input: 8x8x1\nlayers: [{max_pool: 2}, {add: [identity, [{permute: [0, 2, 1]}]]}]\n")
    found = inputs_for(document, (7, 7))
    assert (found.separable, found.squares, found.found) == (False, [14, 15], True)
    other = inputs_for(document, (7, 6))
    assert (other.separable, other.squares, other.found) == (False, [], False)


@pytest.mark.parametrize(
    ("text", "output", "layer", "channels", "code"),
    [
        ("inputs: {a: 8x8x1, b: 8x8x1}\nlayers: [{add: [a, b]}]\n", (4,), "", None, "several-inputs"),
        ("input: 10\nlayers: [{linear: 4}]\n", (4,), "", None, "no-spatial-dimensions"),
        ("input: 8x8x1\nlayers: [{max_pool: 2}]\n", (4,), "pool", None, "unknown-layer"),
        ("input: 8x8x1\nlayers: [{max_pool: 2}, flatten]\n", (4,), "flatten", None, "no-spatial-dimensions"),
        ("input: 8x8x1\nlayers: [{max_pool: 2}]\n", (4, 4, 4), "", None, "wrong-number-of-sizes"),
        ("input: 8x8x1\nlayers: [{max_pool: 2}]\n", (4,), "", 3, "other-channels"),
        ("input: 8x8x1\nlayers: [{max_pool: 9}]\n", (4,), "", None, "window-exceeds-input"),
    ],
)
def test_refused(
    document: Path, text: str, output: tuple[int, ...], layer: str, channels: int | None, code: str
) -> None:
    document.write_text(text)
    with pytest.raises(DocumentError) as error:
        inputs_for(document, output, layer, (), channels)
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == [code]


def test_json_holds_everything() -> None:
    for found in (accepted("lenet5"), inputs_for("lenet5", (5,))):
        assert json.loads(to_json(found)) == json.loads(json.dumps(found.to_dict()))
