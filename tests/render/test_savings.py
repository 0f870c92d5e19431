from __future__ import annotations

import io

import pytest

import cnncalc
from cnncalc.render.savings import NARROWEST, grouped, lines, markdown, write
from cnncalc.savings import Savings, savings

# 1x1: 8·2 + 2 = 18. 3x3: 9·2·4 + 4 = 76. Straight: 9·8·4 + 4 = 292. Without biases 16 + 72 = 88 and 288, at 5·7 places.
SMALL = """\
name: small
input: 5x7x8
layers:
  - {name: reduce, conv: {out_channels: 2, kernel_size: 1}}
  - {name: wide, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
"""

PAGE = """\
small (small.yaml)
The network has 94 parameters and takes 3,080 MACs.
Priced are convolutions and dense layers alone; MACs are multiply-accumulates
  for one image.

1x1 bottlenecks: 1
  without it the network has 292 parameters, 10,080 MACs

  reduce, wide
    in place of: 3x3 convolution from 8 to 4 channels (input 5x7x8)
                without   with  ratio
    parameters      292     94  3.106
    MACs         10,080  3,080  3.273
    parameters without: N·C·K_h·K_w + N = 4·8·3·3 + 4 = 292
    parameters with: C_1·C + C_1 + N·C_1·K_h·K_w + N = 2·8 + 2 + 4·2·3·3 + 4 =
      94
    MACs without: E·C·K_h·K_w = 140·8·3·3 = 10,080
    MACs with: E_1·C + E·C_1·K_h·K_w = 70·8 + 140·2·3·3 = 3,080

K_h and K_w kernel sizes, C input channels, N output channels, C_1, C_2 ...
  channels between, G groups, E output elements, W_h and W_w a map's sizes;
  channels that are added are biases. K_1h, E_1 are the first layer's, K_h, E
  the last one's or those of what is replaced.
"""

MARKDOWN = """\
## small

The network has 94 parameters and takes 3,080 MACs.

Priced are convolutions and dense layers alone; MACs are multiply-accumulates for one image.

| what saves | how many | parameters without | with | ratio | MACs without | with | ratio |
| :-- | --: | --: | --: | --: | --: | --: | --: |
| 1x1 bottlenecks | 1 | 292 | 94 | 3.106 | 10,080 | 3,080 | 3.273 |

- 1x1 bottlenecks: without it the network has 292 parameters, 10,080 MACs

| where | in place of | parameters without | with | ratio | MACs without | with | ratio |
| :-- | :-- | --: | --: | --: | --: | --: | --: |
| reduce, wide | 3x3 convolution from 8 to 4 channels | 292 | 94 | 3.106 | 10,080 | 3,080 | 3.273 |

<details><summary>Derivations</summary>

- reduce, wide
  - parameters without: `N·C·K_h·K_w + N = 4·8·3·3 + 4 = 292`
  - parameters with: `C_1·C + C_1 + N·C_1·K_h·K_w + N = 2·8 + 2 + 4·2·3·3 + 4 = 94`
  - MACs without: `E·C·K_h·K_w = 140·8·3·3 = 10,080`
  - MACs with: `E_1·C + E·C_1·K_h·K_w = 70·8 + 140·2·3·3 = 3,080`

K\\_h and K\\_w kernel sizes, C input channels, N output channels, C\\_1, C\\_2 ... channels between, G groups, \
E output elements, W\\_h and W\\_w a map's sizes; channels that are added are biases. K\\_1h, E\\_1 are the first \
layer's, K\\_h, E the last one's or those of what is replaced.

</details>
"""


def found(document: str = SMALL, name: str = "small.yaml") -> Savings:
    return savings(cnncalc.loads(document, name=name))


def page(found: Savings, width: int | None = None) -> str:
    return "".join(f"{line.text}\n" for line in lines(found, width))


def test_page() -> None:
    assert page(found()) == PAGE


def test_markdown() -> None:
    assert markdown(found()) == MARKDOWN


def test_nothing() -> None:
    nothing = found("input: 5x7x3\nlayers: [{linear: 2}]", "plain.yaml")
    sentence = "No design that saves parameters or multiplies is recognised in it.\n"
    whole = "The network has 212 parameters and takes 210 MACs.\n"
    assert page(nothing) == f"plain.yaml\n{whole}\n{sentence}"
    assert markdown(nothing) == f"## plain.yaml\n\n{whole}\n{sentence}"


def test_a_stream() -> None:
    stream = io.StringIO()
    write(found(), stream)
    assert stream.getvalue() == PAGE


# Equal findings -------------------------------------------------------------------------------------------------------


def where(document: str) -> list[str]:
    return [group.where for group in grouped(savings(cnncalc.loads(document)).findings)]


PAIR = """\
input: 5x7x8
blocks:
  unit:
    args: {inside: 4}
    layers:
      - {name: reduce, conv: {out_channels: inside, kernel_size: 1}}
      - {name: wide, conv: {out_channels: 8, kernel_size: 3, padding: 1}}
layers:
"""


def test_blocks_that_repeat_are_one() -> None:
    assert where(f"{PAIR}  - {{name: stage, unit: {{}}, repeat: 12}}") == ["stage.0..11: reduce, wide ×12"]


def test_blocks_apart_are_listed() -> None:
    layers = "".join(
        f"  - {{name: {name}, unit: {{inside: {inside}}}}}\n"
        for name, inside in [("a1", 4), ("a2", 4), ("b", 3), ("a4", 4), ("x", 4)]
    )
    assert where(PAIR + layers) == ["a1..2, a4, x: reduce, wide ×4", "b: reduce, wide"]


def test_other_names_inside_are_others() -> None:
    other = """
  - {name: c, conv: {out_channels: 4, kernel_size: 1}}
  - {name: d, conv: {out_channels: 8, kernel_size: 3, padding: 1}}
"""
    assert where(f"{PAIR}  - {{name: stage, unit: {{}}}}{other}") == ["stage: reduce, wide", "c, d"]


def test_another_input_is_another() -> None:
    layers = "  - {name: stage, unit: {}}\n  - {name: pool, max_pool: 2}\n  - {name: stage2, unit: {}}"
    assert where(PAIR + layers) == ["stage: reduce, wide", "stage2: reduce, wide"]


def test_single_layers_that_repeat_are_one() -> None:
    document = """\
input: 5x7x8
layers:
  - {name: conv, conv: {out_channels: 8, kernel_size: 3, padding: 1, groups: 2}, repeat: 5}
"""
    assert where(document) == ["conv.0..4 ×5"]


def test_totals_are_of_all_of_a_sort() -> None:
    drawn = page(savings(cnncalc.loads(f"{PAIR}  - {{name: stage, unit: {{}}, repeat: 3}}")))
    # 9·8·8 + 8 = 584; 8·4 + 4 + 9·4·8 + 8 = 332; three of each. 576 and 320 at 35 places, three times
    assert "1x1 bottlenecks: 3\n              without    with  ratio\n  parameters    1,752     996  1.759\n" in drawn
    assert "\n  MACs         60,480  33,600  1.800\n" in drawn
    assert "\n  without them the network has 1,752 parameters, 60,480 MACs\n" in drawn


def test_several_sorts_are_not_to_be_added() -> None:
    both = found(SMALL + "  - {name: pool, global_avg_pool: {}}\n  - {name: last, linear: 3}\n")
    sentence = "A layer may stand in several sorts: their totals do not add up.\n"
    assert page(both).endswith(sentence)
    assert f"\n\n{sentence}\n" in markdown(both)


def test_what_costs_more_is_said() -> None:
    layers = "".join(f"  - {{name: c{n}, conv: {{out_channels: {n}, kernel_size: 3}}}}\n" for n in (16, 17))
    drawn = page(savings(cnncalc.loads(f"input: 9x8x2\nlayers:\n{layers}")))
    assert "\n    it takes more parameters and MACs than what it is in place of\n" in drawn
    assert "\n    weights with C channels everywhere: 18·C² in place of 25·C²\n" in drawn


# Windows and names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inception_v3", "xception", "squeezenet1_1", "mobilenet_v2"])
@pytest.mark.parametrize("width", [NARROWEST, 61, 80, 200])
def test_pages_fit_their_window(name: str, width: int) -> None:
    drawn = lines(savings(cnncalc.load(name)), width)
    tables = [line for line in drawn if line.text.lstrip().startswith(("parameters  ", "MACs  ", "without  "))]
    assert max(len(line.text) for line in drawn if line not in tables) <= min(width, 80)
    assert max(len(line.text) for line in tables) <= max(54, width)


def test_a_long_stack() -> None:
    """A sum of thousands of terms is written, and the wrapped lines read together are it."""
    layers = "  - {name: c, conv: {out_channels: 3, kernel_size: 3, padding: 1, bias: false}, repeat: 3000}\n"
    drawn = page(savings(cnncalc.loads(f"input: 2x2x3\nlayers:\n{layers}")))
    joined = "".join(line.strip() for line in drawn.splitlines()).replace(" ", "")
    numbers = "+".join(["3·3·3·3"] * 3000)
    assert f"N·C_2999·K_3000h·K_3000w={numbers}=243,000" in joined


def test_hostile_names() -> None:
    document = SMALL.replace("name: small", 'name: "a|b \\e[31m\\n<b>"')
    hostile = found(document, "x|y\x1b]0;t\x07.yaml")
    for text in (page(hostile), markdown(hostile)):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert markdown(hostile).startswith("## a\\|b ")
