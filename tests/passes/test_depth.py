from __future__ import annotations

import pytest

import cnncalc
from cnncalc.passes.depth import Depth, depth


def written(layers: str) -> Depth:
    return depth(cnncalc.loads(f"input: 16x12x4\n{layers}"))


# Weighted layers on the longest path, as the networks' authors (or the figure in a name) count them.
@pytest.mark.parametrize(
    ("name", "layers", "sorts"),
    [
        ("lenet5", 7, {"convolution": 3, "dense": 2, "subsampling": 2}),  # LeCun et al. 1998: "7 layers"
        ("alexnet", 8, {"convolution": 5, "dense": 3}),
        ("vgg16", 16, {"convolution": 13, "dense": 3}),
        ("vgg19", 19, {"convolution": 16, "dense": 3}),
        ("googlenet", 22, {"convolution": 21, "dense": 1}),  # Szegedy et al. 2014, section 5
        ("googlenet_paper", 22, {"convolution": 21, "dense": 1}),
        ("inception_v3", 48, {"convolution": 47, "dense": 1}),
        ("resnet18", 18, {"convolution": 17, "dense": 1}),
        ("resnet34", 34, {"convolution": 33, "dense": 1}),
        ("resnet50", 50, {"convolution": 49, "dense": 1}),
        ("resnet101", 101, {"convolution": 100, "dense": 1}),
        ("resnet152", 152, {"convolution": 151, "dense": 1}),
        ("densenet121", 121, {"convolution": 120, "dense": 1}),
        ("mobilenet_v1", 28, {"convolution": 27, "dense": 1}),  # Howard et al. 2017, section 3.1
        ("mobilenet_v2", 53, {"convolution": 52, "dense": 1}),  # its 17 blocks: 2 + 16·3, and conv1, conv2, classifier
        ("squeezenet1_0", 18, {"convolution": 18}),  # conv1, two a fire module, conv10
        ("unet", 23, {"convolution": 23}),  # Ronneberger et al. 2015, section 2
        ("xception", 71, {"convolution": 70, "dense": 1}),  # 2, and two for each of 34 separable ones
    ],
)
def test_networks(name: str, layers: int, sorts: dict[str, int]) -> None:
    assert depth(cnncalc.load(name)) == Depth(layers, sorts)


def test_auxiliary_heads_end_earlier_than_the_network() -> None:
    assert depth(cnncalc.load("googlenet_aux")) == Depth(22, {"convolution": 21, "dense": 1})


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param("layers: [relu, {max_pool: 2}, batch_norm]", Depth(0, {}), id="nothing-weighted"),
        pytest.param(
            "layers: [{add: [[{depthwise_conv: 3}, {conv: {out_channels: 4, kernel_size: 1}}], [{conv: "
            "{out_channels: 4, kernel_size: 3}}]]}, {linear: 3}]",
            Depth(3, {"convolution": 2, "dense": 1}),
            id="the-longer-path",
        ),
        pytest.param(
            "layers: [{multiply: [identity, [global_avg_pool, {conv: {out_channels: 4, kernel_size: 1}}, sigmoid]]}]",
            Depth(1, {"convolution": 1}),
            id="a-gate-is-on-the-path",
        ),
        pytest.param(
            "layers: [{conv_transpose: {out_channels: 2, kernel_size: 2}}, {locally_connected: {out_channels: 2, "
            "kernel_size: 3}}, {subsample: 2}, {rbf: 4}]",
            Depth(4, {"convolution": 2, "dense": 1, "subsampling": 1}),
            id="every-sort",
        ),
        pytest.param(
            "layers: [{name: a, linear: 9}, {name: b, linear: 8}, {name: c, linear: 7, from: a}]",
            Depth(2, {"dense": 2}),
            id="a-loose-end-as-deep",
        ),
        pytest.param(
            "layers: [{name: a, linear: 9}, {name: b, linear: 8}, {name: c, linear: 7}, {name: d, linear: 6, from: a}]",
            Depth(2, {"dense": 2}),
            id="a-loose-end-does-not-count",
        ),
        pytest.param(
            "layers: [{name: a, linear: 9}, {name: b, linear: 8}, {name: c, linear: 7, from: a}]\noutputs: [a, c, b]",
            Depth(2, {"dense": 2}),
            id="the-deepest-output",
        ),
    ],
)
def test_by_hand(layers: str, expected: Depth) -> None:
    assert written(layers) == expected
