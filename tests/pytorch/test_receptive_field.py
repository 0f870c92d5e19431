from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import cnncalc
from cnncalc.graph import Network
from cnncalc.indexing import IndexMap
from cnncalc.layers import KINDS
from cnncalc.layers.base import AxisReach
from cnncalc.passes.receptive_field import receptive_fields

torch = pytest.importorskip("torch", reason="torch is not installed")

from cnncalc.pytorch import receptive_field
from cnncalc.pytorch.receptive_field import NOTHING, STAND_IN, Extent, Seen, measured


def seen(network: Network) -> dict[str, list[Seen]]:
    return {node.name: units for node, units in measured(network, {node: node.output for node in network})}


def by_torch(layers: str, input: str = "20x1") -> list[tuple[tuple[int, ...], Any]]:
    """What the last layer's units see by the gradient alone, as (unit, pixels of the first axis)."""
    network = cnncalc.loads(f"input: {input}\nlayers: [{layers}]")
    units = seen(network)[network.nodes[-1].name]
    return [(unit.unit, (*unit.torch.low, *unit.torch.high)) for unit in units]


def test_every_kind_has_a_stand_in() -> None:
    assert STAND_IN.keys() == KINDS.keys()


# Extents by hand: (first pixel, last pixel) ---------------------------------------------------------------------------

CONV_3 = "{conv: {out_channels: 4, kernel_size: 3, padding: 1}}"
POOL_2 = "{max_pool: 2}"
DILATED = "{conv: {out_channels: 1, kernel_size: 3, dilation: 4}}"


@pytest.mark.parametrize(
    ("layers", "units"),
    [
        # unit o sees o - 1 to o + 1
        pytest.param(CONV_3, [((9,), (8, 10)), ((10,), (9, 11))], id="one-conv"),
        # two of them see 5 pixels (Simonyan & Zisserman 2014, 2.3), three 7
        pytest.param(f"{CONV_3}, {CONV_3}", [((9,), (7, 11)), ((10,), (8, 12))], id="two-convs"),
        pytest.param(f"{CONV_3}, {CONV_3}, {CONV_3}", [((9,), (6, 12)), ((10,), (7, 13))], id="three-convs"),
        # unit 4 pools maps 8 and 9, which see 7 to 9 and 8 to 10; the jump is 2
        pytest.param(f"{CONV_3}, {POOL_2}", [((4,), (7, 10)), ((5,), (9, 12))], id="conv-pool"),
        pytest.param("{max_pool: {kernel_size: 3, stride: 2}}", [((4,), (8, 10)), ((5,), (10, 12))], id="overlapping"),
        pytest.param(
            "{conv: {out_channels: 1, kernel_size: 3, dilation: 4}}", [((5,), (5, 13)), ((6,), (6, 14))], id="holes"
        ),
        # positions 2o - 1 and 2o: 20 windows of 3 with padding 1 before
        pytest.param("{avg_pool: {kernel_size: 2, padding: 1}}", [((5,), (9, 10)), ((6,), (11, 12))], id="padded"),
        # SAME: 10 windows of 5, padding 18 + 5 - 20 = 3, one before
        pytest.param(
            "{conv: {out_channels: 1, kernel_size: 5, stride: 2, padding: same}}",
            [((4,), (7, 11)), ((5,), (9, 13))],
            id="same",
        ),
        # output o gets input i where o = 2i + k, k from 0 to 2: 19 gets 9 alone, 20 gets 9 and 10
        pytest.param(
            "{conv_transpose: {out_channels: 1, kernel_size: 3, stride: 2}}",
            [((20,), (9, 10)), ((21,), (10, 10))],
            id="transposed",
        ),
        pytest.param("{upsample: 2}", [((19,), (9, 9)), ((20,), (10, 10))], id="nearest"),
        # unit 19 stands at 9.25 between 9 and 10, unit 20 at 9.75
        pytest.param("{upsample: {scale_factor: 2, mode: linear}}", [((19,), (9, 10)), ((20,), (9, 10))], id="linear"),
        # ⌊3·20/7⌋ to ⌈4·20/7⌉ - 1, then ⌊4·20/7⌋ to ⌈5·20/7⌉ - 1
        pytest.param("{adaptive_max_pool: 7}", [((3,), (8, 11)), ((4,), (11, 14))], id="adaptive"),
        pytest.param("global_max_pool", [((0,), (0, 19))], id="global"),
        pytest.param("{crop: {sides: [[5, 1]]}}", [((6,), (11, 11)), ((7,), (12, 12))], id="crop"),
        pytest.param("{slice: {axis: 1, start: 3, step: 4}}", [((2,), (11, 11)), ((3,), (15, 15))], id="slice"),
        pytest.param("{pad: 3}", [((12,), (9, 9)), ((13,), (10, 10))], id="pad"),
        pytest.param("{space_to_depth: 2}", [((4,), (8, 9)), ((5,), (10, 11))], id="space-to-depth"),
        # a path of three pixels, one of its own
        pytest.param(f"{{add: [[{CONV_3}], identity]}}", [((9,), (8, 10)), ((10,), (9, 11))], id="residual"),
        pytest.param(
            f"{{concat: [[{CONV_3}, {CONV_3}], [{CONV_3}]]}}", [((9,), (7, 11)), ((10,), (8, 12))], id="inception"
        ),
        pytest.param(f"{CONV_3}, {{linear: 3}}", [((0,), (0, 19))], id="dense"),
        # 7 windows three apart end at 6·3 + 1 = 19; 5 windows four apart end at 4·4 + 1 = 17
        pytest.param(
            "{conv: {out_channels: 1, kernel_size: 2, stride: 3}}, {linear: 3}", [((0,), (0, 19))], id="all-read"
        ),
        pytest.param(
            "{conv: {out_channels: 1, kernel_size: 2, stride: 4}}, {linear: 3}", [((0,), (0, 17))], id="unread"
        ),
        pytest.param(
            f"{CONV_3}, batch_norm, relu, {{dropout: 0.5}}", [((9,), (8, 10)), ((10,), (9, 11))], id="pointwise"
        ),
        pytest.param(f"{CONV_3}, layer_norm", [((9,), (0, 19)), ((10,), (0, 19))], id="statistics"),
        pytest.param(f"{CONV_3}, softmax", [((9,), (8, 10)), ((10,), (9, 11))], id="softmax"),
    ],
)
def test_what_units_see(layers: str, units: list[Any]) -> None:
    assert by_torch(layers) == units


def test_pixel_shuffle_sees_one_place() -> None:
    assert by_torch("{pixel_shuffle: 2}", "10x4") == [((9,), (4, 4)), ((10,), (5, 5))]


def test_axes_are_told_apart() -> None:
    """Kernel 1 and 3, stride 2 and 1, on a map of 8 by 9."""
    layers = "{conv: {out_channels: 1, kernel_size: [1, 3], stride: [2, 1]}}, {permute: [0, 2, 1]}"
    network = cnncalc.loads(f"input: 8x9x2\nlayers: [{layers}]")
    conv, permuted = seen(network).values()
    assert [(unit.unit, unit.torch) for unit in conv] == [
        ((1, 3), Extent((2, 3), (2, 5))),
        ((2, 4), Extent((4, 4), (4, 6))),
    ]
    assert [(unit.unit, unit.torch) for unit in permuted] == [
        ((3, 1), Extent((2, 3), (2, 5))),
        ((4, 2), Extent((4, 4), (4, 6))),
    ]


def test_all_of_it_agrees_with_the_engine() -> None:
    network = cnncalc.load("squeezenet1_1")
    units = seen(network)
    assert len(units) == len(network)
    assert all(unit.agrees for both in units.values() for unit in both)


# Blanks ---------------------------------------------------------------------------------------------------------------


def test_a_unit_in_the_middle_of_a_large_map_reads_no_blank() -> None:
    network = cnncalc.loads(f"input: 20x1\nlayers: [{CONV_3}, {CONV_3}]")
    assert not any(unit.reads_blank for both in seen(network).values() for unit in both)


def test_padding_on_the_way_hides_pixels() -> None:
    """The crop begins at pixel 6, so that the conv's unit 0 reads padding where pixel 5 was."""
    network = cnncalc.loads(f"input: 20x1\nlayers: [{{crop: {{sides: [[6, 12]]}}}}, {CONV_3}]")
    first, second = seen(network)["conv"]
    assert (first.engine, first.torch) == (Extent((5,), (7,)), Extent((6,), (7,)))
    assert (second.engine, second.torch) == (Extent((6,), (8,)), Extent((6,), (7,)))
    assert first.reads_blank
    assert first.agrees


def test_a_transposed_convolution_leaves_gaps() -> None:
    """Kernel 1, stride 3: output 3i gets input i, the others nothing."""
    transposed = "{conv_transpose: {out_channels: 1, kernel_size: 1, stride: 3}}"
    network = cnncalc.loads(f"input: 5x1\nlayers: [{transposed}]")
    six, seven = seen(network)["conv_transpose"]
    assert (six.unit, six.torch, six.reads_blank) == ((6,), Extent((2,), (2,)), False)
    assert (seven.unit, seven.torch, seven.reads_blank) == ((7,), NOTHING, True)
    assert six.agrees
    assert seven.agrees


def test_a_transposed_convolution_reads_beyond_the_map() -> None:
    """Output 3 gets input i where 3 = i + k, k from 0 to 4: -1 to 3 of the three there are."""
    network = cnncalc.loads("input: 3x1\nlayers: [{conv_transpose: {out_channels: 1, kernel_size: 5}}]")
    (unit, _) = seen(network)["conv_transpose"]
    assert (unit.unit, unit.torch, unit.reads_blank) == ((3,), Extent((0,), (2,)), True)


@pytest.mark.parametrize(
    ("engine", "gradient", "reads_blank", "agrees"),
    [
        pytest.param(Extent((1,), (5,)), Extent((1,), (5,)), False, True, id="same"),
        pytest.param(Extent((1,), (5,)), Extent((2,), (5,)), False, False, id="less"),
        pytest.param(Extent((1,), (5,)), Extent((2,), (5,)), True, True, id="less-by-a-blank"),
        pytest.param(Extent((1,), (5,)), NOTHING, True, True, id="nothing-but-blanks"),
        pytest.param(Extent((1,), (5,)), NOTHING, False, False, id="nothing"),
        pytest.param(Extent((1,), (5,)), Extent((0,), (5,)), True, False, id="more"),
        pytest.param(Extent((1, 1), (5, 5)), Extent((1, 1), (5, 6)), True, False, id="more-on-one-axis"),
        pytest.param(NOTHING, Extent((0,), (5,)), True, False, id="something-where-nothing-is"),
        pytest.param(NOTHING, NOTHING, False, True, id="both-nothing"),
    ],
)
def test_agreement(engine: Extent, gradient: Extent, reads_blank: bool, agrees: bool) -> None:
    assert Seen((0,), engine, gradient, reads_blank).agrees is agrees


def test_the_part_of_an_extent_on_the_map() -> None:
    assert Extent((-3, 2), (4, 9)).clipped((8, 8)) == Extent((0, 2), (4, 7))
    assert Extent((-3,), (-1,)).clipped((8,)) == NOTHING


# Whole networks -------------------------------------------------------------------------------------------------------


def test_a_wrong_reach_is_seen_in_every_later_layer() -> None:
    network = cnncalc.loads(f"input: 30x1\nlayers: [{CONV_3}, {CONV_3}, {POOL_2}]")
    node = network.nodes[1]
    node.facts = replace(node.facts, reach=(AxisReach(IndexMap((-1,), 1), IndexMap((2,), 1)),))
    units = seen(network)
    assert [all(unit.agrees for unit in units[node.name]) for node in network] == [True, False, False]


def test_a_wrong_jump_is_seen() -> None:
    """The first unit may be right and the second not."""
    network = cnncalc.loads(f"input: 30x1\nlayers: [{POOL_2}]")
    node = network.nodes[0]
    node.facts = replace(node.facts, reach=(AxisReach(IndexMap((-7,), 3), IndexMap((-6,), 3)),))
    assert [unit.agrees for unit in seen(network)["max_pool"]] == [True, False]


def test_what_has_no_place_is_left_out() -> None:
    network = cnncalc.loads("input: 6x6x4\nlayers: [{permute: [1, 2, 0]}, {reshape: [-1, 8]}, {name: last, relu: {}}]")
    assert seen(network) == {}


def test_what_sees_everything_has_a_place_after_a_reshape() -> None:
    network = cnncalc.loads("input: 6x5x1\nlayers: [{linear: 8}, {reshape: [2, 2, 2]}]")
    assert [unit.torch for unit in seen(network)["reshape"]] == [Extent((0, 0), (5, 4))] * 2


def test_a_shape_of_which_torch_says_otherwise_is_left_out() -> None:
    network = cnncalc.loads(f"input: 20x1\nlayers: [{CONV_3}, {POOL_2}]")
    conv, pool = network
    pool.facts = replace(pool.facts, output=(4, 11))
    assert [node.name for node, _ in measured(network, {conv: (4, 20), pool: (4, 10)})] == ["conv"]


def test_the_field_is_in_the_input_that_the_engine_names() -> None:
    text = """
inputs: {left: 12x1, right: 12x1}
layers:
  - {name: narrow, conv: {out_channels: 1, kernel_size: 3, padding: 1}, from: left}
  - {name: wide, conv: {out_channels: 1, kernel_size: 5, padding: 2}, from: right}
  - {name: both, add: [narrow, wide]}
"""
    network = cnncalc.loads(text)
    field = receptive_fields(network)[network["both"]]
    assert field is not None
    assert field.input.name == "left"
    units = seen(network)
    assert [unit.torch for unit in units["wide"]] == [Extent((3,), (7,)), Extent((4,), (8,))]
    assert [unit.torch for unit in units["both"]] == [Extent((4,), (6,)), Extent((5,), (7,))]


def test_small_chunks_measure_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = cnncalc.load("mnist_cnn")
    passes: list[int] = []
    backward = torch.autograd.grad

    def counted(*arguments: Any, **options: Any) -> Any:
        passes.append(1)
        return backward(*arguments, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    at_once = seen(network)
    assert len(passes) == 1
    monkeypatch.setattr(receptive_field, "LARGEST_CHUNK", 1)
    assert seen(network) == at_once
    assert len(passes) > 5


def test_a_deep_stack_neither_overflows_nor_vanishes() -> None:
    """The last pixel has one path of the 9^345, which is more than a float holds."""
    text = "input: 2800x1\nlayers: [{conv: {out_channels: 1, kernel_size: 9, padding: 4}, repeat: 345}]"
    network = cnncalc.loads(text)
    # The others are given another shape, so that only the last is measured.
    shapes = {node: node.output if node is network.nodes[-1] else (0,) for node in network}
    ((_, last),) = measured(network, shapes)
    assert [unit.torch for unit in last] == [Extent((19,), (2779,)), Extent((20,), (2780,))]
    assert not any(unit.reads_blank for unit in last)
