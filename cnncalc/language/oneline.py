"""The one-line notation of the CS231n notes and of VGG's table: `32x32x3 -> [CONV3-64 -> RELU -> POOL2]*2 -> FC-10`.

    network = input then step {then step}          then = "->" | "→" | ","
    step    = ( layer | "[" step {then step} "]" ) [times]
    times   = ("*" | "×") number | "x" number      the latter a word of its own: `CONV3-64 x2`
    layer   = word [sizes] ["-" number] ["/" sizes] {option}
    option  = ("s" | "p" | "d" | "g") sizes        stride, padding, dilation, groups
    sizes   = number {"x" number}

A recursive descent makes of it the same nodes that YAML makes, with places in the expression. The reader and everything
after it know no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Source, Span, did_you_mean, near, quoted
from cnncalc.language import foreign
from cnncalc.language.source import Mapping, Node, Scalar, Sequence, scalar_value
from cnncalc.layers import KINDS, Kind, Merge
from cnncalc.layers.conv import Convolution

MAX_CHARACTERS = 100_000
MAX_DEPTH = 100  # groups inside one another

# The textbooks' words. Besides them every kind that a number or two describe goes by its own name.
WORDS = {
    "CONV": "conv",
    "DWCONV": "depthwise_conv",
    "DECONV": "conv_transpose",
    "FC": "linear",
    "DENSE": "linear",
    "MAXPOOL": "max_pool",
    "POOL": "max_pool",
    "AVGPOOL": "avg_pool",
    "GAP": "global_avg_pool",
    "BN": "batch_norm",
    "LRN": "local_response_norm",
}
OPTIONS = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups"}
COUNTS = ("out_channels", "out_features")  # what `-64` says
# What a word alone says: a pool's window (Simonyan & Zisserman 2014, section 2.1), a norm's channels (Krizhevsky et al.
# 2012, section 3.3).
UNSAID = {
    "max_pool": ("kernel_size", "2"),
    "avg_pool": ("kernel_size", "2"),
    "local_response_norm": ("size", "5"),
}
GROUPS = ("stage", "block", "unit")  # names of what is repeated, from the outside in

_EXAMPLES = {
    "conv": "`CONV3-64`: 3x3 kernels, 64 filters",
    "depthwise_conv": "`DWCONV3`: a 3x3 kernel for each channel",
    "conv_transpose": "`DECONV2-64/2`: 2x2 kernels, 64 filters, stride 2",
    "linear": "`FC-10`: 10 units",
}
_LACKING = {"kernel_size": "its window", "out_channels": "how many filters", "out_features": "how many units"}
_LAYER_FORM = "a layer is a word, its window, its filters and its stride: `CONV3-64/2`"
_OPTION_FORM = "options are s2 (stride), p1 (padding), d2 (dilation) and g4 (groups)"


_SIZES = r"[0-9]+(?:x[0-9]+)*"
_TOKEN = re.compile(r"(?P<then>->|→|,)|(?P<bracket>[\[\]])|(?P<times>[*×])|(?P<word>(?:(?!->)[^\s\[\],*×→])+)")
_LAYER = re.compile(rf"([a-z].*?)(?:-([0-9]+))?(?:/({_SIZES}))?", re.IGNORECASE)
_NUMBERED = re.compile(rf"(.*?[a-z])({_SIZES}(?:\.[0-9]+)?)", re.IGNORECASE)
_OPTION = re.compile(rf"([a-z])({_SIZES})", re.IGNORECASE)
_TIMES = re.compile(r"x([0-9]+)", re.IGNORECASE)
_LIST = re.compile(r"\[[\s0-9,]*\]")


def parse(source: Source, found: Findings) -> Mapping:
    """The document that an expression stands for: `input`, `blocks` of what is repeated, `layers`.

    Raises `DocumentError` with everything that is no notation in it.
    """
    if len(source.text) > MAX_CHARACTERS:
        message = f"the text has {len(source.text):,} characters; an expression may have {MAX_CHARACTERS:,}"
        help = "say what repeats with `[...]*3`, or write a YAML document"
        raise DocumentError(Diagnostic("expression-too-large", message, Span(source, 0, 0), help=help))
    document = _Parser(source, found).document()
    found.raise_if_any()
    return document


# Words ----------------------------------------------------------------------------------------------------------------


def _squeezed(word: str) -> str:
    return re.sub("[-_]", "", word.lower())


def _is_spelt(kind: type[Kind]) -> bool:
    """Whether the notation can say all that a kind needs."""
    needed = [name for name in kind.required if name not in ("kernel_size", *COUNTS)]
    return not issubclass(kind, Merge) and all(
        name == kind.main and kind.fields[name].takes.accepts(2) for name in needed
    )


def spellings() -> dict[str, str]:
    """Every word of the notation, in capitals, and the kind that it stands for."""
    return {**WORDS, **{name.upper(): name for name, kind in KINDS.items() if _is_spelt(kind)}}


_KINDS = {_squeezed(word): kind for word, kind in spellings().items()}


# The parser -----------------------------------------------------------------------------------------------------------


class _Token(NamedTuple):
    sort: str  # "then", "bracket", "times", "word" or "end"
    text: str
    start: int
    end: int


class _Group(NamedTuple):
    """What is repeated: a block of the document, named when all of them are known."""

    depth: int
    use: Mapping
    layers: Sequence


class _Parser:
    def __init__(self, source: Source, found: Findings) -> None:
        self.source, self.found = source, found
        end = len(source.text)
        matches = _TOKEN.finditer(source.text)
        self.tokens = [_Token(str(match.lastgroup), match[0], *match.span()) for match in matches]
        self.tokens.append(_Token("end", "", end, end))
        self.at = 0
        self.groups: list[_Group] = []

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def taken(self, sort: str, text: str = "") -> _Token | None:
        """The next token where it is of that sort, and stands behind us then."""
        token = self.token
        if token.sort != sort or (text and token.text != text):
            return None
        self.at += 1
        return token

    def error(self, code: str, message: str, at: _Token | Node, help: str = "") -> None:
        span = Span(self.source, at.start, max(at.end, at.start + 1))
        self.found.add(Diagnostic(code, message, span, help=help))

    def scalar(self, text: str, start: int, end: int) -> Scalar:
        return Scalar(scalar_value(text), text, self.source, start, end)

    def entry(self, entries: dict[str, Node], start: int, end: int) -> Mapping:
        """A mapping that stands where its keys do, as far as an expression has keys."""
        keys = {name: Scalar(name, name, self.source, start, end) for name in entries}
        return Mapping(entries, keys, self.source, start, end)

    # Steps ------------------------------------------------------------------------------------------------------------

    def document(self) -> Mapping:
        input = self.input()
        layers: list[Node] = []
        if input is None or self.taken("then"):
            layers = self.steps(0)
        elif self.token.sort == "end":
            self.error("no-layers", "an input and no layer", input, "go on with `-> CONV3-64`")
        else:
            self.expected_arrow()
            layers = self.steps(0)
        while self.token.sort != "end":
            self.error("expression-bracket", "this `]` closes nothing", self.token, "take it out")
            self.at += 1
            self.times()
            if self.taken("then") or self.token.sort == "word":
                layers += self.steps(0)
        end = len(self.source.text)
        entries: dict[str, Node] = {} if input is None else {"input": input}
        if blocks := self.blocks():
            entries["blocks"] = self.entry(blocks, 0, end)
        entries["layers"] = Sequence(layers, self.source, 0, end)
        return self.entry(entries, 0, end)

    def input(self) -> Node | None:
        """What stands before the first arrow: `32x32x3`, or `[3, 32, 32]` in torch's order."""
        first = self.token
        listed = _LIST.match(self.source.text, first.start)
        if listed and listed[0].strip("[] "):
            while self.token.start < listed.end():
                self.at += 1
            numbers = re.finditer("[0-9]+", listed[0])
            sizes = [self.scalar(one[0], first.start + one.start(), first.start + one.end()) for one in numbers]
            return Sequence([*sizes], self.source, first.start, listed.end())
        worded = self.taken("word") if first.text.upper() == "INPUT" else None
        begin = self.token
        if begin.text[:1].isdigit():
            while self.token.sort in ("word", "times"):
                self.at += 1
            end = self.tokens[self.at - 1].end
            return self.scalar(self.source.text[begin.start : end], begin.start, end)
        help = "begin with height x width x channels: `32x32x3 -> ...`"
        if worded:
            self.error("no-input-size", f"{quoted(worded.text)} has no size", worded, help)
            self.taken("then")
        elif first.sort == "end":
            self.error("empty-expression", "the expression is empty", first, help)
        else:
            self.error(
                "no-input-size", f"an expression begins with its input's size, not {quoted(first.text)}", first, help
            )
        return None

    def steps(self, depth: int) -> list[Node]:
        """Layers up to the end, or to the bracket that closes them."""
        layers: list[Node] = []
        while True:
            layers += self.step(depth)
            if self.taken("then"):
                continue
            if self.token.sort == "end" or self.token.text == "]":
                return layers
            self.expected_arrow()

    def step(self, depth: int) -> list[Node]:
        token = self.token
        if self.taken("bracket", "["):
            return self.group(token, depth)
        if self.taken("word"):
            return self.repeated([self.layer(token)], depth, token)
        if token.sort == "times":
            self.at += 1
            self.error("no-layer", f"`{token.text}` repeats nothing", token, "write it behind a layer or a bracket")
            self.taken("word")
        elif depth or self.at > 0 or token.sort != "end":
            after = "the last arrow" if token.sort == "end" else "this"
            where = self.tokens[self.at - 1] if token.sort == "end" else token
            if not (token.sort == "end" and self.found.diagnostics):
                message = f"no layer stands {'behind' if token.sort == 'end' else 'before'} {after}"
                self.error("no-layer", message, where, "write one there, or take it out")
        return []

    def expected_arrow(self) -> None:
        token = self.token
        help = f"put `->` or `,` between layers; {_OPTION_FORM}"
        if token.text == "[":
            help = "put `->` before the bracket"
        self.error("no-arrow", f"there is no arrow before {quoted(token.text)}", token, help)
        if token.sort == "times":
            self.at += 1
            self.taken("word")
            self.taken("then")

    def group(self, opening: _Token, depth: int) -> list[Node]:
        if depth >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} brackets inside one another"
            span = Span(self.source, opening.start, opening.end)
            raise DocumentError(Diagnostic("nested-too-deeply", message, span, help="put some of them side by side"))
        place = len(self.groups)
        layers = self.steps(depth + 1)
        if not self.taken("bracket", "]"):
            self.error(
                "expression-bracket", "this `[` is not closed", opening, "end it with `]`, and say how often: `]*2`"
            )
            return layers
        return self.repeated(layers, depth, opening, place)

    def repeated(self, layers: list[Node], depth: int, first: _Token, place: int = 0) -> list[Node]:
        """Layers as often as is said behind them: one is repeated as it is, several become a block."""
        times = self.times()
        if times is None or not layers:
            return layers
        if len(layers) == 1:
            (node,) = layers
            if isinstance(node, Scalar):
                node = self.entry({node.text: self.entry({}, node.start, node.end)}, node.start, node.end)
            assert isinstance(node, Mapping)
            if "repeat" not in node.entries:
                node.entries["repeat"], node.keys["repeat"] = times, times
                return [node]
        end = self.tokens[self.at - 1].end
        use = self.entry({"": self.entry({}, first.start, end), "repeat": times}, first.start, end)
        self.groups.insert(place, _Group(depth, use, Sequence(layers, self.source, first.start, end)))
        return [use]

    def times(self) -> Scalar | None:
        sign, number = self.taken("times"), self.token
        if sign is None:
            count = _TIMES.fullmatch(number.text) if number.sort == "word" else None
            if count is None:
                return None
            self.at += 1
            return self.scalar(count[1], number.start + 1, number.end)
        if number.sort != "word":
            self.error("no-number", f"`{sign.text}` and no number", sign, "say how often: `*2`")
            return None
        self.at += 1
        if not number.text.isdecimal():
            help = f"put the number in its place: `{sign.text}2`"
            self.error("no-number", f"{quoted(number.text)} is not how often: it has to be a number", number, help)
            return None
        return self.scalar(number.text, number.start, number.end)

    def blocks(self) -> dict[str, Node]:
        """The groups by names, which their uses get, too: `stage1`, `block2`, without a number for one alone."""
        words = [GROUPS[min(group.depth, len(GROUPS) - 1)] for group in self.groups]
        blocks: dict[str, Node] = {}
        for place, (word, (_, use, layers)) in enumerate(zip(words, self.groups, strict=True)):
            name = f"{word}{words[: place + 1].count(word)}" if words.count(word) > 1 else word
            fields, repeat = use.entries[""], use.entries["repeat"]
            named = self.entry({name: fields, "repeat": repeat}, use.start, use.end)
            use.entries, use.keys = named.entries, named.keys
            blocks[name] = self.entry({"layers": layers}, layers.start, layers.end)
        return blocks

    # Layers -----------------------------------------------------------------------------------------------------------

    def layer(self, token: _Token) -> Node:
        """The layer that a word and the options behind it say."""
        options = []
        while (
            self.token.sort == "word" and _OPTION.fullmatch(self.token.text) and not _TIMES.fullmatch(self.token.text)
        ):
            options.append(self.token)
            self.at += 1
        nothing = self.scalar("identity", token.start, token.end)
        if token.text.endswith("?"):
            word = token.text[:-1]
            help = f"write {quoted(word)}, or leave it out"
            self.error(
                "maybe-a-layer", f"{quoted(token.text)} is there or not: a network has to say which", token, help
            )
            return nothing
        read = _LAYER.fullmatch(token.text)
        named = read and self.kind(read[1])
        if not read or not named:
            self.unknown(token, read[1] if read else token.text)
            return nothing
        kind, number = named
        given: dict[str, Node] = {}
        word = read[1][: len(read[1]) - len(number)]
        if number:
            self.give(given, kind, kind.main or "kernel_size", number, token.start + len(word), word, "has no size")
        if read[2]:
            name = next((name for name in COUNTS if name in kind.fields), COUNTS[0])
            self.give(given, kind, name, read[2], token.start + read.start(2), word, "has no number of filters")
        if read[3]:
            self.give(given, kind, "stride", read[3], token.start + read.start(3), word, "has no stride")
        for option in options:
            letter, sizes = option.text[0].lower(), option.text[1:]
            if letter in OPTIONS:
                name = OPTIONS[letter]
                self.give(given, kind, name, sizes, option.start + 1, word, f"has no {name}")
            else:
                self.error("unknown-option", f"{quoted(option.text)} is no option", option, _OPTION_FORM)
        self.complete(given, kind, token, word)
        end = options[-1].end if options else token.end
        if not given:
            return self.scalar(kind.kind, token.start, end)
        given = {name: given[name] for name in kind.fields if name in given}
        alone = list(given) == [kind.main]
        value = given[kind.main] if alone else self.entry(given, token.start, end)
        return self.entry({kind.kind: value}, token.start, end)

    def kind(self, head: str) -> tuple[type[Kind], str] | None:
        """The kind that a word names, and the number at its end where that is no part of the name."""
        if (name := _KINDS.get(_squeezed(head))) is not None:
            return KINDS[name], ""
        numbered = _NUMBERED.fullmatch(head)
        name = _KINDS.get(_squeezed(numbered[1])) if numbered else None
        return (KINDS[name], numbered[2]) if numbered and name else None

    def give(
        self, given: dict[str, Node], kind: type[Kind], name: str, text: str, start: int, word: str, lacks: str
    ) -> None:
        """Set a field to the sizes at `start`; say that the kind has no such field, or has it already."""
        end = start + len(text)
        sizes: list[Node] = []
        at = start
        for size in text.split("x"):
            sizes.append(self.scalar(size, at, at + len(size)))
            at += len(size) + 1
        node = sizes[0] if len(sizes) == 1 else Sequence(sizes, self.source, start, end)
        if name not in kind.fields:
            help = f"write `{word.upper()}`" + (" and a `CONV1-64` behind it" if name in COUNTS else "")
            self.error("unknown-field", f"{quoted(word)} {lacks}", node, help)
        elif name in given:
            self.error("duplicate-field", f"{quoted(word)} has two values for `{name}`", node, "keep one of the two")
        else:
            given[name] = node

    def complete(self, given: dict[str, Node], kind: type[Kind], token: _Token, word: str) -> None:
        """Add what textbooks leave out: a pool's window, and the padding that keeps a convolution's size."""
        name, value = UNSAID.get(kind.kind, ("", ""))
        if name and name not in given:
            given[name] = self.scalar(value, token.start, token.end)
        missing = [name for name in kind.required if name not in given]
        if missing:
            lacking = " and ".join([_LACKING.get(name, f"its `{name}`") for name in sorted(missing)])
            help = f"write {_EXAMPLES.get(kind.kind, f'`{word}2`')}"
            self.error("missing-field", f"{quoted(token.text)} does not say {lacking}", token, help)
        elif issubclass(kind, Convolution):
            padding = self.keeping(given["kernel_size"], given.get("dilation"))
            if padding is not None:
                given.setdefault("padding", padding)

    def keeping(self, kernel: Node, dilation: Node | None) -> Node | None:
        """The padding that keeps the size with stride 1: D(K - 1)/2 on each side, `same` where that is not whole."""
        kernels, dilations = _values(kernel), _values(dilation) if dilation else [1]
        if len(dilations) == 1:
            dilations *= len(kernels)
        if len(kernels) == 1:
            kernels *= len(dilations)
        sums = [D * (K - 1) for K, D in zip(kernels, dilations, strict=False)]
        if not any(sums) or min(kernels) < 1:
            return None
        text = "same" if any(total % 2 for total in sums) else None
        if text or len(set(sums)) == 1:
            return self.scalar(text or str(sums[0] // 2), kernel.start, kernel.end)
        each = [self.scalar(str(total // 2), kernel.start, kernel.end) for total in sums]
        return Sequence([*each], self.source, kernel.start, kernel.end)

    def unknown(self, token: _Token, head: str) -> None:
        """Say that a word is none of the notation's, and which may be meant."""
        spelt = spellings()
        meant = foreign.kind_meant(head) or (head.lower() if head.lower() in KINDS else "")
        words = [word for word, kind in spelt.items() if kind == meant]
        letters = head.rstrip("0123456789.x-/")
        if meant and issubclass(KINDS[meant], Merge):
            help = "an expression is one line of layers: paths that meet again need a YAML document"
        elif _squeezed(letters) in ("sepconv", "separableconv"):
            help = "write its two layers: `DWCONV3 -> CONV1-64`"
        elif _OPTION.fullmatch(token.text):
            help = f"put it behind its layer, with a blank between; {_OPTION_FORM}"
        elif _squeezed(letters) in _KINDS or not letters:
            help = _LAYER_FORM
        else:
            help = did_you_mean(words[:1] or near(letters, spelt), f"{_LAYER_FORM}; docs/notation.md lists the words")
        self.error("unknown-layer", f"{quoted(token.text)} is not a layer of the notation", token, help)


def _values(node: Node) -> list[int]:
    nodes: Iterable[Node] = node.items if isinstance(node, Sequence) else [node]
    return [one.value if isinstance(one, Scalar) and type(one.value) is int else 1 for one in nodes]
