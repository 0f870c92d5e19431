"""Whole numbers that are not known: what the engine counts with where a size is left as a letter.

An `Unknown` is a polynomial in the letters and in roundings of such (`⌊(H + 1) / 2⌋`). It goes through the ordinary
engine in an int's place. Where the engine asks which of two numbers is larger, or whether one divides another, the
`Domain` proves the answer for every size that is still allowed; where it cannot, the document's own sizes answer, and
what they answered narrows the domain. So each size of the domain takes the same branches as the document's own, and a
result holds for all of them.

`Unknown` is no subclass of int, but says that it is one when it is asked (`isinstance`): the interpreter itself would
read the value of an int (`range(C)`, `math.gcd`) in silence. An `Unknown` is asked for its index there, and refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from math import floor, gcd, lcm, prod
from typing import Any, Literal, NamedTuple

from cnncalc.closed import NoClosedForm, aside
from cnncalc.shapes import LARGEST_SIZE

LIMIT = LARGEST_SIZE  # comparisons with numbers from here up are the program's own bounds
LARGEST_BITS = 256


# Polynomials ----------------------------------------------------------------------------------------------------------


class Rounded(NamedTuple):
    """What is no polynomial, and counts as a variable: ⌊a / b⌋, or the greatest common divisor of a and b."""

    sign: Literal["//", "gcd"]
    a: Polynomial
    b: Polynomial

    def __repr__(self) -> str:
        return f"({self.a} {self.sign} {self.b})"


class _Slack(NamedTuple):
    """Something from 0 to `most` that a rounding leaves open; only inside proofs."""

    of: Rounded
    most: Fraction


Variable = str | Rounded | _Slack
Monomial = tuple[tuple[Variable, int], ...]  # variables with their powers, in the order of their names


class Polynomial:
    """Terms with exact coefficients: `{(("H", 2), ("W", 1)): 3}` is 3·H²·W. Never changed once made."""

    __slots__ = ("_hash", "_text", "terms")

    def __init__(self, terms: Mapping[Monomial, Fraction | int]) -> None:
        self.terms = {monomial: Fraction(factor) for monomial, factor in terms.items() if factor}
        self._hash: int | None = None
        self._text = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __repr__(self) -> str:
        """One and the same text for equal polynomials: variables are put in the order of theirs."""
        if not self._text:
            written = []
            for monomial, factor in self.terms.items():
                parts = [f"{one}**{power}" if power > 1 else str(one) for one, power in monomial]
                written.append("*".join([*([str(factor)] if factor != 1 or not parts else []), *parts]))
            self._text = " + ".join(sorted(written)) or "0"
        return self._text

    def __add__(self, other: Polynomial) -> Polynomial:
        terms = dict(self.terms)
        for monomial, factor in other.terms.items():
            terms[monomial] = terms.get(monomial, 0) + factor
        return Polynomial(terms)

    def __neg__(self) -> Polynomial:
        return self.scaled(-1)

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        terms: dict[Monomial, Fraction] = {}
        for a, m in self.terms.items():
            for b, n in other.terms.items():
                monomial = _joined(a, b)
                terms[monomial] = terms.get(monomial, Fraction(0)) + m * n
        return Polynomial(terms)

    def scaled(self, factor: Fraction | int) -> Polynomial:
        return Polynomial({monomial: value * factor for monomial, value in self.terms.items()})

    @property
    def constant(self) -> Fraction:
        """The term without variables."""
        return self.terms.get((), Fraction(0))

    @property
    def is_constant(self) -> bool:
        return not self.terms or (len(self.terms) == 1 and () in self.terms)

    @property
    def variables(self) -> list[Variable]:
        return list(dict.fromkeys([variable for monomial in self.terms for variable, _ in monomial]))

    @property
    def denominator(self) -> int:
        """The least number that makes every coefficient whole."""
        return lcm(*[factor.denominator for factor in self.terms.values()])

    def with_variables(self, values: Callable[[Variable], Polynomial]) -> Polynomial:
        """The polynomial with something in each variable's place."""
        known = {variable: values(variable) for variable in self.variables}
        whole = Polynomial({})
        for monomial, factor in self.terms.items():
            term = constant(factor)
            for variable, power in monomial:
                for _ in range(power):
                    term *= known[variable]
            whole += term
        return whole

    def at(self, values: Mapping[str, int]) -> Fraction:
        """The number that it is where the letters are these."""
        return sum([factor * _value(monomial, values) for monomial, factor in self.terms.items()], Fraction(0))


def _joined(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for variable, power in b:
        powers[variable] = powers.get(variable, 0) + power
    return tuple(sorted(powers.items(), key=lambda part: str(part[0])))


def _value(monomial: Monomial, values: Mapping[str, int]) -> Fraction:
    return Fraction(prod([_at(variable, values) ** power for variable, power in monomial]))


def _at(variable: Variable, values: Mapping[str, int]) -> int:
    if isinstance(variable, str):
        return values[variable]
    assert isinstance(variable, Rounded)
    a, b = variable.a.at(values), variable.b.at(values)
    return floor(a / b) if variable.sign == "//" else gcd(int(a), int(b))


def constant(value: Fraction | int) -> Polynomial:
    return Polynomial({(): value})


def variable(of: Variable) -> Polynomial:
    return Polynomial({((of, 1),): 1})


def quotient(a: Polynomial, b: Polynomial) -> Polynomial | None:
    """a / b where that is a polynomial: term by term from the largest down."""
    found, rest = Polynomial({}), a
    lead, factor = _largest(b)
    while rest.terms:
        top, value = _largest(rest)
        powers = dict(top)
        for variable, power in lead:
            powers[variable] = powers.get(variable, 0) - power
        if min(powers.values(), default=0) < 0:
            return None
        step = Polynomial({tuple([part for part in powers.items() if part[1]]): value / factor})
        found, rest = found + step, rest - step * b
    return found


def _largest(of: Polynomial) -> tuple[Monomial, Fraction]:
    """The first term in the order of powers of the variables, by name (a monomial order: products keep it)."""
    names = sorted({str(variable) for variable in of.variables})

    def order(term: tuple[Monomial, Fraction]) -> list[int]:
        powers = {str(variable): power for variable, power in term[0]}
        return [powers.get(name, 0) for name in names]

    return max(of.terms.items(), key=order)


# What is known of the letters -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Letter:
    """A size that is left as a letter: what it stands for, its value in the document, and which values it may have."""

    name: str
    stands_for: str
    sample: int
    least: int = 1
    most: int = LARGEST_SIZE
    multiple: int = 1  # it is a multiple of this
    limited: bool = True  # `most` keeps numbers within what a document may hold


Relation = Literal[">=", "=", "!=", "whole"]


class Condition(NamedTuple):
    """What has to hold of the letters beyond their bounds: a polynomial is ≥ 0, = 0, ≠ 0, or a whole number.

    `limit`: it keeps numbers within what a document may hold.
    """

    of: Polynomial
    relation: Relation
    limit: bool = False

    def holds(self, values: Mapping[str, int]) -> bool:
        value = self.of.at(values)
        match self.relation:
            case ">=":
                return value >= 0
            case "=":
                return value == 0
            case "!=":
                return value != 0
            case "whole":
                return value.denominator == 1


@dataclass(slots=True, eq=False)
class Domain:
    """The values that the letters may have. It only ever gets narrower, and always holds the document's own."""

    letters: dict[str, Letter] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    phases: dict[Polynomial, Fraction] = field(default_factory=dict)  # known fractional parts
    _known: dict[Polynomial, Fraction | None] = field(default_factory=dict)  # least values; void once it gets narrower

    def unknown(self, name: str) -> Unknown:
        return Unknown(self, variable(name))

    @property
    def samples(self) -> dict[str, int]:
        return {name: letter.sample for name, letter in self.letters.items()}

    @contextmanager
    def apart(self) -> Iterator[Domain]:
        """Inside, what narrows the domain does so in the copy that is given, whose answers the numbers ask for."""
        letters = {name: replace(letter) for name, letter in self.letters.items()}
        kept = letters, list(self.conditions), dict(self.phases)
        copy = Domain()
        try:
            yield copy
        finally:
            copy.letters, copy.conditions, copy.phases = self.letters, self.conditions, self.phases
            self.letters, self.conditions, self.phases = kept
            self._known = {}

    def broken(self, values: Mapping[str, int]) -> Letter | Condition | None:
        """The first letter or condition that these values of the letters are not allowed by."""
        for name, letter in self.letters.items():
            if not letter.least <= values[name] <= letter.most or values[name] % letter.multiple:
                return letter
        return next((condition for condition in self.conditions if not condition.holds(values)), None)

    # Roundings --------------------------------------------------------------------------------------------------------

    def rounded_down(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """⌊a / b⌋ in one and the same form wherever it is the same."""
        if b.is_constant:
            return self._floor(a.scaled(1 / b.constant))
        exact = quotient(a, b)
        if exact is not None and self.is_whole(exact):
            return exact
        return variable(Rounded("//", a, b))

    def _floor(self, of: Polynomial) -> Polynomial:
        """⌊of⌋: whole terms stand outside, and inside a positive first term and a constant below 1."""
        varying = [(monomial, factor) for monomial, factor in of.terms.items() if monomial]
        outside = Polynomial({one: factor for one, factor in varying if self._step(one, factor)})
        outside += constant(floor(of.constant))
        inside = Polynomial({one: factor for one, factor in varying if not self._step(one, factor)})
        part = of.constant % 1
        if not inside.terms:
            return outside
        parts = lcm(*[_per(self._least_step(monomial), factor) for monomial, factor in inside.terms.items()])
        part = Fraction(floor(part * parts), parts)  # what varies does so in steps of 1 / parts
        if _largest(inside)[1] < 0:  # ⌊−x⌋ = −⌈x⌉, and ⌈x⌉ = ⌊x + (parts − 1) / parts⌋
            return outside - self._floor(constant(1 - Fraction(1, parts) - part) - inside)
        if inside in self.phases:
            phase = self.phases[inside]
            return outside + inside - constant(phase) + constant(floor(phase + part))
        if (nested := _only_rounding(inside)) is not None:  # ⌊(⌊x⌋ + n) / m⌋ = ⌊(x + n) / m⌋ for whole n and m
            factor, rounding = nested
            if factor.numerator == 1:
                x = rounding.a.scaled(1 / rounding.b.constant)
                return outside + self._floor((x + constant(part / factor)).scaled(factor))
        inside += constant(part)
        over = inside.denominator
        return outside + variable(Rounded("//", inside.scaled(over), constant(over)))

    def common_divisor(self, a: Polynomial, b: Polynomial) -> Polynomial:
        for one, other in ((a, b), (b, a)):
            if one.is_constant and self.is_whole(other.scaled(1 / one.constant)):
                return one if one.constant > 0 else -one
        first, second = sorted((a, b), key=lambda one: (one.is_constant, repr(one)))
        return variable(Rounded("gcd", first, second))

    def _step(self, monomial: Monomial, factor: Fraction) -> bool:
        """Whether a term is a whole number whatever the letters are."""
        return _per(self._least_step(monomial), factor) == 1

    def _least_step(self, monomial: Monomial) -> int:
        """A number that a product of variables is always a multiple of."""
        return prod([self.letters[one].multiple ** power for one, power in monomial if isinstance(one, str)])

    def is_whole(self, of: Polynomial) -> bool:
        """Whether it is known to be a whole number."""
        return not self._floor_rest(of).terms

    def _floor_rest(self, of: Polynomial) -> Polynomial:
        if all(self._step(monomial, factor) for monomial, factor in of.terms.items()):
            return Polynomial({})
        return of - self._floor(of)

    def settled(self, of: Polynomial) -> Polynomial:
        """The same with its roundings as they are by what is known now."""
        if not any(isinstance(one, Rounded) for one in of.variables):
            return of
        return of.with_variables(self._settled)

    def _settled(self, of: Variable) -> Polynomial:
        if not isinstance(of, Rounded):
            return variable(of)
        a, b = self.settled(of.a), self.settled(of.b)
        return self.rounded_down(a, b) if of.sign == "//" else self.common_divisor(a, b)

    def shorter(self, of: Polynomial) -> Polynomial:
        """The same in fewer terms, where halves add up."""
        return min(of, self._halved(of), key=lambda one: len(one.terms))

    def _halved(self, of: Polynomial) -> Polynomial:
        """With ⌊x + ½⌋ as ⌊2x⌋ − ⌊x⌋ (Hermite's identity), so that the halves of a whole add up to it."""

        def halved(one: Variable) -> Polynomial:
            if isinstance(one, Rounded) and one.sign == "//" and one.b.is_constant:
                x = one.a.scaled(1 / one.b.constant)
                if x.constant >= Fraction(1, 2):
                    x -= constant(Fraction(1, 2))
                    return self._halved(self._floor(x.scaled(2)) - self._floor(x))
            return variable(one)

        return of.with_variables(halved) if any(isinstance(one, Rounded) for one in of.variables) else of

    # Proofs -----------------------------------------------------------------------------------------------------------

    def least(self, of: Polynomial) -> Fraction | None:
        """A number that it is never below; None where none was found."""
        if of not in self._known:
            self._known[of] = None  # where a bound is asked for while it is being found
            related = _related(of)
            found = [self._least(related), self._least(_opened(related))]
            self._known[of] = max([one for one in found if one is not None], default=None)
        return self._known[of]

    def _least(self, of: Polynomial) -> Fraction | None:
        """Each variable is its least value and something from 0 up: then only negative terms can make it smaller."""
        bounds = {one: self._bounds(one) for one in of.variables}
        if any(low is None for low, _ in bounds.values()):
            return None
        moved = of.with_variables(lambda one: variable(one) + constant(bounds[one][0] or 0))
        found = moved.constant
        for monomial, factor in moved.terms.items():
            if monomial and factor < 0:
                for one, power in monomial:
                    low, high = bounds[one]
                    if high is None or low is None:
                        return None
                    factor *= (high - low) ** power
                found += factor
        return found

    def _bounds(self, of: Variable) -> tuple[Fraction | None, Fraction | None]:
        if isinstance(of, str):
            return Fraction(self.letters[of].least), Fraction(self.letters[of].most)
        if isinstance(of, _Slack):
            return Fraction(0), of.most
        if of.sign == "gcd":
            return Fraction(1), None
        if not of.b.is_constant:
            bounds = self.least(of.a), self.least(of.b)
            positive = all(low is not None and low >= 0 for low in bounds)  # b is never 0
            return Fraction(0) if positive else None, None
        x = of.a.scaled(1 / of.b.constant)
        low, high = self.least(x), self.least(-x)
        return None if low is None else Fraction(floor(low)), None if high is None else Fraction(floor(-high))

    def not_negative(self, of: Polynomial, limit: bool = False) -> bool:
        """Whether it is at least 0: proven, or so at the document's own sizes, which is then kept as a condition."""
        of = self.settled(of)
        if (low := self.least(of)) is not None and low >= 0:
            return True
        below = -of - constant(Fraction(1, self._steps(of)))
        if (low := self.least(below)) is not None and low >= 0:
            return False
        holds = of.at(self.samples) >= 0
        now = of if holds else below
        if not any((low := self.least(now - known.of)) is not None and low >= 0 for known in self._kept(">=")):
            self._asked(of)
            self._learn_bound(now, limit)
        return holds

    def not_above(self, a: Polynomial, b: Polynomial) -> bool:
        """Whether a ≤ b, or, where b ≤ a is proven and they may be equal, False: either may then be taken."""
        low = self.least(self.settled(a - b))
        return False if low is not None and low >= 0 else self.not_negative(b - a)

    def is_zero(self, of: Polynomial) -> bool:
        of = self.settled(of)
        if not of.terms or not self._halved(of).terms:
            return True
        for one in (of, -of):
            if (low := self.least(one)) is not None and low > 0:
                return False
        if any(known.of in (of, -of) for known in self._kept("!=")):
            return False
        if any(known.of in (of, -of) for known in self._kept("=")):
            return True
        self._asked(of)
        if of.at(self.samples):
            self._learn_unequal(of)
            return False
        self._learn_equal(of)
        return True

    def whole(self, of: Polynomial) -> bool:
        """Whether it is a whole number: proven, or so at the document's own sizes, which is then kept."""
        of = self.settled(of)
        if self.is_whole(of):
            return True
        rest = self._floor_rest(of)
        if rest.is_constant:
            return False
        low = self.least(rest)
        if low is not None and low > 0:
            return False
        self._asked(of)
        if of.at(self.samples).denominator == 1:
            self._learn_whole(of)
            return True
        self._learn_unequal(rest)
        return False

    def _kept(self, relation: Relation) -> Iterable[Condition]:
        return (condition for condition in self.conditions if condition.relation == relation)

    def _asked(self, of: Polynomial) -> None:
        if aside.get():
            raise NoClosedForm(f"{of} is not known")

    def _steps(self, of: Polynomial) -> int:
        """Its values are multiples of one over this."""
        return lcm(*[_per(self._least_step(monomial), factor) for monomial, factor in of.terms.items()])

    # What is learned --------------------------------------------------------------------------------------------------

    def _learn_bound(self, of: Polynomial, limit: bool = False) -> None:
        """That it is at least 0, where nothing implies it yet."""
        alone = _only_variable(of)
        if alone is None:
            self.conditions.append(Condition(of, ">=", limit))
        else:
            one, factor, rest = alone
            bound = -rest / factor
            if isinstance(one, str):
                letter = self.letters[one]
                if factor > 0:
                    letter.least = max(letter.least, -(floor(-bound / letter.multiple)) * letter.multiple)
                else:
                    letter.most = min(letter.most, floor(bound / letter.multiple) * letter.multiple)
                    letter.limited &= limit
            elif isinstance(one, Rounded) and one.sign == "//" and one.b.is_constant:
                x = one.a.scaled(1 / one.b.constant)
                if factor > 0:  # ⌊x⌋ ≥ n is x ≥ n for whole n
                    self._learn_bound(x + constant(floor(-bound)), limit)
                else:  # ⌊x⌋ ≤ n is x < n + 1
                    self._learn_bound(constant(floor(bound) + 1 - Fraction(1, self._steps(x))) - x, limit)
            else:
                self.conditions.append(Condition(of, ">=", limit))
        self._known = {}

    def _learn_equal(self, of: Polynomial) -> None:
        rounding = next((one for one in of.variables if isinstance(one, Rounded) and one.sign == "//"), None)
        if rounding is not None and rounding.b.is_constant and (factor := of.terms.get(((rounding, 1),))):
            x = rounding.a.scaled(1 / rounding.b.constant)
            between = x + (of - variable(rounding).scaled(factor)).scaled(1 / factor)  # x − ⌊x⌋, if that is all
            if between.is_constant and 0 <= between.constant < 1:
                self._learn_whole(x - between)
                return
        alone = _only_variable(of)
        if alone is not None and isinstance(alone[0], str):
            letter = self.letters[alone[0]]
            letter.least = letter.most = letter.sample
        else:
            self.conditions.append(Condition(of, "="))
        self._known = {}

    def _learn_unequal(self, of: Polynomial) -> None:
        """That it is not 0: more than that, where it is never less."""
        for one in (of, -of):
            if self.least(one) == 0:
                self._learn_bound(one - constant(Fraction(1, self._steps(one))))
                return
        self.conditions.append(Condition(of, "!="))
        self._known = {}

    def _learn_whole(self, of: Polynomial) -> None:
        alone = _only_variable(of)
        if alone is not None and isinstance(alone[0], str):
            letter, (_, factor, rest) = self.letters[alone[0]], alone
            if rest.denominator == 1:
                letter.multiple = lcm(letter.multiple, factor.denominator)
                letter.least = -(-letter.least // letter.multiple) * letter.multiple
                letter.most = letter.most // letter.multiple * letter.multiple
                self._known = {}
                return
        varying = Polynomial({one: factor for one, factor in of.terms.items() if one and not self._step(one, factor)})
        if _largest(varying)[1] > 0:
            self.phases[varying] = -of.constant % 1
        else:
            self.phases[-varying] = of.constant % 1
        self.conditions.append(Condition(of, "whole"))
        self._known = {}


def _per(step: int, factor: Fraction) -> int:
    """The denominator of `factor` times a multiple of `step`."""
    return (factor * step).denominator


def _only_rounding(of: Polynomial) -> tuple[Fraction, Rounded] | None:
    """The factor and ⌊a / b⌋ that this is, b being a number."""
    if len(of.terms) == 1:
        ((monomial, factor),) = of.terms.items()
        if len(monomial) == 1 and monomial[0][1] == 1 and isinstance(rounding := monomial[0][0], Rounded):
            return (factor, rounding) if rounding.sign == "//" and rounding.b.is_constant else None
    return None


def _only_variable(of: Polynomial) -> tuple[Variable, Fraction, Fraction] | None:
    """v, c and r where this is c·v + r."""
    varying = [monomial for monomial in of.terms if monomial]
    if len(varying) == 1 and len(varying[0]) == 1 and varying[0][0][1] == 1:
        return varying[0][0][0], of.terms[varying[0]], of.constant
    return None


def _related(of: Polynomial) -> Polynomial:
    """With ⌊x + q⌋ as ⌊x + p⌋ and 0 or 1 more, where both roundings are there and p < q (both below 1)."""
    same: dict[Polynomial, list[tuple[Fraction, Rounded]]] = {}
    for one in of.variables:
        if isinstance(one, Rounded) and one.sign == "//" and one.b.is_constant:
            x = one.a.scaled(1 / one.b.constant)
            same.setdefault(x - constant(x.constant), []).append((x.constant, one))
    values: dict[Variable, Polynomial] = {}
    for members in same.values():
        (_, first), *others = sorted(members, key=lambda member: member[0])
        values |= {one: variable(first) + variable(_Slack(one, Fraction(1))) for _, one in others}
    return of.with_variables(lambda one: values.get(one, variable(one))) if values else of


def _opened(of: Polynomial) -> Polynomial:
    """With ⌊x⌋ as x and a slack less."""

    def opened(one: Variable) -> Polynomial:
        if isinstance(one, Rounded) and one.sign == "//" and one.b.is_constant:
            slack = _Slack(one, 1 - 1 / one.b.constant)  # of whole numbers that are divided by one
            return _opened(one.a.scaled(1 / one.b.constant)) - variable(slack)
        return variable(one)

    return of.with_variables(opened)


# In an int's place ----------------------------------------------------------------------------------------------------


class Unknown:
    """A number that is not known, in an int's place (or a fraction's, as long as it is not known to be whole)."""

    __slots__ = ("domain", "polynomial")

    def __init__(self, domain: Domain, polynomial: Polynomial) -> None:
        self.domain = domain
        self.polynomial = polynomial

    @property
    def __class__(self) -> type:  # what isinstance asks
        return int if self.domain.whole(self.polynomial) else Fraction

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise AttributeError("an unknown number stays one")

    def _with(self, other: Any, join: Callable[[Polynomial, Polynomial], Polynomial]) -> Any:
        if type(other) is Unknown:
            assert other.domain is self.domain, "letters of two networks"
            return _number(self.domain, join(self.polynomial, other.polynomial))
        if issubclass(type(other), int | Fraction):
            return _number(self.domain, join(self.polynomial, constant(other)))
        return NotImplemented

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a + b)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a * b)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        if not other:
            raise ZeroDivisionError
        return self._with(other, self.domain.rounded_down)

    def __rfloordiv__(self, other: Any) -> Any:
        return _unknown(self.domain, other) // self

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other

    def __rmod__(self, other: Any) -> Any:
        return other - other // self * self

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __truediv__(self, other: Any) -> Any:
        if not other:
            raise ZeroDivisionError
        exact = quotient(self.polynomial, _polynomial(other))
        if exact is None:
            raise NoClosedForm(f"{self} / {other} is no polynomial")
        return _number(self.domain, exact)

    def __rtruediv__(self, other: Any) -> Any:
        return _unknown(self.domain, other) / self

    def __pow__(self, other: Any) -> Any:
        if not issubclass(type(other), int) or other < 0:
            raise NoClosedForm(f"{self} ** {other} is no polynomial")
        return reduce(lambda a, _: a * self, range(other), 1)

    def __rpow__(self, other: Any) -> Any:
        raise NoClosedForm(f"{other} ** {self} is no polynomial")

    def __neg__(self) -> Any:
        return self * -1

    def __pos__(self) -> Unknown:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __floor__(self) -> Any:
        return self // 1

    def __ceil__(self) -> Any:
        return -(-self // 1)

    def __trunc__(self) -> Any:
        return self // 1 if self >= 0 else -(-self // 1)

    def __lt__(self, other: Any) -> bool:
        return not self >= other

    def __ge__(self, other: Any) -> bool:
        return self.domain.not_negative(self.polynomial - _polynomial(other), _is_limit(other))

    def __gt__(self, other: Any) -> bool:
        return not self <= other

    def __le__(self, other: Any) -> bool:
        return self.domain.not_negative(_polynomial(other) - self.polynomial, _is_limit(other))

    def __eq__(self, other: object) -> bool:
        if type(other) is Unknown and other.domain is not self.domain:
            return False
        if type(other) is not Unknown and not issubclass(type(other), int | Fraction):
            return False
        return self.domain.is_zero(self.polynomial - _polynomial(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((id(self.domain), self.polynomial))

    def __bool__(self) -> bool:
        return not self.domain.is_zero(self.polynomial)

    @property
    def numerator(self) -> Unknown:
        if not self.domain.whole(self.polynomial):
            raise NoClosedForm(f"{self} has no numerator")
        return self

    @property
    def denominator(self) -> int:
        self.numerator  # noqa: B018  (refuses what is not whole)
        return 1

    def bit_length(self) -> int:
        """That of its value in the document; it has to be below 2^256, as every number of a document."""
        if not -(2**LARGEST_BITS) < self < 2**LARGEST_BITS:
            return LARGEST_BITS + 1
        return int(self.polynomial.at(self.domain.samples)).bit_length()

    def __index__(self) -> int:
        raise NoClosedForm(f"{self} has to be a number here, not a letter")

    __int__ = __float__ = __round__ = __index__

    def __repr__(self) -> str:
        return repr(self.polynomial)

    def __format__(self, spec: str) -> str:
        return repr(self.polynomial)


def common_divisor(a: Any, b: Any) -> Any:
    """The greatest common divisor of two numbers, one of which is not known."""
    domain = _domain(a, b)
    return _number(domain, domain.common_divisor(_polynomial(a), _polynomial(b)))


def smallest(a: Any, b: Any) -> Any:
    """The smaller of two numbers, one of which is not known. Which is the smaller is asked only if they can differ."""
    return a if _domain(a, b).not_above(_polynomial(a), _polynomial(b)) else b


def largest(a: Any, b: Any) -> Any:
    return b if _domain(a, b).not_above(_polynomial(a), _polynomial(b)) else a


def _domain(*numbers: Any) -> Domain:
    return next(one.domain for one in numbers if type(one) is Unknown)


def polynomial_of(value: Any) -> Polynomial:
    """What a number is that may be unknown: by what is known of its letters now."""
    return value.domain.settled(value.polynomial) if type(value) is Unknown else constant(value)


def _number(domain: Domain, of: Polynomial) -> Any:
    if not of.is_constant:
        return Unknown(domain, of)
    return of.constant.numerator if of.constant.denominator == 1 else of.constant


def _unknown(domain: Domain, value: Any) -> Unknown:
    return value if type(value) is Unknown else Unknown(domain, constant(value))


def _polynomial(value: Any) -> Polynomial:
    return value.polynomial if type(value) is Unknown else constant(value)


def _is_limit(value: Any) -> bool:
    return type(value) is not Unknown and abs(value) >= LIMIT
