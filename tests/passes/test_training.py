"""Which gradients there are, by hand; and that each takes as many products as the forward pass, by loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from random import Random
from typing import Any

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.layers.base import Facts
from cnncalc.layers.conv import Conv, ConvTranspose, DepthwiseConv, LocallyConnected
from cnncalc.passes.training import gradients

# Which gradients ------------------------------------------------------------------------------------------------------

# 30 places: 3·2·9·30 = 1,620, then 4·3·30 = 360 and 5·4·30 = 600
CHAIN = """\
input: 5x6x2
layers:
  - {name: first, conv: {out_channels: 3, kernel_size: 3, padding: 1}}
  - relu
  - {name: second, conv: {out_channels: 4, kernel_size: 1}}
  - {name: last, linear: 5}
"""

Row = tuple[int, int, int]


def rows(text: str, *frozen: str) -> dict[str, Row]:
    return {
        one.node.name: (one.forward, one.to_weights, one.to_inputs) for one in gradients(cnncalc.loads(text), frozen)
    }


def whys(text: str, *frozen: str) -> dict[str, tuple[str, str]]:
    return {one.node.name: (one.why_not_weights, one.why_not_inputs) for one in gradients(cnncalc.loads(text), frozen)}


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        # the image needs no gradient
        pytest.param([], [(1620, 1620, 0), (360, 360, 360), (600, 600, 600)], id="all-trained"),
        # nothing before the second needs one either
        pytest.param(["first.*"], [(1620, 0, 0), (360, 360, 0), (600, 600, 600)], id="first"),
        # its bias does, and that is reached through the second layer's weights
        pytest.param(["first.weight"], [(1620, 0, 0), (360, 360, 360), (600, 600, 600)], id="first-weight"),
        pytest.param(["first.bias"], [(1620, 1620, 0), (360, 360, 360), (600, 600, 600)], id="first-bias"),
        # gradients pass through a frozen layer
        pytest.param(["second.*"], [(1620, 1620, 0), (360, 0, 360), (600, 600, 600)], id="second"),
        pytest.param(["last.*"], [(1620, 1620, 0), (360, 360, 360), (600, 0, 600)], id="last"),
        pytest.param(["first.*", "second.*"], [(1620, 0, 0), (360, 0, 0), (600, 600, 0)], id="all-but-the-last"),
        # sums of gradients: adds alone, but they have to get there
        pytest.param(["*.weight"], [(1620, 0, 0), (360, 0, 360), (600, 0, 600)], id="biases-alone"),
        pytest.param(["*.weight", "first.*"], [(1620, 0, 0), (360, 0, 0), (600, 0, 600)], id="two-biases"),
        pytest.param(["*"], [(1620, 0, 0), (360, 0, 0), (600, 0, 0)], id="nothing-trained"),
    ],
)
def test_a_chain(frozen: list[str], expected: list[Row]) -> None:
    assert rows(CHAIN, *frozen) == dict(zip(("first", "second", "last"), expected, strict=True))


def test_why_not() -> None:
    assert whys(CHAIN) == {"first": ("", "image"), "second": ("", ""), "last": ("", "")}
    assert whys(CHAIN, "first.*", "last.weight") == {
        "first": ("frozen", "image"),
        "second": ("", "frozen"),
        "last": ("frozen", ""),
    }


def test_layers_without_parameters_leave_the_image_an_image() -> None:
    text = "input: 6x6x2\nlayers: [{max_pool: 2}, relu, {conv: {out_channels: 3, kernel_size: 2}}]"
    assert rows(text) == {"conv": (3 * 4 * 8, 3 * 4 * 8, 0)}
    assert whys(text) == {"conv": ("", "image")}


@pytest.mark.parametrize(
    "layer", ["batch_norm: {}", "prelu: {}", "scale: {}", "rbf: {out_features: 3, trainable: true}"]
)
def test_any_trained_parameter_before_needs_the_gradient(layer: str) -> None:
    text = f"input: 6x6x2\nlayers: [{{name: it, {layer}}}, {{linear: 7}}]"
    ((name, (forward, to_weights, to_inputs)),) = rows(text).items()
    assert (name, to_weights, to_inputs) == ("linear", forward, forward)
    assert whys(text, "it.*") == {"linear": ("", "frozen")}


def test_buffers_are_not_trained() -> None:
    assert whys("input: 6x6x2\nlayers: [{rbf: 3}, {linear: 7}]") == {"linear": ("", "image")}
    text = "input: 6x6x2\nlayers: [{batch_norm: {affine: false}}, {linear: 7}]"
    assert whys(text) == {"linear": ("", "image")}


def test_one_path_is_enough() -> None:
    """What reads a merge of a trained path and the image needs the gradient whole."""
    text = """\
input: 4x4x2
layers:
  - concat:
      - identity
      - - {name: side, conv: {out_channels: 1, kernel_size: 1}}
  - {name: after, conv: {out_channels: 5, kernel_size: 1}}
"""
    assert rows(text) == {"side": (32, 32, 0), "after": (240, 240, 240)}
    assert rows(text, "side.*") == {"side": (32, 0, 0), "after": (240, 240, 0)}


def test_a_product_of_two_paths_has_two_gradients_to_inputs() -> None:
    """3·4 by 4·3 in each of 2 channels, 72 products; a path that needs no gradient gets none."""
    text = """\
input: 3x4x2
layers:
  - name: product
    matmul:
      - - {name: left, conv: {out_channels: 2, kernel_size: 1}}
      - - {name: right, conv: {out_channels: 2, kernel_size: 1}}
        - {permute: [0, 2, 1]}
"""
    assert rows(text) == {"left": (48, 48, 0), "right": (48, 48, 0), "product": (72, 0, 144)}
    assert rows(text, "left.*") == {"left": (48, 0, 0), "right": (48, 48, 0), "product": (72, 0, 72)}
    assert rows(text, "*")["product"] == (72, 0, 0)
    assert [whys(text, *frozen)["product"] for frozen in ((), ("*",))] == [("none", ""), ("none", "frozen")]


def test_a_convolution_with_computed_filters_has_a_gradient_to_the_map_and_one_to_them() -> None:
    """1·1·2·2 filters at 2·3 places, 24 products; neither is computed where nothing before it is trained."""
    text = """\
input: 3x4x1
layers:
  - {name: stem, conv: {out_channels: 1, kernel_size: 1}}
  - {name: filters, from: input, linear: 4}
  - {name: filtered, dynamic_conv: {paths: [stem, filters], out_channels: 1, kernel_size: 2}}
"""
    assert rows(text) == {"stem": (12, 12, 0), "filters": (48, 48, 0), "filtered": (24, 0, 48)}
    assert rows(text, "filters.*")["filtered"] == (24, 0, 24)
    assert rows(text, "stem.*")["filtered"] == (24, 0, 24)
    assert rows(text, "*")["filtered"] == (24, 0, 0)


def test_what_no_output_depends_on() -> None:
    """It runs forward, and nothing comes back; nor does it make what it reads need anything."""
    text = """\
input: 4x4x2
layers:
  - {name: stem, conv: {out_channels: 2, kernel_size: 1}}
  - {name: lost, conv: {out_channels: 3, kernel_size: 1}}
  - {name: lost_too, conv: {out_channels: 4, kernel_size: 1}}
  - {name: kept, from: stem, conv: {out_channels: 5, kernel_size: 1}}
"""
    assert rows(text) == {"stem": (64, 64, 0), "lost": (96, 0, 0), "lost_too": (192, 0, 0), "kept": (160, 160, 160)}
    assert whys(text)["lost"] == whys(text, "lost.*")["lost"] == ("unused", "unused")


def test_every_output_has_a_gradient() -> None:
    text = """\
input: 4x4x2
layers:
  - {name: stem, conv: {out_channels: 2, kernel_size: 1}}
  - {name: one, linear: 3}
  - {name: other, from: stem, linear: 4}
outputs: [one, other]
"""
    assert rows(text) == {"stem": (64, 64, 0), "one": (96, 96, 96), "other": (128, 128, 128)}


def test_no_layer_with_multiply_accumulates() -> None:
    assert gradients(cnncalc.loads("input: 4x4x2\nlayers: [batch_norm, relu]")) == []


def test_a_pattern_that_matches_nothing() -> None:
    with pytest.raises(DocumentError, match="no parameter is called `third"):
        gradients(cnncalc.loads(CHAIN), ["third.*"])


# By loops -------------------------------------------------------------------------------------------------------------

Place = tuple[int, ...]


def places(sizes: Sequence[int]) -> Iterator[Place]:
    return product(*map(range, sizes))


class Values(dict[Place, int]):
    """Small random numbers, one a place."""

    def __init__(self, *sizes: int) -> None:
        super().__init__({place: random.randint(-9, 9) for place in places(sizes)})


random = Random(1)


def inner(a: dict[Place, int], b: dict[Place, int]) -> int:
    assert a.keys() == b.keys()
    return sum(a[place] * b[place] for place in a)


def counts_of_convolution(
    channels: int, sizes: Place, out: int, kernel: Place, stride: int, padding: int, dilation: int, groups: int
) -> tuple[Row, Place]:
    """Products of the forward pass and of both gradients, each summed up from its own side; and the output's sizes.

    Padding is part of the image here. <dy, y> = <dw, w> = <dx, x> shows that the sums are what they say.
    """
    sizes = tuple(size + 2 * padding for size in sizes)
    span = tuple(dilation * (k - 1) + 1 for k in kernel)
    outs = tuple((n - f) // stride + 1 for n, f in zip(sizes, span, strict=True))
    ins, fan = channels // groups, out // groups
    x, w, dy = Values(channels, *sizes), Values(out, ins, *kernel), Values(out, *outs)

    def read(o: int, i: int, at: Place, tap: Place) -> Place:
        return (o // fan * ins + i, *[stride * p + dilation * t for p, t in zip(at, tap, strict=True)])

    forward = to_weights = to_inputs = 0
    y, dw, dx = dict.fromkeys(dy, 0), dict.fromkeys(w, 0), dict.fromkeys(x, 0)
    for o, *at in y:
        for i, *tap in places((ins, *kernel)):
            y[(o, *at)] += w[(o, i, *tap)] * x[read(o, i, tuple(at), tuple(tap))]
            forward += 1
    for o, i, *tap in dw:
        for at_ in places(outs):
            dw[(o, i, *tap)] += dy[(o, *at_)] * x[read(o, i, at_, tuple(tap))]
            to_weights += 1
    for c, *place in dx:
        group, i = divmod(c, ins)
        for o in range(group * fan, (group + 1) * fan):
            for tap_ in places(kernel):
                from_first = [p - dilation * t for p, t in zip(place, tap_, strict=True)]
                at_ = tuple(distance // stride for distance in from_first)
                if not any(distance % stride for distance in from_first) and (o, *at_) in dy:
                    dx[(c, *place)] += w[(o, i, *tap_)] * dy[(o, *at_)]
                    to_inputs += 1
    assert inner(dy, y) == inner(dw, w) == inner(dx, x)
    return (forward, to_weights, to_inputs), outs


def counts_of_transposed(channels: int, sizes: Place, out: int, kernel: Place, stride: int, groups: int) -> Row:
    """The same for the transposed convolution, whose output is whole: what padding cuts off counts too."""
    ins, fan = channels // groups, out // groups
    whole = tuple((n - 1) * stride + k for n, k in zip(sizes, kernel, strict=True))
    x, w, dy = Values(channels, *sizes), Values(channels, fan, *kernel), Values(out, *whole)

    def made(c: int, j: int, at: Sequence[int], tap: Sequence[int]) -> Place:
        return (c // ins * fan + j, *[stride * p + t for p, t in zip(at, tap, strict=True)])

    forward = to_weights = to_inputs = 0
    y, dw, dx = dict.fromkeys(dy, 0), dict.fromkeys(w, 0), dict.fromkeys(x, 0)
    for o, *place in y:
        group, j = divmod(o, fan)
        for c in range(group * ins, (group + 1) * ins):
            for at in places(sizes):
                tap = tuple(p - stride * a for p, a in zip(place, at, strict=True))
                if (c, j, *tap) in w:
                    y[(o, *place)] += w[(c, j, *tap)] * x[(c, *at)]
                    forward += 1
    for c, j, *taps in dw:
        for at in places(sizes):
            dw[(c, j, *taps)] += dy[made(c, j, at, taps)] * x[(c, *at)]
            to_weights += 1
    for c, *ats in dx:
        for j, *taps in places((fan, *kernel)):
            dx[(c, *ats)] += dy[made(c, j, ats, taps)] * w[(c, j, *taps)]
            to_inputs += 1
    assert inner(dy, y) == inner(dw, w) == inner(dx, x)
    return forward, to_weights, to_inputs


def macs(facts: Facts) -> Row:
    return (facts.macs,) * 3


CONVOLUTIONS = [
    # channels, sizes, out, kernel, stride, padding, dilation, groups
    pytest.param(3, (9,), 4, (3,), 1, 0, 1, 1, id="1-d"),
    pytest.param(4, (11,), 6, (3,), 2, 1, 2, 2, id="1-d-in-groups"),
    pytest.param(3, (7, 6), 4, (3, 2), 1, 0, 1, 1, id="plain"),
    pytest.param(2, (7, 6), 3, (3, 2), 2, 1, 1, 1, id="strided-and-padded"),
    pytest.param(2, (8, 9), 3, (2, 3), 3, 2, 2, 1, id="steps-over-places"),
    pytest.param(4, (6, 5), 6, (3, 3), 1, 1, 1, 2, id="in-groups"),
    pytest.param(6, (6, 5), 3, (2, 3), 2, 0, 1, 3, id="in-groups-that-narrow"),
    pytest.param(4, (6, 5), 4, (3, 3), 1, 1, 1, 4, id="depthwise"),
    pytest.param(3, (6, 5), 6, (3, 2), 2, 1, 1, 3, id="depthwise-twice"),
    pytest.param(2, (4, 3, 5), 4, (2, 3, 2), 1, 1, 1, 2, id="3-d"),
]


@pytest.mark.parametrize(
    ("channels", "sizes", "out", "kernel", "stride", "padding", "dilation", "groups"), CONVOLUTIONS
)
def test_each_gradient_takes_as_many_products(
    channels: int, sizes: Place, out: int, kernel: Place, stride: int, padding: int, dilation: int, groups: int
) -> None:
    counted, outs = counts_of_convolution(channels, sizes, out, kernel, stride, padding, dilation, groups)
    same: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    facts = Conv(out_channels=out, groups=groups, **same).facts(((channels, *sizes),))
    assert facts.output == (out, *outs)
    assert counted == macs(facts)
    if groups == channels:
        assert counted == macs(DepthwiseConv(multiplier=out // channels, **same).facts(((channels, *sizes),)))
    if groups == 1:  # its own weights at every place: one product each, of as many places
        local = LocallyConnected(out_channels=out, **same).facts(((channels, *sizes),))
        assert counted == macs(local)
        assert local.macs == prod(local.parameters[0].shape)


@pytest.mark.parametrize(
    ("channels", "sizes", "out", "kernel", "stride", "groups"),
    [
        pytest.param(3, (5,), 2, (3,), 2, 1, id="1-d"),
        pytest.param(3, (4, 5), 2, (3, 2), 2, 1, id="2-d"),
        pytest.param(4, (4, 3), 6, (2, 3), 1, 2, id="in-groups"),
        pytest.param(3, (4, 3), 3, (2, 2), 3, 3, id="depthwise"),
        pytest.param(2, (2, 3, 2), 4, (2, 1, 3), 2, 2, id="3-d"),
    ],
)
def test_of_a_transposed_convolution_too(
    channels: int, sizes: Place, out: int, kernel: Place, stride: int, groups: int
) -> None:
    layer = ConvTranspose(out_channels=out, kernel_size=kernel, stride=stride, groups=groups)
    facts = layer.facts(((channels, *sizes),))
    assert counts_of_transposed(channels, sizes, out, kernel, stride, groups) == macs(facts)
