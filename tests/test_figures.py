"""Every number of a network, against a count by hand."""

from __future__ import annotations

import pytest

import cnncalc
from cnncalc.eager import Setup, timeline
from cnncalc.figures import BYTES, QUANTITIES, LayerFigures, RunFigures, document_name, figures, refusal
from cnncalc.report import ReceptiveField, Tensor

# 48 places of 18 products each; 12 places of 2x2; 48 values into 5.
SMALL = """\
input: 6x8x2
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: pool, max_pool: 2}
  - {name: last, linear: 5}
"""


def test_the_layers() -> None:
    first, pool, last = figures(cnncalc.loads(SMALL)).layers
    assert first == LayerFigures(
        name="first",
        kind="conv",
        title="3x3",
        inputs=["input"],
        input_shapes=[[2, 6, 8]],
        output=[4, 6, 8],
        parameters=4 * 2 * 3 * 3 + 4,
        weights=72,
        biases=4,
        buffers=0,
        macs=192 * 18,
        multiplies=192 * 18,
        operations={"multiplies": 192 * 18, "adds": 192 * 18 + 192},  # a bias each
        activations=192,
        connections=192 * (18 + 1),
        receptive_field=ReceptiveField("input", [3, 3], [1, 1], [-1, -1]),
    )
    assert (pool.kind, pool.title, pool.inputs, pool.output) == ("max_pool", "2x2/2", ["first"], [4, 3, 4])
    assert (pool.parameters, pool.macs, pool.activations) == (0, 0, 48)
    assert pool.operations == {"comparisons": 48 * 3}
    assert (last.parameters, last.macs, last.connections) == (48 * 5 + 5, 240, 245)
    # 3 and 4 rows and columns of 4x4 windows, 2 apart
    assert last.receptive_field == ReceptiveField("input", [4 + 2 * 2, 4 + 3 * 2], None, None)


def test_the_whole() -> None:
    found = figures(cnncalc.loads(SMALL, name="nets/small.yaml"))
    assert (found.document, found.name, found.layout) == ("small.yaml", "", "hwc")
    assert found.inputs == [Tensor("input", [2, 6, 8])]
    assert found.outputs == [Tensor("last", [5])]
    totals = {name: of(found.totals) for name, of in QUANTITIES.items()}
    parameters = 76 + 245
    assert totals == {
        "layers": 3,
        "depth": 2,
        "parameters": parameters,
        "weights": 72 + 240,
        "biases": 4 + 5,
        "buffers": 0,
        "macs": 3456 + 240,
        "multiplies": 3456 + 240,
        "flops": 3456 + 3648 + 144 + 240 + 245,
        "activations": 192 + 48 + 5,
        "connections": 3648 + 245,
        "textbook.prediction": 4 * (192 + 48 + parameters),
        "textbook.training": 4 * (2 * (96 + 245) + parameters),
        # image, the convolution's output, the pooled one with its places as 64-bit integers
        "memory.prediction": 4 * (parameters + 96 + 192 + 48) + 8 * 48,
        "memory.training": timeline(cnncalc.loads(SMALL), Setup(batch=2, training=True, optimizer="sgd")).bytes,
    }
    assert set(BYTES) < set(QUANTITIES)


def test_what_torch_refuses() -> None:
    """A group of one value in one image; of two images there are two."""
    found = figures(cnncalc.loads("input: 4x4x2\nlayers: [global_avg_pool, {group_norm: 2}]")).totals
    why = "torch refuses to run this: `group_norm` would normalise a single value, a batch of 1 image giving no more"
    assert found.memory.prediction == RunFigures(1, 4 * (2 + 2 + 4), None, why)
    assert found.memory.training.eager is not None
    assert refusal(found, "memory.prediction") == why
    assert [refusal(found, name) for name in QUANTITIES if name != "memory.prediction"] == [""] * (len(QUANTITIES) - 1)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/home/me/nets/net.yaml", "net.yaml"),
        ("net.yaml", "net.yaml"),
        ("<stdin>", "<stdin>"),
        ("a\udcff.yml", "a?.yml"),
    ],
)
def test_a_document_has_no_folder(source: str, name: str) -> None:
    assert document_name(source) == name
