"""Upsampling without parameters."""

from typing import Annotated, Literal

from cnncalc import formulas
from cnncalc.indexing import bounded, reduced, scaled_down
from cnncalc.layers.base import (
    AxisReach,
    Layer,
    LayerError,
    Operations,
    Reach,
    along,
    per_axis,
    spatial,
)
from cnncalc.layers.fields import Flag, OptionalSizes, choice
from cnncalc.messages import told
from cnncalc.shapes import Shape, sizes_text

_RANK_OF_MODE = {"linear": 1, "bilinear": 2, "trilinear": 3}


class Upsample(Layer):
    """Interpolation to `scale_factor` times the size, or to `size` (torch.nn.Upsample's rules)."""

    kind = "upsample"
    main = "scale_factor"
    summary = "interpolation by `scale_factor` or to `size`, `nearest` or `bilinear`"
    scale_factor: OptionalSizes = None
    size: OptionalSizes = None
    mode: Annotated[
        Literal["nearest", "linear", "bilinear", "trilinear"],
        choice("nearest", "linear", "bilinear", "trilinear"),
    ] = "nearest"
    align_corners: Flag = False

    def check(self, input: Shape) -> None:
        rank = len(spatial(input, self.kind))
        if (self.scale_factor is None) == (self.size is None):
            raise LayerError(
                "upsample-factor-or-size",
                "`upsample` needs either `scale_factor` or `size`",
                help="write `upsample: 2`",
            )
        wanted = _RANK_OF_MODE.get(self.mode, rank)
        if wanted != rank:
            fitting = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(rank, "nearest")
            raise LayerError(
                "mode-matches-rank",
                f"`{self.mode}` is for {wanted}-D inputs, and this one is {rank}-D",
                field="mode",
                sources=(0,),
                help=f"use `mode: {fitting}`",
            )
        if rank > 3:
            raise LayerError("mode-matches-rank", f"`upsample` works in up to 3 dimensions, not {rank}", sources=(0,))
        if self.align_corners and self.mode == "nearest":
            raise LayerError(
                "align-corners-interpolates",
                "`align_corners` has a meaning for linear interpolation only",
                field="align_corners",
                help="remove it, or choose a linear mode",
            )

    def output(self, input: Shape) -> Shape:
        rank = len(input) - 1
        if self.size is not None:
            return (input[0], *per_axis(self.size, rank, "size"))
        assert self.scale_factor is not None
        factors = per_axis(self.scale_factor, rank, "scale_factor")
        sizes = []
        for a, (W, factor) in enumerate(zip(input[1:], factors, strict=True)):
            with along(a, rank):
                sizes.append(formulas.enlarged_size(W, factor))
        return (input[0], *sizes)

    def operations(self, input: Shape, output: Shape) -> Operations:
        """A weighted mean of 2 values a dimension, the weights being constants."""
        if self.mode == "nearest":
            return Operations()
        taps = 2 ** (len(input) - 1)
        return Operations(multiplies=taps, adds=taps - 1).times(formulas.output_elements(*output))

    def reach(self, input: Shape, output: Shape) -> Reach:
        pairs = zip(input[1:], output[1:], strict=True)
        if self.mode == "nearest":
            return tuple([AxisReach(scaled_down(W, O), scaled_down(W, O)) for W, O in pairs])
        return tuple([self._linear_reach(W, O) for W, O in pairs])

    def _linear_reach(self, W: int, O: int) -> AxisReach:
        """The one or two inputs around each output's place, which is ((2o + 1)·W/O - 1)/2, or o·(W-1)/(O-1)."""
        low, high = [], []
        for o in range(bounded(O)):
            if self.align_corners:
                numerator, denominator = o * (W - 1), max(1, O - 1)
            else:
                numerator, denominator = max(0, (2 * o + 1) * W - O), 2 * O
            below, rest = divmod(numerator, denominator)
            low.append(min(below, W - 1))
            high.append(min(below + (1 if rest else 0), W - 1))
        return AxisReach(reduced(tuple(low), W), reduced(tuple(high), W))

    def title(self, inputs: tuple[Shape, ...]) -> str:
        if self.size is not None:
            return told("title.to-size", sizes=sizes_text(per_axis(self.size, len(inputs[0]) - 1, "size")))
        assert self.scale_factor is not None
        factors = per_axis(self.scale_factor, len(inputs[0]) - 1, "scale_factor")
        return f"×{factors[0]}" if len(set(factors)) == 1 else f"×{sizes_text(factors)}"
