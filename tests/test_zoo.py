"""The zoo: every document against figures that others published, or counted by hand."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import cnncalc
from cnncalc import Report
from cnncalc.analysis import folded
from cnncalc.language.load import zoo, zoo_names
from cnncalc.report import LayerReport

COPY = Path(__file__).parent / "data" / "torchvision_cnn.csv"
ORIGINAL = Path(__file__).parents[2] / "shared" / "reference" / "torchvision_cnn.csv"
with COPY.open() as file:
    ROWS = {(row["name"], row["variant"]): row for row in csv.DictReader(file)}


@cache
def report(name: str, *settings: str) -> Report:
    return cnncalc.analyze(cnncalc.load(name, settings))


def layers(report: Report, *kinds: str) -> list[LayerReport]:
    return [layer for layer in report.layers if layer.kind in kinds]


def test_the_copy_is_the_original() -> None:
    if not ORIGINAL.exists():
        pytest.skip("the original stands beside the author's checkout only")
    assert COPY.read_bytes() == ORIGINAL.read_bytes()


# torchvision ----------------------------------------------------------------------------------------------------------

# A document (with settings) and the row of torchvision's figures that it equals: name and variant.
AUX = "aux heads run (self.training set on the top module only)"
TORCHVISION: list[tuple[str, tuple[str, ...], str, str]] = [
    ("alexnet_torchvision", (), "alexnet", ""),
    ("vgg16_torchvision", (), "vgg16", ""),
    ("densenet121", (), "densenet121", ""),
    ("densenet121", ("depths=[6, 12, 32, 32]",), "densenet169", ""),
    ("densenet121", ("depths=[6, 12, 48, 32]",), "densenet201", ""),
    ("densenet121", ("depths=[6, 12, 36, 24]", "growth_rate=48"), "densenet161", ""),
    ("googlenet", (), "googlenet", ""),
    ("googlenet", ("aux=true",), "googlenet", f"no weights, aux_logits=True, {AUX}"),
    ("googlenet_aux", (), "googlenet", f"no weights, aux_logits=True, {AUX}"),
    ("inception_v3", (), "inception_v3", "no weights, aux_logits=False"),
    (
        "inception_v3",
        ("aux=true",),
        "inception_v3",
        f"no weights, aux_logits=True, {AUX.replace('heads run', 'head runs')}",
    ),
    ("mobilenet_v2", (), "mobilenet_v2", ""),
    ("resnet18", (), "resnet18", ""),
    ("resnet18", ("depths=[3, 4, 6, 3]",), "resnet34", ""),
    ("resnet34", (), "resnet34", ""),
    ("resnet50", (), "resnet50", ""),
    ("resnet101", (), "resnet101", ""),
    ("resnet152", (), "resnet152", ""),
    ("squeezenet1_0", (), "squeezenet1_0", ""),
    ("squeezenet1_1", (), "squeezenet1_1", ""),
    ("vgg11", (), "vgg11", ""),
    ("vgg13", (), "vgg13", ""),
    ("vgg16", (), "vgg16", ""),
    ("vgg19", (), "vgg19", ""),
    ("vgg11", ("depths=[2, 2, 3, 3, 3]",), "vgg16", ""),
]


@pytest.mark.parametrize(("document", "settings", "name", "variant"), TORCHVISION)
def test_torchvision(document: str, settings: tuple[str, ...], name: str, variant: str) -> None:
    row, ours = ROWS[name, variant], report(document, *settings)
    convolutions, dense = layers(ours, "conv", "depthwise_conv"), layers(ours, "linear")
    found = {
        "in_h": ours.inputs[0].shape[1],
        "in_w": ours.inputs[0].shape[2],
        "params": ours.totals.parameters,
        "buffers_float": ours.totals.buffers,
        "macs": ours.totals.macs,
        "conv_out_elems": sum(layer.neurons for layer in convolutions),
        "linear_out_elems": sum(layer.neurons for layer in dense),
        "n_conv_calls": len(convolutions),
        "n_linear": len(dense),
        "n_bn": len(layers(ours, "batch_norm")),
    }
    assert found == {key: int(row[key]) for key in found}
    assert ";".join("x".join(map(str, [1, *output.shape])) for output in ours.outputs) == row["out_shape"]


# torchvision run on other settings; parameters and MACs as torch.utils.flop_counter has them, floating-point buffers.
@pytest.mark.parametrize(
    ("document", "setting", "parameters", "macs", "buffers"),
    [
        ("mobilenet_v2", "width_multiplier=0.35", 1_677_128, 59_285_808, 14_080),
        ("mobilenet_v2", "width_multiplier=0.5", 1_968_680, 97_131_840, 18_544),
        ("mobilenet_v2", "width_multiplier=0.75", 2_636_424, 209_069_792, 26_640),
        ("mobilenet_v2", "width_multiplier=1.3", 5_386_792, 509_374_560, 44_256),
        ("mobilenet_v2", "width_multiplier=1.4", 6_108_776, 582_195_824, 47_936),
        ("alexnet_torchvision", "input=256x256x3", 61_100_840, 927_124_160, 0),
        ("squeezenet1_0", "input=227x227x3", 1_248_424, 832_667_936, 0),
        ("resnet50", "classes=10", 23_528_522, 4_087_156_736, 53_120),
    ],
)
def test_torchvision_on_other_settings(document: str, setting: str, parameters: int, macs: int, buffers: int) -> None:
    totals = report(document, setting).totals
    assert (totals.parameters, totals.macs, totals.buffers) == (parameters, macs, buffers)


# The other documents --------------------------------------------------------------------------------------------------


def separable(positions: int, C: int, N: int) -> int:
    """Multiply-accumulates of a 3x3 in each of C channels and a 1x1 from C to N."""
    return positions * (9 * C + C * N)


def inception(positions: int, C: int, c1: int, r3: int, c3: int, r5: int, c5: int, pool: int) -> int:
    """Multiply-accumulates of a module of GoogLeNet (Szegedy et al. 2014, table 1)."""
    return positions * (C * c1 + C * r3 + 9 * r3 * c3 + C * r5 + 25 * r5 * c5 + C * pool)


ALEXNET_DENSE = 9216 * 4096 + 4096 * 4096 + 4096 * 1000
ALEXNET_13x13 = 13 * 13 * (384 * 9 * 256 + 384 * 9 * 384 + 256 * 9 * 384)  # conv3, conv4, conv5 without groups
INCEPTION_MODULES = [
    inception(28 * 28, 192, 64, 96, 128, 16, 32, 32),
    inception(28 * 28, 256, 128, 128, 192, 32, 96, 64),
    inception(14 * 14, 480, 192, 96, 208, 16, 48, 64),
    inception(14 * 14, 512, 160, 112, 224, 24, 64, 64),
    inception(14 * 14, 512, 128, 128, 256, 24, 64, 64),
    inception(14 * 14, 512, 112, 144, 288, 32, 64, 64),
    inception(14 * 14, 528, 256, 160, 320, 32, 128, 128),
    inception(7 * 7, 832, 256, 160, 320, 32, 128, 128),
    inception(7 * 7, 832, 384, 192, 384, 48, 128, 128),
]


class Figures(NamedTuple):
    """`source` is whose parameters and buffers these are; multiply-accumulates are written out by hand."""

    parameters: int
    macs: int
    buffers: int
    output: list[int]
    source: str


FIGURES = {
    "alexnet": Figures(
        60_965_224,
        55 * 55 * 96 * 363
        + 27 * 27 * 256 * 25 * 48
        + 13 * 13 * (384 * 9 * 256 + 384 * 9 * 192 + 256 * 9 * 192)
        + ALEXNET_DENSE,
        0,
        [1000],
        "Krizhevsky et al. 2012: 60 million; exactly, the reference model of Caffe has as many",
    ),
    "alexnet_one_tower": Figures(
        62_378_344,
        55 * 55 * 96 * 363 + 27 * 27 * 256 * 25 * 96 + ALEXNET_13x13 + ALEXNET_DENSE,
        0,
        [1000],
        "course_facts.yaml, alexnet-227",
    ),
    "alexnet_table": Figures(
        62_378_344,
        56 * 56 * 96 * 363 + 27 * 27 * 256 * 25 * 96 + ALEXNET_13x13 + ALEXNET_DENSE,
        0,
        [1000],
        "as alexnet_one_tower, with one more row and column in the first map",
    ),
    "alexnet_two_towers": Figures(
        27_410_792,
        55 * 55 * 96 * 363
        + 23 * 23 * 256 * 25 * 48
        + 9 * 9 * 384 * 9 * 256
        + 7 * 7 * 384 * 9 * 192
        + 5 * 5 * 256 * 9 * 192
        + 1024 * 4096
        + 4096 * 4096
        + 4096 * 1000,
        0,
        [1000],
        "course_facts.yaml, alexnet-two-gpus",
    ),
    "cifar_pattern": Figures(
        12 * 27 + 12 + 3072 * 10 + 10,
        32 * 32 * 12 * 27 + 3072 * 10,
        0,
        [10],
        "by hand",
    ),
    "googlenet_paper": Figures(
        6_998_552,
        112 * 112 * 64 * 147 + 56 * 56 * (64 * 64 + 192 * 9 * 64) + sum(INCEPTION_MODULES) + 1024 * 1000,
        0,
        [1000],
        "bvlc_googlenet of the Caffe model zoo, without its auxiliary classifiers",
    ),
    "homework_3_layers": Figures(
        2800 + 180_200 + 720_400,
        100 * 150 * 100 * 27 + 50 * 75 * 200 * 900 + 25 * 38 * 400 * 1800,
        0,
        [400, 25, 38],
        "course_facts.yaml, homework-3-layers",
    ),
    "lenet5": Figures(
        156 + 12 + 1516 + 32 + 48_120 + 10_164,
        28 * 28 * 6 * 25 + 10 * 10 * 60 * 25 + 120 * 400 + 84 * 120,
        84 * 10,
        [10],
        "LeCun et al. 1998, section II-B; the centres of the RBF units are fixed",
    ),
    "mnist_cnn": Figures(
        276_490,
        28 * 28 * 16 * 25 + 14 * 14 * 32 * 4 * 16 + 7 * 7 * 64 * 25 * 32 + 3 * 3 * 128 * 25 * 64 + 128 * 128 + 128 * 10,
        0,
        [10],
        "course_facts.yaml, mnist-cnn",
    ),
    "mobilenet_v1": Figures(
        4_253_864 - 21_888,
        112 * 112 * 32 * 27
        + separable(112 * 112, 32, 64)
        + (56 * 56 * (9 * 64 + 64 * 128) + separable(56 * 56, 128, 128))
        + (28 * 28 * (9 * 128 + 128 * 256) + separable(28 * 28, 256, 256))
        + (14 * 14 * (9 * 256 + 256 * 512) + 5 * separable(14 * 14, 512, 512))
        + (7 * 7 * (9 * 512 + 512 * 1024) + separable(7 * 7, 1024, 1024))
        + 1024 * 1000,
        # a mean and a variance of what enters and leaves each 1x1
        2 * (32 + (32 + 64) + (64 + 128) + (128 + 128) + (128 + 256) + (256 + 256) + (256 + 512))
        + 2 * (5 * (512 + 512) + (512 + 1024) + (1024 + 1024)),
        [1000],
        "Keras' MobileNet: 4,253,864 with running statistics; Howard et al. 2017 print 4.2 and 569 million",
    ),
    "paddle_cnn": Figures(
        (75 * 20 + 20) + 2 * 20 + (25 * 20 * 50 + 50) + 2 * 50 + (25 * 50 * 50 + 50) + (50 * 10 + 10),
        32 * 32 * 20 * 75 + 12 * 12 * 50 * 500 + 2 * 2 * 50 * 1250 + 50 * 10,
        2 * (20 + 50),
        [10],
        "by hand",
    ),
    "resnet50_paper": Figures(
        25_557_032,
        # the first 1x1 of three stages works on a quarter of the positions that it has in torchvision's
        4_089_184_256 - 256 * 128 * (56**2 - 28**2) - 512 * 256 * (28**2 - 14**2) - 1024 * 512 * (14**2 - 7**2),
        53_120,
        [1000],
        "torchvision's resnet50; He et al. 2015, table 1, print 3.8 billion",
    ),
    "se_resnet50": Figures(
        # two dense layers with biases in each of 3, 4, 6 and 3 blocks
        25_557_032
        + 3 * (2 * 256 * 16 + 16 + 256)
        + 4 * (2 * 512 * 32 + 32 + 512)
        + 6 * (2 * 1024 * 64 + 64 + 1024)
        + 3 * (2 * 2048 * 128 + 128 + 2048),
        3_857_973_248 + 3 * 2 * 256 * 16 + 4 * 2 * 512 * 32 + 6 * 2 * 1024 * 64 + 3 * 2 * 2048 * 128,
        53_120,
        [1000],
        "28,088,024 in the common ports",
    ),
    "ssd300_vgg16": Figures(
        26_285_486,
        300 * 300 * (64 * 27 + 64 * 9 * 64)
        + 150 * 150 * (128 * 9 * 64 + 128 * 9 * 128)
        + 75 * 75 * (256 * 9 * 128 + 2 * 256 * 9 * 256)
        + 38 * 38 * (512 * 9 * 256 + 2 * 512 * 9 * 512)
        + 19 * 19 * (3 * 512 * 9 * 512 + 1024 * 9 * 512 + 1024 * 1024 + 256 * 1024)
        + 10 * 10 * (512 * 9 * 256 + 128 * 512)
        + 5 * 5 * (256 * 9 * 128 + 128 * 256)
        + 3 * 3 * (256 * 9 * 128 + 128 * 256)
        + 256 * 9 * 128
        + 25 * 9 * (38**2 * 4 * 512 + 19**2 * 6 * 1024 + 10**2 * 6 * 512 + 5**2 * 6 * 256 + 3**2 * 4 * 256 + 4 * 256),
        0,
        [8732, 4],
        "torchvision.models.detection.ssd300_vgg16(num_classes=21)",
    ),
    "unet": Figures(
        31_030_658,
        570**2 * 64 * 9
        + (568**2 + 390**2 * 2 + 388**2) * 64 * 9 * 64
        + 282**2 * 128 * 9 * 64
        + (280**2 + 198**2 * 2 + 196**2) * 128 * 9 * 128
        + 138**2 * 256 * 9 * 128
        + (136**2 + 102**2 * 2 + 100**2) * 256 * 9 * 256
        + 66**2 * 512 * 9 * 256
        + (64**2 + 54**2 * 2 + 52**2) * 512 * 9 * 512
        + 30**2 * 1024 * 9 * 512
        + 28**2 * 1024 * 9 * 1024
        + 4 * (28**2 * 1024 * 512 + 52**2 * 512 * 256 + 100**2 * 256 * 128 + 196**2 * 128 * 64)
        + 388**2 * 64 * 2,
        0,
        [2, 388, 388],
        "Ronneberger et al. 2015, figure 1",
    ),
    "vgg11_lrn": Figures(132_863_336, 7_609_090_048, 0, [1000], "as vgg11: the norm has no parameters"),
    "vgg_c": Figures(
        133_638_952,
        11_308_466_176 + 56 * 56 * 256 * 256 + 28 * 28 * 512 * 512 + 14 * 14 * 512 * 512,
        0,
        [1000],
        "course_facts.yaml, vgg-a-to-e; multiply-accumulates of vgg13 and three 1x1",
    ),
    "xception": Figures(
        22_855_952,
        149**2 * 32 * 27
        + 147**2 * 64 * 9 * 32
        + (separable(147**2, 64, 128) + separable(147**2, 128, 128) + 74**2 * 64 * 128)
        + (separable(74**2, 128, 256) + separable(74**2, 256, 256) + 37**2 * 128 * 256)
        + (separable(37**2, 256, 728) + separable(37**2, 728, 728) + 19**2 * 256 * 728)
        + 8 * 3 * separable(19**2, 728, 728)
        + (separable(19**2, 728, 728) + separable(19**2, 728, 1024) + 10**2 * 728 * 1024)
        + separable(10**2, 1024, 1536)
        + separable(10**2, 1536, 2048)
        + 2048 * 1000,
        22_910_480 - 22_855_952,
        [1000],
        "Chollet 2017, table 3; Keras' Xception: 22,910,480 with running statistics",
    ),
    "zfnet": Figures(
        (147 * 96 + 96)
        + (25 * 96 * 256 + 256)
        + (9 * 256 * 384 + 384)
        + (9 * 384 * 384 + 384)
        + (9 * 384 * 256 + 256)
        + (9216 * 4096 + 4096)
        + (4096 * 4096 + 4096)
        + (4096 * 1000 + 1000),
        110 * 110 * 96 * 147 + 26 * 26 * 256 * 25 * 96 + ALEXNET_13x13 + ALEXNET_DENSE,
        0,
        [1000],
        "by hand, with the map sizes of Zeiler & Fergus 2013, figure 3",
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name: str) -> None:
    totals, figures = report(name).totals, FIGURES[name]
    assert figures.source
    assert (totals.parameters, totals.macs, totals.buffers) == figures[:3]
    assert report(name).outputs[0].shape == figures.output


def test_every_document_is_checked() -> None:
    assert zoo_names() == sorted({document for document, *_ in TORCHVISION} | set(FIGURES))


# Other settings, to the digits that their sources print.
@pytest.mark.parametrize(
    ("document", "setting", "key", "value", "unit"),
    [
        # Howard et al. 2017, tables 6 and 7
        ("mobilenet_v1", "width_multiplier=0.75", "macs", 325, 10**6),
        ("mobilenet_v1", "width_multiplier=0.5", "macs", 149, 10**6),
        ("mobilenet_v1", "width_multiplier=0.25", "macs", 41, 10**6),
        ("mobilenet_v1", "resolution=192", "macs", 418, 10**6),
        ("mobilenet_v1", "resolution=128", "macs", 186, 10**6),
        # tensorflow/models, research/slim/nets/mobilenet_v1.md; the paper prints 290, which is cut
        ("mobilenet_v1", "resolution=160", "macs", 291, 10**6),
        ("mobilenet_v1", "width_multiplier=0.25", "parameters", 47, 10**4),
        # torchvision's SSD300_VGG16_Weights.COCO_V1: num_params, and _ops in billions
        ("ssd300_vgg16", "classes=91", "parameters", 35_641_826, 1),
        ("ssd300_vgg16", "classes=91", "macs", 34_858, 10**6),
        # later ports stride in the 3x3, as torchvision's resnet50: 4,089,184,256, and the gates' 2,514,944
        ("se_resnet50", "stride_in_1x1=false", "macs", 4_089_184_256 + 2_514_944, 1),
        # He et al. 2015, table 1, last row
        ("resnet18", "classes=1000", "macs", 18, 10**8),
        ("resnet34", "classes=1000", "macs", 37, 10**8),  # printed as 3.6: 3.66 cut, not rounded
        ("resnet50_paper", "depths=[3, 4, 23, 3]", "macs", 76, 10**8),
        ("resnet50_paper", "depths=[3, 8, 36, 3]", "macs", 113, 10**8),
    ],
)
def test_other_settings(document: str, setting: str, key: str, value: int, unit: int) -> None:
    assert (getattr(report(document, setting).totals, key) + unit // 2) // unit == value


# Published tables, layer by layer -------------------------------------------------------------------------------------


def by_block(name: str) -> dict[str, LayerReport]:
    return {layer.name.split(".")[0]: layer for layer in folded(report(name), 1).layers}


def test_lenet5_by_layer() -> None:
    """LeCun et al. 1998, section II-B: trainable parameters and connections."""
    rows = {layer.name: (layer.parameters, layer.connections) for layer in report("lenet5").layers}
    assert rows == {
        "C1": (156, 122_304),
        "S2": (12, 5_880),
        "C3": (1_516, 151_600),
        "S4": (32, 2_000),
        "C5": (48_120, 48_120),
        "F6": (10_164, 10_164),
        "output": (0, 840),
    }
    assert report("lenet5").totals.connections == 340_908


def test_alexnet_neurons() -> None:
    """Krizhevsky et al. 2012, figure 2, whose 253,440 for the first layer is not 55·55·96."""
    names = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    rows = {layer.name: layer.neurons for layer in report("alexnet").layers}
    assert [rows[name] for name in names] == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]


def test_googlenet_operations_by_module() -> None:
    """Szegedy et al. 2014, table 1, column "ops", in millions; but that prints 73 for 4a and 54 for 5a."""
    assert [round(macs / 10**6, 1) for macs in (INCEPTION_MODULES[2], INCEPTION_MODULES[7])] == [73.6, 51.1]
    printed = {"3a": 128, "3b": 304, "4a": 74, "4b": 88, "4c": 100, "4d": 119, "4e": 170, "5a": 51, "5b": 71}
    blocks = by_block("googlenet_paper")
    assert {module: round(blocks[f"inception{module}"].macs / 10**6) for module in printed} == printed


def test_squeezenet_parameters_by_module() -> None:
    """Iandola et al. 2016, table 1, "# parameter before pruning"."""
    printed = {
        "conv1": 14_208,
        "fire2": 11_920,
        "fire3": 12_432,
        "fire4": 45_344,
        "fire5": 49_440,
        "fire6": 104_880,
        "fire7": 111_024,
        "fire8": 188_992,
        "fire9": 197_184,
        "conv10": 513_000,
    }
    assert {name: row.parameters for name, row in by_block("squeezenet1_0").items() if row.parameters} == printed


def test_mobilenet_shares() -> None:
    """Howard et al. 2017, table 2: per cent of the multiply-adds by type of layer.

    It prints 1.19 for the 3x3, with which the column adds up to 99.29.
    """
    ours = report("mobilenet_v1")

    def share(rows: Iterable[LayerReport]) -> float:
        return round(100 * sum(row.macs for row in rows) / ours.totals.macs, 2)

    convolutions = layers(ours, "conv")
    assert share(row for row in convolutions if row.title == "1x1") == 94.86
    assert share(layers(ours, "depthwise_conv")) == 3.06
    assert share(row for row in convolutions if row.title == "3x3/2") == 1.91
    assert share(layers(ours, "linear")) == 0.18


def test_unet_shapes() -> None:
    """Ronneberger et al. 2015, figure 1: the side of every map, and its channels."""
    rows = {layer.name: layer.output for layer in report("unet").layers}
    sides = {
        "conv1": (64, 570, 568),
        "conv2": (128, 282, 280),
        "conv3": (256, 138, 136),
        "conv4": (512, 66, 64),
        "conv5": (1024, 30, 28),
        "conv6": (512, 54, 52),
        "conv7": (256, 102, 100),
        "conv8": (128, 198, 196),
        "conv9": (64, 390, 388),
    }
    for name, (channels, first, second) in sides.items():
        assert rows[f"{name}.conv1"] == [channels, first, first]
        assert rows[f"{name}.conv2"] == [channels, second, second]
    pooled = {f"pool{n}": rows[f"pool{n}"] for n in (1, 2, 3, 4)}
    assert pooled == {
        "pool1": [64] + [284] * 2,
        "pool2": [128] + [140] * 2,
        "pool3": [256] + [68] * 2,
        "pool4": [512] + [32] * 2,
    }
    joined = {f"cat{n}": rows[f"cat{n}"] for n in (4, 3, 2, 1)}
    assert joined == {
        "cat4": [1024] + [56] * 2,
        "cat3": [512] + [104] * 2,
        "cat2": [256] + [200] * 2,
        "cat1": [128] + [392] * 2,
    }


def test_zfnet_shapes() -> None:
    """Zeiler & Fergus 2013, figure 3: the sides of the maps."""
    sides = [layer.output[1] for layer in report("zfnet").layers if len(layer.output) == 3 and "norm" not in layer.name]
    assert sides == [110, 55, 26, 13, 13, 13, 13, 6]


@pytest.mark.parametrize("side", [32, 35])
def test_paddle_cnn_needs_36(side: int) -> None:
    """35 -> 31 -> 15 -> 11 -> 5 -> 1: nothing is left for the last pool."""
    with pytest.raises(cnncalc.DocumentError):
        cnncalc.load("paddle_cnn", [f"input={side}x{side}x3"])


# The documents as text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo_names())
def test_document(name: str) -> None:
    text = (zoo() / f"{name}.yaml").read_text("utf-8")
    lines = text.splitlines()
    headline = lines[0]
    assert headline.startswith("# ")
    assert headline.endswith("."), "the first line is a sentence of its own"
    assert len(headline.removeprefix("# ")) < 80
    assert max(map(len, lines)) <= 100
    assert text.endswith("\n")
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("name", zoo_names())
def test_document_is_named_and_warns_of_nothing(name: str) -> None:
    assert report(name).name
    assert [remark.message for remark in report(name).remarks if remark.severity == "warning"] == []
