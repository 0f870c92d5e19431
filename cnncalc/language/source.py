"""YAML text becomes nodes that know their place: plain data plus spans, and nothing that YAML does behind one's back.

Built on PyYAML's event stream (libyaml where it is compiled in). Anchors, aliases, tags, complex keys, several
documents and duplicate keys are refused; scalars follow the rules of `scalar_value`, so `3:30`, `yes` and `0123` stay
text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import yaml
from yaml.events import AliasEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent, StreamEndEvent

from cnncalc.diagnostics import MAX_QUOTED_WORD, Diagnostic, DocumentError, Findings, Note, Source, Span, quoted

MAX_CHARACTERS = 16 * 1024 * 1024
MAX_DEPTH = 100

Number = int | float
Plain = Number | bool | str | None

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)\Z")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Plain] = {"": None, "~": None, "null": None, "true": True, "false": False}
_NUMERIC_START = frozenset("0123456789+-.")
MAX_DIGITS = 100

_Loader: Any = getattr(yaml, "CLoader", yaml.Loader)


class Expression(Source):
    """A text in the one-line notation, which `oneline` reads, instead of YAML."""


class _Placed:
    """What nodes share: they know their source, and where they start and end in it."""

    __slots__ = ()
    source: Source
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)


@dataclass(slots=True, eq=False)
class Scalar(_Placed):
    """One value: `value` by our rules, `text` as it stands there (quotes removed)."""

    value: Plain
    text: str
    source: Source
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Sequence(_Placed):
    items: list[Node]
    source: Source
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Mapping(_Placed):
    entries: dict[str, Node]
    keys: dict[str, Scalar]
    source: Source
    start: int
    end: int


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
    return quoted(node.text) if node.text else "nothing" if node.value is None else "an empty text"


def scalar_value(text: str) -> Plain:
    """An unquoted scalar: integers (with `_`), decimal floats, true, false, null; anything else is text."""
    if text[:1] in _NUMERIC_START and text and len(text) <= MAX_DIGITS:
        if _INTEGER.match(text):
            return int(text)
        if _FLOAT.match(text) and isfinite(number := float(text)):
            return number
    return _WORDS.get(text, text)


def parse(source: Source, found: Findings, start: int = 0) -> Node:
    """The one node of a document, or of a text from `start` on.

    Keys that stand twice are added to `found` and the first of them is kept. Raises `DocumentError` where the text is
    not YAML, is empty, or uses what the language leaves out.
    """
    if len(source.text) > MAX_CHARACTERS:
        raise _refusal(
            "document-too-large",
            f"the text has {len(source.text):,} characters; a document may have {MAX_CHARACTERS:,}",
            Span(source, 0, 0),
            help="say what repeats with `repeat` and blocks",
        )
    try:
        return _Builder(source, found, start).document()
    except yaml.MarkedYAMLError as error:
        raise DocumentError(_yaml_diagnostic(source, error)) from None
    except (yaml.reader.ReaderError, UnicodeEncodeError):
        raise DocumentError(_character_diagnostic(source)) from None


class _Builder:
    """Walks the events once; recursion is bounded by MAX_DEPTH."""

    def __init__(self, source: Source, found: Findings, start: int) -> None:
        self.source = source
        self.found = found
        self.anchors: set[str] = set()
        self.usable = True  # nothing in it that makes the rest meaningless
        text = source.text if start == 0 else " " * start + source.text[start:]
        self.brackets = "(" in text
        self.events: Iterator[Any] = iter(_Loader(text).get_event, None)

    def document(self) -> Node:
        next(self.events)  # the stream's start
        event = next(self.events)
        if isinstance(event, StreamEndEvent):
            raise empty_document(self.source)
        node = self.node(next(self.events), 0)
        next(self.events)  # the document's end
        event = next(self.events)
        if not isinstance(event, StreamEndEvent):
            raise _refusal(
                "several-documents",
                "a second YAML document begins here; a file holds one network",
                self.span(event),
                help="put each network in a file of its own",
            )
        if not self.usable:
            self.found.raise_if_any()
        return node

    def span(self, event: Any) -> Span:
        return Span(self.source, event.start_mark.index, event.end_mark.index)

    def node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if kind is ScalarEvent and event.anchor is None and event.tag is None:
            text = event.value
            value = scalar_value(text) if event.implicit[0] else text
            return Scalar(value, text, self.source, event.start_mark.index, event.end_mark.index)
        if kind is AliasEvent:
            if event.anchor not in self.anchors:
                self.leave_out("alias", event, f"{_BY_NAME}; a text that begins with `*` needs quotes")
            return Scalar(None, "", self.source, event.start_mark.index, event.end_mark.index)
        if event.anchor is not None:
            self.anchors.add(event.anchor)
            self.leave_out("anchor", event, _BY_NAME)
        if event.tag is not None:
            self.leave_out("tag", event, _NO_TAGS)
        if kind is ScalarEvent:
            return Scalar(event.value, event.value, self.source, event.start_mark.index, event.end_mark.index)
        if depth >= MAX_DEPTH:
            raise _refusal(
                "nested-too-deeply",
                f"more than {MAX_DEPTH} lists and mappings inside one another",
                Span(self.source, event.start_mark.index, event.start_mark.index + 1),
                help="give the inner layers a block of their own",
            )
        return self.sequence(event, depth) if kind is SequenceStartEvent else self.mapping(event, depth)

    def sequence(self, start: Any, depth: int) -> Sequence:
        items: list[Node] = []
        opened: Scalar | None = None
        for event in self.events:
            if type(event) is SequenceEndEvent:
                break
            items.append(self.node(event, depth + 1))
            if self.brackets and start.flow_style:
                opened = self.opened(opened, items[-1], "[]")
        return Sequence(items, self.source, start.start_mark.index, event.end_mark.index)

    def mapping(self, start: Any, depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        keys: dict[str, Scalar] = {}
        opened: Scalar | None = None
        for event in self.events:
            if type(event) is MappingEndEvent:
                break
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            inside = opened is not None
            if self.brackets and start.flow_style:
                opened = self.opened(self.opened(opened, key, "{}"), value, "{}")
            if type(key) is not Scalar:
                raise self.not_a_word(key)
            if key.text in entries:
                if not inside:
                    self.found.add(_twice(key, keys[key.text]))
                continue
            keys[key.text] = key
            entries[key.text] = value
        return Mapping(entries, keys, self.source, start.start_mark.index, event.end_mark.index)

    def opened(self, opened: Scalar | None, node: Node, around: str) -> Scalar | None:
        """The entry whose round bracket is open after `node`: unquoted `max(1, 2)` is two, `max(1` and `2)`."""
        if type(node) is not Scalar or self.source.text[node.start : node.start + 1] in ("'", '"'):
            return opened
        balance = node.text.count("(") - node.text.count(")")
        if opened is None:
            return node if balance > 0 else None
        if balance >= 0:
            return opened
        text = self.source.text[opened.start : node.end]
        self.found.add(
            Diagnostic(
                "needs-quotes",
                f"an expression with a comma needs quotes inside `{around}`",
                Span(self.source, opened.start, node.end),
                help=f'write `"{text}"`' if len(text) < MAX_QUOTED_WORD and '"' not in text else "",
            )
        )
        self.usable = False
        return None

    def not_a_word(self, key: Node) -> DocumentError:
        if self.source.text[max(0, key.start - 1) : key.start + 1] == "{{":
            return _refusal(
                "key-not-a-word",
                "`{{` begins a template, which documents do not use",
                Span(self.source, key.start - 1, key.start + 1),
                help="write the name itself: an arg's name stands for its value",
            )
        span = Span(self.source, key.start, key.start + 1)
        return _refusal("key-not-a-word", f"a key is a word, not {describe(key)}", span)

    def leave_out(self, what: str, event: Any, help: str) -> None:
        start = event.start_mark.index
        written = re.compile(r"[^\s,{}\[\]]*").match(self.source.text, start)
        span = Span(self.source, start, written.end() if written else start)
        text = quoted(self.source.text[start : span.end])
        message = f"{text} is a YAML {what}, which documents do not use"
        self.found.add(Diagnostic(f"yaml-{what}", message, span, help=help))
        self.usable = False


_BY_NAME = "name what stands twice in `blocks:` or `args:`, and use the name"
_NO_TAGS = "remove it; to negate a condition write `not`"


def empty_document(source: Source) -> DocumentError:
    help = "start with `input: 32x32x3` and `layers:`"
    return _refusal("empty-document", "the document is empty", Span(source, 0, 0), help)


def _refusal(code: str, message: str, span: Span, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, span, help=help))


def _twice(key: Scalar, first: Scalar) -> Diagnostic:
    return Diagnostic(
        "duplicate-key",
        f"{quoted(key.text)} stands twice in one mapping",
        key.span,
        notes=(Note("the first is here", first.span),),
        help="keep one of the two",
    )


# What the YAML parser has to say --------------------------------------------------------------------------------------

_NEEDS_QUOTES = 'inside `{}` an expression with a comma or bracket needs quotes: {out: "max(a, b)"}'
_IN_BRACES = "several fields go in braces, `conv: {out_channels: 64, kernel_size: 3}`; a text with `: ` in quotes"


def _yaml_diagnostic(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    """The parser's complaint in the words of someone who writes a network."""
    problem, mark, opened = error.problem or "", error.problem_mark or error.context_mark, error.context_mark
    start = min(mark.index, len(source.text)) if mark is not None else 0
    begun = min(opened.index, start) if opened is not None else start
    line_number, column = source.position(start)
    line = source.line_at(start)
    before = line[: column - 1]

    def not_yaml(message: str, help: str = "", at: int = start) -> Diagnostic:
        return Diagnostic("not-yaml", f"not YAML: {message}", Span(source, at, at + 1), help=help)

    if "\t" in line[: len(line) - len(line.lstrip())]:
        tab = start - len(before) + line.index("\t")
        return not_yaml("a tab in the indentation", "indent with spaces; YAML does not allow tabs", at=tab)
    if tag := re.search(r"(?<=[\s,:{\[])![^\s,{}\[\]]*$", before):
        span = Span(source, start - len(before) + tag.start(), start)
        return Diagnostic("yaml-tag", f"`{tag[0]}` is a YAML tag, which documents do not use", span, help=_NO_TAGS)
    if "mapping values are not allowed" in problem:
        if re.search(r":\s", before):
            return not_yaml("a second `:` on one line", _IN_BRACES)
        help = "align it with that line, or end that line in `:`, as in `- conv:`"
        return not_yaml("a field below a line that does not end in `:`", help)
    if "could not find expected ':'" in problem:
        return not_yaml("this line has no `:`", "end a key in `:`, begin a list's entry with `- `", at=begun)
    if "unexpected end of stream" in problem and source.text[begun : begun + 1] in ("'", '"'):
        return not_yaml("this quote is not closed", f"end it with `{source.text[begun]}`", at=begun)
    if error.context == "while scanning a block scalar":
        text = source.text[begun:].partition("\n")[0].strip()
        short = len(text) < MAX_QUOTED_WORD and '"' not in text and re.search("[0-9]", text)
        help = f'write `"{text}"`' if short else "quote the whole text"
        return not_yaml(f"a text that begins with `{text[:1]}` needs quotes", help, at=begun)
    if re.search(r"\bexpected\b", problem):
        closing = {"{": "}", "[": "]"}.get(source.text[begun : begun + 1])
        ended = start >= len(source.text.rstrip())
        if closing and (ended or source.position(begun)[0] != line_number or not before.strip()):
            return not_yaml(f"this `{source.text[begun]}` is not closed", f"end it with `{closing}`", at=begun)
        if closing:
            bracketed = closing == "}" and "[" in source.text[begun : start + 1]
            return not_yaml(f"expected `,` or `{closing}` here", _NEEDS_QUOTES if bracketed else "quote the text")
        if ended:
            return not_yaml("the text ends inside a bracket", "close what is open")
        if line[column - 1] in "{}[]," or (before.strip() and line[column - 1] == "-"):
            return not_yaml(f"`{line[column - 1]}` cannot stand here", "remove it, or quote the text")
        if not before.strip():
            in_list = "'-' indicator" in problem and source.position(begun)[1] == column
            if in_list and line[column - 1] != "-":
                return not_yaml("expected `- ` here, as in the list above", "begin the line with `- `")
            return not_yaml("the indentation of this line fits nothing above it", "align it with its neighbours")
        return not_yaml("nothing may stand here: the value before it has ended", "quote the whole text")
    if "sequence entries are not allowed" in problem:
        return not_yaml("an entry of a list begins in the middle of a line", "begin `- ` on the next line")
    if "cannot start any token" in problem:
        char = source.text[start : start + 1]
        help = 'quote the text, e.g. `">= 7x7"`' if char == ">" else "quote the text"
        return not_yaml(f"a text cannot begin with {'a backquote' if char == '`' else f'`{char}`'}", help)
    if error.context == "while scanning a directive":
        return not_yaml("a line cannot begin with `%`", "remove it, or quote the text", at=begun)
    if "unknown escape" in problem:
        backslash = source.text.rfind("\\", 0, start + 1)
        escape = source.text[backslash : backslash + 2]
        return not_yaml(f"`{escape}` means nothing in double quotes", "use single quotes", at=backslash)
    return not_yaml(f"{error.context}: {problem}" if error.context else problem)


_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _character_diagnostic(source: Source) -> Diagnostic:
    """The first character that YAML does not allow in a text (YAML 1.1, production c-printable)."""
    found = _FORBIDDEN.search(source.text)
    start = found.start() if found else 0
    return Diagnostic(
        "not-yaml",
        f"not YAML: the character U+{ord(source.text[start]):04X} is not allowed in a text",
        Span(source, start, start + 1),
        help="remove it; is this a text file?",
    )
