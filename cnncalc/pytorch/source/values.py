"""Values in a class of a model's source, each as an expression that is right in every instance of the class.

As the document has it, where that can be said in Python; else as a plain number, where it is the same everywhere; else
as a parameter of the class, or as a variable of the loop at hand.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, TypeVar

from cnncalc.graph import Value
from cnncalc.language.document import Block, LayerUse
from cnncalc.language.terms import Term
from cnncalc.pytorch.source import algebra
from cnncalc.pytorch.source.algebra import NoValue, Tree, constant, floored, names_of, simplified, substituted, text
from cnncalc.pytorch.source.code import SPOKEN, free
from cnncalc.pytorch.source.structure import Call, Instance, Names, every_use, head

LONGEST_EXPRESSION = 60  # a longer one is written as what it comes to

LONGER = {"i": "index", "item": "element"}  # the document's words for a loop, outside that loop

Candidates = list[Tree | None]
Sort = Literal["channels", "arg", "outer", "own"]
T = TypeVar("T")


class Varies(Exception):
    """Instances need classes of their own: those with the same key one together."""

    def __init__(self, keys: list[Any]) -> None:
        super().__init__("instances differ in more than numbers")
        self.keys = keys


class Unwritable(Exception):
    """Values that no expression at hand gives."""


@dataclass(slots=True, eq=False)
class Param:
    """A parameter of a class: the channels that enter, an arg of the block, a name from around it, or a number."""

    name: str
    sort: Sort
    word: str  # in the document
    values: list[Any]  # in each instance
    default: Tree | None = None


@dataclass(slots=True, eq=False)
class Flow:
    """A value on its way through `forward`: its variable, its channels, and what it is in each instance."""

    variable: str
    channels: Tree | None
    values: dict[int, Value]

    def named(self, variable: str) -> Flow:
        return Flow(variable, self.channels, self.values)


@dataclass(slots=True, eq=False)
class Row:
    """A use carried out once in one instance: the document's names there, and the loop variables of Python."""

    instance: int
    scope: Names
    call: Call | None
    loop: Names = field(default_factory=dict)

    @property
    def done(self) -> Call:
        assert self.call is not None
        return self.call

    @property
    def entering(self) -> Value:
        assert self.call is not None
        assert self.call.enters is not None
        return self.call.enters


@dataclass(slots=True, eq=False)
class Scope:
    """Names of a block: its args as expressions, values and modules of layers, and which values are read by name."""

    args: dict[str, Tree | None]
    read: set[str]
    flows: dict[str, Flow] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)  # of layers that are always there, as code calls them
    prefix: str = ""

    def reads_inside(self, name: str) -> bool:
        """Whether something reads a layer inside this one."""
        return any(read.startswith(f"{name}.") for read in self.read)

    def keep_turn(self, name: str, use: LayerUse) -> None:
        """Let the layers of a repeated merge be read as those of this turn: `add.1.conv`."""
        own = {inner.name for inner in every_use([use])} - {use.name}
        turn = {f"{name}.{word}": flow for word, flow in self.flows.items() if head(word) in own}
        self.flows |= turn if use.paths is not None else {}

    @property
    def variables(self) -> set[str]:
        """The variables of values that are read by name."""
        return {flow.variable for name, flow in self.flows.items() if name in self.read}


class Values:
    """The expressions of one class: over `instances`, which are instances of `block`."""

    def __init__(self, block: Block, instances: list[Instance], is_taken: Callable[[str], bool], scope: Scope) -> None:
        """`is_taken` tells names of classes and functions around this class."""
        self.block, self.instances, self.is_taken, self.scope = block, instances, is_taken, scope
        self.params: dict[str, Param] = {}
        self.used: set[str] = set()
        self.current = ""  # the name of the use at hand
        self.channels: Tree | None = None  # those that enter it
        self.loops: dict[str, Tree] = {}  # the document's `i` and `item`, where a loop of Python has them
        self.mode: Literal["parameters", "strict", "table"] = "parameters"
        self.columns: dict[str, dict[int, Any]] = {}  # of the table at hand, by turn
        self.column_names: set[str] = set()  # of all tables
        self.takes_numbers = True  # whether the class may have parameters that are none of the document's
        scope.args |= {word: ast.Name(self.param("arg", word).name) for word in block.args}
        if "block_in_channels" in instances[0].names and not instances[0].inner:
            scope.args["block_in_channels"] = ast.Name(self.param("channels", "in_channels").name)

    # Parameters -------------------------------------------------------------------------------------------------------

    def param(self, sort: Sort, word: str) -> Param:
        """The parameter for a word of the document."""
        for known in self.params.values():
            if (known.sort, known.word) == (sort, word) and sort != "own":
                return known
        if sort == "channels":
            entering = [each.enters for each in self.instances]
            return self.new_param(sort, word, [None if value is None else value.output[0] for value in entering])
        param = self.new_param(sort, word, [each.names[word] for each in self.instances])
        if sort == "arg":
            default = self.block.args[word]
            if default.constant and default.value is not None and not _is_mutable(default.value):
                param.default = constant(default.value)
        return param

    def new_param(self, sort: Sort, word: str, values: list[Any]) -> Param:
        name = free(LONGER.get(word, word), SPOKEN, self.params, self.column_names)
        while self.is_taken(name):
            name += "_"
        param = self.params[name] = Param(name, sort, word, values)
        return param

    # Expressions ------------------------------------------------------------------------------------------------------

    def write(self, label: str, rows: list[Row], wanted: list[Any], candidates: Candidates) -> Tree:
        """An expression for wanted values: a candidate, a constant, or a name that is made for them."""
        tree = self.first(rows, wanted, candidates)
        if tree is None:
            if self.mode == "strict":
                raise Unwritable(label)
            tree = ast.Name(self.column(label, rows, wanted) if self.mode == "table" else self.own(label, rows, wanted))
        self.used |= names_of(tree)
        return tree

    def first(self, rows: list[Row], wanted: list[Any], candidates: Candidates) -> Tree | None:
        """The first candidate that gives the wanted values; a constant, where they are all the same."""
        for tree in candidates:
            for form in () if tree is None else (tree, floored(tree), self.with_fractions(tree)):
                if self.is_right(form, rows, wanted):
                    return form
        return constant(wanted[0]) if wanted and same(wanted) else None

    def is_right(self, tree: Tree, rows: list[Row], wanted: list[Any]) -> bool:
        """Whether an expression of Python gives the wanted values, whole in every step."""
        if len(text(tree)) > LONGEST_EXPRESSION and names_of(tree):
            return False
        whole = not isinstance(tree, ast.Name | ast.Constant)
        for row, value in zip(rows, wanted, strict=True):
            try:
                given = algebra.value(tree, _Environment(row, self.params), whole)
            except NoValue:
                return False
            if not same([float(given) if isinstance(given, Fraction) else given, value]):
                return False
        return True

    def with_fractions(self, tree: Tree) -> Tree:
        """The tree with the values of parameters that are the same fraction everywhere: `width // 4`."""
        known = {
            name: constant(param.values[0])
            for name, param in self.params.items()
            if isinstance(param.values[0], Fraction) and same(param.values)
        }
        return floored(substituted(tree, known)) if known else tree

    def given(self, use: LayerUse, name: str, rows: list[Row]) -> Tree | None:
        """A field of a use as the document writes it, in Python."""
        term = use.fields.get(name)
        return None if term is None else self.carried(term, rows)

    def carried(self, written: Term | str, rows: list[Row]) -> Tree | None:
        """A value of the document (or a name of its) in Python; parts that cannot be said are what they come to."""
        return self._carried(ast.Name(written) if isinstance(written, str) else algebra.written(written), rows)

    def _carried(self, tree: Tree, rows: list[Row]) -> Tree | None:
        match tree:
            case ast.Constant():
                return tree
            case ast.Name(word):
                return self.resolved(word, rows) or self.folded(tree, rows)
            case ast.IfExp(test, body, otherwise):
                known = self._carried(test, rows)
                if known is None:
                    return None
                if isinstance(known, ast.Constant):
                    return self._carried(body if known.value else otherwise, rows)
        parts = [self._carried(part, rows) for part in algebra.parts(tree)]
        known_parts = iter([part for part in parts if part is not None])
        if None in parts:
            return self.folded(tree, rows)
        return simplified(algebra.mapped(tree, lambda part: next(known_parts)))

    def resolved(self, word: str, rows: list[Row]) -> Tree | None:
        """A name of the document as an expression of Python, where there is one."""
        if word in self.loops:
            return self.loops[word]
        if word == "in_channels":
            return self.channels
        if word in self.scope.args:
            return self.scope.args[word]
        values = [row.scope.get(word) for row in rows]
        if same(values):
            return constant(values[0])
        if any(self.instances[row.instance].names.get(word) != row.scope.get(word) for row in rows):
            return None
        return ast.Name(self.param("outer", word).name)

    def folded(self, tree: Tree, rows: list[Row]) -> Tree | None:
        """What an expression of the document comes to, where that is the same in all rows."""
        try:
            values = [algebra.value(tree, row.scope) for row in rows]
        except NoValue:
            return None
        return constant(values[0]) if same(values) else None

    # Names that are made ----------------------------------------------------------------------------------------------

    def own(self, label: str, rows: list[Row], wanted: list[Any]) -> str:
        """A parameter that is none of the document's."""
        values = by_key([row.instance for row in rows], wanted)
        if values is None or not self.takes_numbers:
            raise Unwritable(label)
        word = label if self.current in ("", label) else f"{self.current}_{label}"
        everywhere = [values.get(place) for place in range(len(self.instances))]
        alike = [each for each in self.params.values() if (each.word, each.values) == (word, everywhere)]
        return (alike[0] if alike else self.new_param("own", word, everywhere)).name

    def column(self, label: str, rows: list[Row], wanted: list[Any]) -> str:
        """A variable of the loop at hand, with a value for each turn."""
        values = by_key([row.loop["i"] for row in rows], wanted)
        if values is None:
            raise Unwritable(label)
        word = LONGER.get(label, label)
        if self.columns.get(word) == values:
            return word
        name = free(word, SPOKEN, self.params, self.columns)
        self.columns[name] = values
        self.column_names.add(name)
        for row in rows:
            row.loop[name] = values[row.loop["i"]]
        return name

    def attempt(self, write: Callable[[], T], mode: Literal["strict", "table"] = "strict") -> T | None:
        """What is written without new parameters; None where that cannot be."""
        before = self.mode, self.used, self.loops
        self.mode, self.used, self.loops = mode, set(self.used), {}
        try:
            written = write()
        except (Unwritable, Varies):
            self.mode, self.used, self.loops = before
            return None
        self.mode, self.loops = before[0], before[2]
        return written

    def vary(self, rows: list[Row], values: list[Any]) -> None:
        """Refuse values that differ: between instances, which then get classes of their own, or within one."""
        keys = by_key([row.instance for row in rows], values)
        if keys is None:
            raise Unwritable("the turns of a loop differ")
        if not same(list(keys.values())):
            raise Varies([repr(keys.get(place)) for place in range(len(self.instances))])


class _Environment(Mapping[str, Any]):
    """Python's names in one row."""

    def __init__(self, row: Row, params: dict[str, Param]) -> None:
        self.row, self.params = row, params

    def __getitem__(self, name: str) -> Any:
        return self.row.loop[name] if name in self.row.loop else self.params[name].values[self.row.instance]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.params, **self.row.loop})

    def __len__(self) -> int:
        return len({**self.params, **self.row.loop})


def same(values: list[Any]) -> bool:
    """Whether all values are equal (and `True` is no 1)."""
    first = values[0]
    return all(value == first and (type(value) is bool) == (type(first) is bool) for value in values)


def by_key(keys: list[int], values: list[Any]) -> dict[int, Any] | None:
    """The value of each key; None where one has several."""
    found: dict[int, Any] = {}
    for key, value in zip(keys, values, strict=True):
        if not same([found.setdefault(key, value), value]):
            return None
    return found


def _is_mutable(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, tuple) and any(map(_is_mutable, value)))
