"""A document becomes a network: blocks, repeats and conditions are carried out, and shapes carried along.

One walk in document order. Each layer's facts are asked for once for each different input (`_Expander.facts`), so that a
hundred thousand repeats cost a hundred thousand nodes and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from cnncalc.diagnostics import Diagnostic, DocumentError, Note, Span, choices, near
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.language.document import (
    Block,
    Document,
    LayerUse,
    Path,
    Reference,
    unknown_key,
)
from cnncalc.language.source import Node as Written
from cnncalc.language.source import Scalar, Sequence, describe
from cnncalc.language.terms import Term, shown, value_text, whole_number
from cnncalc.layers import KINDS, Kind
from cnncalc.layers.base import Facts, LayerError
from cnncalc.layers.fields import LARGEST_SIZE
from cnncalc.shapes import Layout, Shape, shape_text

MAX_NODES = 1_000_000
MAX_SPATIAL = 3

_SHAPE = re.compile(r"[0-9]+(?:x[0-9]+)*\Z")


def expand(document: Document) -> Network:
    """The document's network; raises `DocumentError` where a layer, a value or a name cannot be."""
    return _Expander(document).network()


class _Compiled:
    """What is kept with a layer's use between its instances."""

    __slots__ = ("repeat", "specs", "terms", "when")

    def __init__(self, use: LayerUse) -> None:
        kind = KINDS.get(use.kind)
        self.terms = {
            name: Term(node, kind.fields[name].takes.literals if kind else (), text=kind is None) for name, node in use.fields.items()
        }
        self.when = Term(use.when) if use.when is not None else None
        self.repeat = Term(use.repeat) if use.repeat is not None else None
        self.specs: dict[Any, Kind] = {}


class _Scope:
    """Where names are looked up: the document, or one instance of a block."""

    __slots__ = ("names", "prefix", "uses")

    def __init__(self, prefix: str, names: dict[str, Any], uses: tuple[Span, ...]) -> None:
        self.prefix = prefix
        self.names = names
        self.uses = uses


class _Expander:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes: list[Node] = []
        self.values: dict[str, Value] = {}  # by qualified name; a block's or repeat's name stands for its last value
        self.known_facts: dict[Any, Facts] = {}
        self.compiled: dict[int, _Compiled] = {}
        self.instances = 0
        self.layout: Layout = "hwc"
        self.constants: dict[str, Any] = {}

    def network(self) -> Network:
        self.constants = self.document_args()
        scope = _Scope("", dict(self.constants), ())
        inputs = tuple([self.input(name, node, scope.names) for name, node in self.document.inputs.items()])
        for value in inputs:
            self.values[value.name] = value
        last = self.walk(self.document.layers, inputs[0] if len(inputs) == 1 else None, scope)
        outputs = self.outputs(last, scope)
        return Network(self.document.name, inputs, tuple(self.nodes), outputs, self.layout, self.document.source.name)

    # The document's own values ----------------------------------------------------------------------------------------

    def document_args(self) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for name, node in self.document.args.items():
            names[name] = Term(node, text=True).evaluate(names)
        return names

    def input(self, name: str, node: Written, names: dict[str, Any]) -> Input:
        shape = self.input_shape(node, names)
        if not 1 <= len(shape) <= MAX_SPATIAL + 1:
            raise DocumentError(
                Diagnostic(
                    "input-rank",
                    f"an input has channels and up to {MAX_SPATIAL} spatial sizes, not {len(shape)} sizes",
                    node.span,
                    help="write height x width x channels, e.g. 224x224x3",
                )
            )
        return Input(name, shape, node.span)

    def input_shape(self, node: Written, names: dict[str, Any]) -> Shape:
        """`224x224x3` (channels last), `[3, 224, 224]` (channels first) or one number (a vector)."""
        if isinstance(node, Scalar) and isinstance(node.value, str) and _SHAPE.match(node.text):
            if len(node.text) > 60:
                raise _bad_input(node)
            sizes = tuple([int(size) for size in node.text.split("x")])
            shape = (sizes[-1], *sizes[:-1])
        else:
            value = Term(node).evaluate(names) if not _is_word(node) else names.get(_text(node), None)
            if isinstance(value, tuple) and value and isinstance(node, Sequence | Scalar):
                shape = tuple(value)
                self.layout = "chw"
            else:
                shape = (value,)
        if not all(type(size) is int and 1 <= size <= LARGEST_SIZE for size in shape):
            raise _bad_input(node)
        return shape

    def outputs(self, last: Value | None, scope: _Scope) -> tuple[Value, ...]:
        if self.document.outputs is None:
            return (last,) if last is not None else ()
        outputs = []
        for output in self.document.outputs:
            if output.when is None or self.truth(Term(output.when), scope.names):
                outputs.append(self.look_up(output.reference, scope, self.document.layers))
        return tuple(outputs)

    # The walk ---------------------------------------------------------------------------------------------------------

    def walk(self, uses: list[LayerUse], value: Value | None, scope: _Scope) -> Value | None:
        for use in uses:
            value = self.use(use, value, scope)
        return value

    def use(self, use: LayerUse, value: Value | None, scope: _Scope) -> Value | None:
        compiled: _Compiled = use.compiled
        if compiled is None:
            compiled = use.compiled = _Compiled(use)
        if use.source_name is not None:
            start = value
            value = self.look_up(use.source_name, scope, self.document.layers)
            if compiled.when is not None and compiled.repeat is None and not self.truth_at(compiled.when, value, scope):
                self.values[scope.prefix + use.name] = value
                return start
        names = scope.names
        if value is not None:
            names["in_channels"] = value.output[0]
        name = scope.prefix + use.name
        if compiled.repeat is None:
            if compiled.when is None or self.truth(compiled.when, names):
                value = self.instance(use, compiled, value, scope, name)
        else:
            value = self.repeated(use, compiled, value, scope, name)
        if value is not None:
            self.values[name] = value
        return value

    def repeated(
        self, use: LayerUse, compiled: _Compiled, value: Value | None, scope: _Scope, name: str
    ) -> Value | None:
        assert compiled.repeat is not None and use.repeat is not None
        names = scope.names
        outside = {key: names[key] for key in ("i", "item") if key in names}
        items = self.repeat_items(use.repeat, compiled.repeat.evaluate(names))
        for i, item in enumerate(items):
            names["i"] = i
            names["item"] = item
            if value is not None:
                names["in_channels"] = value.output[0]
            if compiled.when is None or self.truth(compiled.when, names):
                value = self.instance(use, compiled, value, scope, f"{name}.{i}")
            if value is not None:
                self.values[f"{name}.{i}"] = value
        for key in ("i", "item"):
            names.pop(key, None)
        names.update(outside)
        return value

    def repeat_items(self, node: Written, value: Any) -> Iterable[Any]:
        if isinstance(value, tuple):
            return value
        count = whole_number(node, value, "`repeat`")
        self.instances += count
        if self.instances > MAX_NODES:
            raise DocumentError(
                Diagnostic(
                    "too-many-layers",
                    f"{count:,} repeats: a network may have {MAX_NODES:,} layers",
                    node.span,
                    help="use a smaller number",
                )
            )
        return range(count)

    def instance(
        self, use: LayerUse, compiled: _Compiled, value: Value | None, scope: _Scope, name: str
    ) -> Value | None:
        block = self.document.blocks.get(use.kind)
        if block is not None:
            return self.block(block, use, compiled, value, scope, name)
        if use.paths is not None:
            inputs = tuple([self.path(path, value, scope, use) for path in use.paths])
            if value is not None:
                scope.names["in_channels"] = value.output[0]
        elif value is None:
            raise self.nothing_enters(use)
        else:
            inputs = (value,)
        layer = self.layer(use, compiled, scope)
        node = Node(name, layer, inputs, self.facts(use, layer, inputs, scope), use.node.span, scope.uses)
        self.nodes.append(node)
        if len(self.nodes) > MAX_NODES:
            raise DocumentError(
                Diagnostic(
                    "too-many-layers",
                    f"a network may have {MAX_NODES:,} layers",
                    use.kind_node.span,
                    help="repeat less",
                )
            )
        return node

    def path(self, path: Path, value: Value | None, scope: _Scope, merge: LayerUse) -> Value:
        end = (
            self.look_up(path, scope, self.document.layers)
            if isinstance(path, Reference)
            else self.walk(path, value, scope)
        )
        if end is None:
            raise self.nothing_enters(merge)
        return end

    def block(
        self, block: Block, use: LayerUse, compiled: _Compiled, value: Value | None, scope: _Scope, name: str
    ) -> Value | None:
        names = dict(self.constants)
        if value is not None:
            names["block_in_channels"] = value.output[0]
        for key, node in use.field_keys.items():
            if key not in block.args:
                raise DocumentError(
                    unknown_key(node, list(block.args), f"`{block.name}` has")
                    if block.args
                    else Diagnostic("unknown-field", f"the block `{block.name}` has no args", node.span)
                )
        for key, default in block.args.items():
            term = compiled.terms.get(key)
            if term is not None:
                names[key] = term.evaluate(scope.names)
            elif isinstance(default, Scalar) and default.value is None:
                raise DocumentError(
                    Diagnostic(
                        "missing-field",
                        f"the block `{block.name}` needs `{key}`",
                        use.kind_node.span,
                        notes=(Note("it has no default", block.args[key].span),),
                        help=f"write `{block.name}: {{{key}: ...}}`",
                    )
                )
            else:
                names[key] = Term(default, text=True).evaluate(names)
        inner = _Scope(f"{name}.", names, (*scope.uses, use.node.span))
        return self.walk(block.layers, value, inner)

    # Values -----------------------------------------------------------------------------------------------------------

    def truth_at(self, term: Term, value: Value, scope: _Scope) -> bool:
        scope.names["in_channels"] = value.output[0]
        return self.truth(term, scope.names)

    def truth(self, term: Term, names: dict[str, Any]) -> bool:
        value = term.evaluate(names)
        if isinstance(value, bool):
            return value
        raise DocumentError(
            Diagnostic(
                "wrong-type",
                f"`when` has to be true or false, not {shown(term.node, value)}",
                term.node.span,
                help="write a comparison, e.g. `stride > 1`",
            )
        )

    def look_up(self, reference: Reference, scope: _Scope, everywhere: list[LayerUse]) -> Value:
        value = self.values.get(scope.prefix + reference.name)
        if value is None and not scope.prefix:
            value = self.values.get(reference.name)
        if value is not None:
            return value
        known = [name[len(scope.prefix) :] for name in self.values if name.startswith(scope.prefix)]
        if scope.prefix and reference.name in self.values:
            help = "a block sees its own layers only; join outside it, where both are visible"
        elif later := _find_use(everywhere if not scope.prefix else (), reference.name):
            raise DocumentError(
                Diagnostic(
                    "forward-reference",
                    f"`{reference.name}` comes later in the document",
                    reference.node.span,
                    notes=(Note("it stands at", later.node.span),),
                    help="move this layer after it",
                )
            )
        else:
            nearest = near(reference.name, known)
            help = f"did you mean {choices(nearest)}?" if nearest else ""
            if not nearest:
                help = "give the layer meant a `name:`"
        raise DocumentError(
            Diagnostic("unknown-name", f"no earlier layer is named `{reference.name}`", reference.node.span, help=help)
        )

    def layer(self, use: LayerUse, compiled: _Compiled, scope: _Scope) -> Kind:
        """The layer with its fields evaluated; one object for equal values, so that facts can be shared."""
        terms = compiled.terms
        if not terms:
            key: Any = ()
        else:
            key = tuple([term.value if term.constant else term.evaluate(scope.names) for term in terms.values()])
        layer = compiled.specs.get(key)
        if layer is None:
            values = dict(zip(terms, key, strict=True))
            layer = compiled.specs[key] = self.validated(use, values)
        return layer

    def validated(self, use: LayerUse, values: dict[str, Any]) -> Kind:
        kind = KINDS[use.kind]
        wrong = []
        for name, value in values.items():
            takes = kind.fields[name].takes
            if takes.real and type(value) is Fraction:
                values[name] = float(value)
            elif not takes.accepts(value):
                wrong.append(self.wrong_value(use, name, value))
        if wrong:
            raise DocumentError(*wrong)
        return kind(**values)

    def wrong_value(self, use: LayerUse, field: str, value: Any) -> Diagnostic:
        node = use.fields[field]
        expected = KINDS[use.kind].fields[field].takes.words
        got = shown(node, value) if isinstance(node, Scalar) else value_text(value)
        words = KINDS[use.kind].fields[field].takes.literals
        nearest = near(value, words) if isinstance(value, str) else []
        return Diagnostic(
            "wrong-value",
            f"`{field}` has to be {expected}, not {got}",
            node.span,
            help=f"did you mean {choices(nearest)}?" if nearest else "",
        )

    def facts(self, use: LayerUse, layer: Kind, inputs: tuple[Value, ...], scope: _Scope) -> Facts:
        shapes = tuple([value.output for value in inputs])
        key = (id(layer), shapes)
        facts = self.known_facts.get(key)
        if facts is None:
            try:
                facts = layer.facts(shapes)
            except LayerError as error:
                raise DocumentError(self.layer_diagnostic(use, error, inputs, scope)) from None
            self.known_facts[key] = facts
        return facts

    # Messages ---------------------------------------------------------------------------------------------------------

    def layer_diagnostic(
        self, use: LayerUse, error: LayerError, inputs: tuple[Value, ...], scope: _Scope
    ) -> Diagnostic:
        shapes = [shape_text(shape, self.layout) for shape in error.shapes]
        node = use.fields.get(error.field)
        notes = []
        for position in error.sources:
            value = inputs[position]
            what = shape_text(value.output, self.layout)
            kind = "the input" if isinstance(value, Input) else "from"
            notes.append(Note(f"{what} comes {'from ' if kind == 'the input' else 'from '}`{value.name}`", value.span))
        notes += [Note("used", span) for span in reversed(scope.uses)]
        return Diagnostic(
            error.code,
            error.message.format(*shapes) if shapes else error.message,
            node.span if node is not None else use.kind_node.span,
            label=error.label,
            notes=tuple(notes),
            help=error.help.format(*shapes) if shapes else error.help,
        )

    def nothing_enters(self, use: LayerUse) -> DocumentError:
        names = choices(self.document.inputs)
        return DocumentError(
            Diagnostic(
                "no-value-enters",
                f"`{use.kind}` has no value to start from: the network has several inputs",
                use.kind_node.span,
                help=f"add `from:` with one of {names}",
            )
        )


def _find_use(uses: Iterable[LayerUse], name: str) -> LayerUse | None:
    for use in uses:
        if use.name == name:
            return use
        for path in use.paths or ():
            if not isinstance(path, Reference) and (found := _find_use(path, name)):
                return found
    return None


def _is_word(node: Written) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str) and node.text.isidentifier()


def _text(node: Written) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _bad_input(node: Written) -> DocumentError:
    return DocumentError(
        Diagnostic(
            "input-sizes",
            f"an input is sizes from 1 up, not {describe(node)}",
            node.span,
            help="write height x width x channels, e.g. 224x224x3, or [3, 224, 224]",
        )
    )
