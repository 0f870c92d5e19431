"""Layers that move values about without computing: flatten, reshape, permute, pad, crop, slice, shuffle."""

from math import prod
from typing import Annotated, Any, Literal

from cnncalc import formulas
from cnncalc.indexing import IDENTITY, linear, scaled_down
from cnncalc.layers.base import (
    POINTWISE,
    REARRANGED,
    AxesSwapped,
    AxisReach,
    Layer,
    LayerError,
    Reach,
    across_channels,
    along,
    check_axis,
    check_divides,
    per_axis,
    sides,
    spatial,
)
from cnncalc.layers.fields import (
    AnyInt,
    NonNegativeInt,
    OptionalInt,
    OptionalSides,
    OptionalSizes,
    PositiveInt,
    Real,
    Sides,
    Takes,
    choice,
)
from cnncalc.shapes import LARGEST_SIZE, Shape, elements, sizes_text


def _sizes_or_rest(value: Any) -> bool:
    """Sizes, one of which may be -1."""
    sizes = value if type(value) is tuple else (value,)
    return all(size.__class__ is int and (size == -1 or 1 <= size <= LARGEST_SIZE) for size in sizes)


class View(Layer):
    """A kind whose output is its input's memory read in another shape."""

    @property
    def shares_input(self) -> bool:
        return True


class Identity(View):
    kind = "identity"
    summary = "passes its input through"


class Flatten(View):
    kind = "flatten"
    summary = "all values as one vector"

    def output(self, input: Shape) -> Shape:
        return (formulas.input_elements(*input),)

    def reach(self, input: Shape, output: Shape) -> Reach:
        return REARRANGED if len(input) > 1 else POINTWISE


class Reshape(View):
    """The same values in another shape [channels, *spatial]; one size may be -1."""

    kind = "reshape"
    main = "shape"
    summary = "the same values as [channels, *spatial]; one size may be -1"
    shape: Annotated[int | tuple[int, ...], Takes("a list of sizes, channels first; one may be -1", _sizes_or_rest)]

    def output(self, input: Shape) -> Shape:
        shape = (self.shape,) if isinstance(self.shape, int) else self.shape
        if len(shape) > 4:
            raise LayerError(
                "reshape-sizes",
                f"{list(shape)} has {len(shape) - 1} spatial dimensions; layers work in up to 3",
                field="shape",
            )
        given = [size for size in shape if size != -1]
        known = prod(given)
        free = shape.count(-1)
        if not shape or 0 in shape or free > 1:
            raise LayerError(
                "reshape-sizes", f"{list(shape)} is not a shape: sizes from 1 up, at most one -1", field="shape"
            )
        if elements(input) % known or (not free and elements(input) != known):
            raise LayerError(
                "reshape-sizes",
                f"{{0}} has {elements(input):,} values, which do not fit {list(shape)}",
                input,
                field="shape",
                sources=(0,),
                help="the product of the sizes has to be the same; -1 stands for what is left",
            )
        if not free:
            return shape
        rest = formulas.rest_size(formulas.input_elements(*input), *given)
        return tuple([rest if size == -1 else size for size in shape])

    def reach(self, input: Shape, output: Shape) -> Reach:
        return POINTWISE if input == output else REARRANGED


class Permute(View):
    """Dimensions in another order; `dims` counts channels as 0 and spatial dimensions from 1."""

    kind = "permute"
    main = "dims"
    summary = "dimensions in another order, channels being 0"
    dims: Annotated[
        tuple[int, ...],
        Takes(
            "a list that names every dimension once, channels being 0",
            lambda value: type(value) is tuple and all(type(dim) is int for dim in value),
        ),
    ]

    def output(self, input: Shape) -> Shape:
        if sorted(self.dims) != list(range(len(input))):
            raise LayerError(
                "permute-dims",
                f"{list(self.dims)} does not name each of the {len(input)} dimensions once",
                field="dims",
                sources=(0,),
                help=f"use an order of {list(range(len(input)))}",
            )
        return tuple([input[dim] for dim in self.dims])

    def reach(self, input: Shape, output: Shape) -> Reach:
        if self.dims[0] != 0:
            return REARRANGED
        return AxesSwapped(tuple([dim - 1 for dim in self.dims[1:]]))


class Pad(Layer):
    """Values around the input: a constant, or its own reflected, repeated or wrapped around."""

    kind = "pad"
    main = "padding"
    summary = "values around the input: constant, reflect, replicate or circular"
    padding: Sides
    mode: Annotated[
        Literal["constant", "reflect", "replicate", "circular"],
        choice("constant", "reflect", "replicate", "circular"),
    ] = "constant"
    value: Real = 0.0

    def check(self, input: Shape) -> None:
        sizes = spatial(input, self.kind)
        room = {"reflect": -1, "circular": 0}.get(self.mode)
        if room is None:
            return
        for size, (before, after) in zip(sizes, sides(self.padding, len(sizes), "padding"), strict=True):
            if max(before, after) > size + room:
                raise LayerError(
                    "padding-exceeds-input",
                    f"{self.mode} padding of {max(before, after)} needs an input larger than {size}",
                    field="padding",
                    sources=(0,),
                    help=f"use at most {size + room}",
                )

    def output(self, input: Shape) -> Shape:
        sizes = spatial(input, self.kind)
        padding = sides(self.padding, len(sizes), "padding")
        padded = []
        for a, (W, (before, after)) in enumerate(zip(sizes, padding, strict=True)):
            with along(a, len(sizes)):
                padded.append(formulas.padded_size(W, before, after))
        return (input[0], *padded)

    def reach(self, input: Shape, output: Shape) -> Reach:
        """That of units away from the border, whatever the border is filled with."""
        padding = sides(self.padding, len(input) - 1, "padding")
        return tuple([AxisReach(linear(1, -before), linear(1, -before)) for before, _ in padding])


class Crop(View):
    """Less of the input: a centred `size` (the odd pixel goes after), or `sides` cut off."""

    kind = "crop"
    main = "size"
    summary = "a centred part of `size`, or `sides` cut off"
    size: OptionalSizes = None
    sides: OptionalSides = None

    def cuts(self, input: Shape) -> list[tuple[int, int]]:
        """(before, after) along each spatial dimension."""
        sizes = spatial(input, self.kind)
        if (self.size is None) == (self.sides is None):
            raise LayerError("crop-size-or-sides", "`crop` needs either `size` or `sides`", help="write `crop: 56`")
        if self.sides is not None:
            return sides(self.sides, len(sizes), "sides")
        assert self.size is not None
        wanted = per_axis(self.size, len(sizes), "size")
        cuts = []
        for a, (W, O) in enumerate(zip(sizes, wanted, strict=True)):
            with along(a, len(sizes)):
                cuts.append((formulas.crop_before(W, O), formulas.crop_after(W, O)))
        return cuts

    def check(self, input: Shape) -> None:
        field = "size" if self.sides is None else "sides"
        for W, (before, after) in zip(input[1:], self.cuts(input), strict=True):
            if before < 0 or after < 0 or W - before - after < 1:
                raise LayerError(
                    "crop-exceeds-input",
                    f"a crop to {W - before - after} does not fit an input of {W}",
                    field=field,
                    sources=(0,),
                )

    def output(self, input: Shape) -> Shape:
        sizes = []
        for a, (W, (before, after)) in enumerate(zip(input[1:], self.cuts(input), strict=True)):
            with along(a, len(input) - 1):
                sizes.append(formulas.cropped_size(W, before, after))
        return (input[0], *sizes)

    def reach(self, input: Shape, output: Shape) -> Reach:
        return tuple([AxisReach(linear(1, before), linear(1, before)) for before, _ in self.cuts(input)])


class Slice(View):
    """Part of one dimension, as Python's `start:stop:step`; negative numbers count from the end."""

    kind = "slice"
    summary = "part of one dimension (channels by default), `start` to `stop` by `step`"
    start: AnyInt = 0
    stop: OptionalInt = None
    step: PositiveInt = 1
    axis: NonNegativeInt = 0

    def indices(self, input: Shape) -> range:
        check_axis(self.axis, input, "axis")
        return range(*slice(self.start, self.stop, self.step).indices(input[self.axis]))

    def output(self, input: Shape) -> Shape:
        kept = self.indices(input)
        if not kept:
            raise LayerError(
                "empty-slice",
                f"{self.start} to {'the end' if self.stop is None else self.stop} leaves nothing of {input[self.axis]}",
                field="stop" if self.stop is not None else "start",
                sources=(0,),
            )
        size = formulas.sliced_size(kept.start, kept.stop, kept.step)
        return (*input[: self.axis], size, *input[self.axis + 1 :])

    def reach(self, input: Shape, output: Shape) -> Reach:
        if self.axis == 0:
            return across_channels(input)
        kept = self.indices(input)
        moved = linear(kept.step, kept.start)
        return tuple(
            [AxisReach(moved, moved) if a == self.axis else AxisReach(IDENTITY, IDENTITY) for a in range(1, len(input))]
        )


class ChannelShuffle(Layer):
    """Channels of `groups` groups dealt out in turn (Zhang et al. 2017, ShuffleNet)."""

    kind = "channel_shuffle"
    main = "groups"
    summary = "channels of `groups` groups dealt out in turn (ShuffleNet)"
    groups: PositiveInt

    def check(self, input: Shape) -> None:
        check_divides(input[0], self.groups, "groups")

    def reach(self, input: Shape, output: Shape) -> Reach:
        return across_channels(input)


class PixelShuffle(Layer):
    """Channels become positions: [C·r², H, W] to [C, H·r, W·r] (Shi et al. 2016); in 1-D r, in 3-D r³ channels."""

    kind = "pixel_shuffle"
    main = "upscale_factor"
    summary = "channels become positions: [C·r², H, W] to [C, H·r, W·r]"
    upscale_factor: PositiveInt

    def output(self, input: Shape) -> Shape:
        sizes, r = spatial(input, self.kind), self.upscale_factor
        if input[0] % r ** len(sizes):
            raise LayerError(
                "factor-divides-channels",
                f"{input[0]} channels do not split into {sizes_text((r,) * len(sizes))} positions",
                field="upscale_factor",
                sources=(0,),
                help=f"the channels have to be a multiple of {r ** len(sizes)}",
            )
        enlarged = []
        for a, W in enumerate(sizes):
            with along(a, len(sizes)):
                enlarged.append(formulas.enlarged_size(W, r))
        return (formulas.channels_to_positions(input[0], *[r for _ in sizes]), *enlarged)

    def reach(self, input: Shape, output: Shape) -> Reach:
        back = scaled_down(1, self.upscale_factor)
        return tuple([AxisReach(back, back) for _ in input[1:]])


class SpaceToDepth(Layer):
    """Positions become channels: [C, H, W] to [C·b², H/b, W/b] (pixel unshuffle; YOLOv2's reorg)."""

    kind = "space_to_depth"
    main = "block_size"
    summary = "positions become channels: [C, H, W] to [C·b², H/b, W/b]"
    block_size: PositiveInt

    def output(self, input: Shape) -> Shape:
        sizes, b = spatial(input, self.kind), self.block_size
        if any(W % b for W in sizes):
            raise LayerError(
                "block-divides-input",
                f"a {sizes_text(sizes)} input does not split into blocks of {sizes_text((b,) * len(sizes))}",
                field="block_size",
                sources=(0,),
            )
        reduced = []
        for a, W in enumerate(sizes):
            with along(a, len(sizes)):
                reduced.append(formulas.reduced_size(W, b))
        return (formulas.positions_to_channels(input[0], *[b for _ in sizes]), *reduced)

    def reach(self, input: Shape, output: Shape) -> Reach:
        b = self.block_size
        return tuple([AxisReach(linear(b, 0), linear(b, b - 1)) for _ in input[1:]])
