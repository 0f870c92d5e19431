"""What `solve` found, for a person: the answer first, then its working, then what was taken for granted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import TextIO

from cnncalc import formulas
from cnncalc.diagnostics import quoted
from cnncalc.input_sizes import Accepted, AxisInputs, Inputs, Pattern
from cnncalc.readings import in_letters, letters
from cnncalc.render import expression
from cnncalc.render.summary import titled
from cnncalc.render.terminal import Line, printed, put
from cnncalc.shapes import shape_text, sizes_text
from cnncalc.solve import AxisAnswer, Choice, Solution, Solved

MOST_ROWS = 30
MOST_SIZES = 6
AXES = {1: ("",), 2: ("height", "width"), 3: ("depth", "height", "width")}
TITLES = {"kernel_size": "kernel", "output_padding": "output padding"}


def write(found: Solved | Accepted | Inputs, stream: TextIO | None = None) -> None:
    """Write the answer to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(found), stream)


def lines(found: Solved | Accepted | Inputs) -> list[Line]:
    drawn = _solved(found) if isinstance(found, Solved) else _of_network(found)
    return printed(drawn)


def _title(name: str) -> str:
    return TITLES.get(name, name)


def _names(rank: int) -> Sequence[str]:
    return AXES.get(rank) or [f"axis {a + 1}" for a in range(rank)]


def _listed(words: Sequence[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


# A layer --------------------------------------------------------------------------------------------------------------


def _solved(found: Solved) -> Iterator[Line]:
    if not found.asked:
        yield from _checked(found)
    elif found.choices:
        yield from _chosen(found)
    elif all(axis.solutions for axis in found.axes):
        yield from _each_its_own(found)
    else:
        yield from _none(found)
    yield from _granted(found)


def _checked(found: Solved) -> Iterator[Line]:
    """Everything was given: whether it is so."""
    for name, axis in _different(found):
        one = axis.solutions[0] if axis.solutions else axis.below or axis.above
        along = f" along the {name}" if name else ""
        if one is None:
            yield Line(f"no{along}: {_does_not_fit(axis, found)}", "bold")
            continue
        told = _division(one) if axis.solutions else f"not {axis.given['output']}"
        yield Line(f"{'yes' if axis.solutions else 'no'}{along}: {one.input} gives {one.output}, {told}", "bold")
        yield from _working(one, found)


def _does_not_fit(axis: AxisAnswer, found: Solved) -> str:
    """Why sizes that are all given have no output."""
    W, P = axis.given["input"], axis.given["padding"]
    if found.transposed:
        return "the padding leaves nothing of the output"
    F = formulas.effective_kernel(axis.given["kernel_size"], axis.given["dilation"])
    return f"a window of {F} does not fit an input of {W}" + (f", {W + 2 * P} with its padding" if P else "")


def _different(found: Solved) -> list[tuple[str, AxisAnswer]]:
    """The axes by name; one without a name where all are the same."""
    if all(axis is found.axes[0] for axis in found.axes):
        return [("", found.axes[0])]
    return list(zip(_names(len(found.axes)), found.axes, strict=True))


def _chosen(found: Solved) -> Iterator[Line]:
    first = found.choices[0]
    if len(found.choices) == 1:
        yield from _single(first, found)
    else:
        yield Line(f"{len(found.choices):,} solutions, the plainest first", "bold")
        yield from _table(found.choices, found)
        yield Line("The first of them:", "dim")
    yield from _workings(first, found)
    if text := layer_text(first, found):
        yield Line(f"  {text}")


def _single(choice: Choice, found: Solved) -> Iterator[Line]:
    words = [f"{_title(name)} {size}" for name, size in choice.sizes.items()]
    words += [f"{name} {_sizes(choice, name)}" for name in ("input", "output") if name in found.asked]
    yield Line(f"{', '.join(words)}: {_divisions(choice)}", "bold")


def _sizes(choice: Choice, name: str) -> str:
    """The inputs or outputs of a choice along its axes: `112x56`, `height 223 or 224, width 111 or 112`."""
    along = [sorted({getattr(one, name) for one in solutions}) for solutions in choice.axes]
    if all(len(sizes) == 1 for sizes in along):
        return sizes_text(tuple([sizes[0] for sizes in along]))
    if len(along) == 1:
        return _runs(along[0])
    return ", ".join(f"{axis} {_runs(sizes)}" for axis, sizes in zip(_names(len(along)), along, strict=True))


def _divisions(choice: Choice) -> str:
    """How the division comes out, along all axes."""
    told = [_of_several(solutions) for solutions in choice.axes]
    if len(set(told)) == 1:
        return told[0]
    return "; ".join(f"{name} {one}" for name, one in zip(_names(len(told)), told, strict=True))


def _of_several(solutions: list[Solution]) -> str:
    """`exact for 223, floor for 224`, where solutions differ in the input."""
    told: dict[str, list[int]] = {}
    for one in sorted(solutions, key=lambda one: (one.fit != "exact", one.input)):
        told.setdefault(_division(one) if len(solutions) == 1 else one.fit, []).append(one.input)
    if len(told) == 1:
        return next(iter(told))
    return ", ".join(f"{fit} for {_runs(inputs)}" for fit, inputs in told.items())


def _division(one: Solution) -> str:
    """Whether the stride divides, and what is left over where it does not."""
    over = {"exact": "", "floor": "only padding is left over", "ceil": "the last window reaches over the end"}[one.fit]
    if one.skipped:
        over = f"{one.skipped} of {one.input} positions stepped over"
    elif one.unread:
        over = f"{one.unread} of {one.input} positions unread at the end"
    return f"{one.fit}, {over}" if over else one.fit


def _table(choices: list[Choice], found: Solved) -> Iterator[Line]:
    names = [*choices[0].sizes, *[name for name in ("input", "output") if name in found.asked]]
    rows = [
        [str(choice.sizes[name]) if name in choice.sizes else _sizes(choice, name) for name in names]
        for choice in choices[:MOST_ROWS]
    ]
    heads = [_title(name) for name in names]
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    yield Line("  " + "  ".join(head.rjust(width) for head, width in zip(heads, widths, strict=True)), "dim")
    for row, choice in zip(rows, choices, strict=False):
        cells = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield Line(f"  {cells}  {_divisions(choice)}")
    if len(choices) > MOST_ROWS:
        yield Line(f"  (and {len(choices) - MOST_ROWS:,} more; --format json has them all)", "dim")


def layer_text(choice: Choice, found: Solved) -> str:
    """The layer as a document writes it; "" where its channels are not known."""
    fields: dict[str, str] = {}
    if found.needs_channels:
        if found.out_channels is None:
            return ""
        fields["out_channels"] = str(found.out_channels)
    for name in ("kernel_size", "stride", "padding", "output_padding", "dilation"):
        sizes = [getattr(solutions[0], name) for solutions in choice.axes]
        if name != "kernel_size" and sizes == [found.default(name, solutions[0]) for solutions in choice.axes]:
            continue
        fields[name] = str(sizes[0]) if len(set(sizes)) == 1 else f"[{', '.join(map(str, sizes))}]"
    if found.rounding == "ceil":
        fields["rounding"] = "ceil"
    return f"- {found.kind}: {{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}"


def _each_its_own(found: Solved) -> Iterator[Line]:
    own = [name for name in found.asked if name not in ("input", "output")]
    yield Line(f"no {_listed(list(map(_title, own)))} for all axes; each axis by itself:", "bold")
    for name, axis in _different(found):
        yield Line(
            f"{name}, {', '.join(f'{key} {axis.given[key]}' for key in ('input', 'output') if key in axis.given)}"
        )
        yield from _table([Choice({key: getattr(one, key) for key in own}, [[one]]) for one in axis.solutions], found)
    if text := layer_text(Choice({}, [axis.solutions[:1] for axis in found.axes]), found):
        yield Line(f"  {text}")


def _none(found: Solved) -> Iterator[Line]:
    yield Line("there is none", "bold")
    for name, axis in _different(found):
        if axis.solutions:
            continue
        along = f"along the {name}, " if name else ""
        if found.asked == ["output"]:
            yield Line(f"  {along}{_does_not_fit(axis, found)}")
        for one in (axis.below, axis.above):
            if one is not None:
                sizes = ", ".join(f"{_title(key)} {getattr(one, key)}" for key in found.asked if key != "output")
                yield Line(f"  {along}{sizes} gives {one.output}, not {axis.given['output']}")
        if sides := _uneven(axis.given, found):
            before, after = sides
            yield Line(
                f"  {along}{before} before and {after} after give {axis.given['output']}: `padding` takes "
                f"[[{before}, {after}]], one pair an axis"
            )


def _uneven(given: dict[str, int], found: Solved) -> tuple[int, int] | None:
    """The padding with one position more after than before that gives the output, if there is one."""
    if "padding" not in found.asked or found.transposed or not {"input", "output", "kernel_size"} <= given.keys():
        return None
    W, O, K, S = given["input"], given["output"], given["kernel_size"], given.get("stride", 1)
    F = formulas.effective_kernel(K, given["dilation"])
    total = formulas.padding_same(W, F, S, O)
    before, after = total // 2, total - total // 2
    if before == after or formulas.output_size_sided(W, F, before, after, S) != O:
        return None
    return before, after


def _granted(found: Solved) -> Iterator[Line]:
    """What the answer rests on that was not asked for."""
    told = []
    if found.assumed:
        words = {name: "that of the kernel" if size == "kernel_size" else size for name, size in found.assumed.items()}
        told.append(f"taken for granted: {', '.join(f'{_title(name)} {size}' for name, size in words.items())}")
    if found.bounds:
        told.append(f"tried: {', '.join(f'{_title(name)} {words}' for name, words in found.bounds.items())}")
    for text in told:
        yield Line(f"({text})", "dim")


# The working ----------------------------------------------------------------------------------------------------------


def _workings(choice: Choice, found: Solved) -> Iterator[Line]:
    seen: list[Solution] = []
    for solutions in choice.axes:
        if solutions[0] not in seen:
            seen.append(solutions[0])
            yield from _working(solutions[0], found)


def _working(one: Solution, found: Solved) -> Iterator[Line]:
    """The equation with its numbers: solved for the unknown where that is one and comes out whole, and as it stands."""
    given = {"W": one.input, "O": one.output, "S": one.stride, "P": one.padding, "F": one.effective_kernel}
    given |= {"P_1": one.padding, "P_2": one.padding, "A": one.output_padding}
    given |= {"K": one.kernel_size, "D": one.dilation}
    if one.dilation > 1:
        yield _equation(formulas.effective_kernel, given, "F")
    if found.transposed:
        yield _equation(formulas.output_size_transposed, given)
        return
    asked = found.asked[0] if len(found.asked) == 1 and one.fit == "exact" else ""
    if asked in WANTED and (asked != "stride" or one.output > 1):
        letter, wanted = WANTED[asked]
        yield _equation(wanted, given, letter)
    yield _equation(OUTPUTS[one.fit], given)


# The formula for what is asked, with its letter, and the one for the output by how the division comes out.
WANTED: dict[str, tuple[str, Callable[..., int]]] = {
    "padding": ("P", formulas.padding_wanted),
    "kernel_size": ("F", formulas.kernel_wanted),
    "stride": ("S", formulas.stride_wanted),
    "input": ("W", formulas.input_wanted),
}
OUTPUTS: dict[str, Callable[..., int]] = {
    "exact": formulas.output_size_exact,
    "floor": formulas.output_size,
    "ceil": formulas.output_size_ceil,
}


def _equation(formula: Callable[..., int], given: dict[str, int], letter: str = "") -> Line:
    """`P = (in letters) = (with numbers) = value`."""
    names = letters(formula, len(signature(formula).parameters))
    numbers = {name: given[name] for name in names}
    written = in_letters(formula, len(names))
    value = expression.number_text(formula(**numbers))
    parts = [letter] if letter else []
    return Line("  " + " = ".join([*parts, expression.text(written), expression.text(written, numbers), value]))


# A network ------------------------------------------------------------------------------------------------------------


def _of_network(found: Accepted | Inputs) -> Iterator[Line]:
    name = titled(found.name, found.source)
    yield Line(f"{name}, input {shape_text(tuple(found.input), found.layout)}", "bold")
    yield from _accepted(found) if isinstance(found, Accepted) else _inputs(found)


def _accepted(found: Accepted) -> Iterator[Line]:
    rank = len(found.input) - 1
    square = {1: "lengths", 2: "square inputs"}.get(rank, "inputs with equal sides")
    yield Line("")
    if found.smallest is None:
        yield Line(f"no {square} are taken, of 1 to {found.tried}", "bold")
    else:
        yield Line(f"smallest   {sizes_text((found.smallest,) * rank)}", "bold")
    yield Line(f"taken      {pattern_text(found.accepted)}")
    yield Line(f"exact      {pattern_text(found.exact)}: every window's stride divides")
    yield Line(f"read       {pattern_text(found.read)}: no window leaves the end of its input unread")
    if found.refused is not None:
        yield Line(f"refused    {found.refused}: {found.refusal}")
    yield Line("")
    if found.other is not None and found.other_parameters is not None:
        own, other = sizes_text(tuple(found.input[1:])), sizes_text((found.other,) * rank)
        yield Line(
            f"parameters change with the input, from {quoted(found.resized)} on: {found.parameters:,} at {own}, "
            f"{found.other_parameters:,} at {other}"
        )
    elif len(found.accepted.single) != 1 or found.accepted.remainders:
        yield Line(f"parameters do not change with the input: {found.parameters:,}")
    yield Line(f"({square} from 1 to {found.tried} were tried)", "dim")


def pattern_text(found: Pattern) -> str:
    """`every size from 75`, `multiples of 32`, `32·k + 3 from 67`, `572 to 587 only`."""
    if not found.remainders:
        return f"{_runs(found.single)} only" if found.single else "none"
    if found.period == 1:
        rule = f"every size from {found.start}"
    elif found.remainders == [0]:
        rule = f"multiples of {found.period} from {found.start}"
    elif len(found.remainders) <= MOST_SIZES:
        rule = f"{found.period}·k + {_listed(list(map(str, found.remainders)), 'or')} from {found.start}"
    else:
        rule = f"{len(found.remainders)} of every {found.period} sizes from {found.start}"
    return f"{_runs(found.single)}, and {rule}" if found.single else rule


def _runs(sizes: Sequence[int]) -> str:
    """`1 to 4, 9`: whole numbers in order, those without gaps put together."""
    runs: list[list[int]] = []
    for size in sizes:
        if runs and size == runs[-1][-1] + 1:
            runs[-1][1:] = [size]
        else:
            runs.append([size])
    words = [f"{run[0]} to {run[1]}" if len(run) > 1 else str(run[0]) for run in runs]
    more = len(words) - MOST_SIZES
    return ", ".join([*words[:MOST_SIZES], *([f"... ({more} more)"] if more > 0 else [])])


def _inputs(found: Inputs) -> Iterator[Line]:
    if found.passed:
        yield Line(f"{quoted(found.passed)} has no height and width: the last map before it is {quoted(found.layer)}")
    yield Line("")
    same = all(axis == found.axes[0] for axis in found.axes)
    names = _names(len(found.axes))
    wanted = sizes_text(tuple(found.output))
    if found.found:
        yield Line(f"{wanted} at {quoted(found.layer)} comes from", "bold")
    else:
        yield Line(f"no input gives {wanted} at {quoted(found.layer)}", "bold")
    if not found.separable:
        yield Line(f"  squares: {_runs(found.squares) if found.squares else 'none'}")
        yield Line(
            "  (the network takes no other height without another width, so that only squares were tried)", "dim"
        )
    elif same:
        yield from _along(" and ".join(names) if len(names) < 3 else "each axis", found.axes[0])
    else:
        for name, axis in zip(names, found.axes, strict=True):
            yield from _along(name, axis)


def _along(name: str, axis: AxisInputs) -> Iterator[Line]:
    title = f"  {name}: " if name else "  "
    if axis.first is None:
        yield Line(f"{title}no size gives {axis.output}")
        if axis.below is not None:
            yield Line(f"    {axis.below[1]} gives {axis.below[0]}")
        if axis.above is not None:
            yield Line(f"    {axis.above[1]} gives {axis.above[0]}")
    elif axis.limited:
        yield Line(f"{title}{axis.first} and more")
    elif axis.sizes is not None:
        yield Line(f"{title}{_runs(axis.sizes)}")
    else:
        yield Line(f"{title}{axis.first}" + (f" to {axis.last}" if axis.last != axis.first else ""))
