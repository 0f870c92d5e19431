"""The pages of `count --training`: a terminal's, Markdown, CSV."""

from __future__ import annotations

import csv
import io

import pytest

import cnncalc
from cnncalc.render import training as rendered
from cnncalc.training import TrainingReport, training

# Counted in tests/test_training.py.
SMALL = """\
name: small
input: 4x5x2
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - relu
  - {name: grouped, conv: {out_channels: 6, kernel_size: 3, padding: 1, groups: 2}}
  - {name: each, depthwise_conv: {kernel_size: 3, padding: 1}}
  - {name: last, linear: 5}
"""
DENSE = "input: 3\nlayers: [{name: a, linear: 4}, {name: b, linear: 5}, {name: c, linear: 6}, {name: d, linear: 7}]\n"
PLAIN = DENSE.replace("]", ", {name: e, linear: 8}]")


@pytest.fixture(scope="module")
def small() -> TrainingReport:
    return training(cnncalc.loads(SMALL, name="small.yaml"))


def page(report: TrainingReport, per_layer: bool = False, width: int | None = None) -> str:
    return "\n".join(line.text for line in rendered.lines(report, per_layer, width)) + "\n"


def said(text: str, *frozen: str) -> str:
    """Its sentences, each in one line."""
    return rendered.markdown(training(cnncalc.loads(text), frozen), per_layer=False)


# A terminal -----------------------------------------------------------------------------------------------------------

HEAD = """\
small (small.yaml)
A step of training, for one image, in MACs: multiply-accumulates of convolutions
    and dense layers.

"""
TOTALS = """\
pass                        MACs
------------------------  ------
forward                    5,280
backward, to the weights   5,280
backward, to the inputs    3,840
------------------------  ------
total                     14,400
"""
LAYERS = """\
layer    MACs forward  to weights  to inputs   total
-------  ------------  ----------  ---------  ------
first           1,440       1,440          -   2,880
grouped         2,160       2,160      2,160   6,480
each            1,080       1,080      1,080   3,240
last              600         600        600   1,800
-------  ------------  ----------  ---------  ------
total           5,280       5,280      3,840  14,400
"""
FOOT = """
The backward pass takes 1.73 times the MACs of the forward pass.
No gradient to the inputs of `first`: the image needs none.
FLOPs, two a multiply-accumulate: 28,800, and N times that for a batch of N.
For one image torch.utils.flop_counter (torch 2.13) prints 43,920, which is
    15,120 too many: in the gradient to the weights it forgets the groups of
    channels in which 2 convolutions run, and counts every pair of an input and
    an output channel.
Not counted: what is no multiply-accumulate, such as a bias and its gradient
    (adds), and all arithmetic of norms, activations, pooling, merges, the loss
    and the optimizer, in either pass.
"""


def test_totals(small: TrainingReport) -> None:
    assert page(small) == HEAD + TOTALS + FOOT


def test_layers(small: TrainingReport) -> None:
    assert page(small, per_layer=True) == HEAD + LAYERS + FOOT


def test_written_to_a_stream(small: TrainingReport) -> None:
    stream = io.StringIO()
    rendered.write(small, True, stream)
    assert stream.getvalue() == page(small, per_layer=True)


def test_a_narrow_terminal_folds_names() -> None:
    unit = "unit: {layers: [{name: convolution, conv: {out_channels: 3, kernel_size: 1}}]}"
    text = f"input: 4x4x2\nblocks: {{{unit}}}\nlayers: [{{name: outer, unit: {{}}, repeat: 2}}]\n"
    report = training(cnncalc.loads(text))
    lines = page(report, per_layer=True, width=60).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("outer.0."))
    assert lines[start - 2 : start + 5] == [
        "layer             MACs forward  to weights  to inputs  total",
        "----------------  ------------  ----------  ---------  -----",
        "outer.0.                    96          96          -    192",
        " convolution",
        "outer.1.                   144         144        144    432",
        " convolution",
        "----------------  ------------  ----------  ---------  -----",
    ]
    assert max(map(len, lines)) <= 60


# Sentences ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "frozen", "sentence"),
    [
        (DENSE, [], "No gradient to the inputs of `a`: the image needs none."),
        (DENSE, ["a.*"], "No gradient to the inputs of `b`: all parameters before it are frozen."),
        (DENSE, ["a.*", "b.*"], "No gradient to the inputs of `b` and `c`: all parameters before them are frozen."),
        (DENSE, ["b.weight"], "No gradient to the weights of `b`: frozen."),
        (DENSE, ["*"], "No gradient to the weights of `a`, `b`, `c` and `d`: frozen."),
        (PLAIN, ["*"], "No gradient to the weights of `a`, `b`, `c` and 2 more: frozen."),
        (PLAIN + "outputs: [c]\n", [], "No gradient to `d` and `e`: no output depends on them."),
        (DENSE + "outputs: [c]\n", [], "No gradient to `d`: no output depends on it."),
        (DENSE, ["*"], "The backward pass has no multiply-accumulates."),
        # 12 + 20 + 30 + 42 = 104 products; backward 104 + 92, 1.8846
        (DENSE, [], "The backward pass takes 1.88 times the MACs of the forward pass."),
        # 42 of 104: 0.4038
        (DENSE, ["[abc].*"], "The backward pass takes 0.40 times the MACs of the forward pass."),
        (DENSE, [], "FLOPs, two a multiply-accumulate: 600, and N times that for a batch of N."),
        (DENSE, [], "For one image torch.utils.flop\\_counter (torch 2.13) prints the same."),
    ],
)
def test_sentences(text: str, frozen: list[str], sentence: str) -> None:
    assert f"- {sentence}\n" in said(text, *frozen)


def test_what_does_not_apply_is_not_said() -> None:
    text = said(DENSE)
    assert text.count("No gradient") == 1
    assert "too many" not in text


def test_one_convolution_in_groups() -> None:
    text = said("input: 4x4x2\nlayers: [{depthwise_conv: 1}]")
    # 32 products each way; torch counts 64 to the weights
    assert "prints 192, which is 64 too many: " in text
    assert "in which 1 convolution runs, " in text


def test_nothing_to_count() -> None:
    report = training(cnncalc.loads("input: 4x4x2\nlayers: [relu]"))
    assert "No layer has multiply-accumulates.\n" in page(report)
    for per_layer in (False, True):
        assert "total" in page(report, per_layer)
        assert "**0**" in rendered.markdown(report, per_layer)


# Markdown and CSV -----------------------------------------------------------------------------------------------------


def test_markdown(small: TrainingReport) -> None:
    assert rendered.markdown(small, per_layer=True).startswith(
        "## small\n\n"
        "A step of training, for one image, in MACs: multiply-accumulates of convolutions and dense layers.\n\n"
        "| layer | MACs forward | to weights | to inputs | total |\n"
        "| :-- | --: | --: | --: | --: |\n"
        "| first | 1,440 | 1,440 | - | 2,880 |\n"
        "| grouped | 2,160 | 2,160 | 2,160 | 6,480 |\n"
        "| each | 1,080 | 1,080 | 1,080 | 3,240 |\n"
        "| last | 600 | 600 | 600 | 1,800 |\n"
        "| **total** | **5,280** | **5,280** | **3,840** | **14,400** |\n\n"
        "- The backward pass takes 1.73 times the MACs of the forward pass.\n"
    )
    assert (
        "| pass | MACs |\n| :-- | --: |\n"
        "| forward | 5,280 |\n"
        "| backward, to the weights | 5,280 |\n"
        "| backward, to the inputs | 3,840 |\n"
        "| **total** | **14,400** |\n"
    ) in rendered.markdown(small, per_layer=False)


def test_csv(small: TrainingReport) -> None:
    rows = list(csv.DictReader(io.StringIO(rendered.csv(small))))
    assert [row["name"] for row in rows] == ["first", "grouped", "each", "last"]
    assert rows[1] == {
        "name": "grouped",
        "kind": "conv",
        "forward": "2160",
        "to_weights": "2160",
        "to_inputs": "2160",
        "total": "6480",
        "why_not_weights": "",
        "why_not_inputs": "",
        "flop_counter": "17280",
    }
    assert rows[0]["why_not_inputs"] == "image"


def test_names_that_try_to_be_more() -> None:
    text = 'name: "a|b *d*\\e[31m"\ninput: 3\nlayers: [{name: x, linear: 2}]\n'
    report = training(cnncalc.loads(text, name="y|\x1b]0;t\x07.yaml"))
    assert rendered.markdown(report, False).startswith("## a\\|b \\*d\\*")
    assert "\x1b" not in page(report) + rendered.markdown(report, True)
