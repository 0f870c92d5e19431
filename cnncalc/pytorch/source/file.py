"""The file of a model's source: its classes in the order in which they need one another, and all that they need."""

from __future__ import annotations

import ast
import textwrap
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from cnncalc.graph import Network, Value
from cnncalc.language.document import Document
from cnncalc.language.reader import INPUT
from cnncalc.pytorch.source import algebra
from cnncalc.pytorch.source.algebra import constant, names_of, text
from cnncalc.pytorch.source.classes import ClassWriter
from cnncalc.pytorch.source.code import (
    BODY,
    BUILTINS,
    IMPORTED,
    WIDTH,
    Group,
    Line,
    Piece,
    class_name,
    fits,
    free_class,
    laid_out,
    one_line,
    without_dead_stores,
)
from cnncalc.pytorch.source.modules import Template
from cnncalc.pytorch.source.structure import Instance, Structure, every_step
from cnncalc.pytorch.source.values import Flow, Param, Varies

PARTS = Path(__file__).parent / "parts.py"


class File:
    """A source that is right for each of `structures`; the first is the network, and gives defaults."""

    def __init__(self, document: Document, structures: list[Structure]) -> None:
        self.document, self.structures = document, structures
        self.instances: dict[int, dict[str, Instance]] = {}  # by block, those that differ
        self.written: dict[int, dict[str, tuple[Template, int]]] = {}
        self.templates: list[Template] = []
        self.names = {*parts(), *BUILTINS, *IMPORTED}
        self.block_names = {class_name(name, "Block") for name in document.blocks}
        uses: dict[int, dict[int, None]] = {}  # by block, the blocks that it uses
        for each in structures:
            self.collect(each.whole, uses)
        for block in TopologicalSorter(uses).static_order():
            if block in self.instances:
                self.written[block] = {}
                self.write(list(self.instances[block].values()))

    def collect(self, around: Instance, uses: dict[int, dict[int, None]]) -> None:
        """Find the instances of blocks inside an instance."""
        inside = uses.setdefault(id(around.block.node), {})
        for step in every_step(around.steps):
            for call in step.calls:
                if call is None or call.instance is None:
                    continue
                block = id(call.instance.block.node)
                inside[block] = None
                alike = self.instances.setdefault(block, {})
                if call.instance.key not in alike:
                    alike[call.instance.key] = call.instance
                    self.collect(call.instance, uses)

    # Classes ----------------------------------------------------------------------------------------------------------

    def template(self, instance: Instance) -> tuple[Template, int]:
        return self.written[id(instance.block.node)][instance.key]

    def is_taken(self, word: str) -> bool:
        return word in self.names or word.rstrip("0123456789") in self.block_names

    def write(self, instances: list[Instance]) -> None:
        """A class for instances of a block, or one for each sort of them."""
        block = instances[0].block
        try:
            writer = ClassWriter(self, block, instances, [])
            variable = writer.local(INPUT) if INPUT in writer.scope.read else "x"
            writer.scope.flows[INPUT] = flow = writer.enter(variable)
            flow = writer.walked(flow, "x")
        except Varies as varies:
            for key in dict.fromkeys(varies.keys):
                self.write([each for each, own in zip(instances, varies.keys, strict=True) if own == key])
            return
        template = self.finished(writer, class_name(block.name, "Block"), [variable], [flow], [])
        for place, each in enumerate(instances):
            self.written[id(block.node)][each.key] = template, place

    def network(self) -> None:
        """The class of the whole document; raises `Varies` or `Unwritable` where one cannot be right for all."""
        document, network = self.document, self.structures[0].network
        wholes = [each.whole for each in self.structures]
        outputs = output_names(document, wholes[0])
        writer = ClassWriter(self, wholes[0].block, wholes, outputs)
        writer.values.takes_numbers = False
        writer.shows_shapes = True
        variables = []
        flow: Flow | None = None
        for place, input in enumerate(network.inputs):
            is_named = len(network.inputs) > 1 or input.name in writer.scope.read
            variables.append(writer.local(input.name) if is_named else "x")
            flow = writer.enter(variables[-1], [each.network.inputs[place] for each in self.structures])
            writer.scope.flows[input.name] = flow
        assert flow is not None
        last = writer.walked(flow, "x")
        for param in writer.values.params.values():
            param.default = constant(param.values[0])
        name = class_name(document.name or Path(document.source.name).stem, "Network")
        flows = [writer.scope.flows[each] for each in outputs] or [last]
        self.finished(writer, name, variables, flows, docstring(document, network))

    def finished(
        self, writer: ClassWriter, name: str, takes: list[str], returns: list[Flow], doc: list[str]
    ) -> Template:
        name = free_class(name, self.names)
        self.names.add(name)
        params = in_order(writer)
        channels = returns[0].channels
        if channels is not None and not names_of(channels) <= {param.name for param in params}:
            channels = None
        template = Template(name, params, channels, class_lines(writer, name, params, takes, returns, doc))
        self.templates.append(template)
        return template

    def text(self, origin: str) -> str:
        """The whole file, which says where it comes from."""
        definitions = parts() | {template.name: "\n".join(template.lines) for template in self.templates}
        needed = {self.templates[-1].name}
        reading = words(definitions[self.templates[-1].name])
        while more := {name for name in definitions if name in reading} - needed:
            needed |= more
            reading = reading.union(*[words(definitions[name]) for name in more])
        lines = [f"# Exported by cnncalc from {one_line(origin)}.", ""]
        lines += ["import torch"] if "torch" in reading else []
        lines += ["import torch.nn.functional as F"] if "F" in reading else []
        lines += ["from torch import Tensor, nn"]
        for name, definition in definitions.items():
            lines += ["", "", definition] if name in needed else []
        return "\n".join(lines) + "\n"


def output_names(document: Document, whole: Instance) -> list[str]:
    """The names of the outputs whose condition holds."""
    outputs = document.outputs or []
    return [each.reference.name for each in outputs if each.when is None or each.when.evaluate(whole.names)]


# The text of a class --------------------------------------------------------------------------------------------------


def in_order(writer: ClassWriter) -> list[Param]:
    """The parameters that are read: channels, those that have to be given, those with a default."""
    values = writer.values
    sorts, words = ["channels", "arg", "outer", "own"], list(values.block.args)

    def place(param: Param) -> tuple[bool, int, int]:
        return param.default is not None, sorts.index(param.sort), words.index(param.word) if param.sort == "arg" else 0

    return sorted([param for name, param in values.params.items() if name in values.used], key=place)


def class_lines(
    writer: ClassWriter, name: str, params: list[Param], takes: list[str], returns: list[Flow], doc: list[str]
) -> list[str]:
    lines = [f"class {name}(nn.Module):", *doc]
    if writer.init:
        declared = tuple([declaration(param) for param in params])
        lines += laid_out(4, "", Group("def __init__(", ("self", *declared), ") -> None:"))
        lines.append("        super().__init__()")
        for statement in writer.init:
            lines += statement.lines(BODY)
        lines.append("")
    result = "Tensor" if len(returns) == 1 else f"tuple[{', '.join(['Tensor' for _ in returns])}]"
    result = result if len(returns) < 5 else "tuple[Tensor, ...]"
    arguments = tuple([f"{variable}: Tensor" for variable in takes])
    lines += laid_out(4, "", Group("def forward(", ("self", *arguments), f") -> {result}:"))
    body = without_dead_stores(writer.forward, {flow.variable for flow in returns})
    if len(returns) == 1 and body and isinstance(body[-1], Line) and body[-1].target == returns[0].variable:
        body[-1].target = "return"
    else:
        body.append(Line("return", results(returns)))
    for statement in body:
        lines += statement.lines(BODY)
    return lines


def results(returns: list[Flow]) -> Piece:
    whole = ", ".join([flow.variable for flow in returns])
    return whole if fits(f"        return {whole}") else Group("(", tuple([flow.variable for flow in returns]))


def declaration(param: Param) -> str:
    default = [] if param.default is None else [algebra.value(param.default, {})]
    return f"{param.name}: {annotation([*param.values, *default])}" + (
        "" if param.default is None else f" = {text(param.default)}"
    )


def annotation(values: list[Any]) -> str:
    """The type of a parameter that takes these values."""
    found = sorted({type_name(value) for value in values}, key=lambda name: (name == "None", name))
    return " | ".join([name for name in found if name != "int" or "float" not in found])


def type_name(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, tuple):
        return f"tuple[{annotation(list(value)) if value else 'int'}, ...]"
    if isinstance(value, dict):
        return f"dict[str, {annotation(list(value.values()))}]"
    return type(value).__name__ if isinstance(value, bool | int | str) else "float"


def docstring(document: Document, network: Network) -> list[str]:
    """What the network is called, how large it is, what goes in and comes out."""

    def shapes(values: tuple[Value, ...]) -> str:
        return ", ".join([f"[N, {', '.join(map(str, value.output))}]" for value in values])

    parameters = sum([node.facts.weights + node.facts.biases for node in network.nodes])
    first = f'"""{one_line(document.name) or "A network"}: {parameters:,} parameters.'
    second = f"Takes {shapes(network.inputs)}, returns {shapes(network.outputs)}."
    shown = [*textwrap.wrap(first, WIDTH - 4), "", *textwrap.wrap(second, WIDTH - 4), '"""']
    return [*[f"    {line}" if line else "" for line in shown], ""]


# Parts ----------------------------------------------------------------------------------------------------------------


@cache
def parts() -> dict[str, str]:
    """The text of each definition in `parts.py`."""
    code = PARTS.read_text("utf-8")
    found = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = ast.get_source_segment(code, node) or ""
    return found


def words(code: str) -> set[str]:
    """The names that code reads."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
