"""What lists of layers are made of before they are a document's data: layers and blocks where they are used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnncalc.graph import Node
    from cnncalc.language.fold.blocks import Block

UNWISHED = "~"  # begins a name that nobody asked for, and that is left out where nothing calls it

_LAST = ("bias", "activation")  # fields that textbooks name last

Plain = dict[str, Any]


@dataclass(slots=True, eq=False)
class Use:
    """A layer, a merge or a block at its place in a list.

    `fields` are those not at their defaults, `paths` a merge's: layers, none for `identity`, or the name of a value.
    `bodies` are what a block stands for here: one, or as many as `repeat` says. `channels` are those that enter it,
    of all the places where the body around it is used; none where that is not known.
    """

    kind: str  # of a layer or merge; empty for a block
    fields: Plain = field(default_factory=dict)
    functional: bool = False
    channels: set[int] = field(default_factory=set)
    bodies: list[Body] = field(default_factory=list)
    name: str = ""
    source: str = ""
    paths: list[list[Use] | str] | None = None
    repeat: int | None = None
    shares: Node | str = ""  # the layer whose parameters it uses, by its name as soon as that has one

    @property
    def content(self) -> tuple[Any, ...]:
        """Equal for uses that are written the same."""
        paths = [path if isinstance(path, str) else contents(path) for path in self.paths or ()]
        return (*self.itself, self.name, self.source, self.repeat, *paths)

    @property
    def itself(self) -> tuple[Any, ...]:
        """The same of what is used, without where and how often."""
        shares = self.shares if isinstance(self.shares, str) else id(self.shares)
        return (self.kind, repr(self.fields), self.functional, shares, *map(id, self.bodies))


@dataclass(slots=True, eq=False)
class Body:
    """The layers of a block, with every number. `heads` are what its uses are called, `channels` what enters them."""

    uses: list[Use]
    heads: list[str]
    channels: set[int]
    block: Block = field(init=False)  # that it is written as


@dataclass(slots=True, eq=False)
class Slot:
    """A place in a block's list: the use that each body has there, or None; of a merge, the slots of each path."""

    uses: list[Use | None]
    paths: list[list[Slot] | str] | None

    @property
    def use(self) -> Use:
        """The first one."""
        return next(use for use in self.uses if use is not None)

    @property
    def is_optional(self) -> bool:
        return None in self.uses


def slots_of(uses: Sequence[Use]) -> list[Slot]:
    """The places of one list."""
    return [Slot([use], None if use.paths is None else [*map(_path_of, use.paths)]) for use in uses]


def _path_of(path: list[Use] | str) -> list[Slot] | str:
    return path if isinstance(path, str) else slots_of(path)


def contents(uses: Sequence[Use]) -> tuple[Any, ...]:
    return tuple([use.content for use in uses])


def every(uses: Sequence[Use]) -> Iterator[Use]:
    """The uses of a list in document order, those inside merges' paths included."""
    for use in uses:
        yield use
        for path in use.paths or ():
            if isinstance(path, list):
                yield from every(path)


def calls(lists: Sequence[list[Use]]) -> Iterator[str]:
    """The names that layers call others by."""
    for use in [use for one in lists for use in every(one)]:
        if use.source:
            yield use.source
        if isinstance(use.shares, str) and use.shares:
            yield use.shares
        yield from [path for path in use.paths or () if isinstance(path, str)]


def drop_needless_names(lists: Sequence[list[Use]], outputs: Sequence[str]) -> None:
    """Take out the names that nobody asked for and nothing calls, and their marks from the others."""
    called = {word for name in (*calls(lists), *outputs) for word in name.split(".")}
    for use in [use for one in lists for use in every(one)]:
        unwished = use.name.startswith(UNWISHED) and use.name not in called
        use.name = "" if unwished else use.name.removeprefix(UNWISHED)
        use.repeat = None if unwished and use.repeat == 1 else use.repeat
        use.source = use.source.replace(UNWISHED, "")
        use.shares = use.shares.replace(UNWISHED, "") if isinstance(use.shares, str) else use.shares
        if use.paths is not None:
            use.paths = [path.replace(UNWISHED, "") if isinstance(path, str) else path for path in use.paths]


def free(word: str, taken: set[str]) -> str:
    """The word, with a number where it is taken."""
    if word not in taken:
        return word
    number = 2
    while f"{word}{number}" in taken:
        number += 1
    return f"{word}{number}"


def in_order(fields: Iterable[str], among: Collection[str]) -> list[str]:
    """Those of a kind's fields that are among some, in the order in which they are written."""
    return sorted([name for name in fields if name in among], key=_LAST.__contains__)
