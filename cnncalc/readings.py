"""Readings of a formula: the same function counts, keeps its steps, answers for a whole range, or in closed form.

A function of `formulas.py` is written once, with `+ - * // %` and the operations below. What it is given decides:

- ints give the number;
- ints inside a `recording` give the number, which then knows the step it came from (`Counted`), and through its letters
  every step before that one: how a number was made can be asked of the number itself;
- arrays (numpy) give the numbers of a whole range, symbols (sympy) a closed form, letters (`tree.py`) the expression;
- sizes that are left open in a whole network (`unknowns.py`) give its closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, reduce, wraps
from math import gcd
from operator import add, mul
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from cnncalc.tree import Tree

P = ParamSpec("P")
R = TypeVar("R")

# Operations beyond `+ - * // %`, under the names in which a person reads them -----------------------------------------


def ceil_div(a: int, b: int) -> int:
    """⌈a / b⌉ for b > 0."""
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return _sort_of(a, b).ceil_div(a, b)


def share(whole: int, parts: int) -> int:
    """whole / parts where it is known to divide; never a floor."""
    if isinstance(whole, int) and isinstance(parts, int):
        return whole // parts
    return _sort_of(whole, parts).share(whole, parts)


def minimum(a: int, b: int) -> int:
    if issubclass(type(a), int) and issubclass(type(b), int):  # an `Unknown` is none, though isinstance says it is
        return a if a < b else b
    found: int = _sort_of(a, b).minimum(a, b)
    return found


def maximum(a: int, b: int) -> int:
    if issubclass(type(a), int) and issubclass(type(b), int):
        return a if a > b else b
    found: int = _sort_of(a, b).maximum(a, b)
    return found


def common_divisor(a: int, b: int) -> int:
    """The greatest common divisor."""
    if issubclass(type(a), int) and issubclass(type(b), int):
        return gcd(a, b)
    found: int = _sort_of(a, b).common_divisor(a, b)
    return found


def product(*factors: int) -> int:
    """Of any number of factors; 1 of none."""
    return reduce(mul, factors) if factors else 1


def total(*terms: int) -> int:
    """The sum of any number of terms; 0 of none."""
    return reduce(add, terms) if terms else 0


class Sort(NamedTuple):
    """How numbers of one sort do what is no operator of Python."""

    ceil_div: Callable[[Any, Any], Any]
    share: Callable[[Any, Any], Any]
    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    common_divisor: Callable[[Any, Any], Any]


def _sort_of(*numbers: Any) -> Sort:
    """The sort of the first of these numbers that is no int, by the package or module that its type comes from."""
    for number in numbers:
        for base in type(number).__mro__:
            for package in (base.__module__, base.__module__.partition(".")[0]):
                if package in _SORTS:
                    return _SORTS[package]()
    names = " and ".join(dict.fromkeys(type(number).__name__ for number in numbers))
    raise TypeError(f"no formula reads {names}")


@lru_cache(maxsize=1)
def _arrays() -> Sort:
    import numpy

    return Sort(lambda a, b: -(-a // b), lambda a, b: a // b, numpy.minimum, numpy.maximum, numpy.gcd)


@lru_cache(maxsize=1)
def _symbols() -> Sort:
    import sympy

    def common(a: Any, b: Any) -> Any:
        """Sympy's own gcd is that of polynomials, which is 1 for two sizes that nothing is known of."""
        whole = sympy.Integer
        a, b = sympy.sympify(a), sympy.sympify(b)
        return sympy.igcd(a, b) if isinstance(a, whole) and isinstance(b, whole) else sympy.Function("gcd")(a, b)

    return Sort(
        lambda a, b: sympy.ceiling(sympy.sympify(a) / b),
        lambda a, b: sympy.sympify(a) / b,
        sympy.Min,
        sympy.Max,
        common,
    )


@lru_cache(maxsize=1)
def _trees() -> Sort:
    from cnncalc.tree import SIGNS

    return Sort(*SIGNS)


@lru_cache(maxsize=1)
def _unknowns() -> Sort:
    from cnncalc.unknowns import common_divisor as common
    from cnncalc.unknowns import largest, smallest

    return Sort(ceil_div, share, smallest, largest, common)  # the first two are what they are of ints


_SORTS: dict[str, Callable[[], Sort]] = {
    "numpy": _arrays,
    "sympy": _symbols,
    "cnncalc": _trees,
    "cnncalc.unknowns": _unknowns,
}

# Steps ----------------------------------------------------------------------------------------------------------------


class Dimension(NamedTuple):
    """A spatial dimension, from 0, of so many."""

    position: int
    rank: int


class Step(NamedTuple):
    """One call of a formula: what its letters stood for, what came out, and what it was of, the outermost part first.

    A letter's number that came from a step itself is a `Counted`.
    """

    formula: Callable[..., int]
    letters: dict[str, int]
    value: int
    parts: tuple[str | Dimension, ...]

    @property
    def place(self) -> str:
        """The layer or block that the step is of; empty for one of the whole network."""
        return next((part for part in self.parts if isinstance(part, str)), "")

    @property
    def dimension(self) -> Dimension | None:
        return next((part for part in self.parts if isinstance(part, Dimension)), None)

    @property
    def expression(self) -> Tree | int:
        """The formula in its letters."""
        return in_letters(self.formula, len(self.letters))


class Counted(int):
    """A number that remembers the step it was made in. Plain arithmetic forgets it: every sum is a formula, too."""

    step: Step


class _Recording:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.parts: tuple[str | Dimension, ...] = ()


_recording: ContextVar[_Recording | None] = ContextVar("recording", default=None)


@contextmanager
def recording() -> Iterator[list[Step]]:
    """Inside, every call of a formula leaves a step, in the list and on the number that it returns."""
    begun = _Recording()
    token = _recording.set(begun)
    try:
        yield begun.steps
    finally:
        _recording.reset(token)


class part:
    """`with part(name)`: what the steps inside are of, a layer or a dimension. Nothing where nothing is recorded."""

    __slots__ = ("name",)

    def __init__(self, name: str | Dimension) -> None:
        self.name = name

    def __enter__(self) -> None:
        if (now := _recording.get()) is not None:
            now.parts = (*now.parts, self.name)

    def __exit__(self, *_: object) -> None:
        if (now := _recording.get()) is not None:
            now.parts = now.parts[:-1]


def formula(unit: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Makes a function a formula, whose result counts `unit` (a key of `messages`)."""

    def decorate(function: Callable[P, int]) -> Callable[P, int]:
        @wraps(function)
        def read(*args: P.args, **kwargs: P.kwargs) -> int:
            now = _recording.get()
            return function(*args, **kwargs) if now is None else _kept(now, read, args, kwargs)

        read.unit = unit  # type: ignore[attr-defined]
        return read

    return decorate


def _kept(now: _Recording, read: Callable[..., int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    value: int = _plain(read)(*args, **kwargs)
    if not isinstance(value, int):
        return value
    names = letters(read, len(args) + len(kwargs))
    numbers = dict(zip(names, args, strict=False)) | kwargs
    counted = Counted(value)
    counted.step = Step(read, {name: numbers[name] for name in names}, int(value), now.parts)
    now.steps.append(counted.step)
    return counted


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """`lru_cache`, but for recordings: what is remembered leaves no steps, and a step is nobody else's."""
    kept = lru_cache(maxsize=4096)(function)

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> R:
        return kept(*args, **kwargs) if _recording.get() is None else function(*args, **kwargs)  # type: ignore[arg-type]

    ask.cache_clear = kept.cache_clear  # type: ignore[attr-defined]
    return ask


# Letters --------------------------------------------------------------------------------------------------------------

_AXES = {1: ("",), 2: ("_h", "_w"), 3: ("_d", "_h", "_w")}


def letters(read: Callable[..., int], count: int) -> tuple[str, ...]:
    """The names of `count` numbers that a formula takes.

    `*K` are a size for each spatial dimension: K, or K_h and K_w, or K_d, K_h and K_w. Of a small letter they are just
    numbered: t_1, t_2, t_3.
    """
    code: CodeType = _plain(read).__code__
    named = code.co_varnames[: code.co_argcount]
    if count == len(named) or not code.co_flags & 4:  # no *args
        return named[:count]
    name, rest = code.co_varnames[code.co_argcount], count - len(named)
    numbered = tuple(f"_{position + 1}" for position in range(rest))
    return (*named, *[name + axis for axis in (_AXES.get(rest, numbered) if name.isupper() else numbered)])


@lru_cache(maxsize=1024)
def in_letters(read: Callable[..., int], count: int) -> Tree | int:
    """The expression that a formula is, in `count` letters: the function itself, called with letters."""
    from cnncalc.tree import letter

    expression: Tree | int = _plain(read)(*map(letter, letters(read, count)))
    return expression


def _plain(read: Callable[..., int]) -> Any:
    """The function that a formula was made of."""
    return read.__wrapped__  # type: ignore[attr-defined]
