from __future__ import annotations

import io
from dataclasses import replace

import pytest

import cnncalc
from cnncalc import Report
from cnncalc.analysis import folded
from cnncalc.language.load import zoo_names
from cnncalc.render.columns import DEFAULT, chosen
from cnncalc.render.terminal import lines, table, write


def drawn(report: Report, columns: str = "", width: int | None = None) -> str:
    return "".join(f"{line.text}\n" for line in lines(report, chosen(columns) if columns else None, width))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


# 4 bytes a value; the conv and the merge read and write 96 values each; 413 + 96 values and 273 parameters in training.
SMALL = """\
small (small.yaml)
6x8x2 -> 5, 8 layers

layer       kind            output  parameters   MACs  bytes  field
----------  --------------  ------  ----------  -----  -----  -----
first       conv 3x5/1x2    6x4x4          124  2,880    384  3x5
batch_norm  batch_norm      6x4x4            8      0    384  3x5
relu        relu            6x4x4            0      0      0  3x5
conv        conv 1x1        6x4x4           16    384    384  3x5
add         add 2 paths     6x4x4            0      0    384  3x5
max_pool    max_pool 2x2/2  3x2x4            0      0     96  4x7
flatten     flatten         24               0      0      0  4x7
linear      linear          5              125    120     20  8x11
----------  --------------  ------  ----------  -----  -----  -----
total                                      273  3,384  1,652

parameters     273  260 weights + 13 biases
buffers          8  kept but not trained
MACs         3,384  multiply-accumulates an image, conv and dense
multiplies   3,480  multiplications an image, all layers
activations    413  output values an image, 1,652 bytes (1.7 kB)
depth            3  weighted layers deep: 2 convolutions, 1 dense layer

Memory in float32, as textbooks count it
  predicting 1 image: 2,244 bytes (2.2 kB)
    = 1,152 bytes of two consecutive layers' outputs (`add` and what it reads)
    + 1,092 bytes of parameters
  training a batch of 1: 3,128 bytes (3.1 kB)
    = 384 bytes of input
    + 1,652 bytes of every layer's output
    + 1,092 bytes of parameters
  what torch really holds: `cnncalc memory FILE --training`
"""


def test_everything(small: Report) -> None:
    assert drawn(small) == SMALL
    assert drawn(small, width=200) == SMALL


def test_a_batch(batch_of_8: Report) -> None:
    """Bytes of 2 and 8 images: 8·2·96 = 1,536; the widest three values of 96, 2·273 bytes of parameters."""
    written = drawn(batch_of_8)
    assert "parameters   MACs  bytes, batch of 8  field\n" in written
    assert "first       conv 3x5/1x2    6x4x4          124  2,880              1,536  3x5\n" in written
    assert "total                                      273  3,384              6,608\n" in written
    assert (
        written.partition("\n\nMemory")[2]
        == """\
 in float16, as textbooks count it
  predicting 1 image: 1,122 bytes (1.1 kB)
    = 576 bytes of two consecutive layers' outputs (`add` and what it reads)
    + 546 bytes of parameters
  predicting a batch of 8: 5,154 bytes (5.2 kB)
    = 4,608 bytes of two consecutive layers' outputs
    + 546 bytes of parameters
  training a batch of 8: 8,690 bytes (8.7 kB)
    = 1,536 bytes of input
    + 6,608 bytes of every layer's output
    + 546 bytes of parameters
  what torch really holds: `cnncalc memory FILE --training`
"""
    )


def test_shapes_channels_first(small: Report) -> None:
    written = drawn(replace(small, layout="chw"))
    assert "[2, 6, 8] -> [5], 8 layers\n" in written
    assert "first       conv 3x5/1x2    [4, 6, 4]         124  2,880    384  3x5\n" in written


def test_rows_that_repeat(repeating: Report) -> None:
    assert (
        "".join(f"{line.text}\n" for line in table(repeating))
        == """\
layer          kind      output  parameters     MACs  bytes  field
-------------  --------  ------  ----------  -------  -----  -----
conv3_1..2 ×2  conv 3x3  8x8x4          148    9,216  1,024  5x5
wide.0..2 ×3   conv 5x5  8x8x4          404   25,600  1,024  17x17
unit.0.conv    conv 3x3  8x8x4          148    9,216  1,024  19x19
unit.0.relu    relu      8x8x4            0        0      0  19x19
unit.1.conv    conv 3x3  8x8x4          148    9,216  1,024  21x21
unit.1.relu    relu      8x8x4            0        0      0  21x21
-------------  --------  ------  ----------  -------  -----  -----
total                                 1,804  113,664  7,168
"""
    )


def test_blocks_that_repeat(repeating: Report) -> None:
    assert [line.text for line in table(folded(repeating, 2), chosen("layer,kind,parameters,macs"))] == [
        "layer          kind            parameters     MACs",
        "-------------  --------------  ----------  -------",
        "conv3_1..2 ×2  conv 3x3               148    9,216",
        "wide.0..2 ×3   conv 5x5               404   25,600",
        "unit.0..1 ×2   block 2 layers         148    9,216",
        "-------------  --------------  ----------  -------",
        "total                               1,804  113,664",
    ]


def test_columns_in_the_order_asked_for(small: Report) -> None:
    assert [line.text for line in table(small, chosen("macs,output,layer"))][:3] == [
        " MACs  output  layer",
        "-----  ------  ----------",
        "2,880  6x4x4   first",
    ]


# Widths ---------------------------------------------------------------------------------------------------------------


def test_a_narrow_window_says_what_it_leaves_out(small: Report) -> None:
    assert [line.text for line in table(small, width=60)] == [
        "layer       kind            output  parameters   MACs  bytes",
        "----------  --------------  ------  ----------  -----  -----",
        "first       conv 3x5/1x2    6x4x4          124  2,880    384",
        "batch_norm  batch_norm      6x4x4            8      0    384",
        "relu        relu            6x4x4            0      0      0",
        "conv        conv 1x1        6x4x4           16    384    384",
        "add         add 2 paths     6x4x4            0      0    384",
        "max_pool    max_pool 2x2/2  3x2x4            0      0     96",
        "flatten     flatten         24               0      0      0",
        "linear      linear          5              125    120     20",
        "----------  --------------  ------  ----------  -----  -----",
        "total                                      273  3,384  1,652",
        "(not shown at 60 columns: field; --columns chooses)",
    ]
    assert [line.text for line in table(small, width=50)][-2:] == [
        "(not shown at 50 columns: macs, bytes, field;",
        "    --columns chooses)",
    ]


def test_columns_that_were_chosen_are_never_left_out(small: Report) -> None:
    everything = chosen("all")
    assert table(small, everything, width=40) == table(small, everything)


def test_a_long_name_goes_on_in_the_next_line() -> None:
    document = """
        input: 8x8x1
        blocks:
          a_rather_long_name: {layers: [{name: and_another_long_name, conv: {out_channels: 1, kernel_size: 1}}, tanh]}
        layers:
          - {name: outermost_block, a_rather_long_name: {}}
        """
    report = cnncalc.analyze(cnncalc.loads(document))
    assert [line.text for line in table(report, width=58)][:5] == [
        "layer                         kind      output  parameters",
        "----------------------------  --------  ------  ----------",
        "outermost_block.              conv 1x1  8x8x1            2",
        " and_another_long_name",
        "outermost_block.tanh          tanh      8x8x1            0",
    ]
    assert [line.text for line in table(report, chosen("layer,output"), width=30)][2:6] == [
        "outermost_block.        8x8x1",
        " and_another_long_name",
        "outermost_block.tanh    8x8x1",
        "----------------------  ------",
    ]


def test_a_name_without_dots_is_broken_anywhere() -> None:
    report = cnncalc.analyze(cnncalc.loads(f"{{input: 8x8x1, layers: [{{name: {'abcdefghij' * 4}, relu: {{}}}}]}}"))
    assert [line.text for line in table(report, width=50)][2:6] == [
        "abcdefghijabcdefghijabcd  relu  8x8x1            0",
        " efghijabcdefghij",
        "------------------------  ----  ------  ----------",
        "total                                            0",
    ]


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo_fits_its_window(name: str) -> None:
    """At 80 and 200 columns; every row is there, every number whole, and what is not shown is said."""
    report = cnncalc.analyze(cnncalc.load(name))
    for shown in (report, folded(report, 1), folded(report, 2)):
        for width in (80, 200):
            written = lines(shown, None, width)
            assert max(len(line.text) for line in written) <= width
            heads = table(shown, None, width)[0].text.split()
            last = table(shown, None, width)[-1].text
            missing = last.partition(": ")[2].partition(";")[0].split(", ") if last.startswith("(not shown") else []
            assert [head.lower() for head in heads] + missing == list(DEFAULT)
    assert missing == [], "200 columns are enough for all"


def test_long_sentences_go_on_in_the_next_line() -> None:
    report = cnncalc.analyze(
        cnncalc.loads("{name: n, input: 7x9x1, layers: [{name: half, max_pool: 2}]}", name="n.yaml")
    )
    assert drawn(report, width=60).splitlines()[-2:] == [
        "note: `half`: no window reads the last 1 of 7 rows and the",
        "    last 1 of 9 columns (n.yaml:1)",
    ]
    assert drawn(report).splitlines()[-1] == (
        "note: `half`: no window reads the last 1 of 7 rows and the last 1 of 9 columns (n.yaml:1)"
    )


# Titles and remarks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "title", "shapes"),
    [
        ("{input: 8x6x3, layers: [relu]}", "n.yaml", "8x6x3 -> 8x6x3, 1 layer"),
        ("{name: A net, input: [3, 8, 6], layers: [relu, tanh]}", "A net (n.yaml)", "[3, 8, 6] -> [3, 8, 6], 2 layers"),
        ("{input: 100, layers: [{linear: 7}]}", "n.yaml", "100 -> 7, 1 layer"),
        (
            "{inputs: {a: 8x6x3, b: 8x6x1}, layers: [{name: c, concat: [a, b]}, {name: d, max_pool: 2}], "
            "outputs: [c, d]}",
            "n.yaml",
            "a 8x6x3, b 8x6x1 -> c 8x6x4, d 4x3x4, 2 layers",
        ),
    ],
)
def test_title(document: str, title: str, shapes: str) -> None:
    report = cnncalc.analyze(cnncalc.loads(document, name="n.yaml"))
    assert drawn(report).splitlines()[:3] == [title, shapes, ""]


def test_warnings_come_before_notes() -> None:
    document = "{input: 7x8x1, layers: [{max_pool: 2}, {name: end, relu: {}}, {name: other, relu: {}, from: max_pool}]}"
    report = cnncalc.analyze(cnncalc.loads(document, name="n.yaml"))
    assert drawn(report).splitlines()[-3:] == [
        "warning: nothing uses the output of `end` (n.yaml:1)",
        "  help: list it under `outputs:` if it is a result",
        "note: `max_pool`: no window reads the last 1 of 7 rows (n.yaml:1)",
    ]


def test_many_remarks() -> None:
    """255, 127, 63, 31, 15, 7, 3: seven pools that leave a row; the seventh is counted, not shown."""
    report = cnncalc.analyze(cnncalc.loads("{input: 255x256x1, layers: [{max_pool: 2, repeat: 7}]}"))
    assert len(report.remarks) == 7
    assert drawn(report).splitlines()[-2:] == [
        "note: `max_pool.5`: no window reads the last 1 of 7 rows (<text>:1)",
        "(and 1 more; --format json has them all)",
    ]


# Streams --------------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_plain_text(small: Report) -> None:
    pipe = io.StringIO()
    write(small, stream=pipe)
    assert pipe.getvalue() == SMALL


def test_a_terminal_gets_colour_and_its_width(small: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal = Terminal()
    write(small, stream=terminal)
    assert "\x1b[1msmall (small.yaml)\x1b[0m\n" in terminal.getvalue()
    assert "(not shown at 60 columns: field; --columns chooses)" in terminal.getvalue()


def test_a_terminal_without_colour(small: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    write(small, stream=terminal)
    assert "\x1b[3" not in terminal.getvalue()
    assert "linear      linear          5              125    120     20  8x11\n" in terminal.getvalue()


def test_hostile_names_do_not_reach_the_terminal(hostile: Report) -> None:
    for columns in ("", "all"):
        written = drawn(hostile, columns)
        assert all(char.isprintable() or char == "\n" for char in written)
    title, shapes, *_ = drawn(hostile).splitlines()
    assert title == 'a|b `c` *d*?[31m?<script>alert(1)</script> (x|y,"z"?]0;t?<b>&_?.yaml)'
    assert shapes == "7x9x1 -> 3x4x1, 1 layer"
    rows = [line.text for line in table(hostile, chosen("layer,place,parameters"))]
    assert rows[2] == 'max_pool  x|y,"z"?]0;t?<b>&_?.yaml:3           0'
