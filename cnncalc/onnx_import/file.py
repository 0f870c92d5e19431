"""An ONNX file as plain records: its operators in the order in which they run, its tensors' shapes, its inputs.

Weights stay where they are: of a tensor only the shape is read, and the numbers of small ones that say a shape or an
axis. What is wrong with the file itself is found here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import prod
from os import fstat
from pathlib import Path
from typing import Any, NamedTuple

from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, quoted
from cnncalc.shapes import LARGEST_SIZE

MAX_BYTES = 2**31 - 1  # what a protocol buffer can be
MAX_OPERATORS = 1_000_000
MAX_RANK = 16
MAX_VALUES = 65_536  # numbers of a constant that are read; weights have more, shapes and axes fewer
MAX_DEPTH = 20  # graphs in graphs

# TensorProto.DataType: how struct unpacks the raw bytes, and the field that has the numbers otherwise.
_FORMATS = {
    1: ("f", "float_data"),
    2: ("B", "int32_data"),
    3: ("b", "int32_data"),
    4: ("H", "int32_data"),
    5: ("h", "int32_data"),
    6: ("i", "int32_data"),
    7: ("q", "int64_data"),
    9: ("?", "int32_data"),
    10: ("e", ""),
    11: ("d", "double_data"),
    12: ("I", "uint64_data"),
    13: ("Q", "uint64_data"),
}
_REAL = (1, 10, 11, 14, 15, 16)  # floating and complex
_INT, _INTS, _FLOAT, _FLOATS, _TEXT, _TENSOR, _GRAPH = 2, 7, 1, 6, 3, 4, 5  # AttributeProto.AttributeType


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A constant of the file: `shape` always, the numbers where they are asked for and few."""

    name: str
    shape: tuple[int, ...]
    real: bool
    proto: Any = field(repr=False)
    folder: Path | None = None

    @property
    def values(self) -> tuple[Any, ...] | None:
        """The numbers in C order; None where there are too many, or they are not to be had."""
        count = prod(self.shape)
        if count > MAX_VALUES or self.proto.data_type not in _FORMATS:
            return None
        letter, typed = _FORMATS[self.proto.data_type]
        if self.proto.data_location == 1:
            data = _external(self.proto, self.folder, count * struct.calcsize(letter))
        elif self.proto.HasField("raw_data"):
            data = bytes(self.proto.raw_data)
        else:
            numbers = tuple(getattr(self.proto, typed)) if typed else ()
            return numbers if len(numbers) == count else None
        if len(data) != count * struct.calcsize(letter):
            return None
        return struct.unpack(f"<{count}{letter}", data)


def _external(proto: Any, folder: Path | None, length: int) -> bytes:
    """A small tensor's bytes from the file beside the model; none where it is not there, or not in its folder."""
    entries = {entry.key: entry.value for entry in proto.external_data}
    try:
        if folder is None:
            return b""
        file = (folder / entries["location"]).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file():
            return b""
        with file.open("rb") as stream:
            stream.seek(int(entries.get("offset", 0)))
            return bytes(stream.read(length))
    except (KeyError, OSError, ValueError, OverflowError):
        return b""


class Operator(NamedTuple):
    """A node of the file. `scope` is the module that it comes from, where the file says so ("" the outermost)."""

    type: str
    name: str
    inputs: tuple[str, ...]  # "" where one is left out
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    scope: str | None = None
    domain: str = ""

    @property
    def label(self) -> str:
        """What messages call it: the file's name of it and its type."""
        return f"{quoted(self.name or next(filter(None, self.outputs), '?'))} ({self.type})"


class Branch(NamedTuple):
    """A graph inside an operator (of If, Loop, Scan), which reads values of the graph around it."""

    operators: tuple[Operator, ...]
    outputs: tuple[str, ...]
    tensors: tuple[Tensor, ...]


Size = int | str  # a number, or the name of a dimension that has none yet; "" where it has no name either


@dataclass(frozen=True, slots=True)
class Graph:
    """What a file holds. `stated` are the shapes it gives for values in between and at the end."""

    name: str
    version: int  # of the operators of ONNX itself
    inputs: Mapping[str, tuple[Size, ...]]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    operators: tuple[Operator, ...]
    stated: Mapping[str, tuple[Size, ...]]
    model: Any = field(repr=False)


def refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))


def word(text: Any) -> str:
    """A text of the file; protobuf gives one that is not UTF-8 as bytes."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


# Reading --------------------------------------------------------------------------------------------------------------


def read(path: str) -> Graph:
    """The graph of a file; raises `DocumentError`, and where the package onnx is missing, too."""
    try:
        import onnx
    except ImportError:
        help = "pip install 'cnncalc[onnx]'"
        raise refused("needs-onnx", f"{path} needs the package onnx, which is not installed", help) from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(_bytes(path))
    except DocumentError:
        raise
    except Exception:  # DecodeError, whose module depends on how protobuf was built
        raise _not_onnx(path) from None
    if not model.HasField("graph"):
        raise _not_onnx(path) if not model.ir_version else refused("onnx-no-graph", f"{path} has no graph")
    if not model.graph.node and not model.graph.input and not model.graph.output:
        raise refused("onnx-no-graph", f"{path} has an empty graph")
    version = _version(model, path, onnx.defs.onnx_opset_version())
    if model.functions:
        model = _inlined(model, path)
    return _graph(model, version, path)


def _bytes(path: str) -> bytes:
    file = Path(path)
    try:
        if file.is_dir():
            raise refused("is-a-directory", f"{path} is a directory, not a model", "name a file in it")
        with file.open("rb") as stream:
            data = b"" if (large := fstat(stream.fileno()).st_size > MAX_BYTES) else stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise refused("no-such-file", f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise refused("cannot-read", f"{path} cannot be read: {reason}") from None
    if large or len(data) > MAX_BYTES:
        help = "save the weights beside it (`save_as_external_data`): they are not read"
        raise refused("onnx-too-large", f"{path} has more than {MAX_BYTES:,} bytes", help)
    if not data:
        raise refused("not-onnx", f"{path} is empty")
    return data


def _not_onnx(path: str) -> DocumentError:
    return refused("not-onnx", f"{path} is not an ONNX model, or only part of one")


def _version(model: Any, path: str, known: int) -> int:
    """The version of ONNX's own operators."""
    versions = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    if not versions:
        raise refused("onnx-opset", f"{path} does not say which version of ONNX's operators it uses")
    version: int = versions[0]
    if not 1 <= version <= known:
        help = f"known are 1 to {known}; a newer `onnx` may know it" if version > known else f"known are 1 to {known}"
        raise refused("onnx-opset", f"{path} uses version {version} of ONNX's operators", help)
    return version


def _inlined(model: Any, path: str) -> Any:
    """The model with its own functions put in where they are called."""
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise refused("onnx-functions", f"{path}: its functions cannot be put in: {reason}") from None


def _graph(model: Any, version: int, path: str) -> Graph:
    proto = model.graph
    if len(proto.node) > MAX_OPERATORS:
        raise refused("onnx-too-large", f"{path} has {len(proto.node):,} operators; {MAX_OPERATORS:,} are the most")
    found = Findings()
    folder = Path(path).parent
    tensors = {}
    for one in [*proto.initializer, *[sparse.values for sparse in proto.sparse_initializer]]:
        if len(one.dims) > MAX_RANK or not all(0 <= size <= LARGEST_SIZE for size in one.dims):
            message = f"{path}: tensor {quoted(word(one.name))} has the shape {shown(one.dims)}"
            found.add(Diagnostic("onnx-shape", message, help="sizes are numbers from 0 up"))
            continue
        tensors[word(one.name)] = _tensor(one, folder)
    inputs = {}
    for one in proto.input:
        name = word(one.name)
        if name in tensors:  # older files list their weights among the inputs
            continue
        sizes = _sizes(one.type)
        if sizes is None:
            found.add(Diagnostic("onnx-shape", f"{path}: input {quoted(name)} is no tensor of a known shape"))
        elif any(isinstance(size, int) and not 1 <= size <= LARGEST_SIZE for size in sizes):
            message = f"{path}: input {quoted(name)} has the shape {shown(sizes)}"
            found.add(Diagnostic("onnx-shape", message, help="sizes are numbers from 1 up"))
        else:
            inputs[name] = sizes
    domains = {word(one.domain) for one in model.opset_import} | {"", "ai.onnx"}
    operators = [_operator(one, folder) for one in proto.node]
    for operator in operators:
        if operator.domain and operator.domain not in domains:
            message = (
                f"{path}: {operator.label} is of the domain {quoted(operator.domain)}, which the file does not import"
            )
            found.add(Diagnostic("onnx-domain", message))
    found.raise_if_any()
    outputs = tuple([word(one.name) for one in proto.output])
    given = {*inputs, *tensors}
    operators = in_order(operators, given, outputs, path)
    stated = {}
    for one in [*proto.value_info, *proto.output]:
        if (sizes := _sizes(one.type)) is not None:
            stated[word(one.name)] = sizes
    return Graph(word(proto.name), version, inputs, outputs, tensors, tuple(operators), stated, model)


def _tensor(proto: Any, folder: Path) -> Tensor:
    return Tensor(word(proto.name), tuple(proto.dims), proto.data_type in _REAL, proto, folder)


def _sizes(type: Any) -> tuple[Size, ...] | None:
    """The sizes of a value's type; None where it is no tensor, or has no shape."""
    if not type.HasField("tensor_type") or not type.tensor_type.HasField("shape"):
        return None
    dims = type.tensor_type.shape.dim
    if len(dims) > MAX_RANK:
        return None
    return tuple([_size(dim) for dim in dims])


def _size(dim: Any) -> Size:
    if dim.HasField("dim_value") and dim.dim_value not in (0, -1):  # which some exporters write for "not known"
        size: int = dim.dim_value
        return size
    return word(dim.dim_param)


def _operator(proto: Any, folder: Path, depth: int = 0) -> Operator:
    scope = None
    for entry in proto.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            scope = _last_scope(word(entry.value))
    attributes = {word(one.name): _attribute(one, folder, depth) for one in proto.attribute}
    domain = "" if proto.domain == "ai.onnx" else word(proto.domain)
    inputs, outputs = tuple(map(word, proto.input)), tuple(map(word, proto.output))
    return Operator(word(proto.op_type), word(proto.name), inputs, outputs, attributes, scope, domain)


def _last_scope(text: str) -> str:
    """`['', 'layer1', 'layer1.0', 'relu_1']` is inside `layer1.0`: the last is the operator itself."""
    names = [name.strip().strip("'\"") for name in text.strip("[]").split(",")]
    return names[-2] if len(names) > 1 else ""


def _attribute(proto: Any, folder: Path, depth: int) -> Any:
    kind = proto.type
    if kind == _INT:
        return proto.i
    if kind == _FLOAT:
        return proto.f
    if kind == _TEXT:
        return proto.s.decode("utf-8", "replace")
    if kind == _INTS:
        return tuple(proto.ints)
    if kind == _FLOATS:
        return tuple(proto.floats)
    if kind == _GRAPH and depth < MAX_DEPTH:
        operators = tuple([_operator(one, folder, depth + 1) for one in proto.g.node])
        tensors = tuple([_tensor(one, folder) for one in proto.g.initializer if all(size >= 0 for size in one.dims)])
        return Branch(operators, tuple([word(one.name) for one in proto.g.output]), tensors)
    if kind == _TENSOR and len(proto.t.dims) <= MAX_RANK and all(0 <= size <= LARGEST_SIZE for size in proto.t.dims):
        return _tensor(proto.t, folder)
    return None


def shown(sizes: Iterable[Size]) -> str:
    """`[batch, 3, ?, ?]`: a shape for a message."""
    every = [str(size) if size != "" else "?" for size in sizes]
    return f"[{', '.join(every[:MAX_RANK])}{', ...' if len(every) > MAX_RANK else ''}]"


# Order ----------------------------------------------------------------------------------------------------------------


def in_order(operators: Sequence[Operator], given: Iterable[str], outputs: Iterable[str], path: str) -> list[Operator]:
    """The operators in the order in which they can run, the file's own where it has one.

    Raises `DocumentError` for values made twice or never, and for circles.
    """
    found = Findings()
    makers: dict[str, int] = {}
    known = set(given)
    for place, operator in enumerate(operators):
        for name in filter(None, operator.outputs):
            if name in known or name in makers:
                found.add(
                    Diagnostic("onnx-made-twice", f"{path}: {operator.label} makes {quoted(name)}, which is there")
                )
            makers[name] = place
    for operator in operators:
        for name in dict.fromkeys(filter(None, operator.inputs)):
            if name not in known and name not in makers:
                message = f"{path}: {operator.label} reads {quoted(name)}, which nothing makes"
                found.add(Diagnostic("onnx-missing-input", message))
    for name in outputs:
        if name not in known and name not in makers:
            found.add(Diagnostic("onnx-missing-input", f"{path}: the output {quoted(name)} is made by nothing"))
    found.raise_if_any()
    needs = [{makers[name] for name in operator.inputs if name in makers} for operator in operators]
    readers: list[list[int]] = [[] for _ in operators]
    for place, before in enumerate(needs):
        for maker in before:
            readers[maker].append(place)
    missing = [len(before) for before in needs]
    ready = [place for place, count in enumerate(missing) if not count]
    heapify(ready)
    order = []
    while ready:
        place = heappop(ready)
        order.append(place)
        for reader in readers[place]:
            missing[reader] -= 1
            if not missing[reader]:
                heappush(ready, reader)
    if len(order) < len(operators):
        raise _circle(operators, needs, missing, path)
    return [operators[place] for place in order]


def _circle(
    operators: Sequence[Operator], needs: Sequence[set[int]], missing: Sequence[int], path: str
) -> DocumentError:
    place = next(place for place, count in enumerate(missing) if count)
    trail: list[int] = []
    while place not in trail:
        trail.append(place)
        place = min(before for before in needs[place] if missing[before])
    circle = trail[trail.index(place) :]
    others = f" (and {len(circle) - 1} more)" if len(circle) > 1 else ""
    return refused("onnx-circle", f"{path}: {operators[circle[0]].label}{others} needs its own result")


# Shapes that the file does not state ----------------------------------------------------------------------------------


def inferred(graph: Graph, inputs: Mapping[str, tuple[int, ...]]) -> Mapping[str, tuple[Size, ...]]:
    """Shapes of values in between as onnx infers them from the inputs' sizes; those it finds."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    kept = [one for one in model.graph.initializer if prod(one.dims) <= MAX_VALUES and one.data_location != 1]
    left = [one for one in model.graph.initializer if prod(one.dims) > MAX_VALUES or one.data_location == 1]
    try:
        weights = [onnx.helper.make_tensor_value_info(one.name, one.data_type, list(one.dims)) for one in left]
        for one in model.graph.input:
            if one.name in inputs:
                element = one.type.tensor_type.elem_type
                one.CopyFrom(onnx.helper.make_tensor_value_info(one.name, element, inputs[one.name]))
        kept = [onnx.TensorProto.FromString(one.SerializeToString()) for one in kept]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
        named = {one.name for one in model.graph.input}
        model.graph.input.extend([weight for weight in weights if weight.name not in named])
        done = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # it says of a broken model what is wrong, which is not asked here
        return {}
    stated = {}
    for one in [*done.graph.value_info, *done.graph.output]:
        if (sizes := _sizes(one.type)) is not None:
            stated[word(one.name)] = sizes
    return stated
