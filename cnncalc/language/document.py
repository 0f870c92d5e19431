"""A document's nodes become `Document`, `Block` and `LayerUse`: what is written, checked as far as it can be without sizes.

Read by hand rather than validated by a model: every value here may be an expression, and every mistake has to name its
column. What a layer's fields may hold is the pydantic models' to say (`layers/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cnncalc.diagnostics import (
    Diagnostic,
    DocumentError,
    Note,
    Source,
    Span,
    choices,
    near,
)
from cnncalc.language import foreign
from cnncalc.language.source import Mapping, Node, Scalar, Sequence, describe
from cnncalc.layers import KINDS, Kind, Merge

BESIDE_THE_KIND = ("name", "from", "repeat", "when")
TOP_LEVEL = ("name", "input", "inputs", "extends", "args", "blocks", "layers", "outputs")
EXTENDING = ("name", "input", "inputs", "extends", "args")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
RESERVED_NAMES = ("input", "identity")
RESERVED_ARGS = ("i", "item", "in_channels", "block_in_channels", "true", "false", "null")


@dataclass(slots=True, eq=False)
class Reference:
    """The name of an earlier layer, where a path or `from` gives one."""

    name: str
    node: Scalar


@dataclass(slots=True, eq=False)
class LayerUse:
    """One entry of a list of layers: a kind or a block, with its fields still as written."""

    kind: str  # a kind of layer or the name of a block
    node: Node
    kind_node: Scalar
    fields: dict[str, Node]
    field_keys: dict[str, Scalar]
    name: str
    named: bool  # by the document, not by us
    source_name: Reference | None = None  # `from`
    repeat: Node | None = None
    when: Node | None = None
    paths: list[Path] | None = None
    compiled: Any = None  # what expansion keeps with this use


Path = list[LayerUse] | Reference


@dataclass(slots=True, eq=False)
class Block:
    name: str
    node: Scalar
    args: dict[str, Node]
    layers: list[LayerUse]


@dataclass(slots=True, eq=False)
class Output:
    reference: Reference
    when: Node | None = None


@dataclass(slots=True, eq=False)
class Document:
    """A whole document; `args` and `inputs` are already those of the extending document and of the command line."""

    source: Source
    name: str
    inputs: dict[str, Node]
    args: dict[str, Node]
    blocks: dict[str, Block]
    layers: list[LayerUse]
    outputs: list[Output] | None = None
    input_keys: dict[str, Scalar] = field(default_factory=dict)


def read_document(root: Node) -> Document:
    """The document of a parsed text; raises `DocumentError` with everything wrong in it, in document order."""
    return _Reader(root.source).document(root)


def top_mapping(root: Node, allowed: tuple[str, ...] = TOP_LEVEL) -> Mapping:
    """The document's mapping, with no keys but those allowed."""
    if not isinstance(root, Mapping):
        raise DocumentError(
            Diagnostic(
                "not-a-document",
                f"a document is a mapping that begins `input:` and `layers:`, not {describe(root)}",
                Span(root.source, root.start, root.start + 1),
                help="start with `input: 32x32x3` and `layers:`",
            )
        )
    unknown = [unknown_key(root.keys[key], allowed, "a document has") for key in root.entries if key not in allowed]
    if unknown:
        raise DocumentError(*unknown)
    return root


def unknown_key(key: Scalar, allowed: tuple[str, ...] | list[str], owner: str) -> Diagnostic:
    nearest = near(key.text, allowed)
    help = f"did you mean {choices(nearest)}?" if nearest else f"{owner} {', '.join(allowed)}"
    return Diagnostic("unknown-field", f"`{key.text}` is not a known field", key.span, help=help)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.block_names: dict[str, Scalar] = {}

    def error(self, code: str, message: str, span: Span, help: str = "", notes: tuple[Note, ...] = ()) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, help=help, notes=notes))

    # The top ----------------------------------------------------------------------------------------------------------

    def document(self, root: Node) -> Document:
        top = top_mapping(root)
        inputs, input_keys = self.inputs(top)
        args = self.args(top.entries.get("args"), "args")
        blocks = self.blocks(top)
        layers: list[LayerUse] = []
        if "layers" not in top.entries:
            self.error(
                "missing-field", "the document has no `layers`", _start(root), help="add `layers:` and a list of layers"
            )
        else:
            layers = self.scope(top.entries["layers"], "layers")
        outputs = self.outputs(top.entries.get("outputs"))
        name = self.text(top, "name")
        if self.diagnostics:
            raise DocumentError(*sorted(self.diagnostics, key=lambda d: d.span.start if d.span else 0))
        return Document(self.source, name, inputs, args, blocks, layers, outputs, input_keys)

    def text(self, top: Mapping, key: str) -> str:
        node = top.entries.get(key)
        if node is None:
            return ""
        if isinstance(node, Scalar) and node.text:
            return node.text
        self.error("wrong-type", f"`{key}` has to be text, not {describe(node)}", node.span)
        return ""

    def inputs(self, top: Mapping) -> tuple[dict[str, Node], dict[str, Scalar]]:
        one, several = top.entries.get("input"), top.entries.get("inputs")
        if one is not None and several is not None:
            self.error("input-and-inputs", "`input` and `inputs` exclude each other", top.keys["inputs"].span)
        if one is not None:
            return {"input": one}, {"input": top.keys["input"]}
        if several is None:
            self.error(
                "missing-field",
                "the document has no `input`",
                _start(top),
                help="add `input: 224x224x3` (height x width x channels)",
            )
            return {}, {}
        if not isinstance(several, Mapping) or not several.entries:
            self.error(
                "wrong-type",
                f"`inputs` has to name each input with its size, not {describe(several)}",
                several.span,
                help="write `inputs: {image: 224x224x3, depth: 224x224x1}`",
            )
            return {}, {}
        for key in several.keys.values():
            self.check_name(key, "an input")
        return several.entries, several.keys

    def args(self, node: Node | None, field: str) -> dict[str, Node]:
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return {}
        if not isinstance(node, Mapping):
            self.error(
                "wrong-type", f"`{field}` has to be a mapping of names and values, not {describe(node)}", node.span
            )
            return {}
        for key in node.keys.values():
            if not NAME.match(key.text) or key.text in RESERVED_ARGS:
                self.error(
                    "bad-name",
                    f"`{key.text}` cannot name an argument",
                    key.span,
                    help="use a letter, then letters, digits and `_`; " + f"{', '.join(RESERVED_ARGS[:4])} are taken",
                )
        return node.entries

    def blocks(self, top: Mapping) -> dict[str, Block]:
        node = top.entries.get("blocks")
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return {}
        if not isinstance(node, Mapping):
            self.error(
                "wrong-type", f"`blocks` has to be a mapping of names and blocks, not {describe(node)}", node.span
            )
            return {}
        for key in node.keys.values():
            if key.text in KINDS:
                self.error("bad-name", f"`{key.text}` is a kind of layer; a block needs a name of its own", key.span)
            self.check_name(key, "a block")
        self.block_names = node.keys
        blocks = {name: block for name in node.entries if (block := self.block(node.keys[name], node.entries[name]))}
        self.check_recursion(blocks)
        return blocks

    def block(self, key: Scalar, node: Node) -> Block | None:
        if not isinstance(node, Mapping):
            self.error(
                "wrong-type",
                f"the block `{key.text}` has to have `args` and `layers`, not {describe(node)}",
                node.span,
                help="write `layers:` and a list below the block's name",
            )
            return None
        for name, other in node.keys.items():
            if name not in ("args", "layers"):
                self.diagnostics.append(unknown_key(other, ("args", "layers"), "a block has"))
        if "layers" not in node.entries:
            self.error("missing-field", f"the block `{key.text}` has no `layers`", key.span)
            return None
        args = self.args(node.entries.get("args"), f"{key.text}.args")
        return Block(key.text, key, args, self.scope(node.entries["layers"], f"{key.text}.layers"))

    def check_recursion(self, blocks: dict[str, Block]) -> None:
        """No block may hold itself, directly or through others."""
        state: dict[str, str] = {}

        def visit(block: Block, trail: tuple[str, ...]) -> None:
            state[block.name] = "open"
            for use in _all_uses(block.layers):
                inner = blocks.get(use.kind)
                if inner is None:
                    continue
                if state.get(inner.name) == "open":
                    cycle = " -> ".join([*trail[trail.index(inner.name) :], inner.name])
                    self.error(
                        "recursive-block",
                        f"the block `{inner.name}` holds itself ({cycle})",
                        use.kind_node.span,
                        help="use `repeat` to have a block several times",
                    )
                elif inner.name not in state:
                    visit(inner, (*trail, inner.name))
            state[block.name] = "done"

        for block in blocks.values():
            if block.name not in state:
                visit(block, (block.name,))

    def outputs(self, node: Node | None) -> list[Output] | None:
        if node is None:
            return None
        if not isinstance(node, Sequence) or not node.items:
            self.error(
                "wrong-type",
                f"`outputs` has to be a list of layer names, not {describe(node)}",
                node.span,
                help="write `outputs: [boxes, scores]`",
            )
            return None
        outputs = []
        for item in node.items:
            if isinstance(item, Scalar) and item.text:
                outputs.append(Output(Reference(item.text, item)))
            elif isinstance(item, Mapping) and isinstance(item.entries.get("name"), Scalar):
                extra = [key for key in item.entries if key not in ("name", "when")]
                self.diagnostics += [unknown_key(item.keys[key], ("name", "when"), "an output has") for key in extra]
                name = item.entries["name"]
                assert isinstance(name, Scalar)
                outputs.append(Output(Reference(name.text, name), item.entries.get("when")))
            else:
                self.error("wrong-type", f"an output is the name of a layer, not {describe(item)}", item.span)
        return outputs

    def check_name(self, key: Scalar, of: str) -> bool:
        if NAME.match(key.text) and key.text not in ("identity", "null", "true", "false"):
            return True
        taken = key.text in ("identity", "null", "true", "false")
        self.error(
            "bad-name",
            f"`{key.text}` cannot name {of}" + (": the word has a meaning of its own" if taken else ""),
            key.span,
            help="use a letter, then letters, digits and `_`",
        )
        return False

    # Layers -----------------------------------------------------------------------------------------------------------

    def scope(self, node: Node, field: str) -> list[LayerUse]:
        """A document's or a block's own layers, with names that are unique in it."""
        uses = self.layers(node, field)
        self.name(uses)
        return uses

    def layers(self, node: Node, field: str) -> list[LayerUse]:
        if isinstance(node, Scalar) and node.value is None:
            self.error("no-layers", f"`{field}` is empty", node.span, help="add a layer, e.g. `- relu`")
            return []
        if not isinstance(node, Sequence):
            self.error(
                "wrong-type",
                f"`{field}` has to be a list of layers, not {describe(node)}",
                node.span if isinstance(node, Scalar) else _start(node),
                help="begin each layer with `- `",
            )
            return []
        return [use for item in node.items if (use := self.use(item)) is not None]

    def name(self, uses: list[LayerUse]) -> None:
        """Give every unnamed use its kind's name, with a number where the scope has several."""
        every = list(_all_uses(uses))
        taken: dict[str, LayerUse] = {}
        for use in every:
            if not use.named:
                continue
            if use.name in taken:
                self.error(
                    "duplicate-name",
                    f"two layers are named `{use.name}`",
                    _name_span(use),
                    notes=(Note("the first is at", _name_span(taken[use.name])),),
                    help="give one of them another name",
                )
            taken[use.name] = use
        unnamed = [use for use in every if not use.named]
        several: dict[str, int] = {}
        for use in unnamed:
            several[use.kind] = several.get(use.kind, 0) + 1
        numbers: dict[str, int] = {}
        for use in unnamed:
            if several[use.kind] == 1 and use.kind not in taken:
                use.name = use.kind
                continue
            number = numbers.get(use.kind, 0) + 1
            while f"{use.kind}{number}" in taken:
                number += 1
            numbers[use.kind] = number
            use.name = f"{use.kind}{number}"

    def use(self, node: Node) -> LayerUse | None:
        if isinstance(node, Scalar):
            return self.bare_use(node)
        if not isinstance(node, Mapping):
            self.error(
                "wrong-type",
                f"a layer is a kind, or a mapping with one kind, not {describe(node)}",
                _start(node),
                help="a list of layers belongs in a block, or in a merge such as `add`",
            )
            return None
        return self.mapped_use(node)

    def bare_use(self, node: Scalar) -> LayerUse | None:
        if node.text in KINDS or node.text in self.block_names:
            use = LayerUse(node.text, node, node, {}, {}, "", False)
            return self.merge_without_paths(use) if _is_merge(node.text) else use
        self.unknown_kind(node)
        return None

    def mapped_use(self, node: Mapping) -> LayerUse | None:
        kinds = [key for key in node.entries if key not in BESIDE_THE_KIND]
        if len(kinds) != 1:
            return self.not_one_kind(node, kinds)
        (kind,) = kinds
        kind_node = node.keys[kind]
        if kind not in KINDS and kind not in self.block_names:
            self.unknown_kind(kind_node)
            return None
        use = LayerUse(kind, node, kind_node, {}, {}, "", False)
        if len(node.entries) > 1:
            self.beside(use, node)
        if _is_merge(kind):
            return self.merge(use, node.entries[kind])
        self.fields(use, node.entries[kind])
        return use

    def not_one_kind(self, node: Mapping, kinds: list[str]) -> None:
        if not kinds:
            self.error("no-kind", "this entry names no kind of layer", _start(node), help="add one, e.g. `relu: {}`")
            return
        known = [kind for kind in kinds if kind in KINDS or kind in self.block_names]
        if len(known) == 1:
            stray = next(kind for kind in kinds if kind not in known)
            fields = self.field_names(known[0])
            inside = near(stray, fields) or ([foreign.FIELDS[stray]] if stray in foreign.FIELDS else [])
            nearest = near(stray, BESIDE_THE_KIND)
            help = f"beside the kind stand {', '.join(BESIDE_THE_KIND)}"
            if stray in fields or inside:
                help = f"put it inside: `{known[0]}: {{{inside[0] if inside else stray}: ...}}`; is the line indented enough?"
            elif nearest:
                help = f"did you mean {choices(nearest)}?"
            self.error(
                "unknown-field", f"`{stray}` is not a known field beside `{known[0]}`", node.keys[stray].span, help
            )
            return
        self.error(
            "two-kinds",
            f"one entry names {len(kinds)} kinds: {', '.join(f'`{kind}`' for kind in kinds)}",
            node.keys[kinds[1]].span,
            help="give each layer a `- ` of its own",
        )

    def unknown_kind(self, node: Scalar) -> None:
        if not node.text or node.value is None:
            self.error("no-kind", "this entry names no kind of layer", node.span, help="name one, e.g. `- relu`")
            return
        meant = foreign.kind_meant(node.text)
        nearest = [meant] if meant else near(node.text, [*self.block_names, *KINDS])
        help = f"did you mean {choices(nearest)}?" if nearest else "`cnncalc kinds` lists them"
        self.error("unknown-kind", f"`{node.text}` is not a kind of layer or a block", node.span, help)

    def beside(self, use: LayerUse, node: Mapping) -> None:
        """`name`, `from`, `repeat`, `when`."""
        name = node.entries.get("name")
        if name is not None:
            if isinstance(name, Scalar) and self.check_name(name, "a layer"):
                use.name, use.named = name.text, True
                if name.text in RESERVED_NAMES:
                    self.error("bad-name", f"`{name.text}` cannot name a layer: it is the network's input", name.span)
            elif not isinstance(name, Scalar):
                self.error("wrong-type", f"`name` has to be a word, not {describe(name)}", name.span)
        source = node.entries.get("from")
        if isinstance(source, Scalar) and source.text:
            use.source_name = Reference(source.text, source)
        elif source is not None:
            self.error(
                "wrong-type",
                f"`from` has to be the name of one layer, not {describe(source)}",
                source.span,
                help="to join several, use a merge: `concat: [a, b]`",
            )
        use.repeat = node.entries.get("repeat")
        use.when = node.entries.get("when")

    def field_names(self, kind: str) -> list[str]:
        return list(KINDS[kind].fields) if kind in KINDS else []

    def fields(self, use: LayerUse, value: Node) -> None:
        """`kind: value` or `kind: {fields}`; a block's fields are its args and are checked where the block is known."""
        if isinstance(value, Mapping):
            use.fields, use.field_keys = value.entries, value.keys
            if use.kind in KINDS:
                self.check_fields(use)
            return
        if isinstance(value, Scalar) and value.value is None and value.text == "":
            return
        if use.kind not in KINDS:
            self.error(
                "wrong-type",
                f"the block `{use.kind}` takes its args by name, not {describe(value)}",
                value.span,
                help=f"write `{use.kind}: {{name: value}}`",
            )
            return
        main = KINDS[use.kind].main
        if main:
            use.fields, use.field_keys = {main: value}, {main: use.kind_node}
            return
        self.error(
            "wrong-type", f"`{use.kind}` takes fields by name, not {describe(value)}", value.span, _example(use.kind)
        )

    def check_fields(self, use: LayerUse) -> None:
        known = self.field_names(use.kind)
        for key, node in use.field_keys.items():
            if key in known:
                continue
            meant = foreign.FIELDS.get(key)
            if meant == "out_channels" and "out_features" in known:
                meant = "out_features"
            if key in foreign.NEEDLESS_FIELDS:
                help = f"leave it out: {foreign.NEEDLESS_FIELDS[key]}"
            elif meant in known:
                help = f"write `{meant}`" + (" with `floor`, `ceil` or `exact`" if meant == "rounding" else "")
            elif any(bracket in key for bracket in "()[]"):
                help = 'inside `{}` an expression with a comma or bracket needs quotes: {out: "max(a, b)"}'
            else:
                nearest = near(key, known)
                has = f"`{use.kind}` has {', '.join(known)}" if known else f"`{use.kind}` has no fields"
                help = f"did you mean {choices(nearest)}?" if nearest else has
            self.error("unknown-field", f"`{key}` is not a field of `{use.kind}`", node.span, help)
        for name, declared in KINDS[use.kind].fields.items():
            if declared.required and name not in use.fields:
                self.missing(use, name)

    def missing(self, use: LayerUse, name: str) -> None:
        self.error("missing-field", f"`{use.kind}` needs `{name}`", use.kind_node.span, help=_example(use.kind))

    # Merges -----------------------------------------------------------------------------------------------------------

    def merge_without_paths(self, use: LayerUse) -> None:
        self.missing(use, "paths")

    def merge(self, use: LayerUse, value: Node) -> LayerUse | None:
        paths = value
        if isinstance(value, Mapping):
            use.fields = {key: node for key, node in value.entries.items() if key != "paths"}
            use.field_keys = {key: node for key, node in value.keys.items() if key != "paths"}
            self.check_fields(use)
            if "paths" not in value.entries:
                self.missing(use, "paths")
                return None
            paths = value.entries["paths"]
        if not isinstance(paths, Sequence):
            self.error(
                "wrong-type",
                f"`{use.kind}` takes a list of paths, not {describe(paths)}",
                paths.span,
                help=_example(use.kind),
            )
            return None
        if len(paths.items) < 2:
            self.error(
                "one-path",
                f"`{use.kind}` joins at least two paths, and has {len(paths.items)}",
                paths.span,
                help="add `identity` for the value that enters" if use.kind == "add" else "add a path",
            )
            return None
        use.paths = [self.path(item) for item in paths.items]
        return use

    def path(self, node: Node) -> Path:
        if isinstance(node, Sequence):
            return [use for item in node.items if (use := self.use(item)) is not None]
        if isinstance(node, Scalar):
            if node.text == "identity":
                return []
            if node.text and node.text not in KINDS and node.text not in self.block_names:
                return Reference(node.text, node)
        use = self.use(node)
        return [use] if use is not None else []


def _all_uses(uses: list[LayerUse]) -> Iterator[LayerUse]:
    """The uses of a scope in document order, those inside merges' paths included."""
    for use in uses:
        yield use
        for path in use.paths or ():
            if not isinstance(path, Reference):
                yield from _all_uses(path)


def _is_merge(kind: str) -> bool:
    layer = KINDS.get(kind)
    return layer is not None and issubclass(layer, Merge)


def _name_span(use: LayerUse) -> Span:
    assert isinstance(use.node, Mapping)
    return use.node.entries["name"].span


def _start(node: Node) -> Span:
    return Span(node.source, node.start, node.start + 1)


def _example(kind: str) -> str:
    layer: type[Kind] = KINDS[kind]
    if issubclass(layer, Merge):
        return f"write `{kind}: [[conv_a, relu], identity]`: a list of paths"
    required = [name for name, field in layer.fields.items() if field.required]
    if layer.main and required in ([], [layer.main]):
        return f"write `{kind}: {_sample(layer, layer.main)}`"
    return f"write `{kind}: {{{', '.join(f'{name}: {_sample(layer, name)}' for name in required)}}}`"


_SAMPLES = {"out_channels": "64", "kernel_size": "3", "dims": "[0, 2, 1]", "shape": "[64, 7, 7]", "p": "0.2"}


def _sample(layer: type[Kind], name: str) -> str:
    words = layer.fields[name].takes.literals
    return _SAMPLES.get(name, words[0] if words else "2")
