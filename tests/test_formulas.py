from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc import formulas, readings
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
    # AlexNet: (227 - 11)/4 + 1 = 55; and each of the other sizes from the rest, with 7x7 and stride 2 beside
    pytest.param(formulas.output_size_exact, {"W": 227, "F": 11, "P": 0, "S": 4}, 55, id="alexnet-exact"),
    pytest.param(formulas.output_size_exact, {"W": 7, "F": 3, "P": 1, "S": 2}, 4, id="exact-padded"),
    # 11 and 5 on each side are 21; a window of 3 in steps of 3 stands 7 times
    pytest.param(formulas.output_size_exact, {"W": 11, "F": 3, "P": 5, "S": 3}, 7, id="exact-padded-5"),
    pytest.param(formulas.stride_wanted, {"W": 11, "F": 3, "P": 5, "O": 7}, 3, id="stride-padded-5"),
    pytest.param(formulas.padding_wanted, {"O": 32, "S": 1, "F": 5, "W": 32}, 2, id="padding-keeps-32"),
    pytest.param(formulas.padding_wanted, {"O": 4, "S": 2, "F": 3, "W": 7}, 1, id="padding-stride-2"),
    pytest.param(formulas.kernel_wanted, {"W": 227, "P": 0, "O": 55, "S": 4}, 11, id="alexnet-kernel"),
    pytest.param(formulas.kernel_wanted, {"W": 7, "P": 1, "O": 4, "S": 2}, 3, id="kernel-padded"),
    pytest.param(formulas.stride_wanted, {"W": 227, "F": 11, "P": 0, "O": 55}, 4, id="alexnet-stride"),
    pytest.param(formulas.stride_wanted, {"W": 7, "F": 3, "P": 1, "O": 4}, 2, id="stride-padded"),
    pytest.param(formulas.input_wanted, {"O": 55, "S": 4, "F": 11, "P": 0}, 227, id="alexnet-input"),
    pytest.param(formulas.input_wanted, {"O": 4, "S": 2, "F": 3, "P": 1}, 7, id="input-padded"),
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
    # TensorFlow's odd position stands after: 13 inputs, kernel 6, stride 5 need 3
    pytest.param(formulas.padding_before, {"P_s": 3}, 1, id="same-padding-before"),
    pytest.param(formulas.padding_after, {"P_s": 3}, 2, id="same-padding-after"),
    pytest.param(formulas.padding_after, {"P_s": 4}, 2, id="same-padding-even"),
    pytest.param(formulas.enlarged_size, {"W": 7, "u": 2}, 14, id="upsampled"),
    pytest.param(formulas.reduced_size, {"W": 26, "u": 2}, 13, id="reorg-of-yolo-v2"),
    pytest.param(formulas.padded_size, {"W": 5, "P_1": 1, "P_2": 2}, 1 + 5 + 2, id="padded"),
    pytest.param(formulas.cropped_size, {"W": 9, "P_1": 2, "P_2": 3}, 9 - 2 - 3, id="cropped"),
    pytest.param(formulas.crop_before, {"W": 9, "O": 4}, 2, id="crop-the-odd-one-not-before"),
    pytest.param(formulas.crop_after, {"W": 9, "O": 4}, 3, id="crop-the-odd-one-after"),
    pytest.param(formulas.sliced_size, {"i": 2, "k": 8, "S": 3}, len([2, 5]), id="slice-2-8-3"),
    pytest.param(formulas.sliced_size, {"i": 0, "k": 6, "S": 3}, len([0, 3]), id="slice-without-its-end"),
    pytest.param(formulas.rest_size, {"E_in": 24, "n_1": 2, "n_2": 3}, 4, id="reshape-2-3-rest"),
    pytest.param(formulas.group_channels, {"C_all": 96, "G": 2}, 48, id="alexnet-conv2-reads"),
    pytest.param(formulas.group_filters, {"N_all": 256, "G": 2}, 128, id="alexnet-conv2-filters"),
    pytest.param(formulas.depthwise_channels, {"C": 32, "m": 2}, 64, id="depthwise-multiplier"),
    pytest.param(formulas.joined_channels, {"C": 12, "m": 3}, 4, id="maxout-pieces"),
    pytest.param(formulas.channels_to_positions, {"C": 12, "u_1": 2, "u_2": 2}, 3, id="pixel-shuffle"),
    pytest.param(formulas.positions_to_channels, {"C": 64, "u_1": 2, "u_2": 2}, 256, id="reorg-channels"),
    # GoogLeNet's inception (3a)
    pytest.param(
        formulas.concatenated_size, {"t_1": 64, "t_2": 128, "t_3": 32, "t_4": 32}, 256, id="inception-3a-channels"
    ),
    pytest.param(formulas.input_elements, {"C": 3, "W_h": 227, "W_w": 227}, 154_587, id="alexnet-input"),
    pytest.param(formulas.input_elements, {"C": 84}, 84, id="vector-input"),
    pytest.param(formulas.output_elements, {"N": 96, "O_h": 55, "O_w": 55}, 290_400, id="alexnet-neurons"),
    pytest.param(formulas.output_elements, {"N": 8, "O_d": 2, "O_h": 3, "O_w": 5}, 240, id="elements-3d"),
    pytest.param(formulas.positions, {"O_h": 55, "O_w": 55}, 3025, id="alexnet-positions"),
    # weights and biases: CS231n, "Parameter Sharing"; LeCun et al. 1998
    pytest.param(
        formulas.convolution_weights, {"N": 96, "C": 3, "K_h": 11, "K_w": 11}, 34_848, id="alexnet-shared-weights"
    ),
    pytest.param(formulas.convolution_weights, {"N": 6, "C": 4, "K": 3}, 72, id="weights-1d"),
    pytest.param(
        formulas.unshared_weights,
        {"E": 290_400, "C": 3, "K_h": 11, "K_w": 11},
        105_705_600 - 290_400,  # with a bias each the notes' 105,705,600
        id="alexnet-unshared-weights",
    ),
    pytest.param(formulas.unshared_biases, {"E": 290_400}, 290_400, id="alexnet-unshared-biases"),
    pytest.param(formulas.partial_weights, {"T": 60, "K_h": 5, "K_w": 5}, 1_500, id="lenet5-c3-weights"),
    pytest.param(formulas.filter_biases, {"N": 16}, 1_516 - 1_500, id="lenet5-c3-biases"),
    pytest.param(
        formulas.transposed_weights, {"C": 1024, "N": 512, "K_h": 2, "K_w": 2}, 2_097_152, id="unet-up-weights"
    ),
    pytest.param(formulas.dense_weights, {"E_in": 100 * 100, "N": 1000}, 10_000_000, id="dense-100x100"),
    pytest.param(
        formulas.dense_equivalent_weights, {"E_in": 32 * 32 * 3, "E": 4704}, 14_450_688, id="dense-equivalent"
    ),
    pytest.param(formulas.channel_parameters, {"C": 64}, 64, id="batch-norm-factors"),
    pytest.param(formulas.element_parameters, {"E_in": 2 * 3 * 4}, 24, id="layer-norm-factors"),
    # torch.nn.LayerNorm(768) of ViT-B's 197 tokens, and their position embedding
    pytest.param(formulas.last_axis_parameters, {"W": 768}, 768, id="layer-norm-of-tokens"),
    pytest.param(formulas.tensor_elements, {"n_1": 197, "n_2": 768}, 151_296, id="vit-b-position-embedding"),
    pytest.param(formulas.slopes, {"m": 64}, 64, id="prelu-slopes"),
    pytest.param(formulas.parameters, {"M_w": 34_848, "M_b": 96}, 34_944, id="alexnet-shared-parameters"),
    pytest.param(
        formulas.filter_parameters, {"c": 1, "C": 3, "K_h": 5, "K_w": 5}, 76, id="notes-conv-example-one-filter"
    ),
    pytest.param(
        formulas.convolution_macs,
        {"E": 96 * 55 * 55, "C": 3, "K_h": 11, "K_w": 11},
        363 * 290_400,  # multiplies of one output times outputs
        id="alexnet-layer1",
    ),
    pytest.param(
        formulas.convolution_macs,
        {"E": 256 * 27 * 27, "C": 48, "K_h": 5, "K_w": 5},
        25 * 48 * 186_624,
        id="macs-grouped",
    ),
    pytest.param(
        formulas.partial_macs,
        {"T": 60, "E": 16 * 10 * 10, "N": 16, "K_h": 5, "K_w": 5},
        150_000,
        id="lenet5-c3-partial-table",
    ),
    pytest.param(
        formulas.transposed_macs,
        {"E_in": 1024 * 28 * 28, "N": 512, "K_h": 2, "K_w": 2},
        4 * 512 * 802_816,
        id="unet-up",
    ),
    # ViT-B's first layer of an MLP: 768 to 3072 at each of 197 tokens
    pytest.param(formulas.last_axis_macs, {"E": 197 * 3072, "W": 768}, 197 * 2_359_296, id="vit-b-mlp"),
    # ViT-B's attention in a head: 197x64 queries by 64x197 keys
    pytest.param(formulas.matmul_macs, {"E": 197 * 197, "W": 64}, 2_483_776, id="vit-b-attention"),
    pytest.param(formulas.dense_macs, {"E_in": 32 * 32 * 3, "N": 4704}, 14_450_688, id="dense-against-conv"),
    # LeNet-5: C3 has 151,600 connections, C1 156 weights and biases at each of 28x28 places
    pytest.param(formulas.connections, {"Q": 150_000, "U": 1_600}, 151_600, id="lenet5-c3-connections"),
    pytest.param(formulas.with_macs, {"X": 4_704, "Q": 117_600}, 122_304, id="lenet5-c1-adds"),
    pytest.param(formulas.per_element, {"c": 3, "E": 10}, 30, id="three-of-each"),
    pytest.param(formulas.per_set, {"c": 3, "G": 4}, 12, id="three-of-each-set"),
    pytest.param(formulas.biases_added, {"E": 4_704}, 4_704, id="lenet5-c1-biases-added"),
    # a maximum of 3x3 values is 8 comparisons; LeNet-5's S2 reads 4 values and a bias for each of 6x14x14: 5,880
    pytest.param(formulas.window_joins, {"E": 10, "K_h": 3, "K_w": 3}, 8 * 10, id="comparisons-of-3x3"),
    pytest.param(formulas.window_values, {"E": 1_176, "K_h": 2, "K_w": 2}, 4_704, id="lenet5-s2-adds"),
    pytest.param(
        formulas.window_values_and_one, {"E": 1_176, "K_h": 2, "K_w": 2}, 5_880, id="lenet5-trainable-subsampling"
    ),
    pytest.param(formulas.adaptive_values, {"C": 2, "L_h": 9, "L_w": 6}, 108, id="adaptive-values"),
    pytest.param(formulas.joins, {"J": 2048 * 49, "E": 2048}, 48 * 2048, id="global-average-of-7x7"),
    pytest.param(formulas.channel_joins, {"C": 1000}, 999, id="softmax-of-a-thousand"),
    pytest.param(formulas.channel_joins, {"C": 5, "O_h": 2, "O_w": 3}, 4 * 6, id="softmax-of-a-map"),
    pytest.param(formulas.path_joins, {"n": 3, "E": 10}, 20, id="three-paths"),
    pytest.param(formulas.distance_multiplies, {"E_in": 84, "N": 10}, 840, id="lenet5-output-multiplies"),
    pytest.param(formulas.distance_adds, {"E_in": 84, "N": 10}, 2 * 840, id="lenet5-output-adds"),
    pytest.param(formulas.total, {"t_1": 2_800, "t_2": 180_200, "t_3": 720_400}, 903_400, id="homework-parameters"),
    # CS231n, "Implementation as Matrix Multiplication": X_col is [363 x 3025]; course_facts im2col-alexnet
    pytest.param(formulas.im2col_rows, {"C": 3, "K_h": 11, "K_w": 11}, 363, id="im2col-alexnet-rows"),
    pytest.param(formulas.im2col_columns, {"O_h": 55, "O_w": 55}, 3025, id="im2col-alexnet-columns"),
    pytest.param(formulas.im2col_elements, {"X_r": 363, "X_c": 3025, "G": 1}, 4_392_300 // 4, id="im2col-alexnet"),
    # three 3x3 windows see 3, 5 and 7; after a stride of 2 a step is two pixels
    pytest.param(formulas.field_size, {"r": 5, "F": 3, "j": 1}, 7, id="stacked-3x3-field"),
    pytest.param(formulas.field_size, {"r": 3, "F": 3, "j": 2}, 3 + 2 * 2, id="field-after-a-stride"),
    pytest.param(formulas.field_jump, {"j": 2, "S": 3}, 6, id="jump-after-a-stride"),
    pytest.param(formulas.field_start, {"s": -1, "P": 1, "j": 2}, -3, id="start-in-the-padding"),
    pytest.param(formulas.field_span, {"a": -3, "z": 3}, 7, id="span-across-zero"),
    # the homework of three stride-2 convolutions, float32
    pytest.param(formulas.largest_pair, {"V_1": 750_000, "V_2": 1_500_000}, 9_000_000 // 4, id="homework-pair"),
    pytest.param(formulas.parameter_bytes, {"M": 903_400, "b": 4}, 3_613_600, id="homework-parameter-bytes"),
    pytest.param(formulas.tensor_bytes, {"E": 100 * 100 * 150, "b": 4, "B": 1}, 6_000_000, id="homework-first-layer"),
    pytest.param(formulas.tensor_bytes, {"E": 200 * 300 * 3, "b": 4, "B": 50}, 36_000_000, id="homework-images"),
    pytest.param(formulas.tensor_bytes, {"E": 200 * 150 * 100, "b": 4, "B": 100}, 1_200_000_000, id="batch-100-bytes"),
    pytest.param(
        formulas.textbook_prediction,
        {"V_B": 6_000_000 + 3_000_000, "M_B": 4 * 903_400},
        12_613_600,
        id="homework-prediction",
    ),
    pytest.param(
        formulas.textbook_training,
        {"I_B": 36_000_000, "V_B": 50 * (6_000_000 + 3_000_000 + 1_520_000), "M_B": 4 * 903_400},
        565_613_600,
        id="homework-training",
    ),
    # CS231n: three 3x3 convolutions of 64 on 224x224, a gradient for each activation
    pytest.param(formulas.sum_prediction, {"V_B": 4 * 3 * 64 * 224 * 224}, 4 * 9_633_792, id="three-convolutions"),
    pytest.param(formulas.sum_training, {"V_B": 4 * 3 * 64 * 224 * 224}, 77_070_336, id="three-convolutions-trained"),
    pytest.param(
        formulas.liveness_prediction,
        {"I_B": 60, "V_B": 120 + 120, "M_B": 72 + 8, "R_B": 8 + 8},
        60 + 240 + 80 + 16,
        id="liveness-of-a-conv-and-a-norm",
    ),
]


@pytest.mark.parametrize(("formula", "letters", "value"), ROWS)
def test_value(formula: Callable[..., int], letters: dict[str, int], value: int) -> None:
    assert readings.letters(formula, len(letters)) == tuple(letters)
    assert formula(*letters.values()) == value


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
