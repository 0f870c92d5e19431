"""Groups of operators that are one layer: what exporters write for an activation or a norm that ONNX lacks.

A pattern is a term: ("Mul", "x", ("Sigmoid", "x")). A text is a value, the same one wherever it stands again, and one
that begins with $ a constant; a number is a constant of that number. Add and Mul take their inputs in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from math import isclose, pi, prod, sqrt
from typing import Any, NamedTuple

from cnncalc.onnx_import.constants import Constant, folded, of_tensor
from cnncalc.onnx_import.file import Graph, Operator

Term = Any  # (type, *terms), a text, or a number
OWN = "cnncalc"  # the domain of what patterns become

_SWAPPED = frozenset({"Add", "Mul"})
_STEPS = frozenset({"Constant", "Identity", "Cast", "CastLike", "Transpose", "Unsqueeze"})


class Pattern(NamedTuple):
    """`becomes` an operator on `x` and the pattern's constants, with the attributes of the operator `attributes_of`."""

    becomes: str
    term: Term
    attributes_of: str = ""


def _either(a: Term, b: Term, c: Term) -> list[Term]:
    """a · b · c, bracketed in each way."""
    return [("Mul", ("Mul", a, b), c), ("Mul", ("Mul", a, c), b), ("Mul", ("Mul", b, c), a)]


_CLIPPED = ("Clip", ("Add", "x", 3.0), 0.0, 6.0)
_HARD_SIGMOIDS = [("Div", _CLIPPED, 6.0), ("Mul", _CLIPPED, 1 / 6)]
_CDFS = [("Add", ("Erf", ("Div", "x", sqrt(2))), 1.0), ("Add", ("Erf", ("Mul", "x", sqrt(0.5))), 1.0)]
_CUBES = [("Pow", "x", 3.0), ("Mul", "x", ("Mul", "x", "x")), ("Mul", ("Mul", "x", "x"), "x")]
_TANHS = [("Add", ("Tanh", ("Mul", ("Add", "x", ("Mul", cube, 0.044715)), sqrt(2 / pi))), 1.0) for cube in _CUBES]
_CENTRED = ("Sub", "x", ("ReduceMean", "x"))
_NORMALISED = [
    ("Div", _CENTRED, ("Sqrt", ("Add", ("ReduceMean", square), "$eps")))
    for square in (("Pow", _CENTRED, 2.0), ("Mul", _CENTRED, _CENTRED))
]
_GROUPED = ("Reshape", ("InstanceNormalization", ("Reshape", "x", "split"), "$groups", "$zeros"), "back")

# Larger ones before those they contain.
PATTERNS: tuple[Pattern, ...] = (
    Pattern("Silu", ("Mul", "x", ("Sigmoid", "x"))),
    Pattern("Mish", ("Mul", "x", ("Tanh", ("Softplus", "x")))),
    *[Pattern("HardSwish", ("Mul", "x", half)) for half in [("HardSigmoid", "x"), *_HARD_SIGMOIDS]],
    *[Pattern("HardSwish", term) for term in [("Div", ("Mul", "x", _CLIPPED), 6.0), *_either("x", _CLIPPED, 1 / 6)]],
    *[Pattern("HardSigmoid6", term) for term in _HARD_SIGMOIDS],
    *[Pattern("Gelu", term) for cdf in _CDFS for term in _either("x", cdf, 0.5)],
    *[Pattern("GeluTanh", term) for tanh in _TANHS for term in _either("x", tanh, 0.5)],
    *[Pattern("LayerNorm", ("Add", ("Mul", term, "$weight"), "$bias"), "ReduceMean") for term in _NORMALISED],
    Pattern("GroupNorm", ("Add", ("Mul", _GROUPED, "$weight"), "$bias")),
    Pattern("Linear", ("Add", ("MatMul", "x", "$weight"), "$bias")),
    Pattern("Affine", ("Add", ("Mul", "x", "$weight"), "$bias")),
)


class Matcher:
    """Finds patterns in a graph and puts one operator in the place of each."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.makers = {name: operator for operator in graph.operators for name in operator.outputs if name}
        self.readers: dict[str, list[Operator]] = {}
        for operator in graph.operators:
            for name in operator.inputs:
                self.readers.setdefault(name, []).append(operator)
        self.constants: dict[str, Constant | None] = {}
        ends: dict[str, list[Pattern]] = {}
        for pattern in PATTERNS:
            ends.setdefault(pattern.term[0], []).append(pattern)
        self.ends = ends

    def operators(self) -> list[Operator]:
        """The graph's operators, those of a pattern being one, at the place of its last."""
        gone: set[int] = set()
        put: dict[int, Operator] = {}
        for operator in reversed(self.graph.operators):
            if id(operator) in gone or operator.domain:
                continue
            for pattern in self.ends.get(operator.type, ()):
                found = self.match(pattern, operator, gone)
                if found is not None:
                    put[id(operator)], inner = found
                    gone |= inner
                    break
        return [put.get(id(one), one) for one in self.graph.operators if id(one) not in gone]

    def match(self, pattern: Pattern, end: Operator, gone: set[int]) -> tuple[Operator, set[int]] | None:
        """The operator that a pattern becomes if it ends here, and those that it stands for but the last."""
        for names, inner in self.matches(pattern.term, end.outputs[0], {}, {}):
            if not set(inner).isdisjoint(gone):
                continue
            every = {**inner, id(end): end}
            between = [name for one in inner.values() if one is not end for name in one.outputs if name]
            if any(id(reader) not in every for name in between for reader in self.readers.get(name, ())):
                continue
            if any(name in self.graph.outputs for name in between):
                continue
            if pattern.becomes in _WHEN and not _WHEN[pattern.becomes]({k: self.constant(v) for k, v in names.items()}):
                continue
            source = next((one for one in every.values() if one.type == pattern.attributes_of), None)
            attributes = dict(source.attributes) if source else {}
            if source and len(source.inputs) > 1 and (axes := self.constant(source.inputs[1])):
                attributes["axes"] = axes.values
            inputs = (names["x"], *[names[name] for name in ("$weight", "$bias", "$groups") if name in names])
            made = Operator(pattern.becomes, end.name, inputs, end.outputs, attributes, end.scope, OWN)
            return made, set(every) - {id(end)}
        return None

    def matches(
        self, term: Term, value: str, names: Mapping[str, str], inner: Mapping[int, Operator]
    ) -> Iterator[tuple[Mapping[str, str], Mapping[int, Operator]]]:
        """Each way in which a term stands for a value: what its texts stand for, and the operators in it."""
        if isinstance(term, str):
            if names.get(term, value) == value and (term[0] != "$" or self.constant(value)) and value:
                yield {**names, term: value}, inner
        elif isinstance(term, float):
            if self.is_number(value, term):
                yield names, inner
        else:
            operator = self.makers.get(value)
            if operator is None or operator.type != term[0] or operator.domain or operator.outputs[0] != value:
                return
            if operator.type == "HardSigmoid" and not is_torch_hard_sigmoid(operator):
                return
            arguments = operator.inputs[: len(term) - 1]
            if operator.type == "Clip" and len(operator.inputs) == 1:  # bounds as attributes, in older files
                bounds = (operator.attributes.get("min"), operator.attributes.get("max"))
                if bounds == term[2:]:
                    yield from self.matches(term[1], arguments[0], names, {**inner, id(operator): operator})
                return
            if len(arguments) < len(term) - 1:
                return
            orders = permutations(arguments) if operator.type in _SWAPPED else [arguments]
            for order in orders:
                yield from self.all_of(term[1:], order, names, {**inner, id(operator): operator})

    def all_of(
        self, terms: Sequence[Term], values: Sequence[str], names: Mapping[str, str], inner: Mapping[int, Operator]
    ) -> Iterator[tuple[Mapping[str, str], Mapping[int, Operator]]]:
        if not terms:
            yield names, inner
            return
        for known, within in self.matches(terms[0], values[0], names, inner):
            yield from self.all_of(terms[1:], values[1:], known, within)

    def is_number(self, value: str, number: float) -> bool:
        constant = self.constant(value)
        if constant is None or constant.values is None or len(constant.values) != 1:
            return False
        return isclose(constant.values[0], number, rel_tol=1e-3)

    def constant(self, value: str) -> Constant | None:
        """The constant of that name, where it is one by itself or by a step or two."""
        if value not in self.constants:
            self.constants[value] = None  # for what leads back here
            self.constants[value] = self.read_constant(value)
        return self.constants[value]

    def read_constant(self, value: str) -> Constant | None:
        if value in self.graph.tensors:
            return of_tensor(self.graph.tensors[value])
        operator = self.makers.get(value)
        if operator is None or operator.type not in _STEPS:
            return None
        if operator.type == "CastLike":
            return self.constant(operator.inputs[0])
        inputs = [self.constant(name) for name in operator.inputs]
        if any(one is None for one in inputs):
            return None
        try:
            return folded(operator, inputs)
        except ValueError:
            return None


def is_torch_hard_sigmoid(operator: Operator) -> bool:
    """Whether it is (x + 3) / 6 between 0 and 1; ONNX leaves slope and shift free."""
    alpha, beta = operator.attributes.get("alpha", 0.2), operator.attributes.get("beta", 0.5)
    return isclose(alpha, 1 / 6, rel_tol=1e-3) and isclose(beta, 0.5)


def _channels(*constants: Constant | None) -> bool:
    """Whether these are one number a channel: [C, 1, 1], [1, C, 1, 1], [C]; the map may have its channels last."""
    shapes = {one.shape for one in constants if one is not None and one.shape is not None}
    return len(shapes) == 1 and all(shape and prod(shape) == max(shape) > 1 for shape in shapes)


_WHEN: Mapping[str, Any] = {
    "Affine": lambda names: _channels(names["$weight"], names["$bias"]),
    "Linear": lambda names: (
        (names["$weight"].shape or ())[-1:] == (names["$bias"].shape or ())[-1:]
        and len(names["$weight"].shape or ()) == 2
        and len(names["$bias"].shape or ()) == 1
    ),
}
