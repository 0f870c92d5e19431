"""Operators with kernels of their own: what they allocate, keep, and allocate for their gradients.

Bytes are written as numbers of float32 (4 bytes), int64 (8) and masks (1). What is kept is the rule of
saved_for_backward in the memory model, measured with torch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.eager import kernels, views
from cnncalc.eager.machine import Machine, Tensor

Sizes = tuple[int, ...]
MAPS, FIXED = (2, 6, 5, 7), (-2, 6, 5, 7)
WHOLE = 2 * 6 * 5 * 7 * 4  # bytes of MAPS: 1,680
LAST: dict[str, Any] = {"strides": (210, 1, 42, 6)}  # MAPS with the channels innermost


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """3x2 windows: 3x6 places."""
    return kernels.convolution(x, weight, bias, (2, 4, 3, 6), kernels.Sliding())


def target(machine: Machine, shape: Sizes) -> Tensor:
    return machine.tensor(shape, 8, role="input")


@pytest.mark.parametrize(
    ("operator", "shapes", "expected"),
    [
        # all three gradients at once
        pytest.param(
            convolution,
            [MAPS, (4, 6, 3, 2), (4,)],
            {
                "shape": (2, 4, 3, 6),
                "forward": [("convolution", 2 * 4 * 3 * 6 * 4)],
                "keeps": [0, 1],
                "backward": [("convolution_backward", WHOLE + 4 * 6 * 3 * 2 * 4 + 4 * 4)],
            },
            id="convolution",
        ),
        pytest.param(
            convolution,
            [MAPS, (4, 6, 3, 2)],
            {
                "shape": (2, 4, 3, 6),
                "forward": [("convolution", 576)],
                "keeps": [0, 1],
                "backward": [("convolution_backward", WHOLE + 576)],
            },
            id="convolution-without-bias",
        ),
        # a first layer: the input is kept as well, its gradient is not made
        pytest.param(
            convolution,
            [FIXED, (4, 6, 3, 2), (4,)],
            {
                "shape": (2, 4, 3, 6),
                "forward": [("convolution", 576)],
                "keeps": [0, 1],
                "backward": [("convolution_backward", 576 + 16)],
            },
            id="convolution-of-the-input",
        ),
        pytest.param(
            convolution,
            [FIXED, (-4, 6, 3, 2), (-4,)],
            {"shape": (2, 4, 3, 6), "forward": [("convolution", 576)]},
            id="convolution-of-constants",
        ),
        # [3, 10] rows times [7, 10]: the bias' gradient is the gradient, summed to [1, 7] and seen as [7]
        pytest.param(
            kernels.linear,
            [(3, 10), (7, 10), (7,)],
            {
                "shape": (3, 7),
                "forward": [("t", 0), ("addmm", 84)],
                "keeps": [0, 1],
                "backward": [
                    ("t", 0),
                    ("mm", 120),  # of the rows
                    ("t", 120),
                    ("mm", 120 + 280),  # of the weight
                    ("t", 400),
                    ("sum", 428),
                    ("view", 428),
                    ("t", 428),
                ],
            },
            id="linear",
        ),
        pytest.param(
            lambda x, weight: kernels.linear(x, weight, None),
            [(3, 10), (7, 10)],
            {
                "shape": (3, 7),
                "forward": [("t", 0), ("mm", 84)],
                "keeps": [0, 1],
                "backward": [("t", 0), ("mm", 280), ("t", 280), ("t", 280), ("mm", 400), ("t", 400)],
            },
            id="linear-without-bias",
        ),
        pytest.param(
            lambda x, weight: kernels.linear(x, weight, None),
            [(-3, 10), (7, 10)],
            {
                "shape": (3, 7),
                "forward": [("t", 0), ("mm", 84)],
                "keeps": [0],
                "backward": [("t", 0), ("mm", 280), ("t", 280), ("t", 280)],
            },
            id="linear-of-the-input",
        ),
        # each operand is kept for the other's gradient
        pytest.param(
            kernels.bmm,
            [(2, 3, 5), (2, 5, 4)],
            {
                "shape": (2, 3, 4),
                "forward": [("bmm", 96)],
                "keeps": [0, 1],
                "backward": [("transpose", 0), ("bmm", 160), ("transpose", 160), ("bmm", 160 + 120)],
            },
            id="bmm",
        ),
        pytest.param(
            kernels.bmm,
            [(-2, 3, 5), (2, 5, 4)],
            {
                "shape": (2, 3, 4),
                "forward": [("bmm", 96)],
                "keeps": [0],
                "backward": [("transpose", 0), ("bmm", 160)],
            },
            id="bmm-of-the-input",
        ),
        # a mean and an inverse deviation for each of 6 channels
        pytest.param(
            lambda x, weight, bias: kernels.batch_norm(x, weight, bias, (), True),
            [MAPS, (6,), (6,)],
            {
                "shape": MAPS,
                "forward": [("empty", 0), ("native_batch_norm", WHOLE + 2 * 24)],
                "keeps": [0, 1],
                "extra": 48,
                "backward": [("native_batch_norm_backward", WHOLE + 2 * 24)],
            },
            id="batch_norm",
        ),
        # by running statistics: none of its own
        pytest.param(
            lambda x, weight, bias: kernels.batch_norm(x, weight, bias, (), False),
            [MAPS, (6,), (6,)],
            {
                "shape": MAPS,
                "forward": [("empty", 0), ("native_batch_norm", WHOLE)],
                "keeps": [0, 1],
                "backward": [("native_batch_norm_backward", WHOLE + 2 * 24)],
            },
            id="batch_norm-of-running-statistics",
        ),
        # 2 images of 3 groups
        pytest.param(
            lambda x, weight, bias: kernels.group_norm(x, weight, bias, 3),
            [MAPS, (6,), (6,)],
            {
                "shape": MAPS,
                "forward": [("native_group_norm", WHOLE + 2 * 24)],
                "keeps": [0, 1],
                "extra": 48,
                "backward": [("native_group_norm_backward", WHOLE + 2 * 24)],
            },
            id="group_norm",
        ),
        # half the channels have gaps: a contiguous copy, which is kept in the input's place
        pytest.param(
            lambda x, weight, bias: kernels.group_norm(views.part(x, 1, 3), weight, bias, 1),
            [MAPS, (3,), (3,)],
            {
                "shape": (2, 3, 5, 7),
                "forward": [("slice", 0), ("clone", 840), ("native_group_norm", 840 + 840 + 2 * 8)],
                "keeps": [1],
                "extra": 840 + 16,
                "backward": [("native_group_norm_backward", 840 + 2 * 12), ("slice_backward", 864 + WHOLE)],
            },
            id="group_norm-of-a-part",
        ),
        # a statistic for each image; the bias is kept, too
        pytest.param(
            lambda x, weight, bias: kernels.layer_norm(x, weight, bias, 3),
            [MAPS, (6, 5, 7), (6, 5, 7)],
            {
                "shape": MAPS,
                "forward": [("native_layer_norm", WHOLE + 2 * 8)],
                "keeps": [0, 1, 2],
                "extra": 16,
                "backward": [("native_layer_norm_backward", WHOLE + 2 * 840)],
            },
            id="layer_norm",
        ),
        # one for each of 2x6x5 rows of 7
        pytest.param(
            lambda x: kernels.layer_norm(x, None, None, 1),
            [MAPS],
            {
                "shape": MAPS,
                "forward": [("native_layer_norm", WHOLE + 2 * 240)],
                "keeps": [0],
                "extra": 480,
                "backward": [("native_layer_norm_backward", WHOLE)],
            },
            id="layer_norm-plain",
        ),
        # 2x6 channels of one image, and as many statistics
        pytest.param(
            lambda x: kernels.instance_norm(x, None, None, None, True),
            [MAPS],
            {
                "shape": MAPS,
                "forward": [("view", 0), ("empty", 0), ("native_batch_norm", WHOLE + 2 * 48), ("view", WHOLE + 96)],
                "keeps": [0],
                "extra": 96,
                "backward": [("view", 0), ("native_batch_norm_backward", WHOLE), ("view", WHOLE)],
            },
            id="instance_norm",
        ),
        pytest.param(
            kernels.softmax,
            [MAPS],
            {
                "shape": MAPS,
                "forward": [("_softmax", WHOLE)],
                "keeps": ["result"],
                "backward": [("_softmax_backward_data", WHOLE)],
            },
            id="softmax",
        ),
        # both gradients are as large as the input, until the slopes' is summed over images and positions
        pytest.param(
            kernels.prelu,
            [MAPS, (6,)],
            {
                "shape": MAPS,
                "forward": [("view", 0), ("_prelu_kernel", WHOLE)],
                "keeps": [0, 1],
                "backward": [
                    ("_prelu_kernel_backward", 2 * WHOLE),
                    ("sum", 2 * WHOLE + 24),
                    ("view", 24 + WHOLE),
                ],
            },
            id="prelu",
        ),
        # the indices are int64
        pytest.param(
            lambda x: kernels.max_pool(x, (2, 6, 2, 3), "max_pool2d_with_indices")[0],
            [MAPS],
            {
                "shape": (2, 6, 2, 3),
                "forward": [("max_pool2d_with_indices", 72 * 4 + 72 * 8)],
                "keeps": [0],
                "extra": 72 * 8,
                "backward": [("max_pool2d_with_indices_backward", WHOLE)],
            },
            id="max_pool",
        ),
        pytest.param(
            lambda x: kernels.max_pool(x, (2, 6, 2, 3), "max_pool2d_with_indices")[0],
            [FIXED],
            {"shape": (2, 6, 2, 3), "forward": [("max_pool2d_with_indices", 864)]},
            id="max_pool-of-the-input",
        ),
        pytest.param(
            lambda x: kernels.avg_pool(x, (2, 6, 2, 3), "avg_pool2d"),
            [MAPS],
            {
                "shape": (2, 6, 2, 3),
                "forward": [("avg_pool2d", 288)],
                "keeps": [0],
                "backward": [("avg_pool2d_backward", WHOLE)],
            },
            id="avg_pool",
        ),
        # the gradient is repeated, which takes no memory, and divided, which does
        pytest.param(
            lambda x: kernels.mean(x, (2, 3), True),
            [MAPS],
            {
                "shape": (2, 6, 1, 1),
                "forward": [("mean", 48)],
                "backward": [("expand", 0), ("div", WHOLE)],
            },
            id="mean",
        ),
        pytest.param(
            lambda x: kernels.mean(x, (2, 3), False),
            [MAPS],
            {
                "shape": (2, 6),
                "forward": [("mean", 48)],
                "backward": [("unsqueeze", 0), ("unsqueeze", 0), ("expand", 0), ("div", WHOLE)],
            },
            id="mean-of-fewer-dimensions",
        ),
        pytest.param(
            lambda x: kernels.total(x, (1,), False),
            [MAPS],
            {"shape": (2, 5, 7), "forward": [("sum", 280)], "backward": [("unsqueeze", 0), ("expand", 0)]},
            id="sum",
        ),
        # a mask of the largest, how many they are (int64), the gradient divided by that, times the mask
        pytest.param(
            lambda x: kernels.amax(x, (2, 3), True),
            [MAPS],
            {
                "shape": (2, 6, 1, 1),
                "forward": [("amax", 48)],
                "keeps": [0, "result"],
                "backward": [
                    ("eq", 420),
                    ("sum", 420 + 12 * 8),
                    ("div", 516 + 48),
                    ("mul", 564 + WHOLE),
                ],
            },
            id="amax",
        ),
        pytest.param(
            lambda x: kernels.amax(x, (1,), False),
            [MAPS],
            {
                "shape": (2, 5, 7),
                "forward": [("amax", 280)],
                "keeps": [0, "result"],
                "backward": [
                    ("view", 0),
                    ("eq", 420),
                    ("view", 420),
                    ("sum", 420 + 70 * 8),
                    ("div", 980 + 280),
                    ("mul", 1260 + WHOLE),
                ],
            },
            id="amax-of-fewer-dimensions",
        ),
        # x / norm, a mask where that divides by zero, times the gradient
        pytest.param(
            lambda x: kernels.vector_norm(x, (1,), True),
            [MAPS],
            {
                "shape": (2, 1, 5, 7),
                "forward": [("linalg_vector_norm", 280)],
                "keeps": [0, "result"],
                "backward": [
                    ("div", WHOLE),
                    ("eq", WHOLE + 70),
                    ("masked_fill_", WHOLE + 70),
                    ("mul", 2 * WHOLE + 70),
                ],
            },
            id="vector_norm",
        ),
        # 9 channels by index
        pytest.param(
            lambda x: kernels.gathered_channels(x, 9),
            [MAPS],
            {
                "shape": (2, 9, 5, 7),
                "forward": [("empty", 72), ("lift_fresh", 72), ("index", 72 + 2520)],
                "extra": 72,
                "backward": [("new_zeros", WHOLE), ("_index_put_impl_", WHOLE)],
            },
            id="gathered_channels",
        ),
        pytest.param(
            lambda x: kernels.upsample(x, (2, 6, 10, 14), "upsample_nearest2d"),
            [MAPS],
            {
                "shape": (2, 6, 10, 14),
                "forward": [("upsample_nearest2d", 4 * WHOLE)],
                "backward": [("upsample_nearest2d_backward", WHOLE)],
            },
            id="upsample",
        ),
        # 4 bytes of loss and 4 of the weights' total; the 2 classes are made here, and kept
        pytest.param(
            lambda x: kernels.negative_log_likelihood(x, target(x.machine, (2,)), "nll_loss"),
            [(2, 6)],
            {
                "forward": [("nll_loss_forward", 4 + 4 + 16)],
                "keeps": [0],
                "extra": 4 + 16,
                "backward": [("nll_loss_backward", 48)],
            },
            id="loss",
        ),
    ],
)
def test_operators(
    told: Callable[..., dict[str, Any]], operator: Callable[..., Tensor], shapes: list[Sizes], expected: dict[str, Any]
) -> None:
    found = told(operator, *shapes)
    assert found == expected


# Layout ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "shapes", "strides"),
    [
        # [2, 4, 3, 6] places, 72 an image
        pytest.param(convolution, [MAPS, (4, 6, 3, 2)], (72, 1, 24, 4), id="convolution"),
        pytest.param(lambda x: kernels.batch_norm(x, None, None, (), True), [MAPS], (210, 1, 42, 6), id="batch_norm"),
        pytest.param(lambda x: kernels.group_norm(x, None, None, 3), [MAPS], (210, 1, 42, 6), id="group_norm"),
        pytest.param(
            lambda x: kernels.max_pool(x, (2, 6, 2, 3), "max_pool2d")[0], [MAPS], (36, 1, 18, 6), id="max_pool"
        ),
        pytest.param(lambda x: kernels.avg_pool(x, (2, 6, 2, 3), "avg_pool2d"), [MAPS], (36, 1, 18, 6), id="avg_pool"),
        pytest.param(lambda x: kernels.upsample(x, (2, 6, 10, 14), "upsample"), [MAPS], (840, 1, 84, 6), id="upsample"),
        pytest.param(kernels.prelu, [MAPS, (6,)], (210, 1, 42, 6), id="prelu"),
        # these are contiguous whatever comes in
        pytest.param(kernels.softmax, [MAPS], (), id="softmax"),
        pytest.param(lambda x: kernels.layer_norm(x, None, None, 1), [MAPS], (), id="layer_norm"),
        pytest.param(lambda x: kernels.total(x, (1,), False), [MAPS], (), id="sum"),
    ],
)
def test_channels_last_goes_through(
    told: Callable[..., dict[str, Any]], operator: Callable[..., Tensor], shapes: list[Sizes], strides: Sizes
) -> None:
    assert told(operator, *shapes, **LAST).get("strides", ()) == strides


def test_a_weight_behind_channels_last_gets_a_copy_of_its_gradient(machine: Machine) -> None:
    """Its gradient lies channels last and it does not, so that it cannot be taken over."""
    from cnncalc.eager.autograd import Leaf, backward

    x, weight = machine.tensor(MAPS, 4, LAST["strides"]), machine.tensor((4, 6, 3, 2), 4)
    leaf = Leaf(weight, "conv")
    weight.edge = (leaf, 0)
    made = convolution(x, weight)
    backward(machine, [made], [made.like()])
    assert leaf.gradient is not None
    assert leaf.gradient.contiguous
    assert [operator for operator, *_ in machine.events[-2:]] == ["new_empty_strided", "copy_"]
    # an image of 1x1 windows is both: it is taken over
    weight = machine.tensor((4, 6, 1, 1), 4)
    leaf = Leaf(weight, "conv")
    weight.edge = (leaf, 0)
    made = kernels.convolution(x, weight, None, (2, 4, 5, 7), kernels.Sliding())
    backward(machine, [made], [made.like()])
    assert machine.events[-1][0] == "detach"


# Repeated statistics --------------------------------------------------------------------------------------------------


def test_instance_norm_repeats_what_it_has_for_every_image(told: Callable[..., dict[str, Any]]) -> None:
    """2 images of 6 channels: each vector of 24 bytes becomes one of 48, kept but for the bias."""
    found = told(
        lambda x, weight, bias, mean, var: kernels.instance_norm(x, weight, bias, (mean, var), True),
        *[MAPS, (6,), (6,), (-6,), (-6,)],
    )
    after = WHOLE + 4 * 48 + 2 * 48  # the result, four repeated vectors, the statistics
    assert found["forward"] == [
        *[("repeat", 48), ("repeat", 96), ("repeat", 144), ("repeat", 192)],
        *[("view", 192), ("empty", 192), ("native_batch_norm", after)],
        # the means over the images, into the running statistics
        *[("alias", after), ("view", after), ("mean", after + 24), ("copy_", after + 24)] * 2,
        ("view", after),
    ]
    assert (found["keeps"], found["extra"]) == ([0], 3 * 48 + 2 * 48)


def test_statistics_are_in_the_number_format_of_the_weight(machine: Machine) -> None:
    x, weight = machine.tensor(MAPS, 2), machine.tensor((6,), 4)
    before = machine.live
    kernels.batch_norm(x, weight, None, (), True)
    (_, *_, live) = machine.events[-1]
    assert live - before == WHOLE // 2 + 2 * 6 * 4
    kernels.layer_norm(x, None, None, 3)
    (_, *_, live) = machine.events[-1]
    assert live - before == WHOLE // 2 + 2 * 2 * 2  # the input's, where there is none
