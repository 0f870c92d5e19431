"""What a network's design saves, for a person at a terminal, for a pull request and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any, NamedTuple, TextIO

from cnncalc.diagnostics import printable
from cnncalc.passes.savings import Count
from cnncalc.render import markdown as md
from cnncalc.render.expression import text
from cnncalc.render.summary import titled
from cnncalc.render.terminal import Line, printed, put
from cnncalc.savings import Finding, Price, Savings, Sums, Total
from cnncalc.shapes import shape_text

SCHEMA_VERSION = 1
NARROWEST, WIDEST = 48, 80

TITLES = {
    "bottleneck": "1x1 bottlenecks",
    "separable": "Depthwise separable convolutions",
    "grouped": "Convolutions in groups",
    "factorized": "1xn and nx1, one after the other",
    "side_by_side": "1xn beside nx1",
    "stack": "Stacks of small kernels",
    "pooled": "A pool of the whole map before the dense layer",
}
LETTERS = (
    "K_h and K_w kernel sizes, C input channels, N output channels, C_1, C_2 ... channels between, G groups, E output "
    "elements, W_h and W_w a map's sizes; channels that are added are biases. K_1h, E_1 are the first layer's, K_h, E "
    "the last one's or those of what is replaced."
)
CONVENTION = "Priced are convolutions and dense layers alone; MACs are multiply-accumulates for one image."
EQUAL = "weights with C channels everywhere"
APART = "A layer may stand in several sorts: their totals do not add up."


def write(found: Savings, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(found, width), stream)


def lines(found: Savings, width: int | None = None) -> list[Line]:
    """A sort of saving after the other: its total, then what makes it up, equal findings together."""
    width = max(NARROWEST, min(width or WIDEST, WIDEST))
    drawn = [Line(_title(found), "bold"), *_wrapped(_whole(found), width)]
    if not found.findings:
        return _printable([*drawn, Line(""), *_wrapped(_nothing(), width)])
    drawn += _wrapped(CONVENTION, width)
    for total in found.totals:
        drawn += [Line(""), *_wrapped(f"{TITLES[total.sort]}: {total.findings:,}", width, "bold")]
        if total.findings > 1:
            drawn += _table([("parameters", total.parameters), ("MACs", total.macs)], "  ")
        drawn += _wrapped(_without(total), width, indent="  ")
        for group in grouped([finding for finding in found.findings if finding.sort == total.sort]):
            drawn += [Line(""), *_finding(group, found, width)]
    drawn += [Line(""), *_wrapped(LETTERS, width, "dim")]
    if len(found.totals) > 1:
        drawn += _wrapped(APART, width, "dim")
    return _printable(drawn)


def markdown(found: Savings) -> str:
    """The same for a pull request: a table of totals, one of findings, and the derivations folded away."""
    parts = [f"## {md.escaped(printable(found.name or found.source))}", "", md.prose(_whole(found)), ""]
    if not found.findings:
        return "\n".join([*parts, _nothing()]) + "\n"
    heads = ["parameters without", "with", "ratio", "MACs without", "with", "ratio"]
    aligned = ["--:"] * len(heads)
    parts += [CONVENTION, "", md.row(["what saves", "how many", *heads]), md.row([":--", "--:", *aligned])]
    for total in found.totals:
        numbers = [*_cells(total.parameters), *_cells(total.macs)]
        parts.append(md.row([TITLES[total.sort], f"{total.findings:,}", *numbers]))
    parts += ["", *[f"- {TITLES[total.sort]}: {_without(total)}" for total in found.totals]]
    if len(found.totals) > 1:
        parts += ["", APART]
    groups = grouped(found.findings)
    parts += ["", md.row(["where", "in place of", *heads]), md.row([":--", ":--", *aligned])]
    for group in groups:
        numbers = [*_cells(group.first.parameters), *_cells(group.first.macs)]
        parts.append(md.row([md.escaped(printable(group.where)), group.first.replaces, *numbers]))
    parts += ["", "<details><summary>Derivations</summary>", ""]
    for group in groups:
        parts.append(f"- {md.escaped(printable(group.where))}")
        for name, price in (("parameters", group.first.parameters), ("MACs", group.first.macs)):
            parts += [f"  - {name} {how}: `{derivation}`" for how, derivation in _derivations(price)]
        if group.first.equal_widths:
            parts.append(f"  - {EQUAL}: `{group.first.equal_widths}`")
    return "\n".join([*parts, "", md.escaped(LETTERS), "", "</details>"]) + "\n"


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(found: Savings, indent: int | None = 2) -> str:
    return json.dumps(record(found), ensure_ascii=False, indent=indent)


def record(found: Savings) -> dict[str, Any]:
    """Every number, and the expressions as text; shapes are [channels, *spatial]."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": found.name,
        "source": found.source,
        "layout": found.layout,
        "parameters": found.parameters,
        "macs": found.macs,
        "totals": [asdict(total) for total in found.totals],
        "findings": [_finding_record(finding) for finding in found.findings],
    }


def _finding_record(finding: Finding) -> dict[str, Any]:
    return {
        "sort": finding.sort,
        "layers": finding.layers,
        "replaces": finding.replaces,
        "input": finding.input,
        "parameters": _price_record(finding.parameters),
        "macs": _price_record(finding.macs),
        "equal_widths": finding.equal_widths,
        "place": None if finding.place is None else asdict(finding.place),
    }


def _price_record(price: Price) -> dict[str, Any]:
    return {"without": _count_record(price.without), "having": _count_record(price.having), "ratio": price.ratio}


def _count_record(count: Count) -> dict[str, Any]:
    letters, numbers = _texts(count)
    return {"letters": letters, "numbers": numbers, "value": count.value}


# Findings that are equal ----------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Findings that differ in their place only; `where` names all their layers."""

    first: Finding
    times: int
    where: str


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """Equal findings together, in the order of the first of each; layers of equal name within their blocks are one."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        _, inside = _place(finding)
        prices = (finding.parameters, finding.macs)
        derivations = [_texts(count) for price in prices for count in (price.without, price.having)]
        key = (finding.sort, finding.replaces, tuple(finding.input), *derivations, tuple(inside))
        groups.setdefault(key, []).append(finding)
    return [Group(members[0], len(members), _where(members)) for members in groups.values()]


def _place(finding: Finding) -> tuple[str, list[str]]:
    """The block that all layers of a finding are in ("" where there is none), and their names inside it."""
    names = [layer.split(".") for layer in finding.layers]
    if len(names) == 1:
        return finding.layers[0], []
    depth = 0
    while len({tuple(parts[: depth + 1]) for parts in names}) == 1 and depth + 1 < min(map(len, names)):
        depth += 1
    return ".".join(names[0][:depth]), [".".join(parts[depth:]) for parts in names]


def _where(findings: Sequence[Finding]) -> str:
    inside = ", ".join(_place(findings[0])[1])
    places = _spans([_place(finding)[0] for finding in findings])
    times = f" ×{len(findings):,}" if len(findings) > 1 else ""
    return f"{': '.join(filter(None, (places, inside)))}{times}"


def _spans(names: Sequence[str]) -> str:
    """`layer1.1, layer1.2, stem` as `layer1.1..2, stem`."""
    spans: list[list[str]] = []
    for name in names:
        if spans and _numbered(name) == (_numbered(spans[-1][-1])[0], _numbered(spans[-1][-1])[1] + 1):
            spans[-1].append(name)
        else:
            spans.append([name])
    return ", ".join([span[0] if len(span) == 1 else f"{span[0]}..{_numbered(span[-1])[1]}" for span in spans])


def _numbered(name: str) -> tuple[str, int]:
    """A name without the number it ends with, and that number; -2 where there is none."""
    head = name.rstrip("0123456789")
    return head, int(name[len(head) :]) if len(head) < len(name) <= len(head) + 9 else -2


# Sentences ------------------------------------------------------------------------------------------------------------


def _title(found: Savings) -> str:
    return titled(found.name, found.source)


def _whole(found: Savings) -> str:
    return f"The network has {found.parameters:,} parameters and takes {found.macs:,} MACs."


def _nothing() -> str:
    return "No design that saves parameters or multiplies is recognised in it."


def _without(total: Total) -> str:
    each = "it" if total.findings == 1 else "them"
    return f"without {each} the network has {total.parameters.network:,} parameters, {total.macs.network:,} MACs"


# Tables ---------------------------------------------------------------------------------------------------------------


def _finding(group: Group, found: Savings, width: int) -> list[Line]:
    finding = group.first
    entering = shape_text(tuple(finding.input), found.layout)
    drawn = _wrapped(group.where, width, indent="  ")
    drawn += _wrapped(f"in place of: {finding.replaces} (input {entering})", width, indent="    ")
    drawn += _table([("parameters", finding.parameters), ("MACs", finding.macs)], "    ")
    if dearer := _dearer(finding):
        drawn += _wrapped(dearer, width, "yellow", "    ")
    for name, price in (("parameters", finding.parameters), ("MACs", finding.macs)):
        for how, derivation in _derivations(price):
            drawn += _wrapped(f"{name} {how}: {derivation}", width, "dim", "    ")
    if finding.equal_widths:
        drawn += _wrapped(f"{EQUAL}: {finding.equal_widths}", width, "dim", "    ")
    return drawn


def _derivations(price: Price) -> list[tuple[str, str]]:
    return [
        (how, f"{' = '.join(_texts(count))} = {count.value:,}")
        for how, count in (("without", price.without), ("with", price.having))
    ]


def _texts(count: Count) -> tuple[str, str]:
    """The formula in letters, and with the numbers filled in."""
    return text(count.expression), text(count.expression, count.letters)


def _dearer(finding: Finding) -> str:
    """What a design takes more of than what it stands in place of."""
    prices = {"parameters": finding.parameters, "MACs": finding.macs}
    more = [name for name, price in prices.items() if price.having.value > price.without.value]
    return f"it takes more {' and '.join(more)} than what it is in place of" if more else ""


def _table(rows: Sequence[tuple[str, Price | Sums]], indent: str) -> list[Line]:
    """A count a row: without the design, with it, and how many times as much the first is."""
    cells = [["", "without", "with", "ratio"], *[[name, *_cells(price)] for name, price in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    drawn = []
    for place, (name, *numbers) in enumerate(cells):
        right = "  ".join([number.rjust(size) for number, size in zip(numbers, widths[1:], strict=True)])
        drawn.append(Line(f"{indent}{name.ljust(widths[0])}  {right}", "" if place else "dim"))
    return drawn


def _cells(price: Price | Sums) -> list[str]:
    if isinstance(price, Sums):
        without, having = price.without, price.having
    else:
        without, having = price.without.value, price.having.value
    return [f"{without:,}", f"{having:,}", f"{price.ratio:,.3f}"]


def _wrapped(text: str, width: int, style: str = "", indent: str = "") -> list[Line]:
    """A sentence that goes on in the next line, two columns further in; a longer name is broken at a dot."""
    room = max(width - len(indent) - 2, 8)
    words = []
    for word in text.split(" "):
        while len(word) > room:
            cut = max(word.rfind(".", 1, room), word.rfind("·", 1, room)) + 1 or room
            words.append(word[:cut])
            word = word[cut:]
        words.append(word)
    parts = wrap(
        " ".join(words),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [Line(part, style) for part in parts]


def _printable(drawn: Sequence[Line]) -> list[Line]:
    return printed(drawn)
