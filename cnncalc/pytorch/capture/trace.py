"""A module is traced: its graph of ATen operators, on fake tensors, without a number in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, fields, is_dataclass
from io import StringIO
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from cnncalc.layers.base import Role
from cnncalc.shapes import Shape


class Origin(NamedTuple):
    """A parameter or buffer of the module, by its qualified name."""

    name: str
    shape: Shape
    role: Role


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor that is the same for every image: a parameter, a buffer, a constant, or what is computed from those."""

    shape: Shape
    origins: tuple[Origin, ...] = ()
    number: float | None = None  # the value of a scalar constant, where it is known
    turned: bool = False  # a matrix with the columns of its origin as rows


@dataclass(frozen=True, slots=True)
class Trace:
    """A graph, and what its placeholders and results are.

    `holds` are the placeholders of tensors that the module holds, `inputs` those of values given to it.
    `outputs` are (name, node); names are "" where the module returns values without names.
    """

    graph: fx.Graph
    holds: Mapping[str, Held]
    inputs: Sequence[str]
    outputs: Sequence[tuple[str, fx.Node]]
    module: nn.Module | None
    how: str
    tensors: Mapping[str, Origin] = field(default_factory=dict)  # everything that the module holds


class Refused(Exception):
    """torch cannot trace the module; the message is torch's reason."""


def origin(name: str, tensor: Tensor) -> Origin:
    role: Role
    if isinstance(tensor, nn.Parameter):
        role = "bias" if name.rpartition(".")[2] == "bias" else "weight"
    else:
        role = "buffer" if tensor.is_floating_point() else "counter"
    return Origin(name, tuple(tensor.shape), role)


def tensors_of(module: nn.Module) -> dict[str, Origin]:
    """Parameters and buffers by every name that they have; one that has several gets its first as its origin's."""
    first: dict[int, Origin] = {}
    found = {}
    for name, tensor in [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]:
        found[name] = first.setdefault(id(tensor), origin(name, tensor))
    return found


# torch.export ---------------------------------------------------------------------------------------------------------


def exported(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Trace:
    """The trace that torch.export gives. Raises `Refused`."""
    with quiet(), _restored(module):
        try:
            program = torch.export.export(module, args, dict(kwargs), strict=False)
        except Exception as error:  # torch raises what the module and its own parts raise
            raise Refused(reason(error)) from error
    return of_program(program, module, "torch.export")


def of_program(program: Any, module: nn.Module | None, how: str) -> Trace:
    """The trace of an exported program."""
    known = tensors_of(module) if module is not None else {}
    tensors = {name: known.get(name) or origin(name, tensor) for name, tensor in program.state_dict.items()}
    for name, tensor in program.constants.items():
        if isinstance(tensor, Tensor):
            tensors.setdefault(name, known.get(name) or origin(name, tensor))
    holds, inputs = {}, []
    for spec in program.graph_signature.input_specs:
        if not isinstance(spec.arg, torch.export.graph_signature.TensorArgument):
            continue
        name = spec.arg.name
        if spec.kind is torch.export.graph_signature.InputKind.USER_INPUT:
            inputs.append(name)
        elif spec.kind is torch.export.graph_signature.InputKind.CONSTANT_TENSOR and spec.target not in known:
            holds[name] = constant(program.constants[spec.target])
        else:
            holds[name] = Held(tensors[spec.target].shape, (tensors[spec.target],))
    graph = program.graph
    results = graph.output_node().args[0]
    specs = program.graph_signature.output_specs
    user = [
        result
        for result, spec in zip(results, specs, strict=True)
        if spec.kind is torch.export.graph_signature.OutputKind.USER_OUTPUT
    ]
    out_spec = program.call_spec.out_spec
    names = _names(pytree.tree_unflatten(list(range(out_spec.num_leaves)), out_spec))
    outputs = [(name, result) for name, result in zip(names, user, strict=False) if isinstance(result, fx.Node)]
    constants = {name for name in program.constants if name not in known}
    kept = {**known, **{name: one for name, one in tensors.items() if name not in constants}}
    return Trace(graph, holds, inputs, outputs, module, how, kept)


def constant(tensor: Any) -> Held:
    """A tensor that the code makes; the number of a scalar, where the tensor has one."""
    number = None
    if tensor.numel() == 1 and not tensor.is_meta and type(tensor) is Tensor:
        number = float(tensor)
    return Held(tuple(tensor.shape), (), number)


def _names(tree: Any) -> list[str]:
    """A name for each leaf of what a module returns: keys of dictionaries and fields, `aux.0`; "" where it has none."""
    paths = [path for path, _ in pytree.tree_flatten_with_path(tree)[0]]
    named = any(not isinstance(key, pytree.SequenceKey) for path in paths for key in path)
    return [".".join([_key(key) for key in path]) if named else "" for path in paths]


def _key(key: Any) -> str:
    for name in ("key", "name", "idx"):
        if hasattr(key, name):
            return str(getattr(key, name))
    return str(key)


# Where torch.export refuses -------------------------------------------------------------------------------------------


def dispatched(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Trace:
    """The trace of a run of the module's code on fake tensors, operator by operator. Raises `Refused`.

    It takes what torch.export does not: results of any class, attributes that `forward` sets, keyword-only inputs.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    known = tensors_of(module)
    held = dict([*module.named_parameters(), *module.named_buffers()])
    leaves, spec = pytree.tree_flatten((args, dict(kwargs)))
    given = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    names: list[str] = []
    stacks: list[tuple[int, dict[str, tuple[str, str]]]] = []

    def run(tensors: dict[str, Tensor], values: list[Tensor]) -> list[Tensor]:
        following = iter(values)
        filled = [next(following) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        own_args, own_kwargs = pytree.tree_unflatten(filled, spec)
        with _followed(module, stacks):
            result = torch.func.functional_call(module, tensors, own_args, own_kwargs)
        found = list(_tensors(result, ""))
        names[:] = [name for name, _ in found]
        return [tensor for _, tensor in found]

    with quiet(), _restored(module), torch.no_grad():
        try:
            traced = make_fx(run, tracing_mode="fake", pre_dispatch=True, _allow_non_fake_inputs=True)(held, given)
        except Exception as error:
            raise Refused(reason(error)) from error
    placeholders = [node for node in traced.graph.nodes if node.op == "placeholder"]
    holds = {node.name: Held(known[name].shape, (known[name],)) for node, name in zip(placeholders, held, strict=False)}
    inputs = [node.name for node in placeholders[len(held) :]]
    for node in traced.graph.nodes:
        if node.op == "get_attr":
            holds[node.name] = constant(getattr(traced, node.target))
    _place(traced.graph, stacks)
    results = pytree.tree_leaves(traced.graph.output_node().args[0])
    named = any(name and not name.isdigit() for name in names)
    outputs = [
        (name if named else "", node) for name, node in zip(names, results, strict=True) if isinstance(node, fx.Node)
    ]
    return Trace(traced.graph, holds, inputs, outputs, module, "a trace of its operators", known)


@contextmanager
def _restored(module: nn.Module) -> Iterator[None]:
    """Put back the attributes of every module that `forward` sets: fake tensors are in them."""
    before = [(one, dict(one.__dict__)) for one in module.modules()]
    try:
        yield
    finally:
        for one, attributes in before:
            one.__dict__.clear()
            one.__dict__.update(attributes)


@contextmanager
def _followed(module: nn.Module, stacks: list[tuple[int, dict[str, tuple[str, str]]]]) -> Iterator[None]:
    """Note in which module the code is, by how many operators the graph has so far."""
    from torch.fx.experimental.proxy_tensor import get_proxy_mode

    paths = {one: name for name, one in module.named_modules()}
    calls: dict[str, int] = {}
    stack: dict[str, tuple[str, str]] = {}

    def note() -> None:
        mode = get_proxy_mode()
        assert mode is not None
        stacks.append((len(mode.tracer.graph.nodes), dict(stack)))

    def enter(one: nn.Module, _: Any) -> None:
        path = paths[one]
        calls[path] = calls.get(path, -1) + 1
        key = f"{path}@{calls[path]}" if calls[path] else path
        stack[key] = (path, f"{type(one).__module__}.{type(one).__qualname__}")
        note()

    def leave(*_: Any) -> None:
        stack.popitem()
        note()

    hooks = [
        hook
        for one in module.modules()
        for hook in (one.register_forward_pre_hook(enter), one.register_forward_hook(leave))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _place(graph: fx.Graph, stacks: Sequence[tuple[int, dict[str, tuple[str, str]]]]) -> None:
    """Give every operator the stack of modules that it was called in, as torch.export does."""
    changes = list(stacks)
    current: dict[str, tuple[str, str]] = {}
    for position, node in enumerate(graph.nodes):
        while changes and changes[0][0] <= position:
            current = changes.pop(0)[1]
        node.meta.setdefault("nn_module_stack", current)


def _tensors(value: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a result, in collections and in the fields of objects, each with the way to it."""
    if isinstance(value, Tensor):
        yield path, value
        return
    parts: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif hasattr(value, "_fields"):
        parts = list(zip(value._fields, value, strict=True))
    elif isinstance(value, (list, tuple)):
        parts = list(enumerate(value))
    elif is_dataclass(value):
        parts = [(one.name, getattr(value, one.name)) for one in fields(value)]
    elif hasattr(value, "__dict__") and not isinstance(value, (type, nn.Module)):
        parts = list(vars(value).items())
    for key, part in parts:
        yield from _tensors(part, f"{path}.{key}" if path else str(key))


# torch's words --------------------------------------------------------------------------------------------------------


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings and logs of tracing, which speak of torch's own insides."""
    import logging

    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def reason(error: Exception) -> str:
    """An exception's first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
