"""A document becomes a network: blocks, repeats and conditions are carried out, and shapes carried along.

One walk in document order. Each layer's facts are asked for once for each different input (`_Expander.facts`), so that
a hundred thousand repeats cost a hundred thousand nodes and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from cnncalc.closed import NoClosedForm
from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Note, Span, choices
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.language.document import Block, Document, LayerUse, Path, Reference
from cnncalc.language.expressions import value_text
from cnncalc.language.fields import MAX_NODES, converted, wrong_condition, wrong_repeat, wrong_value
from cnncalc.language.inputs import evaluated
from cnncalc.language.limits import check_size
from cnncalc.language.reader import INPUT, unknown_layer
from cnncalc.language.terms import Term
from cnncalc.layers import Kind
from cnncalc.layers.base import Facts, LayerError
from cnncalc.shapes import Layout, shape_text

Opened = Callable[[str, Any], Any]  # what stands for the arg or size of that name and value

MAX_SIZE = 2**63 - 1  # sizes are 64-bit numbers in every framework


def expand(document: Document, opened: Opened | None = None) -> Network:
    """The document's network; raises `DocumentError` where a layer, a value or a name cannot be.

    `opened` may put something else in the place of each arg's value (`classes`) and each input's sizes
    (`input.channels`, `input.height`, `input.width`; `length` of one dimension, `depth` before those of two).
    """
    return _Expander(document, opened or (lambda name, value: value)).network()


def dimensions(sizes: int) -> tuple[str, ...]:
    """The names of so many sizes of an input, channels first."""
    return ("channels", *(("length",) if sizes == 2 else ("depth", "height", "width")[4 - sizes :]))


class _Scope:
    """Where names are looked up: the document, or one instance of a block (`use` in the scope `parent`)."""

    __slots__ = ("args", "enters", "instance", "names", "parent", "prefix", "use", "uses")

    def __init__(
        self,
        names: dict[str, Any],
        args: dict[str, Term],
        prefix: str = "",
        parent: _Scope | None = None,
        use: LayerUse | None = None,
        enters: Value | None = None,
    ) -> None:
        self.names = names
        self.args = args
        self.prefix = prefix
        self.instance = prefix  # of the names of layers made now: inside a repeated merge, `merge.2.`
        self.parent = parent
        self.use = use
        self.enters = enters  # the value that enters the block, which calls it `input`
        self.uses: tuple[Span, ...] = () if parent is None or use is None else (*parent.uses, use.node.span)


class _Expander:
    def __init__(self, document: Document, opened: Opened) -> None:
        self.document = document
        self.opened = opened
        self.nodes: list[Node] = []
        self.values: dict[str, Value] = {}  # by qualified name; a block's or repeat's name stands for its last value
        self.specs: dict[Any, Kind] = {}
        self.known_facts: dict[Any, Facts] = {}
        self.instances = 0
        self.layout: Layout = "hwc"
        self.constants: dict[str, Any] = {}

    def network(self) -> Network:
        document = self.document
        self.constants = self.document_args()
        scope = _Scope(dict(self.constants), document.args)
        inputs = self.inputs(scope)
        check_size(document, self.constants)
        last = self.walk(document.layers, inputs[0] if len(inputs) == 1 else None, scope)
        names, outputs = self.outputs(last, scope)
        return Network(
            document.name,
            inputs,
            tuple(self.nodes),
            outputs,
            self.layout,
            document.source.name,
            tuple(document.expect),
            names,
        )

    # The document's own values ----------------------------------------------------------------------------------------

    def document_args(self) -> dict[str, Any]:
        names: dict[str, Any] = {}
        scope = _Scope(names, self.document.args)
        for name, term in self.document.args.items():
            names[name] = self.opened(name, self.evaluate(term, scope))
        return names

    def inputs(self, scope: _Scope) -> tuple[Input, ...]:
        found = Findings()
        inputs = []
        for size in self.document.inputs.values():
            try:
                value, layout = evaluated(size, scope.names)
            except DocumentError as error:
                found.extend(error)
                continue
            sizes = zip(dimensions(len(value.output)), value.output, strict=True)
            shape = tuple([self.opened(f"{value.name}.{name}", one) for name, one in sizes])
            value = replace(value, output=shape)
            inputs.append(value)
            self.values[value.name] = value
            self.layout = "chw" if layout == "chw" else self.layout
        found.raise_if_any()
        return tuple(inputs)

    def outputs(self, last: Value | None, scope: _Scope) -> tuple[tuple[str, ...], tuple[Value, ...]]:
        """The network's outputs, and the names that the document lists them by."""
        if self.document.outputs is None:
            return (), (last,) if last is not None else ()
        outputs = [
            (output.reference.name, self.look_up(output.reference, scope, "no layer"))
            for output in self.document.outputs
            if output.when is None or self.truth(output.when, scope)
        ]
        if not outputs:
            span = self.document.outputs[0].reference.node.span
            message = "no output is left: `when` is false for every one"
            raise DocumentError(Diagnostic("no-outputs", message, span, help="leave one without `when`"))
        return tuple([name for name, _ in outputs]), tuple([value for _, value in outputs])

    # The walk ---------------------------------------------------------------------------------------------------------

    def walk(self, uses: list[LayerUse], value: Value | None, scope: _Scope) -> Value | None:
        for use in uses:
            value = self.use(use, value, scope)
        return value

    def use(self, use: LayerUse, value: Value | None, scope: _Scope) -> Value | None:
        start = value
        if use.source_name is not None:
            value = self.look_up(use.source_name, scope)
        if value is not None:
            scope.names["in_channels"] = value.output[0]
        name = scope.instance + use.name
        if use.repeat is not None:
            value = self.repeated(use, use.repeat, value, scope, name)
        elif use.when is None or self.truth(use.when, scope):
            value = self.instance(use, value, scope, name)
        else:  # skipped: the layers after it go on from where the layer before it ended
            self.define(use.name, value, scope)
            return start
        self.define(use.name, value, scope)
        return value

    def define(self, name: str, value: Value | None, scope: _Scope) -> None:
        """Let a layer's name stand for its value, in its scope and in the instance of a merge that it is made in."""
        if value is not None:
            self.values[scope.prefix + name] = value
            if scope.instance is not scope.prefix:
                self.values[scope.instance + name] = value

    def repeated(self, use: LayerUse, repeat: Term, value: Value | None, scope: _Scope, name: str) -> Value | None:
        names = scope.names
        items = self.repeat_items(repeat, scope)
        outside: dict[str, Any] = {key: names[key] for key in ("i", "item") if key in names}
        for i, item in enumerate(items):
            names["i"] = i
            names["item"] = item
            if value is not None:
                names["in_channels"] = value.output[0]
            if use.when is None or self.truth(use.when, scope):
                value = self.instance(use, value, scope, f"{name}.{i}")
            if value is not None:
                self.values[f"{name}.{i}"] = value
        for key in ("i", "item"):
            names.pop(key, None)
        names.update(outside)
        return value

    def repeat_items(self, repeat: Term, scope: _Scope) -> Iterable[Any]:
        value = self.evaluate(repeat, scope)
        if wrong := wrong_repeat(repeat, value):
            raise self.explained(wrong, scope, repeat)
        return value if type(value) is tuple else range(value)

    def instance(self, use: LayerUse, value: Value | None, scope: _Scope, name: str) -> Value | None:
        self.instances += 1
        if self.instances > MAX_NODES:
            message = f"a network may have {MAX_NODES:,} layers"
            raise DocumentError(Diagnostic("too-many-layers", message, use.kind_node.span, help="repeat less"))
        if use.layer is None:
            return self.block(self.document.blocks[use.kind], use, value, scope, name)
        if use.paths is not None:
            around = scope.instance
            if use.repeat is not None:
                scope.instance = f"{name}."
            inputs = tuple([self.path(path, value, scope, use) for path in use.paths])
            scope.instance = around
            scope.names["in_channels"] = inputs[0].output[0]
        elif value is None:
            raise self.nothing_enters(use)
        else:
            inputs = (value,)
        layer = use.spec or self.layer(use, use.layer, scope)
        facts = self.facts(use, layer, inputs, scope)
        owner = self.owner(use.shares, facts, name, scope) if use.shares is not None else None
        facts = facts if owner is None else facts.holding(())
        node = Node(name, layer, inputs, facts, use.node.span, scope.uses, use.functional, owner)
        self.nodes.append(node)
        return node

    def owner(self, reference: Reference, facts: Facts, name: str, scope: _Scope) -> Node:
        """The layer whose parameters a layer with these facts uses, which has to have the same ones."""
        found = self.look_up(reference, scope)
        owner = found.shared or found if isinstance(found, Node) else None
        needed, there = _shapes(facts), _shapes(owner.facts) if owner is not None else "none"
        if owner is not None and needed == there != "none":
            return owner
        message = f"`{name}` cannot use the parameters of `{reference.name}`: it needs {needed}, and there are {there}"
        notes = () if found.span is None else (Note(f"`{found.name}` is here", found.span),)
        raise self.explained(Diagnostic("shares-differ", message, reference.node.span, notes=notes), scope)

    def path(self, path: Path, value: Value | None, scope: _Scope, merge: LayerUse) -> Value:
        end = self.look_up(path, scope) if isinstance(path, Reference) else self.walk(path, value, scope)
        if end is None:
            raise self.nothing_enters(merge)
        return end

    def block(self, block: Block, use: LayerUse, value: Value | None, scope: _Scope, name: str) -> Value | None:
        names = dict(self.constants)
        if value is not None:
            names["block_in_channels"] = value.output[0]
        inner = _Scope(names, block.args, f"{name}.", scope, use, value)
        for key, default in block.args.items():
            given = use.fields.get(key)
            names[key] = self.evaluate(default, inner) if given is None else self.evaluate(given, scope)
        return self.walk(block.layers, value, inner)

    # Values -----------------------------------------------------------------------------------------------------------

    def evaluate(self, term: Term, scope: _Scope) -> Any:
        if term.constant:
            return term.value
        try:
            return term.evaluate(scope.names)
        except DocumentError as error:
            raise self.explained(error.diagnostics[0], scope, term) from None

    def truth(self, term: Term, scope: _Scope) -> bool:
        value = self.evaluate(term, scope)
        if isinstance(value, bool):
            return value
        raise self.explained(wrong_condition(term, value, scope.names), scope, term)

    def look_up(self, reference: Reference, scope: _Scope, which: str = "no earlier layer") -> Value:
        value = self.values.get(scope.instance + reference.name) or self.values.get(scope.prefix + reference.name)
        if value is not None:
            return value
        if reference.name == INPUT and scope.parent is not None:
            if scope.enters is not None:
                return scope.enters
            message = f"no value enters the block `{scope.prefix[:-1]}`: the network has several inputs"
            help = f"add `from:` with one of {choices(self.document.inputs)} where the block is used"
            span, notes = reference.node.span, tuple(_around(scope))
            raise DocumentError(Diagnostic("no-value-enters", message, span, notes=notes, help=help))
        known = [name[len(scope.prefix) :] for name in self.values if name.startswith(scope.prefix)]
        raise DocumentError(unknown_layer(reference, known, which))

    def layer(self, use: LayerUse, kind: type[Kind], scope: _Scope) -> Kind:
        """The layer with its fields evaluated; one object for equal values, so that facts can be shared."""
        values = {}
        for name, term in use.fields.items():
            if term.constant:
                values[name] = term.value
                continue
            takes = kind.fields[name].takes
            values[name] = value = converted(takes, self.evaluate(term, scope))
            if not takes.accepts(value):
                raise self.wrong_field(use, name, value, scope)
        key = (kind, tuple(values.items()))
        return self.specs.get(key) or self.specs.setdefault(key, kind(**values))

    def facts(self, use: LayerUse, layer: Kind, inputs: tuple[Value, ...], scope: _Scope) -> Facts:
        shapes = tuple([value.output for value in inputs])
        key = (id(layer), shapes)
        facts = self.known_facts.get(key)
        if facts is None:
            try:
                facts = layer.facts(shapes)
            except LayerError as error:
                raise self.layer_error(use, error, inputs, scope) from None
            except NoClosedForm as error:
                message = f"`{use.kind}` has no closed form here: {error}"
                raise self.explained(Diagnostic("no-closed-form", message, use.kind_node.span), scope) from None
            if any(one > MAX_SIZE for one in facts.output):
                message = f"an output of {{0}}: a size is at most {MAX_SIZE:,}"
                too_large = LayerError("output-too-large", message, facts.output, sources=range(len(inputs)))
                raise self.layer_error(use, too_large, inputs, scope)
            self.known_facts[key] = facts
        return facts

    # Messages ---------------------------------------------------------------------------------------------------------

    def explained(self, diagnostic: Diagnostic, scope: _Scope, *terms: Term) -> DocumentError:
        """The diagnostic with notes on the names that its terms read and on the blocks around."""
        notes = list(diagnostic.notes)
        for name in dict.fromkeys([name for term in terms for name in sorted(term.names)]):
            if name in scope.names:
                given = _given(name, scope)
                place = f" (`i` is {scope.names['i']})" if name == "item" else ""
                message = f"`{name}` is {value_text(scope.names[name])}{place}"
                notes.append(Note(message, given.node.span if given else None))
        return DocumentError(replace(diagnostic, notes=(*notes, *_around(scope))))

    def wrong_field(self, use: LayerUse, field: str, value: Any, scope: _Scope) -> DocumentError:
        """That a field does not take what its expression came to: said where the value is written.

        Where the expression is an arg's name alone, that is where the arg gets its value.
        """
        assert use.layer is not None
        takes, term = use.layer.fields[field].takes, use.fields[field]
        given, place, names = term, scope, set(scope.names)
        while given.expression is not None and given.expression.is_word and given.expression.text in place.args:
            name = given.expression.text
            outer = place.parent if place.use is not None and name in place.use.fields else place
            following = _given(name, place)
            if following is None or outer is None:
                break
            given, place = following, outer
            names = (names | set(place.names)) - {name}
        diagnostic = wrong_value(field, takes, given.node, value, names)
        if given is term:
            return self.explained(diagnostic, scope, term)
        note = Note(f"it becomes the `{field}` of `{use.kind}`", term.node.span)
        return self.explained(replace(diagnostic, notes=(note,)), place, given)

    def layer_error(self, use: LayerUse, error: LayerError, inputs: tuple[Value, ...], scope: _Scope) -> DocumentError:
        shapes = [shape_text(shape, self.layout) for shape in error.shapes]
        term = use.fields.get(error.field)
        notes = []
        for position in error.sources:
            value = inputs[position]
            notes.append(Note(f"{shape_text(value.output, self.layout)} comes from `{value.name}`", value.span))
        diagnostic = Diagnostic(
            error.code,
            error.message.format(*shapes) if shapes else error.message,
            term.node.span if term is not None else use.kind_node.span,
            label=error.label,
            notes=tuple(notes),
            help=error.help.format(*shapes) if shapes else error.help,
        )
        return self.explained(diagnostic, scope, *([term] if term is not None else []))

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


def _shapes(facts: Facts) -> str:
    return ", ".join([f"{one.name} {list(one.shape)}" for one in facts.parameters]) or "none"


def _given(name: str, scope: _Scope) -> Term | None:
    """The term that gives an arg its value: where a block is used, its default, or the document's."""
    if scope.use is not None and name in scope.args and name in scope.use.fields:
        return scope.use.fields[name]
    if name in scope.args:
        return scope.args[name]
    return _given(name, _outermost(scope)) if scope.parent is not None else None


def _outermost(scope: _Scope) -> _Scope:
    while scope.parent is not None:
        scope = scope.parent
    return scope


def _around(scope: _Scope) -> list[Note]:
    """The blocks that a scope is an instance of, from the inside out."""
    notes = []
    while scope.parent is not None and scope.use is not None:
        notes.append(Note(f"in `{scope.prefix[:-1]}`", scope.use.kind_node.span))
        scope = scope.parent
    return notes
