"""The JSON Schema of the language, for editors: what can be said of a document without computing anything.

It is made from the layer kinds themselves: the types of their fields give its types, and what their fields accept the
bounds. A schema sees no names and no sizes, so it lets through what only they show; it refuses nothing that the loader
accepts. Any number may be an expression, which is text. Nothing in it needs more than draft 7, which editors read.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from keyword import kwlist
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from cnncalc.expectations import OF_LAYER, OF_NETWORK, Sort
from cnncalc.language.expect import AMOUNT, BOUNDS, COUNTS, OF_EAGER, OF_RUN, SIGN, SIZES
from cnncalc.language.expressions import FUNCTIONS, WORDS_OF_EXPRESSIONS
from cnncalc.language.fields import MAX_NODES
from cnncalc.language.inputs import MAX_SPATIAL
from cnncalc.language.load import EXTENDING
from cnncalc.language.reader import BESIDE_THE_KIND, RESERVED_ARGS, RESERVED_NAMES, TOP_LEVEL
from cnncalc.layers import KINDS, Kind, Merge
from cnncalc.layers.fields import Field
from cnncalc.shapes import LARGEST_SIZE
from cnncalc.units import UNITS

Schema = dict[str, Any]
Accepts = Callable[[Any], bool]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
NAME = "^[A-Za-z][A-Za-z0-9_]*$"
REFERENCE = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"

# A kind that stands alone needs no field; a merge never does.
BARE = [kind for kind, layer in KINDS.items() if not layer.required and not issubclass(layer, Merge)]
NOT_BARE = [kind for kind in KINDS if kind not in BARE]


def schema() -> Schema:
    """The whole schema."""
    document: Schema = {
        "$schema": DRAFT,
        "title": "cnncalc document",
        "description": "A convolutional network: its input, its layers, and what is expected of it.",
        "type": "object",
        "properties": _top(),
        "additionalProperties": False,
        "if": {"required": ["extends"]},
        "then": {"propertyNames": {"enum": list(EXTENDING)}},
        "else": {
            "required": ["layers"],
            "oneOf": [{"required": ["input"]}, {"required": ["inputs"]}],
            "if": {"required": ["blocks"]},
            "then": {"properties": {"layers": {"items": _ref("layer")}}},
            "else": {
                "if": {"required": ["args"]},
                "then": {"properties": {"layers": {"items": _ref("kinds_layer")}}},
                "else": {"properties": {"layers": {"items": _ref("plain_layer")}, "input": _ref("plain_input")}},
            },
        },
    }
    return document | {"$defs": _definitions()}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _top() -> dict[str, Schema]:
    top = {
        "name": {"description": "for titles", "type": ["string", "number", "boolean"]},
        "input": _ref("input"),
        "inputs": {
            "description": "several inputs, each with its size",
            "type": "object",
            "minProperties": 1,
            "propertyNames": _ref("name"),
            "additionalProperties": _ref("input"),
        },
        "extends": {"description": "the document that this one changes: a file beside it or below", **_TEXT},
        "args": _ref("args"),
        "blocks": {
            "description": "layers that are used together, by the name that they are used by",
            "type": ["object", "null"],
            "propertyNames": {"allOf": [_ref("name"), {"not": {"enum": list(KINDS)}}]},
            "additionalProperties": _ref("block"),
        },
        "layers": {"description": "the network, from top to bottom", "type": "array", "minItems": 1},
        "outputs": {
            "description": "the layers that are the network's results, where it is not the last one",
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": _ref("output"),
        },
        "expect": _expect(),
    }
    return {name: top[name] for name in TOP_LEVEL}


_TEXT: Schema = {"type": "string", "pattern": r"\S"}


def _definitions() -> dict[str, Schema]:
    return {
        "name": {"type": "string", "pattern": NAME, "not": {"enum": list(RESERVED_NAMES)}},
        "reference": {"type": "string", "pattern": REFERENCE},
        "expression": _expression("an expression over args", _LEXICAL),
        "plain_expression": _expression("an expression", _WITHOUT_ARGS, _NOT_ASCII),
        "input": _input(_ref("expression")),
        "plain_input": _input(_ref("plain_expression")),
        "args": _args(),
        "block": _mapping({"args": _ref("args"), "layers": _layers("layer")}, ["layers"]),
        "output": {"anyOf": [_ref("reference"), _mapping({"name": _ref("reference"), "when": _ref("when")}, ["name"])]},
        "repeat": _repeat(_ref("expression")),
        "plain_repeat": _repeat(_ref("plain_expression")),
        "when": _when(_ref("expression")),
        "plain_when": _when(_ref("plain_expression")),
        **_scope("", "", blocks=True),
        **_scope("kinds_", "", blocks=False),
        **_scope("plain_", "plain_", blocks=False),
        **{
            of_values + kind: _kind(layer, of_values)
            for of_values in ("", "plain_")
            for kind, layer in KINDS.items()
            if not issubclass(layer, Merge)
        },
    }


def _mapping(properties: dict[str, Schema], required: list[str]) -> Schema:
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": required} if required else {})


def _layers(of: str) -> Schema:
    return {"type": "array", "minItems": 1, "items": _ref(of)}


# Values ---------------------------------------------------------------------------------------------------------------

_STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_COMMENT = r"(?:#[\s\S]*)?"
_TRIPLE = r"""'''|"{3}"""  # in which a quote may stand
_NOT_ASCII = r"[^\x00-\x7F]"

# Characters that mean something; and the same with the names that are known without args. No text matches in two ways,
# so that none takes long.
_LEXICAL = rf"""^(?:[^'"#?:;@$&|^~{{}}`!\\]|!=|\\|{_STRING})*{_COMMENT}$"""
_WORD = r"[A-Za-z_0-9]"
_NUMBER = rf"0[xXoObB][0-9A-Fa-f_]+(?!{_WORD})|(?:[0-9]|\.[0-9])[0-9_.]*(?![0-9_.])(?:[eE][-+]?[0-9][0-9_]*(?![0-9_]))?"
_KNOWN = "|".join(sorted({"i", "item", "in_channels", "divisor", *FUNCTIONS, *WORDS_OF_EXPRESSIONS}))
_WITHOUT_ARGS = (
    rf"""^(?:[^A-Za-z_0-9.'"#?:;@$&|^~{{}}`!\\]|!=|\\|{_NUMBER}|(?:{_KNOWN})(?!{_WORD})"""
    rf"""|\.\s*[A-Za-z_]{_WORD}*(?!{_WORD})|[rRuU]?{_STRING})*{_COMMENT}$"""
)
_NO_EXPRESSION = (
    r"^\s*(?!0[xX][0-9]+\s*$)[0-9]+(\s*[xX×]\s*[0-9]+)+\s*$",  # 3x3
    r"""^[^()\[\]'"#]*,[^()\[\]'"#]*$""",  # 3, 8 and 1,000
    r"""^[^'"#]*[-+*/%<>=(\[]\s*$""",  # 50%
    r"^\s*([*/%<>=)\],]|\.[A-Za-z_])",  # .inf
    r"^\s*[-+]?0[0-9]*[1-9][0-9]*\s*$",  # 0123
)


def _expression(description: str, pattern: str, *escapes: str) -> Schema:
    """Text that matches `pattern`, or one of those that it is not made for."""
    return {
        "description": description,
        **_TEXT,
        "anyOf": [{"pattern": right} for right in (pattern, _TRIPLE, *escapes)],
        "not": {"anyOf": [{"pattern": wrong} for wrong in _NO_EXPRESSION]},
    }


def _repeat(expression: Schema) -> Schema:
    return {
        "description": "how often, or a list: `i` is the place, `item` what the list has there",
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_NODES}, {"type": "array"}, expression],
    }


def _when(expression: Schema) -> Schema:
    return {
        "description": "whether the layer is there; without it, its input passes through",
        "anyOf": [{"type": "boolean"}, expression],
    }


def _input(expression: Schema) -> Schema:
    size, number = "0*[1-9][0-9]*", {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE}
    items = {"anyOf": [number, expression]}
    return {
        "description": "height x width x channels, as 224x224x3, or channels first, as [3, 224, 224]",
        "anyOf": [
            {"type": "string", "pattern": f"^{size}(x{size}){{0,{MAX_SPATIAL}}}$"},
            number,
            {"type": "array", "minItems": 1, "maxItems": MAX_SPATIAL + 1, "items": items},
            expression,
        ],
    }


def _args() -> Schema:
    taken = sorted({*RESERVED_ARGS, *FUNCTIONS, *WORDS_OF_EXPRESSIONS, *kwlist})
    return {
        "description": "names for values",
        "type": ["object", "null"],
        "propertyNames": {"pattern": NAME, "not": {"enum": taken}},
    }


# Layers ---------------------------------------------------------------------------------------------------------------


def _scope(prefix: str, of_values: str, blocks: bool) -> dict[str, Schema]:
    """A layer, a path, and the merges, which hold paths: of a document with blocks, or of one without.

    Without blocks a kind that is not known is a mistake; with them it may be a block. Without args, so is a name in an
    expression: `of_values` is the prefix of the schemas that say so.
    """
    layer, path = f"{prefix}layer", f"{prefix}path"
    beside = {"name": _ref("name"), "from": _ref("reference")}
    beside |= {"repeat": _ref(f"{of_values}repeat"), "when": _ref(f"{of_values}when")}
    beside |= {"shares": {**_ref("reference"), "description": "the layer whose parameters it uses"}}
    beside |= {"functional": {"description": "whether the code calls it as a function", "type": "boolean"}}
    owners = {kind: prefix if issubclass(owner, Merge) else of_values for kind, owner in KINDS.items()}
    use: Schema = {
        "type": "object",
        "properties": {**beside, **{kind: _ref(owner + kind) for kind, owner in owners.items()}},
        "additionalProperties": _block_use() if blocks else False,
        # One kind and no more: a key that is none of those beside it, and one key more than there are of those.
        "not": {"propertyNames": {"enum": list(BESIDE_THE_KIND)}},
        "anyOf": [
            {"maxProperties": count + 1} | ({"required": list(keys)} if keys else {})
            for count in range(len(beside) + 1)
            for keys in combinations(beside, count)
        ],
    }
    if blocks:
        use["propertyNames"] = {"anyOf": [{"enum": [*BESIDE_THE_KIND, *KINDS]}, _ref("name")]}
    named = {"type": "string", "pattern": NAME, "not": {"enum": [*NOT_BARE, *RESERVED_NAMES]}}
    known: Schema = {"enum": BARE}
    word = {"anyOf": [known, named]} if blocks else known
    paths = {"description": "paths that start from one value", "type": "array", "minItems": 2, "items": _ref(path)}
    return {
        layer: {"description": "a layer: a kind, or a mapping with one kind", "anyOf": [word, use]},
        path: {
            "description": "a list of layers, a layer, the name of an earlier one, or `identity`",
            "anyOf": [
                {"enum": ["identity", *BARE]},
                {"allOf": [_ref("reference"), {"not": {"enum": NOT_BARE}}]},
                {"type": "array", "items": _ref(layer)},
                _ref(layer),
            ],
        },
        **{prefix + kind: _kind(owner, of_values, paths) for kind, owner in KINDS.items() if issubclass(owner, Merge)},
    }


def _block_use() -> Schema:
    return {"description": "a block, with its args", "type": ["object", "null"]}


def _kind(kind: type[Kind], of_values: str, paths: Schema | None = None) -> Schema:
    """`kind: {fields}`, `kind: main value` where no other is required, and `kind:` where none is.

    `paths` are those of a merge.
    """
    expression = _ref(f"{of_values}expression")
    fields = {"paths": paths} if paths is not None else {}
    types = get_type_hints(kind, include_extras=True)
    fields |= {name: _field(field, types[name], expression) for name, field in kind.fields.items()}
    required = [*(["paths"] if paths is not None else []), *kind.required]
    forms = [_mapping(fields, required)]
    forms += [] if required else [{"type": "null"}]
    forms += [fields[kind.main]] if kind.main and set(required) <= {kind.main} else []
    return {"description": kind.summary, "anyOf": forms}


# Fields ---------------------------------------------------------------------------------------------------------------


def _field(field: Field, annotation: Any, expression: Schema) -> Schema:
    assert get_origin(annotation) is Annotated
    values = _values(get_args(annotation)[0], field.takes.accepts, expression)
    made: Schema = {"description": field.takes.words, "anyOf": [*values, expression]}
    return made if field.required or field.default is None else made | {"default": field.default}


def _values(annotation: Any, accepts: Accepts, expression: Schema) -> list[Schema]:
    """Schemas of a type's values; bounds are where `accepts`, asked for one value after another, changes its answer."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return [schema for option in inside for schema in _values(option, accepts, expression)]
    if origin is Literal:
        return [{"enum": list(inside)}]
    if origin is tuple:
        count = 1 if inside[1:] == (...,) else len(inside)
        items = [*_values(inside[0], lambda value: accepts((value,) * count), expression), expression]
        bounds = {"minItems": 0 if accepts(()) else 1} if count == 1 else {"minItems": count, "maxItems": count}
        return [{"type": "array", "items": {"anyOf": items}, **bounds}]
    if annotation is int:
        return [_integers(accepts)]
    if annotation is float:
        return [_numbers(accepts)]
    return [{"type": {bool: "boolean", NoneType: "null"}[annotation]}]


def _integers(accepts: Accepts) -> Schema:
    least = next(bound for bound in (-LARGEST_SIZE, -1, 0, 1) if accepts(bound))
    made: Schema = {"type": "integer"}
    made |= {"minimum": least} if not accepts(-LARGEST_SIZE - 1) else {}
    made |= {"maximum": LARGEST_SIZE} if not accepts(LARGEST_SIZE + 1) else {}
    return made | ({"not": {"const": 0}} if least < 0 and not accepts(0) else {})


def _numbers(accepts: Accepts) -> Schema:
    made: Schema = {"type": "number"}
    if not accepts(-1.0):
        made |= {"minimum": 0} if accepts(0.0) else {"exclusiveMinimum": 0}
    return made if accepts(2.0) else made | {"maximum": 1}


# expect ---------------------------------------------------------------------------------------------------------------


def _expect() -> Schema:
    sorts = {sort: _expected(sort) for sort in ("count", "sizes", "shape")}
    of_layer = {name: sorts[sort] for name, sort in OF_LAYER.items()}
    layers = {
        "description": "of layers and blocks, by their names",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": _mapping(of_layer, []) | {"minProperties": 1},
    }
    of_network = {name: _memory(name) if sort == "bytes" else sorts[sort] for name, sort in OF_NETWORK.items()}
    of_network["output"] = {"anyOf": [sorts["shape"], _by_name(sorts["shape"])]}
    of_network["layers"] = {"anyOf": [sorts["count"], layers]}
    described = {"description": "what the network has to be: numbers, figures (15.5G) or bounds (<= 16G)"}
    return described | _mapping(of_network, []) | {"type": ["object", "null"]}


def _by_name(values: Schema) -> Schema:
    return {"type": "object", "minProperties": 1, "propertyNames": _ref("reference"), "additionalProperties": values}


def _expected(sort: Sort) -> Schema:
    number = {"type": "integer", "minimum": 0}
    if sort == "count":
        return {"anyOf": [number, {"type": "string", "pattern": _amount(COUNTS, needed=False)}]}
    listed = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}}
    return {"anyOf": [number, {"type": "string", "pattern": f"^(?:{SIZES})$"}, listed]}


def _amount(units: dict[str, int], needed: bool, sign: bool = True) -> str:
    """The pattern of an amount with one of these units, in capitals or not, and a sign before it or none."""
    names = "|".join("".join(f"[{letter.lower()}{letter.upper()}]" for letter in unit) for unit in units)
    pattern = AMOUNT.replace("([A-Za-z]*)", f"({names})" if needed else f"({names})?")
    return f"^(?:{pattern if sign else pattern.removeprefix(SIGN)})$"


def _memory(name: str) -> Schema:
    amount, bound = [{"type": "string", "pattern": _amount(UNITS, True, sign)} for sign in (True, False)]
    known: dict[str, Schema] = {word: {"enum": list(words)} for word, words in OF_RUN.items()}
    if name == "memory.prediction":
        del known["optimizer"]
    else:
        known["model"] = {"enum": [model for model in OF_RUN["model"] if model != "liveness"]}
    run = _mapping({"batch": {"type": "integer", "minimum": 1}, **known, **dict.fromkeys(BOUNDS, bound)}, [])
    run["if"] = {"required": ["model"], "properties": {"model": {"not": {"const": "eager"}}}}
    run["then"] = {"not": {"anyOf": [{"required": [word]} for word in OF_EAGER]}}
    return {"anyOf": [amount, run | {"anyOf": [{"required": [word]} for word in BOUNDS]}]}
