"""Derivations for people, in text, Markdown and LaTeX, and for programs, in JSON.

A format writes what `derivations.py` found; every word is looked up in `messages`, every formula is written from its
expression. Of one layer, a working that an earlier derivation has shown already is not shown again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TextIO

from cnncalc import messages
from cnncalc.derivations import Derivation, Explanation, Term, Working
from cnncalc.diagnostics import printable
from cnncalc.render import expression
from cnncalc.render.expression import number_latex, number_text
from cnncalc.render.summary import size_text
from cnncalc.render.terminal import Line, printed, put
from cnncalc.shapes import Layout, shape_text, sizes_text
from cnncalc.tree import Tree

MOST_TERMS = 8  # of a sum over layers that are written out one by one; --format json has them all
SCHEMA_VERSION = 1


# What all formats have in common --------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Layers whose terms of a sum are made in the same way from the same numbers."""

    layers: list[str]
    term: Term

    @property
    def value(self) -> int:
        return len(self.layers) * self.term.value


class Words:
    """The words of one language, and how they say the parts of a derivation."""

    def __init__(self, layout: Layout, language: str = "en") -> None:
        self.layout, self.language = layout, language

    def text(self, key: str, **parts: object) -> str:
        return messages.text(key, self.language, **parts)

    def network(self, explanation: Explanation) -> str:
        named, source = explanation.name, explanation.source
        return f"{named} ({source})" if named else source

    def setting(self, explanation: Explanation) -> str:
        count = explanation.batch
        images = self.text("images.1" if count == 1 else "images", count=f"{count:,}")
        return self.text("setting", images=images, dtype=explanation.dtype)

    def title(self, derivation: Derivation) -> str:
        return self.text("colon", name=self.asked(derivation), rest=self.value(derivation))

    def asked(self, derivation: Derivation) -> str:
        quantity = self.text(f"quantity.{derivation.quantity}")
        return self.text("of-layer", quantity=quantity, layer=derivation.layer) if derivation.layer else quantity

    def value(self, derivation: Derivation) -> str:
        value = derivation.value
        if value is None:
            return self.text("unknown")
        if isinstance(value, int):
            return self.amount(derivation, value)
        if derivation.unit == "shape":
            return shape_text(tuple(value), self.layout)
        if derivation.unit == "tensor":
            return f"[{', '.join(map(str, value))}]"
        sizes = sizes_text(tuple(value)) if min(value) > 0 else ", ".join(map(number_text, value))
        return sizes if derivation.unit == "matrix" else f"{sizes} {self.unit(derivation.unit)}"

    def amount(self, derivation: Derivation, value: int) -> str:
        """The number with its unit, which is left out where the quantity is called the same."""
        if derivation.unit == "bytes":
            return size_text(value, self.language)
        if derivation.unit == derivation.quantity:
            return number_text(value)
        return f"{number_text(value)} {self.unit(derivation.unit)}".rstrip()

    def unit(self, unit: str) -> str:
        return self.text(f"unit.{unit}")

    def name(self, working: Working) -> str:
        """`output size, height and width`."""
        if working.terms:
            count = len(working.terms)
            return self.text("sum" if count > 1 else "sum.1", count=f"{count:,}")
        along = [messages.dimension(*dimension, language=self.language) for dimension in working.dimensions]
        named = messages.formula_name(working.formula, self.language)
        rank = working.dimensions[0].rank if along else 1
        return self.text("along", name=named, dimensions=self.listed(along)) if rank > 1 else named

    def listed(self, names: Sequence[str]) -> str:
        *first, last = names
        return self.text("and", first=self.text("separator").join(first), last=last) if first else last

    def clauses(self, clauses: Sequence[str]) -> str:
        """One sentence of several."""
        return self.text("stop", sentence=self.text("separator-of-clauses").join(clauses))

    def why(self, working: Working) -> str:
        return messages.why(working.formula, self.language)

    def sources(self, derivation: Derivation, working: Working) -> Iterator[str]:
        """Where letters come from: the layers, or of a depth the sorts of layers."""
        for letter, name in working.sources.items():
            source = self.text(f"sort.{name}") if derivation.quantity == "depth" else name
            yield self.text("comes-from", letter=letter, value=number_text(working.letters[letter]), source=source)

    def meanings(self, derivations: Sequence[Derivation]) -> dict[str, str]:
        """What the letters stand for; K_h and K_w are K."""
        used = {
            letter for derivation, workings in _shown(derivations) for each in workings for letter in _letters(each)
        }
        plain = sorted({messages.plain_letter(letter) for letter in used}, key=lambda name: (name.lower(), name))
        return {letter: messages.letter(letter, self.language) for letter in plain}

    def empty(self, derivation: Derivation) -> str:
        """Why there is no working."""
        if derivation.value is None:
            return self.text("no-window")
        return self.text("as-given" if derivation.value else "nothing-to-count")


def _shown(derivations: Sequence[Derivation]) -> Iterator[tuple[Derivation, list[Working]]]:
    """Each derivation with the workings that no earlier one of the same layer has shown, and its last."""
    seen: set[tuple[str, Callable[..., int], tuple[int, ...], tuple[str, ...]]] = set()
    for derivation in derivations:
        shown = []
        for position, working in enumerate(derivation.steps):
            key = derivation.layer, working.formula, tuple(working.letters.values()), tuple(working.called)
            if key not in seen or position == len(derivation.steps) - 1:
                shown.append(working)
            seen.add(key)
        yield derivation, shown


def _letters(working: Working) -> Iterator[str]:
    yield from working.called
    if not working.terms:
        yield from working.letters
    for group in groups(working)[0]:
        yield from group.term.step.letters


def _unit(derivation: Derivation, working: Working) -> str:
    """What the last working gives is counted in what was asked for."""
    last = working is derivation.steps[-1] and isinstance(derivation.value, int)
    return derivation.unit if last else working.unit


def groups(working: Working) -> tuple[list[Group], list[Term]]:
    """A sum's largest terms, equal ones together, and all the others."""
    together: dict[object, Group] = {}
    for term in working.terms:
        key = term.step.formula, tuple(term.step.letters.values())
        together.setdefault(key, Group([], term)).layers.append(term.layer)
    ordered = sorted(together.values(), key=lambda group: -group.value)
    if len(ordered) <= MOST_TERMS + 1:
        return ordered, []
    named = {layer for group in ordered[:MOST_TERMS] for layer in group.layers}
    return ordered[:MOST_TERMS], [term for term in working.terms if term.layer not in named]


def _chain(
    working: Working,
    letters: Sequence[str],
    written: Callable[[Tree | int, dict[str, int] | None], str],
    number: Callable[[int], str],
) -> str:
    """`F = D·(K − 1) + 1 = 2·(3 − 1) + 1 = 5`, an expression that is a letter or number alone not written twice."""
    parts = [*letters, written(working.expression, None), written(working.expression, working.letters)]
    return " = ".join(dict.fromkeys([*parts, number(working.value)]))


# Text -----------------------------------------------------------------------------------------------------------------


def write(explanation: Explanation, stream: TextIO | None = None, language: str = "en") -> None:
    """Write to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: page(explanation, language), stream)


def page(explanation: Explanation, language: str = "en") -> list[Line]:
    """The network, its derivations, and what the letters stand for."""
    words = Words(explanation.layout, language)
    drawn = [Line(printable(words.network(explanation)), "bold"), Line(words.setting(explanation), "dim"), Line("")]
    drawn += [*lines(explanation.derivations, words), Line(""), Line(words.text("letters"), "bold")]
    meanings = words.meanings(explanation.derivations)
    width = max(map(len, meanings), default=0)
    return [*drawn, *[Line(f"  {letter:<{width}}  {meaning}", "dim") for letter, meaning in meanings.items()]]


def lines(derivations: Sequence[Derivation], words: Words) -> list[Line]:
    """Derivations alone, one under the other."""
    drawn: list[Line] = []
    for derivation, workings in _shown(derivations):
        drawn += [Line("")] if drawn else []
        drawn.append(Line(words.title(derivation), "bold"))
        if not workings:
            drawn.append(Line(f"  {words.empty(derivation)}", "dim"))
        for working in workings:
            unit = words.unit(_unit(derivation, working))
            if working.terms:
                drawn += _sum_lines(working, words, unit)
            else:
                chain = _chain(working, working.called, expression.text, number_text)
                named = words.text("colon", name=words.name(working), rest=chain)
                drawn.append(Line(f"  {named} {unit}".rstrip()))
                drawn.append(Line(f"    {words.why(working)}", "dim"))
            drawn += [Line(f"    {source}", "dim") for source in words.sources(derivation, working)]
    return printed(drawn)


def _sum_lines(working: Working, words: Words, unit: str) -> list[Line]:
    largest, others = groups(working)
    rows = [(_times(group, number_text, "·"), _written_out(group, words)) for group in largest]
    if others:
        rest = sum(term.value for term in others)
        rows.append((number_text(rest), words.text("others", count=f"{len(others):,}")))
    width = max(len(row[0]) for row in rows)
    drawn = [Line(f"  {' = '.join([*working.called, words.name(working)])}")]
    for position, (value, what) in enumerate(rows):
        drawn.append(Line(f"    {'+' if position else ' '} {value:>{width}}  {what}"))
    return [*drawn, Line(f"    = {number_text(working.value):>{width}} {unit}".rstrip())]


def _times(group: Group, number: Callable[[int], str], times: str) -> str:
    value = number(group.term.value)
    return value if len(group.layers) == 1 else f"{len(group.layers):,}{times}{value}"


def _written_out(group: Group, words: Words) -> str:
    """`conv1: N·C·K_h·K_w = 96·3·11·11`, or the name alone where the formula is a number."""
    step = group.term.step
    shown = group.layers if len(group.layers) <= 3 else [*group.layers[:2], "...", group.layers[-1]]
    names = ", ".join(shown)
    parts = dict.fromkeys([expression.text(step.expression), expression.text(step.expression, step.letters)])
    return words.text("colon", name=names, rest=" = ".join(parts))


# Markdown -------------------------------------------------------------------------------------------------------------


def markdown(explanation: Explanation, language: str = "en") -> str:
    words = Words(explanation.layout, language)
    parts = [f"## {_escaped_markdown(words.network(explanation))}", "", words.setting(explanation), ""]
    meanings = words.meanings(explanation.derivations)
    for derivation, workings in _shown(explanation.derivations):
        parts += [f"### {_escaped_markdown(words.title(derivation))}", ""]
        if not workings:
            parts += [_escaped_markdown(words.empty(derivation)), ""]
            continue
        for working in workings:
            unit = words.unit(_unit(derivation, working))
            name = _escaped_markdown(words.name(working))
            if working.terms:
                letters = "".join([f"`{letter}` = " for letter in working.called])
                parts += [f"- {letters}**{name}**", "", "  ```text"]
                parts += [f"  {line.text.removeprefix('    ')}" for line in _sum_lines(working, words, unit)[1:]]
                parts.append("  ```")
            else:
                chain = _chain(working, working.called, expression.text, number_text)
                said = [words.why(working), *words.sources(derivation, working)]
                parts.append(f"- {words.text('colon', name=f'**{name}**', rest=f'`{chain}` {unit}')}".rstrip())
                parts += [f"  {_escaped_markdown(line)}" for line in said]
        parts.append("")
    stands_for = [f"`{letter}` {meaning}" for letter, meaning in meanings.items()]
    letters = words.text("colon", name=words.text("letters"), rest=words.clauses(stands_for))
    return "\n".join([*parts, letters]) + "\n"


def _escaped_markdown(text: str) -> str:
    return "".join([f"\\{char}" if char in "\\`*_[]<>|" else char for char in text])


# LaTeX ----------------------------------------------------------------------------------------------------------------

_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
    **{"−": "$-$", "·": "$\\cdot$", "×": "$\\times$", "√": "$\\surd$", "Σ": "$\\Sigma$", "<": "$<$", ">": "$>$"},
    **{"⌊": "$\\lfloor$", "⌋": "$\\rfloor$", "⌈": "$\\lceil$", "⌉": "$\\rceil$", '"': "''"},
}


def latex(explanation: Explanation, language: str = "en") -> str:
    """A part of a document, for amsmath."""
    words = Words(explanation.layout, language)
    parts = [f"\\paragraph{{{_escaped(words.network(explanation))}}}", _escaped(words.setting(explanation)), ""]
    for derivation, workings in _shown(explanation.derivations):
        parts.append(f"\\paragraph{{{_escaped(words.title(derivation))}}}")
        if not workings:
            parts.append(_escaped(words.empty(derivation)))
        for working in workings:
            unit = _escaped(words.unit(_unit(derivation, working)))
            measured = f"\\ \\text{{{unit}}}" if unit else ""
            if working.terms:
                parts += _sum_latex(working, words, measured)
                continue
            letters = [expression.letter_latex(letter) for letter in working.called]
            sources = [words.text("stop", sentence=source) for source in words.sources(derivation, working)]
            said = words.text("separator-of-sentences").join([words.why(working), *sources])
            parts.append(_escaped(said))
            parts.append(f"\\[ {_chain(working, letters, expression.latex, number_latex)}{measured} \\]")
        parts.append("")
    meanings = words.meanings(explanation.derivations).items()
    stands_for = [f"${expression.letter_latex(letter)}$ {_escaped(meaning)}" for letter, meaning in meanings]
    return "\n".join([*parts, f"\\paragraph{{{words.text('letters')}}}", words.clauses(stands_for), ""])


def _sum_latex(working: Working, words: Words, measured: str) -> list[str]:
    largest, others = groups(working)
    rows = [(_times(group, number_latex, " \\cdot "), ", ".join(group.layers)) for group in largest]
    if others:
        rest = sum(term.value for term in others)
        rows.append((number_latex(rest), words.text("others", count=f"{len(others):,}")))
    letters = " = ".join(map(expression.letter_latex, working.called))
    drawn = [words.text("colon", name=_escaped(words.name(working)), rest="").rstrip(), "\\begin{align*}"]
    for position, (value, what) in enumerate(rows):
        before = "{}+{}&" if position else f"{letters} ={{}}&" if letters else "&"
        drawn.append(f"{before} {value} && \\text{{{_escaped(what)}}} \\\\")
    return [*drawn, f"={{}}& {number_latex(working.value)}{measured}", "\\end{align*}"]


def _escaped(text: str) -> str:
    return "".join([_LATEX.get(char, char) for char in text])


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(explanation: Explanation, language: str = "en", indent: int | None = 2) -> str:
    """Every number and every term; formulas in text and in LaTeX. Shapes are [channels, *spatial]."""
    words = Words(explanation.layout, language)
    written = {
        "schema_version": SCHEMA_VERSION,
        "name": explanation.name,
        "source": explanation.source,
        "batch": explanation.batch,
        "dtype": explanation.dtype,
        "letters": words.meanings(explanation.derivations),
        "derivations": [record(derivation, words) for derivation in explanation.derivations],
    }
    return json.dumps(written, ensure_ascii=False, indent=indent)


def record(derivation: Derivation, words: Words) -> dict[str, Any]:
    return {
        "layer": derivation.layer or None,
        "quantity": derivation.quantity,
        "name": words.text(f"quantity.{derivation.quantity}"),
        "value": derivation.value,
        "unit": derivation.unit,
        "steps": [_step_record(derivation, working, words) for working in derivation.steps],
    }


def _step_record(derivation: Derivation, working: Working, words: Words) -> dict[str, Any]:
    common = {
        "formula": working.formula.__name__,
        "name": words.name(working),
        "dimensions": [dimension.position for dimension in working.dimensions],
        "called": working.called,
    }
    said = {"value": working.value, "unit": _unit(derivation, working), "why": words.why(working)}
    if working.terms:
        return common | said | {"terms": [_term_record(term) for term in working.terms]}
    written = {
        "in_letters": expression.text(working.expression),
        "in_numbers": expression.text(working.expression, working.letters),
        "latex": expression.latex(working.expression),
        "latex_in_numbers": expression.latex(working.expression, working.letters),
    }
    return common | {"letters": working.letters, "sources": working.sources} | written | said


def _term_record(term: Term) -> dict[str, Any]:
    step = term.step
    return {
        "layer": term.layer,
        "value": term.value,
        "formula": step.formula.__name__,
        "letters": {letter: int(number) for letter, number in step.letters.items()},
        "in_numbers": expression.text(step.expression, step.letters),
    }
