"""The JSON Schema of documents: it accepts what the loader accepts, and refuses what can be refused without sizes.

What it lets through of tests/errors is listed, title by title, in tests/data/schema_lets_through.txt.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc import DocumentError
from cnncalc.diagnostics import Findings, Source
from cnncalc.expectations import OF_NETWORK
from cnncalc.language.expressions import Expression, ExpressionError, exact
from cnncalc.language.fields import converted
from cnncalc.language.load import zoo, zoo_names
from cnncalc.language.reader import TOP_LEVEL
from cnncalc.language.schema import schema
from cnncalc.language.source import parse, plain
from cnncalc.layers import KINDS, Merge

jsonschema = pytest.importorskip("jsonschema")

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
sys.path.insert(0, str(TESTS))
from random_networks import documents
from test_errors import CASES

SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
LETS_THROUGH = TESTS / "data" / "schema_lets_through.txt"


def listed(value: Any) -> Any:
    if type(value) is tuple:
        return [listed(item) for item in value]
    return {key: listed(item) for key, item in value.items()} if type(value) is dict else value


def data(text: str) -> Any:
    """A document as a reader of YAML has it. Raises `DocumentError` where it is none."""
    found = Findings()
    root = parse(Source("net.yaml", text), found)
    found.raise_if_any()
    return listed(plain(root))


def of_editors(text: str) -> Any:
    """A document as YAML 1.2 has it, by which editors go: `1_000` is text."""

    return data(re.sub(r"(?<=[:,{\[ ])(\d+(?:_\d+)+)(?= *(?:[,\]}\n]| #))", r"'\1'", text))


def errors(document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(document)]


def accepts(text: str) -> bool:
    return bool(VALIDATOR.is_valid(data(text)))


# The schema itself ----------------------------------------------------------------------------------------------------


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator.check_schema({**SCHEMA, "$schema": "http://json-schema.org/draft-07/schema#"})
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def keywords(node: Any) -> Iterator[str]:
    """Every keyword of a schema: the keys of its mappings, but for those that are names."""
    if isinstance(node, list):
        for item in node:
            yield from keywords(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            if key in ("properties", "$defs"):
                yield from (word for inner in value.values() for word in keywords(inner))
            elif key not in ("default", "enum", "const"):
                yield from keywords(value)


def test_it_needs_no_more_than_draft_7() -> None:
    """The keywords mean the same there. (`$defs` is only where `$ref` points.)"""
    of_values = {"type", "enum", "const", "minimum", "exclusiveMinimum", "maximum", "pattern", "minItems", "maxItems"}
    of_values |= {"uniqueItems", "items", "properties", "required", "additionalProperties", "propertyNames"}
    of_values |= {"minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"}
    assert set(keywords(SCHEMA)) <= of_values | {"$schema", "$ref", "$defs", "title", "description", "default"}


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, list):
            yield from (reference for item in node for reference in references(item))
        elif isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    yield value
                else:
                    yield from references(value)

    assert {reference.removeprefix("#/$defs/") for reference in references(SCHEMA)} == SCHEMA["$defs"].keys()


def test_everything_of_the_language_is_in_it() -> None:
    assert tuple(SCHEMA["properties"]) == TOP_LEVEL
    assert list(SCHEMA["properties"]["expect"]["properties"]) == list(OF_NETWORK)
    for prefix in ("", "plain_"):
        for kind, layer in KINDS.items():
            form = SCHEMA["$defs"][prefix + kind]["anyOf"][0]
            assert list(form["properties"]) == [*(["paths"] if issubclass(layer, Merge) else []), *layer.fields]
            assert all(form["properties"][name]["description"] for name in layer.fields)


# What is accepted -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo(name: str) -> None:
    text = (zoo() / f"{name}.yaml").read_text("utf-8")
    assert errors(data(text)) == []
    assert errors(of_editors(text)) == []


def in_docs() -> dict[str, str]:
    """The documents of the manual that can be loaded, by their places; lists of layers are put in one."""
    found = {}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text("utf-8")
        for match in re.finditer(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            document = match[1]
            if document.startswith("- "):
                document = "input: 24x32x16\nlayers:\n" + "".join(f"  {line}\n" for line in document.splitlines())
            if "\nextends:" in document or document.startswith("extends:") or loads(document):
                found[f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}"] = document
    return found


def loads(text: str) -> bool:
    try:
        cnncalc.loads(text)
    except DocumentError:
        return False
    return True


IN_DOCS = in_docs()


def test_there_are_documents_in_the_manual() -> None:
    assert len(IN_DOCS) > 80


@pytest.mark.parametrize("where", IN_DOCS)
def test_documents_of_the_manual(where: str) -> None:
    assert errors(data(IN_DOCS[where])) == []
    assert errors(of_editors(IN_DOCS[where])) == []


def test_documents_of_the_tests() -> None:
    """Every text in the tests that can be loaded."""
    texts = {
        node.value
        for path in sorted(TESTS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "layers" in node.value
    }
    valid = [text for text in texts if len(text) < 100_000 and loads(text)]
    assert len(valid) > 200
    assert {text: found for text in valid if (found := errors(data(text)))} == {}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_random_networks(text: str) -> None:
    assert errors(data(text)) == []


PLAIN = "input: 8x9x3\nlayers:\n"


@pytest.mark.parametrize(
    "text",
    [
        "input: [3, 8, 9]\nlayers: [relu]\n",
        "input: 100\nlayers: [{linear: 3}]\n",
        "input: '2 * 50'\nlayers: [{linear: 3}]\n",
        "name: 5\ninput: 8x9x3\nlayers: [relu]\n",
        "input: 8x9x3\nargs:\nblocks:\nexpect:\nlayers: [relu]\n",
        "inputs: {a: 8x9x3, b: [3, 8, 9]}\nlayers: [{add: [a, b]}]\n",
        "input: 8x9x3\nargs: {size: [3, 3]}\nlayers: [{max_pool: size}]\n",
        PLAIN + "  - {max_pool: 0x2}\n",
        PLAIN + "  - {max_pool: 1 + 1}\n",
        PLAIN + "  - {max_pool: 2.0}\n",
        PLAIN + "  - {conv: {out_channels: in_channels * 2, kernel_size: 1}}\n",
        PLAIN + "  - {conv: {out_channels: item.width, kernel_size: 1}, repeat: [{width: 4}, {width: 5}]}\n",
        PLAIN + "  - {conv: {out_channels: 'item[i]', kernel_size: 1}, repeat: [[4], [4, 5]]}\n",
        PLAIN + "  - {max_pool: {kernel_size: 1, rounding: \"'ceil' if i else 'floor'\"}, repeat: 2}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel_size: 1, bias: i == 0}, repeat: 2}\n",
        PLAIN + "  - {relu: {}, when: not false, repeat: 'max(1, 2)'}\n",
        PLAIN + "  - relu:\n",
        PLAIN + "  - {add: [identity, relu, [], [relu], {tanh: {}}, {relu: {}, repeat: 2}]}\n",
        PLAIN + "  - {name: a, relu: {}}\n  - {concat: {paths: [a, input], axis: 0}, from: a, name: b}\n",
        PLAIN + "  - relu\noutputs: [relu]\n",
        "input: 8x9x3\nargs: {a: 5}\nblocks: {b: {args: {n: 3, m: null}, layers: [{linear: n}]}}\n"
        "layers: [{b: {m: 4}}, {b: {m: a}}]\n",
    ],
)
def test_what_is_accepted(text: str) -> None:
    cnncalc.loads(text)
    assert errors(data(text)) == []


@pytest.mark.parametrize(
    "expect",
    [
        "{parameters: 25_557_032, macs: 4.09G, flops: '>= 8 G', biases: 1, activations: '25,557', depth: < 5}",
        "{output: 1000, receptive_field: '>= 7x7'}",
        "{output: 7x7x64, receptive_field: [7, 7]}",
        "{output: {a: 5, b.c: [4, 4, 4]}}",
        "{memory.training: 8 GiB, memory.prediction: '<= 24_000 kB'}",
        "{memory.prediction: {model: liveness, dtype: float16, at_most: 8 GiB}}",
        "{memory.training: {batch: 2, model: eager, dtype: float16, device: cuda, optimizer: none, at_most: 8 GiB}}",
        "{layers: 5}",
        "{layers: {stem: {output: 7x7x3, layers: 4}, stage1.2.conv: {macs: 5k}}}",
    ],
)
def test_expectations_that_are_accepted(expect: str) -> None:
    assert errors(data(f"{PLAIN}  - relu\nexpect: {expect}\n")) == []


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "input: 8x9x3\n",
        "layers: [relu]\n",
        "input: 8x9x3\nlayers: []\n",
        "input: 8x9x3\nlayers:\n",
        "input: 8x9x3\ninputs: {a: 8x9x3}\nlayers: [relu]\n",
        "input: 0x9x3\nlayers: [relu]\n",
        "input: 8x9x3x3x3\nlayers: [relu]\n",
        "input: 8x9x3.5\nlayers: [relu]\n",
        "input: [3, 8, -9]\nlayers: [relu]\n",
        "input: size\nlayers: [relu]\n",
        "input: 8x9x3\nlayer: [relu]\n",
        "input: 8x9x3\nlayers: [relu]\nargs: {in_channels: 3}\n",
        "input: 8x9x3\nlayers: [relu]\nargs: {if: 3}\n",
        "input: 8x9x3\nlayers: [relu]\nblocks: {relu: {layers: [tanh]}}\n",
        "input: 8x9x3\nlayers: [relu]\nblocks: {b: {}}\n",
        "input: 8x9x3\nlayers: [relu]\nblocks: {b: {layer: [tanh]}}\n",
        "input: 8x9x3\nlayers: [relu]\noutputs: []\n",
        "input: 8x9x3\nlayers: [relu]\noutputs: [relu, relu]\n",
        "extends: base.yaml\nlayers: [relu]\n",
        "extends: [base.yaml]\n",
        PLAIN + "  - rellu\n",
        PLAIN + "  - {rellu: {}}\n",
        PLAIN + "  - [relu]\n",
        PLAIN + "  - {add: [identity, {rellu: {}}]}\n",
        PLAIN + "  - {add: [[rellu], identity]}\n",
        PLAIN + "  - conv\n",
        PLAIN + "  - conv:\n",
        PLAIN + "  - {conv: {out_channels: 4}}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel: 3}}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel_size: 0}}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel_size: 3x3}}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel_size: 3, padding: samee}}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel_size: 3, bias: yes}}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel_size: 3, bias: 1}}\n",
        PLAIN + "  - {conv: {out_channels: 4, kernel_size: 3, activation: rellu}}\n",
        PLAIN + "  - {conv: {out_channels: width, kernel_size: 3}}\n",
        PLAIN + "  - {dropout: 1.5}\n",
        PLAIN + "  - {dropout: 50%}\n",
        PLAIN + "  - {relu: 3}\n",
        PLAIN + "  - {relu: {}, max_pool: 2}\n",
        PLAIN + "  - {relu: {}, tanh: {}, name: a, when: true}\n",
        PLAIN + "  - {name: a, when: true}\n",
        PLAIN + "  - {relu: {}, name: 5}\n",
        PLAIN + "  - {relu: {}, name: identity}\n",
        PLAIN + "  - {relu: {}, repeat: -1}\n",
        PLAIN + "  - {relu: {}, repeat: three}\n",
        PLAIN + "  - {relu: {}, when: 1}\n",
        PLAIN + "  - {relu: {}, when: yes}\n",
        PLAIN + "  - {relu: {}, from: [a]}\n",
        PLAIN + "  - {add: [relu]}\n",
        PLAIN + "  - {add: relu}\n",
        PLAIN + "  - {concat: {axis: 1}}\n",
        "input: 8x9x3\nblocks: {b: {layers: [relu]}}\nlayers: [{b: 3}]\n",
        "input: 8x9x3\nargs: {a: 3}\nlayers: [{rellu: {}}]\n",
    ],
)
def test_what_is_refused(text: str) -> None:
    """By the loader too."""
    assert not loads(text)
    assert not accepts(text)


@pytest.mark.parametrize(
    "expect",
    [
        "{parameter: 5}",
        "{parameters: many}",
        "{parameters: 1.5}",
        "{parameters: -5}",
        "{parameters: '4,5k'}",
        "{parameters: 5 GB}",
        "{output: five}",
        "{output: 7×7}",
        "{output: []}",
        "{output: {}}",
        "{receptive_field: {a: 7x7}}",
        "{memory.training: 8}",
        "{memory.training: {batch: 2}}",
        "{memory.training: {batch: 0, at_most: 8 GiB}}",
        "{memory.training: {at_most: <= 8 GiB}}",
        "{memory.training: {optimizer: adamm, at_most: 8 GiB}}",
        "{memory.prediction: {optimizer: adam, at_most: 8 GiB}}",
        "{memory.training: {model: liveness, at_most: 8 GiB}}",
        "{memory.training: {model: sum, optimizer: adam, at_most: 8 GiB}}",
        "{layers: {}}",
        "{layers: {stem: {}}}",
        "{layers: {stem: {depth: 1}}}",
        "[output]",
    ],
)
def test_expectations_that_are_refused(expect: str) -> None:
    text = f"{PLAIN}  - relu\nexpect: {expect}\n"
    assert not loads(text)
    assert not accepts(text)


def test_the_documents_of_mistakes() -> None:
    """What of tests/errors is let through is what is listed, and each of the others is refused."""
    no_yaml, refused, let_through = [], [], []
    for title, case in CASES.items():
        try:
            document = data(case.document)
        except DocumentError:
            no_yaml.append(title)
            continue
        (let_through if VALIDATOR.is_valid(document) else refused).append(title)
    known = [line for line in LETS_THROUGH.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert let_through == known
    assert len(refused) > 120
    assert len(no_yaml) > 30


# Fields, value by value -----------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-3, 5),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), 0.0, -0.5, 0.5, 1.0, 1.5, 2.0, 1e-5, True, False, None]),
)
VALUES = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
FIELDS = [(kind, name) for kind, layer in KINDS.items() for name in layer.fields]


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_field_takes_what_its_kind_takes(kind: str, name: str) -> None:
    """Without expressions the two agree, value by value."""
    field = KINDS[kind].fields[name]
    of_field = VALIDATOR.evolve(schema=SCHEMA["$defs"][kind]["anyOf"][0]["properties"][name])

    def taken(value: Any) -> bool:
        held = exact(tuple(map(frozen, value)) if isinstance(value, list) else value)
        return field.takes.accepts(_converted(held))

    def _converted(value: Any) -> Any:
        return converted(field.takes, value)

    @settings(max_examples=60, deadline=None, database=None)
    @given(VALUES)
    def agree(value: Any) -> None:
        assert of_field.is_valid(value) is taken(value), value

    agree()
    for word in field.takes.literals:
        assert of_field.is_valid(word)


def frozen(value: Any) -> Any:
    return tuple(map(frozen, value)) if isinstance(value, list) else value


# Expressions ----------------------------------------------------------------------------------------------------------

CHARACTERS = tuple("0123456789.+-*/%()[]<>=,_ eExji#'\"\\!?:é\n")
WORDS = ("==", "**", "//", " if ", " else ", " and ", " not ", "true", "in_channels", "item", ".width", "max(")
VALUE_TEXTS = ("1e5", "0x1F", "'a b'", '"?"', "r'a'", "01.5", "1_0", "007", "1.")
NAMES = [{"i": 1, "item": item, "in_channels": 4} for item in (2, (3, 4), {"width": 5})]


@settings(max_examples=3000, deadline=None)
@given(st.lists(st.sampled_from([*CHARACTERS, *WORDS, *VALUE_TEXTS]), max_size=8).map("".join))
def test_expressions(text: str) -> None:
    """An expression of the language is one of the schema; if it has a value without args, also in documents without."""
    try:
        expression = Expression(text)
    except ExpressionError:
        return
    assert VALIDATOR.evolve(schema=SCHEMA["$defs"]["expression"]).is_valid(text)
    if any(has_value(expression, names) for names in NAMES):
        assert VALIDATOR.evolve(schema=SCHEMA["$defs"]["plain_expression"]).is_valid(text)


def has_value(expression: Expression, names: dict[str, Any]) -> bool:
    """With these names; a document refuses any other, even where `and` would not look at it."""
    if not expression.names.keys() <= names.keys():
        return False
    try:
        expression.evaluate(names)
    except ExpressionError:
        return False
    return True


@pytest.mark.parametrize(
    "text", ["a ? b : c", "2^i", "a && b", "3x3", "3, 8", "1,000", "50%", ".inf", "007", "", " ", "$a"]
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text)
    assert not VALIDATOR.evolve(schema=SCHEMA["$defs"]["expression"]).is_valid(text)


@pytest.mark.parametrize(
    "piece", ["1", "1.", ".1", "1.1", "a", ".a", "i", "if", "'", "''", "\\", " ", "0x", "1e", "1_", "x1", "[", ","]
)
def test_no_pattern_takes_long(piece: str) -> None:
    patterns = {node["pattern"] for node in _all(SCHEMA) if isinstance(node.get("pattern"), str)}
    start = process_time()
    for pattern in patterns:
        re.search(pattern, piece * 500 + "?")
        re.search(pattern, piece * 500 + " é")
    assert process_time() - start < 2.0


def _all(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _all(item)
    elif isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _all(value)
