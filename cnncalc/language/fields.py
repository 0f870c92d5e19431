"""A layer's fields, and `repeat` and `when` beside it: what they take, and what to say of a value they do not."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import Any

from cnncalc.diagnostics import Diagnostic, choices, did_you_mean, near
from cnncalc.language.source import Node
from cnncalc.language.terms import Term, shown
from cnncalc.layers import Kind, Merge
from cnncalc.layers.fields import Takes
from cnncalc.shapes import LARGEST_SIZE

MAX_NODES = 1_000_000

_SAMPLES = {"out_channels": "64", "kernel_size": "3", "dims": "[0, 2, 1]", "shape": "[64, 7, 7]", "p": "0.2"}


def converted(takes: Takes, value: Any) -> Any:
    """The value as a kind holds it: fractions as floats where the field is real."""
    return float(value) if takes.real and type(value) is Fraction else value


def takes_words(takes: Takes) -> bool:
    """Whether a bare word may be meant as itself: one of the field's words, or true and false in another spelling."""
    return bool(takes.literals) or takes.accepts(True)


def wrong_value(field: str, takes: Takes, node: Node, value: Any, known: Collection[str] = ()) -> Diagnostic:
    """That a field does not take a value, said where the value stands."""
    help = ""
    if isinstance(value, str):
        words = takes.literals or (("true", "false") if takes.accepts(True) else ())
        nearest = near(value, [*words, *known])
        help = did_you_mean(nearest, f"write {choices(words)}" if words else "")
    expected = f"at most {LARGEST_SIZE:,}" if _too_large(value) and not takes.real else takes.words
    message = f"`{field}` has to be {expected}, not {shown(node, value)}"
    return Diagnostic("wrong-value", message, node.span, help=help)


def _too_large(value: Any) -> bool:
    return any(map(_too_large, value)) if type(value) is tuple else type(value) is int and value > LARGEST_SIZE


def wrong_repeat(term: Term, value: Any) -> Diagnostic | None:
    """What is wrong with a value for `repeat`, if anything is."""
    if type(value) is tuple:
        return None
    if type(value) is not int or value < 0:
        message = f"`repeat` has to be a whole number from 0 up, or a list, not {shown(term.node, value)}"
        return Diagnostic("wrong-type", message, term.node.span)
    if value > MAX_NODES:
        message = f"{value:,} repeats: a network may have {MAX_NODES:,} layers"
        return Diagnostic("too-many-layers", message, term.node.span, help="use a smaller number")
    return None


def wrong_condition(term: Term, value: Any, known: Collection[str]) -> Diagnostic:
    """That a value is neither true nor false."""
    nearest = near(value, ["true", "false", *known]) if isinstance(value, str) else []
    help = did_you_mean(nearest, "write a comparison, e.g. `stride > 1`, or true or false")
    message = f"`when` has to be true or false, not {shown(term.node, value)}"
    return Diagnostic("wrong-type", message, term.node.span, help=help)


def example(kind: type[Kind]) -> str:
    """What to type for a kind with the fields it needs, as a help."""
    required = [name for name, field in kind.fields.items() if field.required]
    if issubclass(kind, Merge):
        paths = "[[conv_a, relu], identity]"
        if not required:
            return f"write `{kind.kind}: {paths}`: a list of paths"
        others = "".join([f", {name}: {_sample(kind, name)}" for name in required])
        return f"write `{kind.kind}: {{paths: {paths}{others}}}`"
    if kind.main and required in ([], [kind.main]):
        return f"write `{kind.kind}: {_sample(kind, kind.main)}`"
    if not required:
        return f"write `{kind.kind}` alone"
    return f"write `{kind.kind}: {{{', '.join(f'{name}: {_sample(kind, name)}' for name in required)}}}`"


def _sample(kind: type[Kind], name: str) -> str:
    words = kind.fields[name].takes.literals
    return _SAMPLES.get(name, words[0] if words else "2")
