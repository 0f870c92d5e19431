"""Limits on what a change may cost: `macs>+5%` is reached by more than 5 % more MACs, `depth>=-1` by a layer less."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from cnncalc.diagnostics import Diagnostic, DocumentError, Note, Source, Span, did_you_mean, near, quoted
from cnncalc.diff import Change, Diff, Reached, percent_text
from cnncalc.figures import BYTES, QUANTITIES
from cnncalc.units import UNITS

OPTION = "--fail-on"
COUNTS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_WRITTEN = re.compile(r"\s*([\w.]+)\s*(>=|>)\s*([+-])\s*(\d[\d_,]*)(?:\.(\d+))?\s*(%|[A-Za-z]*)\s*")


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a total may grow (`sign` 1) or shrink (-1): by `amount` of it, or by `percent` of what it was."""

    quantity: str
    comparison: Literal[">", ">="]
    sign: Literal[1, -1]
    amount: Fraction
    percent: bool
    source: Source

    @property
    def text(self) -> str:
        return self.source.text

    def reached(self, total: Change) -> Reached:
        """Where the total went, and whether that is too far. A total that has no value on one side only always is."""
        old, new = total.old, total.new
        if not isinstance(old, int) or not isinstance(new, int):
            missing = [side for side, value in (("before", old), ("now", new)) if value is None]
            told = f"`{self.quantity}` has no value {' and '.join(missing)}: {total.refused}"
            return Reached(self.text, self.quantity, told, len(missing) == 1)
        step = self.sign * (new - old)
        bound = self.amount * abs(old) / 100 if self.percent else self.amount
        exceeded = step > 0 and (step > bound or (self.comparison == ">=" and step == bound))
        return Reached(self.text, self.quantity, self.told(old, new), exceeded)

    def told(self, old: int, new: int) -> str:
        unit = " bytes" if self.quantity in BYTES else ""
        if new == old:
            return f"`{self.quantity}` stays {old:,}{unit}"
        percent = percent_text(old, new)
        word = "grows" if new > old else "shrinks"
        by = f"{abs(new - old):,}{unit}" + (f" ({percent})" if percent else "")
        return f"`{self.quantity}` {word} from {old:,} to {new:,}, by {by}"


def limit(text: str) -> Limit:
    """A limit as it is written behind `--fail-on`. Raises `DocumentError`."""
    source = Source(OPTION, text)
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise DocumentError(_malformed(source))
    quantity, comparison, sign, whole, part, unit = found.groups()
    if quantity not in QUANTITIES:
        help = did_you_mean(near(quantity, QUANTITIES), f"known: {', '.join(QUANTITIES)}")
        message = f"{quoted(quantity)} is not a total that `diff` compares"
        raise DocumentError(Diagnostic("unknown-quantity", message, _span(source, found, 1), help=help))
    units = {name.lower(): size for name, size in UNITS.items()} if quantity in BYTES else COUNTS
    if unit not in ("", "%") and unit.lower() not in units:
        known = ", ".join(UNITS if quantity in BYTES else ("k", "M", "G", "T"))
        message = f"{quoted(unit)} is not a unit of `{quantity}`"
        raise DocumentError(
            Diagnostic("unknown-unit", message, _span(source, found, 6), help=f"use %, none, or {known}")
        )
    amount = Fraction(int(re.sub("[_,]", "", whole) + (part or "")), 10 ** len(part or ""))
    scale = units.get(unit.lower(), 1)
    return Limit(
        quantity, ">=" if comparison == ">=" else ">", 1 if sign == "+" else -1, amount * scale, unit == "%", source
    )


def _span(source: Source, found: re.Match[str], group: int) -> Span:
    return Span(source, found.start(group), found.end(group))


def _malformed(source: Source) -> Diagnostic:
    text = source.text
    help = "write e.g. 'macs>+5%' (an increase) or 'activations>=-10k' (a decrease)"
    if text.strip() in QUANTITIES:
        help = f"put it in quotes, or the shell takes the rest for a file: {OPTION} '{text.strip()}>+5%'"
    elif re.fullmatch(r"\s*[\w.]+\s*>=?\s*\d.*", text):
        help = f"{help}; a bound on the number itself belongs into the document's `expect`"
    return Diagnostic(
        "malformed-limit", f"{quoted(text)} is not a limit on growth", Span(source, 0, len(text)), help=help
    )


def hold(found: Diff, limits: list[Limit]) -> list[Diagnostic]:
    """Write down in a diff how far each limit is reached; those that are exceeded are failures."""
    failures = []
    totals = {total.quantity: total for total in found.totals}
    for one in limits:
        reached = one.reached(totals[one.quantity])
        found.limits.append(reached)
        if reached.exceeded:
            notes = []
            if found.first is not None:
                place = found.first.place
                at = f", {place.file}:{place.line}:{place.column}" if place else ""
                notes.append(Note(f"the first layer that changed is `{found.first.name}`{at}"))
            span = Span(one.source, 0, len(one.text))
            failures.append(Diagnostic("limit-exceeded", reached.message, span, notes=tuple(notes)))
    return failures
