"""What `fit` found, for a person at a terminal and for a pull request."""

from __future__ import annotations

from textwrap import wrap
from typing import TextIO

from cnncalc.fit import Fit, Measure
from cnncalc.render.memory_words import CATEGORIES, DEVICES, OPTIMIZERS, PHASES
from cnncalc.render.summary import size_text, titled
from cnncalc.render.terminal import Line, printed, put

NARROWEST, WIDEST = 48, 80


def write(found: Fit, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(found, width), stream)


def lines(found: Fit, width: int | None = None) -> list[Line]:
    """The answer first, then what fills the memory, then what would make room."""
    width = max(NARROWEST, min(width or WIDEST, WIDEST))
    name = titled(found.name, found.source)
    drawn = [Line(name, "bold"), *_wrapped(_setting(found), width), Line(""), *_wrapped(_answer(found), width, "bold")]
    drawn += _wrapped(_beyond(found), width)
    if found.checkpointed:
        drawn += _wrapped(_checkpointed(found), width)
    drawn += [Line(""), *_contents(found)]
    drawn += [Line(""), *_measures(found, width)]
    return printed(drawn)


def markdown(found: Fit) -> str:
    """The same for a pull request."""
    parts = [f"## {found.name or found.source}", "", _setting(found), "", f"**{_answer(found)}** {_beyond(found)}"]
    if found.checkpointed:
        parts += ["", _checkpointed(found)]
    parts += ["", "| what | bytes |", "| :-- | --: |"]
    parts += [f"| {name} | {size:,} |" for name, size in found.categories.items() if size]
    if found.measures:
        parts += ["", "| what would help | largest batch | this batch takes |", "| :-- | --: | --: |"]
        parts += [
            f"| {measure.name} (`{measure.option}`) | {measure.batch:,} | {measure.peak:,} |"
            for measure in found.measures
        ]
    return "\n".join(parts) + "\n"


# Sentences ------------------------------------------------------------------------------------------------------------


def _setting(found: Fit) -> str:
    how = f"{found.dtype}{', autocast to ' + found.amp if found.amp else ''}, on {DEVICES[found.device]}"
    done = f"Training with {OPTIMIZERS[found.optimizer]}" if found.training else "Predicting"
    return f"{done} in {how}, within {size_text(found.budget)}."


def _answer(found: Fit) -> str:
    if not found.batch:
        return f"Nothing fits: the smallest batch takes {size_text(found.peak)}."
    images = "1 image" if found.batch == 1 else f"{found.batch:,} images"
    if found.limited:
        return f"A batch of {images} fits, and no larger one was tried: {size_text(found.peak)} at its peak."
    return f"The largest batch that fits is {images}: {size_text(found.peak)} at its peak."


def _beyond(found: Fit) -> str:
    if not found.batch:
        return f"That is {size_text(found.peak - found.budget)} too much."
    left = f"{size_text(found.budget - found.peak)} are left"
    return left + ("." if found.limited else f"; one image more would take {size_text(found.next_peak)}.")


def _checkpointed(found: Fit) -> str:
    names = ", ".join(f"`{name}`" for name in found.checkpointed)
    return f"Checkpointed: {names}; {found.recomputed:,} multiply-accumulates an image run a second time."


# Tables ---------------------------------------------------------------------------------------------------------------


def _contents(found: Fit) -> list[Line]:
    """What is alive at the peak, the largest first."""
    rows = sorted([(size, name) for name, size in found.categories.items() if size], reverse=True)
    width = max([len(f"{size:,}") for size, _ in rows], default=1)
    drawn = [Line(f"What fills it, at the peak{_where(found)}", "bold")]
    for size, name in rows:
        share = (1000 * size + found.peak // 2) // found.peak
        drawn.append(Line(f"  {name:<15}  {size:>{width},}  {share // 10:>3}.{share % 10} %  {CATEGORIES[name]}"))
    return drawn


def _where(found: Fit) -> str:
    if not found.operator:
        return ""
    phase = f" in {PHASES[found.phase]}" if found.phase in PHASES else ""
    return f" (`{found.layer}`{phase})" if found.layer else phase


def _measures(found: Fit, width: int) -> list[Line]:
    if not found.measures:
        return [Line("Nothing that the model can change would make room.", "dim")]
    of = f"a batch of {found.batch:,}" if found.batch > 1 else "1 image" if found.batch else "the smallest batch"
    drawn = [Line("What would make room", "bold")]
    for measure in found.measures:
        fits = f"fits {measure.batch:,}" if measure.batch else "does not fit either"
        drawn += _wrapped(f"{measure.name}: {fits}; {of} then takes {size_text(measure.peak)}", width, "", "  ")
        drawn += _wrapped(_price(measure), width, "dim", "    ")
    return drawn


def _price(measure: Measure) -> str:
    again = f"; {measure.recomputed:,} MACs an image run a second time" if measure.recomputed > 0 else ""
    return f"{measure.option}{again}"


def _wrapped(text: str, width: int, style: str = "", indent: str = "") -> list[Line]:
    parts = wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [Line(part, style) for part in parts]
