from __future__ import annotations

import csv as reader
import io
from dataclasses import replace

import pytest

import cnncalc
from cnncalc.language.load import zoo_names
from cnncalc.memory import MemoryReport, Setup, memory
from cnncalc.render.memory import csv, lines, markdown, write

SMALL = """\
name: small
input: 4x6x2
layers:
  - conv: {out_channels: 3, kernel_size: 3, padding: 1}
  - relu
  - max_pool: 2
  - linear: 5
"""


def report(document: str = SMALL, setup: Setup | None = None) -> MemoryReport:
    return memory(cnncalc.loads(document, name="small.yaml"), setup)


def page(drawn: MemoryReport, top: int = 10, width: int | None = None) -> str:
    return "".join(f"{line.text}\n" for line in lines(drawn, top, width))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def trained() -> MemoryReport:
    return report(setup=Setup(batch=2, training=True))


# The page -------------------------------------------------------------------------------------------------------------

# Bytes for two images. Parameters: 4 · (54 + 3 + 90 + 5) = 608. Images 384, their classes 2 · 8 = 16. Outputs of the
# convolution 576, the ReLU 576, the pool 144, the classifier 40; the pool's indices 2 · 18 · 8 = 288. At rest 1,008.
#   forward    conv +576: 1,584; relu +576: 2,160; then conv's output goes, nothing needs it: 1,584
#              pool +144 + 288: 2,016; two views; the product +40: 2,056
#   loss       logarithms +40: 2,096; the mean and its weight +4 + 4: 2,104
#   backward   of the loss: a one +4: 2,108; +40: 2,148, less the weight; +40: 2,184, less logarithms and the first
#              of the classifier: t: 2,104; rows +144: 2,248; t; weights +360: 2,608; t; biases +20: 2,628; view; then
#              the pool's output, 144, and the gradient of 40 go: 2,444; three more that make nothing
#              of the pool +576: 3,020, then its indices and 144 go; of the ReLU +576: 3,164, the peak
#              of the convolution: less 576 that came in and 576 kept, +216 + 12 (images get none): 2,240, then 1,664
#   optimizer  the ones are gone: 1,660, with the gradients 608, the output 40 and the loss 4
# In 64 eighths of 3,164: 1,584 is 33 (four rows and one), 2,160 44, 2,016 41, 2,608 53, 3,020 62, 1,660 34.
TRAINED = """\
small (small.yaml)
Training on a batch of 2 images: SGD, cross-entropy, float32, on CPU.

Model                                                          bytes        kB
textbook                                                       2,328       2.3
  every output is kept; no gradients, no optimizer, nothing that a layer keeps
      beside its output
  = input                                                        384
  + every layer's output                                       1,336
  + parameters                                                   608
sum                                                            2,672       2.7
  outputs alone, each with a gradient that lives as long as it; parameters stand
      apart
  = every layer's output                                       1,336
  + a gradient of each                                         1,336
eager: what torch really holds                                 3,164       3.2
  the most that is alive at the end of any operator; by category below

Torch holds 836 bytes more than the textbook counts
  - outputs gone by then (`conv`, `max_pool`)                    720
  + gradients of parameters                                      380
  + gradients on their way back                                1,156
  + classes of the images                                         16
  + the loss                                                       4

At the peak               bytes   share
parameters                  608  19.2 %  weights and biases
input                       400  12.6 %  images, and the classes of the loss
activations                  44   1.4 %  outputs of layers, in use
saved                       576  18.2 %  kept for backward, outputs among it
gradients                 1,536  48.5 %  of parameters, and on their way back
together                  3,164   100 %

The peak: 3,164 bytes (3.2 kB), in the backward pass of each step, when
    `threshold_backward` of `relu` ends.
A step ends with 1,660 bytes (1.7 kB).

bytes  shape         the largest tensors there
  576  2 of 4x6x3    output of relu, kept for backward
  576  2 of 4x6x3    gradient that max_pool passes back
  576  2 of 4x6x3    gradient that relu passes back
  384  2 of 4x6x2    input
  360  [5, 18]       weights of linear
  360  [5, 18]       gradient of linear.weight
  216  [3, 2, 3, 3]  weights of conv
   40  2 of 5        output of linear
   20  [5]           bias of linear
   20  [1, 5]        gradient of linear.bias
(and 4 smaller ones: 36 bytes)

kB alive, over 31 operators; ▼ is the peak
                                                        ▼
3.2 ┤                                                 ▆▆██
    │                                   ▅▅▅▆▆▆▆▂▂▂▂▂▂▂████
    │    ▄▄▁▁▁▁▁▁▁▁▂▂▃▃▃▃▃▃▃▃▃▄▄▅▅▃▃▆▆▆▆██████████████████▆▆
    │ ▁▁▁███████████████████████████████████████████████████▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂
    │ ████████████████████████████████████████████████████████████████████████
    │ ████████████████████████████████████████████████████████████████████████
    │ ████████████████████████████████████████████████████████████████████████
    │ ████████████████████████████████████████████████████████████████████████
  0 └─────────────────────────────────────────────────────────────────────────
      forward        loss   backward                           optimizer

Not in these numbers
- what a kernel allocates and frees inside itself: oneDNN's copies of weights
    and images in its own layout (up to a fifth more in prediction, up to a
    twelfth in training, in what was measured)
- Python, torch's libraries and the data loader
"""

# For one image: 608 + 192 at rest; conv +288: 1,088; relu +288: 1,376; pool: less 288, +72 + 144: 1,304; then two views
# of 72: 872; +20: 892. Above 800, in 64 eighths of 576: 32, 64, 56, 8, 8, 11 (92 · 64 / 576 = 10.2).
PREDICTED = """\
small (small.yaml)
Predicting 1 image in float32, on CPU; nothing is kept for a gradient.

Model                                                          bytes        kB
textbook                                                       1,184       1.2
  a layer's input goes as soon as its output is there; the network's own input
      is left out
  = two consecutive layers' outputs (`relu` and what             576
      it reads)
  + parameters                                                   608
sum                                                              668       0.7
  outputs alone, none of them freed; parameters stand apart
  = every layer's output                                         668
liveness                                                       1,376       1.4
  in the document's order, an output going after its last reader
  = input                                                        192
  + outputs alive while `relu` runs                              576
  + parameters                                                   608
eager: what torch really holds                                 1,376       1.4
  the most that is alive at the end of any operator; by category below

Torch holds 192 bytes more than the textbook counts
  + the network's input                                          192

At the peak               bytes   share
parameters                  608  44.2 %  weights and biases
input                       192  14.0 %  what the network is given
activations                 576  41.9 %  outputs of layers, in use
together                  1,376   100 %

The peak: 1,376 bytes (1.4 kB), in prediction, when `relu` of `relu` ends.

bytes  shape         the largest tensors there
  360  [5, 18]       weights of linear
  288  4x6x3         output of conv
  288  4x6x3         output of relu
  216  [3, 2, 3, 3]  weights of conv
  192  4x6x2         input
   20  [5]           bias of linear
   12  [3]           bias of conv

kB alive above the 0.8 from the start, over 6 operators; ▼ is the peak
                  ▼
1.4 ┤             ████████████
    │             ████████████████████████
    │             ████████████████████████
    │             ████████████████████████
    │ ████████████████████████████████████
    │ ████████████████████████████████████
    │ ████████████████████████████████████                        ▃▃▃▃▃▃▃▃▃▃▃▃
    │ ████████████████████████████████████████████████████████████████████████
0.8 └─────────────────────────────────────────────────────────────────────────
      prediction

""" + TRAINED[TRAINED.index("Not in these numbers") :]

# Two steps that differ: 4,396 bytes are the peak of the second.
TWO_STEPS = """\
kB alive, over 146 operators, the most of those in a column; ▼ is the peak
                                                                 ▼
4.4 ┤                                                        ▁▁ ▆█
    │                               ▁    ▅ ▁  ▂     ▁▁▁▁▁▁▂▃███▆██   ▁    ▅  ▁
    │                     ▄▇     ▂▃▆█▆▆▃████▁▁████████████████████▃▃▆█▆▆▆▃████
    │                ▁▆▇▇▄██    ▅█████████████████████████████████████████████
    │   █▆▆▆▆▆▇▇▇▇▇▇████████▁▁▇▇██████████████████████████████████████████████
    │ ████████████████████████████████████████████████████████████████████████
    │ ████████████████████████████████████████████████████████████████████████
    │ ████████████████████████████████████████████████████████████████████████
  0 └─────────────────────────────────────────────────────────────────────────
      forward loss backward  optimizer      forward loss backward  optimizer
      step 1                                step 2 and later
"""


def test_training(trained: MemoryReport) -> None:
    assert page(trained) == TRAINED
    assert page(trained, width=200) == TRAINED, "no wider on a wide terminal"


def test_prediction() -> None:
    assert page(report()) == PREDICTED


def test_steps_that_differ_are_drawn_side_by_side() -> None:
    drawn = report(setup=Setup(batch=2, training=True, optimizer="adam"))
    assert TWO_STEPS in page(drawn)
    narrow = page(drawn, width=64)
    assert "\nkB alive, over 63 operators; ▼ is the peak\n" in narrow, "in a narrow window only the step of the peak"
    assert "step 1" not in narrow.partition("\nkB alive")[2]
    assert "\n      step 2 and later\n" in narrow


def test_what_is_computed_again_is_drawn_where_it_happens() -> None:
    """Within the backward pass, which is one stretch."""
    blocks = "{pair: {layers: [{conv: {out_channels: 3, kernel_size: 3, padding: 1}}, sigmoid, tanh]}}"
    document = f"{{input: 4x6x3, blocks: {blocks}, layers: [{{pair: {{}}, repeat: 2}}, {{linear: 5}}]}}"
    found = report(document, Setup(batch=2, training=True, checkpointed=("pair.0", "pair.1")))
    phases = [event.phase for event in found.timeline if event.step == 1]
    assert phases.count("recompute") > 0
    drawn = page(found)
    (names,) = [line for line in drawn.splitlines() if line.lstrip().startswith("forward")]
    assert names.split() == ["forward", "loss", "backward", "optimizer"]
    assert f"\nkB alive, over {len(phases)} operators" in drawn
    assert "; checkpointed: `pair.0`, `pair.1`." in drawn.replace("\n    ", " ")


def test_how_many_tensors_are_named(trained: MemoryReport) -> None:
    drawn = page(trained, top=13)
    assert "\n    4  []            the loss\n(and 1 smaller one: 4 bytes)\n" in drawn
    assert "smaller" not in page(trained, top=14)
    assert "(and 13 smaller ones: 2,588 bytes)" in page(trained, top=1)


def test_a_difference_downwards() -> None:
    """Thirty outputs of 4,096 bytes, of which a sum needs one and makes one; no gradient needs any."""
    document = "{input: 8x8x16, layers: [{add: [identity, identity], repeat: 30}]}"
    drawn = page(report(document, Setup(training=True, loss="none")))
    assert (
        "\nTorch holds 114,688 bytes (114.7 kB) less than the textbook counts\n"
        "  - outputs not made yet, or gone (28 layers)                114,688\n\n"
    ) in drawn


def test_no_difference() -> None:
    document = "{input: 8x8x16, layers: [identity]}"
    drawn = page(report(document, Setup(training=True, loss="none")))
    assert "\nTorch holds as many bytes as the textbook counts\n" in drawn


def test_nothing_runs() -> None:
    """No tensors to name and no chart to draw."""
    drawn = page(report("{input: 8x8x16, layers: [identity]}"))
    assert "\nThe peak: 4,096 bytes (4.1 kB), before anything runs.\n\nNot in these numbers\n" in drawn


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo_fits_its_window(name: str) -> None:
    network = cnncalc.load(name)
    runs = [Setup(batch=4), Setup(batch=2, training=True, optimizer="adam")]
    for setup in runs if len(network) < 200 else runs[:1]:
        found = memory(network, setup)
        for width in (None, 60, 80, 200):
            drawn = lines(found, 10, width)
            assert max(len(line.text) for line in drawn) <= min(width or 80, 80)
            assert "█" in "".join(line.text for line in drawn)


def test_a_long_name_is_broken_at_a_dot() -> None:
    name = "a_rather_long_name"
    blocks = f"blocks: {{{name}: {{layers: [{{name: {name}, conv: {{out_channels: 2, kernel_size: 1}}}}]}}}}"
    document = f"{{input: 8x8x99, {blocks}, layers: [{{name: {name}, {name}: {{}}}}]}}"
    drawn = page(report(document), width=60)
    assert "  [2, 99, 1, 1]  weights of a_rather_long_name.\n                         a_rather_long_name\n" in drawn


# Streams --------------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_plain_text(trained: MemoryReport) -> None:
    pipe = io.StringIO()
    write(trained, stream=pipe)
    assert pipe.getvalue() == TRAINED


def test_a_pipe_that_cannot_write_blocks(trained: MemoryReport) -> None:
    bytes = io.BytesIO()
    pipe = io.TextIOWrapper(bytes, encoding="ascii")
    write(trained, stream=pipe)
    pipe.flush()
    assert bytes.getvalue().decode("ascii") == TRAINED.encode("ascii", "replace").decode("ascii")


def test_a_terminal_gets_colour_and_its_width(trained: MemoryReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal = Terminal()
    write(trained, stream=terminal)
    assert "\x1b[1msmall (small.yaml)\x1b[0m\n" in terminal.getvalue()
    assert f"\x1b[2m  = input{384:>39}\x1b[0m\n" in terminal.getvalue()


def test_hostile_names_do_not_reach_the_terminal() -> None:
    document = 'name: "a|b\\e[31m\\n<script>"\ninput: 7x9x1\nlayers: [{max_pool: 2}]\n'
    found = memory(cnncalc.loads(document, name='x|y,"z"\x1b]0;t\x07.yaml'))
    assert all(char.isprintable() or char == "\n" for char in page(found) + markdown(found))


# Other formats --------------------------------------------------------------------------------------------------------

MARKDOWN = """\
## small

Training on a batch of 2 images: SGD, cross-entropy, float32, on CPU.

| model | bytes | kB | the sum of |
| :-- | --: | --: | :-- |
| textbook | 2,328 | 2.3 | 384 input + 1,336 every layer's output + 608 parameters |
| sum | 2,672 | 2.7 | 1,336 every layer's output + 1,336 a gradient of each |
| eager | 3,164 | 3.2 | 608 parameters + 400 input + 44 activations + 576 saved + 1,536 gradients |

The peak: 3,164 bytes (3.2 kB), in the backward pass of each step, when `threshold_backward` of `relu` ends.
A step ends with 1,660 bytes (1.7 kB).

| at the peak | bytes | share |
| :-- | --: | --: |
| parameters | 608 | 19.2 % |
| input | 400 | 12.6 % |
| activations | 44 | 1.4 % |
| saved | 576 | 18.2 % |
| gradients | 1,536 | 48.5 % |

| bytes | shape | tensor |
| --: | :-- | :-- |
| 576 | 2 of 4x6x3 | output of relu, kept for backward |
| 576 | 2 of 4x6x3 | gradient that max\\_pool passes back |
| 576 | 2 of 4x6x3 | gradient that relu passes back |
"""


def test_markdown(trained: MemoryReport) -> None:
    assert markdown(trained, top=3) == MARKDOWN


def test_markdown_of_several_steps_and_of_no_tensors() -> None:
    written = markdown(report(setup=Setup(batch=2, training=True, optimizer="adam")))
    assert "\nStep 1 peaks at 3,632 bytes (3.6 kB), later steps at 4,396 bytes" in written
    nothing = markdown(report("{input: 8x8x16, layers: [identity]}"))
    assert nothing.endswith("| at the peak | bytes | share |\n| :-- | --: | --: |\n| input | 4,096 | 100.0 % |\n")


CSV = """\
step,phase,layer,operator,bytes,parameters,buffers,input,activations,saved,gradients,optimizer state,temporary
1,prediction,conv,convolution,1088,608,0,192,288,0,0,0,0
1,prediction,relu,relu,1376,608,0,192,576,0,0,0,0
1,prediction,max_pool,max_pool2d_with_indices,1304,608,0,192,360,0,0,0,144
1,prediction,linear,view,872,608,0,192,72,0,0,0,0
1,prediction,linear,t,872,608,0,192,72,0,0,0,0
1,prediction,linear,addmm,892,608,0,192,92,0,0,0,0
"""


def test_csv() -> None:
    assert csv(report()) == CSV


def test_csv_quotes_what_it_has_to(trained: MemoryReport) -> None:
    event = replace(trained.timeline[0], layer='a,"b"')
    (row,) = reader.DictReader(io.StringIO(csv(replace(trained, timeline=[event]))))
    assert row["layer"] == 'a,"b"'
    assert row["bytes"] == "1584"
    assert sum(int(row[name]) for name in event.categories) == 1584
