"""Expressions of a document as expressions of Python: trees, what they come to, their text.

A document counts exactly, with fractions; Python's integers do the same, its floats do not. So an expression is carried
over only where every step of it is whole (`value` with `whole=True`), and `floor(0.5 * width)` becomes `width // 2`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from cnncalc.language.expressions import FUNCTIONS
from cnncalc.language.terms import Term

Tree = ast.expr

ZERO, ONE = ast.Constant(0), ast.Constant(1)


class NoValue(Exception):
    """An expression has no value for these names, or none that Python's would equal."""


# Trees: never changed once made, so that they can be shared -----------------------------------------------------------


def written(term: Term) -> Tree:
    """The tree of a document's value."""
    if term.constant:
        return constant(term.value)
    if term.expression is not None:
        return _in_python(ast.parse(term.expression.text.strip(), mode="eval").body)
    items = [written(item) for item in term.items]
    if term.keys is None:
        return ast.Tuple(items)
    return ast.Dict([ast.Constant(key) for key in term.keys], items)


_WORDS = {"true": True, "false": False, "null": None}


def _in_python(tree: Tree) -> Tree:
    match tree:
        case ast.Name(word) if word in _WORDS:
            return ast.Constant(_WORDS[word])
        case ast.Constant(number):
            return constant(number)
        case ast.Attribute(mapping, key):
            return ast.Subscript(_in_python(mapping), ast.Constant(key))
        case ast.List(items):
            return ast.Tuple([_in_python(item) for item in items])
        case ast.Call(function, arguments, keywords):
            return ast.Call(function, [*map(_in_python, arguments), *[_in_python(word.value) for word in keywords]], [])
    return mapped(tree, _in_python)


def constant(value: Any) -> Tree:
    """A value as a tree."""
    if isinstance(value, float):
        value = Fraction(repr(value))
    if isinstance(value, Fraction) and value.denominator == 1:
        value = value.numerator
    if isinstance(value, tuple):
        return ast.Tuple([constant(item) for item in value])
    if isinstance(value, dict):
        return ast.Dict([ast.Constant(key) for key in value], [constant(item) for item in value.values()])
    if type(value) is int and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def mapped(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """The tree with each part of it changed."""
    match tree:
        case ast.UnaryOp(op, operand):
            return ast.UnaryOp(op, change(operand))
        case ast.BinOp(left, op, right):
            return ast.BinOp(change(left), op, change(right))
        case ast.BoolOp(op, values):
            return ast.BoolOp(op, [change(part) for part in values])
        case ast.Compare(left, ops, others):
            return ast.Compare(change(left), ops, [change(other) for other in others])
        case ast.IfExp(test, body, otherwise):
            return ast.IfExp(change(test), change(body), change(otherwise))
        case ast.Subscript(collection, index):
            return ast.Subscript(change(collection), change(index))
        case ast.Call(function, arguments):
            return ast.Call(function, [change(argument) for argument in arguments], [])
        case ast.Tuple(items):
            return ast.Tuple([change(item) for item in items])
        case ast.Dict(keys, values):
            return ast.Dict(keys, [change(item) for item in values])
    return tree


def parts(tree: Tree) -> list[Tree]:
    found: list[Tree] = []

    def keep(part: Tree) -> Tree:
        found.append(part)
        return part

    mapped(tree, keep)
    return found


def names_of(tree: Tree) -> set[str]:
    """The names a tree reads."""
    return {tree.id} if isinstance(tree, ast.Name) else set().union(*[names_of(part) for part in parts(tree)])


def is_number(tree: Tree, number: int) -> bool:
    return isinstance(tree, ast.Constant) and type(tree.value) is int and tree.value == number


def product(*factors: Tree) -> Tree:
    """`512 * 7 * 7`: ones left out, numbers left standing."""
    kept = [factor for factor in factors if not is_number(factor, 1)] or [ONE]
    result = kept[0]
    for factor in kept[1:]:
        result = ast.BinOp(result, ast.Mult(), factor)
    return result


def total(terms: list[Tree]) -> Tree:
    """`a + b + 96`: the numbers added up, and last."""
    number = sum([value(term, {}) for term in terms if not names_of(term)])
    kept = [term for term in terms if names_of(term)]
    if number or not kept:
        kept.append(constant(number))
    result = kept[0]
    for term in kept[1:]:
        result = ast.BinOp(result, ast.Add(), term)
    return result


def substituted(tree: Tree, values: Mapping[str, Tree]) -> Tree:
    """The tree with other trees for some of its names."""
    if isinstance(tree, ast.Name):
        return values.get(tree.id, tree)
    return simplified(mapped(tree, lambda part: substituted(part, values)))


def simplified(tree: Tree) -> Tree:
    """A tree whose parts are simple, without what is known already: `2 * 64`, `1 * n`, `a if True else b`."""
    if not names_of(tree):
        try:
            return constant(value(tree, {}))
        except NoValue:
            return tree
    match tree:
        case ast.IfExp(ast.Constant(test), body, otherwise):
            return body if test else otherwise
        case ast.IfExp(_, body, otherwise) if text(body) == text(otherwise):
            return body
        case ast.BoolOp(op, values):
            return _joined(op, values)
        case ast.Call(ast.Name("floor" | "int"), [argument]):
            return _over(*_split(argument))
        case ast.Call(ast.Name("ceil"), [argument]):
            number, over = _split(argument)
            return number if over == 1 else ast.UnaryOp(ast.USub(), _over(ast.UnaryOp(ast.USub(), number), over))
        case ast.Call(ast.Name("round"), [argument]) if _split(argument)[1] == 1:
            return argument
        case ast.BinOp(left, ast.Mult(), right) if is_number(left, 1):
            return right
        case ast.BinOp(left, ast.Mult() | ast.FloorDiv() | ast.Div() | ast.Pow(), right) if is_number(right, 1):
            return left
        case ast.BinOp(left, ast.Add(), right) if is_number(left, 0):
            return right
        case ast.BinOp(left, ast.Add() | ast.Sub(), right) if is_number(right, 0):
            return left
    return tree


def _joined(op: ast.boolop, values: list[Tree]) -> Tree:
    """`and`, `or` without parts that are known."""
    decides = isinstance(op, ast.Or)
    kept: list[Tree] = []
    for part in values:
        if not isinstance(part, ast.Constant):
            kept.append(part)
        elif bool(part.value) is decides:
            kept.append(ast.Constant(decides))
            break
    if not kept:
        return ast.Constant(not decides)
    if isinstance(kept[-1], ast.Constant) or len(kept) == 1:
        return kept[-1]
    return ast.BoolOp(op, kept)


def _split(tree: Tree) -> tuple[Tree, int]:
    """A tree as a whole number over a constant: `0.75 * n` is `3 * n` over 4."""
    match tree:
        case ast.Constant(Fraction() as fraction):
            return constant(fraction.numerator), fraction.denominator
        case ast.BinOp(left, ast.Mult() as op, right):
            (a, over), (b, also) = _split(left), _split(right)
            return simplified(ast.BinOp(a, op, b)), over * also
        case ast.BinOp(left, ast.Div(), right) if isinstance(right, ast.Constant) and type(right.value) is int:
            a, over = _split(left)
            return a, over * right.value
    return tree, 1


def _over(number: Tree, over: int) -> Tree:
    return number if over == 1 else ast.BinOp(number, ast.FloorDiv(), ast.Constant(over))


def floored(tree: Tree) -> Tree:
    """The tree with divisions that Python rounds down, which is the same where they come out even."""
    return _floor_divisions(_over(*_split(tree)))


def _floor_divisions(tree: Tree) -> Tree:
    match tree:
        case ast.BinOp(left, ast.Div(), right):
            return ast.BinOp(_floor_divisions(left), ast.FloorDiv(), _floor_divisions(right))
    return mapped(tree, _floor_divisions)


# What a tree comes to -------------------------------------------------------------------------------------------------

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: Fraction(a) / b,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_LARGEST_EXPONENT = 256


def value(tree: Tree, names: Mapping[str, Any], whole: bool = False) -> Any:
    """What a tree comes to in Python; with `whole`, no step of it may be a fraction."""
    try:
        return _value(tree, names, whole)
    except (ArithmeticError, TypeError, ValueError, LookupError) as error:
        raise NoValue(str(error)) from None


def _value(tree: Tree, names: Mapping[str, Any], whole: bool) -> Any:
    result = _computed(tree, names, whole)
    if isinstance(result, Fraction):
        if result.denominator == 1:
            return result.numerator
        if whole:
            raise NoValue(f"{result} is a fraction")
    return result


def _computed(tree: Tree, names: Mapping[str, Any], whole: bool) -> Any:
    def of(part: Tree) -> Any:
        return _value(part, names, whole)

    match tree:
        case ast.Constant(known):
            return known
        case ast.Name(word):
            return names[word]
        case ast.UnaryOp(op, operand):
            result = of(operand)
            return not result if isinstance(op, ast.Not) else -result if isinstance(op, ast.USub) else +result
        case ast.BinOp(left, op, right):
            if whole and isinstance(op, ast.Div):
                raise NoValue("Python divides into floats")
            a, b = of(left), of(right)
            if isinstance(op, ast.Pow) and abs(b) > _LARGEST_EXPONENT:
                raise NoValue("the exponent is too large")
            return _ARITHMETIC[type(op)](a, b)
        case ast.BoolOp(op, operands):
            decides = isinstance(op, ast.Or)
            for operand in operands:
                known = of(operand)
                if whole and type(known) is not bool:
                    raise NoValue("Python answers with one of the values")
                if bool(known) is decides:
                    return decides
            return not decides
        case ast.Compare(left, ops, others):
            compared = [of(left), *map(of, others)]
            pairs = zip(ops, compared, compared[1:], strict=False)
            return all(_COMPARISONS[type(op)](a, b) for op, a, b in pairs)
        case ast.IfExp(test, body, otherwise):
            return of(body) if of(test) else of(otherwise)
        case ast.Subscript(collection, index):
            return of(collection)[of(index)]
        case ast.Call(ast.Name(function), arguments):
            return FUNCTIONS[function].apply(*map(of, arguments))
        case ast.Tuple(items):
            return tuple(map(of, items))
        case ast.Dict(keys, items):
            return {key.value: of(item) for key, item in zip(keys, items, strict=True) if isinstance(key, ast.Constant)}
    raise NoValue(f"{type(tree).__name__} is not an expression")


# Text -----------------------------------------------------------------------------------------------------------------

_SIGNS: dict[type[ast.AST], tuple[str, int]] = {
    ast.Or: ("or", 2),
    ast.And: ("and", 3),
    ast.Add: ("+", 6),
    ast.Sub: ("-", 6),
    ast.Mult: ("*", 7),
    ast.Div: ("/", 7),
    ast.FloorDiv: ("//", 7),
    ast.Mod: ("%", 7),
    ast.Eq: ("==", 5),
    ast.NotEq: ("!=", 5),
    ast.Lt: ("<", 5),
    ast.LtE: ("<=", 5),
    ast.Gt: (">", 5),
    ast.GtE: (">=", 5),
    ast.In: ("in", 5),
    ast.NotIn: ("not in", 5),
}
_CONDITIONAL, _NOT, _COMPARISON, _SIGN, _POWER, _ATOM = 1, 4, 5, 8, 9, 10


def text(tree: Tree, around: int = 0) -> str:
    """The tree as Python writes it; in parentheses where what stands around it binds more strongly."""
    shown, strength = _text(tree)
    return f"({shown})" if strength < around else shown


def _text(tree: Tree) -> tuple[str, int]:
    match tree:
        case ast.Constant(str() as word):
            return quoted(word), _ATOM
        case ast.Constant(Fraction() as number):
            return repr(float(number)), _ATOM
        case ast.Constant(known):
            return repr(known), _ATOM
        case ast.Name(word):
            return word, _ATOM
        case ast.UnaryOp(ast.Not(), operand):
            return f"not {text(operand, _NOT)}", _NOT
        case ast.UnaryOp(op, operand):
            return ("-" if isinstance(op, ast.USub) else "+") + text(operand, _SIGN), _SIGN
        case ast.BinOp(left, ast.Pow(), right):
            simple = all(isinstance(side, ast.Name | ast.Constant) for side in (left, right))
            return f"{text(left, _ATOM)}{'**' if simple else ' ** '}{text(right, _SIGN)}", _POWER
        case ast.BinOp(left, op, right):
            sign, strength = _SIGNS[type(op)]
            return f"{text(left, strength)} {sign} {text(right, strength + 1)}", strength
        case ast.BoolOp(op, operands):
            sign, strength = _SIGNS[type(op)]
            return f" {sign} ".join([text(operand, strength + 1) for operand in operands]), strength
        case ast.Compare(left, ops, others):
            pairs = zip(ops, others, strict=True)
            shown = [f" {_SIGNS[type(op)][0]} {text(other, _COMPARISON + 1)}" for op, other in pairs]
            return text(left, _COMPARISON + 1) + "".join(shown), _COMPARISON
        case ast.IfExp(test, body, otherwise):
            above = _CONDITIONAL + 1
            return f"{text(body, above)} if {text(test, above)} else {text(otherwise, _CONDITIONAL)}", _CONDITIONAL
        case ast.Subscript(collection, index):
            return f"{text(collection, _ATOM)}[{text(index)}]", _ATOM
        case ast.Call(ast.Name(function), arguments):
            return f"{function}({', '.join(map(text, arguments))})", _ATOM
        case ast.Tuple(items):
            return f"({', '.join(map(text, items))}{',' if len(items) == 1 else ''})", _ATOM
        case ast.Dict(keys, items):
            entries = [f"{text(key)}: {text(item)}" for key, item in zip(keys, items, strict=True) if key is not None]
            return f"{{{', '.join(entries)}}}", _ATOM
    raise TypeError(f"{type(tree).__name__} has no text")


def quoted(word: str) -> str:
    """A string literal, in double quotes where it can be."""
    literal = repr(word)
    return f'"{literal[1:-1]}"' if literal.startswith("'") and '"' not in literal else literal
