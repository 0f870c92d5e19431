"""The words: that every language has all of them, and what a page says in Chinese."""

from __future__ import annotations

import copy
import re
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

import cnncalc
from cnncalc import formulas, messages
from cnncalc.analysis import folded
from cnncalc.derivations import Explained
from cnncalc.diagnostics import text_width
from cnncalc.language.load import zoo_names
from cnncalc.layers import LAYERS
from cnncalc.messages import ENGLISH, LANGUAGES, catalogue, numbered, said, text, told
from cnncalc.render import calculate, markdown, terminal
from cnncalc.render import derivation as rendered
from cnncalc.render.columns import COLUMNS
from cnncalc.report import from_json, to_json

FORMULAS: list[Callable[..., Any]] = [function for function in vars(formulas).values() if hasattr(function, "unit")]
OTHERS = [language for language in LANGUAGES if language != "en"]
CHINESE = catalogue("zh")
WIDE = re.compile("[\u4e00-\u9fff]")

# Keys whose words are only what is put in, and signs.
SIGNS = {"unit.sum", "kind", "comes-from", "separator", "separator-of-clauses", "separator-of-sentences", "stop"}
SIGNS |= {"what.operations", "colon", "along", "of-layer", "total-in-words", "memory-in-words"}
SIGNS |= {"places.and", "remark.of-layer", "ends"}

# Words that a Chinese page has in Latin letters: units, number formats, signs of formulas, names of methods.
LATIN = {"MACs", "kB", "MB", "GB", "float32", "mod", "min", "max", "gcd", "SAME", "FULL", "im2col", "X_col", "W_row"}


def test_there_are_formulas() -> None:
    assert len(FORMULAS) > 70


# Completeness ---------------------------------------------------------------------------------------------------------


def placeholders(words: str) -> set[tuple[str, str]]:
    """The parts that are put in, each with how it is written."""
    return {(name, form or "") for _, name, form, _ in string.Formatter().parse(words) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_key_and_no_other(language: str) -> None:
    names = {function.__name__ for function in FORMULAS}
    of_formulas = {f"{sort}.{name}" for sort in ("formula", "why") for name in names}
    assert set(catalogue(language)) == set(ENGLISH) | of_formulas


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_puts_the_same_parts_in(language: str) -> None:
    words = catalogue(language)
    assert {key: placeholders(words[key]) for key in ENGLISH} == {key: placeholders(ENGLISH[key]) for key in ENGLISH}
    assert not any(placeholders(words[key]) for key in words if key not in ENGLISH)


def test_placeholders_differ_where_words_do() -> None:
    assert placeholders("{count:,} of {size}") == {("count", ","), ("size", "")}
    assert placeholders("{count} of {size}") != placeholders("{count:,} of {size}")


@pytest.mark.parametrize("key", sorted(set(CHINESE) - SIGNS))
def test_chinese_is_chinese(key: str) -> None:
    """Written in Chinese characters, with no punctuation of English between them."""
    words = CHINESE[key]
    assert WIDE.search(words)
    assert not re.search("[\u4e00-\u9fff][,;:?.]|[,;:?][\u4e00-\u9fff]", words)
    assert (words.endswith("。")) == (key.startswith("why.") or (ENGLISH.get(key, "").endswith(".")))


def cited(function: Callable[..., Any]) -> set[str]:
    """Authors, years and places of the sources in the first sentence of a docstring."""
    sources = re.findall(r"\(([^()]*(?:\d{4}|CS231n|TensorFlow)[^()]*)\)", messages.why(function))
    return {word for source in sources for word in re.findall(r"[\wé.~*]+", source) if re.search("[A-Z0-9]", word)}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("function", FORMULAS, ids=lambda function: function.__name__)
def test_a_why_keeps_its_source(function: Callable[..., Any], language: str) -> None:
    words = messages.why(function, language)
    assert cited(function) <= set(re.findall(r"[\wé.~*]+", re.sub("[\u4e00-\u9fff]", " ", words))) | {"Relationship"}
    assert text_width(words) <= 110


def test_sources_are_found() -> None:
    assert cited(formulas.output_size) == {"Dumoulin", "Visin", "2016", "6"}
    assert cited(formulas.partial_weights) == {"LeCun", "1998", "I"}
    assert cited(formulas.sum_training) == {"CS231n", "~*2"}
    assert len([function for function in FORMULAS if cited(function)]) > 30


def test_what_layers_say_has_words() -> None:
    sorts = {layer.weighted for layer in LAYERS if layer.weighted}
    assert sorts == {key.partition(".")[2] for key in ENGLISH if key.startswith("sort.")}
    for sort in sorts:
        assert numbered(f"layers-of.{sort}", 1) == f"1 {text(f'sort.{sort}')}{' layer' if sort == 'dense' else ''}"
        assert numbered(f"layers-of.{sort}", 1_000).startswith("1,000 ")
    assert {f"column.{column.key}" for column in COLUMNS} | {"column.bytes-of-batch"} == {
        key for key in ENGLISH if key.startswith("column.")
    }


def test_no_language_is_loaded_that_nobody_asks_for() -> None:
    for arguments, loaded in ((["analyze", "lenet5"], "False"), (["explain", "lenet5", "C1", "--lang", "zh"], "True")):
        code = (
            "import sys\n"
            f"sys.argv = ['cnncalc', *{arguments!r}]\n"
            "from cnncalc.cli import main\n"
            "try:\n    main()\n"
            "finally:\n    sys.stderr.write(str('cnncalc.messages.zh' in sys.modules))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, loaded)


def test_an_unknown_language() -> None:
    with pytest.raises(KeyError):
        catalogue("fr")
    with pytest.raises(KeyError):
        catalogue("en.zh")


# Words that remember how they were made -------------------------------------------------------------------------------


def test_what_was_told_is_said_in_another_language() -> None:
    unit = told("unit.rows")
    place = told("places.last", count=1, size=56, unit=unit)
    remark = told("remark.of-layer", layer="S2", remark=told("remark.input-unread", places=place))
    assert remark == "`S2`: no window reads the last 1 of 56 rows"
    assert said(remark) == remark
    assert said(remark, "zh") == "`S2`：没有窗口读取 56 行中的最后 1 行"
    assert said(copy.deepcopy(remark), "zh") == said(remark, "zh")
    assert said("conv1", "zh") == "conv1"
    assert said(told("remark.unused-input", input="{a}"), "zh") == "没有层使用输入 `{a}`"


def test_a_report_is_the_same_in_every_language() -> None:
    """Its records are English text to programs."""
    report = cnncalc.analyze(cnncalc.load("alexnet_table"))
    written = to_json(report)
    assert "no window reads the last 1 of 56 rows and the last 1 of 56 columns" in written
    assert from_json(written) == report
    assert asdict(report)["remarks"][0]["message"] == report.remarks[0].message
    "\n".join(line.text for line in terminal.lines(report, language="zh"))
    assert to_json(report) == written


REMARKS = """\
input: [224, 200, 3]
layers:
  - {relu: , name: r}
  - {relu: {inplace: true}, from: r, name: i}
  - {conv: {out_channels: 2, kernel_size: 1, stride: 2}, from: r, name: c}
  - {concat: [identity, c]}
  - adaptive_avg_pool: 7
  - {relu: , from: r, name: u}
  - {upsample: {size: 3}}
"""
SAID = """\
警告：这个输入有 224 个通道，尺寸为 200x3：通道是否写在了最后？ (<text>:1)
  建议：若为 3 个通道，请写 224x200x3 或 [3, 224, 200]
警告：`i` 就地运算：`c` 读到的是它的输出，而不是 `r` (<text>:5)
  建议：去掉 `i` 的 `inplace: true`
警告：`i` 就地运算：`u` 读到的是它的输出，而不是 `r` (<text>:8)
  建议：去掉 `i` 的 `inplace: true`
警告：没有层使用 `i` 的输出 (<text>:4)
  建议：若它是结果，请列在 `outputs:` 下
警告：没有层使用 `adaptive_avg_pool` 的输出 (<text>:7)
  建议：若它是结果，请列在 `outputs:` 下
提示：`c`：没有窗口读取 200 行中的 100 行、3 列中的 1 列：步幅越过了它们 (<text>:5)"""


def test_remarks() -> None:
    report = cnncalc.analyze(cnncalc.loads(REMARKS))
    lines = [line.text for line in terminal.lines(report, language="zh")]
    assert "\n".join(lines[-11:]) == SAID
    kinds = [line.split("  ")[1:] for line in lines if line.startswith(("concat ", "adaptive_", "upsample "))]
    assert [next(cell.strip() for cell in cells if cell.strip()) for cells in kinds] == [
        "concat 2 路",
        "adaptive_avg_pool 至 7x7",
        "upsample 至 3x3",
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("input: 8x20\nlayers: [relu]", "这个输入只有一维：8 个位置，20 个通道"),
        ("input: 3x224x200\nlayers: [relu]", "这个输入有 200 个通道，尺寸为 3x224：通道是否写在了最前？"),
        (
            "inputs: {a: 4x4x1, b: 4x4x1}\nlayers: [{relu: , from: a}]",
            "没有层使用输入 `b`",
        ),
        ("input: 9x1\nlayers: [{max_pool: 2}]", "`max_pool`：没有窗口读取 9 个位置中的最后 1 个位置"),
        (
            "input: 9x8x7x1\nlayers: [{max_pool: 2}]",
            "`max_pool`：没有窗口读取 9 帧中的最后 1 帧、7 列中的最后 1 列",
        ),
    ],
)
def test_a_remark(document: str, message: str) -> None:
    report = cnncalc.analyze(cnncalc.loads(document))
    assert [line for line in markdown.document(report, language="zh").splitlines() if message in line]


def test_layers_that_are_written_once() -> None:
    report = cnncalc.analyze(cnncalc.load("resnet50_paper"))
    written = markdown.document(report, language="zh")
    assert "：步幅越过了它们（同一处写出的层另有 1 个） (resnet50.yaml:15)" in written
    blocks = [line.text for line in terminal.lines(folded(report, 1), language="zh")]
    assert len([line for line in blocks if re.search(r"  block \d+ 层  ", line)]) > 3


# Pages in Chinese -----------------------------------------------------------------------------------------------------


def latin_words(line: str) -> list[str]:
    """Words in Latin letters; `55x55x96` and `K_h` are none."""
    words = re.findall(r"(?<![\w.])[A-Za-z][\w.]+", re.sub("[\u3000-\uffff“”·]", " ", line))
    return [word.rstrip(".") for word in words if not re.fullmatch(r"[A-Za-z](_(\w{1,3}|\d+))?", word.rstrip("."))]


SOURCES = {word for function in FORMULAS for word in latin_words(messages.why(function, "zh"))}


def test_the_words_of_sources_are_few() -> None:
    assert {"Dumoulin", "Visin", "CS231n", "al"} <= SOURCES
    assert len(SOURCES) < 40


def untranslated(lines: list[str], names: set[str]) -> Iterator[str]:
    for line in lines:
        if left := [word for word in latin_words(line) if word not in LATIN | SOURCES | names]:
            yield f"{left}: {line}"


@pytest.mark.parametrize("name", zoo_names())
def test_nothing_is_left_in_english(name: str) -> None:
    network = cnncalc.load(name)
    names = {node.name for node in network} | {value.name for value in network.inputs}
    kinds = {node.layer.kind for node in network}
    explained = Explained(network)
    told_once: dict[object, str] = {}
    for node in network:
        told_once.setdefault((node.layer, node.input_shapes), node.name)
    for layers in ([], list(told_once.values())):
        page = [line.text for line in rendered.page(explained.explanation(layers), "zh")]
        assert list(untranslated(page[1:], names)) == []
    written = rendered.markdown(explained.explanation(), "zh").replace("\\", "").replace("```text", "```")
    assert list(untranslated(written.splitlines()[1:], names)) == []
    report = cnncalc.analyze(network)
    page = [line.text for line in terminal.lines(report, language="zh")][1:]
    page = [re.sub(r"`cnncalc memory FILE --training`|--format json| \([\w.]+:\d+\)", "", line) for line in page]
    runs = {f"{row.partition(' ')[0]}" for row in page if ".." in row.partition(" ")[0]}
    assert list(untranslated(page, names | kinds | runs | {"torch"})) == []


def test_english_is_noticed() -> None:
    network = cnncalc.load("alexnet")
    names = {node.name for node in network}
    page = [line.text for line in rendered.page(Explained(network).explanation(["conv1"]))]
    assert len(list(untranslated(page[1:], names))) > 30
    assert list(untranslated(["conv1，参数量：34,944 parameters"], names)) == [
        "['parameters']: conv1，参数量：34,944 parameters"
    ]


ALEXNET_CONV1 = """\
AlexNet (alexnet.yaml)
计数按一张图像计；字节数按 1 张图像、float32 计。

conv1，输出尺寸：55x55x96
  输出尺寸（高和宽）：⌊(W − F + 2·P) / S⌋ + 1 = ⌊(227 − 11 + 2·0) / 4⌋ + 1 = 55 个位置
    窗口的位置数，两侧填充相同（Dumoulin & Visin 2016，关系式 6）。

conv1，参数量：34,944
  权重数：M_w = N·C·K_h·K_w = 96·3·11·11 = 34,848 个权重
    N 个滤波器在所读 C 个通道的每个卷积核位置各有一个权重，滑到何处都是同一组权重。
  偏置数：M_b = N = 96 个偏置
    每个滤波器或单元一个偏置。
  参数量：M_w + M_b = 34,848 + 96 = 34,944 个参数
    训练所改变的全部：权重和偏置。

conv1，不共享权重时的参数量：105,705,600 个参数
  输出尺寸（高和宽）：O_h = O_w = ⌊(W − F + 2·P) / S⌋ + 1 = ⌊(227 − 11 + 2·0) / 4⌋ + 1 = 55 个位置
    窗口的位置数，两侧填充相同（Dumoulin & Visin 2016，关系式 6）。
  输出值个数：E = N·O_h·O_w = 96·55·55 = 290,400 个值
    输出的每个通道、每个位置各有一个值。
  权重数（不共享）：M_w = E·C·K_h·K_w = 290,400·3·11·11 = 105,415,200 个权重
    不共享权重时，E 个输出各有自己的滤波器（CS231n，“Parameter Sharing”）。
  偏置数（不共享）：M_b = E = 290,400 个偏置
    不共享时，每个输出各有一个偏置。
  参数量：M_w + M_b = 105,415,200 + 290,400 = 105,705,600 个参数
    训练所改变的全部：权重和偏置。

字母
  C    输入通道数（一个滤波器所读取的）
  E    输出值个数
  F    等效卷积核尺寸
  K    卷积核尺寸
  M_b  偏置数
  M_w  权重数
  N    输出通道数：滤波器或单元的个数
  O    输出尺寸
  P    每侧的填充
  S    步幅
  W    输入尺寸"""


def test_the_first_layer_of_alexnet() -> None:
    """The course's example: 96 filters of 11x11x3, and how many parameters there would be without sharing."""
    explained = Explained(cnncalc.load("alexnet"))
    explanation = explained.explanation(["conv1"], ["output", "parameters", "unshared_parameters"])
    assert "\n".join(line.text for line in rendered.page(explanation, "zh")) == ALEXNET_CONV1


# 100·3·3·3 + 100, 200·3·3·100 + 200, 400·3·3·200 + 400: 903,400 parameters of 4 bytes. Outputs of 100·150·100,
# 50·75·200 and 25·38·400 values: 9,000,000 bytes of the largest two, and 50 times 10,520,000 bytes of all three.
HOMEWORK = """\
Three stride-2 convolutions (homework_3_layers.yaml)
200x300x3 -> 25x38x400，3 层

层     类型        输出            参数    乘加 (MACs)  字节（一批 50 张）  感受野
-----  ----------  -----------  -------  -------------  ------------------  ------
conv1  conv 3x3/2  100x150x100    2,800     40,500,000         300,000,000  3x3
conv2  conv 3x3/2  50x75x200    180,200    675,000,000         150,000,000  7x7
conv3  conv 3x3/2  25x38x400    720,400    684,000,000          76,000,000  15x15
-----  ----------  -----------  -------  -------------  ------------------  ------
合计                            903,400  1,399,500,000         526,000,000

参数               903,400  902,700 个权重 + 700 个偏置
乘加 (MACs)  1,399,500,000  每张图像的乘加次数，卷积层和全连接层
乘法         1,399,500,000  每张图像的乘法次数，所有层
激活值           2,630,000  每张图像的输出值个数，10,520,000 字节 (10.5 MB)
深度                     3  最长路径上带权重的层数：3 个卷积层

内存（float32，按教科书的算法）
  预测 1 张图像：12,613,600 字节 (12.6 MB)
    = 9,000,000 字节：相邻两层的输出（`conv2` 及其所读取的）
    + 3,613,600 字节：参数
  预测一批 50 张：453,613,600 字节 (453.6 MB)
    = 450,000,000 字节：相邻两层的输出
    + 3,613,600 字节：参数
  训练一批 50 张：565,613,600 字节 (565.6 MB)
    = 36,000,000 字节：输入
    + 526,000,000 字节：每一层的输出
    + 3,613,600 字节：参数
  torch 实际占用的内存：`cnncalc memory FILE --training`
"""

HOMEWORK_PREDICTION = """\
预测所需内存：12,613,600 字节 (12.6 MB)
  最大的相邻两层输出：E = V_1 + V_2 = 750,000 + 1,500,000 = 2,250,000 个值
    一层的输出与它所读取的输出必须同时存在（Géron 2019，第 14 章）。
    V_1 = 750,000：conv2
    V_2 = 1,500,000：conv1
  字节数：V_B = E·b·B = 2,250,000·4·1 = 9,000,000 字节
    每张图像 E 个值，每个值 b 字节，共 B 张图像。
  M_w = 对 3 层求和，由大到小
      720,000  conv3：N·C·K_h·K_w = 400·200·3·3
    + 180,000  conv2：N·C·K_h·K_w = 200·100·3·3
    +   2,700  conv1：N·C·K_h·K_w = 100·3·3·3
    = 902,700
  M_b = 对 3 层求和，由大到小
      400  conv3：N = 400
    + 200  conv2：N = 200
    + 100  conv1：N = 100
    = 700
  参数量：M = M_w + M_b = 902,700 + 700 = 903,400 个参数
    训练所改变的全部：权重和偏置。
  参数的字节数：M_B = M·b = 903,400·4 = 3,613,600 字节
    每个数 b 字节；无论多少张图像，参数只存一份。
  预测：V_B + M_B = 9,000,000 + 3,613,600 = 12,613,600 字节
    最大的相邻两层的输出，加上参数（Géron 2019，第 14 章）。
"""


def test_how_the_homework_is_worked() -> None:
    explanation = Explained(cnncalc.load("homework_3_layers")).explanation([], ["prediction"])
    page = "".join(f"{line.text}\n" for line in rendered.page(explanation, "zh"))
    assert page.partition("\n\n")[2].partition("\n字母")[0] == HOMEWORK_PREDICTION


def test_the_homework_of_three_convolutions() -> None:
    report = cnncalc.analyze(cnncalc.load("homework_3_layers"), batch=50)
    lines = [line.text for line in terminal.lines(report, language="zh")]
    assert lines == HOMEWORK.splitlines()


def test_a_calculator() -> None:
    network = cnncalc.loads("input: 32x32x3\nlayers: [{conv: {out_channels: 10, kernel_size: 5, padding: 2}}]")
    lines = [line.text for line in calculate.lines("- conv", Explained(network, batch=2), "zh")]
    assert lines[:8] == [
        "32x32x3 -> 32x32x10",
        "- conv",
        "",
        "参数               760  750 个权重 + 10 个偏置",
        "乘加 (MACs)    768,000  每张图像的乘加次数",
        "运算         1,546,240  768,000 次乘法 + 778,240 次加法",
        "激活值          10,240  每张图像的输出值个数；一批 2 张共 81,920 字节 (81.9 kB)",
        "",
    ]


# Widths ---------------------------------------------------------------------------------------------------------------


def in_columns(line: str) -> str:
    """The line with as many signs as it takes columns: a wide sign is two."""
    return "".join(["##" if text_width(char) == 2 else char for char in line])


@pytest.mark.parametrize("width", [None, 60, 80, 200])
def test_a_table_is_aligned(width: int | None) -> None:
    report = cnncalc.analyze(cnncalc.loads(REMARKS), batch=3)
    lines = [in_columns(line.text) for line in terminal.table(report, None, width, "zh")]
    rule = lines[1]
    assert lines.count(rule) == 2
    assert len(rule) <= (width or len(rule))
    gaps = [at for at, char in enumerate(rule) if char == " "]
    rows = [line.ljust(len(rule)) for line in lines[: lines.index(rule, 2) + 2]]
    assert len(rows) >= 11
    for row in rows:
        assert {row[at] for at in gaps} == {" "}


def test_totals_are_aligned() -> None:
    """The numbers of all totals end in the same column."""
    lines = [in_columns(line.text) for line in terminal.lines(cnncalc.analyze(cnncalc.load("resnet18")), language="zh")]
    blank = [at for at, line in enumerate(lines) if not line]
    rows = [re.match(r"#\S*(?: \(MACs\))? +\d[\d,]*(?=  )", line) for line in lines[blank[1] + 1 : blank[2]]]
    ends = [row.end() for row in rows if row is not None]
    assert len(ends) == 6
    assert len(set(ends)) == 1


@pytest.mark.parametrize("width", range(20, 100, 7))
def test_a_long_line_is_broken_between_characters(width: int) -> None:
    report = cnncalc.analyze(cnncalc.loads(REMARKS), batch=3)
    whole = [line.text for line in terminal.lines(report, width=None, language="zh")]
    drawn = [line.text for line in terminal.lines(report, width=width, language="zh")]
    facts = whole[whole.index("", 3) + 1 :]
    broken = drawn[len(drawn) - drawn[::-1].index("") - 1 :]
    squeezed = re.sub(r"\s", "", "".join(broken))
    assert squeezed in re.sub(r"\s", "", "".join(facts))
    assert not [line for line in broken if re.match("\\s*[，。、；：）？]", line)]
    for line in broken:
        assert text_width(line) <= width or max(map(text_width, line.split())) > width - 9
