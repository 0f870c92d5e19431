"""Operators that work element by element: what each allocates, what it keeps for its gradient, what that allocates.

A gradient's formula is written as torch's (tools/autograd/derivatives.yaml), step by step, since every step is an
operator whose result lives until the formula is done. Operators in place write over their input; a formula that needs
the input then keeps a copy of it (gen_variable_type.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from cnncalc.eager.autograd import COPY_SLICES, Formula, Gradients, Node, record
from cnncalc.eager.machine import PYTHON_SCALAR, Sizes, Tensor
from cnncalc.eager.strides import elementwise, is_dense
from cnncalc.eager.views import as_strided_back, only, view


def result(operator: str, *operands: Tensor) -> Tensor:
    """What an element-by-element operator returns, its operands repeated to a common shape."""
    first = operands[0]
    if len(operands) == 1:
        made = first.like(first.shape, elementwise(first.shape, (first.shape, first.strides)))
    else:
        shape = repeated([operand.shape for operand in operands])
        strides = elementwise(shape, *[(operand.shape, operand.strides) for operand in operands])
        width = max([operand.width for operand in operands if operand.shape] or [first.width])
        made = first.machine.tensor(shape, width, strides)
    made.tick(operator)
    return made


def repeated(shapes: Sequence[Sizes]) -> Sizes:
    """The common shape, dimensions of size 1 and leading ones repeated."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple([max(sizes) for sizes in zip(*padded, strict=True)])


# One operand ----------------------------------------------------------------------------------------------------------


def unary(x: Tensor, operator: str, backward: str, saves: str = "input") -> Tensor:
    """`saves` is what the gradient is computed from: the operator's input or its result."""
    made = result(operator, x)
    if saves == "input":
        record((made,), operator, (x,), _of_one(backward, x.strides), (x,))
    else:
        record((made,), operator, (x,), _of_one(backward, made.strides), results=(made,))
    return made


def unary_(x: Tensor, operator: str, backward: str, saves: str = "result") -> Tensor:
    """In place; a formula that needs the input keeps a copy, made before it is written over."""
    if saves == "input" and x.edge is not None:
        copy = x if x.machine.promising else _copy(x)
        x.tick(operator)
        written_over(x, operator, (), _of_one(backward, copy.strides), (copy,))
    else:
        x.tick(operator)
        written_over(x, operator, (), _of_one(backward, x.strides), results=(x,))
    return x


def _copy(x: Tensor) -> Tensor:
    return x.like(strides=x.strides if is_dense(x.shape, x.strides) else elementwise(x.shape, (x.shape, x.strides)))


# Gradients' kernels that lay their result out as what was kept rather than as the gradient, where the two differ.
AS_KEPT = ("threshold_backward", "leaky_relu_backward")


def _of_one(backward: str, strides: Sizes) -> Formula:
    """One new gradient, from the gradient and what is kept."""

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        shape = gradient.shape
        operands = [(shape, gradient.strides), (shape, strides)]
        made = gradient.like(shape, elementwise(shape, *(operands[::-1] if backward in AS_KEPT else operands)))
        made.tick(backward)
        return [made]

    return formula


def neg(x: Tensor) -> Tensor:
    made = result("neg", x)
    record((made,), "NegBackward0", (x,), lambda node, g: [neg(only(g))])
    return made


def absolute(x: Tensor) -> Tensor:
    made = result("abs", x)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        sign_of = result("sgn", node.saved[0])
        return [result("mul", only(gradients), sign_of)]

    record((made,), "AbsBackward0", (x,), formula, (x,))
    return made


def sign(x: Tensor) -> Tensor:
    """Its gradient is zero everywhere, which takes a tensor of zeros."""
    made = result("sign", x)
    record((made,), "SignBackward0", (x,), lambda node, g: [result("zeros_like", only(g))])
    return made


def power(x: Tensor) -> Tensor:
    """x to a constant exponent; gradient · (exponent · x^(exponent - 1))."""
    made = result("pow", x)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        lower = result("pow", node.saved[0])
        scaled = result("mul", lower)
        return [result("mul", only(gradients), scaled)]

    record((made,), "PowBackward0", (x,), formula, (x,))
    return made


def clamp_min(x: Tensor) -> Tensor:
    made = result("clamp_min", x)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        zero = gradient.like(())
        gradient.tick("scalar_tensor")
        mask = _mask("ge", node.saved[0])
        made = result("where", gradient, mask)
        del zero
        return [made]

    record((made,), "ClampMinBackward0", (x,), formula, (x,))
    return made


def _mask(operator: str, x: Tensor) -> Tensor:
    """A comparison's result, one byte an element."""
    mask = x.machine.tensor(x.shape, 1, elementwise(x.shape, (x.shape, x.strides)))
    mask.tick(operator)
    return mask


# Two operands ---------------------------------------------------------------------------------------------------------


def add(a: Tensor, b: Tensor) -> Tensor:
    """Both operands get the gradient itself."""
    made = result("add", a, b)
    record((made,), "AddBackward0", (a, b), _to_both)
    return made


def add_(a: Tensor, b: Tensor) -> Tensor:
    """a += b: keeps nothing, and makes nothing."""
    a.tick("add_")
    written_over(a, "AddBackward0", (b,), _to_both)
    return a


def _to_both(node: Node, gradients: Gradients) -> Gradients:
    gradient = only(gradients)
    return [gradient if node.wants(0) else None, gradient if node.wants(1) else None]


def subtract(a: Tensor, b: Tensor) -> Tensor:
    made = result("sub", a, b)

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        return [gradient if node.wants(0) else None, result("neg", gradient) if node.wants(1) else None]

    record((made,), "SubBackward0", (a, b), formula)
    return made


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Each operand is kept only where the other's gradient is wanted."""
    made = result("mul", a, b)
    record((made,), "MulBackward0", (a, b), _of_product, _factors(a, b))
    return made


def _factors(a: Tensor, b: Tensor) -> list[Tensor]:
    """What a product keeps: b for a's gradient, a for b's."""
    kept = [] if a.edge is None else [b]
    return kept if b.edge is None else [*kept, a]


def _of_product(node: Node, gradients: Gradients) -> Gradients:
    kept = iter(node.saved)
    return [result("mul", only(gradients), next(kept)) if node.wants(position) else None for position in (0, 1)]


def divide(a: Tensor, b: Tensor) -> Tensor:
    """The divisor is kept in any case, the dividend where the divisor's gradient is wanted."""
    made = result("div", a, b)
    record((made,), "DivBackward0", (a, b), _of_quotient, (b, a if b.edge is not None else None))
    return made


def _of_quotient(node: Node, gradients: Gradients) -> Gradients:
    gradient, divisor = only(gradients), node.saved[0]
    by_divisor = None
    if node.wants(1):
        once = result("div", node.saved[1], divisor)
        twice = result("div", once, divisor)
        negative = result("neg", gradient)
        by_divisor = result("mul", negative, twice)
        del once, twice, negative
    return [result("div", gradient, divisor) if node.wants(0) else None, by_divisor]


# An operand that is a Python number -----------------------------------------------------------------------------------


def multiply_by_number(x: Tensor) -> Tensor:
    """The number becomes a tensor (on CPU memory), which is kept for the gradient."""
    number = _number(x)
    made = result("mul", x, number)
    record((made,), "MulBackward0", (x, None), _of_product, (number,))
    return made


def divide_by_number(x: Tensor) -> Tensor:
    number = _number(x)
    made = result("div", x, number)
    record((made,), "DivBackward0", (x, None), _of_quotient, (number,))
    return made


def add_number(x: Tensor) -> Tensor:
    made = result("add", x, _number(x))
    record((made,), "AddBackward0", (x, None), _to_both)
    return made


def _number(x: Tensor) -> Tensor:
    return x.machine.tensor((), 0 if x.machine.cuda else PYTHON_SCALAR, role="number")


# In place -------------------------------------------------------------------------------------------------------------


def written_over(
    x: Tensor,
    name: str,
    others: Sequence[Tensor | None],
    formula: Formula,
    saves: Sequence[Tensor] = (),
    results: Sequence[Tensor] = (),
) -> None:
    """Record an operator of `x` and `others` that wrote its result over `x`.

    Where `x` is a view, its base gets the new history (CopySlices), and the view is seen anew in it (AsStrided).
    """
    x.storage.version += 1
    base = x.base
    if base is None:
        record((x,), name, (x, *others), formula, saves, results)
        return
    whole, seen, strides = base.shape, x.shape, base.strides

    def copy_slices(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        around = gradient.like(whole, strides if is_dense(whole, strides) else None)
        for operator in ("new_empty_strided", "copy_", "as_strided"):
            gradient.tick(operator)
        slice = gradient.like(seen)
        gradient.tick("clone")
        node.fetch()
        inner = formula(node, [slice])
        del slice
        if node.promised is not None:
            node.drop()
        if node.wants(0):
            gradient.tick("copy_")
        return [around, *inner[1:]]

    if record((base,), COPY_SLICES, (base, *others), copy_slices, saves, results) is not None:
        record((x,), "AsStridedBackward0", (base,), as_strided_back(seen, whole))


def copy_into(x: Tensor, source: Tensor) -> Tensor:
    """x.copy_(source): what x was before counts no longer, so its gradient is zero."""
    x.tick("copy_")

    def formula(node: Node, gradients: Gradients) -> Gradients:
        gradient = only(gradients)
        zeros = result("zeros_like", gradient) if node.wants(0) else None
        return [zeros, gradient]

    written_over(x, "CopyBackwards", (source,), formula)
    return x


# Noise ----------------------------------------------------------------------------------------------------------------


def dropout(x: Tensor, in_place: bool = False) -> Tensor:
    """A tensor of scaled noise, kept, times the input; on CUDA one byte an element where not in place."""
    if x.machine.cuda and not in_place:
        return _fused_dropout(x)
    noise = result("empty_like", x)
    x.tick("bernoulli_")
    x.tick("div_")
    if not in_place:
        return multiply(x, noise)
    x.tick("mul_")
    written_over(x, "MulBackward0", (None,), _of_product, (noise,))
    return x


def _fused_dropout(x: Tensor) -> Tensor:
    made = x.like(x.shape, elementwise(x.shape, (x.shape, x.strides)))
    mask = x.machine.tensor(x.shape, 1, made.strides)
    x.tick("native_dropout")
    record((made,), "NativeDropoutBackward0", (x,), _of_one("native_dropout_backward", made.strides), results=(mask,))
    return made


def drop_path(x: Tensor, p: float) -> Tensor:
    """One number an image, zero or scaled up, times the input."""
    kept = x.like((x.shape[0], *[1] * (len(x.shape) - 1)))
    x.tick("new_empty")
    x.tick("bernoulli_")
    return multiply(x, result("div", kept, _number(kept)) if p < 1 else kept)


def bias_added(x: Tensor, bias: Tensor, rank: int) -> Tensor:
    """x + bias, one number a channel, over `rank` spatial dimensions."""
    return add(x, view(bias, (bias.shape[0], *[1] * rank)))
