from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache, reduce
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.passes.receptive_field import Field, receptive_fields

by_sets = settings(derandomize=True, max_examples=200, deadline=None)


def field_of(document: str, layer: str = "") -> Field | None:
    """The field of the layer of that name, or of the network's last layer."""
    network = cnncalc.loads(document)
    return receptive_fields(network)[network[layer] if layer else network.nodes[-1]]


def placed(document: str, layer: str = "") -> tuple[Any, Any, Any]:
    """Size, jump and start along each axis."""
    field = field_of(document, layer)
    assert field is not None
    return field.size, field.jump, field.start


# Published figures ----------------------------------------------------------------------------------------------------


@cache
def zoo(name: str) -> dict[str, Field | None]:
    return {node.name: field for node, field in receptive_fields(cnncalc.load(name)).items()}


def square(name: str, layer: str) -> tuple[int, Fraction, int]:
    """Size, jump and padding of a field that is the same along both axes."""
    field = zoo(name)[layer]
    assert field is not None
    assert field.jump is not None
    assert field.start is not None
    (size,), (jump,), (start,) = set(field.size), set(field.jump), set(field.start)
    return size, jump, -start


# Araujo, Norris & Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks"; the table of their library,
# google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md: receptive field, effective stride, effective padding.
@pytest.mark.parametrize(
    ("name", "layer", "size", "jump", "padding"),
    [
        ("alexnet", "conv1", 11, 4, 0),
        ("alexnet", "pool1", 19, 8, 0),
        ("alexnet", "conv2", 51, 8, 16),
        ("alexnet", "conv3", 99, 16, 32),
        ("alexnet", "conv4", 131, 16, 48),
        ("alexnet", "conv5", 163, 16, 64),
        ("alexnet", "pool5", 195, 32, 64),
        ("vgg11", "stage1.conv.0", 3, 1, 1),
        ("vgg11", "stage1.max_pool", 4, 2, 1),
        ("vgg11", "stage2.conv.0", 8, 2, 3),
        ("vgg11", "stage2.max_pool", 10, 4, 3),
        ("vgg11", "stage3.conv.0", 18, 4, 7),
        ("vgg11", "stage3.conv.1", 26, 4, 11),
        ("vgg11", "stage3.max_pool", 30, 8, 11),
        ("vgg11", "stage4.conv.0", 46, 8, 19),
        ("vgg11", "stage4.conv.1", 62, 8, 27),
        ("vgg11", "stage4.max_pool", 70, 16, 27),
        ("vgg11", "stage5.conv.0", 102, 16, 43),
        ("vgg11", "stage5.conv.1", 134, 16, 59),
        ("vgg11", "stage5.max_pool", 150, 32, 59),
        ("vgg16", "stage1.conv.0", 3, 1, 1),
        ("vgg16", "stage1.max_pool", 6, 2, 2),
        ("vgg16", "stage2.conv.0", 10, 2, 4),
        ("vgg16", "stage2.max_pool", 16, 4, 6),
        ("vgg16", "stage3.conv.0", 24, 4, 10),
        ("vgg16", "stage3.conv.1", 32, 4, 14),
        ("vgg16", "stage3.max_pool", 44, 8, 18),
        ("vgg16", "stage4.conv.0", 60, 8, 26),
        ("vgg16", "stage4.conv.1", 76, 8, 34),
        ("vgg16", "stage4.max_pool", 100, 16, 42),
        ("vgg16", "stage5.conv.0", 132, 16, 58),
        ("vgg16", "stage5.conv.1", 164, 16, 74),
        ("vgg16", "stage5.max_pool", 212, 32, 90),
    ],
)
def test_published(name: str, layer: str, size: int, jump: int, padding: int) -> None:
    assert square(name, layer) == (size, jump, padding)


# The same table, where paddings depend on the size of the image: receptive field and effective stride.
@pytest.mark.parametrize(
    ("layer", "size", "jump"),
    [
        ("conv1", 3, 2),
        ("separable1.pointwise", 7, 2),
        ("separable2.pointwise", 11, 4),
        ("separable3.pointwise", 19, 4),
        ("separable4.pointwise", 27, 8),
        ("separable5.pointwise", 43, 8),
        ("separable6.pointwise", 59, 16),
        ("separable7.0.pointwise", 91, 16),
        ("separable7.4.pointwise", 219, 16),
        ("separable8.pointwise", 251, 32),
        ("separable9.pointwise", 315, 32),
    ],
)
def test_published_mobilenet(layer: str, size: int, jump: int) -> None:
    assert square("mobilenet_v1", layer)[:2] == (size, jump)


def test_residual_network_by_hand() -> None:
    """ResNet-50 with the stride in the 3x3 ("v1.5"): each 3x3 adds twice the jump that it reads."""
    size, jump = 7, 2  # conv1
    size, jump = size + 2 * jump, 2 * jump  # maxpool: 11, 4
    for stage, depth in [("layer1", 3), ("layer2", 4), ("layer3", 6), ("layer4", 3)]:
        for unit in range(depth):
            size += 2 * jump
            jump *= 2 if unit == 0 and stage != "layer1" else 1
        assert square("resnet50", f"{stage}.{depth - 1}.conv3.conv")[:2] == (size, jump)
    assert (size, jump) == (427, 32)
    for stage, size in [("layer1", 35), ("layer2", 91), ("layer3", 267), ("layer4", 427)]:
        last = [name for name in zoo("resnet50") if name.startswith(f"{stage}.") and name.endswith(".add")][-1]
        assert square("resnet50", last)[0] == size


def test_residual_network_with_the_papers_strides_by_hand() -> None:
    """A 3x3 after the strided 1x1 works at the new jump: 35 + 4·16 = 99, + 6·32 = 291, + 3·64 = 483."""
    for layer, size, jump in [("layer1.2", 35, 4), ("layer2.3", 99, 8), ("layer3.5", 291, 16), ("layer4.2", 483, 32)]:
        assert square("resnet50_paper", f"{layer}.conv3.conv")[:2] == (size, jump)


def test_inception_v3() -> None:
    """Araujo et al. 2019, table 1: 1311, effective stride 32."""
    assert square("inception_v3", "Mixed_7c.concat")[:2] == (1311, 32)


def test_unet() -> None:
    """Down by hand, up by sets: which of the copies it stands on decides how much a unit sees; the largest counts.

    Each level has two windows of 3 and halves the map: 5 = 1 + 2·2·1, 14 = 5 + 1 + 2·2·2, 32 = 14 + 2 + 2·2·4, 68, 140.
    """
    for layer, size in [("conv1", 5), ("conv2", 14), ("conv3", 32), ("conv4", 68), ("conv5", 140)]:
        assert square("unet", f"{layer}.conv2")[0] == size
    seen = through(lambda o: frozenset((o,)), [window(3), window(3)])
    for _ in range(4):
        seen = through(seen, [window(2, stride=2), window(3), window(3)])
    for layer, units in [("conv6.conv2", 52), ("conv7.conv2", 100), ("conv8.conv2", 196), ("conv9.conv2", 388)]:
        seen = through(seen, [copies(2), window(3), window(3)])
        assert square("unet", layer)[0] == max(extent(seen(o)) for o in range(units))


@pytest.mark.parametrize(("count", "size"), [(1, 3), (2, 5), (3, 7), (5, 11)])
def test_stacked_3x3(count: int, size: int) -> None:
    """n windows of 3: 2n + 1 (Simonyan & Zisserman 2014, section 2.3, says 5 and 7)."""
    document = f"{{input: 20x30x1, layers: [{{conv: {{out_channels: 1, kernel_size: 3}}, repeat: {count}}}]}}"
    assert placed(document) == ((size, size), (1, 1), (0, 0))


# By hand --------------------------------------------------------------------------------------------------------------


def layers(*written: str, input: str = "12x18x4") -> str:
    return f"input: {input}\nlayers: [{', '.join(written)}]"


CONV = "{conv: {out_channels: 4, kernel_size: 3}}"
PADDED = "{conv: {out_channels: 4, kernel_size: 3, padding: 1}}"
HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ("document", "size", "jump", "start"),
    [
        pytest.param(
            layers("{conv: {out_channels: 2, kernel_size: [3, 5], stride: [1, 2], padding: [0, 2]}}"),
            (3, 5),
            (1, 2),
            (0, -2),
            id="an-axis-each",
        ),
        pytest.param(
            layers("{conv: {out_channels: 2, kernel_size: 3, dilation: 2, padding: [[3, 1], [0, 2]]}}"),
            (5, 5),  # 2·(3 - 1) + 1
            (1, 1),
            (-3, 0),
            id="dilated-padded-unequally",
        ),
        pytest.param(layers("{max_pool: 2}", CONV), (2 + 2 * 2,) * 2, (2, 2), (0, 0), id="pool-then-conv"),
        pytest.param(layers("relu", "{dropout: 0.5}", "batch_norm"), (1, 1), (1, 1), (0, 0), id="pointwise"),
        pytest.param(layers("{upsample: 2}"), (1, 1), (HALF, HALF), (0, 0), id="nearest"),
        # units 0 0 1 1 2 2 ...: three in a row read two pixels
        pytest.param(layers("{upsample: 2}", CONV), (2, 2), (HALF, HALF), (0, 0), id="nearest-then-conv"),
        # at ×3, units 2 3 4 read pixels 0 1 1: never three
        pytest.param(layers("{upsample: 3}", CONV), (2, 2), (Fraction(1, 3),) * 2, (0, 0), id="nearest-times-3"),
        # a unit between two pixels reads both
        pytest.param(
            layers("{upsample: {scale_factor: 2, mode: bilinear}}"), (2, 2), (HALF, HALF), (0, 0), id="bilinear"
        ),
        # a pixel is spread over 4 units, 2 apart: a unit gets the share of 2 pixels; unit 0 those of -1 and 0
        pytest.param(
            layers("{conv_transpose: {out_channels: 2, kernel_size: 4, stride: 2, padding: 1}}"),
            (2, 2),
            (HALF, HALF),
            (-1, -1),
            id="transposed",
        ),
        # 12 to 5: windows of 3 (0-2, 2-4, 4-7 ...) and of 4; 18 to 5: 4 (0-3, 3-7 ...) and 5
        pytest.param(
            layers("{adaptive_avg_pool: 5}"), (4, 5), (Fraction(12, 5), Fraction(18, 5)), (0, 0), id="adaptive"
        ),
        pytest.param(layers("{crop: {sides: [1, 4]}}"), (1, 1), (1, 1), (1, 4), id="crop"),
        pytest.param(layers("{pad: [1, 4]}", CONV), (3, 3), (1, 1), (-1, -4), id="pad"),
        pytest.param(layers("{slice: {axis: 2, start: 1, step: 3}}", CONV), (3, 7), (1, 3), (0, 1), id="slice"),
        pytest.param(layers("{slice: {start: 1}}", CONV), (3, 3), (1, 1), (0, 0), id="slice-of-channels"),
        pytest.param(layers("{space_to_depth: 2}", CONV), (6, 6), (2, 2), (0, 0), id="space-to-depth"),
        pytest.param(layers("{pixel_shuffle: 2}", PADDED), (2, 2), (HALF, HALF), (-1, -1), id="pixel-shuffle"),
        pytest.param(
            layers("{conv: {out_channels: 4, kernel_size: [3, 5]}}", "{permute: [0, 2, 1]}"),
            (3, 5),  # in axes of the input
            (1, 1),
            (0, 0),
            id="axes-swapped",
        ),
        pytest.param(
            layers("{permute: [0, 2, 1]}", "{conv: {out_channels: 4, kernel_size: [3, 5], stride: [2, 1]}}"),
            (5, 3),  # rows of the map are columns of the input
            (1, 2),
            (0, 0),
            id="axes-swapped-before",
        ),
        pytest.param(layers("global_avg_pool"), (12, 18), (0, 0), (0, 0), id="global"),
        pytest.param(layers(PADDED, "global_max_pool"), (14, 20), (0, 0), (-1, -1), id="global-with-padding"),
        pytest.param(layers("global_avg_pool", "{upsample: 4}"), (12, 18), (0, 0), (0, 0), id="global-and-back"),
        pytest.param(layers("{linear: 5}"), (12, 18), None, None, id="dense"),
        pytest.param(layers(CONV, "flatten", "{linear: 5}", "relu"), (12, 18), None, None, id="dense-after-conv"),
        # (12 - 3) // 4 + 1 = 3 rows: the last reads row 10, so that nothing sees row 11; 18 columns: 4, up to 14
        pytest.param(
            layers("{conv: {out_channels: 1, kernel_size: 3, stride: 4}}", "{linear: 5}"),
            (11, 15),
            None,
            None,
            id="dense-over-what-was-read",
        ),
        pytest.param(layers(CONV, "flatten"), (3, 3), None, None, id="flatten"),
        pytest.param(
            layers("flatten", "{linear: 4}", "{reshape: [4, 1, 1]}"), (12, 18), (0, 0), (0, 0), id="placed-again"
        ),
        pytest.param(layers(f"{{add: [[{PADDED}], identity]}}"), (3, 3), (1, 1), (-1, -1), id="residual"),
        pytest.param(
            layers(f"{{concat: [[{PADDED}, {PADDED}], [{{pad: 2}}, {{conv: {{out_channels: 1, kernel_size: 5}}}}]]}}"),
            (5, 5),
            (1, 1),
            (-2, -2),
            id="equal-paths",
        ),
        # unit o of one path is pixel o, of the other pixel o + 4
        pytest.param(
            layers("{concat: [{crop: {sides: [[0, 4], [0, 2]]}}, {crop: {sides: [[4, 0], [2, 0]]}}]}"),
            (5, 3),
            (1, 1),
            (0, 0),
            id="hull-of-paths",
        ),
        # a squeeze-and-excitation gate: each factor depends on the whole map
        pytest.param(
            layers("{multiply: [identity, [global_avg_pool, {conv: {out_channels: 4, kernel_size: 1}}, sigmoid]]}"),
            (12, 18),
            (0, 0),
            (0, 0),
            id="gate",
        ),
        pytest.param(layers(CONV, input="30x4"), (3,), (1,), (0,), id="1-D"),
        pytest.param(
            layers(PADDED, "{max_pool: [1, 2, 3]}", input="4x12x18x4"), (3, 4, 5), (1, 2, 3), (-1,) * 3, id="3-D"
        ),
    ],
)
def test_by_hand(document: str, size: tuple[int, ...], jump: Any, start: Any) -> None:
    assert placed(document) == (size, jump, start)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(layers("{linear: 5}", input="7"), id="a-vector-has-no-axes"),
        pytest.param(layers("flatten", "{slice: {stop: 10}}"), id="part-of-a-flattened-map"),
        pytest.param(layers("{concat: {axis: 1, paths: [identity, identity]}}"), id="joined-along-an-axis"),
        pytest.param(layers(CONV, "flatten", "{reshape: [4, 10, 16]}", CONV), id="a-window-over-lost-places"),
        pytest.param(layers("{permute: [1, 2, 0]}", "{max_pool: 2}"), id="a-window-over-channels"),
    ],
)
def test_untracked(document: str) -> None:
    assert field_of(document) is None


def test_a_product_of_two_inputs_is_untracked() -> None:
    """It has the shape of each, and a unit sees a row of one and a column of the other."""
    document = "inputs: {left: 6x6x3, right: 6x6x3}\nlayers: [{name: product, matmul: [left, right]}]"
    assert field_of(document, "product") is None


@pytest.mark.parametrize(
    ("filters", "size", "start"),
    [
        pytest.param("[{crop: [1, 1]}, {linear: 9}]", (5, 5), (-1, -1), id="of-the-middle"),
        pytest.param("[global_avg_pool, {linear: 9}]", (8, 8), (-1, -1), id="of-everything"),
        pytest.param("[{crop: {sides: [[2, 4], [5, 1]]}}, {linear: 9}]", (4, 7), (-1, -1), id="of-a-corner"),
    ],
)
def test_computed_filters_are_seen_beside_the_window(filters: str, size: Any, start: Any) -> None:
    """A window of 3 from -1, in the first place of a 7x7 map, and all pixels that the filters are made of."""
    layer = f"{{dynamic_conv: {{paths: [identity, {filters}], out_channels: 1, kernel_size: 3, padding: 1}}}}"
    field = field_of(f"input: 7x7x1\nlayers: [{layer}, {{crop: {{sides: [[0, 6], [0, 6]]}}}}]")
    assert field is not None
    assert (field.size, field.start) == (size, start)


def test_several_inputs_are_seen_from_the_first() -> None:
    network = cnncalc.loads("""
        inputs: {image: 12x12x3, mask: 12x12x1}
        layers:
          - {name: near, conv: {out_channels: 1, kernel_size: 3, padding: 1}, from: mask}
          - {name: far, conv: {out_channels: 1, kernel_size: 5, padding: 2}, from: image}
          - {name: both, concat: [near, far]}
        """)
    fields = {node.name: field for node, field in receptive_fields(network).items()}
    found = {name: (field.input.name, field.size) for name, field in fields.items() if field is not None}
    assert found == {"near": ("mask", (3, 3)), "far": ("image", (5, 5)), "both": ("image", (5, 5))}


# By sets of pixels ----------------------------------------------------------------------------------------------------

Seen = Callable[[int], frozenset[int]]  # which pixels unit o sees along an axis; a unit in the padding counts on
Reads = Callable[[int], Iterable[int]]  # which units of the map before it unit o reads


def through(seen: Seen, reads: Iterable[Reads]) -> Seen:
    return reduce(after, reads, seen)


def after(seen: Seen, reads: Reads) -> Seen:
    @cache
    def both(o: int) -> frozenset[int]:
        return frozenset().union(*[seen(i) for i in reads(o)])

    return both


def extent(pixels: frozenset[int]) -> int:
    return max(pixels) - min(pixels) + 1


def window(kernel: int, stride: int = 1, before: int = 0, dilation: int = 1) -> Reads:
    return lambda o: [o * stride - before + k * dilation for k in range(kernel)]


def spread(kernel: int, stride: int, before: int) -> Reads:
    """A transposed convolution: unit i reaches the units i·stride - before + k."""
    return lambda o: [(o + before - k) // stride for k in range(kernel) if (o + before - k) % stride == 0]


def copies(factor: int) -> Reads:
    return lambda o: [o // factor]


def adaptive(W: int, O: int) -> Reads:
    return lambda o: range(o * W // O, -(-(o + 1) * W // O))


class Drawn(NamedTuple):
    """A piece of a random network: its layers, what they read along each of two axes, jumps and sizes after it."""

    layers: list[Any]
    seen: tuple[Seen, Seen]
    jump: tuple[Fraction, Fraction]
    sizes: tuple[int, int]

    def then(self, layer: Any, reads: list[Reads], ratio: list[Fraction], sizes: list[int]) -> Drawn:
        return Drawn(
            [*self.layers, layer],
            (after(self.seen[0], reads[0]), after(self.seen[1], reads[1])),
            (self.jump[0] * ratio[0], self.jump[1] * ratio[1]),
            (sizes[0], sizes[1]),
        )


def start(sizes: tuple[int, int]) -> Drawn:
    return Drawn([], (lambda o: frozenset((o,)), lambda o: frozenset((o,))), (Fraction(1), Fraction(1)), sizes)


def each(axis: Callable[[int], Any]) -> list[Any]:
    return [axis(0), axis(1)]


def a_window(draw: st.DrawFn, so_far: Drawn) -> Drawn:
    kernel = each(lambda a: draw(st.integers(1, 4)))
    dilation = each(lambda a: draw(st.integers(1, 2)))
    span = each(lambda a: dilation[a] * (kernel[a] - 1) + 1)
    stride = each(lambda a: draw(st.integers(1, 3)))
    padding = each(lambda a: [draw(st.integers(0, span[a])), draw(st.integers(0, span[a]))])
    room = each(lambda a: so_far.sizes[a] + sum(padding[a]) - span[a])
    if min(room) < 0:
        return so_far
    fields = {"kernel_size": kernel, "dilation": dilation, "stride": stride, "padding": padding}
    return so_far.then(
        {"conv": {"out_channels": 4, **fields}},
        each(lambda a: window(kernel[a], stride[a], padding[a][0], dilation[a])),
        each(lambda a: Fraction(stride[a])),
        each(lambda a: room[a] // stride[a] + 1),
    )


def a_transposed_window(draw: st.DrawFn, so_far: Drawn) -> Drawn:
    """Kernels at least as large as the stride: every output reads something."""
    kernel = each(lambda a: draw(st.integers(1, 4)))
    stride = each(lambda a: draw(st.integers(1, kernel[a])))
    padding = each(lambda a: draw(st.integers(0, kernel[a] - 1)))
    more = each(lambda a: draw(st.integers(0, stride[a] - 1)))
    sizes = each(lambda a: (so_far.sizes[a] - 1) * stride[a] + kernel[a] - 2 * padding[a] + more[a])
    if min(sizes) < 1 or max(sizes) > 60:
        return so_far
    fields = {"kernel_size": kernel, "stride": stride, "padding": padding, "output_padding": more}
    return so_far.then(
        {"conv_transpose": {"out_channels": 4, **fields}},
        each(lambda a: spread(kernel[a], stride[a], padding[a])),
        each(lambda a: Fraction(1, stride[a])),
        sizes,
    )


def an_adaptive_pool(draw: st.DrawFn, so_far: Drawn) -> Drawn:
    W = so_far.sizes
    O = each(lambda a: draw(st.integers(1, W[a] + 2)))
    return so_far.then(
        {"adaptive_max_pool": O}, each(lambda a: adaptive(W[a], O[a])), each(lambda a: Fraction(W[a], O[a])), O
    )


def an_upsampling(draw: st.DrawFn, so_far: Drawn) -> Drawn:
    factor = each(lambda a: draw(st.integers(1, 3)))
    if max(so_far.sizes) > 20:
        return so_far
    sizes = each(lambda a: so_far.sizes[a] * factor[a])
    ratio = each(lambda a: Fraction(1, factor[a]))
    if draw(st.booleans()) and factor[0] == factor[1]:
        layer: Any = {"pixel_shuffle": factor[0]}
        widen = {"conv": {"out_channels": 4 * factor[0] ** 2, "kernel_size": 1}}
        so_far = Drawn([*so_far.layers, widen], *so_far[1:])
    else:
        layer = {"upsample": factor}
    return so_far.then(layer, each(lambda a: copies(factor[a])), ratio, sizes)


def a_part(draw: st.DrawFn, so_far: Drawn) -> Drawn:
    """Crop, pad, slice: places move, and may lie `step` apart."""
    before, beyond = each(lambda a: draw(st.integers(0, 2))), each(lambda a: draw(st.integers(0, 2)))
    what = draw(st.sampled_from(("crop", "pad", "slice", "space_to_depth")))
    W = so_far.sizes
    one = [Fraction(1), Fraction(1)]
    if what == "space_to_depth" and W[0] % 2 == W[1] % 2 == 0:
        halves = each(lambda a: W[a] // 2)
        so_far = so_far.then({"space_to_depth": 2}, [window(2, 2), window(2, 2)], [Fraction(2)] * 2, halves)
        return Drawn([*so_far.layers, {"slice": {"stop": 4}}], *so_far[1:])
    if what == "pad":
        sizes = each(lambda a: before[a] + W[a] + beyond[a])
        sides = each(lambda a: [before[a], beyond[a]])
        return so_far.then({"pad": sides}, each(lambda a: window(1, before=before[a])), one, sizes)
    if min(each(lambda a: W[a] - before[a] - beyond[a])) < 1:
        return so_far
    if what == "crop":
        sizes = each(lambda a: W[a] - before[a] - beyond[a])
        sides = each(lambda a: [before[a], beyond[a]])
        return so_far.then({"crop": {"sides": sides}}, each(lambda a: window(1, before=-before[a])), one, sizes)
    step = draw(st.integers(1, 3))
    kept = range(before[1], W[1], step)
    layer = {"slice": {"axis": 2, "start": before[1], "step": step}}
    return so_far.then(
        layer, [window(1), window(1, step, -before[1])], [Fraction(1), Fraction(step)], [W[0], len(kept)]
    )


PIECES = (a_window, a_window, a_transposed_window, an_adaptive_pool, an_upsampling, a_part)


def a_path(draw: st.DrawFn, stride: int, widest: int) -> tuple[list[Any], list[Reads]]:
    """A path whose output has the same size for every path of this stride: odd windows, half padded."""
    layers, reads = [], []
    for position in range(draw(st.integers(0 if stride == 1 else 1, 2))):
        half = each(lambda a: draw(st.integers(0, widest)))
        kernel, step = [2 * size + 1 for size in half], stride if position == 0 else 1
        fields = {"kernel_size": kernel, "padding": half, "stride": step}
        layers.append({"conv": {"out_channels": 4, **fields}})
        reads.append([window(kernel[a], step, half[a]) for a in (0, 1)])
    return layers, [merged_reads([reads[n][a] for n in range(len(reads))]) for a in (0, 1)]


def merged_reads(reads: list[Reads]) -> Reads:
    return through(lambda o: frozenset((o,)), reads)


def a_merge(draw: st.DrawFn, so_far: Drawn) -> Drawn:
    stride = draw(st.integers(1, 2))
    paths = [a_path(draw, stride, 2) for _ in range(draw(st.integers(2, 3)))]

    def union(a: int) -> Reads:
        return lambda o: frozenset().union(*[frozenset(reads[a](o)) for _, reads in paths])

    channels = {"conv": {"out_channels": 4, "kernel_size": 1}}
    merge = {draw(st.sampled_from(("add", "concat", "multiply"))): [written for written, _ in paths]}
    sizes = each(lambda a: (so_far.sizes[a] - 1) // stride + 1)
    after_it = so_far.then(merge, each(union), [Fraction(stride)] * 2, sizes)
    return Drawn([*after_it.layers, channels], *after_it[1:])


@st.composite
def networks(draw: st.DrawFn, pieces: tuple[Callable[[st.DrawFn, Drawn], Drawn], ...]) -> tuple[str, Drawn]:
    sizes = (draw(st.integers(6, 24)), draw(st.integers(6, 24)))
    drawn = start(sizes)
    for _ in range(draw(st.integers(1, 5))):
        drawn = draw(st.sampled_from(pieces))(draw, drawn)
    return json.dumps({"input": [4, *sizes], "layers": [*drawn.layers, "relu"]}), drawn


def agree(document: str, drawn: Drawn) -> None:
    size, jump, begin = placed(document)
    assert size == tuple(max(extent(drawn.seen[a](o)) for o in range(drawn.sizes[a])) for a in (0, 1))
    assert jump == drawn.jump
    assert begin == tuple(min(drawn.seen[a](0)) for a in (0, 1))


@by_sets
@given(network=networks(PIECES))
def test_chains_by_sets(network: tuple[str, Drawn]) -> None:
    agree(*network)


@by_sets
@given(network=networks((a_merge, a_merge, a_window, an_upsampling, a_part)))
def test_branches_by_sets(network: tuple[str, Drawn]) -> None:
    agree(*network)


@by_sets
@given(network=networks((a_merge, a_window, an_adaptive_pool)))
def test_dense_by_sets(network: tuple[str, Drawn]) -> None:
    """A dense layer sees from the first pixel that a unit sees to the last."""
    document, drawn = network
    described = json.loads(document)
    described["layers"].append({"linear": 3})
    seen = [frozenset().union(*[drawn.seen[a](o) for o in range(drawn.sizes[a])]) for a in (0, 1)]
    assert placed(json.dumps(described)) == (tuple(map(extent, seen)), None, None)


@st.composite
def unequal_jumps(draw: st.DrawFn) -> tuple[str, Seen, int]:
    """Down by a pool and back to just the size that was, beside a path that keeps it; then a window over both."""
    W, S = draw(st.integers(6, 24)), draw(st.integers(2, 3))
    K, half = draw(st.integers(S, 4)), draw(st.integers(0, 2))
    F, stride = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    P = draw(st.integers(0, F))
    V = (W - K) // S + 1
    there_and_back = through(lambda o: frozenset((o,)), [window(K, S), lambda o: [o * V // W]])
    beside = window(2 * half + 1, before=half)
    seen = after(lambda o: there_and_back(o) | frozenset(beside(o)), window(F, stride, P))
    paths = [
        [{"max_pool": {"kernel_size": K, "stride": S}}, {"upsample": {"size": W}}],
        [{"conv": {"out_channels": 1, "kernel_size": 2 * half + 1, "padding": half}}],
    ]
    last = {"conv": {"out_channels": 1, "kernel_size": F, "stride": stride, "padding": P}}
    return json.dumps({"input": [1, W], "layers": [{"concat": paths}, last]}), seen, (W + 2 * P - F) // stride + 1


@by_sets
@given(network=unequal_jumps())
def test_paths_of_unequal_jumps_by_sets(network: tuple[str, Seen, int]) -> None:
    document, seen, units = network
    (size,), _, (begin,) = placed(document)
    assert (size, begin) == (max(extent(seen(o)) for o in range(units)), min(seen(0)))
