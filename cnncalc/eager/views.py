"""Operators that compute nothing: views of a tensor's memory, and the copies that are made where a view cannot be.

A view takes no bytes and saves nothing; its gradient is the gradient seen the other way round, or zeros of the whole
with the part written in. Dimensions count from 0, the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnncalc.eager.autograd import Formula, Gradients, Node, record, summed_to
from cnncalc.eager.machine import Sizes, Tensor
from cnncalc.eager.strides import contiguous, suggested, viewed


def _seen(x: Tensor, operator: str, node: str, shape: Sizes, strides: Sizes, formula: Formula) -> Tensor:
    """A view: an operator that only looks."""
    seen = x.view(shape, strides)
    x.tick(operator)
    record((seen,), node, (x,), formula)
    return seen


# The same elements in another shape -----------------------------------------------------------------------------------


def view(x: Tensor, shape: Sizes, operator: str = "view") -> Tensor:
    """The elements in their order in memory, in another shape; fails where strides do not allow it."""
    strides = viewed(x.shape, x.strides, shape)
    assert strides is not None, (x.shape, x.strides, shape)
    whole = x.shape
    return _seen(x, operator, "ViewBackward0", shape, strides, lambda node, g: [reshape(only(g), whole)])


def reshape(x: Tensor, shape: Sizes) -> Tensor:
    """A view where strides allow it, else a contiguous copy in that shape."""
    if x.strides == contiguous(x.shape) or x.contiguous:
        return view(x, shape)
    if viewed(x.shape, x.strides, shape) is not None:
        return view(x, shape, "_reshape_alias")
    return unsafe_view(clone(x), shape)


def unsafe_view(x: Tensor, shape: Sizes) -> Tensor:
    """The only view of a tensor that is about to be dropped: not a view as far as autograd knows."""
    seen = Tensor(x.storage, shape, x.width, contiguous(shape))
    x.tick("_unsafe_view")
    whole = x.shape
    record((seen,), "UnsafeViewBackward0", (x,), lambda node, g: [reshape(only(g), whole)])
    return seen


def clone(x: Tensor, strides: Sizes | None = None) -> Tensor:
    """A copy, contiguous where no strides are given."""
    copy = x.like(strides=strides)
    x.tick("clone")
    record((copy,), "CloneBackward0", (x,), lambda node, g: [only(g)])
    return copy


def to_copy(x: Tensor, width: int, inside: bool = False) -> Tensor:
    """A copy in another number format; one that an operator makes inside itself is no operator of its own."""
    copy = x.cast(width)
    if not inside:
        x.tick("_to_copy")
    own = x.width

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        back = gradient.cast(own)
        gradient.tick("_to_copy")
        return [back]

    record((copy,), "ToCopyBackward0", (x,), formula)
    return copy


def contiguous_of(x: Tensor) -> Tensor:
    """The tensor itself where its elements lie in order, else a copy."""
    return x if x.contiguous else clone(x)


def flatten(x: Tensor, first: int, last: int = -1) -> Tensor:
    """Dimensions `first` to `last` as one."""
    last %= len(x.shape)
    if first == last:
        return x
    size = 1
    for dim in range(first, last + 1):
        size *= x.shape[dim]
    return reshape(x, (*x.shape[:first], size, *x.shape[last + 1 :]))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    dim %= len(x.shape) + 1
    step = x.shape[dim] * x.strides[dim] if dim < len(x.shape) else 1
    shape, strides = (*x.shape[:dim], 1, *x.shape[dim:]), (*x.strides[:dim], step, *x.strides[dim:])
    return _seen(x, "unsqueeze", "UnsqueezeBackward0", shape, strides, lambda node, g: [squeeze(only(g), dim)])


def squeeze(x: Tensor, dim: int) -> Tensor:
    dim %= len(x.shape)
    if x.shape[dim] != 1:
        shape, strides = x.shape, x.strides
    else:
        shape, strides = (*x.shape[:dim], *x.shape[dim + 1 :]), (*x.strides[:dim], *x.strides[dim + 1 :])
    return _seen(x, "squeeze", "SqueezeBackward1", shape, strides, lambda node, g: [unsqueeze(only(g), dim)])


# Dimensions in another order ------------------------------------------------------------------------------------------


def permute(x: Tensor, dims: Sequence[int]) -> Tensor:
    back = [list(dims).index(dim) for dim in range(len(dims))]
    shape, strides = tuple([x.shape[dim] for dim in dims]), tuple([x.strides[dim] for dim in dims])
    return _seen(x, "permute", "PermuteBackward0", shape, strides, lambda node, g: [permute(only(g), back)])


def movedim(x: Tensor, source: int, destination: int) -> Tensor:
    order = [dim for dim in range(len(x.shape)) if dim != source % len(x.shape)]
    order.insert(destination % len(x.shape), source % len(x.shape))
    return permute(x, order)


def transpose(x: Tensor, a: int, b: int) -> Tensor:
    shape, strides = list(x.shape), list(x.strides)
    shape[a], shape[b] = shape[b], shape[a]
    strides[a], strides[b] = strides[b], strides[a]
    formula: Formula = lambda node, g: [transpose(only(g), a, b)]  # noqa: E731
    return _seen(x, "transpose", "TransposeBackward0", tuple(shape), tuple(strides), formula)


def t(x: Tensor) -> Tensor:
    """A matrix transposed."""
    return _seen(x, "t", "TBackward0", x.shape[::-1], x.strides[::-1], lambda node, g: [t(only(g))])


# Parts and repeats ----------------------------------------------------------------------------------------------------


def part(x: Tensor, dim: int, size: int, step: int = 1) -> Tensor:
    """`size` elements along a dimension, every `step`-th (torch's slice and narrow)."""
    shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :])
    return _seen(x, "slice", "SliceBackward0", shape, strides, _zeros_around(x, "slice_backward"))


def select(x: Tensor, dim: int) -> Tensor:
    """One element along a dimension, which goes."""
    shape, strides = (*x.shape[:dim], *x.shape[dim + 1 :]), (*x.strides[:dim], *x.strides[dim + 1 :])
    return _seen(x, "select", "SelectBackward0", shape, strides, _zeros_around(x, "select_backward"))


def alias(x: Tensor) -> Tensor:
    """All of it: what indexing gives that leaves nothing out."""
    return _seen(x, "alias", "AliasBackward0", x.shape, x.strides, lambda node, g: [only(g)])


def unfold(x: Tensor, dim: int, size: int, step: int) -> Tensor:
    """Windows of a dimension, as a last dimension of their own."""
    count = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], count, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return _seen(x, "unfold", "UnfoldBackward0", shape, strides, _zeros_around(x, "unfold_backward"))


def _zeros_around(x: Tensor, operator: str) -> Formula:
    whole = x.shape

    def formula(node: Node, gradients: Gradients) -> Gradients:
        zeros = only(gradients).like(whole)
        zeros.tick(operator)
        return [zeros]

    return formula


def as_strided_back(seen: Sizes, whole: Sizes) -> Formula:
    """The gradient of `whole` from that of a view of it that was made by strides: written into zeros."""

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        for size in seen:
            if size == 1:
                gradient.tick("squeeze")
        zeros = gradient.like(whole)
        for operator in ("new_zeros", "as_strided", "copy_", "as_strided"):
            gradient.tick(operator)
        return [zeros]

    return formula


def expand(x: Tensor, shape: Sizes) -> Tensor:
    """Dimensions of size 1 repeated, which takes no memory: their stride is 0."""
    lead = len(shape) - len(x.shape)
    steps = zip(x.shape, shape[lead:], x.strides, strict=True)
    strides = (*[0] * lead, *[0 if own == 1 and size != 1 else stride for own, size, stride in steps])
    own = x.shape
    return _seen(x, "expand", "ExpandBackward0", shape, strides, lambda node, g: [summed_to(only(g), own)])


def split(x: Tensor, sizes: Sequence[int], dim: int) -> list[Tensor]:
    """Consecutive parts along a dimension; the gradient puts them together, zeros where there is none."""
    parts = []
    for size in sizes:
        parts.append(x.view((*x.shape[:dim], size, *x.shape[dim + 1 :]), x.strides))
    x.tick("split_with_sizes")
    shapes, whole = [seen.shape for seen in parts], x.shape

    def formula(node: Node, gradients: Gradients) -> Gradients:
        some = next(gradient for gradient in gradients if gradient is not None)
        zeros = []
        for gradient, shape in zip(gradients, shapes, strict=True):
            if gradient is None:
                zeros.append(some.like(shape))
                some.tick("zeros")
        joined = some.like(whole)
        some.tick("cat")
        return [joined]

    record(parts, "SplitWithSizesBackward0", (x,), formula)
    return parts


def cat(tensors: Sequence[Tensor], dim: int) -> Tensor:
    """Tensors one after the other along a dimension; their gradients are slices of the whole one."""
    made = _cat(_promoted(tensors), dim)
    if made.machine.lower:
        made.machine.settle()
    return made


def _promoted(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Under autocast, tensors in the widest number format among them."""
    width = max([x.width for x in tensors])
    return [x if x.width == width else to_copy(x, width, inside=True) for x in tensors]


def _cat(tensors: Sequence[Tensor], dim: int) -> Tensor:
    first = tensors[0]
    shape = (*first.shape[:dim], sum(x.shape[dim] for x in tensors), *first.shape[dim + 1 :])
    formats = {suggested(shape, x.shape, x.strides) for x in tensors}
    joined = first.like(shape, formats.pop() if len(formats) == 1 else None)
    first.tick("cat")
    shapes = [x.shape for x in tensors]

    def formula(node: Node, gradients: Gradients) -> Gradients:
        whole = only(gradients)
        slices: Gradients = []
        for own in shapes:
            whole.tick("slice")
            slices.append(whole.view(own, whole.strides))
        return slices

    record((joined,), "CatBackward0", tensors, formula)
    return joined


def stack(tensors: Sequence[Tensor], dim: int) -> Tensor:
    """Tensors beside one another along a new dimension."""
    first = tensors[0]
    joined = first.like((*first.shape[:dim], len(tensors), *first.shape[dim:]))
    first.tick("stack")
    record((joined,), "StackBackward0", tensors, lambda node, g: [select(only(g), dim) for _ in node.edges])
    return joined


def repeat_rows(x: Tensor, times: int) -> Tensor:
    """A vector `times` over (Tensor.repeat)."""
    (size,) = x.shape
    rows = x.like((times * size,))
    x.tick("repeat")

    def formula(node: Node, gradients: Gradients) -> Gradients:
        if times == 1:
            return [only(gradients)]
        whole = view(only(gradients), (times, size))
        total = whole.like((size,))
        total.tick("sum")
        return [total]

    record((rows,), "RepeatBackward0", (x,), formula)
    return rows


def only(gradients: Gradients) -> Tensor:
    """The gradient of a node's single output."""
    (gradient,) = gradients
    assert gradient is not None
    return gradient
