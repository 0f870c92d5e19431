"""Every formula of the field, once: a branch-free function of the sizes that textbooks name by letters.

The function is all there is of a formula: its number, its steps, its text and LaTeX and the page docs/formulas.md are
made by calling it (`readings.py`). The first sentence of its docstring is the why that is printed beside it.
`messages` says what each letter stands for; `*K` are a size for each spatial dimension. Checks that choose a formula
stand with the layer that uses it.
"""

from __future__ import annotations

from cnncalc import readings
from cnncalc.readings import ceil_div, common_divisor, formula, maximum, minimum, product, share

# Sizes ----------------------------------------------------------------------------------------------------------------


@formula("positions")
def effective_kernel(K: int, D: int) -> int:
    """What a dilated kernel spans, in input positions (Dumoulin & Visin 2016, section 5.1)."""
    return D * (K - 1) + 1


@formula("positions")
def output_size(W: int, F: int, P: int, S: int) -> int:
    """Positions of a window, the same padding on both sides (Dumoulin & Visin 2016, relationship 6)."""
    return (W - F + 2 * P) // S + 1


@formula("positions")
def output_size_sided(W: int, F: int, P_1: int, P_2: int, S: int) -> int:
    """Positions of a window with P_1 before and P_2 after (Dumoulin & Visin 2016, relationship 6)."""
    return (W - F + P_1 + P_2) // S + 1


@formula("positions")
def output_size_ceil(W: int, F: int, P_1: int, P_2: int, S: int) -> int:
    """Positions of a window rounded up: one more than rounded down, if it starts in the input or the padding before it.

    torch's rule for pooling; there padding is too small for the rounded-down positions to start any later.
    """
    return maximum((W - F + P_1 + P_2) // S + 1, minimum(ceil_div(W - F + P_1 + P_2, S) + 1, ceil_div(W + P_1, S)))


@formula("positions")
def output_size_same(W: int, S: int) -> int:
    """SAME padding's output (TensorFlow, tf.nn, "padding")."""
    return ceil_div(W, S)


@formula("positions")
def padding_same(W: int, F: int, S: int, O: int) -> int:
    """SAME padding in all, both sides together (TensorFlow, tf.nn, "padding")."""
    return maximum((O - 1) * S + F - W, 0)


@formula("positions")
def padding_before(P_s: int) -> int:
    """Half of the padding stands before (TensorFlow, tf.nn, "padding")."""
    return P_s // 2


@formula("positions")
def padding_after(P_s: int) -> int:
    """Half of the padding stands after, and the odd position too (TensorFlow, tf.nn, "padding")."""
    return ceil_div(P_s, 2)


@formula("positions")
def padding_full(F: int) -> int:
    """FULL padding on each side: every overlap of kernel and input gives an output (Dumoulin & Visin 2016, 2.3)."""
    return F - 1


@formula("positions")
def output_size_transposed(W: int, F: int, P_1: int, P_2: int, S: int, A: int) -> int:
    """A transposed convolution's output (Dumoulin & Visin 2016, relationship 14)."""
    return (W - 1) * S + F - P_1 - P_2 + A


@formula("positions")
def remainder(W: int, F: int, P_1: int, P_2: int, S: int) -> int:
    """Positions of the padded input, at its end, that no window reads when the division is rounded down."""
    return (W - F + P_1 + P_2) % S


@formula("positions")
def output_size_exact(W: int, F: int, P: int, S: int) -> int:
    """Positions of a window where the stride divides what lies before the last one (Dumoulin & Visin 2016, 2.4)."""
    return share(W - F + 2 * P, S) + 1


@formula("positions")
def padding_wanted(O: int, S: int, F: int, W: int) -> int:
    """The padding on each side that gives O positions: what windows reach over, but for the input, in halves."""
    return share((O - 1) * S + F - W, 2)


@formula("positions")
def kernel_wanted(W: int, P: int, O: int, S: int) -> int:
    """The effective kernel that gives O positions: what is left of the padded input after O − 1 steps."""
    return W + 2 * P - (O - 1) * S


@formula("positions")
def stride_wanted(W: int, F: int, P: int, O: int) -> int:
    """The stride that gives O positions: what lies before the last one, in O − 1 steps."""
    return share(W - F + 2 * P, O - 1)


@formula("positions")
def input_wanted(O: int, S: int, F: int, P: int) -> int:
    """The input that gives O positions and leaves nothing over: what windows reach over, but for the padding."""
    return (O - 1) * S + F - 2 * P


@formula("values")
def adaptive_taps(W: int, O: int) -> int:
    """Inputs that all O windows of an adaptive pooling read, together: window o reads ⌊o·W/O⌋ to ⌈(o + 1)·W/O⌉.

    Neighbouring windows share one input wherever O does not divide o·W (torch.nn.AdaptiveAvgPool2d).
    """
    return W + O - common_divisor(W, O)


@formula("positions")
def enlarged_size(W: int, u: int) -> int:
    """Every position becomes u of them."""
    return W * u


@formula("positions")
def reduced_size(W: int, u: int) -> int:
    """Every u positions become one."""
    return share(W, u)


@formula("positions")
def padded_size(W: int, P_1: int, P_2: int) -> int:
    """The input with P_1 positions before it and P_2 after it."""
    return W + P_1 + P_2


@formula("positions")
def cropped_size(W: int, P_1: int, P_2: int) -> int:
    """The input without P_1 positions before and P_2 after."""
    return W - P_1 - P_2


@formula("positions")
def crop_before(W: int, O: int) -> int:
    """Half of what a centred crop leaves out stands before it."""
    return (W - O) // 2


@formula("positions")
def crop_after(W: int, O: int) -> int:
    """Half of what a centred crop leaves out stands after it, and the odd position too."""
    return ceil_div(W - O, 2)


@formula("positions")
def sliced_size(i: int, k: int, S: int) -> int:
    """Every S-th position from i up to, and without, k."""
    return ceil_div(k - i, S)


@formula("values")
def rest_size(E_in: int, *n: int) -> int:
    """What is left for the size written as -1: as many values as before, in as many places."""
    return share(E_in, product(*n))


# Channels -------------------------------------------------------------------------------------------------------------


@formula("channels")
def depthwise_channels(C: int, m: int) -> int:
    """Each input channel has m filters of its own (Howard et al. 2017)."""
    return C * m


@formula("channels")
def group_channels(C_all: int, G: int) -> int:
    """In G groups, each filter reads the channels of its own (Krizhevsky et al. 2012)."""
    return share(C_all, G)


@formula("channels")
def group_filters(N_all: int, G: int) -> int:
    """In G groups, each input reaches the filters of its own (Krizhevsky et al. 2012)."""
    return share(N_all, G)


@formula("channels")
def joined_channels(C: int, m: int) -> int:
    """Each m channels become one (Goodfellow et al. 2013)."""
    return share(C, m)


@formula("channels")
def channels_to_positions(C: int, *u: int) -> int:
    """The u positions along each dimension that stand for one come from as many channels (Shi et al. 2016)."""
    return share(C, product(*u))


@formula("channels")
def positions_to_channels(C: int, *u: int) -> int:
    """Each position of a block becomes a channel (Shi et al. 2016, backwards)."""
    return product(C, *u)


@formula("positions")
def concatenated_size(*t: int) -> int:
    """The paths stand one after the other."""
    return readings.total(*t)


# Elements -------------------------------------------------------------------------------------------------------------


@formula("values")
def input_elements(C: int, *W: int) -> int:
    """One value for each channel and position of the input."""
    return product(C, *W)


@formula("values")
def output_elements(N: int, *O: int) -> int:
    """One value for each channel and position of the output."""
    return product(N, *O)


@formula("positions")
def positions(*O: int) -> int:
    """Places of the output map."""
    return product(*O)


# Parameters -----------------------------------------------------------------------------------------------------------


@formula("weights")
def convolution_weights(N: int, C: int, *K: int) -> int:
    """Each of the N filters has a weight for every kernel position of the C channels it reads, wherever it stands."""
    return product(N, C, *K)


@formula("weights")
def partial_weights(T: int, *K: int) -> int:
    """A kernel for each of the T pairs of maps that are connected (LeCun et al. 1998, table I)."""
    return product(T, *K)


@formula("weights")
def unshared_weights(E: int, C: int, *K: int) -> int:
    """Without sharing, each of the E outputs has a filter of its own (CS231n, "Parameter Sharing")."""
    return product(E, C, *K)


@formula("weights")
def transposed_weights(C: int, N: int, *K: int) -> int:
    """A kernel from each of the C input channels to each of the N output channels that it reaches."""
    return product(C, N, *K)


@formula("weights")
def dense_weights(E_in: int, N: int) -> int:
    """Each of the N units has a weight for every input."""
    return E_in * N


@formula("weights")
def dense_equivalent_weights(E_in: int, E: int) -> int:
    """A dense layer that did the same would connect every input with every output (CS231n, "Converting layers")."""
    return E_in * E


@formula("biases")
def filter_biases(N: int) -> int:
    """One bias for each filter or unit."""
    return N


@formula("biases")
def unshared_biases(E: int) -> int:
    """Without sharing, each output has a bias of its own."""
    return E


@formula("values")
def channel_parameters(C: int) -> int:
    """One for each channel."""
    return C


@formula("values")
def element_parameters(E_in: int) -> int:
    """One for each value of an image."""
    return E_in


@formula("values")
def last_axis_parameters(W: int) -> int:
    """One for each value along the last dimension (torch.nn.LayerNorm)."""
    return W


@formula("values")
def tensor_elements(*n: int) -> int:
    """As many as a tensor of these sizes holds."""
    return product(*n)


@formula("weights")
def slopes(m: int) -> int:
    """Learned slopes: one, or one for each channel (He et al. 2015)."""
    return m


@formula("parameters")
def parameters(M_w: int, M_b: int) -> int:
    """All that training changes: weights and biases."""
    return M_w + M_b


@formula("parameters")
def filter_parameters(c: int, C: int, *K: int) -> int:
    """One filter: a weight for every kernel position of the C channels it reads, and c biases."""
    return product(C, *K) + c


# Operations -----------------------------------------------------------------------------------------------------------


@formula("MACs")
def convolution_macs(E: int, C: int, *K: int) -> int:
    """Each output sums a product for every kernel position of the C channels it reads; padding is counted."""
    return product(E, C, *K)


@formula("MACs")
def partial_macs(T: int, E: int, N: int, *K: int) -> int:
    """Each of the T connected pairs of maps has a kernel's products at each of the E/N positions of a map."""
    return product(T, share(E, N), *K)


@formula("MACs")
def transposed_macs(E_in: int, N: int, *K: int) -> int:
    """Each input is spread over the kernel positions of the N output channels that it reaches."""
    return product(E_in, N, *K)


@formula("MACs")
def dense_macs(E_in: int, N: int) -> int:
    """A product for every weight."""
    return E_in * N


@formula("MACs")
def last_axis_macs(E: int, W: int) -> int:
    """Each output sums a product for every value along the last dimension (torch.nn.Linear)."""
    return E * W


@formula("MACs")
def matmul_macs(E: int, W: int) -> int:
    """Each output sums the products of a row and a column, W values each (torch.matmul)."""
    return E * W


@formula("connections")
def connections(Q: int, U: int) -> int:
    """Each multiply-accumulate uses a weight once; biases and learned factors are used beside (LeCun et al. 1998)."""
    return Q + U


@formula("operations")
def with_macs(X: int, Q: int) -> int:
    """Each multiply-accumulate is a multiply and an add, beside all others."""
    return X + Q


@formula("operations")
def per_element(c: int, E: int) -> int:
    """So many for each value."""
    return c * E


@formula("operations")
def per_set(c: int, G: int) -> int:
    """So many for each set of values that is normalised together."""
    return c * G


@formula("adds")
def biases_added(E: int) -> int:
    """Each output adds a bias."""
    return E


@formula("operations")
def window_joins(E: int, *K: int) -> int:
    """Making one value of a window's takes a step less than it has values: adds of a mean, comparisons of a maximum."""
    return E * (product(*K) - 1)


@formula("operations")
def window_values(E: int, *K: int) -> int:
    """Every window reads all its values."""
    return product(E, *K)


@formula("operations")
def window_values_and_one(E: int, *K: int) -> int:
    """Every window reads all its values, and there is one more for each output."""
    return E * (product(*K) + 1)


@formula("values")
def adaptive_values(C: int, *L: int) -> int:
    """What the windows read together: the product of what they read along each dimension, in each channel."""
    return product(C, *L)


@formula("operations")
def joins(J: int, E: int) -> int:
    """Making E values of J takes a step for each that goes: adds of a mean, comparisons of a maximum."""
    return J - E


@formula("operations")
def channel_joins(C: int, *O: int) -> int:
    """Adding the channels of a place takes an add less than there are channels, at every place."""
    return product(C - 1, *O)


@formula("operations")
def path_joins(n: int, E: int) -> int:
    """Joining n paths takes n − 1 steps for each value."""
    return (n - 1) * E


@formula("multiplies")
def distance_multiplies(E_in: int, N: int) -> int:
    """Each unit squares its distance to every input (LeCun et al. 1998, section II.B)."""
    return E_in * N


@formula("adds")
def distance_adds(E_in: int, N: int) -> int:
    """Each unit subtracts every input, and adds the square (LeCun et al. 1998, section II.B)."""
    return 2 * E_in * N


@formula("sum")
def total(*t: int) -> int:
    """The sum of its terms."""
    return readings.total(*t)


# Memory ---------------------------------------------------------------------------------------------------------------


@formula("bytes")
def tensor_bytes(E: int, b: int, B: int) -> int:
    """E values an image, b bytes a value, B images."""
    return E * b * B


@formula("bytes")
def parameter_bytes(M: int, b: int) -> int:
    """b bytes a number; parameters are held once, however many images there are."""
    return M * b


@formula("values")
def largest_pair(V_1: int, V_2: int) -> int:
    """A layer's output, and the outputs that it reads, have to be there together (Géron 2019, chapter 14)."""
    return V_1 + V_2


@formula("bytes")
def textbook_prediction(V_B: int, M_B: int) -> int:
    """The outputs of the largest two consecutive layers, and the parameters (Géron 2019, chapter 14)."""
    return V_B + M_B


@formula("bytes")
def textbook_training(I_B: int, V_B: int, M_B: int) -> int:
    """The input, every layer's output, and the parameters (Géron 2019, chapter 14)."""
    return I_B + V_B + M_B


@formula("bytes")
def sum_prediction(V_B: int) -> int:
    """Every layer's output, none of them freed (CS231n: the activations of a forward pass)."""
    return V_B


@formula("bytes")
def sum_training(V_B: int) -> int:
    """Every layer's output, and as much again for its gradient (CS231n: "~*2 for bwd")."""
    return 2 * V_B


@formula("bytes")
def liveness_prediction(I_B: int, V_B: int, M_B: int, R_B: int) -> int:
    """The input, the outputs that are alive together, the parameters and the buffers."""
    return I_B + V_B + M_B + R_B


# A convolution as one matrix product ----------------------------------------------------------------------------------


@formula("rows")
def im2col_rows(C: int, *K: int) -> int:
    """A column of X_col holds all that one window reads, one value under the other (CS231n, "im2col")."""
    return product(C, *K)


@formula("columns")
def im2col_columns(*O: int) -> int:
    """X_col has a column for each position of the window (CS231n, "im2col")."""
    return product(*O)


@formula("values")
def im2col_elements(X_r: int, X_c: int, G: int) -> int:
    """X_col of every group: values that windows share are written again for each."""
    return X_r * X_c * G


# Receptive fields (Araujo et al. 2019) --------------------------------------------------------------------------------


@formula("pixels")
def field_size(r: int, F: int, j: int) -> int:
    """A window of F units that stand j pixels apart sees F − 1 jumps more than one unit (Araujo et al. 2019)."""
    return r + (F - 1) * j


@formula("pixels")
def field_jump(j: int, S: int) -> int:
    """Neighbouring outputs read inputs that are S apart (Araujo et al. 2019)."""
    return j * S


@formula("pixels")
def field_start(s: int, P: int, j: int) -> int:
    """The first window begins P units earlier, each of them j pixels (Araujo et al. 2019)."""
    return s - P * j


@formula("pixels")
def field_span(a: int, z: int) -> int:
    """From the first pixel that a unit sees to the last."""
    return z - a + 1
