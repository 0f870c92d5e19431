"""Rules of the eager model broken in turn, one line at a time: the golden events, or a count by hand, notice each.

A mutant is a function with a piece of its text replaced. What catches it is torch (`golden.py`) or, for what was not
measured (every operator on CUDA, refusals, whose a tensor is), a number counted here.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import cnncalc
from cnncalc.eager import (
    Setup,
    autocast,
    autograd,
    checkpoint,
    kernels,
    kinds,
    machine,
    optimizers,
    pointwise,
    step,
    timeline,
    views,
)
from cnncalc.graph import Network

sys.path.insert(0, str(Path(__file__).parent))
from golden import every, on_cuda, written, written_on_cuda

Mutant = tuple[str, Callable[..., Any], str, str]

# what is broken, the function, its text, what stands there instead
MUTANTS: list[Mutant] = [
    # the graph and its engine
    ("what is kept stays", autograd.Node.drop, "self.saved.clear()", "pass"),
    ("a value that is needed may be written over", autograd.Node.check, "!= version", "< version"),
    ("a shared gradient is taken over", autograd.Leaf.accumulate, "gradient.uses <= 1 and ", ""),
    ("a gradient is taken over however it lies", autograd.Leaf.accumulate, " and _lies_like(gradient, own)", ""),
    ("a parameter's gradient is a copy", autograd.Leaf.accumulate, "gradient.uses <= 1", "gradient.uses < 1"),
    ("the node recorded first runs first", autograd.backward, "(-target.sequence", "(target.sequence"),
    ("the caller does not hold its gradients", autograd.backward, "gradient.uses += 1", "pass"),
    ("a node's gradients stay", autograd.backward, "_let_go(incoming)\n        node.release()", "node.release()"),
    ("what a node keeps stays behind it", autograd.backward, "node.release()", "pass"),
    ("gradients are added in place always", autograd._arrive, "first.uses == 1 and first.storage.tensors == 1", "True"),
    ("gradients are added in place never", autograd._arrive, "first.uses == 1 and ", "False and "),
    ("a shared gradient is added to in place", autograd._arrive, "first.uses == 1 and ", ""),
    ("a view is added to in place", autograd._arrive, " and first.storage.tensors == 1", ""),
    ("a sum is of the full size", autograd._sum_to, "full.like((*[1] * lead, *shape))", "full.like()"),
    ("a result is kept with its history", autograd.record, "[kept.alias() for kept in results]", "list(results)"),
    # views
    ("a view keeps no base", machine.Tensor.view, "self.base or self", "None"),
    ("a reshape is a copy", views.reshape, "if x.strides == contiguous(x.shape) or x.contiguous:", "if False:"),
    ("the gradient of a part is of its size", views._zeros_around, ".like(whole)", ".like()"),
    ("the gradients of joined values are copies", views._cat, "whole.view(own, whole.strides)", "whole.like(own)"),
    ("zero padding keeps its input", kernels.pad, '"constant_pad_nd", ())', '"constant_pad_nd", (x,))'),
    ("reflected padding keeps nothing", kernels.pad, "shape, operator, (x,))", "shape, operator, ())"),
    ("the gradient of repeated rows is not summed", views.repeat_rows, "whole.like((size,))", "whole.like()"),
    ("zeros of a view's base are the view's", views.as_strided_back, "gradient.like(whole)", "gradient"),
    # element by element
    ("a sum copies its gradient", pointwise._to_both, "[gradient if", "[gradient.like() if"),
    ("a difference shares its gradient", pointwise._of_difference, 'result("neg", gradient)', "gradient"),
    ("a product keeps both operands", pointwise._factors, "[] if a.edge is None else [b]", "[b]"),
    ("a quotient keeps its dividend", pointwise.divide, "[b] if b.edge is None else [b, a]", "[b, a]"),
    ("what a quotient's gradient took stays", pointwise._of_quotient, "del once, twice, negative", "pass"),
    ("a number takes no memory", pointwise.number, "0 if x.machine.cuda else PYTHON_SCALAR", "0"),
    ("a number takes memory on CUDA", pointwise.number, "0 if x.machine.cuda else PYTHON_SCALAR", "PYTHON_SCALAR"),
    ("the derivative of a root is of its input", pointwise._of_sqrt, 'result("mul", root)', "root"),
    ("minus a half is no factor", pointwise._of_rsqrt, 'result("mul", gradient), cube', "gradient, cube"),
    ("a square goes at once", pointwise._of_reciprocal, "square = ", "square = made\n    "),
    ("a bell's exponent goes at once", pointwise._of_erf, "bell = ", "del square\n    bell = "),
    ("a sine goes at once", pointwise._of_cos, 'result("neg", sine)', "sine"),
    ("zeros lie as the input does", pointwise.power_of_zero, "x.like()", "x.like(strides=x.strides)"),
    ("a bound's gradient comes second", pointwise.clamp_by, "(1, 0)", "(0, 1)"),
    ("the zero of a choice is no tensor", pointwise._where, "zero = _zero(gradient)", "zero = gradient"),
    ("a mask is of the number format", pointwise._where, ", width=MASK", ""),
    (
        "a power is kept for its exponent alone",
        pointwise.power_of,
        "keeps_result=True",
        "keeps_result=b.edge is not None",
    ),
    ("masks of an exponent stay", pointwise._of_exponent, "del defined, at_zero", "pass"),
    ("logarithms in half precision", pointwise._of_exponent, "base.width < exponent.width", "False"),
    ("the exponent less one goes at once", pointwise._of_base, "scaled =", "del lower\n    scaled ="),
    ("a factor's gradient is of itself", pointwise._of_product, "kept[-1]", "kept[0]"),
    ("a number is subtracted from as from a tensor", pointwise.subtracted_from_number, '"rsub"', '"sub"'),
    ("a view is written over as any other", pointwise.written_over, "if base is None:", "if True:"),
    (
        "no copy for a formula that needs the input",
        pointwise.operated,
        "_before(first) if saved is first else saved",
        "saved",
    ),
    ("a mask of a byte on CPU", pointwise.dropout, "x.machine.cuda and ", ""),
    ("noise on CUDA", pointwise.dropout, "x.machine.cuda and not in_place", "False"),
    ("a mask where dropout is in place", pointwise.dropout, " and not in_place", ""),
    ("a mask of four bytes", pointwise._fused_dropout, "(x.shape, 1, ", "(x.shape, 4, "),
    ("noise for every value of a path", pointwise.drop_path, "(x.shape[0], *[1] * (len(x.shape) - 1))", "x.shape"),
    # kernels
    ("a convolution keeps no input", kernels._convolution, "formula, (x, weight)", "formula, (weight,)"),
    (
        "a kernel's gradient is made where it is wanted only",
        kernels._convolution,
        "node.wants(2) and in_onednn",
        "False",
    ),
    ("oneDNN has every convolution", kernels._in_onednn, "return worth_it and", "return True or"),
    ("a convolution in 1-D is contiguous", kernels._suggesting_maps, "return x.contiguous and", "return False and"),
    ("a convolution in 1-D permutes", kernels._suggesting_maps, "x.contiguous and ", ""),
    ("images get a gradient", kernels._convolution, "if node.wants(0):", "if True:"),
    ("a convolution is contiguous", kernels._convolution, "last = not in_order and", "last = False and"),
    ("a dense layer keeps rows for a frozen weight", kernels._product, "x if turned.edge is not None else None", "x"),
    ("a dense layer has no bias to sum", kernels._product, "gradient if node.wants(0) else None, rows_", "None, rows_"),
    ("the statistics of a batch are not kept", kernels.batch_norm, "*running), statistics)", "*running))"),
    ("statistics in prediction", kernels.batch_norm, " if batch_statistics or cuda else []", ""),
    ("no statistics in prediction on CUDA", kernels.batch_norm, "if batch_statistics or cuda", "if batch_statistics"),
    ("statistics in half precision on CUDA", kernels._of_statistics, "if x.machine.cuda", "if False"),
    ("outputs lie on CUDA as on CPU", kernels.batch_norm, " if cuda else on_cpu", " if False else on_cpu"),
    (
        "a convolution is channels last in float64",
        kernels._convolution,
        "x.machine.cuda and x.width == DOUBLE",
        "False",
    ),
    ("no gradient that is not wanted", kernels.batch_norm, "if both or node", "if node"),
    ("cuDNN is for maps only", kernels._in_cudnn, "len(x.shape) >= 3", "len(x.shape) >= 2"),
    ("cuDNN takes lower formats", kernels._in_cudnn, "x.width >= FULL and ", ""),
    ("cuDNN needs no factors", kernels._in_cudnn, "weight is not None and ", ""),
    (
        "cuDNN makes the gradients that are wanted",
        kernels._batch_norm_in_cudnn,
        "batch_statistics or node.wants(place)",
        "node.wants(place)",
    ),
    ("cuDNN reads what lies anyhow", kernels._batch_norm_in_cudnn, "x = _in_suggested_format(x)", "pass"),
    (
        "cuDNN's gradient lies anyhow",
        kernels._batch_norm_in_cudnn,
        "gradient = _in_format(gradient, whole, last)",
        "pass",
    ),
    ("groups are normalised channels last on CUDA", kernels.group_norm, "x.machine.cuda or ", ""),
    ("a gradient is normalised as it lies", kernels._lies, " if last else x.contiguous", ""),
    ("a part is normalised as it lies", kernels.group_norm, "contiguous_of(full) if", "full if"),
    ("statistics for every value", kernels.layer_norm, "(*x.shape[: len(x.shape) - dims], *[1] * dims)", "x.shape"),
    ("running statistics are not kept", kernels.batch_norm, "(x, weight, *running)", "(x, weight)"),
    (
        "running statistics in their own format",
        kernels.instance_norm,
        "width = (x if weight is None else weight).width",
        "width = 4",
    ),
    ("softmax keeps its input", kernels.softmax, "results=(made,)", "(x,)"),
    ("slopes have a small gradient", kernels._prelu, ", gradient.like(shape, strides)]", ", slopes.like()]"),
    ("3-D pools are channels last", kernels._takes_channels_last, '"pool3d" not in operator or ', "True or "),
    ("indices are not kept", kernels._max_pool, "operator, (indices,)", "operator, ()"),
    ("indices of four bytes", kernels._max_pool, "tensor(shape, 8)", "tensor(shape, 4)"),
    ("a pooling keeps no input", kernels._pooled, "formula, (x,), results", "formula, (), results"),
    ("the gradient of a mean takes no memory", kernels.mean, 'result("div", spread)', "spread"),
    ("counts of four bytes", kernels.amax, "tensor(with_ones, 8)", "tensor(with_ones, 4)"),
    ("a gradient is seen as it was reduced", kernels.amax, "reshape(gradient, with_ones)", "view(gradient, with_ones)"),
    ("a sum keeps its dimensions", kernels.total, "_restored(only(gradients), dims, keep)", "only(gradients)"),
    ("a norm is kept in full rank", kernels.vector_norm, "_restored(node.saved[1], dims, keep)", "node.saved[1]"),
    ("no padding is padding", kernels._padded, "dense(shape, strides) if copied else ", ""),
    ("channels' indices are not kept", kernels.gathered_channels, ", (indices,))", ")"),
    ("resizing keeps its input", kernels._upsample, "(x,), formula)", "(x,), formula, (x,))"),
    # kinds of layers
    ("any padding is the convolution's own", kinds._symmetric, "axis.before == axis.after", "True"),
    ("batches are not counted", kinds.batch_norm, 'x.tick("add_", scalar=True)', "pass"),
    ("a single value is normalised", kinds._check_values, "if values == 1:", "if False:"),
    ("dropout in prediction", kinds.dropout, "not call.training or ", ""),
    ("paths are dropped in prediction", kinds.drop_path, "if call.training else x", ""),
    ("squares stay while they are averaged", kinds._neighbours_divided, "del squares", "pass"),
    ("1-D pooling has indices in prediction", kinds._max_pooled, "if x.edge is None and not x.machine.cuda:", "if 0:"),
    ("1-D pooling has none on CUDA", kinds._max_pooled, "if x.edge is None and not x.machine.cuda:", "if not x.edge:"),
    # optimizers
    ("weight decay sums in place", optimizers.sgd, "gradient = _same(own)", "pass"),
    ("momentum multiplies without a number", optimizers.momentum, "scalar=True", "scalar=False"),
    ("the root stays", optimizers._denominator, "del root", "pass"),
    ("decay of Adam sums in place", optimizers._moments, "gradient = _same(own)", "pass"),
    ("one moment", optimizers._new_moments, "second = _kept(leaf.parameter, machine, name)", "second = first"),
    ("counts of steps are on CUDA", optimizers._new_moments, "0 if machine.cuda else STEP", "STEP"),
    ("sums stay beside the roots", optimizers._moments_together, "summed.clear()", "pass"),
    ("one parameter after another on CUDA", optimizers._moments, "if machine.cuda:", "if False:"),
    # steps
    ("gradients stay for the next step", step._Run._train, "leaf.gradient = None", "pass"),
    ("values stay", step._Run._forward, "del values[value]", "pass"),
    ("classes of four bytes", step._Run._targets, "(place, CLASS,", "(place, 4,"),
    ("what is not frozen is", step._Run._held, "name not in self.frozen", "name in self.frozen"),
    ("counts of batches of four bytes", step._Run._held, 'COUNTER if parameter.role == "counter" else ', ""),
    # regions that run again, and autocast
    ("a region keeps its generator's state once", checkpoint.Region._run_again, "(GENERATOR,)", "(0,)"),
    ("a region's copies stay", checkpoint.Region._run_again, "machine.casts.clear()", "pass"),
    ("a region runs again to its end", checkpoint.Region.made, "== self.promised", "> self.promised"),
    ("a region keeps what its layers need", checkpoint.Region.promise, "self.promised += count", "pass"),
    ("copies of parameters go at once", autocast._lowered, "machine.casts[x.storage] = copy", "pass"),
    ("autocast computes in float32", autocast._lowered, "x.width <= machine.lower", "True"),
    ("a copy in other numbers is contiguous", machine.Tensor.cast, "dense(self.shape, self.strides)", "None"),
    ("losses are in autocast's numbers", autocast.raised, "x.width < FULL", "False"),
    ("autocast has the same list everywhere", autocast.in_full, "ON_CUDA if machine.cuda else ON_CPU", "ON_CPU"),
    ("copies inside an operator stay to its end", autocast.run, "if copied:", "if False:"),
    ("a sum is copied, too", autocast.summed_width, "max(x.width, FULL)", "x.width"),
    # the machine
    ("numbers of an operator on CUDA", machine.Machine.tick, "if scalar and not self.cuda", "if scalar"),
    ("no numbers of an operator", machine.Machine.tick, "if scalar and not self.cuda", "if False"),
    ("no blocks", machine.Machine.tensor, "if self.cuda:", "if False:"),
]


@cache
def networks() -> list[tuple[Network, Setup, int, list[tuple[str, int]]]]:
    data = written()
    return [(row.network, row.setup, *data[row.id]) for row in every()]


@cache
def networks_on_cuda() -> list[tuple[Network, Setup, tuple[int, list[tuple[int, int]]]]]:
    data = written_on_cuda()
    return [(row.network, replace(row.setup, device="cuda"), data[row.id]) for row in on_cuda() if row.id in data]


# Two images of 16x16 and 2 channels, 4,096 bytes; 4 channels are 8,192. Weight and bias are a block of 512 bytes each.
ON_CUDA = "input: 16x16x2\nlayers: [{conv: {out_channels: 4, kernel_size: 1}}, {dropout: 0.5}]"
Q = 1024
FORWARD_ON_CUDA = [
    ("convolution", 8192),
    ("native_dropout", 2 * 8192 + 2048),  # a byte a value; the convolution's result goes
    ("ones_like", 8192 + 2048 + 8192),
    ("native_dropout_backward", 8192 + 2048 + 2 * 8192),  # the mask goes, and then ones' part of it
    ("convolution_backward", 8192 + 2 * 8192 + Q),
    *[("detach", 8192 + 8192 + Q)] * 2,
]
STATE_ON_CUDA = [
    *[(operator, 8192 + Q) for operator in ("empty", "lift_fresh", "detach_")],
    *[("zeros_like", 8192 + Q + 512), ("zeros_like", 8192 + Q + 1024)],
    *[(operator, 8192 + Q + 1024) for operator in ("empty", "lift_fresh", "detach_")],
    *[("zeros_like", 8192 + Q + 1536), ("zeros_like", 8192 + Q + 2048)],
]
ADAM_ON_CUDA = [
    ("_foreach_add_", 8192 + 3 * Q),
    *[
        (operator, 8192 + 4 * Q)
        for operator in ("_foreach_add", "_foreach_lerp_", "_foreach_mul_", "_foreach_addcmul_")
    ],
    # the sums of the decay are gone, the roots are there
    *[
        (operator, 8192 + 4 * Q)
        for operator in ("_foreach_sqrt", "_foreach_div_", "_foreach_add_", "_foreach_addcdiv_")
    ],
]


def beyond_rest(text: str, **options: Any) -> list[tuple[str, int]]:
    found = timeline(cnncalc.loads(text), Setup(**options))
    return [(event.operator, event.live - found.at_rest) for event in found.events]


def hand_counts() -> None:
    """What torch was not asked for."""
    setup: dict[str, Any] = {"batch": 2, "device": "cuda"}
    train: dict[str, Any] = {**setup, "training": True, "loss": "none", "optimizer": "adam", "weight_decay": True}
    assert beyond_rest(ON_CUDA, **train, steps=1) == FORWARD_ON_CUDA + STATE_ON_CUDA + ADAM_ON_CUDA
    in_place = ON_CUDA.replace("dropout: 0.5", "dropout: {p: 0.5, inplace: true}")
    assert ("mul_", 2 * 8192) in beyond_rest(in_place, **train)
    # a path is multiplied by a number an image; 0.4 is no memory of the device
    assert beyond_rest("input: 16x16x2\nlayers: [{mean: [identity, identity]}]", **setup) == [
        ("add", 4096),
        ("div", 8192),
    ]
    counted = beyond_rest("input: 16x16x2\nlayers: [batch_norm]", **train, steps=1)
    assert counted[:2] == [("add_", 0), ("cudnn_batch_norm", 4096 + 2 * 512)]
    # of a vector not by cuDNN, and with statistics in prediction; of 200 channels they are 800 bytes, never 400
    in_vectors = beyond_rest("input: 10\nlayers: [batch_norm]", **setup)
    assert in_vectors == [("empty", 0), ("native_batch_norm", 3 * 512)]
    of_half = beyond_rest("input: 4x4x200\nlayers: [batch_norm]", **setup, dtype="bfloat16")
    assert of_half == [("empty", 0), ("native_batch_norm", 12_800 + 2 * 1024)]
    # channels last, both parameters get a gradient of a block, though one is frozen
    frozen: dict[str, Any] = {**train, "dtype": "bfloat16", "frozen": ("batch_norm.weight",)}
    in_norms = beyond_rest("input: 4x4x2\nlayers: [{layer_norm: {axes: channels}}, batch_norm]", **frozen)
    first = [operator for operator, _ in in_norms].index("native_batch_norm_backward")
    assert in_norms[first][1] - in_norms[first - 1][1] == 512 + 2 * 512
    # and what lies turned comes out turned, so that flattening copies it
    turned = beyond_rest(
        "input: 16x8x4\nlayers: [{permute: [1, 2, 0]}, batch_norm, flatten]", **setup, dtype="bfloat16"
    )
    assert [operator for operator, _ in turned][-2:] == ["clone", "_unsafe_view"]
    assert ("max_pool2d_with_indices", 512 + 1024) in beyond_rest("input: 64x2\nlayers: [{max_pool: 2}]", **setup)
    # one gradient for two parameters, a copy for the first; a result that nobody holds is gone
    on_cpu = machine.Machine()
    parameters = [on_cpu.tensor((5, 5), 4) for _ in range(2)]
    for parameter in parameters:
        parameter.edge = (autograd.Leaf(parameter, ""), 0)
    made = pointwise.unary(pointwise.add(*parameters), "relu", "threshold_backward", saves="result")
    autograd.backward(on_cpu, [made], [made.like()])
    operators = [operator for operator, *_ in on_cpu.events]
    assert operators == ["add", "relu", "threshold_backward", "new_empty_strided", "copy_", "detach"]
    pointwise.unary(parameters[0], "relu", "threshold_backward", saves="result")
    del made
    assert on_cpu.live == 4 * 100  # both and their gradients
    # what torch refuses
    for text, batch in (
        ("input: 5x7x2\nlayers: [{conv: {out_channels: 4, kernel_size: 1}}, tanh, {relu: {inplace: true}}]", 2),
        ("input: 5x7x2\nlayers: [{conv: {out_channels: 4, kernel_size: [5, 7]}}, batch_norm]", 1),
    ):
        with pytest.raises(cnncalc.DocumentError):
            beyond_rest(text, batch=batch, training=True)


def noticed() -> bool:
    """Whether anything says that a rule is broken."""
    try:
        hand_counts()
        for network, setup, at_rest, operators in networks():
            found = timeline(network, setup)
            if found.at_rest != at_rest or [(event.operator, event.live) for event in found.events] != operators:
                return True
        for network, setup, there in networks_on_cuda():
            found = timeline(network, setup)
            lives = [[found.events[index].live for index in found.step(number)] for number in range(len(found.starts))]
            if (found.at_rest, [(max(step), step[-1]) for step in lives]) != there:
                return True
    except (AssertionError, pytest.fail.Exception, cnncalc.DocumentError, LookupError, TypeError, ValueError) as error:
        return bool(str(error)) or True
    return False


def broken(function: Callable[..., Any], old: str, new: str) -> CodeType:
    """The function's code with a piece of its text replaced."""
    source = textwrap.dedent(inspect.getsource(function))
    assert old in source, f"`{old}` is no longer in {function.__qualname__}: break the rule where it is now"
    namespace = dict(function.__globals__)
    exec(source.replace(old, new, 1), namespace)
    code: CodeType = namespace[function.__name__].__code__
    return code


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 40
    assert len({what for what, *_ in MUTANTS}) == len(MUTANTS)


def test_nothing_is_noticed_without_a_mutant() -> None:
    hand_counts()
    assert not noticed()


@pytest.mark.parametrize(
    ("function", "old", "new"), [mutant[1:] for mutant in MUTANTS], ids=[mutant[0] for mutant in MUTANTS]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broken_rule_is_noticed(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str
) -> None:
    code = broken(function, old, new)
    with monkeypatch.context() as patch:
        patch.setattr(function, "__code__", code)
        found = noticed()
    assert found
