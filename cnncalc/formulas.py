"""Every formula of the field, once: a branch-free function of the sizes that textbooks name by letters.

W input size, O output size, F effective kernel size, K kernel size (or the kernel's positions, their product), P
padding (P_1 before, P_2 after), S stride, D dilation, A output padding, C input channels, N output channels (filters),
G groups. Checks that choose a formula stand with the layer that uses it.
"""

from __future__ import annotations

from cnncalc.readings import ceil_div, common_divisor, maximum, minimum, share

# Sizes ----------------------------------------------------------------------------------------------------------------


def effective_kernel(K: int, D: int) -> int:
    """What a dilated kernel spans, in input positions (Dumoulin & Visin 2016, section 5.1)."""
    return D * (K - 1) + 1


def output_size(W: int, F: int, P: int, S: int) -> int:
    """Positions of a window, the same padding on both sides (Dumoulin & Visin 2016, relationship 6)."""
    return (W - F + 2 * P) // S + 1


def output_size_sided(W: int, F: int, P_1: int, P_2: int, S: int) -> int:
    """Positions of a window with P_1 before and P_2 after."""
    return (W - F + P_1 + P_2) // S + 1


def output_size_ceil(W: int, F: int, P_1: int, P_2: int, S: int) -> int:
    """Positions of a window rounded up: one more than rounded down, if it starts in the input or the padding before it.

    torch's rule for pooling; there padding is too small for the rounded-down positions to start any later.
    """
    return maximum((W - F + P_1 + P_2) // S + 1, minimum(ceil_div(W - F + P_1 + P_2, S) + 1, ceil_div(W + P_1, S)))


def output_size_same(W: int, S: int) -> int:
    """SAME padding's output (TensorFlow, tf.nn, "padding")."""
    return ceil_div(W, S)


def padding_same(W: int, F: int, S: int, O: int) -> int:
    """SAME padding in all, both sides together (TensorFlow, tf.nn, "padding")."""
    return maximum((O - 1) * S + F - W, 0)


def padding_full(F: int) -> int:
    """FULL padding on each side: every overlap of kernel and input gives an output (Dumoulin & Visin 2016, 2.3)."""
    return F - 1


def output_size_transposed(W: int, F: int, P_1: int, P_2: int, S: int, A: int) -> int:
    """A transposed convolution's output (Dumoulin & Visin 2016, relationship 14)."""
    return (W - 1) * S + F - P_1 - P_2 + A


def remainder(W: int, F: int, P_1: int, P_2: int, S: int) -> int:
    """Positions of the padded input, at its end, that no window reads when the division is rounded down."""
    return (W - F + P_1 + P_2) % S


def adaptive_taps(W: int, O: int) -> int:
    """Inputs that all O windows of an adaptive pooling read, together: window o reads ⌊o·W/O⌋ to ⌈(o + 1)·W/O⌉.

    Neighbouring windows share one input wherever O does not divide o·W (torch.nn.AdaptiveAvgPool2d).
    """
    return W + O - common_divisor(W, O)


# Parameters -----------------------------------------------------------------------------------------------------------


def dense_weights(C: int, N: int) -> int:
    """Weights that connect C inputs with N outputs."""
    return C * N


def dense_parameters(C: int, N: int, B: int) -> int:
    """Weights that connect C inputs with N outputs, and B biases: N, or none."""
    return C * N + B


def convolution_parameters(K: int, C: int, G: int, N: int, B: int) -> int:
    """Weights of N filters of K positions over the C/G channels of their group, and B biases: N, or none."""
    return K * share(C, G) * N + B


# Operations -----------------------------------------------------------------------------------------------------------


def convolution_macs(K: int, C: int, G: int, O: int) -> int:
    """Multiply-accumulates of a convolution with O output elements; kernel positions over padding are counted."""
    return K * share(C, G) * O


def partial_macs(K: int, T: int, O: int) -> int:
    """Multiply-accumulates of a convolution in which T pairs of maps are connected, with O positions a map."""
    return K * T * O


def transposed_macs(K: int, N: int, G: int, W: int) -> int:
    """Multiply-accumulates of a transposed convolution: each of W inputs is spread over K positions of N/G maps."""
    return K * share(N, G) * W


def dense_macs(C: int, N: int) -> int:
    """Multiply-accumulates of a dense layer, one a weight."""
    return C * N


# Memory ---------------------------------------------------------------------------------------------------------------


def tensor_bytes(E: int, b: int, B: int) -> int:
    """Bytes of a tensor of E elements an image, b bytes an element, for a batch of B images."""
    return E * b * B


def textbook_prediction(V: int, M: int) -> int:
    """The largest two consecutive layers' outputs V and the parameters M, in bytes (as the courses count)."""
    return V + M


def textbook_training(I: int, V: int, M: int) -> int:
    """The input I, every layer's output V and the parameters M, in bytes (as the courses count)."""
    return I + V + M


def sum_prediction(V: int) -> int:
    """Every layer's output V, in bytes, none of them freed (CS231n: the activations of a forward pass)."""
    return V


def sum_training(V: int) -> int:
    """Every layer's output V and as much again for its gradient, in bytes (CS231n: "~*2 for bwd")."""
    return 2 * V


def liveness_prediction(I: int, V: int, M: int, R: int) -> int:
    """The input I, the outputs V that are alive together, the parameters M and the buffers R, in bytes."""
    return I + V + M + R
