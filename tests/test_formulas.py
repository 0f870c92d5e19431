from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc import formulas
from cnncalc.readings import ceil_div, maximum, minimum, share

by_loops = settings(derandomize=True, max_examples=100, deadline=None)
sizes = st.integers(1, 12)
paddings = st.integers(0, 5)

ROWS = [
    # Dumoulin & Visin 2016, figure 5.1: a 3-wide kernel dilated by 2 spans 5
    pytest.param(formulas.effective_kernel, {"K": 3, "D": 2}, 2 * (3 - 1) + 1, id="kernel-dilated"),
    pytest.param(formulas.effective_kernel, {"K": 7, "D": 1}, 7, id="kernel-not-dilated"),
    pytest.param(formulas.effective_kernel, {"K": 1, "D": 9}, 1, id="kernel-of-one"),
    # (W - F + 2P)/S + 1 as course notes print it
    pytest.param(formulas.output_size, {"W": 5, "F": 3, "P": 1, "S": 1}, 5, id="window-1d-stride1"),
    pytest.param(formulas.output_size, {"W": 5, "F": 3, "P": 1, "S": 2}, 3, id="window-1d-stride2"),
    pytest.param(formulas.output_size, {"W": 5, "F": 3, "P": 1, "S": 3}, 2, id="window-1d-stride3-does-not-fit"),
    pytest.param(formulas.output_size, {"W": 11, "F": 5, "P": 0, "S": 2}, 4, id="numpy-volume"),
    pytest.param(formulas.output_size, {"W": 227, "F": 11, "P": 0, "S": 4}, 55, id="alexnet-227"),
    pytest.param(formulas.output_size, {"W": 224, "F": 11, "P": 3, "S": 4}, 55, id="alexnet-224"),
    pytest.param(formulas.output_size_sided, {"W": 5, "F": 3, "P_1": 1, "P_2": 0, "S": 1}, 4, id="sided-one-column"),
    pytest.param(formulas.output_size_sided, {"W": 224, "F": 7, "P_1": 2, "P_2": 3, "S": 2}, 112, id="sided-same"),
    # torch.nn.MaxPool2d(3, stride=2, ceil_mode=True): 55 and 27 divide, 112 leaves a column over
    pytest.param(formulas.output_size_ceil, {"W": 55, "F": 3, "P_1": 0, "P_2": 0, "S": 2}, 27, id="ceil-divides"),
    pytest.param(formulas.output_size_ceil, {"W": 112, "F": 3, "P_1": 0, "P_2": 0, "S": 2}, 56, id="ceil-squeezenet"),
    # windows from -1, 1 and 3: the third would start in the padding after the input, which ends at 2
    pytest.param(formulas.output_size_ceil, {"W": 3, "F": 2, "P_1": 1, "P_2": 1, "S": 2}, 2, id="ceil-drops-the-last"),
    pytest.param(formulas.output_size_same, {"W": 13, "S": 5}, 3, id="tf-same-valid-oblong-13"),
    pytest.param(formulas.output_size_same, {"W": 5, "S": 2}, 3, id="tf-same-valid-oblong-5"),
    pytest.param(formulas.output_size_same, {"W": 224, "S": 4}, 56, id="alexnet-table-same"),
    pytest.param(formulas.padding_same, {"W": 32, "F": 3, "S": 1, "O": 32}, 2 * 1, id="same-padding-rule-3"),
    pytest.param(formulas.padding_same, {"W": 32, "F": 5, "S": 1, "O": 32}, 2 * 2, id="same-padding-rule-5"),
    pytest.param(formulas.padding_same, {"W": 32, "F": 7, "S": 1, "O": 32}, 2 * 3, id="same-padding-rule-7"),
    pytest.param(formulas.padding_same, {"W": 13, "F": 6, "S": 5, "O": 3}, 2 * 5 + 6 - 13, id="same-padding-odd"),
    pytest.param(formulas.padding_same, {"W": 6, "F": 1, "S": 2, "O": 3}, 0, id="same-padding-never-negative"),
    pytest.param(formulas.padding_full, {"F": 3}, 2, id="valid-same-full"),
    # Dumoulin & Visin 2016, figures 4.6 and 4.7: back from 3 outputs to the 5, or the 6, inputs they came from
    pytest.param(
        formulas.output_size_transposed,
        {"W": 3, "F": 3, "P_1": 1, "P_2": 1, "S": 2, "A": 0},
        (3 - 1) * 2 + 3 - 2,
        id="transposed-stride-2",
    ),
    pytest.param(
        formulas.output_size_transposed,
        {"W": 3, "F": 3, "P_1": 1, "P_2": 1, "S": 2, "A": 1},
        6,
        id="transposed-output-padding",
    ),
    pytest.param(
        formulas.output_size_transposed,
        {"W": 5, "F": 4, "P_1": 2, "P_2": 0, "S": 3, "A": 0},
        (5 - 1) * 3 + 4 - 2,
        id="transposed-sided",
    ),
    pytest.param(formulas.remainder, {"W": 5, "F": 3, "P_1": 1, "P_2": 1, "S": 3}, 1, id="remainder-of-stride-3"),
    pytest.param(formulas.remainder, {"W": 13, "F": 6, "P_1": 0, "P_2": 0, "S": 5}, 2, id="remainder-of-stride-5"),
    # 7 inputs to 3 outputs: [0, 3), [2, 5), [4, 7); 6 to 3: two each
    pytest.param(formulas.adaptive_taps, {"W": 7, "O": 3}, 3 + 3 + 3, id="adaptive-overlapping"),
    pytest.param(formulas.adaptive_taps, {"W": 6, "O": 3}, 2 + 2 + 2, id="adaptive-exact"),
    pytest.param(formulas.dense_weights, {"C": 100 * 100, "N": 1000}, 10_000_000, id="dense-100x100"),
    # VGG-16's fc6: 25,088 inputs, 4,096 outputs
    pytest.param(formulas.dense_parameters, {"C": 7 * 7 * 512, "N": 4096, "B": 4096}, 102_760_448 + 4_096, id="fc6"),
    # AlexNet's second layer: 256 kernels of 5x5x48 (Krizhevsky et al. 2012, section 3.5), and as many biases
    pytest.param(
        formulas.convolution_parameters,
        {"K": 5 * 5, "C": 96, "G": 2, "N": 256, "B": 256},
        25 * 48 * 256 + 256,
        id="alexnet-layer2",
    ),
    pytest.param(
        formulas.convolution_macs,
        {"K": 11 * 11, "C": 3, "G": 1, "O": 96 * 55 * 55},
        363 * 290_400,  # multiplies of one output times outputs
        id="alexnet-layer1",
    ),
    pytest.param(
        formulas.convolution_macs,
        {"K": 5 * 5, "C": 96, "G": 2, "O": 256 * 27 * 27},
        25 * 48 * 186_624,
        id="macs-grouped",
    ),
    pytest.param(formulas.partial_macs, {"K": 5 * 5, "T": 60, "O": 10 * 10}, 150_000, id="lenet5-c3-partial-table"),
    pytest.param(
        formulas.transposed_macs, {"K": 2 * 2, "N": 512, "G": 1, "W": 1024 * 28 * 28}, 4 * 512 * 802_816, id="unet-up"
    ),
    pytest.param(formulas.transposed_macs, {"K": 3, "N": 6, "G": 2, "W": 4 * 5}, 3 * 3 * 20, id="transposed-grouped"),
    pytest.param(formulas.dense_macs, {"C": 32 * 32 * 3, "N": 4704}, 14_450_688, id="dense-against-conv"),
    # the homework of three stride-2 convolutions, float32
    pytest.param(formulas.tensor_bytes, {"E": 100 * 100 * 150, "b": 4, "B": 1}, 6_000_000, id="homework-first-layer"),
    pytest.param(formulas.tensor_bytes, {"E": 200 * 300 * 3, "b": 4, "B": 50}, 36_000_000, id="homework-images"),
    pytest.param(formulas.tensor_bytes, {"E": 200 * 150 * 100, "b": 4, "B": 100}, 1_200_000_000, id="batch-100-bytes"),
    pytest.param(
        formulas.textbook_prediction,
        {"V": 6_000_000 + 3_000_000, "M": 4 * 903_400},
        12_613_600,
        id="homework-prediction",
    ),
    pytest.param(
        formulas.textbook_training,
        {"I": 36_000_000, "V": 50 * (6_000_000 + 3_000_000 + 1_520_000), "M": 4 * 903_400},
        565_613_600,
        id="homework-training",
    ),
    # CS231n: three 3x3 convolutions of 64 on 224x224, a gradient for each activation
    pytest.param(formulas.sum_prediction, {"V": 4 * 3 * 64 * 224 * 224}, 4 * 9_633_792, id="three-convolutions"),
    pytest.param(formulas.sum_training, {"V": 4 * 3 * 64 * 224 * 224}, 77_070_336, id="three-convolutions-trained"),
    pytest.param(
        formulas.liveness_prediction,
        {"I": 60, "V": 120 + 120, "M": 72 + 8, "R": 8 + 8},
        60 + 240 + 80 + 16,
        id="liveness-of-a-conv-and-a-norm",
    ),
]


@pytest.mark.parametrize(("formula", "letters", "value"), ROWS)
def test_value(formula: Callable[..., int], letters: dict[str, int], value: int) -> None:
    assert formula(**letters) == value


def test_every_formula_has_a_row() -> None:
    written = {
        function
        for _, function in inspect.getmembers(formulas, inspect.isfunction)
        if function.__module__ == formulas.__name__
    }
    assert written == {row.values[0] for row in ROWS}


def floor_count(padded: int, F: int, S: int) -> int:
    """How many windows fit, by sliding one."""
    count, start = 0, 0
    while start + F <= padded:
        count, start = count + 1, start + S
    return count


@by_loops
@given(W=sizes, F=sizes, P_1=paddings, P_2=paddings, S=sizes)
def test_windows_slide(W: int, F: int, P_1: int, P_2: int, S: int) -> None:
    padded = W + P_1 + P_2
    F = min(F, padded)
    count = floor_count(padded, F, S)
    assert formulas.output_size_sided(W, F, P_1, P_2, S) == count
    assert formulas.output_size(W, F, P_1, S) == floor_count(W + 2 * P_1, F, S) or F > W + 2 * P_1
    assert formulas.remainder(W, F, P_1, P_2, S) == padded - ((count - 1) * S + F)


@by_loops
@given(W=sizes, F=sizes, S=sizes)
def test_same_padding_is_the_least_that_gives_its_output(W: int, F: int, S: int) -> None:
    out = len(range(0, W, S))
    total = 0
    while floor_count(W + total, F, S) < out:
        total += 1
    assert formulas.output_size_same(W, S) == out
    assert formulas.padding_same(W, F, S, out) == total


@by_loops
@given(W=sizes, F=sizes)
def test_full_padding_meets_every_overlap(W: int, F: int) -> None:
    overlaps = [start for start in range(-F, W + F) if any(0 <= start + k < W for k in range(F))]
    P = formulas.padding_full(F)
    assert overlaps == list(range(-P, W))
    assert formulas.output_size(W, F, P, 1) == len(overlaps)


@by_loops
@given(K=sizes, D=sizes)
def test_a_dilated_kernel_spans_its_taps(K: int, D: int) -> None:
    taps = [k * D for k in range(K)]
    assert formulas.effective_kernel(K, D) == taps[-1] - taps[0] + 1


@by_loops
@given(W=sizes, K=sizes, D=st.integers(1, 3), S=sizes, P_1=paddings, P_2=paddings, A=paddings)
def test_a_transposed_convolution_scatters(W: int, K: int, D: int, S: int, P_1: int, P_2: int, A: int) -> None:
    reached = [i * S + k * D for i in range(W) for k in range(K)]
    F = formulas.effective_kernel(K, D)
    assert formulas.output_size_transposed(W, F, P_1, P_2, S, A) == max(reached) + 1 - P_1 - P_2 + A


@by_loops
@given(W=sizes, outputs=sizes)
def test_adaptive_windows_are_the_cells_that_an_output_overlaps(W: int, outputs: int) -> None:
    """Input i covers [i/W, (i + 1)/W) of the line, output o [o/outputs, (o + 1)/outputs)."""
    overlapped = [
        i for o in range(outputs) for i in range(W) if (i + 1) * outputs > o * W and i * outputs < (o + 1) * W
    ]
    assert formulas.adaptive_taps(W, outputs) == len(overlapped)


@by_loops
@given(a=st.integers(-40, 40), b=st.integers(1, 12))
def test_ceil_div_is_the_least_multiple_that_reaches(a: int, b: int) -> None:
    assert ceil_div(a, b) == min(q for q in range(-41, 42) if q * b >= a)


@by_loops
@given(a=st.integers(-9, 9), b=st.integers(-9, 9))
def test_minimum_and_maximum(a: int, b: int) -> None:
    assert [minimum(a, b), maximum(a, b)] == sorted([a, b])


@by_loops
@given(parts=sizes, each=sizes)
def test_share(parts: int, each: int) -> None:
    assert share(parts * each, parts) == each
