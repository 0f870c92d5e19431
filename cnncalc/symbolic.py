"""Closed forms: a network with sizes left as letters, every count of it as a formula in them.

The ordinary engine counts with unknown numbers (`unknowns.py`). What it had to know of the letters on its way is proven
or kept, and is the domain that every formula is said to hold for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from pathlib import Path
from typing import Any

from cnncalc import formulas
from cnncalc.closed import NoClosedForm, beside
from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError, Source, Span, did_you_mean, near, quoted
from cnncalc.graph import Network, Node
from cnncalc.language.document import Document
from cnncalc.language.expand import expand
from cnncalc.language.expressions import value_text
from cnncalc.language.load import document_of
from cnncalc.layers.base import sum_of
from cnncalc.models import source
from cnncalc.passes.depth import depth
from cnncalc.passes.memory import textbook
from cnncalc.passes.receptive_field import Field, receptive_fields
from cnncalc.shapes import DTYPE_BYTES, LARGEST_SIZE, Layout
from cnncalc.unknowns import (
    Condition,
    Domain,
    Letter,
    Polynomial,
    Rounded,
    Unknown,
    Variable,
    constant,
    polynomial_of,
    variable,
)

OPTION = "--symbol"
MOST_MOVED = 8  # ways to move a rounding that are tried for a shorter form
FARTHEST = 16  # and how far
MOST_TERMS = 200  # of a form that a shorter one is looked for

_WRITTEN = re.compile(r"\s*([A-Za-z]\w{0,19})\s*(?:=\s*([\w.-]+)\s*)?(?:\*\s*([0-9]{1,9})\s*)?")


class OutsideDomain(ValueError):
    """Values of the letters that the formulas are not said to hold for."""


@dataclass(frozen=True)
class ClosedForm:
    """A count as a formula, and its value at the document's own sizes."""

    polynomial: Polynomial
    value: int

    @cached_property
    def shortest(self) -> Polynomial:
        """The same with roundings that take whole numbers in: ⌊(H + 1) / 2⌋ − 1 as ⌊(H − 1) / 2⌋."""
        return shortest(self.polynomial)

    @property
    def expression(self) -> Any:
        """The formula as sympy's expression."""
        return expression(self.shortest)

    @property
    def is_number(self) -> bool:
        return self.polynomial.is_constant

    def at(self, **values: int) -> int:
        """The number where the letters are these; whether the formula holds there is `ClosedForms.at`'s to say."""
        return self.polynomial.at(values).numerator

    def __str__(self) -> str:
        return str(self.expression)


@dataclass(frozen=True, slots=True)
class LayerForms:
    """A layer's counts, for one image; bytes are for the batch. `receptive_field` is None where no formula is known."""

    name: str
    kind: str
    title: str
    inputs: list[list[ClosedForm]]  # shapes [channels, *spatial]
    output: list[ClosedForm]
    parameters: ClosedForm
    weights: ClosedForm
    biases: ClosedForm
    macs: ClosedForm
    multiplies: ClosedForm
    activations: ClosedForm
    activation_bytes: ClosedForm
    receptive_field: list[ClosedForm] | None


@dataclass(frozen=True, slots=True)
class ClosedForms:
    """A network's counts as formulas in letters, and the `domain` that they hold for.

    Totals are those of a report, `memory.prediction` and `memory.training` (the textbook's model) among them. Which two
    layers are the largest may ask more of the letters: `prediction_domain`.
    """

    name: str
    source: str
    layout: Layout
    batch: int
    dtype: str
    domain: Domain
    layers: list[LayerForms]
    totals: dict[str, ClosedForm]
    depth: int
    prediction_domain: Domain
    widest: str  # of these two layers, the one that reads the other

    @property
    def letters(self) -> list[Letter]:
        return list(self.domain.letters.values())

    @property
    def conditions(self) -> list[Condition]:
        return self.domain.conditions

    @property
    def prediction_conditions(self) -> list[Condition]:
        """What `memory.prediction` asks of the letters beyond the domain."""
        more = [each for each in self.prediction_domain.conditions if each not in self.domain.conditions]
        for name, letter in self.prediction_domain.letters.items():
            own = self.domain.letters[name]
            if letter.least > own.least:
                more.append(Condition(variable(name) - constant(letter.least), ">="))
            if letter.most < own.most:
                more.append(Condition(constant(letter.most) - variable(name), ">=", letter.limited))
            if letter.multiple != own.multiple:
                more.append(Condition(variable(name).scaled(Fraction(1, letter.multiple)), "whole"))
        return more

    def at(self, **values: int) -> dict[str, int | None]:
        """The totals where the letters are these; raises `OutsideDomain` where the formulas do not hold.

        `memory.prediction` is None where other layers may be the largest two.
        """
        names = [letter.name for letter in self.letters]
        if set(names) != set(values):
            raise TypeError(f"a value for each of {', '.join(names)}, not for {', '.join(values) or 'none'}")
        broken = self.domain.broken(values)
        if broken is not None:
            told = ", ".join(f"{name} = {value}" for name, value in values.items())
            raise OutsideDomain(f"the formulas do not hold at {told}: {_said(broken)}")
        totals: dict[str, int | None] = {name: form.at(**values) for name, form in self.totals.items()}
        if self.prediction_domain.broken(values) is not None:
            totals["memory.prediction"] = None
        return totals


def _said(broken: Letter | Condition) -> str:
    if isinstance(broken, Letter):
        steps = f", a multiple of {broken.multiple}" if broken.multiple > 1 else ""
        return f"{broken.name} has to be from {broken.least} to {broken.most}{steps}"
    relation = {"whole": "has to be whole", "!=": "must not be 0", "=": "has to be 0", ">=": "has to be at least 0"}
    return f"{expression(broken.of)} {relation[broken.relation]}"


# The analysis ---------------------------------------------------------------------------------------------------------


def symbolic(
    network: str | Path, symbols: Iterable[str], settings: Iterable[str] = (), batch: int = 1, dtype: str = "float32"
) -> ClosedForms:
    """The closed forms of a document, a network of the zoo or one in one line, as `load` takes it.

    `symbols` are texts such as `C` (the arg C), `H=height` (the input's height, called H) and `H=height*32` (a multiple
    of 32). Raises `DocumentError`, also where sympy is not installed or a layer has to know a size.
    """
    return closed_forms(document_of(*source(network, settings)), symbols, batch, dtype)


def closed_forms(document: Document, symbols: Iterable[str], batch: int = 1, dtype: str = "float32") -> ClosedForms:
    """`symbolic`, of a document that is read already."""
    if batch < 1:
        raise ValueError(f"a batch has at least 1 image, not {batch}")
    if dtype not in DTYPE_BYTES:
        raise ValueError(f"`{dtype}` is not a number format; known: {', '.join(DTYPE_BYTES)}")
    _check_sympy()
    opening = _Opening(document, [_read(text) for text in symbols])
    with collection_paused():
        network = _expanded(document, opening)
        opening.check()
        return _forms(network, opening.domain, batch, dtype)


def _expanded(document: Document, opening: _Opening) -> Network:
    """The network with letters; what is wrong with the document itself is said of its own numbers."""
    try:
        return expand(document, opening)
    except _Refused:
        raise
    except (DocumentError, NoClosedForm) as error:
        expand(document)
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(Diagnostic("no-closed-form", f"the network has no closed form: {error}")) from None


def _check_sympy() -> None:
    try:
        import sympy  # noqa: F401
    except ImportError:
        help = "pip install 'cnncalc[symbolic]'"
        raise DocumentError(Diagnostic("needs-sympy", "closed forms need sympy, which is missing", help=help)) from None


def _forms(network: Network, domain: Domain, batch: int, dtype: str) -> ClosedForms:
    width = DTYPE_BYTES[dtype]

    def form(value: int) -> ClosedForm:
        found = domain.shorter(polynomial_of(value))
        return ClosedForm(found, found.at(domain.samples).numerator)

    def forms(values: Iterable[int]) -> list[ClosedForm]:
        return [form(value) for value in values]

    nodes, fields = network.nodes, _fields(network)
    activations = sum_of([node.facts.activations for node in nodes])
    weights = sum_of([node.facts.weights for node in nodes])
    biases = sum_of([node.facts.biases for node in nodes])
    totals = {
        "parameters": formulas.parameters(weights, biases),
        "weights": weights,
        "biases": biases,
        "buffers": sum_of([node.facts.buffers for node in nodes]),
        "macs": sum_of([node.facts.macs for node in nodes]),
        "multiplies": sum_of([node.facts.operations.multiplies for node in nodes]),
        "activations": activations,
        "activation_bytes": formulas.tensor_bytes(activations, width, batch),
        "input_elements": sum_of([formulas.input_elements(*value.output) for value in network.inputs]),
        "connections": sum_of([node.facts.connections for node in nodes]),
    }
    layers = []
    for node in nodes:
        facts, field = node.facts, fields.get(node)
        layers.append(
            LayerForms(
                name=node.name,
                kind=node.layer.kind,
                title=_title(node),
                inputs=[forms(shape) for shape in node.input_shapes],
                output=forms(facts.output),
                parameters=form(formulas.parameters(facts.weights, facts.biases)),
                weights=form(facts.weights),
                biases=form(facts.biases),
                macs=form(facts.macs),
                multiplies=form(facts.operations.multiplies),
                activations=form(facts.activations),
                activation_bytes=form(formulas.tensor_bytes(facts.activations, width, batch)),
                receptive_field=forms(field.size) if field is not None else None,
            )
        )
    written = {name: form(value) for name, value in totals.items()}
    with domain.apart() as prediction_domain:
        least = textbook(network, batch, dtype)
        written["memory.prediction"], written["memory.training"] = form(least.prediction), form(least.training)
    return ClosedForms(
        name=network.name,
        source=network.source,
        layout=network.layout,
        batch=batch,
        dtype=dtype,
        domain=domain,
        layers=layers,
        totals=written,
        depth=depth(network).layers,
        prediction_domain=prediction_domain,
        widest=least.widest.name if least.widest is not None else "",
    )


def _fields(network: Network) -> dict[Node, Field | None]:
    try:
        with beside():
            return receptive_fields(network)
    except NoClosedForm:
        return {}


def _title(node: Node) -> str:
    try:
        with beside():
            return node.layer.title(node.input_shapes)
    except NoClosedForm:
        return ""


# Which sizes are left open --------------------------------------------------------------------------------------------


class _Refused(DocumentError):
    """A letter that cannot stand where it is put."""


@dataclass(slots=True)
class _Symbol:
    """`H=height*32`: a letter, what it stands for, and what it is a multiple of."""

    letter: str
    target: str
    multiple: int
    source: Source
    used: bool = False

    def refused(self, code: str, message: str, help: str = "") -> DocumentError:
        return _Refused(Diagnostic(code, message, Span(self.source, 0, len(self.source.text)), help=help))


def _read(text: str) -> _Symbol:
    source = Source(OPTION, text)
    found = _WRITTEN.fullmatch(text)
    if found is None or (found[3] is not None and not int(found[3])):
        help = "write C for the arg C, H=height for the input's height, H=height*32 for a multiple of 32"
        message = f"{quoted(text)} is not a letter for a size"
        raise DocumentError(Diagnostic("malformed-symbol", message, Span(source, 0, max(1, len(text))), help=help))
    return _Symbol(found[1], found[2] or found[1], int(found[3] or 1), source)


class _Opening:
    """Puts letters in the places of args and input sizes (`expand.Opened`)."""

    def __init__(self, document: Document, symbols: list[_Symbol]) -> None:
        self.document = document
        self.symbols = symbols
        self.domain = Domain()
        self.known: list[str] = []

    def __call__(self, name: str, value: Any) -> Any:
        self.known.append(name)
        meant = [symbol for symbol in self.symbols if self.stands_for(symbol.target, name)]
        if not meant:
            return value
        first = meant[0]
        for symbol in meant:
            symbol.used = True
            if symbol.letter != first.letter:
                message = f"`{name}` has two letters, {first.letter} and {symbol.letter}"
                raise symbol.refused("two-letters", message, "leave out one of them")
        if type(value) is Unknown:
            message = f"`{name}` is {value} already"
            raise first.refused("two-letters", message, "leave out one of them")
        if type(value) is not int or value < 1:
            message = f"`{name}` is {value_text(value)}: a letter stands for a whole number from 1 up"
            raise first.refused("not-a-size", message, f"start from a number: --set {name}=64" if value is None else "")
        return self.opened(first, name, value, lcm(*[symbol.multiple for symbol in meant]))

    def opened(self, symbol: _Symbol, name: str, value: int, multiple: int) -> Unknown:
        letter = self.domain.letters.get(symbol.letter)
        if letter is None:
            letter = self.domain.letters[symbol.letter] = Letter(symbol.letter, name, value)
        else:
            letter.stands_for += f" and {name}"
        if letter.sample != value:
            message = f"{letter.name} stands for {letter.stands_for}, which are {letter.sample} and {value}"
            raise symbol.refused("letter-of-two-values", message, "take a letter for each")
        letter.multiple = lcm(letter.multiple, multiple)
        letter.least = letter.multiple
        letter.most = LARGEST_SIZE - LARGEST_SIZE % letter.multiple
        if value % letter.multiple:
            message = f"`{name}` is {value}, which is no multiple of {letter.multiple}"
            help = f"start from {value + -value % letter.multiple}: give the document another size with --set"
            raise symbol.refused("not-a-multiple", message, help)
        return self.domain.unknown(letter.name)

    def stands_for(self, target: str, name: str) -> bool:
        """Whether `height` means `input.height`: it does where the network has one input and no arg of that name."""
        if target == name:
            return True
        inputs = list(self.document.inputs)
        return target not in self.document.args and len(inputs) == 1 and name == f"{inputs[0]}.{target}"

    def check(self) -> None:
        """Raises `DocumentError` for letters that stand for nothing."""
        one = len(self.document.inputs) == 1
        names = [name.partition(".")[2] or name if one else name for name in self.known]
        for symbol in self.symbols:
            if not symbol.used:
                help = did_you_mean(near(symbol.target, names), f"it has {', '.join(names)}")
                message = f"the document has no arg or input size `{symbol.target}`"
                raise symbol.refused("unknown-size", message, help)


# Forms ----------------------------------------------------------------------------------------------------------------


def shortest(of: Polynomial) -> Polynomial:
    """The polynomial with each ⌊a / b⌋ moved by a whole number to where fewest terms are left, and small ones."""

    def length(one: Polynomial) -> tuple[int, Fraction]:
        return len(one.terms), sum(map(abs, one.terms.values()), Fraction(0))

    for one in of.variables:
        if len(of.terms) <= MOST_TERMS and isinstance(one, Rounded) and one.sign == "//":
            of = min([_moved(of, one, by) for by in _steps(of, one)], key=length)
    return of


def _steps(of: Polynomial, rounding: Rounded) -> list[int]:
    """n nearest to where c·⌊a / b⌋ᵏ·M and c·k·n·⌊a / b⌋ᵏ⁻¹·M are terms: moved by n, they are one. 0 first."""
    found = [0]
    for monomial, factor in of.terms.items():
        power = dict(monomial).get(rounding, 0)
        if power:
            less = [(one, size - (one == rounding)) for one, size in monomial]
            moved = round(of.terms.get(tuple([part for part in less if part[1]]), 0) / (power * factor))
            if abs(moved) <= FARTHEST:
                found.append(moved)
    return list(dict.fromkeys(found))[: MOST_MOVED + 1]


def _moved(of: Polynomial, rounding: Rounded, by: int) -> Polynomial:
    """With ⌊a / b⌋ as ⌊(a + by·b) / b⌋ − by."""
    if not by:
        return of
    moved = Rounded("//", rounding.a + rounding.b.scaled(by), rounding.b)

    def place(one: Variable) -> Polynomial:
        return variable(moved) - constant(by) if one == rounding else variable(one)

    return of.with_variables(place)


def expression(of: Polynomial) -> Any:
    """A polynomial as sympy's expression, its letters positive integers."""
    import sympy

    def value(one: Variable) -> Any:
        if isinstance(one, str):
            return sympy.Symbol(one, integer=True, positive=True)
        assert isinstance(one, Rounded)
        a, b = expression(one.a), expression(one.b)
        return sympy.floor(a / b) if one.sign == "//" else sympy.Function("gcd")(a, b)

    return polynomial_in(of, value)


def polynomial_in(of: Polynomial, value: Any) -> Any:
    """The sum of a polynomial's terms in sympy, `value` giving what stands for a variable."""
    import sympy

    terms = []
    for monomial, factor in of.terms.items():
        number = sympy.Rational(factor.numerator, factor.denominator)
        terms.append(sympy.Mul(number, *[value(one) ** power for one, power in monomial]))
    return sympy.Add(*terms)
