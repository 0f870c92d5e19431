"""Whatever is written, the answer is a network or a `DocumentError` that points into the text; and it comes soon."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnncalc.diagnostics import DocumentError, Source, render
from cnncalc.graph import Network
from cnncalc.language.expressions import Expression, ExpressionError, within_bounds
from cnncalc.language.load import loads, zoo, zoo_names
from cnncalc.language.source import scalar_value
from cnncalc.layers import KINDS

SECONDS = 2.0
DOCUMENTS = {name: (zoo() / f"{name}.yaml").read_text("utf-8") for name in zoo_names()}
fuzz = settings(max_examples=150, derandomize=True, deadline=None, database=None)


def outcome(text: str) -> Network | DocumentError:
    """The network, or what is wrong; anything else is a failure, as is a message that points nowhere."""
    start = process_time()
    try:
        return loads(text, name="net.yaml")
    except DocumentError as error:
        check(error, text)
        return error
    finally:
        assert process_time() - start < SECONDS


def check(error: DocumentError, text: str) -> None:
    assert error.diagnostics
    normal = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for diagnostic in error.diagnostics:
        for span in [diagnostic.span, *[note.span for note in diagnostic.notes]]:
            if span is not None:
                assert span.source == Source("net.yaml", normal)
                assert 0 <= span.start <= span.end <= len(normal) + 1
                assert span.start <= len(normal)
        assert diagnostic.code
        assert diagnostic.message
        assert not diagnostic.message.endswith(".")
        assert not diagnostic.message[0].isupper()
        lines = render(diagnostic).split("\n")
        assert len(lines) >= 3
        assert all(len(line) < 1000 and line.replace("\t", " ").isprintable() for line in lines)
    spans = [diagnostic.span.start for diagnostic in error.diagnostics if diagnostic.span is not None]
    assert spans == sorted(spans)


# The zoo, damaged -----------------------------------------------------------------------------------------------------

CHARACTERS = st.sampled_from("\t\n\r {}[]()&*!|>%@`#:,-.?'\"\\/=+<09x_azé中\0\x1b\ufeff\u2028") | st.characters()


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))]
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            start = draw(st.integers(0, len(text)))
            end = draw(st.integers(start, min(len(text), start + 8)))
            text = text[:start] + draw(st.text(CHARACTERS, max_size=4)) + text[end:]
        else:
            lines = text.split("\n")
            place, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
            change = draw(st.sampled_from(["drop", "repeat", "swap", "indent", "cut", "join"]))
            if change == "drop":
                del lines[place]
            elif change == "repeat":
                lines.insert(other, lines[place])
            elif change == "swap":
                lines[place], lines[other] = lines[other], lines[place]
            elif change == "indent":
                lines[place] = " " * draw(st.integers(0, 6)) + lines[place].lstrip()
            elif change == "cut":
                lines[place] = lines[place][: draw(st.integers(0, len(lines[place])))]
            else:
                lines[place : place + 2] = ["".join(lines[place : place + 2])]
            text = "\n".join(lines)
    return text


@fuzz
@given(damaged())
def test_damaged_document(text: str) -> None:
    outcome(text)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_document_cut_short(name: str) -> None:
    text = DOCUMENTS[name]
    for end in range(0, len(text), max(1, len(text) // 12)):
        outcome(text[:end])


# Trees of anything ----------------------------------------------------------------------------------------------------

WORDS = [
    *["input", "inputs", "args", "blocks", "layers", "outputs", "name", "from", "repeat", "when", "extends", "paths"],
    *[
        "unit",
        "stage",
        "width",
        "depth",
        "i",
        "item",
        "in_channels",
        "block_in_channels",
        "identity",
        "conv1",
        "unit.0",
    ],
    *["out_channels", "kernel_size", "stride", "padding", "groups", "bias", "same", "valid", "exact", "axis", "mode"],
    *sorted(KINDS),
]
names = st.sampled_from(WORDS)
numbers = st.sampled_from([-1, 0, 1, 2, 3, 4, 7, 64, 10**6, 10**12, 0.5, 1.5, 1e300, True, False, None])
expressions = st.sampled_from(
    [
        *["2 * width", "width // 0", "width[1]", "item.width", "i + 1", "9 ** 9 ** 9", "max(width, 3)", "[1, 2]"],
        *["not width", "width if i else depth", "(1", "1 2", "width / 2", "3x3", "8x8x3", "", " ", "é", "a.b.c", "*"],
    ]
)
scalars = names | numbers | expressions | st.text(max_size=5)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@fuzz
@given(trees)
def test_tree_of_anything(tree: Any) -> None:
    outcome(json.dumps(tree, ensure_ascii=False))


fields = st.dictionaries(
    st.sampled_from(["out_channels", "kernel_size", "stride", "padding", "groups", "bias", "activation", "width", "x"]),
    scalars | st.lists(scalars, max_size=3),
    max_size=4,
)
layer_kinds = st.sampled_from([*sorted(KINDS), "unit", "stage", "nothing"])
sound_uses = st.sampled_from(
    ["relu", "unit", {"conv": {"out_channels": 4, "kernel_size": 1}}, {"linear": 3}, {"concat": ["identity", ["relu"]]}]
)
plain_uses = (
    sound_uses | sound_uses | layer_kinds | st.dictionaries(layer_kinds, fields | scalars, min_size=1, max_size=1)
)


def _with_more(uses: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    beside: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.fixed_dictionaries(
        {}, optional={"name": names, "from": names, "repeat": scalars | st.lists(scalars, max_size=3), "when": scalars}
    )
    merges = st.builds(
        lambda kind, paths: {kind: paths},
        st.sampled_from(["add", "concat", "multiply"]),
        st.lists(st.lists(uses, max_size=2) | names, max_size=3),
    )
    return st.builds(lambda use, more: {**(use if isinstance(use, dict) else {use: {}}), **more}, uses | merges, beside)


uses = st.recursive(plain_uses, _with_more, max_leaves=6)
layers = st.lists(uses, min_size=1, max_size=4)
args = st.dictionaries(
    st.sampled_from(["width", "depth", "x", "i"]), scalars | st.lists(scalars, max_size=3), max_size=3
)
blocks = st.fixed_dictionaries({"layers": layers}, optional={"args": args})
documents = st.fixed_dictionaries(
    {"input": st.sampled_from(["8x6x4", [4, 8, 6], 12, "9x4", "4x5x6x2", "[4, width, 8]"]), "layers": layers},
    optional={
        "args": args,
        "blocks": st.fixed_dictionaries({}, optional={"unit": blocks, "stage": blocks}),
        "outputs": st.lists(names, max_size=2),
    },
)


@fuzz
@given(documents)
@example({"input": "8x6x4", "layers": [{"conv": {"kernel_size": {"a": 1}, "out_channels": 4}}]})
@example({"input": "8x6x4", "layers": [{"dropout": 1e300}, {"linear": 10**400}]})
@example({"input": "8x6x4", "layers": [{"linear": "item", "repeat": [{"a": 1}]}]})
def test_almost_a_document(document: dict[str, Any]) -> None:
    outcome(json.dumps(document, ensure_ascii=False))


def test_some_of_these_documents_are_networks() -> None:
    """So that the tests above reach the walk over sizes too."""
    found: list[bool] = []

    @settings(max_examples=150, derandomize=True, deadline=None, database=None)
    @given(documents)
    def count(document: dict[str, Any]) -> None:
        found.append(isinstance(outcome(json.dumps(document)), Network))

    count()
    assert found.count(True) > 5
    assert found.count(False) > 5


# Expressions and scalars ----------------------------------------------------------------------------------------------

KNOWN: dict[str, Any] = {
    "n": 3,
    "zero": 0,
    "big": 2**200,
    "widths": (4, 8, 16),
    "stem": {"width": 4, "list": (1, 2)},
    "word": "relu",
    "nothing": None,
    "yes": True,
}
atoms = st.sampled_from(
    [*KNOWN, "unknown", "0", "1", "7", "0.5", "1e9", "1e999", "'a'", "true", "null", "[]", "(1, 2)"]
)
OPERATORS = [
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "==",
    "!=",
    "<",
    ">=",
    "and",
    "or",
    "in",
    "not in",
    "is",
    "@",
    "^",
    "<<",
]
FUNCTIONS = ["max", "min", "len", "sum", "abs", "int", "round", "ceil", "floor", "make_divisible", "eval", "print"]


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner)
        | st.builds("{}({})".format, st.sampled_from(FUNCTIONS), inner)
        | st.builds("{}({}, {})".format, st.sampled_from(FUNCTIONS), inner, inner)
        | st.builds("{}[{}]".format, inner, inner)
        | st.builds("[{}, {}]".format, inner, inner)
        | st.builds("{}.{}".format, inner, st.sampled_from(["width", "list", "__class__"]))
        | st.builds("({} if {} else {})".format, inner, inner, inner)
        | st.builds("{}{}".format, st.sampled_from(["-", "+", "not ", "~", "*"]), inner)
    )


@fuzz
@given(st.recursive(atoms, _larger, max_leaves=12) | st.text(CHARACTERS, max_size=30))
@example("9**9**9")
@example("-" * 499 + "1")
@example("(" * 499)
@example("+".join(["1"] * 200))
@example("[[[[0] * 100] * 100] * 100] * 100")
@example("big ** 2 ** 2 ** 2")
@example("\\d")
@example("1if yes else 2")
def test_expression(text: str) -> None:
    start = process_time()
    wrong: ExpressionError | None = None
    try:
        value = Expression(text).evaluate(KNOWN)
    except ExpressionError as error:
        wrong = error
    else:
        assert isinstance(value, tuple | dict) or within_bounds(value)
    assert process_time() - start < SECONDS / 4
    if wrong is not None:
        assert wrong.code
        assert wrong.message
        assert 0 <= wrong.start <= wrong.end <= len(text) + 1


@fuzz
@given(st.text("0123456789+-._eExabnulltrefs~", max_size=12))
@example(".e5")
@example("+e5")
@example("1e999")
def test_scalar(text: str) -> None:
    value = scalar_value(text)
    assert value is None or isinstance(value, bool | int | float | str)
    if isinstance(value, str):
        assert value == text
    elif isinstance(value, int | float) and not isinstance(value, bool):
        assert float(text.replace("_", "")) == value


# Sizes ----------------------------------------------------------------------------------------------------------------

HUGE = 2_000_000_000


@pytest.mark.parametrize(
    ("size", "layer"),
    [
        ("8x8x3", f"adaptive_avg_pool: {HUGE}"),
        (f"{HUGE}x{HUGE}x3", "adaptive_max_pool: 7"),
        (f"{HUGE}x{HUGE}x3", "global_avg_pool"),
        ("8x8x3", f"upsample: {HUGE}"),
        ("8x8x3", f"upsample: {{scale_factor: {HUGE}, mode: bilinear}}"),
        ("8x8x3", f"upsample: {{size: {HUGE - 1}, mode: bilinear, align_corners: true}}"),
        (f"{HUGE}x8x3", "upsample: {size: 7, mode: bilinear}"),
        ("8x8x3", f"conv_transpose: {{out_channels: 3, kernel_size: 3, stride: {HUGE}}}"),
        ("8x8x3", f"conv_transpose: {{out_channels: 3, kernel_size: {HUGE}, stride: 3, dilation: 2}}"),
        (f"{HUGE}x{HUGE}x3", f"conv: {{out_channels: {HUGE}, kernel_size: {HUGE}, stride: {HUGE}}}"),
        (f"{HUGE}x{HUGE}x3", "max_pool: {kernel_size: 1, stride: 2}"),
        (f"8x8x{HUGE}", f"conv: {{out_channels: {HUGE}, kernel_size: 3, groups: 3}}"),
        (f"8x8x{HUGE}", f"conv: {{out_channels: {HUGE - 1}, kernel_size: 3, groups: {HUGE}}}"),
        (f"{HUGE}x{HUGE}x{HUGE}", f"linear: {HUGE}"),
        (f"{HUGE}x{HUGE}x{HUGE}", "flatten"),
        (f"{HUGE}x{HUGE}x3", f"space_to_depth: {HUGE}"),
        ("8x8x3", f"pixel_shuffle: {HUGE}"),
        ("8x8x3", f"pad: {HUGE}"),
        (f"{HUGE}x8x3", "slice: {axis: 1, step: 3}"),
        (f"8x8x{HUGE}", "channel_shuffle: 7"),
        (f"8x8x{HUGE}", f"local_response_norm: {HUGE}"),
        (f"8x8x{HUGE}", f"locally_connected: {{out_channels: {HUGE}, kernel_size: 3}}"),
        ("8x8x3", "{upsample: 1000, repeat: 1000}"),
        ("8x8x3", "{pixel_shuffle: 1, repeat: 1000}"),
        ("8x8x3", "{concat: [identity, identity], repeat: 1000}"),
    ],
)
def test_sizes_beyond_reason(size: str, layer: str) -> None:
    outcome(f"input: {size}\nlayers:\n  - {layer}\n")
