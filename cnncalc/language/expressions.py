"""Arithmetic inside a document: `4 * width`, `stride if i == 0 else 1`, `max(a, b)`.

A text is parsed once into a tree of closures over a whitelist and evaluated many times against names. Numbers are
exact: `0.75 * 32` is 24, `7 / 2` the fraction 7/2. Size is bounded at every step, so no expression can hang or fill
memory.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

from cnncalc.diagnostics import MAX_QUOTED_WORD, choices, did_you_mean, near, quoted

MAX_LENGTH = 500
MAX_DEPTH = 50
MAX_BITS = 256
MAX_ITEMS = 10_000
MAX_NESTING = 20  # lists inside one another, in a value

_NUMBER_BOUND = f"a number has at most {MAX_BITS} bits"
_LIST_BOUND = f"a list has at most {MAX_ITEMS:,} items in all"

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
    """A parsed expression: `evaluate(names)` answers; `names` are those it reads, each with its place in the text.

    Raises `ExpressionError` when it is made (not an expression, too long, a function that does not exist) and when it
    is evaluated (a name that does not exist, division by zero, a value beyond the bounds).
    """

    __slots__ = ("evaluate", "is_word", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_word = text.isidentifier()
        if len(text) > MAX_LENGTH:
            raise ExpressionError(
                "expression-too-long",
                f"an expression has at most {MAX_LENGTH} characters, and this one {len(text):,}",
                0,
                len(text),
                "give its parts names under `args:`",
            )
        compiler = _Compiler(text)
        tree = _parsed(text)
        if isinstance(tree, ast.Tuple) and text.lstrip()[tree.col_offset] != "(":
            raise _not_an_expression(text, 0, len(text))
        self.evaluate: Evaluate = compiler.compile(tree)
        self.names: dict[str, tuple[int, int]] = compiler.names


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


def within_bounds(value: Value) -> bool:
    """Whether a value is no larger than documents need: its items in all, its nesting, the digits of a number."""
    if isinstance(value, int):
        return value.bit_length() <= MAX_BITS
    if isinstance(value, Fraction):
        return max(value.numerator.bit_length(), value.denominator.bit_length()) <= MAX_BITS
    items, level = 0, [value]
    for _ in range(MAX_NESTING + 1):
        level = [inner for inner in level if type(inner) is tuple or type(inner) is dict]
        if not level:
            return True
        items += sum(map(len, level))
        if items > MAX_ITEMS:
            return False
        level = [item for inner in level for item in (inner.values() if type(inner) is dict else inner)]
    return False


def value_text(value: Value) -> str:
    """A value for a message, as a document writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Fraction):
        decimal = repr(float(value))
        return decimal if Fraction(decimal) == value else str(value)
    text = str(value)
    if isinstance(value, tuple):
        text = f"[{', '.join([value_text(item) for item in value[:30]])}{', ...' if len(value) > 30 else ''}]"
    elif isinstance(value, dict):
        text = f"{{{', '.join([f'{key}: {value_text(item)}' for key, item in list(value.items())[:30]])}}}"
    return text if len(text) <= MAX_QUOTED_WORD else f"{text[: MAX_QUOTED_WORD - 3]}..."


# What there is to compute with ----------------------------------------------------------------------------------------


def make_divisible(v: Number, divisor: Number = 8) -> Number:
    """MobileNet's channel rounding (Sandler et al. 2018, as in their code): a multiple, at least 90 % of v."""
    rounded = max(divisor, floor(v + Fraction(divisor) / 2) // divisor * divisor)
    return rounded + divisor if 10 * rounded < 9 * v else rounded


def _power(base: Number, exponent: Number) -> Number:
    if not isinstance(exponent, int):
        raise ValueError("the exponent of `**` has to be a whole number")
    bits = max(abs(base.numerator).bit_length(), base.denominator.bit_length())
    if (bits - 1) * abs(exponent) > MAX_BITS:  # the result has more bits than that
        raise OverflowError(_NUMBER_BOUND)
    return Fraction(base) ** exponent if exponent < 0 else base**exponent


def _divide(a: Number, b: Number) -> Number:
    whole = issubclass(type(a), int)  # which an unknown number is not, though isinstance says so
    return Fraction(a) / b if whole else a / b  # type: ignore[return-value]


def _sum(a: Value, b: Value) -> Value:
    if type(a) is tuple and type(b) is tuple:
        return a + b
    return _swapped(_number(a), _number(b), operator.add)


def _product(a: Value, b: Value) -> Value:
    if type(a) is int and type(b) is tuple:
        a, b = b, a
    if type(a) is tuple and type(b) is int:
        if len(a) * b > MAX_ITEMS:
            raise OverflowError(_LIST_BOUND)
        return a * b
    return _swapped(_number(a), _number(b), operator.mul)


def _swapped(a: Number, b: Number, join: Callable[[Number, Number], Number]) -> Number:
    """A sum or product with a fraction last: it would take an unknown number (`unknowns.py`) for an int."""
    return join(b, a) if type(a) is Fraction else join(a, b)


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: function(*map(_number, values))


def _of_list(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda values: function(list(map(_number, _list(values))))


def _extreme(function: Callable[..., Any]) -> Callable[..., Any]:
    """`max` and `min`: of several numbers, or of one list."""

    def extreme(*values: Value) -> Value:
        numbers = _list(values[0]) if len(values) == 1 else values
        if not numbers:
            raise ValueError("the list is empty")
        return function(map(_number, numbers))

    return extreme


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _sum,
    ast.Sub: lambda a, b: _number(a) - _number(b),
    ast.Mult: _product,
    ast.Div: lambda a, b: _divide(_number(a), _number(b)),
    ast.FloorDiv: lambda a, b: _number(a) // _number(b),
    ast.Mod: lambda a, b: _number(a) % _number(b),
    ast.Pow: lambda a, b: _power(_number(a), _number(b)),
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: lambda a, b: _number(a) < _number(b),
    ast.LtE: lambda a, b: _number(a) <= _number(b),
    ast.Gt: lambda a, b: _number(a) > _number(b),
    ast.GtE: lambda a, b: _number(a) >= _number(b),
    ast.In: lambda a, b: a in _collection(b),
    ast.NotIn: lambda a, b: a not in _collection(b),
}


class Function(NamedTuple):
    apply: Callable[..., Any]
    least: int = 1  # arguments
    most: int = 1


FUNCTIONS: dict[str, Function] = {
    "abs": Function(_of_numbers(abs)),
    "ceil": Function(_of_numbers(ceil)),
    "floor": Function(_of_numbers(floor)),
    "int": Function(_of_numbers(int)),
    "len": Function(lambda values: len(_collection(values))),
    "make_divisible": Function(_of_numbers(make_divisible), most=2),
    "max": Function(_extreme(max), most=100),
    "min": Function(_extreme(min), most=100),
    "round": Function(_of_numbers(round)),
    "sum": Function(_of_list(sum)),
}
_LITERALS: dict[str, Value] = {"true": True, "false": False, "null": None}
WORDS_OF_EXPRESSIONS = frozenset(["and", "else", "if", "in", "not", "or", *_LITERALS])


def _number(value: Value) -> Any:
    if isinstance(value, int | Fraction):
        return value
    raise TypeError(f"{_named(value)} is not a number")


def _list(value: Value) -> Any:
    if isinstance(value, tuple):
        return value
    raise TypeError(f"{_named(value)} is not a list")


def _collection(value: Value) -> Any:
    if isinstance(value, tuple | dict):
        return value
    raise TypeError(f"{_named(value)} is not a list")


def _named(value: Value) -> str:
    return "a list" if type(value) is tuple else "a mapping" if type(value) is dict else f"`{value_text(value)}`"


# From text to closures ------------------------------------------------------------------------------------------------


def _parsed(text: str) -> ast.expr:
    """The tree of Python's own parser, which wants no space before the text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's opinions on style
            return ast.parse(text.lstrip(), mode="eval").body
    except SyntaxError as error:
        if "too many nested" in error.msg:
            raise _too_deep(0, len(text)) from None
        start = min(_offset(text, error.lineno or 1, (error.offset or 1) - 1), max(0, len(text.rstrip()) - 1))
        raise _not_an_expression(text, start, start + 1 if start else len(text)) from None
    except (RecursionError, MemoryError):
        raise _too_deep(0, len(text)) from None
    except ValueError:
        raise _not_an_expression(text, 0, len(text)) from None


def _too_deep(start: int, end: int) -> ExpressionError:
    message = f"an expression with more than {MAX_DEPTH} operations inside one another"
    return ExpressionError("expression-too-deep", message, start, end, "give its parts names under `args:`")


def _offset(text: str, line: int, column: int) -> int:
    """The place in the text of a line and column of it without the space before it."""
    start = len(text) - len(text.lstrip())
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return max(0, start + column)


def _not_an_expression(text: str, start: int, end: int) -> ExpressionError:
    advice = next((help for pattern, help in _MEANT if re.search(pattern, text)), "")
    if re.match(r"\s*[0-9]+(?:\s*[xX×]\s*[0-9]+)+\s*\Z", text):
        advice = f"write `[{', '.join(re.findall('[0-9]+', text))}]`"
    what = f"{quoted(text)} is not an expression" if text.strip() else "an empty text is not a value"
    return ExpressionError("not-an-expression", what, start, end, advice)


# What a text that is no expression was meant to say.
_MEANT = (
    (r"^\s*[0-9.]+\s*%\s*$", "write a fraction, e.g. 0.5"),
    (r"&&|\|\||!(?!=)", "conditions are joined by `and`, `or`, `not`"),
    (r"\?", "write `a if condition else b`"),
    (r"(?<![=!<>])=(?!=)", "equality is `==`"),
    (r"\$", "a name alone stands for its value"),
    (r"^\s*[0-9]{1,3}(,[0-9]{3})+\s*$", "write a large number as 1_000"),
    (r"^[^()]*,", "put a list in brackets, e.g. [3, 8, 8]"),
    (r"\b0[0-9]", "a number has no leading zeros"),
)


class _Compiler:
    """Only the node kinds below mean anything; each becomes a closure."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: dict[str, tuple[int, int]] = {}
        self.depth = 0

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Where a node stands in the text, in characters (the parser counts bytes of a line)."""
        if self.text.isascii() and "\n" not in self.text:
            indent = len(self.text) - len(self.text.lstrip())
            return indent + getattr(node, "col_offset", 0), indent + getattr(node, "end_col_offset", 0)
        lines = self.text.lstrip().split("\n")

        def offset(line: int, column: int) -> int:
            return _offset(self.text, line, len(lines[line - 1].encode()[:column].decode(errors="ignore")))

        start = offset(getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        end = offset(getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0))
        return start, min(end, len(self.text))

    def error(self, node: ast.AST, code: str, message: str, help: str = "") -> ExpressionError:
        return ExpressionError(code, message, *self.place(node), help)

    def source(self, node: ast.AST) -> str:
        start, end = self.place(node)
        return quoted(self.text[start:end])

    def compile(self, node: ast.expr) -> Evaluate:
        method: Callable[[Any], Evaluate] | None = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            raise self.error(node, "not-an-expression", f"{self.source(node)} is not arithmetic")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _too_deep(*self.place(node))
        evaluate = method(node)
        self.depth -= 1
        return evaluate

    def bounded(self, node: ast.expr, compute: Callable[[Names], Value]) -> Evaluate:
        """`compute`, with what can go wrong in it said of this part of the text."""

        def evaluate(names: Names) -> Value:
            try:
                value = _whole(compute(names))
            except ZeroDivisionError:
                raise self.error(node, "division-by-zero", f"{self.source(node)} divides by zero") from None
            except OverflowError as error:
                raise self.too_large(node, *error.args) from None
            except (TypeError, ValueError, IndexError, KeyError) as error:
                raise self.error(node, "no-value", f"{self.source(node)} has no value: {error.args[0]}") from None
            if not within_bounds(value):
                raise self.too_large(node, _LIST_BOUND if type(value) is tuple else _NUMBER_BOUND)
            return value

        return evaluate

    def too_large(self, node: ast.expr, bound: str) -> ExpressionError:
        return self.error(node, "value-too-large", f"{self.source(node)} is too large: {bound}")

    def _Constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if type(value) is float:
            try:
                value = exact(value)
            except ValueError:  # 1e999
                raise self.too_large(node, _NUMBER_BOUND) from None
        if type(value) not in (int, Fraction, str):
            help = f"write {str(value).lower().replace('none', 'null')}" if value is None or type(value) is bool else ""
            raise self.error(node, "not-an-expression", f"{self.source(node)} is not a value here", help)
        if type(value) is not str and not within_bounds(value):
            raise self.too_large(node, _NUMBER_BOUND)
        return lambda names: value

    def _Name(self, node: ast.Name) -> Evaluate:
        name = node.id
        if name in _LITERALS:
            literal = _LITERALS[name]
            return lambda names: literal
        self.names.setdefault(name, self.place(node))

        def evaluate(names: Names) -> Value:
            try:
                return names[name]
            except KeyError:
                raise self.error(node, *unknown_name(name, names)) from None

        return evaluate

    def _UnaryOp(self, node: ast.UnaryOp) -> Evaluate:
        operand = self.compile(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda names: not operand(names)
        if isinstance(node.op, ast.USub):
            return self.bounded(node, lambda names: -_number(operand(names)))
        if isinstance(node.op, ast.UAdd):
            return self.bounded(node, lambda names: _number(operand(names)))
        raise self.error(node, "not-an-expression", f"{self.source(node)} is not arithmetic")

    def _BinOp(self, node: ast.BinOp) -> Evaluate:
        apply = _ARITHMETIC.get(type(node.op))
        if apply is None:
            help = "a power is `**`" if isinstance(node.op, ast.BitXor) else ""
            raise self.error(node, "not-an-expression", f"{self.source(node)} is not arithmetic", help)
        left, right = self.compile(node.left), self.compile(node.right)
        return self.bounded(node, lambda names: apply(left(names), right(names)))

    def _BoolOp(self, node: ast.BoolOp) -> Evaluate:
        parts = [self.compile(value) for value in node.values]
        if isinstance(node.op, ast.And):
            return lambda names: all(part(names) for part in parts)
        return lambda names: any(part(names) for part in parts)

    def _Compare(self, node: ast.Compare) -> Evaluate:
        operands = [self.compile(operand) for operand in (node.left, *node.comparators)]
        tests = [_COMPARISONS[type(op)] for op in node.ops if type(op) in _COMPARISONS]
        if len(tests) < len(node.ops):
            raise self.error(node, "not-an-expression", f"{self.source(node)} is not a comparison", "equality is `==`")

        def compute(names: Names) -> bool:
            values = [operand(names) for operand in operands]
            return all(test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False))

        return self.bounded(node, compute)

    def _IfExp(self, node: ast.IfExp) -> Evaluate:
        test, then, otherwise = self.compile(node.test), self.compile(node.body), self.compile(node.orelse)
        return lambda names: then(names) if test(names) else otherwise(names)

    def _Subscript(self, node: ast.Subscript) -> Evaluate:
        if isinstance(node.slice, ast.Slice):
            raise self.error(node, "not-an-expression", f"{self.source(node)} takes more than one element at a time")
        collection, index = self.compile(node.value), self.compile(node.slice)

        def compute(names: Names) -> Value:
            values, place = _collection(collection(names)), index(names)
            if type(values) is dict:
                if place in values:
                    return values[place]
                raise KeyError(f"there is no {_named(place)} in the mapping")
            if type(place) is not int:
                raise TypeError(f"{_named(place)} is not a place in a list")
            if not -len(values) <= place < len(values):
                raise IndexError(f"the list has {len(values)} items, counted from 0")
            return values[place]

        return self.bounded(node, compute)

    def _Attribute(self, node: ast.Attribute) -> Evaluate:
        owner, name = self.compile(node.value), node.attr

        def compute(names: Names) -> Value:
            mapping = owner(names)
            if type(mapping) is not dict:
                raise TypeError(f"{_named(mapping)} is not a mapping")
            if name not in mapping:
                only = f", only {choices(mapping)}" if mapping else ""
                raise KeyError(f"there is no `{name}` in the mapping{only}")
            return mapping[name]

        return self.bounded(node, compute)

    def _Tuple(self, node: ast.Tuple | ast.List) -> Evaluate:
        items = [self.compile(item) for item in node.elts]
        return self.bounded(node, lambda names: tuple([item(names) for item in items]))

    _List = _Tuple

    def _Call(self, node: ast.Call) -> Evaluate:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        function = FUNCTIONS.get(name)
        if function is None:
            nearest = near(name, FUNCTIONS)
            help = did_you_mean(nearest, f"functions: {', '.join(FUNCTIONS)}")
            raise self.error(node.func, "unknown-function", f"{self.source(node.func)} is not a function here", help)
        arguments = [self.compile(argument) for argument in node.args]
        for keyword in node.keywords:
            if (name, keyword.arg, len(arguments)) != ("make_divisible", "divisor", 1):
                raise self.error(keyword, "not-an-expression", f"{self.source(keyword)} is not an argument of `{name}`")
            arguments.append(self.compile(keyword.value))
        if not function.least <= len(arguments) <= function.most:
            takes = "1 argument" if function.most == 1 else f"{function.least} to {function.most} arguments"
            takes = "at least 1 argument" if not arguments else takes
            raise self.error(node, "not-an-expression", f"`{name}` takes {takes}, not {len(arguments)}")
        apply = function.apply
        return self.bounded(node, lambda names: apply(*[argument(names) for argument in arguments]))


def unknown_name(name: str, known: Collection[str]) -> tuple[str, str, str]:
    """The code, message and help for a name that is not known where it stands."""
    message = f"{quoted(name)} is not a known name"
    if name in FUNCTIONS:
        return "unknown-name", f"`{name}` is a function, which needs its arguments", f"write `{name}(...)`"
    if name in ("i", "item"):
        help = f"in a block, have it as an arg: `block: {{place: {name}}}`, `repeat: 3`"
        return "unknown-name", f"{message} here: it belongs to a `repeat`, and this layer has none", help
    if name == "block_in_channels":
        return "unknown-name", f"{message} here: it belongs to a block", "outside blocks there is `in_channels`"
    if name == "in_channels":
        return "unknown-name", f"{message} here: no value enters", ""
    nearest = near(name, known)
    if nearest:
        return "unknown-name", message, did_you_mean(nearest)
    shown = [*sorted(known)[:12], *(["..."] if len(known) > 12 else [])]
    return "unknown-name", message, f"names here: {', '.join(shown)}" if shown else "name it under `args:`"
