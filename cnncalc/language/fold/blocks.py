"""Bodies that are alike become one block, inside others first, and what only holds repeats of a block becomes a repeat.

Alike are bodies of the same layers under the same names, whatever the numbers: those are the block's args. A block
inside that only some bodies have (a ResNet's `downsample`) may be there under a condition (`when`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cnncalc.language.fold.template import Template, TooDifferent
from cnncalc.language.fold.uses import Body, Slot, Use, every, slots_of

MOST_ARGS = 8  # of a block that several bodies are made into
MOST_VARYING = 2  # args that the first of a block's repeats may have otherwise than the rest


class Block:
    """Bodies that are written as one, and their layers side by side."""

    def __init__(self, bodies: list[Body], slots: list[Slot]) -> None:
        self.bodies = bodies
        self.slots = slots
        self._template: Template | None = None

    @property
    def template(self) -> Template:
        """How it is written; raises `TooDifferent` where the bodies cannot be."""
        if self._template is None:
            self._template = Template(self.bodies, self.slots)
        return self._template

    @property
    def nature(self) -> str:
        """A word for what it holds."""
        first = self.slots[0]
        if first.paths is not None and [] in first.paths and first.use.kind in ("add", "multiply"):
            return "residual" if first.use.kind == "add" else "gate"
        return "stage" if all(slot.use.bodies and not slot.use.name for slot in self.slots) else "block"

    @property
    def height(self) -> int:
        """How many blocks are inside one another here."""
        inner = {use.bodies[0].block for use in every(self.bodies[0].uses) if use.bodies}
        return 1 + max([block.height for block in inner], default=0)

    def forget(self) -> None:
        """Make the template anew when it is asked for: the blocks in it are others now."""
        self._template = None


def unify(bodies: Iterable[Body], top: list[Use]) -> None:
    """Give every body the block that it is written as."""
    blocks = []
    for body in bodies:
        body.block = Block([body], slots_of(body.uses))
        blocks.append(body.block)
    while _made_one(blocks, False) or _made_one(blocks, True) or _rolled_up(blocks, top):
        for block in blocks:
            block.forget()


# Bodies side by side --------------------------------------------------------------------------------------------------


def _made_one(blocks: list[Block], optional: bool) -> bool:
    """Join those blocks that can be; whether any could. `optional`: also where some lack blocks that others have."""
    alike: dict[Any, list[Block]] = {}
    for block in blocks:
        alike.setdefault(_skeleton(block.slots, optional), []).append(block)
    before = len(blocks)
    for some in sorted(alike.values(), key=lambda some: min(block.height for block in some)):
        if optional and len(blocks) < before:
            break  # those around them may be equal now
        while some:
            one, *rest = some
            some = []
            for other in rest:
                joined = _joined_blocks(one, other)
                if joined is None:
                    some.append(other)
                    continue
                blocks[blocks.index(one)] = one = joined
                blocks.remove(other)
    return len(blocks) < before


def _skeleton(slots: list[Slot], optional: bool) -> tuple[Any, ...]:
    """Equal for blocks that may be one; with `optional`, of the layers in them alone."""
    return tuple([_bone(slot, optional) for slot in slots if not (optional and slot.use.bodies)])


def _bone(slot: Slot, optional: bool) -> tuple[Any, ...]:
    use = slot.use
    paths = [path if isinstance(path, str) else _skeleton(path, optional) for path in slot.paths or ()]
    kind = id(use.bodies[0].block) if use.bodies else use.kind
    return (kind, use.name, use.source, use.shares, use.functional, use.name and use.repeat is None, *paths)


def _joined_blocks(one: Block, other: Block) -> Block | None:
    """One block of two; None where they have too little in common, or where it would take too many args."""
    slots = _joined(one.slots, other.slots, len(one.bodies), len(other.bodies))
    if slots is None or (any(slot.is_optional for slot in slots) and min(len(one.slots), len(other.slots)) < 2):
        return None
    block = Block([*one.bodies, *other.bodies], slots)
    try:
        if len(block.template.args) > MOST_ARGS:
            return None
    except TooDifferent:
        return None
    for body in block.bodies:
        body.block = block
    return block


def _joined(ones: list[Slot], others: list[Slot], n: int, m: int) -> list[Slot] | None:
    """The slots of `n` bodies and of `m` others side by side, from the last back.

    Only blocks may be missing, and where both lists hold something, less than half of what all bodies of one have.
    """
    joined: list[Slot] = []
    i, j = len(ones), len(others)
    while i or j:
        slot = _beside(ones[i - 1], others[j - 1], n, m) if i and j else None
        if slot is not None:
            i, j = i - 1, j - 1
        elif i and ones[i - 1].use.bodies and not any(_are_alike(ones[i - 1], other) for other in others[:j]):
            i -= 1
            slot = Slot([*ones[i].uses, *[None] * m], None)
        elif j and others[j - 1].use.bodies:
            j -= 1
            slot = Slot([*[None] * n, *others[j].uses], None)
        else:
            return None
        joined.append(slot)
    shared = len(ones) + len(others) - len(joined)
    firm = max(sum(not slot.is_optional for slot in slots) for slots in (ones, others))
    return joined[::-1] if 2 * shared > firm or not (ones and others) else None


def _are_alike(one: Slot, other: Slot) -> bool:
    return _bone(one, True) == _bone(other, True)


def _beside(one: Slot, other: Slot, n: int, m: int) -> Slot | None:
    """Two slots as one; None where they hold something else."""
    uses = [*one.uses, *other.uses]
    if not _are_alike(one, other):
        return None
    if one.paths is None or other.paths is None:
        return Slot(uses, None)
    paths: list[list[Slot] | str] = []
    for a, b in zip(one.paths, other.paths, strict=True):
        path = a if isinstance(a, str) or isinstance(b, str) else _joined(a, b, n, m)
        if path is None:
            return None
        paths.append(path)
    return Slot(uses, paths)


# Repeats of a block ---------------------------------------------------------------------------------------------------


def _rolled_up(blocks: list[Block], top: list[Use]) -> bool:
    """Put, for the uses of a block that holds repeats of another and nothing else, those repeats; whether it did."""
    uses = [use for one in (top, *[body.uses for block in blocks for body in block.bodies]) for use in every(one)]
    for block in blocks:
        of_it = [use for use in uses if use.bodies and use.bodies[0].block is block]
        if _is_a_repeat(block) and all(use.repeat is None for use in of_it):
            for use in of_it:
                use.bodies = _run(use.bodies[0])
                use.repeat = len(use.bodies)
            blocks.remove(block)
            return True
    return False


def _run(body: Body) -> list[Body]:
    """The bodies in it, one after another."""
    return [inner for use in body.uses for inner in use.bodies]


def _is_a_repeat(block: Block) -> bool:
    """Whether each of its bodies is one block again and again, the first otherwise in a few args at most."""
    if len(block.slots) < 2 or any(
        not slot.use.bodies or slot.use.name or slot.use.source or slot.is_optional for slot in block.slots
    ):
        return False
    runs = [_run(body) for body in block.bodies]
    inner = {body.block for run in runs for body in run}
    if len(inner) > 1:
        return False
    (template,) = [of.template for of in inner]
    for run in runs:
        first, second, *rest = [template.given(body) for body in run]
        varying = [arg for arg in first if first[arg] != second[arg]]
        if len(varying) > MOST_VARYING or any(given != second for given in rest):
            return False
        if any(type(value) not in (int, bool) for arg in varying for value in (first[arg], second[arg])):
            return False
        if not rest and any(second[arg] != arg.default for arg in varying):
            return False
    return True
