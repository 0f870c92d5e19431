from __future__ import annotations

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.passes.freezing import frozen

NETWORK = """\
input: 8x8x3
blocks:
  unit:
    layers:
      - {name: conv, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
      - {name: norm, batch_norm: {}}
layers:
  - {name: stage, unit: {}, repeat: 2}
  - {name: head, linear: {out_features: 5, bias: false}}
"""

CONVS = {f"stage.{i}.conv.{name}" for i in (0, 1) for name in ("weight", "bias")}
NORMS = {f"stage.{i}.norm.{name}" for i in (0, 1) for name in ("weight", "bias")}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], set()),
        (["head.weight"], {"head.weight"}),
        (["*"], CONVS | NORMS | {"head.weight"}),  # running statistics are no parameters
        (["stage.0.*"], {name for name in CONVS | NORMS if ".0." in name}),
        (["*.bias"], {name for name in CONVS | NORMS if name.endswith("bias")}),
        (["*.norm.*", "head.*"], NORMS | {"head.weight"}),
        (["stage.[0]*.conv.*"], {"stage.0.conv.weight", "stage.0.conv.bias"}),
    ],
)
def test_names(patterns: list[str], expected: set[str]) -> None:
    assert frozen(cnncalc.loads(NETWORK), patterns) == expected


@pytest.mark.parametrize("pattern", ["head", "head.bias", "HEAD.*", "*.running_mean", ""])
def test_a_pattern_that_freezes_nothing(pattern: str) -> None:
    with pytest.raises(DocumentError) as raised:
        frozen(cnncalc.loads(NETWORK), ["*.weight", pattern])
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("nothing-to-freeze", f"no parameter is called `{pattern}`")


def test_a_near_name_is_told() -> None:
    with pytest.raises(DocumentError) as raised:
        frozen(cnncalc.loads(NETWORK), ["head.weights"])
    assert raised.value.diagnostics[0].help == "did you mean `head.weight`?"
