"""A network becomes a document again: plain data for `write.text`, from the graph alone.

Layers of one prefix (`stage1.conv`, `stage1.relu`) are a block where one value enters it; children `0`, `1`, `2` that
are alike are a `repeat`. What flows apart and meets again is the paths of a merge (`items`). Blocks that are alike but
for some numbers are one block (`blocks`), with args and expressions over them (`template`). Whatever has none of these
shapes is said with `from` and names, so that every network can be written. Names are kept where the language can spell
them (`names`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from cnncalc.graph import Network, Value
from cnncalc.language.fold.blocks import Block, unify
from cnncalc.language.fold.items import Folder
from cnncalc.language.fold.names import block_names, drop_own_names, kind_of
from cnncalc.language.fold.template import Line, Said, Template, every_line
from cnncalc.language.fold.uses import UNWISHED, Body, Plain, calls, drop_needless_names, free, slots_of
from cnncalc.language.reader import INPUT, NAME, RESERVED_NAMES
from cnncalc.layers import KINDS
from cnncalc.shapes import shape_text


def document(network: Network) -> Plain:
    """The data of a document whose network has the same layers, edges, inputs and outputs."""
    folder = Folder()
    inputs = network.inputs
    entry = inputs[0] if len(inputs) == 1 else None
    names_of_inputs = _input_names(network)
    top = folder.written(folder.items(network.nodes, "", entry), entry, dict(names_of_inputs))
    bodies = [*folder.bodies.values()]
    last = network.nodes[-1] if network.nodes else inputs[0]
    listed = network.output_names or list(network.outputs) != [last]
    outputs = [top.names[value] for value in network.outputs] if listed else []
    lists = [top.uses, *[body.uses for body in bodies]]
    drop_needless_names(lists, outputs)
    unify(bodies, top.uses)
    layers = Template([Body(top.uses, [], set())], slots_of(top.uses)).lines
    blocks = list(dict.fromkeys(_blocks(layers)))
    names = block_names(blocks, {*calls(lists)})
    data: Plain = {"name": network.name} if network.name else {}
    data |= _inputs(network, names_of_inputs)
    if blocks:
        data["blocks"] = {names[block]: _block(block, names) for block in blocks}
    drop_own_names(layers, [*names_of_inputs.values()], names)
    data["layers"] = _layers(layers, names) or ["identity"]
    if outputs:
        data["outputs"] = [name.replace(UNWISHED, "") for name in outputs]
    return data


def _input_names(network: Network) -> dict[Value, str]:
    """Their own, where the language can spell them: `input.1` becomes `input_1`."""
    names: dict[Value, str] = {}
    for value in network.inputs:
        word = re.sub(r"\W", "_", value.name)
        names[value] = free(word if NAME.match(word) else f"{INPUT}_{word}", {*names.values(), *RESERVED_NAMES})
    return names


def _inputs(network: Network, names: dict[Value, str]) -> Plain:
    sizes = {
        names[value]: list(value.output)
        if network.layout == "chw"
        else shape_text(value.output, "hwc")
        if len(value.output) > 1
        else value.output[0]
        for value in network.inputs
    }
    return {"input": sizes["input"]} if list(sizes) == ["input"] else {"inputs": sizes}


def _blocks(lines: Sequence[Line]) -> Iterator[Block]:
    """The blocks that some layers need, each after those that it needs."""
    for line in every_line(lines):
        for body in line.use.bodies[:1]:
            yield from _blocks(body.block.template.lines)
            yield body.block


def _block(block: Block, names: dict[Block, str]) -> Plain:
    template = block.template
    drop_own_names(template.lines, (), names)
    args = {"args": {arg.name: arg.default for arg in template.args}} if template.args else {}
    return {**args, "layers": _layers(template.lines, names)}


def _layers(lines: Sequence[Line], names: dict[Block, str]) -> list[Any]:
    return [_layer(line, names) for line in lines]


def _layer(line: Line, names: dict[Block, str]) -> Any:
    """A layer as data: its kind alone where nothing is said of it."""
    use = line.use
    kind = kind_of(line, names)
    fields: Any = {key if isinstance(key, str) else key.name: _value(value) for key, value in line.fields.items()}
    if line.paths is not None:
        paths = [path if isinstance(path, str) else _layers(path, names) or "identity" for path in line.paths]
        fields = {**fields, "paths": paths} if fields else paths
    elif not use.bodies and list(fields) == [KINDS[kind].main]:
        (fields,) = fields.values()
    beside = {
        "from": use.source,
        "repeat": None if line.repeat is None else _value(line.repeat),
        "when": line.when and line.when.text,
        "shares": use.shares,
        "functional": use.functional or None,
    }
    name = {"name": line.name} if line.name else {}
    data = {**name, kind: fields, **{key: value for key, value in beside.items() if value not in ("", None)}}
    return kind if data == {kind: {}} else data


def _value(value: Any) -> Any:
    return value.text if isinstance(value, Said) else value
