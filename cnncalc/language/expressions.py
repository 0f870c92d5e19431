"""Arithmetic inside a document: `4 * width`, `stride if i == 0 else 1`, `max(a, b)`.

A text is parsed once into a tree of closures over a whitelist and evaluated many times against names. Numbers are exact:
`0.75 * 32` is 24, `7 / 2` the fraction 7/2. Size is bounded at every step, so no expression can hang or fill memory.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Any

from cnncalc.diagnostics import choices, near

MAX_LENGTH = 500
MAX_BITS = 256
MAX_ITEMS = 10_000

Number = int | Fraction
Value = Any  # int | Fraction | bool | str | None | tuple of values | dict of values, as documents hold them
Names = Mapping[str, Value]
Evaluate = Callable[[Names], Value]


class ExpressionError(Exception):
    """What is wrong with an expression, and where in its text (`start` to `end`)."""

    def __init__(self, code: str, message: str, start: int, end: int, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.start, self.end, self.help = code, message, start, end, help


class Expression:
    """A parsed expression: `evaluate(names)` answers, `names` says what it reads.

    Raises `ExpressionError` when it is made (not an expression, too long, a function that does not exist) and when it is
    evaluated (a name that does not exist, division by zero, a value beyond the bounds).
    """

    __slots__ = ("evaluate", "is_word", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_word = text.isidentifier()
        if len(text) > MAX_LENGTH:
            raise ExpressionError(
                "expression-too-long",
                f"an expression of {len(text)} characters; {MAX_LENGTH} are allowed",
                0,
                len(text),
            )
        stripped = text.strip()
        indent = len(text) - len(text.lstrip())
        try:
            tree = ast.parse(stripped, mode="eval").body
            compiler = _Compiler(stripped, indent)
            self.evaluate: Evaluate = compiler.compile(tree)
        except SyntaxError as error:
            start = min(indent + max(0, (error.offset or 1) - 1), max(0, len(text) - 1))
            raise ExpressionError("not-an-expression", f"`{text}` is not an expression", start, start + 1) from None
        except (RecursionError, MemoryError, ValueError):
            raise ExpressionError("not-an-expression", f"`{text}` is not an expression", 0, len(text)) from None
        self.names: frozenset[str] = frozenset(compiler.names)


def exact(value: Value) -> Value:
    """A plain value as expressions see it: floats as the decimal fraction that was written, lists as tuples."""
    kind = type(value)
    if kind is float:
        return _whole(Fraction(repr(value)))
    if kind is tuple or kind is list:
        return tuple([exact(item) for item in value])
    if kind is dict:
        return {key: exact(item) for key, item in value.items()}
    return value


def _whole(value: Value) -> Value:
    return value.numerator if type(value) is Fraction and value.denominator == 1 else value


def make_divisible(v: Number, divisor: int = 8) -> int:
    """MobileNet's channel rounding (Sandler et al. 2018, as published with the code): to a multiple, at least 90 % of v."""
    rounded = max(divisor, floor(v + Fraction(divisor, 2)) // divisor * divisor)
    return rounded + divisor if 10 * rounded < 9 * v else rounded


def _power(base: Number, exponent: Number) -> Number:
    if not isinstance(exponent, int):
        raise ValueError("the exponent of `**` has to be a whole number")
    size = max(abs(base.numerator).bit_length(), base.denominator.bit_length())
    if size > 1 and size * abs(exponent) > MAX_BITS + size:
        raise OverflowError
    return Fraction(base) ** exponent if exponent < 0 else base**exponent


def _divide(a: Number, b: Number) -> Number:
    return Fraction(a) / b


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": ceil,
    "floor": floor,
    "int": int,
    "len": len,
    "make_divisible": make_divisible,
    "max": max,
    "min": min,
    "round": round,
    "sum": sum,
}
_LITERALS: dict[str, Value] = {"true": True, "false": False, "null": None}


class _Compiler:
    """Python's own parser reads the text; only the node kinds below mean anything."""

    def __init__(self, text: str, indent: int) -> None:
        self.text = text
        self.indent = indent
        self.names: set[str] = set()

    def error(self, node: ast.AST, code: str, message: str, help: str = "") -> ExpressionError:
        start = self.indent + getattr(node, "col_offset", 0)
        end = self.indent + (getattr(node, "end_col_offset", None) or len(self.text))
        return ExpressionError(code, message, start, end, help)

    def compile(self, node: ast.expr) -> Evaluate:
        method: Callable[[Any], Evaluate] | None = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            raise self.error(node, "not-an-expression", f"`{self.source(node)}` is not arithmetic")
        return method(node)

    def source(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.text, node) or self.text

    def bounded(self, node: ast.expr, compute: Callable[[Names], Value]) -> Evaluate:
        """`compute`, with what can go wrong in it said of this part of the text."""

        def evaluate(names: Names) -> Value:
            try:
                value = compute(names)
            except ZeroDivisionError:
                raise self.error(node, "division-by-zero", f"`{self.source(node)}` divides by zero") from None
            except OverflowError:
                raise self.too_large(node) from None
            except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
                raise self.error(node, "no-value", f"`{self.source(node)}` has no value: {_reason(error)}") from None
            return self.check(node, value)

        return evaluate

    def too_large(self, node: ast.expr) -> ExpressionError:
        return self.error(node, "value-too-large", f"`{self.source(node)}` is beyond {MAX_BITS} bits")

    def check(self, node: ast.expr, value: Value) -> Value:
        kind = type(value)
        if kind is int:
            if value.bit_length() > MAX_BITS:
                raise self.too_large(node)
        elif kind is Fraction:
            value = _whole(value)
            if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
                raise self.too_large(node)
        elif kind is tuple and len(value) > MAX_ITEMS:
            raise self.error(node, "value-too-large", f"`{self.source(node)}` has more than {MAX_ITEMS:,} items")
        return value

    def _Constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if type(value) is float:
            value = exact(value)
        if type(value) not in (int, Fraction, str):
            raise self.error(
                node, "not-an-expression", f"`{self.source(node)}` is not a number", _said_otherwise(value)
            )
        self.check(node, value)
        return lambda names: value

    def _Name(self, node: ast.Name) -> Evaluate:
        name = node.id
        if name in _LITERALS:
            literal = _LITERALS[name]
            return lambda names: literal
        self.names.add(name)

        def evaluate(names: Names) -> Value:
            try:
                return names[name]
            except KeyError:
                raise self.unknown(node, name, names) from None

        return evaluate

    def unknown(self, node: ast.Name, name: str, names: Names) -> ExpressionError:
        if name in FUNCTIONS:
            return self.error(node, "unknown-name", f"`{name}` is a function; it needs brackets", f"write {name}(...)")
        nearest = near(name, names)
        known = f"names here: {', '.join(sorted(names))}" if names else "no names are known here"
        help = f"did you mean {choices(nearest)}? " if nearest else ""
        return self.error(node, "unknown-name", f"`{name}` is not a known name", f"{help}{known}")

    def _UnaryOp(self, node: ast.UnaryOp) -> Evaluate:
        operand = self.compile(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda names: not operand(names)
        if isinstance(node.op, ast.USub):
            return self.bounded(node, lambda names: -_number(operand(names)))
        if isinstance(node.op, ast.UAdd):
            return self.bounded(node, lambda names: _number(operand(names)))
        raise self.error(node, "not-an-expression", f"`{self.source(node)}` is not arithmetic")

    def _BinOp(self, node: ast.BinOp) -> Evaluate:
        apply = _ARITHMETIC.get(type(node.op))
        if apply is None:
            raise self.error(node, "not-an-expression", f"`{self.source(node)}` is not arithmetic")
        left, right = self.compile(node.left), self.compile(node.right)
        if isinstance(node.op, ast.Add):
            return self.bounded(node, lambda names: _sum(left(names), right(names)))
        if isinstance(node.op, ast.Mult):
            return self.bounded(node, lambda names: _product(left(names), right(names)))
        return self.bounded(node, lambda names: apply(_number(left(names)), _number(right(names))))

    def _BoolOp(self, node: ast.BoolOp) -> Evaluate:
        parts = [self.compile(value) for value in node.values]
        if isinstance(node.op, ast.And):
            return lambda names: all(part(names) for part in parts)
        return lambda names: any(part(names) for part in parts)

    def _Compare(self, node: ast.Compare) -> Evaluate:
        operands = [self.compile(operand) for operand in (node.left, *node.comparators)]
        tests = [_COMPARISONS.get(type(op)) for op in node.ops]
        if None in tests:
            raise self.error(node, "not-an-expression", f"`{self.source(node)}` is not a comparison")

        def compute(names: Names) -> bool:
            values = [operand(names) for operand in operands]
            return all(test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False) if test)

        return self.bounded(node, compute)

    def _IfExp(self, node: ast.IfExp) -> Evaluate:
        test, then, otherwise = self.compile(node.test), self.compile(node.body), self.compile(node.orelse)
        return lambda names: then(names) if test(names) else otherwise(names)

    def _Subscript(self, node: ast.Subscript) -> Evaluate:
        if isinstance(node.slice, ast.Slice):
            raise self.error(node, "not-an-expression", f"`{self.source(node)}`: one element at a time")
        collection, index = self.compile(node.value), self.compile(node.slice)
        return self.bounded(node, lambda names: _collection(collection(names))[index(names)])

    def _Attribute(self, node: ast.Attribute) -> Evaluate:
        owner, name = self.compile(node.value), node.attr

        def compute(names: Names) -> Value:
            mapping = owner(names)
            if not isinstance(mapping, dict):
                raise TypeError(f"`.{name}` needs a mapping on its left")
            if name not in mapping:
                raise self.error(
                    node, "unknown-name", f"no `{name}` there", f"it has {choices(mapping)}" if mapping else ""
                )
            return mapping[name]

        return self.bounded(node, compute)

    def _Tuple(self, node: ast.Tuple | ast.List) -> Evaluate:
        items = [self.compile(item) for item in node.elts]
        return lambda names: tuple([item(names) for item in items])

    _List = _Tuple

    def _Call(self, node: ast.Call) -> Evaluate:
        name = node.func.id if isinstance(node.func, ast.Name) else self.source(node.func)
        function = FUNCTIONS.get(name)
        if function is None:
            nearest = near(name, FUNCTIONS)
            help = f"did you mean {choices(nearest)}?" if nearest else f"functions: {', '.join(FUNCTIONS)}"
            raise self.error(node, "unknown-function", f"`{name}` is not a function here", help)
        arguments = [self.compile(argument) for argument in node.args]
        if name != "make_divisible" and node.keywords:
            raise self.error(node, "not-an-expression", f"`{name}` takes no named arguments")
        named = {keyword.arg: self.compile(keyword.value) for keyword in node.keywords if keyword.arg}

        def compute(names: Names) -> Value:
            values = [argument(names) for argument in arguments]
            if any(type(value) is str for value in values):
                raise TypeError("text is not a number")
            return function(*values, **{key: value(names) for key, value in named.items()})

        return self.bounded(node, compute)


def _number(value: Value) -> Any:
    if isinstance(value, int | Fraction):
        return value
    raise TypeError(f"{_named(value)} is not a number")


def _collection(value: Value) -> Any:
    if isinstance(value, tuple | dict):
        return value
    raise TypeError(f"{_named(value)} is not a list")


def _sum(a: Value, b: Value) -> Value:
    if type(a) is tuple and type(b) is tuple:
        return a + b
    return _number(a) + _number(b)


def _product(a: Value, b: Value) -> Value:
    if type(a) is int and type(b) is tuple:
        a, b = b, a
    if type(a) is tuple and type(b) is int:
        if len(a) * b > MAX_ITEMS:
            raise OverflowError
        return a * b
    return _number(a) * _number(b)


def _named(value: Value) -> str:
    if value is None:
        return "nothing"
    return "a list" if type(value) is tuple else "a mapping" if type(value) is dict else f"`{value}`"


def _reason(error: Exception) -> str:
    if isinstance(error, IndexError):
        return "the list is shorter than that"
    if isinstance(error, KeyError):
        return f"no {error} there"
    return str(error)


def _said_otherwise(value: object) -> str:
    return f"write {str(value).lower()}" if isinstance(value, bool) or value is None else ""
