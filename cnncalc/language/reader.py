"""A document's nodes become a `Document`, checked as far as it can be without sizes.

By hand rather than by pydantic: every value may be an expression, every mistake has to name its column, and all of them
are said in one go. What is left to `expand` are the mistakes that only sizes and values show.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from keyword import iskeyword
from typing import Any

from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Note, Span, did_you_mean, near, quoted
from cnncalc.language import foreign
from cnncalc.language.document import Block, Document, InputSize, LayerUse, Output, Path, Reference
from cnncalc.language.expect import read_expect
from cnncalc.language.expressions import FUNCTIONS, WORDS_OF_EXPRESSIONS
from cnncalc.language.fields import converted, example, takes_words, wrong_condition, wrong_repeat, wrong_value
from cnncalc.language.inputs import read_input
from cnncalc.language.source import Mapping, Node, Scalar, Sequence, describe, empty_document
from cnncalc.language.terms import Term, read_term
from cnncalc.layers import KINDS, Kind, Merge

BESIDE_THE_KIND = ("name", "from", "repeat", "when", "shares", "functional")
TOP_LEVEL = ("name", "input", "inputs", "extends", "args", "blocks", "layers", "outputs", "expect")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
RESERVED_ARGS = ("i", "item", "in_channels", "block_in_channels")
RESERVED_NAMES = ("identity", "true", "false", "null")
INPUT = "input"  # what a network that has one input calls it, and every block the value that enters
MAX_DEPTH = 100  # blocks and merges inside one another


def read_document(root: Node, found: Findings) -> Document:
    """The document of a parsed text; raises `DocumentError` with everything wrong in it, in document order."""
    return _Reader(found).document(root)


def top_mapping(root: Node) -> Mapping:
    """The document's mapping."""
    if isinstance(root, Mapping):
        return root
    if _is_nothing(root):
        raise empty_document(root.source)
    raise DocumentError(
        Diagnostic(
            "not-a-document",
            f"a document is a mapping that begins `input:` and `layers:`, not {describe(root)}",
            _start(root),
            help="start with `input: 32x32x3` and `layers:`",
        )
    )


def unknown_key(key: Scalar, allowed: Collection[str], owner: str) -> Diagnostic:
    nearest = near(key.text, allowed)
    help = did_you_mean(nearest, f"{owner} {', '.join(allowed)}")
    return Diagnostic("unknown-field", f"{quoted(key.text)} is not a known field", key.span, help=help)


class _Reader:
    def __init__(self, found: Findings) -> None:
        self.found = found
        self.block_args: dict[str, dict[str, Term] | None] = {}  # None where a block's own text is wrong
        self.known: frozenset[str] = frozenset()  # the names that expressions see here
        self.specs: dict[tuple[type[Kind], tuple[tuple[str, Any], ...]], Kind] = {}

    def error(self, code: str, message: str, span: Span, help: str = "", notes: tuple[Note, ...] = ()) -> None:
        self.found.add(Diagnostic(code, message, span, help=help, notes=notes))

    def wrong_type(self, what: str, node: Node, help: str = "") -> None:
        empty = isinstance(node, Sequence | Mapping) and node.start + 2 >= node.end
        self.error("wrong-type", f"{what}, not {'an empty one' if empty else describe(node)}", _start(node), help)

    def strangers(self, node: Mapping, allowed: tuple[str, ...], owner: str) -> list[str]:
        """The keys of a mapping that it should not have, each said."""
        strangers = [key for key in node.entries if key not in allowed]
        for key in strangers:
            self.found.add(unknown_key(node.keys[key], allowed, owner))
        return strangers

    # The top ----------------------------------------------------------------------------------------------------------

    def document(self, root: Node) -> Document:
        top = top_mapping(root)
        strangers = self.strangers(top, TOP_LEVEL, "a document has")
        name = self.text(top.entries.get("name"), "name")
        args = self.args(top.entries.get("args"), "args", frozenset())
        document_args = self.known = frozenset(args)
        inputs = self.inputs(top, _meant("input", strangers))
        blocks = self.blocks(top.entries.get("blocks"))
        self.known = document_args | {"in_channels"}
        layers: list[LayerUse] = []
        if "layers" in top.entries:
            layers = self.scope(top.entries["layers"], "layers", top.keys["layers"], inputs)
        elif not _meant("layers", strangers):
            self.error(
                "missing-field", "the document has no `layers`", _start(root), help="add `layers:` and a list of layers"
            )
        self.check_nesting(blocks, layers)
        self.known = document_args
        outputs = self.outputs(top.entries.get("outputs"), {*inputs, *(use.name for use in _all_uses(layers))})
        named = None if outputs is None else tuple([output.reference.name for output in outputs])
        expect = read_expect(top.entries.get("expect"), named, self.found)
        self.found.raise_if_any()
        return Document(root.source, name, inputs, args, blocks, layers, outputs, expect)

    def text(self, node: Node | None, field: str) -> str:
        if node is None:
            return ""
        if isinstance(node, Scalar) and node.text:
            return node.text
        self.wrong_type(f"`{field}` has to be text", node)
        return ""

    def inputs(self, top: Mapping, misspelt: bool) -> dict[str, InputSize]:
        one, several = top.entries.get("input"), top.entries.get("inputs")
        if one is not None and several is not None:
            span = top.keys["inputs"].span
            self.error("input-and-inputs", "`input` and `inputs` exclude each other", span, "keep one of the two")
        if one is not None:
            return {INPUT: read_input(INPUT, one, self.known, self.found)}
        if several is None:
            if not misspelt:
                help = "add `input: 224x224x3` (height x width x channels)"
                self.error("missing-field", "the document has no `input`", _start(top), help)
            return {}
        if not isinstance(several, Mapping) or not several.entries:
            self.wrong_type(
                "`inputs` has to name each input with its size",
                several,
                help="write `inputs: {image: 224x224x3, depth: 224x224x1}`",
            )
            return {}
        for key in several.keys.values():
            self.check_name(key, "an input")
        return {name: read_input(name, node, self.known, self.found) for name, node in several.entries.items()}

    def args(self, node: Node | None, field: str, outer: frozenset[str]) -> dict[str, Term]:
        """Names with values; each value sees `outer` and the args before it."""
        if node is None or _is_nothing(node):
            return {}
        if not isinstance(node, Mapping):
            self.wrong_type(
                f"`{field}` has to be a mapping of names and values", node, "write e.g. `args: {classes: 10}`"
            )
            return {}
        args: dict[str, Term] = {}
        every = outer | frozenset(node.entries)
        for name, value in node.entries.items():
            self.check_arg_name(node.keys[name])
            term = read_term(value, every, self.found, text=True)
            for later in term.names - outer - frozenset(args):
                if later in node.entries:
                    self.error(
                        "forward-reference",
                        f"`{name}` needs {'itself' if later == name else f'{quoted(later)}, which comes after it'}",
                        value.span,
                        help="" if later == name else f"move `{later}` before `{name}`",
                    )
            args[name] = term
        return args

    def check_arg_name(self, key: Scalar) -> None:
        taken = key.text in RESERVED_ARGS or key.text in FUNCTIONS or key.text in WORDS_OF_EXPRESSIONS
        if taken or iskeyword(key.text):
            self.error(
                "bad-name",
                f"{quoted(key.text)} cannot name an argument: the word has a meaning of its own in expressions",
                key.span,
                help="use another word",
            )
        elif not NAME.match(key.text):
            self.error(
                "bad-name",
                f"{_spoken(key)} cannot name an argument",
                key.span,
                help="use a letter, then letters, digits and `_`",
            )

    def outputs(self, node: Node | None, names: set[str]) -> list[Output] | None:
        if node is None:
            return None
        if not isinstance(node, Sequence) or not node.items:
            what = "`outputs` has to be a list of layer names"
            self.wrong_type(what, node, help="write `outputs: [boxes, scores]`, or leave `outputs` out")
            return None
        outputs: list[Output] = []
        seen: dict[str, Scalar] = {}
        for item in node.items:
            output = self.output(item)
            if output is None:
                continue
            reference = output.reference
            if reference.name in seen:
                note = Note("the first is here", seen[reference.name].span)
                message = f"{quoted(reference.name)} stands twice in `outputs`"
                self.error("duplicate-name", message, reference.node.span, "keep one of the two", (note,))
            seen[reference.name] = reference.node
            if reference.name.partition(".")[0] not in names:
                self.found.add(unknown_layer(reference, names, "no layer"))
            outputs.append(output)
        return outputs

    def output(self, item: Node) -> Output | None:
        if isinstance(item, Scalar) and item.text:
            return Output(Reference(item.text, item))
        help = "write `- boxes` or `- {name: boxes, when: training}`"
        if not isinstance(item, Mapping):
            self.wrong_type("an output is the name of a layer", item, help)
            return None
        strangers = self.strangers(item, ("name", "when"), "an output has")
        name = item.entries.get("name")
        if not isinstance(name, Scalar) or not name.text:
            if not strangers:
                self.error("missing-field", "this output has no name", _start(item), help)
            return None
        return Output(Reference(name.text, name), self.when(item.entries.get("when")))

    # Names ------------------------------------------------------------------------------------------------------------

    def check_name(self, key: Scalar, of: str) -> bool:
        if NAME.match(key.text) and key.text not in RESERVED_NAMES:
            return True
        taken = key.text in RESERVED_NAMES
        self.error(
            "bad-name",
            f"{_spoken(key)} cannot name {of}" + (": the word has a meaning of its own" if taken else ""),
            key.span,
            help="use another word" if taken else "use a letter, then letters, digits and `_`",
        )
        return False

    def name(self, uses: list[LayerUse], inputs: Collection[str]) -> None:
        """Give every unnamed use its kind's name, with a number where the scope has several."""
        every = list(_all_uses(uses))
        taken: dict[str, LayerUse] = {}
        for use in every:
            if not use.named:
                continue
            if use.name in inputs:
                message = f"`{use.name}` cannot name a layer: an input has that name"
                self.error("bad-name", message, _name_span(use), help="use another word")
            elif use.name in taken:
                self.error(
                    "duplicate-name",
                    f"two layers are named `{use.name}`",
                    _name_span(use),
                    notes=(Note("the first is here", _name_span(taken[use.name])),),
                    help="give one of them another name",
                )
            taken.setdefault(use.name, use)
        unnamed = [use for use in every if not use.named]
        several: dict[str, int] = {}
        for use in unnamed:
            several[use.kind] = several.get(use.kind, 0) + 1
        numbers: dict[str, int] = {}
        for use in unnamed:
            if several[use.kind] == 1 and use.kind not in taken and use.kind not in inputs:
                use.name = use.kind
                continue
            number = numbers.get(use.kind, 0) + 1
            while (name := f"{use.kind}{number}") in taken or name in inputs:
                number += 1
            numbers[use.kind] = number
            use.name = name

    def check_references(self, uses: list[LayerUse], inputs: Collection[str], block: bool) -> None:
        """Every name in `from`, `shares` and paths has to be one of an earlier layer of the scope, or of an input."""
        everywhere: dict[str, LayerUse] | None = None
        seen = dict.fromkeys(inputs)
        inside: list[LayerUse] = []  # the merges around

        def check(reference: Reference, user: LayerUse, path: bool = False) -> None:
            nonlocal everywhere
            name = reference.name.partition(".")[0]
            if name in seen:
                return
            if everywhere is None:
                everywhere = {use.name: use for use in _all_uses(uses)}
            later = everywhere.get(name)
            if later is user or later in inside:
                self.error("forward-reference", f"`{name}` cannot start from itself", reference.node.span)
            elif later is not None:
                self.error(
                    "forward-reference",
                    f"`{name}` comes later in the document",
                    reference.node.span,
                    notes=(Note("it stands here", later.kind_node.span),),
                    help="move this layer after it",
                )
            elif path:
                self.found.add(_unknown_path(reference, [*seen, *self.block_args]))
            else:
                self.found.add(unknown_layer(reference, seen, "no earlier layer", block))

        def visit(uses: list[LayerUse]) -> None:
            for use in uses:
                if use.source_name is not None:
                    check(use.source_name, use)
                if use.shares is not None:
                    check(use.shares, use)
                if use.paths is not None:
                    inside.append(use)
                    for path in use.paths:
                        if isinstance(path, Reference):
                            check(path, use, path=True)
                        else:
                            visit(path)
                    inside.pop()
                seen[use.name] = None

        visit(uses)

    # Blocks -----------------------------------------------------------------------------------------------------------

    def blocks(self, node: Node | None) -> dict[str, Block]:
        if node is None or _is_nothing(node):
            return {}
        if not isinstance(node, Mapping):
            self.wrong_type("`blocks` has to be a mapping of names and blocks", node, "write each block's name and `:`")
            return {}
        document_args = self.known
        for key in node.keys.values():
            if key.text in KINDS:
                self.error("bad-name", f"`{key.text}` is a kind of layer; a block needs a name of its own", key.span)
            else:
                self.check_name(key, "a block")
            self.block_args[key.text] = self.block_head(key, node.entries[key.text])
        blocks = {}
        for name, key in node.keys.items():
            body, args = node.entries[name], self.block_args[name]
            if args is not None and isinstance(body, Mapping):
                self.known = document_args | frozenset(args) | {"in_channels", "block_in_channels"}
                layers = self.scope(body.entries["layers"], f"{name}.layers", body.keys["layers"], (INPUT,), block=True)
                blocks[name] = Block(name, key, args, layers)
        self.known = document_args
        return blocks

    def block_head(self, key: Scalar, node: Node) -> dict[str, Term] | None:
        """A block's args, where it has the shape of a block."""
        if not isinstance(node, Mapping):
            self.wrong_type(
                f"the block {quoted(key.text)} has to be a mapping with `layers`",
                node,
                help="write `layers:` and a list below the block's name",
            )
            return None
        strangers = self.strangers(node, ("args", "layers"), "a block has")
        if "layers" not in node.entries:
            if not _meant("layers", strangers):
                message = f"the block {quoted(key.text)} has no `layers`"
                self.error("missing-field", message, key.span, help="add `layers:` and a list of layers below it")
            return None
        return self.args(node.entries.get("args"), f"{key.text}.args", self.known | {"block_in_channels"})

    def check_nesting(self, blocks: dict[str, Block], layers: list[LayerUse]) -> None:
        """No block may hold itself, directly or through others; and blocks and merges nest only so deep."""
        depths: dict[str, int] = {}
        too_deep: list[LayerUse] = []

        def depth(uses: list[LayerUse], trail: tuple[str, ...]) -> int:
            deepest = 0
            for use in uses:
                inside = -1
                if use.kind in blocks:
                    inside = depth_of_block(use, trail)
                elif use.paths is not None:
                    inside = max(
                        [depth(path, trail) for path in use.paths if not isinstance(path, Reference)], default=0
                    )
                if inside >= MAX_DEPTH:
                    too_deep.append(use)
                    inside = -1
                deepest = max(deepest, inside + 1)
            return deepest

        def depth_of_block(use: LayerUse, trail: tuple[str, ...]) -> int:
            name = use.kind
            if name in trail:
                cycle = " -> ".join([*trail[trail.index(name) :], name])
                message = f"the block `{name}` holds itself ({cycle})"
                self.error("recursive-block", message, use.kind_node.span, "use `repeat` to have a block several times")
                return 0
            if len(trail) > MAX_DEPTH:
                return MAX_DEPTH
            if name not in depths:
                depths[name] = depth(blocks[name].layers, (*trail, name))
            return depths[name]

        for block in blocks.values():
            if block.name not in depths:
                depths[block.name] = depth(block.layers, (block.name,))
        depth(layers, ())
        for use in too_deep[:1]:
            message = f"more than {MAX_DEPTH} blocks and merges inside one another"
            self.error("nested-too-deeply", message, use.kind_node.span, help="put some of them side by side")

    # Layers -----------------------------------------------------------------------------------------------------------

    def scope(
        self, node: Node, field: str, key: Scalar, inputs: Collection[str], block: bool = False
    ) -> list[LayerUse]:
        """A document's or a block's own layers, with names that are unique in it."""
        if _is_nothing(node) or (isinstance(node, Sequence) and not node.items):
            self.error("no-layers", f"`{field}` is empty", key.span, help="add a layer below it, e.g. `- relu`")
            return []
        if not isinstance(node, Sequence):
            self.wrong_type(f"`{field}` has to be a list of layers", node, help="begin each layer with `- `")
            return []
        uses = self.uses(node)
        self.name(uses, inputs)
        self.check_references(uses, inputs, block)
        return uses

    def uses(self, node: Sequence) -> list[LayerUse]:
        return [use for item in node.items if (use := self.use(item)) is not None]

    def use(self, node: Node) -> LayerUse | None:
        if isinstance(node, Scalar):
            return self.bare_use(node)
        if isinstance(node, Mapping):
            return self.mapped_use(node)
        self.wrong_type(
            "a layer is a kind, or a mapping with one kind",
            node,
            help="a list of layers belongs in a block, or in a merge such as `add`",
        )
        return None

    def bare_use(self, node: Scalar) -> LayerUse | None:
        if node.text not in KINDS and node.text not in self.block_args:
            self.unknown_kind(node)
            return None
        use = LayerUse(node.text, KINDS.get(node.text), node, node)
        self.check_fields(use)
        return use

    def mapped_use(self, node: Mapping) -> LayerUse | None:
        kinds = [key for key in node.entries if key not in BESIDE_THE_KIND]
        if len(kinds) != 1:
            self.not_one_kind(node, kinds)
            return None
        (kind,) = kinds
        kind_node = node.keys[kind]
        if kind not in KINDS and kind not in self.block_args:
            self.unknown_kind(kind_node)
            return None
        use = LayerUse(kind, KINDS.get(kind), node, kind_node)
        outside = self.known
        if len(node.entries) > 1:
            self.beside(use, node)
            if use.repeat is not None:
                self.known = outside | {"i", "item"}
            use.when = self.when(node.entries.get("when"))
        if use.layer is not None and issubclass(use.layer, Merge):
            self.merge(use, node.entries[kind])
        else:
            self.fields(use, node.entries[kind])
        self.known = outside
        return use

    def not_one_kind(self, node: Mapping, kinds: list[str]) -> None:
        if not kinds:
            self.error("no-kind", "this entry names no kind of layer", _start(node), help="add one, e.g. `relu: {}`")
            return
        known = [kind for kind in kinds if kind in KINDS or kind in self.block_args]
        if not known:
            likely = [kind for kind in kinds if foreign.kind_meant(kind) or near(kind, [*self.block_args, *KINDS])]
            self.unknown_kind(node.keys[(likely or kinds)[0]], node.entries[(likely or kinds)[0]])
        elif len(known) == 1:
            stray = next(kind for kind in kinds if kind not in known)
            fields = self.field_names(known[0])
            meant = foreign.field_meant(stray, fields)
            inside = [stray] if stray in fields else [meant] if meant else near(stray, fields)
            nearest = near(stray, BESIDE_THE_KIND)
            help = f"beside the kind stand {', '.join(BESIDE_THE_KIND)}"
            if inside:
                help = f"put it inside: `{known[0]}: {{{inside[0]}: ...}}`; is the line indented enough?"
            elif nearest:
                help = did_you_mean(nearest)
            message = f"{quoted(stray)} is not a known field beside `{known[0]}`"
            self.error("unknown-field", message, node.keys[stray].span, help)
        else:
            self.error(
                "two-kinds",
                f"one entry names {len(known)} kinds: {', '.join(f'`{kind}`' for kind in known)}",
                node.keys[known[1]].span,
                help="give each layer a `- ` of its own",
            )

    def unknown_kind(self, key: Scalar, value: Node | None = None) -> None:
        if not key.text or key.value is None:
            self.error("no-kind", "this entry names no kind of layer", key.span, help="name one, e.g. `- relu`")
            return
        named = value.text if isinstance(value, Scalar) else ""  # `type: conv`
        named = named if named in KINDS else foreign.kind_meant(named) or ""
        meant = foreign.kind_meant(key.text)
        nearest = [meant] if meant else near(key.text, [*self.block_args, *KINDS])
        help = "`cnncalc kinds` lists them"
        if named and key.text in ("type", "kind", "layer", "class", "op"):
            help = f"the kind is the key: `{named}: {{...}}`"
        elif nearest:
            help = did_you_mean(nearest)
        self.error("unknown-kind", f"{quoted(key.text)} is not a kind of layer or a block", key.span, help)

    def beside(self, use: LayerUse, node: Mapping) -> None:
        """`name`, `from`, `repeat`, `shares`, `functional`."""
        name = node.entries.get("name")
        if isinstance(name, Scalar) and self.check_name(name, "a layer"):
            use.name, use.named = name.text, True
        elif name is not None and not isinstance(name, Scalar):
            self.wrong_type("`name` has to be a word", name)
        source = node.entries.get("from")
        if isinstance(source, Scalar) and source.text:
            use.source_name = Reference(source.text, source)
        elif source is not None:
            self.wrong_type(
                "`from` has to be the name of one layer", source, help="to join several, use a merge: `concat: [a, b]`"
            )
        repeat = node.entries.get("repeat")
        if repeat is not None:
            use.repeat = read_term(repeat, self.known, self.found, text=isinstance(repeat, Sequence))
            if use.repeat.constant and (wrong := wrong_repeat(use.repeat, use.repeat.value)):
                self.found.add(wrong)
        shares = node.entries.get("shares")
        if shares is not None:
            use.shares = self.shares(use, shares, node.keys["shares"])
        functional = node.entries.get("functional")
        if functional is not None:
            use.functional = self.functional(use, functional, node.keys["functional"])

    def shares(self, use: LayerUse, value: Node, key: Scalar) -> Reference | None:
        """The layer whose parameters this one uses."""
        if use.layer is None:
            message = f"`shares` is for a layer, and `{use.kind}` is a block"
            self.error("shares-block", message, key.span, help="put it beside the layers in the block")
        elif isinstance(value, Scalar) and value.text:
            return Reference(value.text, value)
        else:
            self.wrong_type("`shares` has to be the name of the layer whose weights are used", value)
        return None

    def functional(self, use: LayerUse, value: Node, key: Scalar) -> bool:
        """Whether the layer is a call of a function in the code that the document stands for."""
        if not isinstance(value, Scalar) or not isinstance(value.value, bool):
            message = f"`functional` has to be true or false, not {describe(value)}"
            self.error(
                "wrong-type", message, value.span, help="write true for a layer that the code calls as a function"
            )
            return False
        if use.layer is None:
            message = f"`functional` is for a layer, and `{use.kind}` is a block"
            self.error("functional-block", message, key.span, help="put it beside the layers in the block")
        return value.value

    def when(self, node: Node | None) -> Term | None:
        if node is None:
            return None
        term = read_term(node, self.known, self.found, text=True)
        if term.constant and not isinstance(term.value, bool):
            self.found.add(wrong_condition(term, term.value, self.known))
        return term

    # Fields -----------------------------------------------------------------------------------------------------------

    def field_names(self, kind: str) -> list[str]:
        if kind not in KINDS:
            return list(self.block_args.get(kind) or ())
        return [*(["paths"] if issubclass(KINDS[kind], Merge) else []), *KINDS[kind].fields]

    def fields(self, use: LayerUse, value: Node) -> None:
        """`kind: value` or `kind: {fields}`."""
        if isinstance(value, Mapping):
            self.check_fields(use, value)
        elif isinstance(value, Scalar) and value.value is None and value.text == "":
            self.check_fields(use)
        elif use.layer is None:
            arg = next(iter(self.block_args.get(use.kind) or ()), "name")
            help = f"write `{use.kind}: {{{arg}: {value.text if isinstance(value, Scalar) else '...'}}}`"
            self.wrong_type(f"the block `{use.kind}` takes its args by name", value, help)
        elif use.layer.main:
            self.read_field(use, use.layer.main, value)
            self.check_spec(use)
        elif use.layer.fields:
            self.wrong_type(f"`{use.kind}` takes its fields by name", value, example(use.layer))
        else:
            self.error("wrong-type", f"`{use.kind}` has no fields that this could set", value.span, example(use.layer))

    def check_fields(self, use: LayerUse, given: Mapping | None = None) -> None:
        """Read the fields given, and see that none is unknown and none is missing."""
        meant: set[str] = set()
        if given is not None:
            known = use.layer.fields if use.layer is not None else self.block_args.get(use.kind) or ()
            for key, value in given.entries.items():
                if key in known:
                    self.read_field(use, key, value)
                elif key == "paths" and use.layer is not None and issubclass(use.layer, Merge):
                    continue
                elif use.layer is not None:
                    meant.add(self.unknown_field(use.kind, self.field_names(use.kind), given.keys[key]))
                elif self.block_args.get(use.kind) is not None:
                    meant.update(near(key, known)[:1])
                    self.unknown_arg(use.kind, list(known), given.keys[key])
        if use.layer is None:
            self.check_args(use, meant)
            return
        required = ("paths", *use.layer.required) if issubclass(use.layer, Merge) else use.layer.required
        missing = [name for name in required if name not in meant and (given is None or name not in given.entries)]
        if missing:
            names = " and ".join(f"`{name}`" for name in missing)
            self.error("missing-field", f"`{use.kind}` needs {names}", use.kind_node.span, help=example(use.layer))
        elif not meant:
            self.check_spec(use)

    def unknown_field(self, kind: str, known: list[str], key: Scalar) -> str:
        """Say that a kind has no such field; the field that was meant, if any."""
        meant = foreign.field_meant(key.text, known)
        nearest = [meant] if meant else [] if key.text in foreign.NEEDLESS_FIELDS else near(key.text, known)
        if key.text in foreign.NEEDLESS_FIELDS:
            help = f"leave it out: {foreign.NEEDLESS_FIELDS[key.text]}"
        elif meant:
            help = f"write `{meant}`" + (" with `floor`, `ceil` or `exact`" if meant == "rounding" else "")
        elif key.text in BESIDE_THE_KIND:
            help = f"it stands beside the kind: `{{{kind}: ..., {key.text}: ...}}`, or on a line of its own"
        elif nearest:
            help = did_you_mean(nearest)
        else:
            help = f"`{kind}` has {', '.join(known)}" if known else f"`{kind}` has no fields"
        self.error("unknown-field", f"{quoted(key.text)} is not a field of `{kind}`", key.span, help)
        return nearest[0] if nearest else ""

    def unknown_arg(self, block: str, known: list[str], key: Scalar) -> None:
        nearest = near(key.text, known)
        help = f"`{block}` has {', '.join(known)}" if known else f"`{block}` has no args"
        help = did_you_mean(nearest, help)
        self.error("unknown-field", f"{quoted(key.text)} is not an arg of the block `{block}`", key.span, help)

    def check_args(self, use: LayerUse, meant: Collection[str]) -> None:
        """A block's args without a default have to be given."""
        args = self.block_args.get(use.kind) or {}
        missing = [name for name, default in args.items() if default.constant and default.value is None]
        missing = [name for name in missing if name not in use.fields and name not in meant]
        if missing:
            self.error(
                "missing-field",
                f"the block `{use.kind}` needs {' and '.join(f'`{name}`' for name in missing)}",
                use.kind_node.span,
                help=f"add {', '.join(f'`{name}: ...`' for name in missing)}",
                notes=tuple([Note(f"`{name}` has no default", args[name].node.span) for name in missing]),
            )

    def read_field(self, use: LayerUse, name: str, value: Node) -> None:
        if use.layer is None:
            use.fields[name] = read_term(value, self.known, self.found, text=True)
            return
        takes = use.layer.fields[name].takes
        use.fields[name] = term = read_term(value, self.known, self.found, takes.literals, takes_words(takes))
        if term.constant:
            term.value = converted(takes, term.value)
            if not takes.accepts(term.value):
                self.found.add(wrong_value(name, takes, value, term.value, self.known.difference(RESERVED_ARGS)))

    def check_spec(self, use: LayerUse) -> None:
        """The layer itself, once for each different one, where no field is an expression."""
        assert use.layer is not None
        values = tuple([(name, term.value) for name, term in use.fields.items() if term.constant])
        if len(values) < len(use.fields) or self.found.diagnostics:
            return
        key = (use.layer, values)
        use.spec = self.specs.get(key) or self.specs.setdefault(key, use.layer(**dict(values)))

    # Merges -----------------------------------------------------------------------------------------------------------

    def merge(self, use: LayerUse, value: Node) -> None:
        assert use.layer is not None
        paths = value
        if isinstance(value, Mapping):
            known = self.field_names(use.kind)
            if "paths" not in value.entries and not any(
                key in known or foreign.field_meant(key, known) or near(key, known) for key in value.entries
            ):
                self.wrong_type(f"`{use.kind}` takes a list of paths", value, example(use.layer))
                return
            self.check_fields(use, value)
            if "paths" not in value.entries:
                return
            paths = value.entries["paths"]
        elif use.layer.required:
            self.wrong_type(f"`{use.kind}` takes its fields by name", value, example(use.layer))
            return
        if not isinstance(paths, Sequence):
            self.wrong_type(f"`{use.kind}` takes a list of paths", paths, example(use.layer))
            return
        if len(paths.items) < 2:
            self.error(
                "one-path",
                f"`{use.kind}` joins at least two paths, and has {len(paths.items)}",
                paths.span if paths.items else _start(paths),
                help="add `identity` for the value that enters" if use.kind == "add" else "add a path",
            )
        use.paths = [self.path(item) for item in paths.items]
        self.check_spec(use)

    def path(self, node: Node) -> Path:
        if isinstance(node, Sequence):
            return self.uses(node)
        if isinstance(node, Scalar):
            if node.text == "identity":
                return []
            if node.text and node.text not in KINDS and node.text not in self.block_args:
                return Reference(node.text, node)
        use = self.use(node)
        return [use] if use is not None else []


def unknown_layer(reference: Reference, names: Collection[str], which: str, block: bool = False) -> Diagnostic:
    """That a name is none of `names`; `which` is `no layer` or `no earlier layer`, in a `block` or outside."""
    nearest = near(reference.name, names)
    help = "a block sees its own layers only: join outside it" if block else "give the layer meant a `name:`"
    help = did_you_mean(nearest, help)
    return Diagnostic("unknown-name", f"{which} is named {quoted(reference.name)}", reference.node.span, help=help)


def _unknown_path(reference: Reference, names: Collection[str]) -> Diagnostic:
    """That a word in a path is neither a kind of layer nor a name."""
    meant = foreign.kind_meant(reference.name)
    nearest = [meant] if meant else near(reference.name, [*names, *KINDS])
    help = did_you_mean(nearest, "a path is a kind of layer, a list of layers, or a name")
    message = f"{quoted(reference.name)} is no kind of layer, and no earlier layer is named so"
    return Diagnostic("unknown-name", message, reference.node.span, help=help)


def _meant(word: str, strangers: Collection[str]) -> bool:
    """Whether one of some unknown keys was meant to be `word`."""
    return any(word in near(stranger, TOP_LEVEL) for stranger in strangers)


def _all_uses(uses: list[LayerUse]) -> Iterator[LayerUse]:
    """The uses of a scope in document order, those inside merges' paths included."""
    for use in uses:
        yield use
        for path in use.paths or ():
            if not isinstance(path, Reference):
                yield from _all_uses(path)


def _name_span(use: LayerUse) -> Span:
    assert isinstance(use.node, Mapping)
    return use.node.entries["name"].span


def _start(node: Node) -> Span:
    """The first character of a node, where all of it would be too much to mark; a word is marked whole."""
    return node.span if isinstance(node, Scalar) else Span(node.source, node.start, node.start + 1)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _spoken(key: Scalar) -> str:
    return quoted(key.text) if key.text else "an empty text"
