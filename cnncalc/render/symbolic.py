"""Closed forms in text, Markdown, LaTeX, CSV and JSON: `27·C²`, `307,904·H·W + 20,873,216`, `⌊(H − 35) / 32⌋`.

A form is written in factors, which sympy finds, where it has several and is shorter so; else as a sum.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TextIO

from cnncalc.diagnostics import printable, text_width
from cnncalc.render.expression import letter_latex, number_latex, number_text
from cnncalc.render.markdown import escaped, row
from cnncalc.render.summary import titled
from cnncalc.render.terminal import GAP, Line, printed, put
from cnncalc.shapes import LARGEST_SIZE, Layout
from cnncalc.symbolic import ClosedForm, ClosedForms, LayerForms, polynomial_in, shortest
from cnncalc.unknowns import Condition, Letter, Polynomial, Rounded, Variable, constant

SCHEMA_VERSION = 1
MOST_FACTORED = 40  # terms of a form that factors are looked for in

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LATEX = {char: f"\\{char}" for char in "&%$#_{}"} | {"→": "$\\to$", "×": "$\\times$"}


# Formulas -------------------------------------------------------------------------------------------------------------


class Style(NamedTuple):
    """How a format writes what formulas are made of."""

    number: Callable[[int], str]
    letter: Callable[[str], str]
    power: Callable[[str, int], str]
    product: str
    minus: str
    over: Callable[[str, str], str]  # what stands above, and a number
    floor: Callable[[str, str], str]
    divisor: Callable[[str, str], str]
    bracket: Callable[[str], str]


TEXT = Style(
    number=number_text,
    letter=lambda name: name,
    power=lambda base, power: base + str(power).translate(_SUPERSCRIPTS),
    product="·",
    minus="−",
    over=lambda a, b: f"{a} / {b}",
    floor=lambda a, b: f"⌊{_held(a)} / {_held(b)}⌋",
    divisor=lambda a, b: f"gcd({a}, {b})",
    bracket=lambda sum: f"({sum})",
)
LATEX = Style(
    number=number_latex,
    letter=letter_latex,
    power=lambda base, power: f"{base}^{{{power}}}",
    product=" \\cdot ",
    minus="-",
    over=lambda a, b: f"\\frac{{{a}}}{{{b}}}",
    floor=lambda a, b: f"\\left\\lfloor \\frac{{{a}}}{{{b}}} \\right\\rfloor",
    divisor=lambda a, b: f"\\gcd({a}, {b})",
    bracket=lambda sum: f"\\left({sum}\\right)",
)


def text(form: ClosedForm) -> str:
    return written(form.shortest, TEXT)


def latex(form: ClosedForm) -> str:
    return written(form.shortest, LATEX)


def _held(sum: str) -> str:
    return f"({sum})" if " " in sum else sum


@lru_cache(maxsize=4096)
def written(of: Polynomial, style: Style) -> str:
    """A polynomial in a style: a sum, or factors where there are more than a number and a sum, and it is shorter."""
    import sympy

    if of.is_constant and of.constant.denominator == 1:
        return style.number(of.constant.numerator)
    expanded = polynomial_in(of, lambda one: sympy.Symbol(_variable(one, style)))
    plain = _sum(expanded, style)
    if len(of.terms) == 1 or len(of.terms) > MOST_FACTORED:
        return plain
    factored = sympy.factor(expanded)
    return plain if factored.as_coeff_Mul()[1].is_Add else min(plain, _sum(factored, style), key=len)


def _variable(of: Variable, style: Style) -> str:
    if isinstance(of, str):
        return style.letter(of)
    assert isinstance(of, Rounded)
    a, b = written(of.a, style), written(of.b, style)
    return style.floor(a, b) if of.sign == "//" else style.divisor(a, b)


def _sum(expression: Any, style: Style) -> str:
    parts: list[str] = []
    for term in expression.as_ordered_terms():
        factor, rest = term.as_coeff_Mul()
        sign = style.minus if factor < 0 else "+"
        parts.append(f" {sign} " if parts else style.minus if factor < 0 else "")
        parts.append(_product(abs(factor), rest, style))
    return "".join(parts)


def _product(factor: Any, rest: Any, style: Style) -> str:
    factors = [_power(part, style) for part in rest.as_ordered_factors()] if rest != 1 else []
    if factor.p != 1 or not factors:
        factors.insert(0, style.number(int(factor.p)))
    product = style.product.join(factors)
    return style.over(product, style.number(int(factor.q))) if factor.q != 1 else product


def _power(part: Any, style: Style) -> str:
    base, power = part.as_base_exp()
    name = base.name if base.is_Symbol else style.bracket(_sum(base, style))
    return style.power(name, int(power)) if power != 1 else str(name)


def _shape(sizes: Sequence[ClosedForm], layout: Layout) -> str:
    """`H × W × 64`, `[64, H, W]`; of numbers alone `56x56x64`."""
    if layout == "chw":
        return f"[{', '.join([text(size) for size in sizes])}]"
    turned = [*sizes[1:], *sizes[:1]]
    if all(size.is_number for size in turned):
        return "x".join([str(size.value) for size in turned])
    return " × ".join([f"({text(size)})" if _is_loose(size) else text(size) for size in turned])


def _is_loose(form: ClosedForm) -> bool:
    """Whether it needs brackets among factors."""
    return len(form.shortest.terms) > 1 or form.shortest.denominator > 1


# Where they hold ------------------------------------------------------------------------------------------------------


def _letter(letter: Letter) -> str:
    """`H is input.height, 224 in the document: a multiple of 32, from 32 up`."""
    what = letter.name if letter.name == letter.stands_for else f"{letter.name} is {letter.stands_for}"
    steps = f"a multiple of {letter.multiple}, " if letter.multiple > 1 else ""
    most = "up" if letter.limited else f"to {letter.most:,}"
    allowed = f"{steps}from {letter.least:,} {most}" if letter.least < letter.most else f"only {letter.least:,}"
    return f"{what}, {letter.sample:,} in the document: {allowed}"


def condition(of: Condition, style: Style = TEXT) -> str:
    """What is subtracted stands on the other side."""
    if of.relation == "whole":
        over = of.of.denominator
        return f"{written(shortest(of.of.scaled(over)), style)} is a multiple of {style.number(over)}"
    moved = shortest(of.of)
    left = Polynomial({one: factor for one, factor in moved.terms.items() if factor > 0})
    right = left - moved
    if not left.terms:
        left, right = constant(0), right
    relations = {">=": "≥", "=": "=", "!=": "≠"} if style is TEXT else {">=": "\\ge", "=": "=", "!=": "\\ne"}
    return f"{written(left, style)} {relations[of.relation]} {written(right, style)}"


def _conditions(found: ClosedForms) -> list[str]:
    """Sentences, beginning with what the letters are."""
    said = [_letter(letter) for letter in found.letters]
    asked = [condition(one) for one in found.conditions if not one.limit]
    if asked:
        said.append(f"and where {', '.join(asked)}")
    if any(one.limit for one in found.conditions) or any(_tight(letter) for letter in found.letters):
        said.append("and as long as no number is beyond what a document may hold")
    return said


def _tight(letter: Letter) -> bool:
    return letter.limited and letter.most < LARGEST_SIZE - letter.multiple


def _prediction_note(found: ClosedForms) -> str:
    """What the memory of predicting asks of the letters beside."""
    asked = found.prediction_conditions
    if not asked:
        return ""
    return f"as long as `{found.widest}` and what it reads are the largest outputs together, as in the document"


# What is shown --------------------------------------------------------------------------------------------------------


class Sum(NamedTuple):
    name: str
    form: ClosedForm
    note: str = ""


def _sums(found: ClosedForms) -> list[Sum]:
    """The totals, counts for one image first."""
    totals = found.totals
    counts = [
        ("parameters", "parameters"),
        ("buffers", "buffers"),
        ("MACs", "macs"),
        ("multiplies", "multiplies"),
        ("activations", "activations"),
    ]
    return [Sum(name, totals[key]) for name, key in counts if key != "buffers" or not _is_zero(totals[key])]


def _bytes(found: ClosedForms) -> list[Sum]:
    return [
        Sum("predicting", found.totals["memory.prediction"], _prediction_note(found)),
        Sum("training", found.totals["memory.training"]),
    ]


def _is_zero(form: ClosedForm) -> bool:
    return not form.polynomial.terms


def _images(batch: int) -> str:
    return "1 image" if batch == 1 else f"{batch:,} images"


def _memory_title(found: ClosedForms) -> str:
    return f"Bytes for {_images(found.batch)} in {found.dtype}, by the textbook"


_HEADS = ("layer", "", "output", "parameters", "MACs")


def _rows(found: ClosedForms) -> list[list[str]]:
    return [_cells(layer, found.layout) for layer in found.layers]


def _cells(layer: LayerForms, layout: Layout) -> list[str]:
    what = f"{layer.kind} {layer.title}".rstrip()
    return [layer.name, what, _shape(layer.output, layout), *_counts(layer)]


def _counts(layer: LayerForms) -> list[str]:
    return ["" if _is_zero(form) else text(form) for form in (layer.parameters, layer.macs)]


def _name(found: ClosedForms) -> str:
    return titled(found.name, found.source)


# Text -----------------------------------------------------------------------------------------------------------------


def write(found: ClosedForms, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(found, width), stream)


def lines(found: ClosedForms, width: int | None = None) -> list[Line]:
    """What the letters are, a table of layers (or a list, where no table fits `width`), the totals."""
    drawn = [Line(f"{_name(found)} in closed form", "bold"), *[Line(said) for said in _conditions(found)], Line("")]
    drawn += _table(found, width)
    sums, sizes = _sums(found), _bytes(found)
    wide = max([len(sum.name) for sum in (*sums, *sizes)])
    drawn += [Line(""), *_totals(sums, wide), Line(""), Line(_memory_title(found), "bold"), *_totals(sizes, wide)]
    return printed(drawn)


def _totals(sums: list[Sum], wide: int) -> list[Line]:
    drawn = []
    for sum in sums:
        here = "" if sum.form.is_number else f" = {sum.form.value:,} in the document"
        drawn.append(Line(f"{sum.name:<{wide}}  {text(sum.form)}{here}"))
        drawn += [Line(f"{'':<{wide}}  {sum.note}", "dim")] if sum.note else []
    return drawn


def _table(found: ClosedForms, width: int | None) -> list[Line]:
    rows = [list(_HEADS), *_rows(found)]
    widths = [max(map(text_width, column)) for column in zip(*rows, strict=True)]
    if width is not None and sum(widths) + len(GAP) * (len(widths) - 1) > width:
        return _list(found)
    drawn = []
    for cells in rows:
        padded = [
            f"{cell:>{size}}" if position >= 3 else f"{cell:<{size}}"
            for position, (cell, size) in enumerate(zip(cells, widths, strict=True))
        ]
        drawn.append(Line(GAP.join(padded).rstrip()))
    return [drawn[0]._replace(style="bold"), Line(GAP.join("-" * size for size in widths), "dim"), *drawn[1:]]


def _list(found: ClosedForms) -> list[Line]:
    drawn = []
    for name, what, output, parameters, macs in _rows(found):
        drawn += [Line(f"{name}  {what}", "bold"), Line(f"  output      {output}")]
        drawn += [Line(f"  parameters  {parameters}")] if parameters else []
        drawn += [Line(f"  MACs        {macs}")] if macs else []
    return drawn


# Markdown, LaTeX, CSV -------------------------------------------------------------------------------------------------


def markdown(found: ClosedForms) -> str:
    parts = [f"## {escaped(printable(_name(found)))} in closed form", ""]
    parts += [f"- {escaped(printable(said))}" for said in _conditions(found)]
    heads = [head or "kind" for head in _HEADS]
    parts += ["", row(heads), row([":--", ":--", ":--", "--:", "--:"])]
    parts += [row([escaped(printable(cell)) for cell in cells]) for cells in _rows(found)]
    parts += ["", row(["total", "formula", "in the document"]), row([":--", ":--", "--:"])]
    for sum in _sums(found):
        parts.append(row([sum.name, escaped(text(sum.form)), f"{sum.form.value:,}"]))
    for sum in _bytes(found):
        parts.append(row([f"{sum.name}, bytes", escaped(text(sum.form)), f"{sum.form.value:,}"]))
    parts += ["", f"{_memory_title(found)}."]
    parts += [f"For predicting: {note}." for note in [_prediction_note(found)] if note]
    return "\n".join(parts) + "\n"


def latex_document(found: ClosedForms) -> str:
    """A part of a document, for amsmath: the layers as a table, the totals as equations."""
    parts = [f"\\paragraph{{{_escaped(_name(found))} in closed form}}"]
    parts += [_escaped(said) + "." for said in (_letter(letter) for letter in found.letters)]
    asked = [condition(one, LATEX) for one in found.conditions if not one.limit and one.relation != "whole"]
    parts += [f"Where ${one}$." for one in asked]
    parts += [f"{_escaped(condition(one))}." for one in found.conditions if not one.limit and one.relation == "whole"]
    heads = " & ".join(["layer", "output", "parameters", "MACs"])
    parts += ["", "\\begin{tabular}{llrr}", f"{heads} \\\\", "\\hline"]
    for layer in found.layers:
        sizes = layer.output if found.layout == "chw" else [*layer.output[1:], *layer.output[:1]]
        output = " \\times ".join([LATEX.bracket(latex(size)) if _is_loose(size) else latex(size) for size in sizes])
        counts = ["" if _is_zero(form) else f"${latex(form)}$" for form in (layer.parameters, layer.macs)]
        parts.append(f"{_escaped(layer.name)} & ${output}$ & {' & '.join(counts)} \\\\")
    parts += ["\\end{tabular}", "", "\\begin{align*}"]
    sums = [(sum.name, sum.form) for sum in _sums(found)]
    sums += [(f"{sum.name}, bytes", sum.form) for sum in _bytes(found)]
    parts += [f"\\text{{{name}}} &= {latex(form)} \\\\" for name, form in sums]
    parts.append("\\end{align*}")
    parts += [f"For predicting: {_escaped(note.replace('`', ''))}." for note in [_prediction_note(found)] if note]
    return "\n".join(parts) + "\n"


def _escaped(said: str) -> str:
    return "".join([_LATEX.get(char, char) for char in said])


def csv_document(found: Sequence[ClosedForms]) -> str:
    """A row a layer; formulas as sympy and Python write them: `27*C**2`."""
    several = len(found) > 1
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*(["network"] if several else []), "layer", "kind", "output", *_COUNTS])
    for one in found:
        for layer in one.layers:
            output = " ".join([str(size) for size in layer.output])
            counts = [str(getattr(layer, name)) for name in _COUNTS]
            writer.writerow([*([one.source] if several else []), layer.name, layer.kind, output, *counts])
    return out.getvalue()


# JSON -----------------------------------------------------------------------------------------------------------------

_COUNTS = ("parameters", "weights", "biases", "macs", "multiplies", "activations", "activation_bytes")


def to_json(found: ClosedForms | Sequence[ClosedForms], indent: int | None = 2) -> str:
    """Every form as sympy writes it, in LaTeX, and its value in the document. Shapes are [channels, *spatial]."""
    record: Any = _record(found) if isinstance(found, ClosedForms) else [_record(one) for one in found]
    return json.dumps(record, ensure_ascii=False, indent=indent)


def _record(found: ClosedForms) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "name": found.name,
        "source": found.source,
        "layout": found.layout,
        "batch": found.batch,
        "dtype": found.dtype,
        "letters": [
            {
                "name": letter.name,
                "stands_for": letter.stands_for,
                "value": letter.sample,
                "least": letter.least,
                "most": letter.most,
                "multiple": letter.multiple,
            }
            for letter in found.letters
        ],
        "conditions": [condition(one) for one in found.conditions],
        "layers": [_layer_record(layer) for layer in found.layers],
        "totals": {name: _form_record(form) for name, form in found.totals.items()} | {"depth": found.depth},
        "conditions_of_prediction": [condition(one) for one in found.prediction_conditions],
    }


def _layer_record(layer: LayerForms) -> dict[str, Any]:
    field = layer.receptive_field
    return {
        "name": layer.name,
        "kind": layer.kind,
        "title": layer.title,
        "input_shapes": [[_form_record(size) for size in shape] for shape in layer.inputs],
        "output": [_form_record(size) for size in layer.output],
        **{name: _form_record(getattr(layer, name)) for name in _COUNTS},
        "receptive_field": [_form_record(size) for size in field] if field is not None else None,
    }


def _form_record(form: ClosedForm) -> dict[str, Any]:
    return {"formula": str(form), "latex": latex(form), "value": form.value}
