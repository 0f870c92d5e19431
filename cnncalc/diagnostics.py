"""What is wrong with a document or a command, as a value: where, what, why, and what to type instead.

A user's mistake is a `Diagnostic`. Code that finds one either collects it in a list or raises `DocumentError`; only the
command line prints them, and only `render` here decides how they look.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]

MAX_DIAGNOSTICS = 100
MAX_QUOTED_LINE = 160
MAX_QUOTED_WORD = 60
MAX_NEAR_CANDIDATES = 1000
NEAR = 0.6  # the share of two words' letters that agree, from which on one may be meant by the other


@dataclass(frozen=True, slots=True)
class Source:
    """A text under the name that messages give it: a path as the user wrote it, `<stdin>`, `--set`."""

    name: str
    text: str = field(repr=False)
    _line_starts: list[int] = field(default_factory=lambda: [0], init=False, repr=False, compare=False)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        starts = self._line_starts
        while starts[-1] <= offset and (end := self.text.find("\n", starts[-1]) + 1):
            starts.append(end)
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line_at(self, offset: int) -> str:
        """The line that a character stands in."""
        start = offset - self.position(offset)[1] + 1
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else None].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of characters in a source: `start` included, `end` not."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"


@dataclass(frozen=True, slots=True)
class Note:
    """A remark beside a diagnostic, with the place it speaks of where there is one."""

    message: str
    span: Span | None = None

    def __str__(self) -> str:
        return f"{self.message}, {self.span}" if self.span else self.message


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    `code` names the rule in kebab-case; `message` stands alone, lower case, no full stop; `label` is what stands under
    the caret; `notes` say where the other value comes from; `help` alone advises, and says what to type.
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    notes: tuple[Note, ...] = ()
    help: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        return render(self)


class DocumentError(Exception):
    """A document (or a command's words) cannot be used: `diagnostics` says why, in document order."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n\n".join(render(diagnostic) for diagnostic in self.diagnostics)


class Findings:
    """The mistakes of a document as they are found; raises by itself when there are more than anyone reads."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def add(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)
        if len(self.diagnostics) == MAX_DIAGNOSTICS:
            rest = Diagnostic(
                "too-many-mistakes", f"{MAX_DIAGNOSTICS} mistakes are enough: the rest of the document was not read"
            )
            raise DocumentError(*self.in_document_order(), rest)

    def extend(self, error: DocumentError) -> None:
        for diagnostic in error.diagnostics:
            self.add(diagnostic)

    def raise_if_any(self) -> None:
        if self.diagnostics:
            raise DocumentError(*self.in_document_order())

    def in_document_order(self) -> list[Diagnostic]:
        """By place in a document; of several documents, the one in which the first mistake was found comes first."""
        order: dict[str, int] = {}
        for diagnostic in self.diagnostics:
            order.setdefault(diagnostic.span.source.name if diagnostic.span else "", len(order))

        def place(diagnostic: Diagnostic) -> tuple[int, int]:
            return (order[diagnostic.span.source.name], diagnostic.span.start) if diagnostic.span else (order[""], 0)

        return sorted(self.diagnostics, key=place)


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as plain text, the line it speaks of included, without a final newline."""
    head = f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"
    lines = [f"{diagnostic.span}: {head}" if diagnostic.span else head]
    gutter = "  "
    if diagnostic.span is not None:
        quoted = _quote(diagnostic.span, diagnostic.label)
        gutter = quoted[0][: quoted[0].index("|")]
        lines += quoted
    lines += [f"{gutter}= note: {note}" for note in diagnostic.notes]
    if diagnostic.help:
        lines.append(f"{gutter}= help: {diagnostic.help}")
    return "\n".join([printable(line) for line in lines])


def _quote(span: Span, label: str) -> list[str]:
    """The line of a span with carets under it; a long line is cut around them, with `...` where it was."""
    number, column = span.source.position(span.start)
    text = span.source.line_at(span.start)
    cut = max(0, column - 1 - MAX_QUOTED_LINE // 2) if len(text) > MAX_QUOTED_LINE else 0
    shown = text[cut : cut + MAX_QUOTED_LINE]
    before, after = "..." if cut else "", "..." if cut + MAX_QUOTED_LINE < len(text) else ""
    start = column - 1 - cut
    marked = shown[start : start + span.end - span.start]
    indent = "".join(["\t" if char == "\t" else " " * _columns(char) for char in before + shown[:start]])
    carets = "^" * max(1, sum(map(_columns, marked)))
    margin = " " * len(str(number))
    return [
        f"{margin} |",
        f"{number} | {before}{shown}{after}".rstrip(),
        f"{margin} | {indent}{carets} {label}".rstrip(),
    ]


def text_width(text: str) -> int:
    """The terminal columns a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    """The terminal columns a character takes: two for a wide one (`中`), none for a combining accent."""
    if char.isascii():
        return 1
    from unicodedata import combining, east_asian_width

    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1


def printable(text: str) -> str:
    """Control characters as `?`, so that a hostile file cannot drive the terminal."""
    return (
        text if text.isprintable() else "".join([char if char.isprintable() or char == "\t" else "?" for char in text])
    )


def quoted(text: str) -> str:
    """A user's word for a message: in backquotes, cut where it is long."""
    return f"`{text}`" if len(text) <= MAX_QUOTED_WORD else f"`{text[: MAX_QUOTED_WORD - 3]}...`"


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names a person may have meant, nearest first; one, if it differs in capitals and underscores only."""
    from difflib import SequenceMatcher

    if len(name) > MAX_QUOTED_WORD:
        return []
    lowered = {candidate.lower(): candidate for candidate in known}
    plain = name.lower().replace("-", "_")
    squeezed = {key.replace("_", ""): key for key in lowered}
    if (same := squeezed.get(plain.replace("_", ""))) is not None:
        return [lowered[same]]
    keys = list(lowered)
    if len(keys) > MAX_NEAR_CANDIDATES:
        alike = [key for key in keys if key[:1] == plain[:1] and abs(len(key) - len(plain)) < 4]
        alike.sort(key=lambda key: -sum(a == b for a, b in zip(key, plain, strict=False)))
        keys = alike[:MAX_NEAR_CANDIDATES]
    matcher = SequenceMatcher(b=plain)
    scored: list[tuple[float, bool, str]] = []
    for key in keys:
        matcher.set_seq1(key)
        if matcher.real_quick_ratio() >= NEAR and matcher.quick_ratio() >= NEAR and matcher.ratio() >= NEAR:
            scored.append((-matcher.ratio(), sorted(key) != sorted(plain), key))
    return [lowered[key] for *_, key in sorted(scored)[:most]]


def did_you_mean(nearest: Sequence[str], otherwise: str = "") -> str:
    """The help that offers the near names, or `otherwise` where there are none."""
    return f"did you mean {choices(nearest)}?" if nearest else otherwise


def choices(names: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    every = [quoted(name) for name in names]
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} or {every[-1]}"
