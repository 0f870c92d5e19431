"""`solve`: the unknown in the shape equation of a layer, from the sizes that are known.

Every answer is a whole-number search: each unknown runs over its bounds, the last one by bisection, the output being
monotone in every single size. Nothing within the bounds is left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cnncalc import formulas
from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.layers.window import window_axes
from cnncalc.shapes import LARGEST_SIZE

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1

KIND_OF = {"conv": "conv", "pool": "max_pool", "conv-transpose": "conv_transpose"}  # as `solve` names them: as layers
TRANSPOSED, POOL = "conv_transpose", "max_pool"
OWN = ("kernel_size", "stride", "padding", "dilation", "output_padding")  # a layer's own sizes
LOOPS = ("kernel_size", "dilation", "padding", "stride", "output_padding", "input")  # from the outermost in

# Where the search ends for several unknowns at once; one alone is bounded by the equation.
MAX_KERNEL, MAX_STRIDE, MAX_DILATION = 11, 16, 8
MAX_TRIES = 200_000  # bisections, and solutions
UNKNOWN = "?"

Size = int | tuple[int, ...] | Literal["?"] | None
Rounding = Literal["floor", "ceil"]
Fit = Literal["exact", "floor", "ceil"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest sizes that are tried; None is the usual bound (see `solve`)."""

    kernel_size: int | None = None
    stride: int | None = None
    padding: int | None = None
    dilation: int | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """A layer along one axis, all sizes known.

    `fit` says whether the stride divides, or how the division is rounded. `remainder` are positions of the padded input
    after the last window, `unread` those of the input among them, `skipped` those that the stride steps over.
    """

    input: int
    output: int
    kernel_size: int
    stride: int
    padding: int
    dilation: int
    output_padding: int
    fit: Fit
    remainder: int
    unread: int
    skipped: int

    @property
    def effective_kernel(self) -> int:
        return formulas.effective_kernel(self.kernel_size, self.dilation)


@dataclass(slots=True)
class AxisAnswer:
    """Along one axis: what is known there, all solutions, and the nearest outputs where there is none."""

    given: dict[str, int]
    solutions: list[Solution]
    below: Solution | None
    above: Solution | None


@dataclass(slots=True)
class Choice:
    """One value for each unknown of the layer, the same along all axes, and what it comes to along each of them.

    Several solutions along an axis differ in the input or the output that is asked for.
    """

    sizes: dict[str, int]
    axes: list[list[Solution]]


@dataclass(slots=True)
class Solved:
    """The answer: what was asked, the choices that hold along all axes, and every axis by itself."""

    schema_version: int
    kind: str
    rounding: Rounding
    channels: int | None
    out_channels: int | None
    asked: list[str]
    assumed: dict[str, int | str]  # what is left out and takes its default
    bounds: dict[str, str]
    choices: list[Choice]
    axes: list[AxisAnswer]

    @property
    def transposed(self) -> bool:
        return self.kind == TRANSPOSED

    @property
    def needs_channels(self) -> bool:
        """Whether a document has to say how many channels come out."""
        return self.kind != POOL

    def default(self, name: str, one: Solution) -> int:
        """What a size is where a document leaves it out."""
        if name == "stride":
            return one.kernel_size if self.kind == POOL else 1
        return 1 if name == "dilation" else 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def solve(
    kind: str,
    *,
    input: Size = None,
    output: Size = None,
    kernel_size: Size = None,
    stride: Size = None,
    padding: Size = None,
    dilation: Size = None,
    output_padding: Size = None,
    rounding: Rounding = "floor",
    channels: int | None = None,
    out_channels: int | None = None,
    bounds: Bounds | None = None,
) -> Solved:
    """All layers of `kind` (`conv`, `max_pool`, `conv_transpose`) that take `input` to `output`, along every axis.

    A size is one number, or one an axis; "?" is an unknown, None is left out. What is left out is unknown where it has
    no default (input, output, kernel size), and with both input and output given, and no "?", so are the stride, the
    padding and a transposed convolution's output padding; anything else is stride 1 (a pool's: its kernel), padding 0,
    dilation 1, output padding 0.

    Several unknowns: kernels up to 11, padding below the effective kernel, dilation up to 8, strides up to 16 (or the
    kernel) where the input is unknown; `bounds` overrules that. One unknown has the bounds of the equation. A pool's
    padding is at most half its kernel, an output padding smaller than the stride or the dilation, as in torch.

    Raises `DocumentError` where the sizes do not make a question, or too many are to be tried.
    """
    given = {
        "input": input,
        "output": output,
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "output_padding": output_padding,
    }
    asked, assumed = _question(kind, given)
    _check(kind, given, channels, out_channels)
    rank = max([len(size) for size in given.values() if isinstance(size, tuple)], default=1)
    along = [_along(given, assumed, axis, rank) for axis in range(rank)]
    search = _Search(kind, rounding, asked, bounds or Bounds())
    known: dict[tuple[tuple[str, int], ...], AxisAnswer] = {}
    axes = []
    for sizes in along:
        key = tuple(sizes.items())
        if key not in known:
            known[key] = search.answer(sizes)
        axes.append(known[key])
    if kind == POOL and out_channels is None:
        out_channels = channels
    return Solved(
        SCHEMA_VERSION,
        kind,
        rounding,
        channels,
        out_channels,
        list(asked),
        assumed,
        search.bounds_in_words(along[0]),
        _choices(asked, axes),
        axes,
    )


# The question ---------------------------------------------------------------------------------------------------------


def _question(kind: str, given: Mapping[str, Size]) -> tuple[tuple[str, ...], dict[str, int | str]]:
    """The unknowns, and the defaults of what is left out otherwise."""
    solved_for = {"input", "output", "kernel_size"}
    marked = UNKNOWN in given.values()
    if not marked and given["input"] is not None and given["output"] is not None:
        solved_for |= {"stride", "padding"} | ({"output_padding"} if kind == TRANSPOSED else set())
    asked = [
        name
        for name, size in given.items()
        if size == UNKNOWN or (size is None and name in solved_for and (kind == TRANSPOSED or name != "output_padding"))
    ]
    if kind != TRANSPOSED and given["output_padding"] is not None:
        message = "output padding belongs to a transposed convolution"
        raise _refused("no-output-padding", message, "ask `solve conv-transpose`, or leave out -a")
    if "input" in asked and "output" in asked:
        raise _refused(
            "too-much-unknown", "neither the input nor the output is known", "give --input, --output or both"
        )
    if {"kernel_size", "output"} <= {*asked} and given["kernel_size"] is None:
        message = "neither the output nor the kernel is known"
        raise _refused("too-much-unknown", message, "give -k for the output it makes, or --output for kernels that fit")
    defaults: dict[str, int | str] = {"stride": "kernel_size" if kind == POOL else 1, "padding": 0, "dilation": 1}
    if kind == TRANSPOSED:
        defaults["output_padding"] = 0
    return tuple(asked), {name: value for name, value in defaults.items() if given[name] is None and name not in asked}


def _check(kind: str, given: Mapping[str, Size], channels: int | None, out_channels: int | None) -> None:
    counts = {len(size) for size in given.values() if isinstance(size, tuple)} - {1}
    if len(counts) > 1:
        listed = {name: "x".join(map(str, size)) for name, size in given.items() if isinstance(size, tuple)}
        said = ", ".join(f"{name} {size}" for name, size in listed.items())
        message = f"these are sizes along different numbers of axes: {said}"
        raise _refused("wrong-number-of-sizes", message, "give one number, or one for each axis of the input")
    for name, size in given.items():
        least = 0 if name in ("padding", "output_padding") else 1
        for one in size if isinstance(size, tuple) else (size,):
            if isinstance(one, int) and not least <= one <= LARGEST_SIZE:
                message = f"{_WORDS[name]} of {one} is not from {least} to {LARGEST_SIZE:,}"
                raise _refused("size-out-of-range", message)
    if kind == POOL and None not in (channels, out_channels) and channels != out_channels:
        message = f"a pool keeps the number of channels: {channels} do not become {out_channels}"
        raise _refused("pool-keeps-channels", message, "`solve conv` finds convolutions that change it")


_WORDS = {
    "input": "an input",
    "output": "an output",
    "kernel_size": "a kernel",
    "stride": "a stride",
    "padding": "a padding",
    "dilation": "a dilation",
    "output_padding": "an output padding",
}


def _along(given: Mapping[str, Size], assumed: Mapping[str, int | str], axis: int, rank: int) -> dict[str, int]:
    """What is known along one axis; a stride that follows the kernel is not in it."""
    sizes = {name: value for name, value in assumed.items() if isinstance(value, int)}
    for name, size in given.items():
        if isinstance(size, tuple):
            sizes[name] = size[axis] if len(size) == rank else size[0]
        elif isinstance(size, int):
            sizes[name] = size
    return sizes


def _refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))


# The search -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What a search comes upon along an axis."""

    solutions: list[Solution] = field(default_factory=list)
    below: Solution | None = None
    above: Solution | None = None


@dataclass(slots=True)
class _Search:
    kind: str
    rounding: Rounding
    asked: tuple[str, ...]
    bounds: Bounds
    tries: int = 0

    def answer(self, given: dict[str, int]) -> AxisAnswer:
        """Everything along one axis."""
        self.check_limits(given)
        self.tries = 0
        found = _Found()
        loops = [name for name in LOOPS if name in self.asked]
        for sizes in self.outer(given, loops[:-1]):
            self.inner(sizes, loops[-1] if loops else "", given.get("output"), found)
            self.tries += 1
            if max(self.tries, len(found.solutions)) > MAX_TRIES:
                message = f"there is too much to try: more than {MAX_TRIES:,} combinations"
                raise _refused("bounds-too-wide", message, "give more of the sizes, or lower the bounds")
        found.solutions.sort(key=self.order)
        nothing = not found.solutions
        return AxisAnswer(
            dict(given), found.solutions, found.below if nothing else None, found.above if nothing else None
        )

    def check_limits(self, given: Mapping[str, int]) -> None:
        """What torch refuses for sizes that are given."""
        if self.kind == POOL and "kernel_size" in given and 2 * given.get("padding", 0) > given["kernel_size"]:
            message = f"padding {given['padding']} is more than half of the pool's kernel {given['kernel_size']}"
            raise _refused("pool-padding-at-most-half", message, f"use at most {given['kernel_size'] // 2}")
        if self.kind == TRANSPOSED and {"output_padding", "stride", "dilation"} <= given.keys():
            most = max(given["stride"], given["dilation"]) - 1
            if given["output_padding"] > most:
                message = f"output padding {given['output_padding']} is not smaller than the stride or the dilation"
                raise _refused("output-padding-below-stride", message, f"use at most {most}")

    def outer(self, sizes: dict[str, int], loops: list[str]) -> Iterator[dict[str, int]]:
        """All values of these unknowns."""
        if not loops:
            yield sizes
            return
        for value in self.span(loops[0], sizes):
            yield from self.outer({**sizes, loops[0]: value}, loops[1:])

    def inner(self, sizes: dict[str, int], name: str, output: int | None, found: _Found) -> None:
        """The values of the last unknown that give the output, and those beside them."""
        span = self.span(name, sizes) if name else range(1)
        sign = self.sign(name)

        def size(value: int) -> int:
            return sign * self.output({**sizes, name: value} if name else sizes)

        if output is None:
            start, end = bisect_left(span, 1, key=size) if sign > 0 else 0, len(span)
            end = end if sign > 0 else bisect_right(span, -1, key=size)
        else:
            start = bisect_left(span, sign * output, key=size)
            end = bisect_right(span, sign * output, lo=start, key=size)
        if end - start > MAX_TRIES:
            message = f"there are more than {MAX_TRIES:,} solutions"
            raise _refused("bounds-too-wide", message, "give more of the sizes, or lower the bounds")
        made = [self.solution({**sizes, name: value} if name else sizes) for value in span[start:end]]
        found.solutions += made
        if made or found.solutions or output is None:
            return
        for position in (start - 1, end):
            if 0 <= position < len(span):
                self.beside({**sizes, name: span[position]} if name else sizes, output, found)

    def beside(self, sizes: dict[str, int], output: int, found: _Found) -> None:
        """Keep a layer if no other one comes nearer to the output."""
        reached = self.output(sizes)
        if reached < 1:
            return
        nearest = found.below if reached < output else found.above
        if nearest is not None and abs(nearest.output - output) < abs(reached - output):
            return
        other = self.solution(sizes)
        if nearest is None or (abs(reached - output), self.order(other)) < (
            abs(nearest.output - output),
            self.order(nearest),
        ):
            if reached < output:
                found.below = other
            else:
                found.above = other

    def sign(self, name: str) -> int:
        """1 where the output grows with this size, -1 where it shrinks."""
        if self.kind == TRANSPOSED:
            return -1 if name == "padding" else 1
        return -1 if name in ("kernel_size", "stride", "dilation") else 1

    def output(self, sizes: Mapping[str, int]) -> int:
        """The output along an axis; 0 where the window does not fit, or nothing is left."""
        W, K, P = sizes["input"], sizes["kernel_size"], sizes["padding"]
        S = sizes.get("stride", K)
        F = formulas.effective_kernel(K, sizes["dilation"])
        if self.kind == TRANSPOSED:
            return max(0, formulas.output_size_transposed(W, F, P, P, S, sizes["output_padding"]))
        if F > W + 2 * P:
            return 0
        if self.rounding == "ceil":
            return formulas.output_size_ceil(W, F, P, P, S)
        return formulas.output_size(W, F, P, S)

    def solution(self, sizes: Mapping[str, int]) -> Solution:
        W, K, P, D = sizes["input"], sizes["kernel_size"], sizes["padding"], sizes["dilation"]
        S = sizes.get("stride", K)
        output = self.output(sizes)
        if self.kind == TRANSPOSED or not output:
            return Solution(W, output, K, S, P, D, sizes.get("output_padding", 0), "exact", 0, 0, 0)
        rest = formulas.remainder(W, formulas.effective_kernel(K, D), P, P, S)
        (axis,) = window_axes((W,), K, S, P, D, self.rounding)
        fit: Fit = self.rounding if rest else "exact"
        return Solution(W, output, K, S, P, D, 0, fit, rest if fit == "floor" else 0, axis.unread_input, axis.skipped)

    def order(self, one: Solution) -> tuple[int | bool, ...]:
        """The plainest first: all input read, an exact division, a pool without overlap, little of everything."""
        return (
            one.skipped > 0,
            one.fit != "exact",
            one.unread > 0,
            one.dilation,
            self.kind == POOL and one.stride != one.kernel_size,
            one.output_padding,
            one.kernel_size,
            one.stride,
            one.padding,
            one.input,
        )

    # Bounds -----------------------------------------------------------------------------------------------------------

    def span(self, name: str, sizes: Mapping[str, int]) -> range:
        """The values of an unknown that are tried, given those before it."""
        least, most = getattr(self, f"_{name}")(sizes)
        asked: int | None = getattr(self.bounds, name, None)
        if asked is not None:
            most = min(asked, sizes["kernel_size"] // 2) if self.kind == POOL and name == "padding" else asked
        return range(least, min(most, LARGEST_SIZE) + 1)

    @property
    def alone(self) -> bool:
        return len(self.asked) == 1

    def _kernel_size(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        least = max(1, 2 * sizes.get("padding", 0)) if self.kind == POOL else 1
        if not self.alone:
            return least, MAX_KERNEL
        return least, (self._widest(sizes) - 1) // sizes["dilation"] + 1

    def _dilation(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        least = 1
        if self.kind == TRANSPOSED and sizes.get("output_padding", 0) >= sizes.get("stride", LARGEST_SIZE):
            least = sizes["output_padding"] + 1
        if sizes["kernel_size"] == 1:
            return least, least  # any other spans one position too
        if not self.alone:
            return least, max(least, MAX_DILATION)
        return least, max(least, (self._widest(sizes) - 1) // (sizes["kernel_size"] - 1))

    def _widest(self, sizes: Mapping[str, int]) -> int:
        """The largest effective kernel that a single unknown can have."""
        return sizes["output" if self.kind == TRANSPOSED else "input"] + 2 * sizes["padding"]

    def _padding(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        if self.kind == POOL:
            return 0, sizes["kernel_size"] // 2
        F = formulas.effective_kernel(sizes["kernel_size"], sizes["dilation"])
        if not self.alone:
            return 0, formulas.padding_full(F)
        if self.kind == TRANSPOSED:
            return 0, formulas.output_size_transposed(sizes["input"], F, 0, 0, sizes["stride"], LARGEST_SIZE) // 2
        return 0, sizes["output"] * sizes["stride"] + F

    def _stride(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        least = 1
        if self.kind == TRANSPOSED and sizes.get("output_padding", 0) >= sizes["dilation"]:
            least = sizes["output_padding"] + 1
        if self.kind != TRANSPOSED and "input" in sizes:
            F = formulas.effective_kernel(sizes["kernel_size"], sizes["dilation"])
            return least, max(least, sizes["input"] - F + 2 * sizes["padding"] + 1)
        if not self.alone or self.kind != TRANSPOSED:
            return least, max(least, MAX_STRIDE, sizes["kernel_size"])
        return least, least if sizes["input"] == 1 else max(least, self._widest(sizes))

    def _output_padding(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        return 0, max(sizes["stride"], sizes["dilation"]) - 1

    def _input(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        F = formulas.effective_kernel(sizes["kernel_size"], sizes["dilation"])
        if self.kind == TRANSPOSED:
            return 1, sizes["output"] + 2 * sizes["padding"]
        return 1, sizes["output"] * sizes.get("stride", sizes["kernel_size"]) + F

    def bounds_in_words(self, given: Mapping[str, int]) -> dict[str, str]:
        """Where the search ended, for each unknown that the equation itself does not bound."""
        words = {}
        for name in self.asked:
            asked = getattr(self.bounds, name, None)
            if asked is not None:
                words[name] = f"up to {asked:,}"
            elif self.alone:
                continue
            elif name == "kernel_size":
                words[name] = f"up to {MAX_KERNEL}"
            elif name == "dilation":
                words[name] = f"up to {MAX_DILATION}"
            elif name == "padding" and self.kind != POOL:
                words[name] = "less than the kernel"
            elif name == "stride" and (self.kind == TRANSPOSED or "input" not in given):
                words[name] = f"up to {MAX_STRIDE}, or the kernel"
            if name == "padding" and self.kind == POOL:
                words[name] = (f"{words[name]}, and " if name in words else "") + "at most half the kernel"
        return words


def _choices(asked: tuple[str, ...], axes: list[AxisAnswer]) -> list[Choice]:
    """What can be the same along all axes, the plainest first."""
    own = [name for name in OWN if name in asked]
    grouped: list[dict[tuple[int, ...], list[Solution]]] = []
    for axis in axes:
        groups: dict[tuple[int, ...], list[Solution]] = {}
        for one in axis.solutions:
            groups.setdefault(tuple([getattr(one, name) for name in own]), []).append(one)
        grouped.append(groups)
    common = [key for key in grouped[0] if all(key in groups for groups in grouped)]
    place = [{key: position for position, key in enumerate(groups)} for groups in grouped]
    common.sort(key=lambda key: max(positions[key] for positions in place))
    return [Choice(dict(zip(own, key, strict=True)), [groups[key] for groups in grouped]) for key in common]


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(found: Solved, indent: int | None = 2) -> str:
    text: str = _adapter().dump_json(found, indent=indent).decode()
    return text


def _adapter() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(Solved)
