"""Operators that work element by element: what each allocates, what it keeps for its gradient, what that allocates.

A gradient's formula is written as torch's (tools/autograd/derivatives.yaml), step by step, since every step is an
operator whose result lives until the formula is done. Operators in place write over their input; a formula that needs
the input then keeps a copy of it (gen_variable_type.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cnncalc.eager import autocast
from cnncalc.eager.autograd import COPY_SLICES, Formula, Gradients, Node, record
from cnncalc.eager.machine import PYTHON_SCALAR, Sizes, Tensor
from cnncalc.eager.strides import dense, elementwise, is_dense
from cnncalc.eager.views import as_strided_back, only, view

MASK = 1  # bytes of an element of a comparison's result


def result(operator: str, *operands: Tensor, width: int = 0) -> Tensor:
    """What an element-by-element operator returns, its operands repeated to a common shape.

    Its elements are as wide as those of the widest operand, numbers aside, unless a width is given.
    """
    first = operands[0]
    shape = first.shape if len(operands) == 1 else repeated([operand.shape for operand in operands])
    strides = elementwise(shape, *[(operand.shape, operand.strides) for operand in operands])
    width = width or max([operand.width for operand in operands if operand.shape] or [first.width])
    made = first.machine.tensor(shape, width, strides)
    made.tick(operator)
    return made


def repeated(shapes: Sequence[Sizes]) -> Sizes:
    """The common shape, dimensions of size 1 and leading ones repeated."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple([max(sizes) for sizes in zip(*padded, strict=True)])


# How an operator runs -------------------------------------------------------------------------------------------------


def operated(
    operator: str,
    operands: Sequence[Tensor],
    formula: Formula,
    saves: Sequence[Tensor] = (),
    keeps_result: bool = False,
    in_place: bool = False,
) -> Tensor:
    """What an operator returns: a new tensor, or in place its first operand, of which a copy is kept if any is."""
    first, *others = operands
    if not in_place:
        made = result(operator, *operands)
        record((made,), operator, operands, formula, saves, (made,) if keeps_result else ())
        return made
    recorded = any(operand.edge for operand in operands)
    kept = [_before(first) if saved is first else saved for saved in saves] if recorded else []
    first.tick(f"{operator}_")
    written_over(first, operator, others, formula, kept, (first,) if keeps_result else ())
    return first


def _before(x: Tensor) -> Tensor:
    """A copy of what is about to be written over; in a region that will run again it goes at once."""
    return x if x.machine.promising else x.like(strides=dense(x.shape, x.strides))


# One operand ----------------------------------------------------------------------------------------------------------

Derivative = Callable[..., Tensor]  # from the gradient, and from what is kept if anything is


def unary(
    x: Tensor, operator: str, derivative: str | Derivative, saves: str = "input", in_place: bool = False
) -> Tensor:
    """`saves` is what the gradient is computed from: the operator's input, its result, or nothing.

    `derivative` is the kernel that does so, or how it is done by other operators.
    """
    of = partial(_by_kernel, derivative) if isinstance(derivative, str) else derivative
    formula: Formula = lambda node, gradients: [of(only(gradients), *node.saved)]  # noqa: E731

    def made(x: Tensor) -> Tensor:
        return operated(operator, (x,), formula, (x,) if saves == "input" else (), saves == "result", in_place)

    return made(x) if in_place else autocast.run(operator, made, x)


# Gradients' kernels that lay their result out as what was kept rather than as the gradient, where the two differ.
AS_KEPT = ("threshold_backward", "leaky_relu_backward")


def _by_kernel(operator: str, gradient: Tensor, kept: Tensor) -> Tensor:
    return result(operator, kept, gradient) if operator in AS_KEPT else result(operator, gradient, kept)


def _of_sqrt(gradient: Tensor, root: Tensor) -> Tensor:
    """gradient / (2 · root)"""
    return result("div", gradient, result("mul", root))


def _of_rsqrt(gradient: Tensor, made: Tensor) -> Tensor:
    """(-½ · gradient) · made³"""
    cube = result("pow", made)
    return result("mul", result("mul", gradient), cube)


def _of_reciprocal(gradient: Tensor, made: Tensor) -> Tensor:
    """-gradient · made²"""
    square = result("mul", made, made)
    return result("mul", result("neg", gradient), square)


def _of_erf(gradient: Tensor, x: Tensor) -> Tensor:
    """(2/√π · exp(-x²)) · gradient"""
    square = result("pow", x)
    negative = result("neg", square)
    bell = result("exp", negative)
    return result("mul", result("mul", bell), gradient)


def _of_cos(gradient: Tensor, x: Tensor) -> Tensor:
    """gradient · -sin(x)"""
    sine = result("sin", x)
    return result("mul", gradient, result("neg", sine))


# A function: what its gradient is computed from, and how.
FUNCTIONS: dict[str, tuple[str, Derivative]] = {
    "abs": ("input", lambda gradient, x: result("mul", gradient, result("sgn", x))),
    "neg": ("", lambda gradient: result("neg", gradient)),
    "sign": ("", lambda gradient: result("zeros_like", gradient)),
    "exp": ("result", lambda gradient, made: result("mul", gradient, made)),
    "log": ("input", lambda gradient, x: result("div", gradient, x)),
    "sqrt": ("result", _of_sqrt),
    "rsqrt": ("result", _of_rsqrt),
    "reciprocal": ("result", _of_reciprocal),
    "erf": ("input", _of_erf),
    "sin": ("input", lambda gradient, x: result("mul", gradient, result("cos", x))),
    "cos": ("input", _of_cos),
}


def function(x: Tensor, name: str, in_place: bool = False) -> Tensor:
    saves, derivative = FUNCTIONS[name]
    return unary(x, name, derivative, saves, in_place)


def power(x: Tensor, in_place: bool = False) -> Tensor:
    """x to a constant exponent; gradient · (exponent · x^(exponent - 1))."""
    return unary(x, "pow", _of_power, in_place=in_place)


def _of_power(gradient: Tensor, x: Tensor) -> Tensor:
    lower = result("pow", x)
    return result("mul", gradient, result("mul", lower))


def power_of_zero(x: Tensor, in_place: bool = False) -> Tensor:
    """x to the exponent 0: the gradient is a tensor of zeros, contiguous however x lies."""

    def zeros(gradient: Tensor, x: Tensor) -> Tensor:
        made = x.like()
        made.tick("zeros_like")
        return made

    return unary(x, "pow", zeros, in_place=in_place)


def subtracted_from_number(x: Tensor) -> Tensor:
    """A Python number minus x, which makes no tensor of the number."""
    return unary(x, "rsub", lambda gradient: result("neg", gradient), "")


def clamp(x: Tensor, least: bool, operator: str = "clamp", in_place: bool = False) -> Tensor:
    """No element below (`least`) or above a number; the gradient of those is 0."""
    return unary(x, operator, partial(_where, "ge" if least else "le"), in_place=in_place)


def _where(comparison: str, gradient: Tensor, *compared: Tensor) -> Tensor:
    """The gradient where a comparison holds, else a zero, which is a tensor of its own."""
    zero = _zero(gradient)
    made = result("where", result(comparison, *compared, width=MASK), gradient)
    del zero
    return made


def _zero(like: Tensor) -> Tensor:
    """A tensor of the number 0, in another's number format."""
    zero = like.like(())
    like.tick("scalar_tensor")
    return zero


# Two operands ---------------------------------------------------------------------------------------------------------


def number(x: Tensor) -> Tensor:
    """A Python number as an operand beside x, which is a tensor on CPU memory."""
    return x.machine.tensor((), 0 if x.machine.cuda else PYTHON_SCALAR, role="number")


def add(a: Tensor, b: Tensor, in_place: bool = False) -> Tensor:
    """Both operands get the gradient itself."""
    return operated("add", (a, b), _to_both, in_place=in_place)


def _to_both(node: Node, gradients: Gradients) -> Gradients:
    gradient = only(gradients)
    return [gradient if node.wants(0) else None, gradient if node.wants(1) else None]


def subtract(a: Tensor, b: Tensor, in_place: bool = False) -> Tensor:
    return operated("sub", (a, b), _of_difference, in_place=in_place)


def _of_difference(node: Node, gradients: Gradients) -> Gradients:
    gradient = only(gradients)
    return [gradient if node.wants(0) else None, result("neg", gradient) if node.wants(1) else None]


def multiply(a: Tensor, b: Tensor, in_place: bool = False) -> Tensor:
    """Each operand is kept only where the other's gradient is wanted."""
    return operated("mul", (a, b), _of_product, _factors(a, b), in_place=in_place)


def _factors(a: Tensor, b: Tensor) -> list[Tensor]:
    """What a product keeps: b for a's gradient, a for b's."""
    kept = [] if a.edge is None else [b]
    return kept if b.edge is None else [*kept, a]


def _of_product(node: Node, gradients: Gradients) -> Gradients:
    gradient, kept = only(gradients), node.saved
    by_b = result("mul", gradient, kept[-1]) if node.wants(1) else None
    return [result("mul", gradient, kept[0]) if node.wants(0) else None, by_b]


def scaled(x: Tensor) -> Tensor:
    """x times a Python number."""
    return multiply(x, number(x))


def divide(a: Tensor, b: Tensor, in_place: bool = False) -> Tensor:
    """The divisor is kept in any case, the dividend where the divisor's gradient is wanted."""
    return operated("div", (a, b), _of_quotient, [b] if b.edge is None else [b, a], in_place=in_place)


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


def clamp_by(x: Tensor, bound: Tensor, least: bool, in_place: bool = False) -> Tensor:
    """No element below (`least`) or above that of another tensor, which gets the gradient of those."""
    comparisons = ("ge", "lt") if least else ("le", "gt")

    def formula(node: Node, gradients: Gradients) -> Gradients:
        found: Gradients = [None, None]
        for position in (1, 0):
            if node.wants(position):
                found[position] = _where(comparisons[position], only(gradients), *node.saved)
        return found

    return operated("clamp", (x, bound), formula, (x, bound), in_place=in_place)


def power_of(a: Tensor, b: Tensor, in_place: bool = False) -> Tensor:
    """a to the exponent b; both and the result are kept, whichever gradient is wanted."""

    def made(a: Tensor, b: Tensor) -> Tensor:
        return operated("pow", (a, b), _of_base_and_exponent, (a, b), keeps_result=True, in_place=in_place)

    return made(a, b) if in_place else autocast.run("pow", made, a, b)


def _of_base_and_exponent(node: Node, gradients: Gradients) -> Gradients:
    by_exponent = _of_exponent(only(gradients), *node.saved) if node.wants(1) else None
    return [_of_base(only(gradients), *node.saved[:2]) if node.wants(0) else None, by_exponent]


def _of_exponent(gradient: Tensor, base: Tensor, exponent: Tensor, made: Tensor) -> Tensor:
    """gradient · (made · log(base)), but 0 for a base of 0 and an exponent that is not negative."""
    defined = result("ge", exponent, width=MASK)
    at_zero = result("eq", base, width=MASK)
    mask = result("logical_and", at_zero, defined)
    del defined, at_zero
    if base.width < exponent.width:
        base = base.cast(exponent.width)
        base.tick("_to_copy")
    logarithm = result("log", base)
    product = result("mul", made, logarithm)
    zero = _zero(gradient)
    chosen = result("where", mask, product)
    found = result("mul", gradient, chosen)
    del zero
    return found


def _of_base(gradient: Tensor, base: Tensor, exponent: Tensor) -> Tensor:
    """gradient · (exponent · base^(exponent - 1)), but 0 for an exponent of 0."""
    lower = result("sub", exponent)
    powered = result("pow", base, lower)
    scaled = result("mul", exponent, powered)
    product = result("mul", gradient, scaled)
    zero = _zero(gradient)
    found = result("where", result("eq", exponent, width=MASK), product)
    del zero
    return found


# In place -------------------------------------------------------------------------------------------------------------


def written_over(
    x: Tensor,
    name: str,
    others: Sequence[Tensor],
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
    return multiply(x, noise, in_place)


def _fused_dropout(x: Tensor) -> Tensor:
    made = x.like(x.shape, elementwise(x.shape, (x.shape, x.strides)))
    mask = x.machine.tensor(x.shape, 1, made.strides)
    x.tick("native_dropout")
    formula: Formula = lambda node, g: [_by_kernel("native_dropout_backward", only(g), *node.saved)]  # noqa: E731
    record((made,), "NativeDropoutBackward0", (x,), formula, results=(mask,))
    return made


def drop_path(x: Tensor, p: float) -> Tensor:
    """One number an image, zero or scaled up, times the input."""
    kept = x.like((x.shape[0], *[1] * (len(x.shape) - 1)))
    x.tick("new_empty")
    x.tick("bernoulli_")
    return multiply(x, result("div", kept, number(kept)) if p < 1 else kept)


def bias_added(x: Tensor, bias: Tensor, rank: int) -> Tensor:
    """x + bias, one number a channel, over `rank` spatial dimensions."""
    return add(x, view(bias, (bias.shape[0], *[1] * rank)))
