"""Repeats: the turns of a loop in as few expressions as will do."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from cnncalc.language.document import LayerUse
from cnncalc.pytorch.source.algebra import Tree, constant, product, simplified, text
from cnncalc.pytorch.source.code import Group, Line, Piece, Statement, Suite, fits, flat, laid_out, prefixed
from cnncalc.pytorch.source.layers import Made, argument
from cnncalc.pytorch.source.modules import Modules
from cnncalc.pytorch.source.structure import Step
from cnncalc.pytorch.source.values import Candidates, Row, Unwritable

WIDEST_HEAD = 60  # characters that the variables of a loop may take


@dataclass(slots=True)
class Entry:
    """A module in a container, or one for each turn: `piece for variables in over`."""

    piece: Piece
    variables: str = ""
    over: Piece = ""

    def comprehension(self) -> str:
        return f"[{flat(self.piece)} for {self.variables} in {flat(self.over)}]"


@dataclass(slots=True)
class Turns:
    """The modules of a repeat; `made` is that of its later turns, `leaving` the channels after the last."""

    made: Made
    entries: list[Entry]
    leaving: Candidates


class Loop:
    """A repeated use: `steps` are its places in each instance, `channels` those that enter the first turn."""

    def __init__(self, modules: Modules, use: LayerUse, steps: list[tuple[int, Step]], channels: Tree | None) -> None:
        self.modules, self.values, self.use, self.channels = modules, modules.values, use, channels
        self.outside = [Row(instance, step.scope, None) for instance, step in steps]
        self.rows = [
            Row(instance, call.scope, call, {"i": turn, "item": call.names["item"]})
            for instance, step in steps
            for turn, call in enumerate(step.calls)
            if call is not None
        ]
        self.counts = [len(step.calls) for _, step in steps]
        self.items = [tuple([call.names["item"] for call in step.calls if call is not None]) for _, step in steps]
        self.values.channels = channels
        self.repeat = self.values.carried(use.repeat, self.outside) if use.repeat is not None else None

    def turns(self) -> Turns | None:
        """All alike; or the first and the rest; or by their place; or from a table."""
        attempt = self.values.attempt
        return (
            attempt(self.all_alike)
            or attempt(self.first_and_rest)
            or attempt(self.by_place)
            or attempt(self.from_table, "table")
        )

    def made(self, rows: list[Row], entering: Candidates) -> Made:
        """The module of some turns."""
        made = self.modules.made(self.use, rows, entering)
        if not made.is_module:
            raise Unwritable("no module")
        return made

    def all_alike(self) -> Turns:
        rows = distinct(self.rows)
        made = self.made(rows, [self.channels, self.modules.leaving(self.use, rows)])
        entry = Entry(made.piece) if set(self.counts) == {1} else Entry(made.piece, "_", self.range())
        return Turns(made, [entry], [made.channels])

    def first_and_rest(self) -> Turns:
        if min(self.counts) < 1 or max(self.counts) < 2:
            raise Unwritable("no rest")
        first = self.made([row for row in self.rows if row.loop["i"] == 0], [self.channels])
        rows = distinct([row for row in self.rows if row.loop["i"] > 0])
        rest = self.made(rows, [self.modules.leaving(self.use, rows), first.channels])
        if (first.flattens, first.activation) != (rest.flattens, rest.activation):
            raise Unwritable("the turns differ")
        rest_of_them = Entry(rest.piece) if set(self.counts) == {2} else Entry(rest.piece, "_", self.range(less=1))
        return Turns(rest, [Entry(first.piece), rest_of_them], [rest.channels])

    def by_place(self) -> Turns:
        values, i = self.values, ast.Name("i")
        listed = any(row.loop["item"] != row.loop["i"] for row in self.rows)
        values.loops = {"i": i, "item": ast.Name("item") if listed else i}
        if any(isinstance(row.loop["item"], dict) for row in self.rows):
            del values.loops["item"]
        outer, values.used = values.used, set()
        step = self.climb()
        climbing = None if self.channels is None or step is None else plus(self.channels, step, i)
        made = self.made(self.rows, [self.channels, climbing])
        read, values.used = values.used, outer | values.used - {"i", "item"}
        leaving: Candidates = [made.channels]
        if self.channels is not None and step is not None and self.repeat is not None:
            leaving.append(plus(self.channels, step, self.repeat))
        if "item" not in read:
            return Turns(made, [Entry(made.piece, "i", self.range())], leaving)
        items = argument(values.write("items", self.outside, list(self.items), [self.repeat]))
        if "i" not in read:
            return Turns(made, [Entry(made.piece, "item", items)], leaving)
        return Turns(made, [Entry(made.piece, "i, item", Group("enumerate(", (items,)))], leaving)

    def from_table(self) -> Turns:
        if len(set(self.counts)) > 1 or self.counts[0] < 2:
            raise Unwritable("no table")
        columns = self.values.columns = {}
        made = self.made(self.rows, [self.channels])
        if not columns or len(", ".join(columns)) > WIDEST_HEAD:
            raise Unwritable("no table")
        names = sorted(columns, key=lambda name: not name.startswith("in_channels"))
        table = [[argument(constant(columns[name][turn])) for name in names] for turn in range(self.counts[0])]
        lines: list[Piece] = [cells[0] if len(cells) == 1 else Group("(", tuple(cells)) for cells in table]
        return Turns(made, [Entry(made.piece, ", ".join(names), Group("[", tuple(lines), "]"))], [])

    def climb(self) -> Tree | None:
        """What each turn adds to the channels, where that is the same for all."""
        added = self.modules.added(self.use, self.rows)
        entering = {row.loop["i"]: row.entering.output[0] for row in self.rows}
        return added or (constant(entering[1] - entering[0]) if len(entering) > 1 else None)

    def range(self, less: int = 0) -> Piece:
        """`range(depth)`, and `range(depth - 1)` for all but the first."""
        values, found = self.values, self.repeat
        counted = [found, found and simplified(ast.Call(ast.Name("len"), [found], []))]
        candidates = [tree and simplified(ast.BinOp(tree, ast.Sub(), constant(less))) for tree in counted]
        mode, values.mode = values.mode, "parameters"
        count = values.write("repeats", self.outside, [count - less for count in self.counts], candidates)
        values.mode = mode
        return f"range({text(count)})"


def plus(channels: Tree, step: Tree, times: Tree) -> Tree:
    """`channels + step * times`."""
    return simplified(ast.BinOp(channels, ast.Add(), simplified(product(step, times))))


def distinct(rows: list[Row]) -> list[Row]:
    """One row for all turns of an instance that are alike but for their place."""
    found: dict[Any, Row] = {}
    for row in rows:
        call = row.done
        what = call.instance.key if call.instance is not None else id(call.layer)
        found.setdefault((row.instance, what, row.entering.output), row)
    return list(found.values())


def container(name: str, kind: str, entries: list[Entry], indent: int) -> list[Statement]:
    """The statements that make `nn.Sequential` or `nn.ModuleList` of modules."""
    spread = kind == "nn.Sequential"

    def of(pieces: list[Piece]) -> Piece:
        items: tuple[Piece, ...] = tuple(pieces)
        return Group(f"{kind}(", items if spread or not items else (Group("[", items, "]"),))

    if len(entries) == 1 and entries[0].variables and not spread:
        whole: Piece = f"{kind}({entries[0].comprehension()})"
    else:
        whole = of([prefixed("*", each.comprehension()) if each.variables else each.piece for each in entries])
    if all(map(fits, laid_out(indent, f"self.{name} = ", whole))):
        return [Line(f"self.{name}", whole)]
    made: list[Statement] = [Line(f"self.{name}", of([each.piece for each in entries if not each.variables]))]
    for entry in entries:
        if entry.variables:
            append = Line("", Group(f"self.{name}.append(", (entry.piece,)))
            made.append(Suite(f"for {entry.variables} in", entry.over, [append]))
    return made
