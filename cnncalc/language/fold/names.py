"""Names of blocks, and which names of layers a document can leave out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from cnncalc.language.fold.blocks import Block
from cnncalc.language.fold.template import Line, every_line
from cnncalc.language.fold.uses import free
from cnncalc.language.reader import NAME, RESERVED_NAMES
from cnncalc.layers import KINDS

MOST_KINDS = 3  # of layers that a block may be named after
SHORTEST = 3  # of beginnings that several names share


def block_names(blocks: Sequence[Block], called: Collection[str]) -> dict[Block, str]:
    """A name for each block, those around others first. `called` are names that paths could mean instead."""
    names: dict[Block, str] = {}
    for block in blocks:
        word = _block_name(block)
        word = word if NAME.match(word) else "block"
        word = f"{word}_block" if word in KINDS else word
        names[block] = free(word, {*names.values(), *called, *RESERVED_NAMES})
    return names


def _block_name(block: Block) -> str:
    """What its uses are called, without their numbers where these differ; or else what it holds."""
    heads = [head for body in block.bodies for head in body.heads]
    numbered = any(head.endswith("_block") for head in heads)
    if len({*heads}) == 1 and not numbered:
        return heads[0]
    stems = [head.removesuffix("_block") for head in heads]
    shared = _beginning(stems)
    ending = f"_{block.nature}" if numbered else ""
    if len(shared) < SHORTEST or numbered:
        kinds = [slot.use.kind for slot in block.slots]
        if len(kinds) <= MOST_KINDS and all(slot.use.kind and slot.paths is None for slot in block.slots):
            return "_".join([re.sub(".*_norm$", "norm", kind) for kind in kinds])
    if len(shared) >= SHORTEST:
        return f"{shared}{ending}"
    ((most, _),) = Counter(map(_without_number, stems)).most_common(1)
    return f"{most}{ending}"


def _beginning(words: Sequence[str]) -> str:
    """What several words begin with, without a number that is not the same in all of them."""
    first, last = min(words), max(words)
    shared = first[: next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
    if any(word[len(shared) :][:1].isdecimal() or word == shared for word in words) and len({*words}) > 1:
        shared = _without_number(shared)
    return shared.rstrip("_")


def _without_number(word: str) -> str:
    return word.rstrip("0123456789_")


def kind_of(line: Line, names: dict[Block, str]) -> str:
    return names[line.use.bodies[0].block] if line.use.bodies else line.use.kind


def drop_own_names(lines: Sequence[Line], inputs: Collection[str], names: dict[Block, str]) -> None:
    """Take out the names that layers have by themselves: their kind's, with a number where the list has several."""
    every = list(every_line(lines))
    kinds = {id(line): kind_of(line, names) for line in every}
    unnamed = [line for line in every if line.name.startswith(kinds[id(line)]) or not line.name]
    while True:
        left = {id(line) for line in unnamed}
        taken = {line.name for line in every if id(line) not in left} | {*inputs}
        own = _names_by_themselves([kinds[id(line)] for line in unnamed], taken)
        right = [line for line, name in zip(unnamed, own, strict=True) if line.name in ("", name)]
        if len(right) == len(unnamed):
            break
        unnamed = right
    for line in unnamed:
        line.name = ""


def _names_by_themselves(kinds: list[str], taken: set[str]) -> list[str]:
    """The names that the reader gives to unnamed layers of these kinds."""
    names: list[str] = []
    numbers: dict[str, int] = {}
    for kind in kinds:
        if kinds.count(kind) == 1 and kind not in taken:
            names.append(kind)
            continue
        number = numbers.get(kind, 0) + 1
        while f"{kind}{number}" in taken:
            number += 1
        numbers[kind] = number
        names.append(f"{kind}{number}")
    return names
