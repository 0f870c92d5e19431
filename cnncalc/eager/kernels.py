"""Operators with kernels of their own: convolutions, matrix products, norms, poolings, reductions, resizing, losses.

Results are laid out as the input suggests (channels last stays channels last) where torch does so, else contiguous. The
comments name what is kept for backward, as measured (saved_for_backward in the memory model).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import NamedTuple

from cnncalc.eager import autocast
from cnncalc.eager.autocast import FULL, lowered, raised
from cnncalc.eager.autograd import Gradients, Node, record
from cnncalc.eager.machine import Refused, Sizes, Tensor
from cnncalc.eager.pointwise import add, copy_into, result
from cnncalc.eager.strides import (
    channels_last,
    contiguous,
    dense,
    elementwise,
    is_channels_last,
    prefers_channels_last,
    suggested,
)
from cnncalc.eager.views import (
    as_strided_back,
    clone,
    contiguous_of,
    expand,
    only,
    part,
    repeat_rows,
    reshape,
    t,
    to_copy,
    transpose,
    unsafe_view,
    unsqueeze,
    view,
)

DOUBLE = 8  # bytes of a float64


def _suggesting(x: Tensor) -> bool:
    return prefers_channels_last(x.shape, x.strides)


def _lies(x: Tensor, last: bool) -> bool:
    """Whether a tensor lies channels last, or else contiguous."""
    return is_channels_last(x.shape, x.strides) if last else x.contiguous


def _in_format(like: Tensor, shape: Sizes, last: bool) -> Tensor:
    return like.like(shape, channels_last(shape) if last else contiguous(shape))


# Weighted sums --------------------------------------------------------------------------------------------------------


class Sliding(NamedTuple):
    """How a kernel slides, as far as torch chooses an implementation by it."""

    groups: int = 1
    stepped: bool = False  # with a stride or a dilation
    transposed: bool = False
    far: bool = False  # transposed, its output padding not below its stride


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, shape: Sizes, sliding: Sliding) -> Tensor:
    """Any rank, groups, dilation and stride, transposed or not; keeps its input and the weight, never the bias.

    Runs channels last where the input or the weight lies so.
    """
    return _convolution(*lowered(x, weight, bias), shape, sliding)


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, shape: Sizes, sliding: Sliding) -> Tensor:
    in_onednn = _in_onednn(x, weight, sliding)
    native_3d = len(shape) == 5 and not in_onednn and not x.machine.cuda
    in_order = native_3d or (x.machine.cuda and x.width == DOUBLE)  # cuDNN has no channels last in float64
    last = not in_order and (_suggesting_maps(x) or _suggesting_maps(weight))
    least = prod(x.shape) * x.width if native_3d and sliding.transposed else 0
    made = x.machine.tensor(shape, x.width, channels_last(shape) if last else None, least=least)
    x.tick("convolution")
    whole, kernel = x.shape, weight.shape
    width = weight.width

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        machine = gradient.machine
        found: Gradients = [None, None, None]
        if node.wants(0):
            found[0] = _in_format(gradient, whole, last)
        if node.wants(1) or (node.wants(2) and in_onednn):  # oneDNN makes the two together
            found[1] = machine.tensor(kernel, width, channels_last(kernel) if last else None)
        if node.wants(2):
            found[2] = machine.tensor(node.inputs[2][0], width)
        gradient.tick("convolution_backward")
        return [own if node.wants(position) else None for position, own in enumerate(found)]

    record((made,), "ConvolutionBackward0", (x, weight, bias), formula, (x, weight))
    return made


def _suggesting_maps(x: Tensor) -> bool:
    """What is 3-D becomes maps of height 1, of a copy where it does not lie in order: torch avoids its permutations."""
    if len(x.shape) != 3:
        return _suggesting(x)
    (batch, channels, length), (first, second, step) = x.shape, x.strides
    return x.contiguous and prefers_channels_last((batch, channels, 1, length), (first, second, length * step, step))


def _in_onednn(x: Tensor, weight: Tensor, sliding: Sliding) -> bool:
    """Whether torch on CPU leaves a convolution to oneDNN, on one thread (use_mkldnn in aten's Convolution.cpp)."""
    machine = x.machine
    if machine.cuda or sliding.far or x.width == DOUBLE:
        return False
    if x.width < FULL:
        return not machine.float16
    *_, height, width = (1, *weight.shape[2:])
    batch, channels, *sizes = x.shape
    worth_it = sliding.stepped or batch >= 16 or height != 1 or width != 1
    places = batch * channels * prod(sizes[-2:])
    return worth_it and (sliding.groups > 1 or (height > 3 and width > 3) or batch > 1 or places > 20_480)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Rows [batch, in] times weight [out, in] transposed; each is kept if the other's gradient is wanted."""
    return _linear(*lowered(x, weight, bias))


def linear_along_the_last(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """All places as the rows of one matrix, and back; torch multiplies first and adds then, but for plain memory."""
    x, weight, bias = lowered(x, weight, bias)
    if bias is not None and x.strides == contiguous(x.shape):
        rows = view(x, (prod(x.shape[:-1]), x.shape[-1]))
        return view(_linear(rows, weight, bias), (*x.shape[:-1], weight.shape[0]))
    made = _times_matrix(x, weight)
    return made if bias is None else add(made, bias, in_place=True)


def _times_matrix(x: Tensor, weight: Tensor) -> Tensor:
    """A copy of places that do not lie one after another lives until the product has its shape."""
    turned = t(weight)
    rows = reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
    return unsafe_view(_product(rows, turned, None), (*x.shape[:-1], weight.shape[0]))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _product(x, t(weight), bias)


def _product(x: Tensor, turned: Tensor, bias: Tensor | None) -> Tensor:
    (rows, features), out = x.shape, turned.shape[1]
    made = x.like((rows, out))
    x.tick("mm" if bias is None else "addmm")
    kept = [x if turned.edge is not None else None, turned if x.edge is not None else None]

    by_columns = x.strides == (1, rows)

    def of_rows(gradient: Tensor) -> Tensor:
        gradient.tick("t")
        found = gradient.like((features, rows) if by_columns else (rows, features))
        gradient.tick("mm")
        return t(found) if by_columns else found

    def of_weight(gradient: Tensor) -> Tensor:
        gradient.tick("t")
        product = gradient.like((out, features))
        gradient.tick("mm")
        return t(product)

    def with_bias(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        rows_ = of_rows(gradient) if node.wants(1) else None
        weight_ = of_weight(gradient) if node.wants(2) else None
        return [gradient if node.wants(0) else None, rows_, weight_]

    def without(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        weight_ = of_weight(gradient) if node.wants(1) else None
        return [of_rows(gradient) if node.wants(0) else None, weight_]

    if bias is None:
        record((made,), "MmBackward0", (x, turned), without, kept)
    else:
        record((made,), "AddmmBackward0", (bias, x, turned), with_bias, kept)
    return made


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """Products of matrices, one a batch entry; each operand is kept for the other's gradient."""
    made = _bmm(*lowered(a, b, inside=True)[:2])
    if made.machine.lower:
        made.machine.settle()
    return made


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    made = a.like((a.shape[0], a.shape[1], b.shape[2]))
    a.tick("bmm")

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        kept = list(node.saved)
        found: Gradients = [None, None]
        if node.wants(1):
            first = transpose(kept[0], 1, 2)
            found[1] = gradient.like((first.shape[0], first.shape[1], gradient.shape[2]))
            gradient.tick("bmm")
            del first
        if node.wants(0):
            second = transpose(kept[-1], 1, 2)
            found[0] = gradient.like((gradient.shape[0], gradient.shape[1], second.shape[2]))
            gradient.tick("bmm")
        return found

    kept = [a if b.edge is not None else None, b if a.edge is not None else None]
    record((made,), "BmmBackward0", (a, b), formula, kept)
    return made


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Products of the matrices in the last two dimensions, whose others are equal: seen as one batch, and back."""
    a, b, _ = lowered(a, b)
    first, second = [_as_batch(x) for x in (a, b)]
    return unsafe_view(_bmm(first, second), (*a.shape[:-1], b.shape[-1]))


def _as_batch(x: Tensor) -> Tensor:
    return reshape(expand(x, x.shape), (prod(x.shape[:-2]), *x.shape[-2:]))


# Normalisation --------------------------------------------------------------------------------------------------------


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Sequence[Tensor], batch_statistics: bool
) -> Tensor:
    """Keeps the input, and where they are the batch's own also the mean and the inverse deviation of each channel.

    These are in the number format of the weight, or of the running mean; on CUDA in float32 at least.
    """
    if _in_cudnn(x, weight, running, batch_statistics):
        assert weight is not None
        assert bias is not None
        return _batch_norm_in_cudnn(x, weight, bias, running, batch_statistics)
    cuda = x.machine.cuda
    x.tick("empty")  # cuDNN's reserve, which is nothing here
    in_order = not x.contiguous and is_channels_last(x.shape, x.strides)
    on_cpu = channels_last(x.shape) if in_order else suggested(x.shape, x.shape, x.strides)
    made = x.like(strides=dense(x.shape, x.strides) if cuda else on_cpu)
    channels = (x.shape[1],)
    width = next((held.width for held in (weight, *running) if held is not None), x.width)
    of_statistics = _of_statistics(x, width)
    statistics = [x.machine.tensor(channels, of_statistics) for _ in range(2)] if batch_statistics or cuda else []
    x.tick("native_batch_norm")
    whole, strides = x.shape, made.strides
    both = cuda and weight is not None and _by_channels_last_kernels(x)  # factor and shift, wanted or not

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        found: Gradients = [
            gradient.like(whole, strides) if node.wants(0) else None,
            *[gradient.machine.tensor(channels, width) if both or node.wants(place) else None for place in (1, 2)],
        ]
        gradient.tick("native_batch_norm_backward")
        return [own if node.wants(place) else None for place, own in enumerate(found)]

    record((made,), "NativeBatchNormBackward0", (x, weight, bias), formula, (x, weight, *running), statistics)
    return made


def _by_channels_last_kernels(x: Tensor) -> bool:
    """Which torch takes on CUDA (batch_norm_use_channels_last_kernels in aten's Normalization.cu)."""
    return is_channels_last(x.shape, x.strides) or (x.contiguous and x.strides[1] == 1)


def _of_statistics(x: Tensor, width: int) -> int:
    """Bytes of a mean or deviation: those of the parameters, on CUDA of the format that sums are taken in."""
    return max(width, FULL) if x.machine.cuda else width


def _in_cudnn(x: Tensor, weight: Tensor | None, running: Sequence[Tensor], batch_statistics: bool) -> bool:
    """Whether torch on CUDA leaves a batch norm to cuDNN (_select_batch_norm_backend in aten's Normalization.cpp)."""
    spatial = x.machine.cuda and len(x.shape) >= 3
    return spatial and x.width >= FULL and weight is not None and (len(running) > 0 or batch_statistics)


def _batch_norm_in_cudnn(
    x: Tensor, weight: Tensor, bias: Tensor, running: Sequence[Tensor], batch_statistics: bool
) -> Tensor:
    """Reads the input in the format that it suggests, a copy of it otherwise; backward makes all three gradients."""
    x = _in_suggested_format(x)
    last = _suggesting(x)
    made = _in_format(x, x.shape, last)
    channels, width, whole = weight.shape, weight.width, x.shape
    statistics = [x.machine.tensor(channels, width) for _ in range(2)] if batch_statistics else []
    x.tick("cudnn_batch_norm")

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        if batch_statistics and not _lies(gradient, last):
            gradient = _in_format(gradient, whole, last)
            gradient.tick("clone")
        wanted = [batch_statistics or node.wants(place) for place in range(3)]
        found: Gradients = [
            _in_format(gradient, whole, last) if wanted[0] else None,
            *[gradient.machine.tensor(channels, width) if wanted[place] else None for place in (1, 2)],
        ]
        gradient.tick("cudnn_batch_norm_backward" if batch_statistics else "native_batch_norm_backward")
        return [own if node.wants(place) else None for place, own in enumerate(found)]

    record((made,), "CudnnBatchNormBackward0", (x, weight, bias), formula, (x, weight, *running), statistics)
    return made


def _in_suggested_format(x: Tensor) -> Tensor:
    """The tensor itself where it lies contiguous or channels last as it suggests, else a copy that does."""
    last = _suggesting(x)
    return x if _lies(x, last) else clone(x, channels_last(x.shape) if last else None)


def group_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, groups: int) -> Tensor:
    """Keeps its input, made contiguous, and a mean and inverse deviation for each group of each image."""
    full = raised(x, "group_norm")  # which autocast holds until the norm is done
    read = contiguous_of(full) if x.machine.cuda or not _suggesting(full) else full
    statistics = (x.shape[0], groups)
    strides = suggested(read.shape, read.shape, read.strides)
    return _normalised(read, weight, bias, "native_group_norm", statistics, (read, weight), strides)


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, dims: int) -> Tensor:
    """Over the last `dims` dimensions; keeps its input, weight and bias, a mean and inverse deviation for each rest."""
    x = raised(x, "layer_norm")
    statistics = (*x.shape[: len(x.shape) - dims], *[1] * dims)
    return _normalised(x, weight, bias, "native_layer_norm", statistics, (x, weight, bias), contiguous(x.shape))


def _normalised(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    operator: str,
    statistics: Sizes,
    saves: Sequence[Tensor | None],
    strides: Sizes,
) -> Tensor:
    made = x.like(strides=strides)
    width = x.width if weight is None else weight.width
    of_statistics = _of_statistics(x, width) if operator == "native_layer_norm" else width
    mean, deviation = x.machine.tensor(statistics, of_statistics), x.machine.tensor(statistics, of_statistics)
    x.tick(operator)
    whole, last = x.shape, _suggesting(x)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        if operator == "native_group_norm" and not _lies(gradient, last):  # as the input does
            gradient = gradient.like(strides=strides)
            gradient.tick("clone")
        found: Gradients = [gradient.like(whole, strides) if node.wants(0) else None]
        for position in (1, 2):
            wanted = gradient.machine.tensor(node.inputs[position][0], width) if node.wants(position) else None
            found.append(wanted)
        gradient.tick(f"{operator}_backward")
        return found

    record((made,), operator, (x, weight, bias), formula, saves, (mean, deviation))
    return made


def instance_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, running: tuple[Tensor, Tensor] | None, batch_statistics: bool
) -> Tensor:
    """A batch norm of every image's channels as channels of their own, its parameters repeated for each image.

    Running statistics are taken in the number format of the weight, or without one in the input's.
    """
    batch, channels, *sizes = x.shape
    weights = repeat_rows(weight, batch) if weight is not None else None
    biases = repeat_rows(bias, batch) if bias is not None else None
    width = (x if weight is None else weight).width
    means = [repeat_rows(_of_width(statistic, width), batch) for statistic in running or ()]
    seen = view(contiguous_of(x), (1, batch * channels, *sizes))
    made = batch_norm(seen, weights, biases, means, batch_statistics)
    if running is not None and batch_statistics:
        for statistic in running:
            statistic.tick("alias")
            statistic.tick("view")
            mean = statistic.machine.tensor(statistic.shape, width)
            statistic.tick("mean")
            found = _of_width(mean, statistic.width)
            statistic.tick("copy_")
            del mean, found
    return view(made, (batch, channels, *sizes))


def _of_width(x: Tensor, width: int) -> Tensor:
    return x if x.width == width else to_copy(x, width)


# Element by element along one dimension -------------------------------------------------------------------------------


def softmax(x: Tensor, operator: str = "_softmax") -> Tensor:
    """Over one dimension; keeps its result."""
    made = x.like()
    x.tick(operator)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        found = only(gradients).like()
        found.tick(f"{operator}_backward_data")
        return [found]

    record((made,), operator, (x,), formula, results=(made,))
    return made


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """The slopes are seen in the input's rank; both gradients are of the input's size, before the slopes' is summed."""
    return _prelu(*lowered(x, weight)[:2])


def _prelu(x: Tensor, weight: Tensor) -> Tensor:
    rank = len(x.shape)
    slopes = view(weight, (1, weight.shape[0], *[1] * (rank - 2)))
    made = result("_prelu_kernel", x, slopes)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        kept, slopes = node.saved
        shape = gradient.shape
        operands = [(tensor.shape, tensor.strides) for tensor in (kept, slopes, gradient)]
        strides = elementwise(shape, *operands)
        found = [gradient.like(shape, strides), gradient.like(shape, strides)]
        gradient.tick("_prelu_kernel_backward")
        return [tensor if node.wants(position) else None for position, tensor in enumerate(found)]

    record((made,), "PreluKernelBackward0", (x, slopes), formula, (x, slopes))
    return made


# Pooling --------------------------------------------------------------------------------------------------------------


def max_pool(x: Tensor, shape: Sizes, operator: str) -> tuple[Tensor, Tensor]:
    """The largest values and their int64 indices, which are kept, as the input is; in prediction they go at once."""
    if operator.startswith("adaptive"):
        return autocast.run(operator, lambda x: _max_pool(x, shape, operator), x)
    return _max_pool(raised(x, operator), shape, operator)


def _max_pool(x: Tensor, shape: Sizes, operator: str) -> tuple[Tensor, Tensor]:
    made = _pooled_into(x, shape, operator)
    indices = x.machine.tensor(shape, 8)
    x.tick(operator)
    return _pooled(x, made, operator, (indices,)), indices


def avg_pool(x: Tensor, shape: Sizes, operator: str) -> Tensor:
    """Keeps its input, of which it needs the sizes only."""
    machine = x.machine
    if operator == "avg_pool3d" and x.width < FULL and not machine.lower and not machine.cuda:
        reason = f"`{machine.layer}` averages in 3-D, which torch cannot do in half precision on CPU"
        raise Refused(machine.layer, "not-in-half-precision", reason, "use float32, or --amp bfloat16")
    return autocast.run(operator, lambda x: _avg_pool(x, shape, operator), x)


def _avg_pool(x: Tensor, shape: Sizes, operator: str) -> Tensor:
    made = _pooled_into(x, shape, operator)
    x.tick(operator)
    return _pooled(x, made, operator)


def _pooled_into(x: Tensor, shape: Sizes, operator: str) -> Tensor:
    """A result that lies as the input suggests."""
    return _in_format(x, shape, _suggesting(x) and _takes_channels_last(operator))


def _takes_channels_last(operator: str) -> bool:
    """In 3-D only `max_pool3d` does."""
    return "pool3d" not in operator or operator == "max_pool3d_with_indices"


def _pooled(x: Tensor, made: Tensor, operator: str, results: Sequence[Tensor] = ()) -> Tensor:
    whole = x.shape
    strides = suggested(whole, whole, x.strides) if _takes_channels_last(operator) else contiguous(whole)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        found = only(gradients).like(whole, strides)
        found.tick(f"{operator}_backward")
        return [found]

    record((made,), operator, (x,), formula, (x,), results)
    return made


# Reductions -----------------------------------------------------------------------------------------------------------


def _reduced(x: Tensor, dims: Sequence[int], keep: bool) -> Sizes:
    sizes = [1 if dim in dims else size for dim, size in enumerate(x.shape)]
    return tuple([size for dim, size in enumerate(sizes) if keep or dim not in dims])


def mean(x: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    """Keeps nothing; the gradient is repeated over the dimensions and divided."""
    made = x.like(_reduced(x, dims, keep))
    x.tick("mean")
    whole = x.shape

    def formula(node: Node, gradients: Gradients) -> Gradients:
        spread = expand(_restored(only(gradients), dims, keep), whole)
        return [result("div", spread)]

    record((made,), "MeanBackward1", (x,), formula)
    return made


def mean_in_format(x: Tensor, dims: Sequence[int]) -> Tensor:
    """The mean that adaptive pooling to one place takes: where the input lies channels last, its strides are set so."""
    made = mean(x, dims, True)
    if not _suggesting(x):
        return made
    made.tick("as_strided_")
    made.strides = channels_last(made.shape)
    record((made,), "AsStridedBackward1", (made,), as_strided_back(made.shape, made.shape))
    return made


def total(x: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    """The sum; its gradient is the gradient repeated, which takes no memory."""
    width = x.width
    made = x.machine.tensor(_reduced(x, dims, keep), autocast.summed_width(x, "sum"))
    x.tick("sum")
    whole = x.shape

    def formula(node: Node, gradients: Gradients) -> Gradients:
        return [_of_width(expand(_restored(only(gradients), dims, keep), whole), width)]

    record((made,), "SumBackward1", (x,), formula)
    return made


def _restored(gradient: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    """A gradient with the reduced dimensions back, of size 1."""
    for dim in [] if keep else sorted(dims):
        gradient = unsqueeze(gradient, dim)
    return gradient


def amax(x: Tensor, dims: Sequence[int], keep: bool, operator: str = "amax") -> Tensor:
    """Keeps its input and its result; the gradient is shared between the places that hold the largest value."""
    made = x.like(_reduced(x, dims, keep))
    x.tick(operator)
    with_ones = _reduced(x, dims, True)
    whole, strides = x.shape, x.strides

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        if not keep:
            gradient.tick("view")
        mask = gradient.machine.tensor(whole, 1, elementwise(whole, (whole, strides)))
        gradient.tick("eq")
        if not keep:
            gradient = reshape(gradient, with_ones)
        count = gradient.machine.tensor(with_ones, 8)
        gradient.tick("sum")
        each = result("div", gradient)
        found = result("mul", each, mask)
        del count, mask
        return [found]

    record((made,), operator, (x,), formula, (x,), (made,))
    return made


amin = partial(amax, operator="amin")


def vector_norm(x: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    """The square root of the sum of squares; keeps its input and its result. Autograd sees both in full rank."""
    width = x.width
    made = x.machine.tensor(_reduced(x, dims, keep), autocast.summed_width(x, "linalg_vector_norm"))
    x.tick("linalg_vector_norm")

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = _restored(only(gradients), dims, keep)
        kept, norm = node.saved[0], _restored(node.saved[1], dims, keep)
        unit = result("div", kept, norm)
        zero = gradient.machine.tensor(norm.shape, 1)
        gradient.tick("eq")
        gradient.tick("masked_fill_")
        found = result("mul", unit, gradient)
        del zero, unit
        return [_of_width(found, width)]

    record((made,), "LinalgVectorNormBackward0", (x,), formula, (x,), (made,))
    return made


# Indexing and resizing ------------------------------------------------------------------------------------------------


def gathered_channels(x: Tensor, channels: int) -> Tensor:
    """Channels by a list of indices, which becomes an int64 tensor and is kept."""
    indices = x.machine.tensor((channels,), 8)
    x.tick("empty")
    x.tick("lift_fresh")
    shape = (x.shape[0], channels, *x.shape[2:])
    made = x.like(shape)
    x.tick("index")
    whole = x.shape

    def formula(node: Node, gradients: Gradients) -> Gradients:
        found = only(gradients).like(whole)
        found.tick("new_zeros")
        found.tick("_index_put_impl_")
        return [found]

    record((made,), "IndexBackward0", (x,), formula, (indices,))
    return made


def upsample(x: Tensor, shape: Sizes, operator: str) -> Tensor:
    """Keeps nothing."""
    return autocast.run(operator, lambda x: _upsample(x, shape, operator), x)


def _upsample(x: Tensor, shape: Sizes, operator: str) -> Tensor:
    made = _in_format(x, shape, _suggesting(x))
    x.tick(operator)
    whole = x.shape

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        found = _in_format(gradient, whole, _suggesting(gradient))
        gradient.tick(f"{operator}_backward")
        return [found]

    record((made,), operator, (x,), formula)
    return made


def pad(x: Tensor, sides: Sequence[tuple[int, int]], mode: str = "constant") -> Tensor:
    """Values around the spatial dimensions; `circular` writes the input and its borders into a new tensor."""
    sizes = [size + before + after for size, (before, after) in zip(x.shape[2:], sides, strict=True)]
    shape = (*x.shape[:2], *sizes)
    if mode == "circular":
        return _circular(x, shape, sides)
    rank = len(sides)
    if mode == "constant":
        return _padded(x, shape, "constant_pad_nd", ())
    operator = f"reflection_pad{rank}d" if mode == "reflect" else f"replication_pad{rank}d"
    return autocast.run(operator, lambda x: _padded(x, shape, operator, (x,)), x)


def _padded(x: Tensor, shape: Sizes, operator: str, saves: Sequence[Tensor]) -> Tensor:
    """A new tensor around the input; constants keep nothing, borders that repeat the input keep it.

    No constants at all are a copy, and so is their gradient, from which they are cut off.
    """
    whole, strides = x.shape, x.strides
    constant = not saves
    copied = constant and shape == whole
    padded = x.like(shape, dense(shape, strides) if copied else suggested(shape, whole, strides))
    x.tick(operator)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        inner = gradient.like(whole, dense(whole, gradient.strides) if constant else suggested(whole, whole, strides))
        inner.tick(operator if constant else f"{operator}_backward")
        return [inner]

    record((padded,), "PadBackward0", (x,), formula, saves)
    return padded


def _circular(x: Tensor, shape: Sizes, sides: Sequence[tuple[int, int]]) -> Tensor:
    padded = x.like(shape)
    x.tick("new_empty")
    inner, source = padded, x
    for dim in range(2, len(shape)):
        inner = part(inner, dim, x.shape[dim])
    for dim in range(2, len(shape)):
        source = part(source, dim, x.shape[dim])
    copy_into(inner, source)
    for dim in range(len(shape) - 1, 1, -1):
        for size in sides[dim - 2]:
            if size > 0:
                into, read = part(padded, dim, size), part(padded, dim, size)
                copy_into(into, read)
    return padded


# Losses ---------------------------------------------------------------------------------------------------------------


def negative_log_likelihood(x: Tensor, target: Tensor, operator: str) -> Tensor:
    """The mean over all places; keeps its input, the target and the weights' total, one number."""
    x = raised(x, "nll_loss")
    loss, weight = x.like(()), x.like(())
    x.tick(f"{operator}_forward")
    whole = x.shape

    def formula(node: Node, gradients: Gradients) -> Gradients:
        found = only(gradients).like(whole)
        found.tick(f"{operator}_backward")
        return [found]

    record((loss,), operator, (x,), formula, (x, target), (weight,))
    return loss
