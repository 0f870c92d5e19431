"""ONNX files as networks: `load("model.onnx")`.

`file` reads one, `patterns` finds what exporters write for one layer, `walk` makes nodes by the table in `operators`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import did_you_mean, near, quoted
from cnncalc.graph import Network, uncounted
from cnncalc.onnx_import.file import Graph, Size, read, refused, shown
from cnncalc.onnx_import.names import name_nodes, plain
from cnncalc.shapes import shape_written


def load(path: str | Path, settings: Iterable[str] = ()) -> Network:
    """The network of an ONNX file; every count is for one image, whatever its batch.

    `settings` are `NAME=VALUE` texts: an input's size for one image (`input=224x224x3`, `input=[3, 224, 224]`), or a
    dimension's that the file only names (`height=224`). Raises `DocumentError`.
    """
    with collection_paused():
        return _network(str(path), list(settings))


def _network(path: str, settings: list[str]) -> Network:
    from cnncalc.onnx_import.operators import OPERATORS
    from cnncalc.onnx_import.patterns import Matcher
    from cnncalc.onnx_import.walk import Walk

    graph = read(path)
    walk = Walk(path, graph, sizes(path, graph, settings), OPERATORS)
    operators = Matcher(graph).operators()
    outputs = walk.walk(operators)
    if not walk.nodes:
        raise refused("onnx-no-layers", f"{path} has no layer: nothing in it works on an input")
    inputs = list(walk.inputs.values())
    taken = {value.name for value in inputs}
    name_nodes(walk.nodes, walk.made_by, walk.held, OPERATORS, taken)
    title = Path(path).name.removesuffix(".onnx")
    names = tuple([plain(name) for name in graph.outputs]) if len(outputs) > 1 else ()
    said = tuple(uncounted(walk.nodes, walk.reasons))
    return Network(title, tuple(inputs), tuple(walk.nodes), tuple(outputs), "chw", path, (), names, said)


def sizes(path: str, graph: Graph, settings: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    """The whole shape of each input; a batch that has no number is 1."""
    given: dict[str, tuple[int, ...]] = {}
    named: dict[str, int] = {}
    symbols = {size for shape in graph.inputs.values() for size in shape[1:] if isinstance(size, str) and size}
    for setting in settings:
        name, equals, text = [part.strip() for part in setting.partition("=")]
        written = shape_written(text)
        if not equals or written is None:
            raise refused("bad-setting", f"--set: {quoted(setting)} is not NAME=VALUE", "e.g. input=224x224x3")
        value, _ = written
        if name in graph.inputs or (name == "input" and len(graph.inputs) == 1):
            given[name if name in graph.inputs else next(iter(graph.inputs))] = value
        elif name in symbols and len(value) == 1:
            named[name] = value[0]
        else:
            known = [*graph.inputs, *symbols]
            help = did_you_mean(near(name, known), f"it has {', '.join(known)}")
            raise refused("unknown-arg", f"{path} has no input or dimension {quoted(name)}", help)
    return {name: _whole(path, name, shape, given.get(name), named) for name, shape in graph.inputs.items()}


def _whole(
    path: str, name: str, shape: tuple[Size, ...], given: tuple[int, ...] | None, named: Mapping[str, int]
) -> tuple[int, ...]:
    batch = 1 if shape and isinstance(shape[0], str) else shape[0] if shape else 1
    assert isinstance(batch, int)
    if given is not None:
        return (batch, *given)
    known = [named.get(size, size) if isinstance(size, str) else size for size in shape[1:]]
    missing = [size for size in known if isinstance(size, str)]
    if missing:
        which = missing[0]
        help = "--set input=224x224x3, with the sizes that it should have"
        if which:
            help += f", or --set {which}=224"
        raise refused(
            "onnx-input-size", f"{path}: input {quoted(name)} is {shown(shape)}: its sizes are not all known", help
        )
    return (batch, *[size for size in known if isinstance(size, int)]) if shape else ()
