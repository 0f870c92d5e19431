"""YAML text becomes nodes that know their place: plain data plus spans, and nothing that YAML does behind one's back.

Built on PyYAML's event stream (libyaml where it is compiled in). Anchors, aliases, tags, complex keys, several documents
and duplicate keys are refused; scalars follow the rules of `scalar_value`, so `3:30`, `yes` and `0123` stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from cnncalc.diagnostics import Diagnostic, DocumentError, Note, Source, Span

MAX_CHARACTERS = 16 * 1024 * 1024
MAX_DEPTH = 100

Number = int | float
Plain = Number | bool | str | None

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)\Z")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Plain] = {"": None, "~": None, "null": None, "true": True, "false": False}
_NUMERIC_START = frozenset("0123456789+-.")
MAX_DIGITS = 100

_Loader: Any = getattr(yaml, "CLoader", yaml.Loader)


@dataclass(slots=True, eq=False)
class Scalar:
    """One value: `value` by our rules, `text` as it stands there (quotes removed)."""

    value: Plain
    text: str
    source: Source
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)


@dataclass(slots=True, eq=False)
class Sequence:
    items: list[Node]
    source: Source
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)


@dataclass(slots=True, eq=False)
class Mapping:
    entries: dict[str, Node]
    keys: dict[str, Scalar]
    source: Source
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The node's data without places: tuples, dicts and scalars."""
    if type(node) is Scalar:
        return node.value
    if type(node) is Sequence:
        return tuple([plain(item) for item in node.items])
    assert type(node) is Mapping
    return {key: plain(value) for key, value in node.entries.items()}


def describe(node: Node) -> str:
    """What stands there, for a message: `a list`, `a mapping`, or the text itself in backquotes."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    if node.value is None:
        return "nothing" if node.text == "" else f"`{node.text}`"
    return f"`{node.text}`" if len(node.text) <= 60 else f"`{node.text[:57]}...`"


def scalar_value(text: str) -> Plain:
    """An unquoted scalar: integers (with `_`), decimal floats, true, false, null; anything else is text."""
    if text[:1] in _NUMERIC_START and text and len(text) <= MAX_DIGITS:
        if _INTEGER.match(text):
            return int(text)
        if _FLOAT.match(text) and any(char.isdigit() for char in text):
            return float(text)
    return _WORDS.get(text, text)


def parse(source: Source) -> Node:
    """The document's one node.

    Raises `DocumentError` where the text is not YAML, is empty, or uses what the language leaves out.
    """
    if len(source.text) > MAX_CHARACTERS:
        raise _refusal(
            "document-too-large",
            f"the text has {len(source.text):,} characters; a document may have {MAX_CHARACTERS:,}",
            Span(source, 0, 0),
            help="say what repeats with `repeat` and blocks",
        )
    try:
        return _Builder(source).document()
    except yaml.MarkedYAMLError as error:
        raise DocumentError(_yaml_diagnostic(source, error)) from None
    except yaml.reader.ReaderError as error:
        position = min(error.position, len(source.text))
        raise _refusal(
            "not-yaml", f"a character that YAML does not allow: {error.reason}", Span(source, position, position + 1)
        ) from None


class _Builder:
    """Walks the events once; recursion is bounded by MAX_DEPTH."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.events: Iterator[Any] = yaml.parse(source.text, Loader=_Loader)

    def document(self) -> Node:
        next(self.events)  # the stream's start
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            raise _refusal(
                "empty-document",
                "the document is empty",
                Span(self.source, 0, 0),
                help="start with `input: 32x32x3` and `layers:`",
            )
        node = self.node(next(self.events), 0)
        next(self.events)  # the document's end
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise _refusal(
                "several-documents",
                "a second YAML document begins here; a file holds one network",
                self.span(event),
                help="put each network in a file of its own",
            )
        return node

    def span(self, event: Any) -> Span:
        return Span(self.source, event.start_mark.index, event.end_mark.index)

    def node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if kind is yaml.AliasEvent:
            raise self.unwanted(event, f"`*{event.anchor}` is a YAML alias, which documents do not use")
        if event.anchor is not None:
            raise self.unwanted(event, f"`&{event.anchor}` is a YAML anchor, which documents do not use")
        if event.tag is not None:
            raise _refusal(
                "yaml-tag",
                f"`{event.tag}` is a YAML tag, which documents do not use",
                self.span(event),
                help="remove it",
            )
        if kind is yaml.ScalarEvent:
            text = event.value
            value = scalar_value(text) if event.implicit[0] else text
            return Scalar(value, text, self.source, event.start_mark.index, event.end_mark.index)
        if depth >= MAX_DEPTH:
            raise _refusal(
                "nested-too-deeply",
                f"more than {MAX_DEPTH} lists and mappings inside one another",
                self.span(event),
                help="give the inner layers a block of their own",
            )
        return self.sequence(event, depth) if kind is yaml.SequenceStartEvent else self.mapping(event, depth)

    def sequence(self, start: Any, depth: int) -> Sequence:
        items: list[Node] = []
        for event in self.events:
            if type(event) is yaml.SequenceEndEvent:
                break
            items.append(self.node(event, depth + 1))
        return Sequence(items, self.source, start.start_mark.index, event.end_mark.index)

    def mapping(self, start: Any, depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        keys: dict[str, Scalar] = {}
        for event in self.events:
            if type(event) is yaml.MappingEndEvent:
                break
            key = self.node(event, depth + 1)
            if type(key) is not Scalar:
                raise _refusal("key-not-a-word", "a key has to be a word, not a list or a mapping", key.span)
            if key.text in entries:
                raise DocumentError(
                    Diagnostic(
                        "duplicate-key",
                        f"`{key.text}` stands twice in one mapping",
                        key.span,
                        notes=(Note("it stands first at", keys[key.text].span),),
                        help="keep one of the two",
                    )
                )
            keys[key.text] = key
            entries[key.text] = self.node(next(self.events), depth + 1)
        return Mapping(entries, keys, self.source, start.start_mark.index, event.end_mark.index)

    def unwanted(self, event: Any, message: str) -> DocumentError:
        return _refusal(
            "yaml-anchor", message, self.span(event), help="name what repeats in `blocks:` or `args:`, and use the name"
        )


def _refusal(code: str, message: str, span: Span, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, span, help=help))


def _yaml_diagnostic(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    start = min(mark.index, len(source.text)) if mark is not None else 0
    notes: tuple[Note, ...] = ()
    if error.context and error.context_mark is not None and error.context_mark.index != start:
        place = Span(source, error.context_mark.index, error.context_mark.index + 1)
        notes = (Note(str(error.context), place),)
    line = source.line(source.position(start)[0])
    help = ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        help = "indent with spaces; YAML does not allow tabs"
    elif "{" in line and ("(" in line or "[" in line):
        help = 'inside `{}` an expression with a comma or bracket needs quotes: {out: "max(a, b)"}'
    return Diagnostic("not-yaml", f"not YAML: {error.problem}", Span(source, start, start + 1), notes=notes, help=help)
