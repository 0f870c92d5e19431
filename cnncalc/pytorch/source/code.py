"""The text of Python: statements laid out as formatters lay them out, and names that Python and torch leave free.

A statement that does not fit in `WIDTH` has the items of its outermost brackets on lines of their own, a comma after
each. So the text stands as it is under ruff and black at their default width and at every larger one.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

WIDTH = 88
BODY = 8  # the indentation of statements in a method

# Pieces of a statement ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Items in brackets: `nn.Conv2d(`, its arguments, `)`."""

    before: str
    items: tuple[Piece, ...]
    after: str = ")"


@dataclass(frozen=True, slots=True)
class Infix:
    """A sign between two operands: `x * 2`. It stays on one line."""

    left: Piece
    sign: str
    right: Piece


Piece = str | Group | Infix

STRENGTHS = {"+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "**": 3}  # how strongly a sign binds
_SIMPLE = re.compile(r"-?[\w.]+")  # operands that formatters write `**` between without spaces


def flat(piece: Piece) -> str:
    """The piece on one line."""
    if isinstance(piece, Group):
        return f"{piece.before}{', '.join(map(flat, piece.items))}{piece.after}"
    if isinstance(piece, str):
        return piece
    strength = STRENGTHS[piece.sign]
    left = operand(piece.left, strength + (piece.sign == "**"))
    right = operand(piece.right, strength + 1)
    is_close = piece.sign == "**" and _SIMPLE.fullmatch(left) and _SIMPLE.fullmatch(right)
    return f"{left}{piece.sign}{right}" if is_close else f"{left} {piece.sign} {right}"


def operand(piece: Piece, around: int = max(STRENGTHS.values()) + 1) -> str:
    """The piece on one line, in parentheses where what stands around it binds more strongly."""
    weaker = isinstance(piece, Infix) and STRENGTHS[piece.sign] < around
    return f"({flat(piece)})" if weaker else flat(piece)


def prefixed(before: str, piece: Piece) -> Piece:
    """`stride=` or `*` before a piece."""
    return Group(before + piece.before, piece.items, piece.after) if isinstance(piece, Group) else before + flat(piece)


def suffixed(piece: Piece, after: str) -> Piece:
    """`.flatten(1)` after a piece."""
    return Group(piece.before, piece.items, piece.after + after) if isinstance(piece, Group) else operand(piece) + after


def laid_out(indent: int, before: str, piece: Piece, after: str = "") -> Iterator[str]:
    """The lines of a piece with something before and after it."""
    line = f"{' ' * indent}{before}{flat(piece)}{after}"
    if not isinstance(piece, Group) or not piece.items or fits(line):
        yield line
        return
    yield f"{' ' * indent}{before}{piece.before}"
    for item in piece.items:
        yield from laid_out(indent + 4, "", item, ",")
    yield f"{' ' * indent}{piece.after}{after}"


def fits(line: str) -> bool:
    return len(line) <= WIDTH


# Statements -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Line:
    """`target = piece`; without a target the piece alone.

    `reads` are the local variables it reads. Where the piece is a function of one of them, `function` makes it of any.
    `calls` says whether it runs a module or writes over a value, which may have effects of its own.
    """

    target: str
    piece: Piece
    reads: frozenset[str] = frozenset()
    function: Callable[[Piece], Piece] | None = None
    comment: str = ""
    calls: bool = False

    def is_short(self, indent: int) -> bool:
        """Whether it is one line, even if it comes to return its piece."""
        return fits(f"{' ' * indent}{max('return', f'{self.target} =', key=len)} {flat(self.piece)}")

    def lines(self, indent: int) -> Iterator[str]:
        before = "return " if self.target == "return" else f"{self.target} = " if self.target else ""
        written = list(laid_out(indent, before, self.piece))
        if self.comment and len(written) == 1 and fits(f"{written[0]}  # {self.comment}"):
            written[0] += f"  # {self.comment}"
        yield from written


@dataclass(slots=True, eq=False)
class Suite:
    """`if condition:` or `for name in piece:`, and what belongs to it."""

    head: str
    piece: Piece
    body: list[Statement]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset().union(*[statement.reads for statement in self.body])

    def lines(self, indent: int) -> Iterator[str]:
        yield from laid_out(indent, f"{self.head} ", self.piece, ":")
        for statement in self.body:
            yield from statement.lines(indent + 4)


Statement = Line | Suite


def applied(target: str, function: Callable[[Piece], Piece], variable: str, calls: bool) -> Line:
    """`target = function(variable)`."""
    return Line(target, function(variable), frozenset([variable]), function, calls=calls)


def renamed(target: str, variable: str) -> Line:
    """`target = variable`."""
    return Line(target, variable, frozenset([variable]))


def nested(statements: list[Statement]) -> tuple[Piece, int] | None:
    """Lines of which each is a function of the one before as one piece, and how many functions that nests."""
    piece: Piece = ""
    current = ""
    for line in statements:
        if not isinstance(line, Line) or line.function is None or (current and line.reads != {current}):
            return None
        piece = line.function(piece) if current else line.piece
        current = line.target
    return (piece, len(statements)) if current else None


def without_dead_stores(statements: list[Statement], live: set[str]) -> list[Statement]:
    """The statements, where nothing reads their target, without it or not at all; `live` is read after them."""
    kept: list[Statement] = []
    for statement in reversed(statements):
        if isinstance(statement, Line):
            if statement.target not in live:
                if not statement.calls:
                    continue
                statement.target, statement.comment = "" if isinstance(statement.piece, Group) else "_", ""
            live = live - {statement.target}
        live = live | statement.reads
        kept.append(statement)
    return kept[::-1]


# Names ----------------------------------------------------------------------------------------------------------------

_ATTRIBUTES = """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
    share_memory state_dict to to_empty train training type xpu zero_grad
"""
MODULE_ATTRIBUTES = frozenset(_ATTRIBUTES.split())  # what a torch module has already, so that no layer can be called so
BUILTINS = frozenset(dir(builtins))
IMPORTED = frozenset(["torch", "nn", "F", "Tensor"])
LOOPS = frozenset(["i", "item"])
SPOKEN = (
    IMPORTED | LOOPS | {"self", "super", "range", "enumerate", "len", "abs", "max", "min", "sum", "bool", "int", "str"}
)


def free(word: str, *taken: Collection[str]) -> str:
    """The word, with `_` or a number after it where it is a keyword or taken."""
    number = 1
    name = word
    while keyword.iskeyword(name) or any(name in names for names in taken):
        number += 1
        name = f"{word}_" if number == 2 else f"{word}_{number}"
    return name


def class_name(words: str, otherwise: str) -> str:
    """`conv_bn_relu` as `ConvBnRelu`, `ResNet-50 (2015)` as `ResNet502015`."""
    joined = "".join(part[0].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", words))
    return joined if joined[:1].isalpha() else otherwise + joined


def free_class(word: str, taken: Collection[str]) -> str:
    """The class name, with a number after it where it is taken."""
    number = 1
    name = word
    while name in taken or keyword.iskeyword(name):
        number += 1
        name = f"{word}{number}"
    return name


def one_line(text: str) -> str:
    """A text from outside for a comment or docstring: one line, and nothing that could end it."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.replace("\\", "/").replace('"', "'").split())
