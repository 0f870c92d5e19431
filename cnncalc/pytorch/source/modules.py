"""How the module of a use is made: a layer's by torch's class, a block's by a class of the source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Protocol

from cnncalc.language.document import LayerUse
from cnncalc.pytorch.source.algebra import Tree, names_of, substituted, text
from cnncalc.pytorch.source.code import Piece
from cnncalc.pytorch.source.layers import CALLS, Made, Site, argument, call, named
from cnncalc.pytorch.source.structure import Instance
from cnncalc.pytorch.source.values import Candidates, Param, Row, Unwritable, Values, Varies


@dataclass(slots=True, eq=False)
class Template:
    """A finished class."""

    name: str
    params: list[Param]
    channels: Tree | None  # of what it returns, in terms of its parameters
    lines: list[str]


class Program(Protocol):
    """What a class needs of the source around it."""

    def template(self, instance: Instance) -> tuple[Template, int]:
        """The class of an instance, and the instance's place among those of the class."""

    def is_taken(self, word: str) -> bool:
        """Whether a name belongs to a class or function of the source."""


class Modules:
    def __init__(self, program: Program, values: Values) -> None:
        self.program, self.values = program, values

    def made(self, use: LayerUse, rows: list[Row], entering: Candidates) -> Made:
        """The module of a use; `entering` are expressions for the channels that may enter."""
        values = self.values
        channels = [0 if row.done.enters is None else row.entering.output[0] for row in rows]
        values.channels = values.first(rows, channels, entering)
        return CALLS[use.kind](Site(use, rows, values)) if rows[0].done.instance is None else self.block(use, rows)

    def template(self, rows: list[Row]) -> Template:
        """The one class of all instances."""
        found = [self.program.template(row.done.instance)[0] for row in rows if row.done.instance is not None]
        self.values.vary(rows, [template.name for template in found])
        return found[0]

    def block(self, use: LayerUse, rows: list[Row]) -> Made:
        template = self.template(rows)
        places = [self.program.template(row.done.instance)[1] for row in rows if row.done.instance is not None]
        items: list[Piece] = []
        given: dict[str, Tree] = {}
        for param in template.params:
            wanted = [param.values[place] for place in places]
            tree = given[param.name] = self.values.write(param.word, rows, wanted, [self.given(param, use, rows)])
            if param.sort == "channels":
                items.append(argument(tree))
            elif param.default is None or text(tree) != text(param.default):
                items.append(named(param.name, tree))
        return Made(call(template.name, *items), template.channels and substituted(template.channels, given))

    def given(self, param: Param, use: LayerUse, rows: list[Row]) -> Tree | None:
        """What a parameter of a block's class is given, as the document has it."""
        if param.sort == "channels":
            return self.values.channels
        if param.sort == "outer":
            return self.values.carried(param.word, rows)
        if param.sort == "arg":
            return self.values.given(use, param.word, rows) if param.word in use.fields else param.default
        return None

    def leaving(self, use: LayerUse, rows: list[Row]) -> Tree | None:
        """The channels that leave a use, said without those that enter."""
        values = self.values
        before, values.channels = values.channels, None
        try:
            if use.layer is not None:
                name = "out_features" if "out_features" in use.fields else "out_channels"
                return values.given(use, name, rows)
            template = self.template(rows)
            return template.channels and self.in_terms_of_here(template.channels, use, rows)
        except (Unwritable, Varies):
            return None
        finally:
            values.channels = before

    def added(self, use: LayerUse, rows: list[Row]) -> Tree | None:
        """What a block adds to the channels that enter it: `growth`, where it returns `in_channels + growth`."""
        if rows[0].done.instance is None:
            return None
        match self.template(rows).channels:
            case ast.BinOp(ast.Name("in_channels"), ast.Add(), added):
                return self.in_terms_of_here(added, use, rows)
        return None

    def in_terms_of_here(self, tree: Tree, use: LayerUse, rows: list[Row]) -> Tree | None:
        """An expression of a block's parameters as one of the class that uses it."""
        params = [param for param in self.template(rows).params if param.name in names_of(tree)]
        given = {param.name: self.given(param, use, rows) for param in params}
        known = {name: value for name, value in given.items() if value is not None}
        return substituted(tree, known) if len(known) == len(given) else None
