"""Values in a document: each is a constant or an expression, evaluated against the names known where it stands."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Names
from functools import lru_cache
from typing import Any

from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Span
from cnncalc.language.expressions import (
    MAX_ITEMS,
    Expression,
    ExpressionError,
    exact,
    unknown_name,
    value_text,
    within_bounds,
)
from cnncalc.language.source import Mapping, Node, Scalar, Sequence, describe

_expression = lru_cache(maxsize=1000)(Expression)  # documents say the same things again and again


class Term:
    """A value as read: `constant` terms have their `value`, the others are evaluated against `names`."""

    __slots__ = ("constant", "expression", "items", "keys", "names", "node", "value")

    def __init__(self, node: Node, value: Any = None, constant: bool = True) -> None:
        self.node = node
        self.constant = constant
        self.value = value
        self.expression: Expression | None = None
        self.items: list[Term] = []
        self.keys: list[str] | None = None
        self.names: frozenset[str] = frozenset()  # what it reads

    def evaluate(self, names: Names[str, Any]) -> Any:
        """The value: int, Fraction, bool, None, text, a tuple or a dict. Raises `DocumentError` with the place."""
        if self.constant:
            return self.value
        if self.expression is not None:
            try:
                return self.expression.evaluate(names)
            except ExpressionError as error:
                raise DocumentError(_located(self.node, error)) from None
        values = tuple([item.evaluate(names) for item in self.items])
        value = values if self.keys is None else dict(zip(self.keys, values, strict=True))
        if not within_bounds(value):
            message = f"the list is too large: a list has at most {MAX_ITEMS:,} items in all"
            raise DocumentError(Diagnostic("value-too-large", message, self.node.span))
        return value


def read_term(
    node: Node, known: Collection[str], found: Findings, words: tuple[str, ...] = (), text: bool = False
) -> Term:
    """The term of a node, its mistakes added to `found`.

    `words` are taken literally; with `text`, any word that is no known name is text too.
    """
    if type(node) is Scalar:
        value = node.value
        if type(value) is not str or value in words or (text and _is_text(value, known)):
            return Term(node, exact(value))
        return _read_expression(node, value, known, found)
    keys = None if type(node) is Sequence else list(node.entries) if type(node) is Mapping else []
    items: list[Term] = []
    for item in node.items if type(node) is Sequence else node.entries.values() if type(node) is Mapping else ():
        before = len(found.diagnostics)
        items.append(read_term(item, known, found, words, text))
        if len(found.diagnostics) > before:
            known = {*known, *items[-1].names}  # a name that is not known is said once
    if all(item.constant for item in items):
        values = tuple([item.value for item in items])
        return Term(node, values if keys is None else dict(zip(keys, values, strict=True)))
    term = Term(node, constant=False)
    term.items, term.keys = items, keys
    term.names = frozenset().union(*[item.names for item in items])
    return term


def _is_text(value: str, known: Collection[str]) -> bool:
    return value.isidentifier() and value not in known


def _read_expression(node: Scalar, text: str, known: Collection[str], found: Findings) -> Term:
    term = Term(node, constant=False)
    try:
        term.expression = expression = _expression(text)
        if not expression.names:
            return Term(node, expression.evaluate({}))
    except ExpressionError as error:
        found.add(_located(node, error))
        return term
    for name, place in expression.names.items():
        if name not in known:
            code, message, help = unknown_name(name, known)
            found.add(_located(node, ExpressionError(code, message, *place, help)))
    term.names = frozenset(expression.names)
    return term


def _located(node: Node, error: ExpressionError) -> Diagnostic:
    return Diagnostic(error.code, error.message, _part(node, error.start, error.end), help=error.help)


def _part(node: Node, start: int, end: int) -> Span:
    """Part of a scalar's text as a place in its source, quotes allowed for."""
    assert isinstance(node, Scalar)
    written = node.source.text[node.start : node.end]
    quote = 1 if written[:1] in ("'", '"') else 0
    if written[quote : quote + len(node.text)] != node.text:
        return node.span
    first = node.start + quote + start
    return Span(node.source, first, max(first + 1, node.start + quote + end))


def shown(node: Node, value: Any) -> str:
    """A value for a message: as written, and what it came to where that is something else."""
    if not isinstance(node, Scalar):
        return f"`{value_text(value)}`"
    written, text = describe(node), value_text(value)
    same = written == f"`{text}`" or node.value is None or exact(node.value) == value
    return written if same else f"{written}, which is {text}"
