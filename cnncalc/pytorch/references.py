"""Models by the words of a command: `torchvision.models:resnet50`, `net.py:Net(10)`, `program.pt2`.

The code that a reference names is imported and run, as Python would. Its arguments are literals, parsed and never
evaluated; modules are made without memory for their weights.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from cnncalc.diagnostics import Diagnostic, DocumentError, Note, did_you_mean, near, quoted
from cnncalc.graph import Network
from cnncalc.pytorch.capture import capture, captured_program
from cnncalc.pytorch.capture.trace import quiet
from cnncalc.shapes import Layout, Shape, elements, shape_written

BATCH = 13  # images in the batch that traces a module: a number that other sizes are not, to know it by


def load(reference: str, settings: Iterable[str] = (), training: bool = False) -> Network:
    """The network of a model, in prediction or in training.

    `settings` are `input=224x224x3` or `input=[3, 224, 224]`; where `forward` has several inputs, `NAME=SIZE` for each.
    Raises `DocumentError`.
    """
    if reference.endswith(".pt2"):
        return _program(reference, settings)
    module, name = light(lambda: made(reference))
    module = module.train(training).to("meta")
    sizes, layout = _sizes(module, settings)
    examples = {one: torch.empty(BATCH, *size, device="meta") for one, size in sizes.items()}
    positional = list(examples.values()) if list(examples) == ["input"] else examples
    with running(reference):
        return capture(module, positional, name=name, source=reference, layout=layout)


def made(reference: str) -> tuple[nn.Module, str]:
    """The module that a reference names, and what it is called. Raises `DocumentError`."""
    if reference.endswith(".pt2"):
        return _saved(reference).module(), Path(reference).stem
    target, name, args, kwargs = _parsed(reference)
    with running(reference):
        found = _found(target, name)
        module = found if isinstance(found, nn.Module) else found(*args, **kwargs) if callable(found) else found
    if not isinstance(module, nn.Module):
        message = f"{quoted(reference)} is no torch.nn.Module, but {_described(module)}"
        raise _refused("not-a-module", message, "name a module, or a function or class that makes one")
    return module, type(found).__name__ if isinstance(found, nn.Module) else name


def _program(path: str, settings: Iterable[str]) -> Network:
    """A saved program has its input's sizes, and cannot be given others."""
    for setting in settings:
        message = f"{quoted(setting)} has no place in {path}: a saved program has the sizes that it was exported with"
        raise _refused("bad-setting", message, "export it anew for other sizes")
    return captured_program(_saved(path), name=Path(path).stem, source=path)


def _saved(path: str) -> Any:
    """The program in a file."""
    if not Path(path).is_file():
        raise _refused("no-such-file", f"there is no file {path}")
    try:
        with quiet():
            return torch.export.load(path)
    except Exception as error:
        raise _refused("not-a-program", f"{path} is no program saved by torch.export: {_first(error)}") from None


# The reference --------------------------------------------------------------------------------------------------------

_REFERENCE = re.compile(r"(?P<target>[^:()]+):(?P<name>[A-Za-z_][\w.]*)(?P<arguments>\(.*\))?", re.DOTALL)


def _parsed(reference: str) -> tuple[str, str, list[Any], dict[str, Any]]:
    """What a reference names, and the arguments that it gives."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        help = "write package.module:name, path/to/file.py:Name, or Name(10, width=64)"
        raise _refused("bad-reference", f"{quoted(reference)} names no model", help)
    arguments = match["arguments"] or "()"
    try:
        call = ast.parse(f"f{arguments}", mode="eval").body
        if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        args = [ast.literal_eval(argument) for argument in call.args]
        kwargs = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        message = f"the arguments {quoted(arguments)} are not all literals"
        raise _refused(
            "bad-arguments", message, "give numbers, texts, true values, lists: Net(10, [3, 4], pretrained=False)"
        ) from None
    return match["target"], match["name"], args, kwargs


def _found(target: str, name: str) -> Any:
    """The object of that name in a module or a file."""
    if target.endswith(".py"):
        module = _of_file(target)
    else:
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        try:
            module = importlib.import_module(target)
        except ModuleNotFoundError as error:
            if error.name is None or not (target == error.name or target.startswith(f"{error.name}.")):
                raise
            help = "give the path of a file, or run where Python finds the module"
            raise _refused("no-such-module", f"there is no Python module {quoted(target)}", help) from None
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            help = did_you_mean(near(part, [one for one in dir(found) if not one.startswith("_")]))
            raise _refused("no-such-model", f"{target} has no {quoted(name)}", help)
        found = getattr(found, part)
    return found


def _of_file(path: str) -> Any:
    file = Path(path)
    if not file.is_file():
        raise _refused("no-such-file", f"there is no file {path}")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as when Python runs the file
    name = f"cnncalc_reference_{file.stem}"  # a name that takes no other module's place
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def running(reference: str) -> Iterator[None]:
    """Somebody's code: what it prints is no result, and what it raises is its own mistake."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except DocumentError:
        raise
    except (Exception, SystemExit) as error:
        frames = [one for one in traceback.extract_tb(error.__traceback__) if not _is_ours(one.filename)]
        notes = (Note(f"raised in {frames[-1].filename}:{frames[-1].lineno}"),) if frames else ()
        message = f"{quoted(reference)} raises {type(error).__name__}: {_first(error)}"
        raise DocumentError(Diagnostic("model-fails", message, notes=notes)) from None


T = TypeVar("T")


def light(make: Callable[[], T]) -> T:
    """What a function makes without memory for weights; with it, where a constructor computes with them."""
    try:
        with without_weights():
            return make()
    except (DocumentError, RuntimeError, NotImplementedError) as error:
        if "meta" not in str(error):  # "meta tensor", "device meta"
            raise
    return make()


@contextmanager
def without_weights() -> Iterator[None]:
    """Modules made in here have their parameters on the meta device, from the moment that they get them.

    Other tensors are real, since constructors compute with them (widths, rates).
    """
    register = nn.Module.register_parameter

    def on_meta(self: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if type(parameter) is nn.Parameter and not parameter.is_meta:
            parameter = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
        register(self, name, parameter)

    nn.Module.register_parameter = on_meta  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


# Sizes ----------------------------------------------------------------------------------------------------------------

MAX_BYTES = 2**63 - 1  # of a tensor that torch can describe


def _sizes(module: nn.Module, settings: Iterable[str]) -> tuple[dict[str, Shape], Layout]:
    """The shape of one image for each input that is given, and how it was written."""
    given: dict[str, Shape] = {}
    layout: Layout = "hwc"
    for setting in settings:
        name, equals, text = setting.partition("=")
        written = shape_written(text.replace(" ", "")) if equals else None
        if written is None or 4 * BATCH * elements(written[0]) > MAX_BYTES:
            help = "write input=224x224x3, or input=[3, 224, 224]"
            raise _refused("bad-setting", f"{quoted(setting)} is not the size of an input", help)
        shape, order = written
        given[name.strip()] = shape
        layout = "chw" if order == "chw" else layout
    known = _parameters(module)
    needed = [name for name, needs in known.items() if needs]
    if list(given) == ["input"] and len(needed) <= 1:
        return given, layout
    if not given:
        more = "" if len(needed) <= 1 else f", for each of {', '.join(needed)}"
        help = f"add --set input=224x224x3 (to `import`, --input 224x224x3){more}"
        raise _refused("no-input-size", "the size of the input is not given, and a module does not know it", help)
    for name in given:
        if name not in known and not known.get("**"):
            help = did_you_mean(near(name, known), f"`forward` takes {', '.join(known) or 'nothing'}")
            raise _refused("unknown-arg", f"the module has no input {quoted(name)}", help)
    return given, layout


def _parameters(module: nn.Module) -> Mapping[str, bool]:
    """The parameters of `forward`, and whether each has to be given."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return {}
    single = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {one.name: one.default is inspect.Parameter.empty for one in parameters if one.kind not in single}


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(Path(__file__).parent) or file.startswith("<frozen")


def _described(value: Any) -> str:
    return f"a {type(value).__name__}"


def _first(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))
