"""How tensors lie: rows by hand, and torch's own answers for tensors that were permuted, sliced and repeated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc.eager.strides import (
    channels_last,
    contiguous,
    dense,
    elementwise,
    is_contiguous,
    is_dense,
    prefers_channels_last,
    suggested,
    viewed,
)

Sizes = tuple[int, ...]
from_torch = settings(derandomize=True, max_examples=250, deadline=None)


# Without gaps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "strides", "last"),
    [
        pytest.param((), (), None, id="scalar"),
        pytest.param((3,), (1,), None, id="vector"),
        pytest.param((3, 2), (2, 1), None, id="matrix"),
        pytest.param((3, 2, 5, 7), (2 * 5 * 7, 5 * 7, 7, 1), (5 * 7 * 2, 1, 7 * 2, 2), id="maps"),
        pytest.param((3, 2, 4, 5, 7), (280, 140, 35, 7, 1), (4 * 5 * 7 * 2, 1, 5 * 7 * 2, 7 * 2, 2), id="volumes"),
        pytest.param((3, 1, 1, 7), (7, 7, 7, 1), (7, 1, 7, 1), id="sizes-of-1"),
    ],
)
def test_packed(shape: Sizes, strides: Sizes, last: Sizes | None) -> None:
    assert contiguous(shape) == strides
    if last is not None:
        assert channels_last(shape) == last


@pytest.mark.parametrize(
    ("shape", "strides", "ordered", "dense", "last"),
    [
        pytest.param((3, 2, 5, 7), (70, 35, 7, 1), True, True, False, id="contiguous"),
        pytest.param((3, 2, 5, 7), (70, 1, 14, 2), False, True, True, id="channels-last"),
        pytest.param((3, 2, 7, 5), (70, 35, 1, 7), False, True, False, id="rows-and-columns-swapped"),
        # half of four channels: images lie 140 apart, with gaps of 70
        pytest.param((3, 2, 5, 7), (140, 35, 7, 1), False, False, False, id="half-the-channels"),
        pytest.param((3, 2, 5, 7), (140, 1, 28, 4), False, False, True, id="half-the-channels-innermost"),
        # one image: the step from image to image is never taken
        pytest.param((1, 2, 5, 7), (140, 35, 7, 1), True, True, False, id="half-the-channels-of-one-image"),
        pytest.param((3, 2, 5, 7), (2, 1, 0, 0), False, False, False, id="repeated"),
        pytest.param((3, 1, 5, 7), (35, 0, 7, 1), True, True, False, id="one-channel-repeated-once"),
        # one position: both orders are the same memory, which counts as contiguous
        pytest.param((3, 2, 1, 1), (2, 1, 1, 1), True, True, False, id="one-position"),
        pytest.param((3, 2, 1, 1), (2, 1, 2, 2), True, True, True, id="one-position-channels-last"),
        # every second of images of one value
        pytest.param((3, 1, 1, 1), (2, 1, 1, 1), False, False, False, id="single-values-with-gaps"),
        pytest.param((3, 2, 4, 5, 7), (280, 1, 70, 14, 2), False, True, True, id="volumes-channels-last"),
        pytest.param((3, 2, 5), (10, 1, 2), False, True, False, id="no-such-format-in-1-d"),
        pytest.param((), (), True, True, False, id="scalar"),
    ],
)
def test_what_strides_say(shape: Sizes, strides: Sizes, ordered: bool, dense: bool, last: bool) -> None:
    assert is_contiguous(shape, strides) is ordered
    assert is_dense(shape, strides) is dense
    assert prefers_channels_last(shape, strides) is last


def test_a_new_tensor_lies_as_the_input_suggests() -> None:
    assert suggested((3, 4, 2, 6), (3, 2, 5, 7), (70, 1, 14, 2)) == (48, 1, 24, 4)
    assert suggested((3, 4, 2, 6), (3, 2, 5, 7), (70, 35, 1, 7)) == (48, 12, 6, 1)


# Views ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "strides", "wanted", "seen"),
    [
        pytest.param((3, 2, 5, 7), (70, 35, 7, 1), (3, 70), (70, 1), id="flattened"),
        pytest.param((3, 70), (70, 1), (3, 2, 5, 7), (70, 35, 7, 1), id="and-back"),
        # channels last: position and channel are one run, channel and position are not
        pytest.param((3, 2, 5, 7), (70, 1, 14, 2), (3, 70), None, id="channels-last-flattened"),
        pytest.param((3, 5, 7, 2), (70, 14, 2, 1), (3, 70), (70, 1), id="channels-last-in-its-order"),
        pytest.param((3, 2, 5, 7), (70, 1, 14, 2), (3, 2, 35), (70, 1, 2), id="its-positions-flattened"),
        # two of four channels: runs end at the images
        pytest.param((3, 2, 5, 7), (140, 35, 7, 1), (3, 70), (140, 1), id="half-the-channels"),
        pytest.param((3, 2, 5, 7), (140, 35, 7, 1), (6, 35), None, id="across-the-gap"),
        pytest.param((1, 2, 5, 7), (140, 35, 7, 1), (2, 35), (35, 1), id="no-gap-in-one-image"),
        # every second column: a run of its own, of step 2
        pytest.param((3, 4), (8, 2), (12,), (2,), id="every-second-column"),
        pytest.param((3, 4), (9, 2), (12,), None, id="every-second-of-nine"),
        pytest.param((3, 4), (9, 2), (3, 2, 2), (9, 4, 2), id="split-inside-a-run"),
        # shuffled channels: 3 groups of 2 as 2 of 3
        pytest.param((5, 2, 3, 7), (42, 7, 14, 1), (5, 6, 7), None, id="shuffled"),
        pytest.param((5, 1, 3, 7), (21, 21, 7, 1), (5, 3, 7), (21, 7, 1), id="shuffled-in-one-group"),
        pytest.param((3, 5), (1, 0), (3, 5), (1, 0), id="repeated"),
        pytest.param((3, 5), (1, 0), (15,), None, id="repeats-flattened"),
        pytest.param((1, 1), (1, 1), (), (), id="to-a-scalar"),
        pytest.param((), (), (1, 1), (1, 1), id="from-a-scalar"),
    ],
)
def test_views(shape: Sizes, strides: Sizes, wanted: Sizes, seen: Sizes | None) -> None:
    assert viewed(shape, strides, wanted) == seen


# Results element by element -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "operands", "strides"),
    [
        pytest.param((3, 2, 5), [((3, 2, 5), (10, 5, 1))], (10, 5, 1), id="contiguous"),
        pytest.param((3, 2, 5), [((3, 2, 5), (10, 1, 2))], (10, 1, 2), id="an-order-is-kept"),
        pytest.param((3, 2, 5), [((3, 2, 5), (20, 5, 1))], (10, 5, 1), id="gaps-are-not"),
        pytest.param((3, 2, 5), [((3, 2, 5), (2, 1, 0))], (10, 5, 1), id="repeats-are-not"),
        pytest.param((3, 2, 5), [((3, 2, 5), (10, 1, 2)), ((3, 2, 5), (10, 5, 1))], (10, 1, 2), id="the-first-decides"),
        pytest.param((3, 2, 5), [((3, 2, 5), (10, 5, 1)), ((3, 2, 5), (10, 1, 2))], (10, 5, 1), id="so-it-does"),
        # the first steps 0 everywhere but in one dimension, and tells nothing apart
        pytest.param((3, 2, 5), [((2, 1), (1, 1)), ((3, 2, 5), (10, 1, 2))], (10, 1, 2), id="unless-repeated"),
        pytest.param(
            (3, 2, 5, 7),
            [((3, 2, 5, 7), (70, 1, 14, 2)), ((3, 2, 1, 1), (2, 1, 1, 1))],
            (70, 1, 14, 2),
            id="a-gate-over-channels-last",
        ),
        pytest.param((2, 3), [((2, 3), (1, 2)), ((3,), (1,))], (1, 2), id="a-row-added"),
    ],
)
def test_results_element_by_element(shape: Sizes, operands: list[tuple[Sizes, Sizes]], strides: Sizes) -> None:
    assert elementwise(shape, *operands) == strides


# Against torch --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="compares with torch, which is not installed")


class Drawn:
    """A shape, and how a tensor of it came to lie as it does: in an order, with parts left out or repeated."""

    def __init__(self, shape: Sizes, order: list[int], ways: list[str]) -> None:
        self.shape, self.order, self.ways = shape, order, ways

    def __repr__(self) -> str:
        return f"{self.shape} from {self.order} {self.ways}"

    def tensor(self, torch: Any) -> Any:
        made = {"whole": lambda size: size, "part": lambda size: size + 2, "second": lambda size: 2 * size}
        sizes = [made.get(way, lambda size: 1)(self.shape[dim]) for dim, way in zip(self.order, self.ways, strict=True)]
        tensor = torch.empty(sizes)
        for place, (dim, way) in enumerate(zip(self.order, self.ways, strict=True)):
            if way == "part":
                tensor = tensor.narrow(place, 1, self.shape[dim])
            elif way == "second":
                tensor = tensor[(slice(None),) * place + (slice(None, None, 2),)]
        tensor = tensor.expand([self.shape[dim] for dim in self.order])
        tensor = tensor.permute([self.order.index(dim) for dim in range(len(self.shape))])
        assert tuple(tensor.shape) == self.shape
        return tensor


@st.composite
def drawn(draw: Any, shape: Sizes | None = None) -> Drawn:
    if shape is None:
        shape = tuple(draw(st.lists(st.integers(1, 4), max_size=5)))
    ways = st.sampled_from(["whole", "whole", "whole", "part", "second", "repeated"])
    return Drawn(shape, draw(st.permutations(range(len(shape)))), [draw(ways) for _ in shape])


@st.composite
def views_of(draw: Any) -> tuple[Drawn, Sizes]:
    """A tensor, and another shape of as many elements."""
    tensor = draw(drawn())
    left = 1
    for size in tensor.shape:
        left *= size
    wanted = []
    for _ in range(draw(st.integers(0, 3))):
        wanted.append(draw(st.sampled_from([size for size in range(1, left + 1) if left % size == 0])))
        left //= wanted[-1]
    return tensor, tuple(draw(st.permutations([*wanted, left])))


@st.composite
def operands(draw: Any) -> list[Drawn]:
    """Two or three tensors that repeat to a common shape."""
    first = draw(drawn())
    found = [first]
    for _ in range(draw(st.integers(1, 2))):
        own = [draw(st.sampled_from([size, size, size, 1])) for size in first.shape]
        found.append(draw(drawn(tuple(own[draw(st.sampled_from([0, 0, 0, 1, 2])) :]))))
    return draw(st.permutations(found))


def of(tensor: Any) -> tuple[Sizes, Sizes]:
    return tuple(tensor.shape), tuple(tensor.stride())


def steps(shape: Sizes, strides: Sizes) -> Sizes:
    """The strides of the dimensions in which a step can be taken: torch gives the others as it likes."""
    return tuple([stride for size, stride in zip(shape, strides, strict=True) if size > 1])


@from_torch
@given(drawn())
def test_torch_says_the_same_of_a_tensor(torch: Any, how: Drawn) -> None:
    tensor = how.tensor(torch)
    shape, strides = of(tensor)
    assert is_contiguous(shape, strides) == tensor.is_contiguous()
    assert is_dense(shape, strides) == torch.ops.aten.is_non_overlapping_and_dense(tensor)
    if len(shape) in (4, 5):
        format = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
        assert prefers_channels_last(shape, strides) == torch.ops.aten.is_strides_like_format(tensor, format)
        assert channels_last(shape) == tuple(torch.empty(shape, memory_format=format).stride())
    else:
        assert not prefers_channels_last(shape, strides)
    assert contiguous(shape) == tuple(torch.empty(shape).stride())
    assert steps(shape, elementwise(shape, (shape, strides))) == steps(shape, torch.relu(tensor).stride())
    assert dense(shape, strides) == tensor.clone().stride() == tensor.to(torch.bfloat16).stride()


@from_torch
@given(views_of())
def test_torch_takes_the_same_views(torch: Any, drawn: tuple[Drawn, Sizes]) -> None:
    how, wanted = drawn
    tensor = how.tensor(torch)
    try:
        found: Sizes | None = steps(wanted, tensor.view(wanted).stride())
    except RuntimeError:
        found = None
    own = viewed(*of(tensor), wanted)
    assert (None if own is None else steps(wanted, own)) == found


@from_torch
@given(operands())
def test_torch_lays_results_out_the_same(torch: Any, how: list[Drawn]) -> None:
    tensors = [one.tensor(torch) for one in how]
    made = torch.add(*tensors) if len(tensors) == 2 else torch.addcmul(*tensors)
    own = elementwise(tuple(made.shape), *map(of, tensors))
    assert steps(tuple(made.shape), own) == steps(*of(made))
