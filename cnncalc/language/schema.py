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
from cnncalc.language.expect import AMOUNT, BOUNDS, COUNTS, OF_RUN, SIZES
from cnncalc.language.expressions import FUNCTIONS, WORDS_OF_EXPRESSIONS
from cnncalc.language.fields import MAX_NODES
from cnncalc.language.inputs import MAX_SPATIAL
from cnncalc.language.load import EXTENDING
from cnncalc.language.reader import BESIDE_THE_KIND, RESERVED_ARGS, RESERVED_NAMES, TOP_LEVEL
from cnncalc.layers import KINDS, Kind, Merge
from cnncalc.layers.fields import LARGEST_SIZE, Field
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
            "else": {"properties": {"layers": {"items": _ref("plain_layer")}}},
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
        "expression": {
            "description": "an expression over args",
            **_TEXT,
            "not": {"pattern": r"^\s*[0-9]+(\s*[xX×]\s*[0-9]+)+\s*$"},
        },
        "input": _input(),
        "args": _args(),
        "block": _mapping({"args": _ref("args"), "layers": _layers("layer")}, ["layers"]),
        "output": {"anyOf": [_ref("reference"), _mapping({"name": _ref("reference"), "when": _ref("when")}, ["name"])]},
        "repeat": {
            "description": "how often, or a list: `i` is the place, `item` what the list has there",
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_NODES}, {"type": "array"}, _ref("expression")],
        },
        "when": {
            "description": "whether the layer is there; without it, its input passes through",
            "anyOf": [{"type": "boolean"}, _ref("expression")],
        },
        **_scope("", blocks=True),
        **_scope("plain_", blocks=False),
        **{kind: _kind(layer) for kind, layer in KINDS.items() if not issubclass(layer, Merge)},
    }


def _mapping(properties: dict[str, Schema], required: list[str]) -> Schema:
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": required} if required else {})


def _layers(of: str) -> Schema:
    return {"type": "array", "minItems": 1, "items": _ref(of)}


def _input() -> Schema:
    size = "0*[1-9][0-9]*"
    return {
        "description": "height x width x channels, as 224x224x3, or channels first, as [3, 224, 224]",
        "anyOf": [
            {"type": "string", "pattern": f"^{size}(x{size}){{0,{MAX_SPATIAL}}}$"},
            _ref("expression"),
            {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE},
            {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_SPATIAL + 1,
                "items": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE}, _ref("expression")]},
            },
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


def _scope(prefix: str, blocks: bool) -> dict[str, Schema]:
    """A layer, a path, and the merges, which hold paths: of a document with blocks, or of one without.

    Without blocks a kind that is not known is a mistake; with them it may be a block.
    """
    layer, path = f"{prefix}layer", f"{prefix}path"
    beside = {"name": _ref("name"), "from": _ref("reference"), "repeat": _ref("repeat"), "when": _ref("when")}
    merges = {kind: f"{prefix}{kind}" for kind, owner in KINDS.items() if issubclass(owner, Merge)}
    use: Schema = {
        "type": "object",
        "properties": {**beside, **{kind: _ref(merges.get(kind, kind)) for kind in KINDS}},
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
        **{name: _merge(KINDS[kind], paths) for kind, name in merges.items()},
    }


def _block_use() -> Schema:
    return {"description": "a block, with its args", "type": ["object", "null"]}


def _merge(kind: type[Kind], paths: Schema) -> Schema:
    fields = _mapping({"paths": paths, **_fields(kind)}, ["paths", *kind.required])
    return {"description": kind.summary, "anyOf": [paths, fields]}


def _kind(kind: type[Kind]) -> Schema:
    """`kind: {fields}`, `kind: main value`, and `kind:` where no field is required."""
    fields = _fields(kind)
    forms = [_mapping(fields, list(kind.required))]
    if not kind.required:
        forms.append({"type": "null"})
    if kind.main:
        forms.append(fields[kind.main])
    return {"description": kind.summary, "anyOf": forms}


# Fields ---------------------------------------------------------------------------------------------------------------


def _fields(kind: type[Kind]) -> dict[str, Schema]:
    types = get_type_hints(kind, include_extras=True)
    return {name: _field(field, types[name]) for name, field in kind.fields.items()}


def _field(field: Field, annotation: Any) -> Schema:
    assert get_origin(annotation) is Annotated
    made: Schema = {"description": field.takes.words, "anyOf": _values(get_args(annotation)[0], field.takes.accepts)}
    made["anyOf"].append(_ref("expression"))
    return made if field.required or field.default is None else made | {"default": field.default}


def _values(annotation: Any, accepts: Accepts) -> list[Schema]:
    """Schemas of a type's values; bounds are where `accepts`, asked for one value after another, changes its answer."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return [schema for option in inside for schema in _values(option, accepts)]
    if origin is Literal:
        return [{"enum": list(inside)}]
    if origin is tuple and inside[1:] == (...,):
        items = [*_values(inside[0], lambda value: accepts((value,))), _ref("expression")]
        return [{"type": "array", "items": {"anyOf": items}, "minItems": 0 if accepts(()) else 1}]
    if origin is tuple:
        items = [*_values(inside[0], lambda value: accepts((value,) * len(inside))), _ref("expression")]
        return [{"type": "array", "items": {"anyOf": items}, "minItems": len(inside), "maxItems": len(inside)}]
    if annotation is int:
        return [_integers(accepts)]
    if annotation is float:
        return [_numbers(accepts)]
    return [{"type": {bool: "boolean", NoneType: "null"}[annotation]}]


def _integers(accepts: Accepts) -> Schema:
    least = next(bound for bound in (-LARGEST_SIZE, -1, 0, 1) if accepts(bound))
    made: Schema = {"type": "integer", "minimum": least}
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


def _amount(units: dict[str, int], needed: bool) -> str:
    """The pattern of an amount with one of these units, in capitals or not."""
    names = "|".join("".join(f"[{letter.lower()}{letter.upper()}]" for letter in unit) for unit in units)
    pattern = AMOUNT.replace("([A-Za-z]*)", f"({names})" if needed else f"({names})?")
    return f"^(?:{pattern})$"


def _memory(name: str) -> Schema:
    amount = {"type": "string", "pattern": _amount(UNITS, needed=True)}
    known = {word: {"enum": list(words)} for word, words in OF_RUN.items()}
    if name == "memory.prediction":
        del known["optimizer"]
    run = _mapping({"batch": {"type": "integer", "minimum": 1}, **known, **dict.fromkeys(BOUNDS, amount)}, [])
    return {"anyOf": [amount, run | {"anyOf": [{"required": [bound]} for bound in BOUNDS]}]}
