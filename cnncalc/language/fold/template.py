"""Bodies side by side become layers with args in the place of the numbers that differ.

A number that follows from others is said so, rather than an arg of its own: a width as a multiple of another or of the
channels that enter, a padding as half its kernel, a condition as a comparison of widths. It has to hold for every body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from keyword import iskeyword
from operator import mul
from typing import Any

from cnncalc.language.expressions import FUNCTIONS, WORDS_OF_EXPRESSIONS
from cnncalc.language.fold.uses import Body, Slot, Use, free, in_order
from cnncalc.language.reader import RESERVED_ARGS
from cnncalc.layers import KINDS

WIDTHS = ("out_channels", "out_features", "groups", "start", "stop")  # fields that count channels
OUTPUTS = ("out_channels", "out_features")  # those that say what leaves a layer
MOST_TIMES = 8  # what is more times another number is a number of its own

ANY = object()  # what an arg is in a body that has no use for it


class TooDifferent(Exception):
    """Bodies that one block cannot say."""


@dataclass(slots=True, eq=False)
class Arg:
    """An arg of a block: its value in each body, and the use whose field it is."""

    field: str
    base: str  # what it would be called
    column: list[Any]
    default: Any
    use: Use
    times: bool = False  # whether others are said as multiples of it
    shared: bool = False  # whether several layers are as wide
    name: str = ""

    def fits(self, field: str, column: list[Any]) -> bool:
        """Whether it can stand for a field with these values, too."""
        if field != self.field and not (field in WIDTHS and self.field in WIDTHS):
            return False
        both = [(a, b) for a, b in zip(self.column, column, strict=True) if a is not ANY and b is not ANY]
        return bool(both) and all(_same(a, b) for a, b in both)

    def fill(self, column: list[Any]) -> None:
        self.column = [b if a is ANY else a for a, b in zip(self.column, column, strict=True)]


@dataclass(slots=True, eq=False)
class Said:
    """An expression over args; of one arg alone, also what it comes to for a value of that."""

    form: str
    args: tuple[Arg, ...] = ()
    of: Callable[[int], int] | None = None

    @property
    def text(self) -> str:
        return self.form.format(*[arg.name for arg in self.args])


@dataclass(slots=True, eq=False)
class Line:
    """A use as it is written: values are themselves or `Said`; a block's are by its args."""

    use: Use
    slot: Slot
    name: str
    fields: dict[Any, Any] = field(default_factory=dict)
    paths: list[list[Line] | str] | None = None
    repeat: Any = None
    when: Said | None = None


class Template:
    """The layers of a block's bodies, and its args."""

    def __init__(self, bodies: Sequence[Body], slots: Sequence[Slot]) -> None:
        self.bodies = bodies
        self.places = {id(body): place for place, body in enumerate(bodies)}
        self.args: list[Arg] = []
        self.last = _last(slots)  # the slot whose width is that of what leaves
        self.output: Arg | None = None  # that width
        self.keeps = False  # whether it is that of what enters
        self.lines = self.written(slots)
        for line in every_line(self.lines):
            if line.slot.is_optional:
                self.fields(line)
        for line in every_line(self.lines):
            if line.slot.is_optional:
                line.when = self.condition(line)
        self.finish()

    def given(self, body: Body) -> dict[Arg, Any]:
        """The value of every arg for one of its bodies."""
        place = self.places[id(body)]
        return {arg: arg.column[place] for arg in self.args}

    def written(self, slots: Sequence[Slot]) -> list[Line]:
        """Lines for the slots; those that some bodies lack have their fields yet to come, from the args of the rest."""
        return [self.line(slot) for slot in slots]

    def line(self, slot: Slot) -> Line:
        use = slot.use
        line = Line(use, slot, use.name)
        if slot.paths is not None:
            line.paths = [path if isinstance(path, str) else self.written(path) for path in slot.paths]
        if not slot.is_optional:
            self.fields(line)
        return line

    def fields(self, line: Line) -> None:
        """Give a line its fields and how often it is repeated."""
        if line.use.bodies:
            self.block(line)
        else:
            self.layer(line)
        repeats = [use.repeat for use in line.slot.uses if use is not None]
        if any(repeat is not None for repeat in repeats):
            column = [ANY if use is None else use.repeat or 1 for use in line.slot.uses]
            line.repeat = self.value("repeat", "depth", column, None if all(repeats) else 1, line)
        for name in self.leaving(line):
            value = line.fields.get(name)
            if isinstance(value, Said) and value.form == "{}":
                (self.output,) = value.args
            self.keeps |= isinstance(value, Said) and value.form == "block_in_channels"

    def leaving(self, line: Line) -> Sequence[str | Arg | None]:
        """The fields of a line that say the width of what leaves the block."""
        if line.slot is not self.last:
            return ()
        return (line.use.bodies[0].block.template.output,) if line.use.bodies else OUTPUTS

    def layer(self, line: Line) -> None:
        fields = KINDS[line.use.kind].fields
        uses = line.slot.uses
        names = {name for use in uses if use is not None for name in use.fields}
        for name in in_order(fields, names):
            default = fields[name].default
            column = [ANY if use is None else use.fields.get(name, default) for use in uses]
            has_default = any(use is not None and name not in use.fields for use in uses)
            leaves = name in self.leaving(line)
            line.fields[name] = self.value(name, name, column, default if has_default else None, line, leaves)

    def block(self, line: Line) -> None:
        template = line.use.bodies[0].block.template
        given = [None if use is None else [template.given(body) for body in use.bodies] for use in line.slot.uses]
        for arg in template.args:
            firsts = [ANY if one is None else one[0][arg] for one in given]
            rests = [ANY if one is None or len(one) == 1 else one[-1][arg] for one in given]
            value = self.value(arg.field, arg.name, firsts, arg.default, line, arg in self.leaving(line))
            if any(b is not ANY and not _same(a, b) for a, b in zip(firsts, rests, strict=True)):
                value = _first_of(value, self.value(arg.field, arg.name, rests, arg.default, line))
            if isinstance(value, Said) or not _same(value, arg.default):
                line.fields[arg] = value

    # Values -----------------------------------------------------------------------------------------------------------

    def value(self, field: str, base: str, column: list[Any], default: Any, line: Line, leaves: bool = False) -> Any:
        """A field with these values: one that all have, what others come to, or an arg."""
        present = [value for value in column if value is not ANY]
        if all(_same(value, present[0]) for value in present):
            return present[0]
        if None in present:
            raise TooDifferent
        derived = self.derived(field, column, line, leaves)
        if derived is not None:
            return derived
        self.args.append(Arg(field, base, column, default, line.use))
        return Said("{}", (self.args[-1],), lambda value: value)

    def derived(self, field: str, column: list[Any], line: Line, leaves: bool) -> Said | None:
        """The values as an expression over what is known already; no multiple of what enters, where it `leaves`."""
        if field == "groups" and all(
            use is None or use.channels == {value} for use, value in zip(line.slot.uses, column, strict=True)
        ):
            return Said("in_channels")
        for arg in self.args:
            if arg.fits(field, column):
                arg.fill(column)
                arg.shared |= field in OUTPUTS
                return Said("{}", (arg,), lambda value: value)
        if field == "padding" and not line.use.bodies:
            return self.half(line.fields.get("kernel_size"), column)
        if field not in WIDTHS or not _are_ints(column):
            return None
        for arg in self.args:
            if arg.field in WIDTHS and arg.default is None and _are_ints(arg.column):
                for said in _multiples("{}", (arg,)):
                    scaled = [ANY if value is ANY else _applied(said, value) for value in arg.column]
                    if all(b is not ANY and (a is ANY or a == b) for a, b in zip(column, scaled, strict=True)):
                        arg.times = True
                        return said
        entering = Said("block_in_channels", (), lambda value: value)
        for said in (entering, *([] if leaves else _multiples("block_in_channels", ()))):
            if all(
                value is ANY or all(_applied(said, channels) == value for channels in body.channels)
                for value, body in zip(column, self.bodies, strict=True)
            ):
                return said
        return None

    def half(self, kernel: Any, column: list[Any]) -> Said | None:
        """The padding that keeps the size, by the kernel of the same layer."""
        if not isinstance(kernel, Said) or kernel.form != "{}":
            return None
        (arg,) = kernel.args
        pairs = [(size, value) for size, value in zip(arg.column, column, strict=True) if value is not ANY]
        halves = all(type(size) is int and size // 2 == value for size, value in pairs)
        return Said("{} // 2", (arg,)) if halves else None

    def condition(self, line: Line) -> Said:
        """When a use is there that some bodies lack: where it changes the shape, or where an arg says so."""
        there = [use is not None for use in line.slot.uses]
        strides = [arg for arg in self.args if arg.field == "stride" and all(map(_is_count, arg.column))]
        for said in self.widths(line):
            (arg,) = said.args
            changes = self.changes(arg, said)
            if changes == there:
                return Said(f"block_in_channels != {said.form}", (arg,))
            for stride in strides:
                longer = [a > 1 for a in stride.column]
                if changes and [a or b for a, b in zip(longer, changes, strict=True)] == there:
                    return Said(f"{{}} > 1 or block_in_channels != {said.form}", (stride, arg))
        for value in line.fields.values():
            if isinstance(value, Said) and value.form == "{}":
                (arg,) = value.args
                if (
                    arg.default in (None, 0)
                    and [_is_count(one) for one in arg.column] == there
                    and _are_ints(arg.column)
                ):
                    arg.default = 0
                    return Said("{} > 0", (arg,))
        for arg in self.args:
            if arg.field == "when" and arg.column == there:
                return Said("{}", (arg,))
        block = line.use.bodies[0].block
        word = block.slots[0].use.kind or "block" if block.nature == "block" else block.nature
        self.args.append(Arg("when", line.use.name or f"has_{word}", there, False, line.use))
        return Said("{}", (self.args[-1],))

    def widths(self, line: Line) -> Iterator[Said]:
        """The widths that a use is given, and then those of the whole block."""
        for key, value in line.fields.items():
            if isinstance(key, Arg) and key.field in OUTPUTS and isinstance(value, Said) and value.of and value.args:
                yield value
        for arg in self.args:
            if arg.field in OUTPUTS:
                yield Said("{}", (arg,), lambda value: value)

    def changes(self, arg: Arg, said: Said) -> list[bool] | None:
        """In which bodies a width is not that of what enters the block; None where one is both."""
        found = []
        for value, body in zip(arg.column, self.bodies, strict=True):
            differs = {value is ANY or _applied(said, value) != channels for channels in body.channels}
            if value is ANY or len(differs) > 1:
                return None
            found.append(differs.pop())
        return found

    # Args -------------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Give every arg a value in every body, and a name."""
        for arg in self.args:
            known = [value for value in arg.column if value is not ANY]
            other = known[0] if arg.default is None else arg.default
            arg.column = [other if value is ANY else value for value in arg.column]
        self.args.sort(key=lambda arg: arg.default is not None)
        for arg in self.args:
            arg.name = self.named(arg)
        names = [arg.name for arg in self.args]
        words = [value for line in every_line(self.lines) for value in line.fields.values() if type(value) is str]
        taken = {*RESERVED_ARGS, *FUNCTIONS, *WORDS_OF_EXPRESSIONS, *words}
        for arg in self.args:
            name = arg.name
            if names.count(name) > 1 and arg.use.name:
                name = arg.use.name if name in OUTPUTS else f"{arg.use.name}_{name}"
            arg.name = free(f"{name}_" if iskeyword(name) else name, taken)
            taken.add(arg.name)

    def named(self, arg: Arg) -> str:
        """What an arg would be called if it were the only one: a width that does not leave is no `out_channels`."""
        if arg.base not in OUTPUTS or arg is self.output:
            return arg.base
        if arg.times or (arg.shared and arg.use.name):
            return "width"
        return arg.use.name or "hidden"


def _last(slots: Sequence[Slot]) -> Slot | None:
    """The last slot that says how wide its output is; None where several paths say it together."""
    for slot in reversed(slots):
        if slot.paths is not None:
            if slot.use.kind == "concat":
                return None
            return next((_last(path) for path in slot.paths if isinstance(path, list) and path), None)
        if slot.use.bodies:
            if not slot.use.bodies[0].block.template.keeps:
                return slot
        elif any(field in OUTPUTS for field in KINDS[slot.use.kind].fields):
            return slot
    return None


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _are_ints(column: Sequence[Any]) -> bool:
    return all(type(value) is int for value in column if value is not ANY)


def _multiples(form: str, args: tuple[Arg, ...]) -> Iterator[Said]:
    """A width many times, and parts of it."""
    for times in range(2, MOST_TIMES + 1):
        yield Said(f"{times} * {form}", args, partial(mul, times))
        yield Said(f"{form} // {times}", args, partial(_part, times))


def _part(times: int, value: int) -> int:
    return value // times


def _applied(said: Said, value: int) -> int:
    assert said.of is not None
    return said.of(value)


def _first_of(first: Any, rest: Any) -> Said:
    """An expression for a value that the first of several repeats has, and another that the rest have."""
    if first is True and rest is False:
        return Said("i == 0")
    if first is False and rest is True:
        return Said("i > 0")
    forms = [one.form if isinstance(one, Said) else str(one).lower() for one in (first, rest)]
    args = [arg for one in (first, rest) if isinstance(one, Said) for arg in one.args]
    return Said(f"{forms[0]} if i == 0 else {forms[1]}", tuple(args))


def every_line(lines: Sequence[Line]) -> Iterator[Line]:
    for line in lines:
        yield line
        for path in line.paths or ():
            if isinstance(path, list):
                yield from every_line(path)
