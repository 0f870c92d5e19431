"""How others count: tools, papers and tables, each as terms over the ledger of a network's work.

A convention is data: `Term`s, each of which counts something (`of`) of the lines of some kinds, `times` over. What
they add up to is what the tool prints for the network, for one image, at prediction. Every rule was read in the source
named and measured with the version named.

A tool counts code, and a document is not code. Where it is said (`functional: true`), a layer is a call of a function,
otherwise a module as torch.nn has it; merges are the operators `+ - * /`. A kind that torch has no module for is left
to the code that stands for it: a convention is silent on it, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from cnncalc.graph import Network, Node
from cnncalc.layers import KINDS
from cnncalc.layers.base import Operations, Work, per_axis, sides

# Kinds by what tools make of them -------------------------------------------------------------------------------------

CONVOLUTIONS = frozenset({"conv", "depthwise_conv"})
TRANSPOSED = frozenset({"conv_transpose"})
DENSE = frozenset({"linear"})
WEIGHTED = CONVOLUTIONS | TRANSPOSED | DENSE
MATMUL = frozenset({"matmul"})  # of two activations

AVG_POOLS = frozenset({"avg_pool"})
MAX_POOLS = frozenset({"max_pool"})
ADAPTIVE_AVG = frozenset({"adaptive_avg_pool", "global_avg_pool"})
ADAPTIVE_MAX = frozenset({"adaptive_max_pool", "global_max_pool"})
ADAPTIVE = ADAPTIVE_AVG | ADAPTIVE_MAX
POOLS = AVG_POOLS | MAX_POOLS | ADAPTIVE

BATCH_NORM = frozenset({"batch_norm"})
INSTANCE_NORM = frozenset({"instance_norm"})
GROUP_NORM = frozenset({"group_norm"})
LAYER_NORM = frozenset({"layer_norm"})
NORMS = BATCH_NORM | INSTANCE_NORM | GROUP_NORM | LAYER_NORM

# What torch has no module for: a document that has one of these stands for code that nobody but its author knows.
OWN_CODE = frozenset(
    {"locally_connected", "dynamic_conv", "rbf", "subsample", "depth_pool", "maxout", "l2_norm", "scale", "drop_path"}
    | {"arithmetic", "function", "reduce"}
)


# The ledger, with what lies around each line --------------------------------------------------------------------------


class Entry(NamedTuple):
    """A line of the ledger at its place. `folded` is a batch norm that disappears into the convolution it reads."""

    node: Node
    work: Work
    folded: bool = False  # a batch norm, or the convolution that it disappears into

    @property
    def kind(self) -> str:
        return self.work.kind

    @property
    def affine(self) -> bool:
        """Whether a norm has learned factors."""
        return self.node.facts.weights > 0

    @property
    def spatial(self) -> int:
        """Spatial dimensions of what it reads."""
        return len(self.node.input_shapes[0]) - 1


def entries(network: Network) -> list[Entry]:
    """The ledger of a whole network, in the order in which its layers run."""
    folded = _folded(network)
    return [Entry(node, work, node in folded) for node in network for work in node.facts.work]


def _folded(network: Network) -> set[Node]:
    """Batch norms that read a convolution nobody else reads, and those convolutions: at prediction they are one."""
    readers: dict[Any, int] = {}
    for value in [value for node in network for value in node.inputs] + list(network.outputs):
        readers[value] = readers.get(value, 0) + 1
    found: set[Node] = set()
    for node in network:
        source = node.inputs[0]
        if node.layer.kind in BATCH_NORM and getattr(node.layer, "track_running_stats") and isinstance(source, Node):  # noqa: B009
            alone = readers[source] == 1 and len(source.facts.work) == 1
            if alone and source.layer.kind in CONVOLUTIONS | TRANSPOSED:
                found |= {node, source}
    return found


# Terms ----------------------------------------------------------------------------------------------------------------

Quantity = Callable[[Entry], int]
Condition = Callable[[Entry], bool]


def macs(entry: Entry) -> int:
    return entry.work.macs


def bias_adds(entry: Entry) -> int:
    return entry.work.bias_adds


def inputs(entry: Entry) -> int:
    return entry.work.inputs


def outputs(entry: Entry) -> int:
    return entry.work.outputs


def others(entry: Entry) -> int:
    """All arithmetic that is neither a multiply-accumulate nor a bias."""
    return sum(entry.work.others)


def multiplies(entry: Entry) -> int:
    return entry.work.others.multiplies + entry.work.macs


def parameters(entry: Entry) -> int:
    return entry.node.facts.weights + entry.node.facts.biases


def biases(entry: Entry) -> int:
    return entry.node.facts.biases


def always(entry: Entry) -> bool:
    return True


def module(entry: Entry) -> bool:
    return not entry.node.functional


def function(entry: Entry) -> bool:
    return entry.node.functional


def affine(entry: Entry) -> bool:
    return entry.affine


def plain(entry: Entry) -> bool:
    return not entry.affine


def both(*conditions: Condition) -> Condition:
    return lambda entry: all(condition(entry) for condition in conditions)


def of_rank(rank: int) -> Condition:
    return lambda entry: entry.spatial == rank


@dataclass(frozen=True, eq=False)
class Term:
    """`times` a quantity of every line of `kinds` (None: of all) that meets `when`; `words` say what and why."""

    words: str
    kinds: frozenset[str] | None
    times: int
    of: Quantity
    when: Condition = always

    def amount(self, entry: Entry) -> int:
        return self.times * self.of(entry) if self.when(entry) else 0


@dataclass(frozen=True, eq=False)
class Convention:
    """A way to count. `says` is its own word for what it counts.

    A tool that prints rounded figures prints the total in `unit`s with up to `digits` decimals.
    """

    key: str
    title: str
    version: str
    source: str
    says: str
    terms: tuple[Term, ...]
    silent: frozenset[str] = frozenset()
    silent_where: Condition = lambda entry: False
    unit: int = 0
    digits: int = 0

    @cached_property
    def _by_kind(self) -> dict[str, list[Term]]:
        return {kind: [term for term in self.terms if term.kinds is None or kind in term.kinds] for kind in KINDS}

    def terms_of(self, entry: Entry) -> Iterable[Term]:
        return self._by_kind.get(entry.kind, ())

    def is_silent_on(self, entry: Entry) -> bool:
        """Whether it says nothing of a line; of convolutions with a table of connections no tool does.

        Of an operator that is no kind nobody knows.
        """
        if entry.node.facts.unknown:
            return True
        if not self.silent:
            return False
        by_hand = getattr(entry.node.layer, "connections", None) is not None
        return by_hand or entry.kind in self.silent or self.silent_where(entry)


# Ours, and those of courses and papers --------------------------------------------------------------------------------

_MACS = "the MACs"
_BIAS = "one add an output for the bias"


def _of_others(name: str) -> Quantity:
    return lambda entry: int(getattr(entry.work.others, name))


_OURS = (
    Convention(
        "macs",
        "multiply-accumulates",
        "cnncalc",
        "docs/counting.md",
        "MACs",
        (Term(_MACS, None, 1, macs),),
    ),
    Convention(
        "multiplies",
        "all multiplications",
        "cnncalc",
        "docs/counting.md",
        "multiplies",
        (
            Term("one multiply a MAC", None, 1, macs),
            Term("multiplies of all other layers", None, 1, _of_others("multiplies")),
        ),
    ),
    Convention(
        "flops",
        "all arithmetic",
        "cnncalc",
        "docs/counting.md",
        "FLOPs",
        (
            Term("a multiply and an add for each MAC", None, 2, macs),
            Term(_BIAS, None, 1, bias_adds),
            *[
                Term(f"{name.replace('_', ' ')} of all other layers", None, 1, _of_others(name))
                for name in Operations._fields
            ],
        ),
    ),
    Convention(
        "courses",
        "course notes",
        "-",
        "deeplearning.ai C4W2 on 1x1 convolutions: 28·28·32 · 5·5·192 = 120M",
        "multiplications",
        (Term("one multiply a MAC; adds are left out", None, 1, macs),),
    ),
    Convention(
        "torchvision",
        "torchvision",
        "0.28.0",
        'torchvision.models, `_ops` of a weight\'s metadata, and the table "GFLOPS"',
        "GFLOPS",
        (Term(_MACS, None, 1, macs),),
        unit=10**9,
        digits=3,
    ),
    Convention(
        "darknet",
        "Darknet",
        "0078783",
        "pjreddie/darknet, src/convolutional_layer.c",
        "BFLOPs",
        (Term("a multiply and an add for each MAC of a convolution", CONVOLUTIONS, 2, macs),),
        unit=10**9,
        digits=3,
    ),
    Convention(
        "pycls",
        "pycls",
        "1a33062",
        "facebookresearch/pycls, pycls/models/blocks.py",
        "flops",
        (Term(_MACS, WEIGHTED, 1, macs), Term("biases, once each and not an output", WEIGHTED, 1, biases)),
        silent=OWN_CODE | TRANSPOSED | MATMUL,
    ),
    Convention(
        "pycls_activations",
        "pycls, activations",
        "1a33062",
        "facebookresearch/pycls, pycls/models/blocks.py",
        "acts",
        (
            Term("outputs of convolutions and dense layers", CONVOLUTIONS | DENSE, 1, outputs),
            Term("outputs of pooling windows", MAX_POOLS | AVG_POOLS, 1, outputs),
        ),
        silent=OWN_CODE | TRANSPOSED | MATMUL,
    ),
)


# Tools ----------------------------------------------------------------------------------------------------------------


def tracked(entry: Entry) -> bool:
    """Whether a norm predicts with running statistics."""
    return bool(getattr(entry.node.layer, "track_running_stats", False))


def untracked(entry: Entry) -> bool:
    return not tracked(entry)


def interpolates(mode: str) -> Condition:
    return lambda entry: getattr(entry.node.layer, "mode", "") == mode


def interpolated(entry: Entry) -> bool:
    return getattr(entry.node.layer, "mode", "nearest") != "nearest"


def joined(entry: Entry) -> int:
    """An operation an output for every path after the first."""
    return entry.work.outputs * (len(entry.node.inputs) - 1)


def places(entry: Entry) -> int:
    """Positions of the output, of one channel."""
    return prod(entry.node.output[1:])


def spread_over_outputs(entry: Entry) -> int:
    """A transposed convolution as if each of its weights met every place of the output."""
    return entry.node.facts.weights * places(entry)


_FLOP_COUNTER = Convention(
    "flop_counter",
    "torch FlopCounterMode",
    "2.13.0",
    "torch.utils.flop_counter",
    "FLOPs",
    (Term("a multiply and an add for each MAC; biases never", WEIGHTED | MATMUL, 2, macs),),
    silent=OWN_CODE,
)

_UPSAMPLE = frozenset({"upsample"})
_LP_POOL = frozenset({"lp_pool"})
_RESPONSE_NORM = frozenset({"local_response_norm"})
_JOINED = frozenset({"add", "multiply", "mean"})


def neighbours(entry: Entry) -> int:
    """What a local response norm's averaging reads of the padding beside the channels."""
    return int(getattr(entry.node.layer, "size") - 1) * places(entry)  # noqa: B009


# What F.lp_pool and F.local_response_norm do inside is seen by tools that patch functions.
_INSIDE = (
    Term("1 a value and 2 an output of an lp pooling: the averaging, ReLU and product in it", _LP_POOL, 1, inputs),
    Term("1 a value and 2 an output of an lp pooling: the averaging, ReLU and product in it", _LP_POOL, 2, outputs),
    Term("4 a value of a local response norm, and its padding", _RESPONSE_NORM, 4, inputs),
    Term("4 a value of a local response norm, and its padding", _RESPONSE_NORM, 1, neighbours),
)

_FVCORE_TERMS = (
    Term(_MACS, WEIGHTED | MATMUL, 1, macs),
    Term("2 a value of a batch norm", BATCH_NORM, 2, inputs, both(tracked, affine)),
    Term("1 a value of a batch norm without factors", BATCH_NORM, 1, inputs, both(tracked, plain)),
    Term("5 a value of a norm that measures its input", BATCH_NORM, 5, inputs, both(untracked, affine)),
    Term("4 a value of a norm that measures its input, without factors", BATCH_NORM, 4, inputs, both(untracked, plain)),
    Term("5 a value of a norm that measures its input", NORMS - BATCH_NORM, 5, inputs, affine),
    Term("4 a value of a norm that measures its input, without factors", NORMS - BATCH_NORM, 4, inputs, plain),
    Term("1 a value that an adaptive average pooling reads", ADAPTIVE_AVG, 1, inputs, of_rank(2)),
    Term("1 an output of nearest upsampling", _UPSAMPLE, 1, outputs, both(of_rank(2), interpolates("nearest"))),
    Term("4 an output of bilinear upsampling", _UPSAMPLE, 4, outputs, interpolates("bilinear")),
)
_FVCORE_ACTIVATIONS = (
    Term("outputs of convolutions and dense layers", WEIGHTED, 1, outputs),
    Term("outputs of matrix products", MATMUL, 1, outputs),
)
_FVCORE_VERSION = "0.1.5.post20221221"
_FVCORE = (
    Convention(
        "fvcore",
        "fvcore FlopCountAnalysis",
        _FVCORE_VERSION,
        "fvcore.nn.flop_count, jit_handles.py",
        "flops",
        _FVCORE_TERMS,
        silent=OWN_CODE,
    ),
    Convention(
        "fvcore_activations",
        "fvcore ActivationCountAnalysis",
        _FVCORE_VERSION,
        "fvcore.nn.activation_count",
        "activations",
        _FVCORE_ACTIVATIONS,
        silent=OWN_CODE,
    ),
    Convention(
        "timm_gmacs",
        "timm, gmacs",
        "1.0.31",
        "timm's benchmark.py with fvcore, which its tables were made with",
        "GMACs",
        _FVCORE_TERMS,
        silent=OWN_CODE,
        unit=10**9,
        digits=2,
    ),
    Convention(
        "timm_macts",
        "timm, macts",
        "1.0.31",
        "timm's benchmark.py with fvcore, which its tables were made with",
        "MActs",
        _FVCORE_ACTIVATIONS,
        silent=OWN_CODE,
        unit=10**6,
        digits=2,
    ),
)

_TORCHINFO = Convention(
    "torchinfo",
    "torchinfo",
    "1.8.0",
    "torchinfo/layer_info.py, total_mult_adds",
    "mult-adds",
    (
        Term(_MACS, CONVOLUTIONS | DENSE, 1, macs, module),
        Term(
            "weights of a transposed convolution, for each place of the output",
            TRANSPOSED,
            1,
            spread_over_outputs,
            module,
        ),
        Term(_BIAS, WEIGHTED, 1, bias_adds, module),
        Term("parameters of norms and PReLU, once an image and not a value", NORMS | {"prelu"}, 1, parameters, module),
    ),
    silent=OWN_CODE,
)

# ptflops, hooks on modules: some of these call a function that it has patched too, and are counted twice.
_TWICE = frozenset({"relu", "elu", "prelu", "gelu"}) | POOLS
_ONCE = frozenset({"relu6", "leaky_relu"})
_PATCHED = _TWICE | {"relu6", "silu", "softmax"}
_PTFLOPS = (
    Convention(
        "ptflops_pytorch",
        "ptflops, pytorch (its default)",
        "0.7.5",
        "ptflops/pytorch_ops.py",
        "MACs",
        (
            Term(_MACS, WEIGHTED, 1, macs, module),
            Term(_BIAS, WEIGHTED, 1, bias_adds, module),
            Term("2 a value of a norm", NORMS - LAYER_NORM, 2, inputs, both(module, affine)),
            Term("1 a value of a norm without factors", NORMS - LAYER_NORM, 1, inputs, both(module, plain)),
            Term("1 a value of a layer norm", LAYER_NORM, 1, inputs, module),
            Term("2 a value that ReLU, ELU, PReLU, GELU or a pooling reads", _TWICE, 2, inputs, module),
            Term("1 a value of ReLU6 and LeakyReLU", _ONCE, 1, inputs, module),
            Term("1 a value of SiLU and softmax", frozenset({"silu", "softmax"}), 1, inputs, module),
            Term("1 a value that an activation or pooling called as a function reads", _PATCHED, 1, inputs, function),
            Term("2 an output of upsampling", _UPSAMPLE, 2, outputs, module),
            Term("1 an output of upsampling called as a function", _UPSAMPLE, 1, outputs, function),
            Term("1 an output of torch.add and torch.mul", _JOINED, 1, joined, function),
            Term("the MACs of torch.matmul, but not of @", MATMUL, 1, macs, function),
            *_INSIDE,
        ),
        silent=OWN_CODE,
    ),
    Convention(
        "ptflops_aten",
        "ptflops, aten",
        "0.7.5",
        "ptflops/aten_ops.py",
        "MACs",
        (Term(_MACS, WEIGHTED | MATMUL, 1, macs), Term(_BIAS, WEIGHTED, 1, bias_adds)),
        silent=OWN_CODE,
    ),
)


def thop_transposed(entry: Entry) -> int:
    """thop's rule for convolutions, C/G · kernel positions for each output, where each output has fewer."""
    layer: Any = entry.node.layer
    shape = entry.node.input_shapes[0]
    return int(entry.work.outputs * (shape[0] // layer.groups) * prod(layer.kernels(shape)))


def thop_adaptive(entry: Entry) -> int:
    """(∏ in/out + 1) · outputs, cut to a whole number; in floats, as thop does it."""
    ratio = 1.0
    for wide, narrow in zip(entry.node.input_shapes[0][1:], entry.node.output[1:], strict=True):
        ratio *= wide / narrow
    return int((ratio + 1.0) * entry.work.outputs)


def softmax_steps(entry: Entry) -> int:
    """An exponential and a division a value, and the adds of each sum."""
    axis = int(getattr(entry.node.layer, "axis", 0))
    return 3 * entry.work.outputs - entry.work.outputs // entry.node.output[axis]


_THOP = Convention(
    "thop",
    "thop",
    "0.1.1.post2209072238",
    "thop/vision/basic_hooks.py, calc_func.py",
    "MACs",
    (
        Term(_MACS, CONVOLUTIONS | DENSE, 1, macs, module),
        Term(
            "C/G kernel positions for each output of a transposed convolution", TRANSPOSED, 1, thop_transposed, module
        ),
        Term("4 a value of a norm", NORMS - GROUP_NORM, 4, inputs, both(module, affine)),
        Term("2 a value of a norm without factors", NORMS - GROUP_NORM, 2, inputs, both(module, plain)),
        Term("1 a value of PReLU", frozenset({"prelu"}), 1, inputs, module),
        Term("1 an output of average pooling", AVG_POOLS, 1, outputs, module),
        Term("1 a value read and 1 an output of adaptive average pooling", ADAPTIVE_AVG, 1, thop_adaptive, module),
        Term("3 a value of softmax, less one a sum", frozenset({"softmax"}), 1, softmax_steps, module),
        Term("1 an output of nearest upsampling", _UPSAMPLE, 1, outputs, both(module, interpolates("nearest"))),
        Term("5 an output of linear upsampling", _UPSAMPLE, 5, outputs, both(module, interpolates("linear"))),
        Term("11 an output of bilinear upsampling", _UPSAMPLE, 11, outputs, both(module, interpolates("bilinear"))),
    ),
    silent=OWN_CODE,
)


# calflops began as a copy of DeepSpeed's profiler, and has kept what DeepSpeed has mended since.
_WHAT_FUNCTIONS_READ = frozenset({"relu", "prelu", "elu", "leaky_relu", "silu", "gelu", "softmax"}) | POOLS


def _deepspeed(*transposed_and_upsampled: Term) -> tuple[Term, ...]:
    """The terms that calflops and DeepSpeed share, and those in which they differ."""
    return (
        Term("a multiply and an add for each MAC", CONVOLUTIONS | DENSE, 2, macs),
        Term(
            "one add an output for the bias of a convolution; a dense layer's is left out", CONVOLUTIONS, 1, bias_adds
        ),
        Term("2 a value of a batch norm", BATCH_NORM, 2, inputs, both(tracked, affine)),
        Term("1 a value of a batch norm without factors", BATCH_NORM, 1, inputs, both(tracked, plain)),
        Term("5 a value of a norm that measures its input", BATCH_NORM, 5, inputs, both(untracked, affine)),
        Term(
            "4 a value of a norm that measures its input, without factors",
            BATCH_NORM,
            4,
            inputs,
            both(untracked, plain),
        ),
        Term("5 a value of a norm that measures its input", NORMS - BATCH_NORM, 5, inputs, affine),
        Term("4 a value of a norm that measures its input, without factors", NORMS - BATCH_NORM, 4, inputs, plain),
        Term("1 a value that an activation or pooling reads", _WHAT_FUNCTIONS_READ, 1, inputs),
        Term("1 a value of F.relu6", frozenset({"relu6"}), 1, inputs, function),
        Term("1 an output of torch.add and torch.mul", _JOINED, 1, joined, function),
        *_INSIDE,
        *transposed_and_upsampled,
    )


def calflops_transposed(entry: Entry) -> int:
    """calflops' MACs of a transposed convolution: it divides the filters by the groups twice."""
    layer: Any = entry.node.layer
    shape = entry.node.input_shapes[0]
    filters = layer.out_channels // layer.groups // layer.groups
    return int(prod(layer.kernels(shape)) * entry.work.inputs * filters)


def calflops_transposed_bias(entry: Entry) -> int:
    """calflops' adds for its bias: the output as large as that of a convolution, which is not transposed."""
    layer: Any = entry.node.layer
    shape = entry.node.input_shapes[0]
    rank = len(shape) - 1
    sizes = [
        (W + before + after - (D * (K - 1) + 1)) // S + 1
        for W, K, S, D, (before, after) in zip(
            shape[1:],
            per_axis(layer.kernel_size, rank, "kernel_size"),
            per_axis(layer.stride, rank, "stride"),
            per_axis(layer.dilation, rank, "dilation"),
            sides(layer.padding, rank, "padding"),
            strict=True,
        )
    ]
    return int(layer.out_channels // layer.groups * prod(sizes)) if layer.bias else 0


def calflops_upsampling(entry: Entry) -> int:
    """The values read where a factor is given; where a size is, its product, whatever the channels."""
    size = getattr(entry.node.layer, "size", None)
    if size is None:
        return entry.work.inputs
    return size if isinstance(size, int) else prod(size)


def _fails_in_calflops(entry: Entry) -> bool:
    """A factor for each dimension ends calflops with a TypeError."""
    return isinstance(getattr(entry.node.layer, "scale_factor", None), tuple)


def deepspeed_upsampling(entry: Entry) -> int:
    """The outputs where a factor is given; where a size is, its product, whatever the channels."""
    size = getattr(entry.node.layer, "size", None)
    if size is None:
        return entry.work.outputs
    return size if isinstance(size, int) else prod(size)


_CALFLOPS = (
    Convention(
        "calflops_flops",
        "calflops, flops",
        "0.3.2",
        "calflops/pytorch_ops.py",
        "FLOPs",
        _deepspeed(
            Term(
                "a multiply and an add for each MAC of a transposed convolution, over the groups twice",
                TRANSPOSED,
                2,
                calflops_transposed,
            ),
            Term(
                "adds for the bias of a transposed convolution, as if it were not transposed",
                TRANSPOSED,
                1,
                calflops_transposed_bias,
            ),
            Term("1 a value that upsampling reads", _UPSAMPLE, 1, calflops_upsampling),
            Term("a multiply and an add for each MAC of torch.matmul, but not of @", MATMUL, 2, macs, function),
        ),
        silent=OWN_CODE,
        silent_where=_fails_in_calflops,
    ),
    Convention(
        "calflops_macs",
        "calflops, macs",
        "0.3.2",
        "calflops/pytorch_ops.py",
        "MACs",
        (
            Term(_MACS, CONVOLUTIONS | DENSE, 1, macs),
            Term("MACs of a transposed convolution, over the groups twice", TRANSPOSED, 1, calflops_transposed),
            Term("the MACs of torch.matmul, but not of @", MATMUL, 1, macs, function),
        ),
        silent=OWN_CODE,
    ),
)

_DEEPSPEED = (
    Convention(
        "deepspeed_flops",
        "DeepSpeed, flops",
        "0.19.8",
        "deepspeed/profiling/flops_profiler/profiler.py",
        "flops",
        _deepspeed(
            Term("a multiply and an add for each MAC", TRANSPOSED | MATMUL, 2, macs),
            Term(
                "one add an output for the bias of a convolution; a dense layer's is left out", TRANSPOSED, 1, bias_adds
            ),
            Term("1 an output of upsampling", _UPSAMPLE, 1, deepspeed_upsampling),
        ),
        silent=OWN_CODE,
    ),
    Convention(
        "deepspeed_macs",
        "DeepSpeed, macs",
        "0.19.8",
        "deepspeed/profiling/flops_profiler/profiler.py",
        "MACs",
        (Term(_MACS, WEIGHTED | MATMUL, 1, macs),),
        silent=OWN_CODE,
    ),
)


def not_in_place(entry: Entry) -> bool:
    return not getattr(entry.node.layer, "inplace", False)


def torchprofile_transposed(entry: Entry) -> int:
    """For each output the weight's channels: its first dimension, or its second where the first is the output's."""
    layer: Any = entry.node.layer
    shape = entry.node.input_shapes[0]
    channels = layer.out_channels // layer.groups if layer.out_channels == shape[0] else shape[0]
    return int(entry.work.outputs * channels * prod(layer.kernels(shape)))


_TORCHPROFILE = Convention(
    "torchprofile",
    "torchprofile",
    "0.1.0",
    "torchprofile/handlers.py",
    "MACs",
    (
        Term(_MACS, CONVOLUTIONS | DENSE | MATMUL, 1, macs),
        Term(
            "input channels · kernel positions for each output of a transposed convolution",
            TRANSPOSED,
            1,
            torchprofile_transposed,
        ),
        Term("1 a value of a norm", NORMS, 1, inputs, affine),
        Term("1 an output of average pooling", AVG_POOLS | ADAPTIVE_AVG, 1, outputs),
        Term("1 a value of LeakyReLU, but in place", frozenset({"leaky_relu"}), 1, outputs, not_in_place),
        Term("4 an output of bilinear upsampling", _UPSAMPLE, 4, outputs, interpolates("bilinear")),
        Term("1 an output of a product", frozenset({"multiply"}), 1, joined),
        Term("3 an output of an lp pooling: the averaging and products in it", _LP_POOL, 3, outputs),
        Term("3 a value of a local response norm: the averaging and products in it", _RESPONSE_NORM, 3, inputs),
    ),
    silent=OWN_CODE,
)

# onnx-tool counts a file, so that what torch's exporters make of a layer decides. They fold a batch norm into the
# convolution before it, which gets a bias if it had none.


def not_folded(entry: Entry) -> bool:
    return not entry.folded


def onnx_biases(entry: Entry) -> int:
    """One add an output for the convolution's own bias or for that of the batch norm folded into it."""
    return entry.work.outputs if entry.folded else entry.work.bias_adds


def onnx_window(entry: Entry) -> int:
    """Outputs times the kernel, which in 3-D is taken to be one number."""
    shape = entry.node.input_shapes[0]
    rank = len(shape) - 1
    kernel = per_axis(getattr(entry.node.layer, "kernel_size"), rank, "kernel_size")  # noqa: B009
    return entry.work.outputs * prod(kernel if rank == 2 else kernel[:1])


def to_one(entry: Entry) -> bool:
    """Whether a pooling leaves one value a channel."""
    return places(entry) == 1


def onnx_transposed(entry: Entry) -> int:
    """Filters in a group times kernel positions for each output, where each reads the channels of a group."""
    layer: Any = entry.node.layer
    filters = layer.out_channels // layer.groups
    return int(entry.work.outputs * filters * prod(layer.kernels(entry.node.input_shapes[0])))


def _not_exported(entry: Entry) -> bool:
    """What an exporter refuses or onnx-tool does not know the shape of."""
    shape, output = entry.node.input_shapes[0], entry.node.output
    if entry.kind in ADAPTIVE:
        uneven = any(wide % narrow for wide, narrow in zip(shape[1:], output[1:], strict=True))
        return uneven or (len(shape) == 4 and not (entry.kind in ADAPTIVE_AVG and to_one(entry)))
    # An operand that is repeated is expanded first, which costs something of its own.
    return entry.kind in _OPERATORS and any(shape != output for shape in entry.node.input_shapes)


_OPERATORS = frozenset({"add", "subtract", "multiply", "divide", "mean"})

# What onnx-tool makes of the operators that these become, a value.
_ONNX_ACTIVATIONS = {
    "relu": 1,
    "relu6": 2,
    "leaky_relu": 2,
    "prelu": 2,
    "elu": 35,
    "gelu": 34,
    "silu": 33,
    "mish": 153,
    "sigmoid": 32,
    "tanh": 76,
    "hard_swish": 5,
    "hard_sigmoid": 4,
    "softmax": 36,
    "log_softmax": 80,
}
_ONNX_SILENT = OWN_CODE | {"lp_pool", "local_response_norm", "selu", "channel_shuffle"}


def _not_exported_by_dynamo(entry: Entry) -> bool:
    """The same, and interpolation in 1-D and 3-D, which is taken apart."""
    return _not_exported(entry) or (entry.kind in _UPSAMPLE and interpolated(entry) and entry.spatial != 2)


def _onnx(
    key: str,
    title: str,
    folds: bool = True,
    mean: int = 4,
    softplus: int = 76,
    silent: frozenset[str] = _ONNX_SILENT,
    refused: Condition = _not_exported,
) -> Convention:
    """A file of one exporter: whether batch norms are folded, what a mean costs beside its adds, and softplus."""
    adds = onnx_biases if folds else bias_adds
    rest = not_folded if folds else always
    return Convention(
        key,
        title,
        "1.0.1",
        "onnx_tool/node.py, of files exported by torch 2.13.0",
        "MACs",
        (
            Term(_MACS, CONVOLUTIONS | DENSE | MATMUL, 1, macs),
            Term("N/G kernel positions for each output of a transposed convolution", TRANSPOSED, 1, onnx_transposed),
            Term("one add an output for the bias, a folded batch norm's too" if folds else _BIAS, WEIGHTED, 1, adds),
            Term("31 a value of a batch norm", BATCH_NORM | INSTANCE_NORM, 31, inputs, both(tracked, rest)),
            Term("36 a value of a batch norm that measures its input", BATCH_NORM, 36, inputs, untracked),
            Term("7 a value of an instance norm", INSTANCE_NORM, 7, inputs, untracked),
            Term("9 a value of a group norm", GROUP_NORM, 9, inputs),
            Term("7 a value of a layer norm", LAYER_NORM, 7, inputs),
            Term("29 a place of a layer norm", LAYER_NORM, 29, places),
            *[
                Term(f"{times} a value of {kind}", frozenset({kind}), times, inputs)
                for kind, times in [*_ONNX_ACTIVATIONS.items(), ("softplus", softplus)]
                if kind not in silent
            ],
            Term("one a kernel position of each output of pooling", MAX_POOLS | AVG_POOLS, 1, onnx_window),
            Term("1 a value that adaptive pooling reads", ADAPTIVE, 1, inputs),
            *([Term(f"{mean} a mean of a channel", ADAPTIVE_AVG, mean, outputs, to_one)] if mean else []),
            Term("4 an output of linear upsampling", _UPSAMPLE, 4, outputs, interpolated),
            Term("1 an output and further path of a sum or product", _OPERATORS - {"divide"}, 1, joined),
            Term("4 an output and further path of a quotient", frozenset({"divide"}), 4, joined),
            Term("4 an output of a mean of paths", frozenset({"mean"}), 4, outputs),
        ),
        silent=silent,
        silent_where=refused,
    )


_ONNX_TOOL = (
    _onnx("onnx_tool", "onnx-tool, file of torch's first exporter"),
    _onnx(
        "onnx_tool_dynamo",
        "onnx-tool, file of torch's exporter",
        mean=0,
        softplus=77,
        silent=_ONNX_SILENT | {"mish"},
        refused=_not_exported_by_dynamo,
    ),
    _onnx("onnx_tool_unfolded", "onnx-tool, batch norms kept", folds=False),
)

CONVENTIONS: dict[str, Convention] = {
    convention.key: convention
    for convention in (
        *_OURS,
        _FLOP_COUNTER,
        *_FVCORE,
        _TORCHINFO,
        *_PTFLOPS,
        _THOP,
        *_CALFLOPS,
        *_DEEPSPEED,
        _TORCHPROFILE,
        *_ONNX_TOOL,
    )
}
