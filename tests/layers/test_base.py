from __future__ import annotations

from typing import Any

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.base import (
    EVERYTHING,
    POINTWISE,
    UNTRACKED,
    LayerError,
    Operations,
    Parameter,
    Work,
    across_channels,
    check_divides,
    per_axis,
    sides,
    spatial,
    window_title,
)


def test_operations_add_by_name() -> None:
    total = Operations(multiplies=3, adds=2) + Operations(adds=5, roots=7)
    assert total == Operations(multiplies=3, adds=2 + 5, roots=7)


def test_operations_of_many_elements() -> None:
    assert Operations(multiplies=3, divisions=2).times(10) == Operations(multiplies=30, divisions=20)


def test_a_line_of_work_has_its_macs_and_biases_in_the_operations() -> None:
    line = Work("conv", 0, 0, macs=3, bias_adds=2, others=Operations(multiplies=1, adds=5, roots=7))
    assert line.operations == Operations(multiplies=3 + 1, adds=3 + 2 + 5, roots=7)


def test_facts_are_sums_over_the_ledger() -> None:
    layer = KINDS["conv"](out_channels=4, kernel_size=(3, 2), padding=((1, 1), (0, 1)), activation="sigmoid")
    facts = layer.facts(((3, 6, 5),))
    outputs = 4 * 6 * 5
    assert facts.work == (
        Work("conv", 3 * 6 * 5, outputs, macs=3 * 3 * 2 * outputs, bias_adds=outputs),
        Work("sigmoid", outputs, outputs, others=Operations(exponentials=outputs, adds=outputs, divisions=outputs)),
    )
    assert facts.macs == 3 * 3 * 2 * outputs
    assert facts.operations == Operations(
        multiplies=3 * 3 * 2 * outputs,
        adds=3 * 3 * 2 * outputs + outputs + outputs,
        exponentials=outputs,
        divisions=outputs,
    )


def test_a_merge_reads_all_its_paths() -> None:
    facts = KINDS["multiply"]().facts(((4, 6, 5), (4, 1, 1)))
    assert facts.work == (Work("multiply", 4 * 6 * 5 + 4, 4 * 6 * 5, others=Operations(multiplies=4 * 6 * 5)),)
    assert KINDS["concat"]().facts(((4, 6, 5), (3, 6, 5))).work == (Work("concat", 7 * 6 * 5, 7 * 6 * 5),)


NO_WORK = (Work("identity", 0, 0),)


def test_answer_sums_parameters_by_role() -> None:
    facts = KINDS["identity"]().answer(
        (4, 5, 6),
        NO_WORK,
        (
            Parameter("kernel", (4, 3, 2), "weight", 24),
            Parameter("gain", (4,), "weight", 4),
            Parameter("bias", (4,), "bias", 4),
            Parameter("running_mean", (4,), "buffer", 4),
            Parameter("running_var", (5,), "buffer", 5),
            Parameter("num_batches_tracked", (), "counter", 1),
        ),
    )
    assert (facts.weights, facts.biases, facts.buffers) == (4 * 3 * 2 + 4, 4, 4 + 5)


def test_a_view_makes_no_tensor() -> None:
    assert KINDS["identity"]().answer((4, 5, 6), NO_WORK).activations == 0
    assert KINDS["relu"](inplace=True).answer((4, 5, 6), NO_WORK).activations == 0
    assert KINDS["relu"]().answer((4, 5, 6), NO_WORK).activations == 4 * 5 * 6


@pytest.mark.parametrize(
    ("value", "rank", "sizes"),
    [
        pytest.param(3, 2, (3, 3), id="one-number"),
        pytest.param((3, 5), 2, (3, 5), id="one-a-dimension"),
        pytest.param(3, 0, (), id="no-dimensions"),
    ],
)
def test_per_axis(value: Any, rank: int, sizes: tuple[int, ...]) -> None:
    assert per_axis(value, rank, "kernel_size") == sizes


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        pytest.param(2, [(2, 2), (2, 2)], id="one-number"),
        pytest.param((1, 3), [(1, 1), (3, 3)], id="one-a-dimension"),
        pytest.param(((0, 1), (2, 3)), [(0, 1), (2, 3)], id="one-a-side"),
    ],
)
def test_sides(value: Any, pairs: list[tuple[int, int]]) -> None:
    assert sides(value, 2, "padding") == pairs


@pytest.mark.parametrize(
    ("value", "rank", "message"),
    [
        pytest.param((3,), 2, "`stride` has 1 size, but the input has 2 spatial dimensions", id="too-few"),
        pytest.param((3, 4), 1, "`stride` has 2 sizes, but the input has 1 spatial dimension", id="too-many"),
    ],
)
def test_wrong_number_of_sizes(value: tuple[int, ...], rank: int, message: str) -> None:
    for read in (per_axis, sides):
        with pytest.raises(LayerError) as refusal:
            read(value, rank, "stride")
        assert (refusal.value.code, refusal.value.message) == ("wrong-number-of-sizes", message)
        assert refusal.value.field == "stride"


def test_sizes_for_an_input_without_any() -> None:
    with pytest.raises(LayerError, match="`stride` has 2 sizes, but the input has 0 spatial dimensions") as refusal:
        per_axis((3, 4), 0, "stride")
    assert refusal.value.help == "put this layer where the input is still spatial"
    with pytest.raises(LayerError) as refusal:
        per_axis((3, 4), 3, "stride")
    assert (refusal.value.label, refusal.value.help) == ("3 needed", "give one number, or a list of 3")


def test_spatial() -> None:
    assert spatial((3, 32, 28), "conv") == (32, 28)
    with pytest.raises(LayerError, match="`conv` needs a spatial input, but gets a vector of 10") as refusal:
        spatial((10,), "conv")
    assert (refusal.value.code, refusal.value.sources) == ("no-spatial-dimensions", (0,))


def test_check_divides() -> None:
    check_divides(12, 4, "groups")
    with pytest.raises(LayerError, match="12 channels do not split into 5 equal groups") as refusal:
        check_divides(12, 5, "groups")
    assert (refusal.value.code, refusal.value.field) == ("groups-divide-channels", "groups")


def test_mixing_channels_reaches_nothing_on_a_map_and_other_units_on_a_vector() -> None:
    assert across_channels((8, 5, 4)) is POINTWISE
    assert across_channels((8,)) is UNTRACKED
    assert across_channels((8,), all_of_them=True) is EVERYTHING


@pytest.mark.parametrize(
    ("kernel", "stride", "title"),
    [
        pytest.param((3, 3), (1, 1), "3x3", id="stride-1"),
        pytest.param((3, 5), (2, 2), "3x5/2", id="one-stride"),
        pytest.param((3, 5), (2, 1), "3x5/2x1", id="a-stride-a-dimension"),
        pytest.param((7,), (4,), "7/4", id="1-d"),
    ],
)
def test_window_title(kernel: tuple[int, ...], stride: tuple[int, ...], title: str) -> None:
    assert window_title(kernel, stride) == title
