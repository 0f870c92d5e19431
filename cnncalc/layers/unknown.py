"""An operator of an imported network that no kind stands for: its shape is known, its work is not."""

from typing import Annotated, Any

from cnncalc.layers.base import UNTRACKED, Facts, Kind, Work
from cnncalc.layers.fields import Takes
from cnncalc.shapes import Shape, elements


def _shape(value: Any) -> bool:
    return type(value) is tuple and all(type(size) is int and size >= 0 for size in value)


class Unknown(Kind):
    """What makes `shape` of its inputs by `operator`, as the framework calls it.

    Made by importers only, and no word of the language. Its work is in no count, and `Facts.unknown` says so.
    """

    kind = "unknown"
    summary = "an operator of an imported network that is no kind of layer here"
    operator: Annotated[str, Takes("the name of an operator", lambda value: type(value) is str)]
    shape: Annotated[tuple[int, ...], Takes("a shape", _shape)]

    def facts(self, inputs: tuple[Shape, ...]) -> Facts:
        read = sum([elements(shape) for shape in inputs])
        work = (Work(self.kind, read, elements(self.shape)),)
        facts = self.answer(self.shape, work, reach=UNTRACKED)
        facts.unknown = self.operator
        return facts

    def title(self, inputs: tuple[Shape, ...]) -> str:
        return self.operator
