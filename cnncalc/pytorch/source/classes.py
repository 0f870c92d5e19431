"""One class of a model's source. It stands for a block (or the whole document) in all its instances at once.

A layer or block becomes an attribute, made in `__init__` and applied in `forward`; a merge and plain arithmetic are
code in `forward`; a condition an `if` in both. Where instances differ in more than numbers, `Varies` says by what, and
each sort of them gets a class of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.graph import Value
from cnncalc.language.document import Block, LayerUse, Reference
from cnncalc.layers.conv import DynamicConv
from cnncalc.pytorch.source import algebra
from cnncalc.pytorch.source.algebra import Tree, constant, text
from cnncalc.pytorch.source.code import (
    BODY,
    MODULE_ATTRIBUTES,
    SPOKEN,
    Group,
    Infix,
    Line,
    Piece,
    Statement,
    Suite,
    applied,
    flat,
    free,
    nested,
    operand,
    renamed,
    suffixed,
)
from cnncalc.pytorch.source.layers import FUSED, Made, Site, call, dynamic_conv
from cnncalc.pytorch.source.loops import Loop, container
from cnncalc.pytorch.source.modules import Modules, Program
from cnncalc.pytorch.source.structure import Call, Instance, Names, Step, at, every_layer, read_names
from cnncalc.pytorch.source.values import Candidates, Flow, Row, Scope, Values, same

LONGEST_CHAIN = 3  # functions nested into one expression
LONGEST_NESTED = 80

Here = list[tuple[int, Step]]  # a use in each instance


class ClassWriter:
    """Walks a block's uses, in all instances together, and collects the statements of `__init__` and `forward`."""

    def __init__(self, program: Program, block: Block, instances: list[Instance], outputs: list[str]) -> None:
        """`outputs` are names of layers that something beside layers reads."""
        self.instances = instances
        self.scope = Scope({}, set().union(*[read_names(each.steps, outputs) for each in instances]))
        self.values = Values(block, instances, program.is_taken, self.scope)
        self.modules = Modules(program, self.values)
        self.init: list[Statement] = []
        self.forward: list[Statement] = []
        self.attributes: set[str] = set()
        self.locals: set[str] = set()
        self.indent = BODY
        self.shows_shapes = False

    def enter(self, variable: str, values: list[Value] | None = None) -> Flow:
        """The value that enters a block; or one of given values that enters a network."""
        self.locals.add(variable)
        if values is not None:
            channels = [value.output[0] for value in values]
            return Flow(variable, constant(channels[0]) if same(channels) else None, dict(enumerate(values)))
        entering = {place: each.enters for place, each in enumerate(self.instances) if each.enters is not None}
        return Flow(variable, ast.Name(self.values.param("channels", "in_channels").name), entering)

    def walked(self, flow: Flow, target: str) -> Flow:
        """The value that leaves, all uses being written."""
        return self.walk([(place, each.steps) for place, each in enumerate(self.instances)], flow, target)

    # Names ------------------------------------------------------------------------------------------------------------

    def attribute(self, word: str) -> str:
        name = free(self.scope.prefix + word.replace(".", "_"), MODULE_ATTRIBUTES, self.attributes)
        self.attributes.add(name)
        return name

    def local(self, word: str) -> str:
        name = free(self.scope.prefix + word.replace(".", "_"), SPOKEN, self.locals)
        self.locals.add(name)
        return name

    # The walk ---------------------------------------------------------------------------------------------------------

    def walk(self, tracks: list[tuple[int, list[Step]]], flow: Flow, target: str) -> Flow:
        """The uses of a list of layers; `target` is the variable that their values go to."""
        for place in range(len(tracks[0][1])):
            flow = self.step([(instance, steps[place]) for instance, steps in tracks], flow, target)
        return flow

    def step(self, here: Here, start: Flow, target: str) -> Flow:
        use = here[0][1].use
        self.values.current = use.name
        skipped = use.repeat is None and all(step.calls == [None] for _, step in here)
        if use.shares is not None and (use.repeat is not None or use.when is not None):
            message = f"`{use.name}` cannot be written as source: it shares weights, and has `repeat` or `when`"
            raise DocumentError(Diagnostic("no-source", message, use.shares.node.span))
        flow = start if use.source_name is None else self.scope.flows.get(use.source_name.name, start)
        if use.name in self.scope.read:
            target = self.local(use.name)
        if use.repeat is not None:
            after = self.repeated(use, here, flow, target)
        else:
            rows = [Row(instance, step.scope, step.calls[0]) for instance, step in here]
            if use.source_name is not None:
                self.values.vary(rows, [row.call is None for row in rows])
            after = self.once(use, rows, flow, target, use.name)
        self.scope.flows[use.name] = after
        return start if skipped and use.source_name is not None else after

    def once(self, use: LayerUse, rows: list[Row], flow: Flow, target: str, name: str) -> Flow:
        """A use that is carried out once: everywhere, somewhere or nowhere."""
        done = [row for row in rows if row.call is not None]
        self.values.channels = flow.channels
        if not done or use.kind == "identity":
            return self.passed(flow, target, name)
        if use.layer is None and self.scope.reads_inside(name):
            self.values.vary(rows, [row.call is None for row in rows])
            return self.in_place(use, rows, flow, target, name)
        is_merge = use.paths is not None and done[0].done.instance is None
        if len(done) < len(rows):
            return (self.merge_under_condition if is_merge else self.under_condition)(
                use, rows, done, flow, target, name
            )
        if is_merge:
            return self.merge(use, rows, flow, target, name)
        made = self.modules.made(use, rows, [flow.channels])
        own = ""
        if use.shares is not None:
            own = self.scope.modules[name] = self.shared(use, use.shares)
        elif made.piece:
            own = self.scope.modules[name] = f"self.{self.attribute(name)}"
            self.init.append(Line(own, made.piece))
        self.forward.append(application(target, own, made, flow.variable))
        return self.after(rows, flow, target, [made.channels, flow.channels])

    def shared(self, use: LayerUse, owner: Reference) -> str:
        """The module of another layer; raises `DocumentError` where that is none of this class that is always there."""
        module = self.scope.modules.get(owner.name)
        if module is None:
            message = f"`{use.name}` cannot be written as source: `{owner.name}` is no single layer of the same block"
            raise DocumentError(Diagnostic("no-source", message, owner.node.span))
        return module

    def passed(self, flow: Flow, target: str, name: str) -> Flow:
        """A value that goes on as it is; under a variable of its own where it is read by name."""
        return self.held(flow, target) if name in self.scope.read else flow

    def held(self, flow: Flow, target: str) -> Flow:
        """A value in the target variable."""
        if target != flow.variable:
            self.forward.append(renamed(target, flow.variable))
        return flow.named(target)

    def after(self, rows: list[Row], flow: Flow, target: str, channels: Candidates) -> Flow:
        """The value that leaves a use; its shape is shown beside the last line, where the class shows shapes."""
        values = dict(flow.values)
        for row in rows:
            if row.call is not None and row.call.leaves is not None:
                values[row.instance] = row.call.leaves
        shapes = {value.output for value in values.values()}
        if self.shows_shapes and len(shapes) == 1 and shapes != {value.output for value in flow.values.values()}:
            last = self.forward[-1]
            if isinstance(last, Line):
                last.comment = str(list(shapes.pop()))
        return Flow(target, self.values.first(rows, [values[row.instance].output[0] for row in rows], channels), values)

    # Conditions -------------------------------------------------------------------------------------------------------

    def condition(self, use: LayerUse, rows: list[Row]) -> Tree:
        assert use.when is not None
        wanted = [row.call is not None for row in rows]
        return self.values.write(use.name, rows, wanted, [self.values.carried(use.when, rows)])

    def under_condition(
        self, use: LayerUse, rows: list[Row], done: list[Row], flow: Flow, target: str, name: str
    ) -> Flow:
        """A module that is made where its condition holds, and elsewhere an identity (or, with more to do, None).

        Code that holds nothing is asked whether the condition held.
        """
        condition = self.condition(use, rows)
        made = self.modules.made(use, done, [flow.channels])
        own = f"self.{self.attribute(name)}"
        if not made.piece:
            self.init.append(Line(own, text(condition)))
        else:
            otherwise = Line(f"{own}: nn.Module", "nn.Identity()")
            if not made.is_alone:
                otherwise = Line(f"{own}: {made.type} | None", "None")
            self.init += [otherwise, Suite("if", text(condition), [Line(own, made.piece)])]
        if made.is_alone:
            self.forward.append(application(target, own, made, flow.variable))
        else:
            self.held(flow, target)
            holds = f"{own} is not None" if made.piece else own
            self.forward.append(Suite("if", holds, [application(target, own, made, target)]))
        return self.after(rows, flow, target, either(condition, made.channels or flow.channels, flow.channels))

    def merge_under_condition(
        self, use: LayerUse, rows: list[Row], done: list[Row], flow: Flow, target: str, name: str
    ) -> Flow:
        condition = self.condition(use, rows)
        attribute = self.attribute(name)
        self.init.append(Line(f"self.{attribute}", text(condition)))
        start = self.held(flow, target)
        outside = self.init, self.forward
        init: list[Statement] = []
        forward: list[Statement] = []
        self.init, self.forward, self.indent = init, forward, self.indent + 4
        merged = self.merge(use, done, start, target, name)
        (self.init, self.forward), self.indent = outside, self.indent - 4
        self.init += [Suite("if", f"self.{attribute}", init)] if init else []
        self.forward.append(Suite("if", f"self.{attribute}", forward))
        return self.after(rows, flow, target, either(condition, merged.channels, flow.channels))

    # Repeats ----------------------------------------------------------------------------------------------------------

    def repeated(self, use: LayerUse, here: Here, flow: Flow, target: str) -> Flow:
        rows = [Row(instance, step.scope, Call({}, step.enters, step.leaves)) for instance, step in here]
        done = [[call is not None for call in step.calls] for _, step in here]
        if not any(map(any, done)) or use.kind == "identity":
            return self.passed(flow, target, use.name)
        if not all(map(all, done)) and all(len(set(each)) < 2 for each in done):
            self.values.vary(rows, [all(each) for each in done])
        joins_others = any(call is not None and call.paths for _, step in here for call in step.calls)
        turns = None
        if all(map(all, done)) and not joins_others and not self.scope.reads_inside(use.name):
            turns = Loop(self.modules, use, here, flow.channels).turns()
        if turns is None:
            self.values.vary(rows, [len(each) for each in done])
            return self.one_by_one(use, here, flow, target)
        attribute = self.attribute(use.name)
        alone = turns.made.is_alone
        self.init += container(attribute, "nn.Sequential" if alone else "nn.ModuleList", turns.entries, self.indent)
        if alone:
            self.forward.append(application(target, f"self.{attribute}", turns.made, flow.variable))
        else:
            self.held(flow, target)
            turn = free(attribute, SPOKEN, self.locals, [target])
            applying = application(target, turn, turns.made, target)
            self.forward.append(Suite(f"for {turn} in", f"self.{attribute}", [applying]))
        return self.after(rows, flow, target, [*turns.leaving, flow.channels])

    def one_by_one(self, use: LayerUse, here: Here, flow: Flow, target: str) -> Flow:
        """A repeat whose turns are uses of their own."""
        assert use.repeat is not None
        values = self.values
        values.channels = flow.channels
        repeat = values.carried(use.repeat, [Row(instance, step.scope, None) for instance, step in here])
        outer = values.loops
        for turn in range(len(here[0][1].calls)):
            name = f"{use.name}.{turn}"
            rows = [Row(instance, scope_of_turn(step, turn), step.calls[turn]) for instance, step in here]
            values.current, values.loops = f"{use.name}_{turn}", {}
            if isinstance(repeat, ast.Name) and any(row.scope["item"] != turn for row in rows):
                values.loops = {"item": ast.Subscript(repeat, constant(turn))}
            own = self.local(name) if name in self.scope.read else target
            outside = self.scope.prefix
            self.scope.prefix += f"{use.name}_{turn}_" if use.paths is not None else ""
            flow = self.scope.flows[name] = self.once(use, rows, flow, own, name)
            self.scope.prefix = outside
            self.scope.keep_turn(name, use)
        values.loops = outer
        return self.held(flow, target) if use.name in self.scope.read else flow

    # Blocks whose layers are read from outside ------------------------------------------------------------------------

    def in_place(self, use: LayerUse, rows: list[Row], flow: Flow, target: str, name: str) -> Flow:
        """The layers of a block as if they stood where it is used."""
        outer, values = self.scope, self.values
        instances = [row.done.instance for row in rows if row.done.instance is not None]
        args = {arg: values.given(use, arg, rows) for arg in instances[0].block.args}
        args["block_in_channels"] = flow.channels
        inside = {read.removeprefix(f"{name}.") for read in outer.read if read.startswith(f"{name}.")}
        read = set().union(*[read_names(each.steps, inside) for each in instances])
        self.scope = values.scope = Scope(args, read, prefix=f"{outer.prefix}{name.replace('.', '_')}_")
        after = self.walk([(row.instance, each.steps) for row, each in zip(rows, instances, strict=True)], flow, target)
        outer.flows |= {f"{name}.{word}": value for word, value in self.scope.flows.items()}
        self.scope = values.scope = outer
        return self.held(after, target) if name in outer.read else after

    # Merges -----------------------------------------------------------------------------------------------------------

    def merge(self, use: LayerUse, rows: list[Row], flow: Flow, target: str, name: str) -> Flow:
        """Each path on its own, then the line that joins their ends."""
        assert use.paths is not None
        outside = set(self.locals)
        self.locals.add(flow.variable)
        uses = [carried_out(rows, place) for place in range(len(use.paths))]
        one_is_long = sum(len(each) > 1 for each in uses) == 1 and sum(map(bool, uses)) < 3
        paths: list[Path] = []
        for place, written in enumerate(use.paths):
            if isinstance(written, Reference):
                paths.append(Path(self.scope.flows[written.name], []))
                continue
            outer, self.forward = self.forward, []
            variable = self.path_variable(uses[place], one_is_long and len(uses[place]) > 1)
            end = self.walk([(row.instance, row.done.paths[place]) for row in rows], flow, variable)
            is_late = use.kind != "concat" and place > 1 and writes_over_values(rows, place)
            paths.append(Path(end, self.forward, None if is_late else self.chain(self.forward)))
            self.forward = outer
        channels: Candidates = [path.end.channels for path in paths]
        layer = rows[0].done.layer
        assert layer is not None
        if isinstance(layer, DynamicConv):
            module, out = self.convolving(use, rows, paths[0].end, name)
            self.join(layer, paths, target, module)
            channels = [out]
        else:
            self.values.vary(rows, [row.done.layer for row in rows])
            self.join(layer, paths, target, partial(merged, layer))
        self.locals = outside | self.scope.variables
        known = [tree for tree in channels if tree is not None]
        if use.kind == "concat" and len(known) == len(paths):
            channels.insert(0, algebra.total(known))
        return self.after(rows, flow, target, channels)

    def convolving(
        self, use: LayerUse, rows: list[Row], map: Flow, name: str
    ) -> tuple[Callable[[list[Piece]], Piece], Tree | None]:
        """The call of a module that convolves a map with filters, and the channels that it makes."""
        self.values.channels = map.channels
        site = Site(use, rows, self.values, [map.values[row.instance].output for row in rows])
        made, outside = dynamic_conv(site)
        own = f"self.{self.attribute(name)}"
        self.init.append(Line(own, made.piece))

        def called(pieces: list[Piece]) -> Piece:
            first, filters = pieces
            return Group(f"{own}(", (first if outside is None else call("F.pad", first, outside), filters))

        return called, made.channels

    def path_variable(self, uses: list[str], is_long: bool) -> str:
        """`y` for the one long path of a merge; else a path's value is called as the last layer in it."""
        if not uses or uses[-1] in self.scope.read:
            return free(uses[-1] if uses else "path", SPOKEN, self.locals)
        return self.local("y" if is_long and "y" not in self.locals else uses[-1])

    def chain(self, body: list[Statement]) -> Piece | None:
        """A path as one expression, where it is short and nothing in it is read by name."""
        found = nested(body)
        if found is None or found[1] > LONGEST_CHAIN or len(flat(found[0])) > LONGEST_NESTED:
            return None
        lines = [line for line in body if isinstance(line, Line)]
        if isinstance(found[0], Infix) and not Line(lines[-1].target, found[0]).is_short(self.indent):
            return None
        return None if {line.target for line in lines} & self.scope.variables else found[0]

    def join(self, layer: Any, paths: list[Path], target: str, whole: Callable[[list[Piece]], Piece]) -> None:
        """The line that joins paths: short ones stand in it, longer ones before it, all in the document's order.

        `whole` is what joins them.
        """
        is_call = layer.kind == "concat" or isinstance(layer, DynamicConv)  # which may be spread over lines
        last_long = max([place for place, path in enumerate(paths) if path.body and path.chain is None], default=-1)
        inside = [path.chain is not None and place > last_long for place, path in enumerate(paths)]
        if layer.kind == "concat" and sum(bool(path.body) for path in paths) > 2:
            inside = [False for _ in paths]
        line = joined(layer, paths, inside, target, whole)
        if not line.is_short(self.indent):
            inside = [False for _ in paths]
            line = joined(layer, paths, inside, target, whole)
        for path, stands_inside in zip(paths, inside, strict=True):
            self.forward += [] if stands_inside else path.statements()
        if is_call or line.is_short(self.indent):
            self.forward.append(line)
        else:
            self.forward += path_by_path(layer, [path.end.variable for path in paths], self.local("total"), target)


@dataclass(slots=True)
class Path:
    """A path of a merge: where it ends, how it gets there, and that as one expression where it is short."""

    end: Flow
    body: list[Statement]
    chain: Piece | None = None

    def statements(self) -> list[Statement]:
        if self.chain is None:
            return self.body
        last = self.body[-1]
        comment = last.comment if isinstance(last, Line) else ""
        return [Line(self.end.variable, self.chain, self.body[0].reads, comment=comment, calls=self.calls)]

    @property
    def calls(self) -> bool:
        return any(isinstance(each, Line) and each.calls for each in self.body)


SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "mean": "+", "matmul": "@"}


def overwrites(layer: Any) -> bool:
    """Whether a layer writes over what enters it, and a sum over its first path."""
    return getattr(layer, "inplace", False)


def both(merge: Any, first: Piece, second: Piece) -> Piece:
    """Two paths joined."""
    return Group(f"{operand(first)}.add_(", (second,)) if overwrites(merge) else Infix(first, SIGNS[merge.kind], second)


def merged(merge: Any, pieces: list[Piece]) -> Piece:
    if merge.kind == "concat":
        return Group("torch.cat(", (Group("[", tuple(pieces), "]"), str(merge.axis + 1)))
    whole = reduce(partial(both, merge), pieces)
    return Infix(whole, "/", str(len(pieces))) if merge.kind == "mean" else whole


def joined(
    merge: Any, paths: list[Path], inside: list[bool], target: str, whole: Callable[[list[Piece]], Piece]
) -> Line:
    """The line that joins paths; some stand in it as expressions, the others as variables."""
    pieces: list[Piece] = []
    reads: set[str] = set()
    calls = overwrites(merge)
    for path, stands_inside in zip(paths, inside, strict=True):
        pieces.append(path.chain if stands_inside and path.chain is not None else path.end.variable)
        reads |= path.body[0].reads if stands_inside else {path.end.variable}
        calls |= stands_inside and path.calls
    return Line(target, whole(pieces), frozenset(reads), calls=calls)


def path_by_path(merge: Any, variables: list[str], total: str, target: str) -> list[Statement]:
    """A sum that is too long for a line."""
    lines: list[Statement] = []
    sofar = variables[0]
    for variable in variables[1:]:
        sum_ = both(merge, sofar, variable)
        lines.append(Line(total, sum_, frozenset([sofar, variable]), calls=overwrites(merge)))
        sofar = total
    whole = f"{total} / {len(variables)}" if merge.kind == "mean" else total
    return [*lines, Line(target, whole, frozenset([total]))]


def application(target: str, own: str, made: Made, variable: str) -> Line:
    """`target = F.relu(own(variable.flatten(1)))`."""

    def function(piece: Piece) -> Piece:
        output = made.output(own, suffixed(piece, ".flatten(1)") if made.flattens else piece)
        if made.activation is None:
            return output
        fused, *options = FUSED[made.activation]
        return Group(f"{fused}(", (output, *options))

    return applied(target, function, variable, made.is_module or made.overwrites)


def either(condition: Tree, then: Tree | None, otherwise: Tree | None) -> Candidates:
    """Channels after a use under a condition."""
    return [then, otherwise, then and otherwise and ast.IfExp(condition, then, otherwise)]


def carried_out(rows: list[Row], place: int) -> list[str]:
    """The names of the uses of a path that are carried out anywhere."""
    paths = [row.done.paths[place] for row in rows]
    everywhere: list[tuple[Step, ...]] = list(zip(*paths, strict=True))
    return [
        steps[0].use.name
        for steps in everywhere
        if steps[0].use.kind != "identity" and any(any(each.calls) for each in steps)
    ]


def writes_over_values(rows: list[Row], place: int) -> bool:
    """Whether a path or the merge itself writes over values.

    In the line of a sum the third path would then run too late: when the first two are added up already.
    """
    layers = [[row.done.layer, *every_layer(row.done.paths[place])] for row in rows]
    return any(overwrites(layer) for each in layers for layer in each)


def scope_of_turn(step: Step, turn: int) -> Names:
    """The document's names in one turn of a repeat."""
    call = step.calls[turn]
    if call is not None:
        return call.scope
    assert step.use.repeat is not None
    items: Any = step.use.repeat.evaluate(step.scope)
    before = [each.leaves for each in step.calls[:turn] if each is not None]
    names = {**step.names, "i": turn, "item": items[turn] if isinstance(items, tuple) else turn}
    return at(names, before[-1] if before else step.enters)
