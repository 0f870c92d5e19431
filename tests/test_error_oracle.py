"""Where torch refuses a layer, so does the engine; where the engine alone refuses, a stated rule of ours is why.

Random layers with fields that often do not fit what enters: sizes of the wrong number, windows too large, groups that
do not divide, shapes that do not match. Each is asked of the engine and run in torch (on tensors without memory).
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from cnncalc.layers import KINDS
from cnncalc.layers.base import LayerError
from cnncalc.shapes import Shape, elements

torch = pytest.importorskip("torch", reason="the oracle is torch, which is not installed")

sys.path.insert(0, str(Path(__file__).parent))
from random_networks import DYNAMIC, FIELDS, Draw, Fields, frozen

from cnncalc.pytorch.build import module_of

# Why the engine refuses what torch would run, by the code of its diagnostic.
STATED = {
    "does-not-divide": "`rounding: exact` refuses what does not divide (language, windows)",
    "pool-padding-at-most-half": "torch's rule for its own poolings, held for one-sided padding too",
    "no-spatial-dimensions": "a vector has no positions to slide over or pad (torch would take its channels for them)",
    "wrong-number-of-sizes": "as many sizes as spatial dimensions (torch would broadcast or drop some)",
    "merge-shapes-differ": "merges join shapes of one rank (torch would add dimensions in front)",
    "output-padding-below-stride": "torch's rule, held along each dimension by itself",
    "window-exceeds-input": "a window lies inside the padded input",
    "no-output": "a tensor holds at least one value (torch makes empty ones)",
    "crop-exceeds-input": "a tensor holds at least one value",
    "empty-slice": "a tensor holds at least one value",
    "not-a-matrix": "a vector is no matrix (torch would take the images of the batch for its rows)",
    "matrices-do-not-fit": "matrices meet one by one (torch would repeat those of the shorter path)",
    "no-such-axis": "an axis is one of the input's (torch's softmax looks only where there are numbers)",
}


def disturbed(draw: Draw, fields: Fields) -> Fields:
    """The fields with one number or list changed to something that may not fit."""
    names = [name for name, value in fields.items() if type(value) is int or isinstance(value, list)]
    if not names or draw(st.integers(0, 3)) == 0:
        return fields
    name = draw(st.sampled_from(names))
    value = fields[name]
    changed: Any = draw(st.integers(0, 9))
    if isinstance(value, list) and draw(st.booleans()):
        changed = value[:-1] if draw(st.booleans()) else [*value, value[-1]]
    return {**fields, name: changed}


@st.composite
def layers(draw: Draw) -> tuple[str, Fields, tuple[Shape, ...]]:
    """A kind, its fields, and the shapes that enter."""
    rank = draw(st.integers(0, 3))
    shape: Shape = (draw(st.integers(1, 6)), *[draw(st.integers(1, 6)) for _ in range(rank)])
    kind = draw(st.sampled_from(sorted(KINDS)))
    if kind == "dynamic_conv":
        map = shape if rank else (shape[0], 3, 4)
        fields = {name: value for name, value in FIELDS["conv"](draw, map).items() if name in DYNAMIC}
        kernel, groups = fields["kernel_size"], fields.get("groups", 1)
        positions = elements(tuple(kernel)) if isinstance(kernel, list) else kernel ** (len(map) - 1)
        count = fields["out_channels"] * map[0] // groups * positions + draw(st.sampled_from([0, 0, 1]))
        return kind, disturbed(draw, fields), (shape, (count,))
    if kind not in FIELDS:
        other = draw(st.one_of(st.just(shape), st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)))
        fields = {"axis": draw(st.integers(0, 4))} if "axis" in KINDS[kind].fields else {}
        return kind, fields, (shape, other)
    # Drawn for one shape, and often given another.
    drawn_for = shape if rank else (shape[0], 3, 4)
    fields = FIELDS[kind](draw, drawn_for) or {}
    if draw(st.integers(0, 2)) == 0:
        shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    return kind, disturbed(draw, fields), (shape,)


def by_the_engine(kind: str, fields: Fields, inputs: tuple[Shape, ...]) -> Shape | str:
    """The output's shape, or the code of the refusal."""
    try:
        layer = KINDS[kind](**{name: frozen(value) for name, value in fields.items()})
    except ValueError:
        return "wrong-value"
    try:
        return layer.facts(inputs).output
    except LayerError as error:
        return error.code


def by_torch(kind: str, fields: Fields, inputs: tuple[Shape, ...]) -> Shape | None:
    """The output's shape, or None where building or running is refused."""
    layer = KINDS[kind](**{name: frozen(value) for name, value in fields.items()})
    images = [torch.empty(2, *shape, device="meta") for shape in inputs]
    try:
        with torch.no_grad():
            output = module_of(layer, *images)(*images)
    except (RuntimeError, ValueError, TypeError, LookupError, ZeroDivisionError, AssertionError):
        return None
    return tuple(output.shape[1:])


verdicts: Counter[str] = Counter()


@seed(4)
@settings(max_examples=1500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(layers())
@pytest.mark.filterwarnings("ignore")
def test_engine_and_torch_refuse_the_same(drawn: tuple[str, Fields, tuple[Shape, ...]]) -> None:
    kind, fields, inputs = drawn
    engine = by_the_engine(kind, fields, inputs)
    if engine == "wrong-value" or (isinstance(engine, tuple) and elements(engine) > 100_000):
        return
    in_torch = by_torch(kind, fields, inputs)
    verdicts[engine if isinstance(engine, str) else "accepted"] += 1
    if isinstance(engine, tuple):
        assert in_torch == engine
    else:
        assert in_torch is None or engine in STATED, f"the engine alone refuses: {engine}"


def test_enough_was_refused() -> None:
    """Runs after the layers: many kinds of refusal were seen, and as many layers accepted."""
    assert verdicts["accepted"] > 300
    assert len(verdicts) > 12, verdicts
