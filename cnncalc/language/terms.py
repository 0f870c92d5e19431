"""Values in a document: each is a constant or an expression, and is evaluated against the names known where it stands."""

from __future__ import annotations

from collections.abc import Mapping as Names
from fractions import Fraction
from typing import Any

from cnncalc.diagnostics import Diagnostic, DocumentError, Span
from cnncalc.language.expressions import Expression, ExpressionError, exact
from cnncalc.language.source import Mapping, Node, Scalar, Sequence, describe


class Term:
    """A compiled value. `constant` terms have their `value` at once; the others are evaluated against names."""

    __slots__ = ("constant", "expression", "items", "keys", "node", "value", "words")

    def __init__(self, node: Node, words: tuple[str, ...] = (), text: bool = False) -> None:
        """`words` are taken literally; with `text`, any bare word that is no known name is text too."""
        self.node = node
        self.words = text
        self.expression: Expression | None = None
        self.items: list[Term] | None = None
        self.keys: list[str] | None = None
        self.constant = True
        self.value: Any = None
        if type(node) is Scalar:
            self._scalar(node, words)
        elif type(node) is Sequence:
            self._collection([Term(item, words, text) for item in node.items])
        else:
            assert type(node) is Mapping
            self.keys = list(node.entries)
            self._collection([Term(item, words, text) for item in node.entries.values()])

    def _scalar(self, node: Scalar, words: tuple[str, ...]) -> None:
        if type(node.value) is not str or node.value in words:
            self.value = exact(node.value)
            return
        try:
            self.expression = Expression(node.value)
        except ExpressionError as error:
            raise _located(node, error) from None
        self.constant = False

    def _collection(self, items: list[Term]) -> None:
        self.items = items
        if all(item.constant for item in items):
            values = tuple([item.value for item in items])
            self.value = values if self.keys is None else dict(zip(self.keys, values, strict=True))
        else:
            self.constant = False

    def evaluate(self, names: Names[str, Any]) -> Any:
        """The value: int, Fraction, bool, None, text, a tuple or a dict. Raises `DocumentError` with the place."""
        if self.constant:
            return self.value
        if self.expression is not None:
            if self.words and self.expression.is_word and self.expression.text not in names:
                return self.expression.text
            try:
                return self.expression.evaluate(names)
            except ExpressionError as error:
                raise _located(self.node, error) from None
        assert self.items is not None
        values = tuple([item.evaluate(names) for item in self.items])
        return values if self.keys is None else dict(zip(self.keys, values, strict=True))


def _located(node: Node, error: ExpressionError) -> DocumentError:
    return DocumentError(
        Diagnostic(error.code, error.message, expression_span(node, error.start, error.end), help=error.help)
    )


def expression_span(node: Node, start: int, end: int) -> Span:
    """Part of a scalar's text as a place in its source, quotes allowed for."""
    assert isinstance(node, Scalar)
    written = node.source.text[node.start : node.end]
    quote = 1 if written[:1] in "'\"" else 0
    if written[quote : quote + len(node.text)] != node.text:
        return node.span
    first = node.start + quote + start
    return Span(node.source, first, max(first + 1, node.start + quote + end))


def whole_number(node: Node, value: Any, what: str, least: int = 0) -> int:
    """The value as an int from `least` up, or a diagnostic at its place."""
    if type(value) is int and value >= least:
        return value
    raise DocumentError(
        Diagnostic(
            "wrong-type", f"{what} has to be a whole number from {least} up, not {shown(node, value)}", node.span
        )
    )


def shown(node: Node, value: Any) -> str:
    """A value for a message: as written, and what it came to where that is something else."""
    written = describe(node)
    text = value_text(value)
    return written if written == f"`{text}`" or isinstance(node, Sequence | Mapping) else f"{written}, which is {text}"


def value_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Fraction):
        return str(float(value))
    if isinstance(value, tuple):
        return f"[{', '.join(value_text(item) for item in value)}]"
    return str(value)
