"""Small networks, and what torch held after every operator as it ran them: `tests/data/eager_events.txt`.

`python tests/eager/golden.py` measures again and writes that file, with the torch that is installed. With `cuda` it
measures on a GPU and writes `tests/data/eager_peaks_cuda.txt`, the peaks of these and more. The numbers are torch's
own, from its profiler (`cnncalc.pytorch.memory`): none is the model's. Sizes differ, so that no two rules that
take one size for another make the same number: 3 images of 6 rows, 9 columns and 12 channels.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cnncalc
from cnncalc.eager import Setup
from cnncalc.graph import Network
from cnncalc.layers.pointwise import FUNCTIONS, IN_PLACE, OPERATIONS

DATA = Path(__file__).parents[1] / "data" / "eager_events.txt"
ON_CUDA = DATA.with_name("eager_peaks_cuda.txt")

REDUCTIONS = ("sum", "mean", "max", "min", "norm")

# The layers behind a `prelu`, which makes their input want a gradient and does not need its own output.
LAYERS = {
    "conv": "{conv: {out_channels: 5, kernel_size: [3, 2], stride: [1, 2], padding: 1}}",
    "conv-grouped": "{conv: {out_channels: 8, kernel_size: 3, groups: 4, dilation: 2, bias: false}}",
    "conv-same-even": "{conv: {out_channels: 5, kernel_size: 4, padding: same}}",
    "conv-padded-apart": "{conv: {out_channels: 5, kernel_size: 3, padding: [[0, 1], [2, 1]]}}",
    "conv-partial": "{conv: {out_channels: 3, kernel_size: 3, connections: [[0, 1], [2, 3, 4, 5], [6, 7, 11]]}}",
    "conv-relu": "{conv: {out_channels: 5, kernel_size: 3, activation: relu}}",
    "conv-silu": "{conv: {out_channels: 5, kernel_size: 3, activation: silu}}",
    "conv-sigmoid": "{conv: {out_channels: 5, kernel_size: 3, activation: sigmoid}}",
    "conv-rounded-up": "{conv: {out_channels: 5, kernel_size: 3, stride: 2, rounding: ceil}}",
    "depthwise_conv": "{depthwise_conv: {kernel_size: 3, padding: 1}}",
    "conv_transpose": "{conv_transpose: {out_channels: 5, kernel_size: 2, stride: 2}}",
    "conv_transpose-cropped": "{conv_transpose: {out_channels: 5, kernel_size: 3, padding: [[1, 0], [0, 1]]}}",
    "locally_connected": "{locally_connected: {out_channels: 4, kernel_size: [2, 3], stride: 2}}",
    "locally_connected-dilated": "{locally_connected: {out_channels: 4, kernel_size: 2, dilation: 2, padding: 1}}",
    "linear": "{linear: 10}",
    "linear-no-bias": "{linear: {out_features: 10, bias: false}}",
    "linear-of-rows": "{linear: {out_features: 10, flatten: false}}",
    "linear-of-rows-no-bias": "{linear: {out_features: 10, flatten: false, bias: false}}",
    "linear-of-rows-turned": "{permute: [1, 2, 0]}, {linear: {out_features: 10, flatten: false}}, relu",
    "linear-after-linear": "{linear: {out_features: 10, activation: relu}}, {linear: 7}",
    "rbf": "{rbf: 10}",
    "rbf-trainable": "{rbf: {out_features: 10, trainable: true}}",
    "max_pool": "{max_pool: {kernel_size: [3, 2], stride: 2}}",
    "max_pool-padded-apart": "{max_pool: {kernel_size: 3, padding: [[0, 1], [1, 0]]}}",
    "max_pool-padded-by-half": "{max_pool: {kernel_size: 2, padding: 1}}",
    "max_pool-as-large-as-the-input": "{max_pool: {kernel_size: [6, 3], padding: [1, 0]}}",
    "max_pool-padded-far": "{max_pool: {kernel_size: 3, dilation: 2, padding: same}}",
    "max_pool-dilated-and-padded": "{max_pool: {kernel_size: 2, dilation: 2, padding: 1}}",
    "max_pool-larger-than-the-input": "{max_pool: {kernel_size: [8, 3], padding: [2, 1]}}",
    "max_pool-rounded-up": "{max_pool: {kernel_size: 3, stride: 2, padding: [[0, 0], [1, 0]], rounding: ceil}}",
    "avg_pool": "{avg_pool: {kernel_size: 3, stride: 2, padding: 1}}",
    "avg_pool-padded-apart": "{avg_pool: {kernel_size: 3, padding: [[0, 1], [1, 0]]}}",
    "avg_pool-rounded-up": "{avg_pool: {kernel_size: 3, stride: 2, padding: [[0, 0], [1, 0]], rounding: ceil}}",
    "lp_pool": "{lp_pool: {kernel_size: 2, norm_type: 2}}",
    "depth_pool": "{depth_pool: 4}",
    "depth_pool-overlapping": "{depth_pool: {kernel_size: 4, stride: 2}}",
    "depth_pool-avg": "{depth_pool: {kernel_size: 3, mode: avg}}",
    "adaptive_avg_pool": "{adaptive_avg_pool: [4, 7]}",
    "adaptive_avg_pool-1": "{adaptive_avg_pool: 1}",
    "adaptive_avg_pool-of-rows": "{adaptive_avg_pool: [4, 1]}",
    "adaptive_max_pool": "{adaptive_max_pool: [4, 7]}",
    "global_avg_pool": "global_avg_pool",
    "global_max_pool": "global_max_pool",
    "subsample": "{subsample: {kernel_size: 2, activation: tanh}}",
    "maxout": "{maxout: 3}",
    "batch_norm": "batch_norm",
    "batch_norm-plain": "{batch_norm: {affine: false, track_running_stats: false}}",
    "group_norm": "{group_norm: 4}",
    "layer_norm": "layer_norm",
    "layer_norm-channels": "{layer_norm: {axes: channels}}",
    "layer_norm-last": "{layer_norm: {axes: last}}",
    "instance_norm": "instance_norm",
    "instance_norm-tracked": "{instance_norm: {track_running_stats: true}}",
    "instance_norm-full": "{instance_norm: {affine: true, track_running_stats: true}}",
    "local_response_norm": "{local_response_norm: 5}",
    "l2_norm": "l2_norm",
    "scale": "{scale: {bias: true}}",
    "scale-no-bias": "{scale: {bias: false}}",
    "relu": "relu",
    "relu6": "relu6",
    "leaky_relu": "{leaky_relu: 0.1}",
    "prelu": "{prelu: in_channels}",
    "elu": "elu",
    "selu": "selu",
    "gelu": "gelu",
    "silu": "silu",
    "mish": "mish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softplus": "softplus",
    "hard_swish": "hard_swish",
    "hard_sigmoid": "hard_sigmoid",
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "softmax-along-rows": "{softmax: {axis: 2}}",
    "log_softmax-along-columns": "{log_softmax: {axis: 1}}, {softmax: {axis: 2}}",
    "arithmetic": "{arithmetic: {operation: multiply, number: 0.5}}",
    "arithmetic-of-a-tensor": "{arithmetic: {operation: add, shape: [12, 1, 1]}}",
    "arithmetic-of-a-factor": "{arithmetic: {operation: multiply, shape: [1, 6, 9]}}",
    **{
        f"arithmetic-{operation}-a-number": f"{{arithmetic: {{operation: {operation}, number: 2.5}}}}"
        for operation in OPERATIONS
    },
    **{
        f"arithmetic-{operation}-a-tensor": f"{{arithmetic: {{operation: {operation}, shape: [12, 1, 9]}}}}"
        for operation in OPERATIONS
    },
    "arithmetic-power-of-zero": "{arithmetic: {operation: power, number: 0}}",
    "arithmetic-power-of-a-buffer": (
        "{arithmetic: {operation: power, shape: [12, 1, 1], trainable: false}}, {function: neg}"
    ),
    "arithmetic-minimum-of-a-buffer": "{arithmetic: {operation: minimum, shape: [12, 1, 1], trainable: false}}",
    "arithmetic-divide-into-a-buffer": "{arithmetic: {operation: divide_into, shape: [1, 6, 1], trainable: false}}",
    "arithmetic-minimum-by-a-larger": "global_avg_pool, {arithmetic: {operation: minimum, shape: [12, 6, 9]}}",
    "arithmetic-power-of-a-larger": "global_avg_pool, {arithmetic: {operation: power, shape: [12, 6, 9]}}",
    **{f"function-{name}": f"{{function: {name}}}" for name in FUNCTIONS},
    "reduce": "{reduce: {by: mean, axes: [1, 2]}}",
    **{f"reduce-{by}": f"{{reduce: {{by: {by}, axes: 0, keep: false}}}}" for by in REDUCTIONS},
    **{f"reduce-{by}-kept": f"{{reduce: {{by: {by}, axes: [0, 2]}}}}" for by in REDUCTIONS},
    **{f"reduce-{by}-to-a-value": f"{{reduce: {{by: {by}, axes: [0, 1, 2], keep: false}}}}" for by in REDUCTIONS},
    "dropout": "{dropout: 0.5}",
    "dropout-0": "{dropout: 0}",
    "drop_path": "{drop_path: 0.2}",
    "flatten": "flatten",
    "reshape": "{reshape: [8, 3, -1]}",
    "permute": "{permute: [1, 2, 0]}",
    "pad": "{pad: [[0, 1], [2, 3]]}",
    "pad-reflect": "{pad: {padding: 2, mode: reflect}}",
    "pad-replicate": "{pad: {padding: [1, 2], mode: replicate}}",
    "pad-circular": "{pad: {padding: [1, 2], mode: circular}}",
    "pad-circular-at-some-sides": "{pad: {padding: [[0, 1], [2, 0]], mode: circular}}",
    "crop": "{crop: [4, 5]}",
    "upsample": "{upsample: {scale_factor: 2}}",
    "upsample-bilinear": "{upsample: {size: [7, 11], mode: bilinear}}",
    "pixel_shuffle": "{pixel_shuffle: 2}",
    "space_to_depth": "{space_to_depth: 3}",
    "channel_shuffle": "{channel_shuffle: 4}",
    "slice": "{slice: {start: 1, stop: 8, step: 3}}",
    "slice-of-one": "{conv: {out_channels: 1, kernel_size: 1}}, {slice: {step: 2}}",
    "slice-whole": "{slice: {stop: 12}}",
    "identity": "identity",
    "add": "{add: [{conv: {out_channels: 12, kernel_size: 1}}, identity]}",
    "add-of-three": "{add: [relu, identity, tanh]}",
    "add-in-place": "{add: {paths: [{conv: {out_channels: 12, kernel_size: 1}}, identity], inplace: true}}",
    "add-to-itself": "{add: [identity, identity]}",
    "add-over-maps": "{add: [global_avg_pool, identity]}",
    "concat": "{concat: [{conv: {out_channels: 5, kernel_size: 1}}, identity, relu]}",
    "concat-of-rows": "{concat: {paths: [relu, identity], axis: 1}}",
    "multiply": "{multiply: [[global_avg_pool, sigmoid], identity]}",
    "multiply-by-itself": "{multiply: [identity, identity]}",
    "subtract": "{subtract: [identity, relu]}",
    "divide": "{divide: [identity, sigmoid]}",
    "divide-by-a-map": "{divide: [sigmoid, [global_avg_pool, sigmoid]]}",
    "mean": "{mean: [relu, tanh, identity]}",
    # in place
    "relu-in-place": "{relu: {inplace: true}}",
    "relu6-in-place": "{relu6: {inplace: true}}",
    "leaky_relu-in-place": "{leaky_relu: {inplace: true}}",
    "elu-in-place": "{elu: {inplace: true}}",
    "selu-in-place": "{selu: {inplace: true}}",
    "silu-in-place": "{silu: {inplace: true}}",
    "mish-in-place": "{mish: {inplace: true}}",
    "hard_swish-in-place": "{hard_swish: {inplace: true}}",
    "hard_sigmoid-in-place": "{hard_sigmoid: {inplace: true}}",
    **{
        f"arithmetic-{operation}-in-place": f"{{arithmetic: {{operation: {operation}, number: 2.5, inplace: true}}}}"
        for operation in IN_PLACE
    },
    **{
        f"arithmetic-{operation}-a-tensor-in-place": (
            f"{{arithmetic: {{operation: {operation}, shape: [12, 1, 1], inplace: true}}}}"
        )
        for operation in IN_PLACE
    },
    **{f"function-{name}-in-place": f"{{function: {{of: {name}, inplace: true}}}}" for name in FUNCTIONS},
    "product-in-place-on-a-part": "{slice: {stop: 5}}, {arithmetic: {shape: [5, 1, 1], inplace: true}}",
    "in-place-one-after-another": (
        "batch_norm, {arithmetic: {shape: [12, 1, 1], inplace: true}}, {function: {of: sqrt, inplace: true}}"
    ),
    "dropout-in-place": "{dropout: {p: 0.5, inplace: true}}",
    "dropout-in-place-on-a-view": "flatten, {dropout: {p: 0.5, inplace: true}}",
    "conv-written-over-as-a-view": "{conv: {out_channels: 5, kernel_size: 3}}, flatten, {elu: {inplace: true}}",
    "silu-in-place-on-a-part": "{slice: {stop: 5}}, {silu: {inplace: true}}",
    # what a layer leaves to the next: an order of dimensions, gaps
    "behind-a-permutation": "{permute: [1, 0, 2]}, relu, {max_pool: 2}, {linear: 7}",
    "conv-behind-channels-last": "{layer_norm: {axes: channels}}, {conv: {out_channels: 5, kernel_size: 3}}, flatten",
    "norm-behind-channels-last": "{layer_norm: {axes: channels}}, batch_norm, {group_norm: 3}",
    "group_norm-before-channels-last": "{group_norm: 3}, {layer_norm: {axes: channels}}",
    "norm-of-a-part": "{slice: {stop: 8}}, {group_norm: 2}, {instance_norm: {affine: true}}",
    "shuffle-behind-channels-last": "{layer_norm: {axes: channels}}, {channel_shuffle: 3}, {space_to_depth: 3}",
    "concat-of-channels-last": "{layer_norm: {axes: channels}}, {concat: [relu, identity]}, {pad: 1}",
    "pools-behind-channels-last": "{layer_norm: {axes: channels}}, {avg_pool: 2}, {max_pool: 2}, global_avg_pool",
    "mean-of-channels-last": "{layer_norm: {axes: channels}}, {adaptive_avg_pool: 1}",
    "upsample-of-channels-last": "{layer_norm: {axes: channels}}, {upsample: {scale_factor: 2}}, relu",
    "rows-by-columns": "flatten, {permute: [0]}, {linear: 5}",
    "relu-of-a-permutation": "{reshape: [24, 3, 9]}, {permute: [1, 2, 0]}, relu, softmax",
    "leaky_relu-of-a-permutation": "{reshape: [24, 3, 9]}, {permute: [1, 2, 0]}, leaky_relu, softmax",
    "tanh-of-a-permutation": "{reshape: [24, 3, 9]}, {permute: [1, 2, 0]}, tanh, softmax",
    "prelu-of-a-permutation": "{reshape: [24, 3, 9]}, {permute: [1, 2, 0]}, {prelu: in_channels}, softmax",
    "power-of-a-permutation": (
        "{reshape: [24, 3, 9]}, {permute: [1, 2, 0]}, {arithmetic: {operation: power, shape: [3, 1, 24]}}, softmax"
    ),
    "clamp-of-a-permutation": (
        "{reshape: [24, 3, 9]}, {permute: [1, 2, 0]}, {arithmetic: {operation: maximum, shape: [3, 1, 24]}}, softmax"
    ),
    "power-of-zero-of-a-permutation": (
        "{reshape: [24, 3, 9]}, {permute: [1, 2, 0]}, {arithmetic: {operation: power, number: 0}}, {permute: [0, 2, 1]}"
    ),
    "norm-of-rows-of-a-permutation": "{permute: [1, 2, 0]}, {reduce: {by: norm, axes: 1}}, {permute: [2, 0, 1]}, relu",
    "largest-before-a-permutation": "{reduce: {by: max, axes: 1, keep: false}}, {permute: [1, 0]}, softmax",
    "padding-of-nothing": "{permute: [1, 2, 0]}, {pad: 0}, flatten",
    # filters that are computed
    "dynamic_conv": "{dynamic_conv: {paths: [identity, [global_avg_pool, {linear: 240}]], out_channels: 5, "
    "kernel_size: [2, 2], padding: 1}}",
    "dynamic_conv-in-groups": "{dynamic_conv: {paths: [tanh, [global_avg_pool, {linear: {out_features: 324, "
    "bias: false}}]], out_channels: 9, kernel_size: 3, stride: 2, dilation: 2, padding: 2, groups: 3}}",
    "dynamic_conv-same": "{dynamic_conv: {paths: [relu, [global_avg_pool, {linear: 4}, sigmoid, {linear: 240}]], "
    "out_channels: 5, kernel_size: 2, padding: same}}",
    "dynamic_conv-of-a-part": "{dynamic_conv: {paths: [identity, [{slice: {stop: 4}}, {slice: {axis: 1, stop: 6}}, "
    "{slice: {axis: 2, stop: 8}}]], out_channels: 4, kernel_size: 2}}, relu",
    "dynamic_conv-behind-channels-last": "{layer_norm: {axes: channels}}, {dynamic_conv: {paths: [identity, "
    "[global_avg_pool, {linear: 240}]], out_channels: 5, kernel_size: 2}}, batch_norm",
    "dynamic_conv-of-channels-last-filters": "{dynamic_conv: {paths: [identity, [{layer_norm: {axes: channels}}, "
    "relu]], out_channels: 9, kernel_size: [2, 3], groups: 1}}",
    # how gradients meet
    "matmul": "{matmul: [tanh, [sigmoid, {permute: [0, 2, 1]}]]}",
    "matmul-of-one-value": "relu, {matmul: [identity, [{permute: [0, 2, 1]}]]}",
    "matmul-of-two-dimensions": "{reshape: [12, 54]}, {matmul: [[{permute: [1, 0]}, tanh], identity]}",
    "matmul-of-copies": "{matmul: [[{permute: [1, 0, 2]}], [{permute: [1, 2, 0]}]]}, {softmax: {axis: 2}}",
    "global-context": (
        "{multiply: [identity, [{matmul: [[{reshape: [1, 12, 54]}], [{conv: {out_channels: 1, kernel_size: 1}}, "
        "{reshape: [1, 54]}, {softmax: {axis: 1}}, {reshape: [1, 54, 1]}]]}, {reshape: [12, 1, 1]}]]}"
    ),
    "read-twice": "relu, {add: [tanh, sigmoid]}",
    "read-three-times": "relu, {add: [tanh, {conv: {out_channels: 12, kernel_size: 1}}, sigmoid]}",
    "residual": "batch_norm, {add: [identity, [{conv: {out_channels: 12, kernel_size: 1}}, batch_norm]]}, relu",
    "residual-twice": "{add: [identity, [relu, {conv: {out_channels: 12, kernel_size: 1}}]], repeat: 2}",
    "dense": "{concat: [identity, [batch_norm, {conv: {out_channels: 4, kernel_size: 1}}]], repeat: 2}",
    "concat-of-the-same": "relu, {concat: [identity, identity, tanh]}",
    "a-gate": "{multiply: [[global_avg_pool, {conv: {out_channels: 12, kernel_size: 1}}, sigmoid], identity]}",
    "mean-of-shared": "relu, {mean: [identity, identity]}",
    "pooled-twice": "relu, {add: [[global_avg_pool], [global_max_pool]]}",
    "summed-views": "relu, {add: [{permute: [0, 1, 2]}, {reshape: [12, 6, 9]}]}",
}

# The same in one and in three spatial dimensions.
RANKS = {"1d": "13x6", "3d": "4x5x7x6"}
OF_ANY_RANK = {
    "conv": "{conv: {out_channels: 4, kernel_size: 3}}",
    "conv_transpose": "{conv_transpose: {out_channels: 4, kernel_size: 2, stride: 2}}",
    "max_pool": "{max_pool: 2}",
    "avg_pool": "{avg_pool: 2}",
    "adaptive_avg_pool": "{adaptive_avg_pool: 3}",
    "adaptive_avg_pool-1": "{adaptive_avg_pool: 1}",
    "adaptive_max_pool": "{adaptive_max_pool: 3}",
    "lp_pool": "{lp_pool: {kernel_size: 2, norm_type: 3}}",
    "local_response_norm": "{local_response_norm: 3}",
    "instance_norm": "{instance_norm: {affine: true}}",
    "conv-behind-channels-last": "{layer_norm: {axes: channels}}, {conv: {out_channels: 4, kernel_size: 3}}",
    "upsample": "{upsample: {scale_factor: 2}}",
    "pad-replicate": "{pad: {padding: 1, mode: replicate}}",
    "locally_connected": "{locally_connected: {out_channels: 2, kernel_size: 2}}",
    "conv-of-one-of-many": "{slice: {axis: 1, step: 20}}, {conv: {out_channels: 1, kernel_size: 3, padding: same}}",
}

# In batches of one image, whose parts along the channels have no gaps.
OF_ONE_IMAGE = (
    *("concat", "dense", "max_pool", "channel_shuffle", "norm-of-a-part", "read-twice", "matmul-of-copies"),
    *("dynamic_conv", "dynamic_conv-in-groups", "dynamic_conv-behind-channels-last"),
)

# Dimensions in other orders, some of size 1: their strides say nothing, and torch looks at them all the same.
LAYOUTS = {
    "norm-of-a-permutation": "input: [7, 3, 1]\nlayers: [prelu, {permute: [1, 0, 2]}, batch_norm, flatten]",
    "instance-of-a-permutation": "input: [3, 2, 3]\nlayers: [prelu, softmax, {permute: [2, 0, 1]}, instance_norm]",
    "max_pool-1d-of-a-permutation": "input: 13x6\nlayers: [{permute: [1, 0]}, {max_pool: 2}]",
    "conv-1d-of-one-channel": """
input: [7, 1]
layers: [prelu, {permute: [1, 0]}, {conv: {out_channels: 2, kernel_size: 1}}, {maxout: 2}]
""",
    "mean-of-permutations": """
input: [3, 1, 3]
layers:
  - prelu
  - {permute: [2, 1, 0]}
  - {mean: [identity, [{permute: [1, 0, 2]}, batch_norm, {permute: [1, 0, 2]}]]}
  - {group_norm: 1}
""",
}

# The input of a first layer wants no gradient.
FIRST = {
    "first-conv": "input: 6x9x12\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}]",
    "first-linear": "input: 6x9x12\nlayers: [{linear: 7}]",
    "first-dropout": "input: 6x9x12\nlayers: [{dropout: 0.5}, {linear: 7}]",
    "first-batch_norm": "input: 6x9x12\nlayers: [batch_norm]",
    "first-multiply": "input: 6x9x12\nlayers: [{multiply: [identity, {depthwise_conv: 1}]}, {max_pool: 2}]",
    "first-divide": "input: 6x9x12\nlayers: [{divide: [{depthwise_conv: 1}, identity]}, {max_pool: 2}]",
    "first-max_pool-1d": "input: 13x6\nlayers: [{max_pool: 2}, {linear: 5}]",
    "first-power": "input: 6x9x12\nlayers: [{arithmetic: {operation: power, shape: [12, 1, 1]}}, {max_pool: 2}]",
    "first-minimum": "input: 6x9x12\nlayers: [{arithmetic: {operation: minimum, shape: [12, 6, 1]}}, {max_pool: 2}]",
    "first-product-in-place": "input: 6x9x12\nlayers: [{arithmetic: {shape: [12, 1, 1], inplace: true}}, {linear: 7}]",
    "pools-behind-channels-last-3d": "input: 4x5x7x6\nlayers: [prelu, {layer_norm: {axes: channels}}, {concat: ["
    "[{avg_pool: 2}, flatten], [{adaptive_avg_pool: 2}, flatten], [{adaptive_max_pool: 2}, flatten], "
    "[{max_pool: 2}, flatten]]}]",
    "dynamic_conv-1d": "input: 13x6\nlayers: [prelu, {dynamic_conv: {paths: [identity, [global_avg_pool, "
    "{linear: 72}]], out_channels: 4, kernel_size: 3, stride: 2}}]",
    "dynamic_conv-3d": "input: 4x5x7x6\nlayers: [prelu, {dynamic_conv: {paths: [identity, [global_avg_pool, "
    "{linear: 192}]], out_channels: 4, kernel_size: 2, padding: 1}}]",
    "first-dynamic_conv": "input: 6x9x12\nlayers: [{dynamic_conv: {paths: [identity, [global_avg_pool, "
    "{linear: 240}]], out_channels: 5, kernel_size: 2}}]",
    "first-matmul": "input: 6x9x12\nlayers: [{matmul: [{depthwise_conv: 1}, [{permute: [0, 2, 1]}]]}, {max_pool: 2}]",
    "local_response_norm-0d": "input: [10]\nlayers: [prelu, {local_response_norm: 3}]",
}

# Outputs of which cross-entropy is taken: one class an image, one a place, and of several outputs.
CLASSES = {
    "classes": "input: 6x9x12\nlayers: [{linear: 7}]",
    "classes-1d": "input: 13x6\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}]",
    "classes-2d": "input: 6x9x12\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}]",
    "classes-3d": "input: 4x5x7x6\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}]",
    "three-heads": """
input: 6x9x12
layers:
  - {conv: {out_channels: 4, kernel_size: 3}, name: stem}
  - {linear: 7, name: a}
  - {linear: 5, name: b, from: stem}
  - {linear: 6, name: c, from: stem}
outputs: [a, b, c]
""",
}

# With a kernel that is not trained, and a bias that is: oneDNN makes the kernel's gradient all the same, where it runs.
FROZEN_KERNELS = (
    *("conv", "conv-relu", "conv-same-even", "depthwise_conv", "conv_transpose", "conv_transpose-cropped"),
    *("conv-1d", "conv-3d", "conv_transpose-1d", "conv_transpose-3d"),
)

# Under autocast some operators stay in float32, and what is kept is in either format.
AUTOCAST = (
    *("conv", "conv-silu", "conv_transpose-cropped", "locally_connected", "linear-after-linear", "rbf-trainable"),
    *("linear-of-rows", "linear-of-rows-turned"),
    *("avg_pool", "lp_pool", "subsample", "batch_norm", "layer_norm-channels", "l2_norm"),
    *("instance_norm-tracked", "instance_norm-full"),
    *[f"arithmetic-{operation}-a-tensor" for operation in OPERATIONS],
    *[f"arithmetic-{operation}-a-tensor-in-place" for operation in IN_PLACE],
    *("arithmetic-power-of-a-buffer", "product-in-place-on-a-part", "reduce-norm", "reduce-sum", "reduce-min-kept"),
    *("matmul", "matmul-of-one-value", "matmul-of-copies", "global-context", "softmax-along-rows"),
    *("dynamic_conv", "dynamic_conv-in-groups", "dynamic_conv-same", "dynamic_conv-of-a-part"),
    *("local_response_norm", "scale", "prelu", "softmax", "dropout", "drop_path", "pad-reflect", "pad-replicate"),
    *(
        "upsample",
        "add-over-maps",
        "concat",
        "multiply",
        "divide-by-a-map",
        "mean",
        "residual-twice",
        "dense",
        "a-gate",
    ),
    *(
        "conv-of-one-of-many-1d",
        "conv-of-one-of-many-3d",
        "max_pool-3d",
        "avg_pool-3d",
        "adaptive_max_pool-3d",
        "adaptive_avg_pool-3d",
        "adaptive_avg_pool-1-3d",
    ),
)

# In a block that runs again instead of keeping what its layers need.
CHECKPOINTED = (
    *("conv-relu", "conv-partial", "locally_connected", "linear-after-linear", "max_pool", "avg_pool", "lp_pool"),
    *("batch_norm", "instance_norm-full", "local_response_norm", "conv-silu", "dropout"),
    *("arithmetic-power-a-tensor", "arithmetic-minimum-a-tensor", "arithmetic-divide_into-a-number", "reduce-norm"),
    *("in-place-one-after-another", "function-erf", "function-rsqrt"),
    *("conv-written-over-as-a-view", "pad-circular", "multiply", "concat", "residual", "residual-twice", "dense"),
    *("matmul", "global-context", "dynamic_conv", "dynamic_conv-same"),
)

# For whole steps: some of everything that is usual.
USUAL = """
input: 6x9x12
layers:
  - {conv: {out_channels: 8, kernel_size: 3, padding: 1, bias: false}, name: stem}
  - batch_norm
  - {relu: {inplace: true}}
  - {max_pool: 2}
  - {add: [identity, [{conv: {out_channels: 8, kernel_size: 3, padding: 1}, name: branch}, batch_norm]], name: joined}
  - {linear: 10, name: hidden}
  - {dropout: 0.5}
  - {linear: 7, name: head}
"""

# How a network runs. `train` is forward and backward alone, from a gradient of ones.
ONE_STEP: dict[str, Any] = {"training": True, "optimizer": "", "steps": 1}
TWO_STEPS: dict[str, Any] = {"training": True, "steps": 2}
MODES: dict[str, dict[str, Any]] = {
    "predict": {},
    "train": {**ONE_STEP, "loss": "none"},
    "train-one-image": {**ONE_STEP, "loss": "none", "batch": 1},
    "classes": ONE_STEP,
    "float64": {**ONE_STEP, "dtype": "float64"},
    "bfloat16": {**ONE_STEP, "dtype": "bfloat16"},
    **{name: {**TWO_STEPS, "optimizer": name} for name in ("sgd", "momentum", "adam", "adamw")},
    **{
        f"{name}-decay": {**TWO_STEPS, "optimizer": name, "weight_decay": True}
        for name in ("sgd", "momentum", "adam", "adamw")
    },
    "frozen-stem": {**TWO_STEPS, "optimizer": "adam", "frozen": ("stem.*", "batch_norm*", "branch.bias")},
    "frozen-weights": {**TWO_STEPS, "optimizer": "momentum", "frozen": ("*.weight", "branch.bias")},
    "frozen-hidden": {**TWO_STEPS, "optimizer": "sgd", "frozen": ("hidden.*",)},
    "frozen": {**TWO_STEPS, "optimizer": "adam", "frozen": ("*",)},
    "frozen-kernels": {**ONE_STEP, "loss": "none", "frozen": ("*conv*.weight",)},
    "frozen-kernels-one-image": {**ONE_STEP, "loss": "none", "frozen": ("*conv*.weight",), "batch": 1},
    "autocast-predict": {"amp": "bfloat16"},
    "autocast": {**TWO_STEPS, "optimizer": "adam", "amp": "bfloat16"},
    "autocast-train": {**ONE_STEP, "loss": "none", "amp": "bfloat16"},
    "checkpointed": {**ONE_STEP, "loss": "none", "checkpointed": ("part",)},
    "autocast-checkpointed": {**ONE_STEP, "loss": "none", "checkpointed": ("part",), "amp": "bfloat16"},
}


# What was found to be another matter on CUDA.
MODES_ON_CUDA: dict[str, dict[str, Any]] = {
    "float64-predict": {"dtype": "float64"},
    "float64-train": {**ONE_STEP, "loss": "none", "dtype": "float64"},
    "bfloat16-predict": {"dtype": "bfloat16"},
    "bfloat16-train": {**ONE_STEP, "loss": "none", "dtype": "bfloat16"},
    "bfloat16-frozen": {**ONE_STEP, "loss": "none", "dtype": "bfloat16", "frozen": ("batch_norm*.weight",)},
}
OF_NORMS = ("conv-behind-channels-last", "norm-behind-channels-last", "norm-of-a-part", "batch_norm", "layer_norm")


class Golden(NamedTuple):
    """A network, and the mode that it runs in."""

    name: str
    text: str
    mode: str

    @property
    def id(self) -> str:
        return f"{self.name}/{self.mode}"

    @property
    def network(self) -> Network:
        return cnncalc.loads(self.text)

    @property
    def setup(self) -> Setup:
        return Setup(**{"batch": 3, **{**MODES, **MODES_ON_CUDA}[self.mode]})


def every() -> Iterator[Golden]:
    behind_prelu = {name: f"input: 6x9x12\nlayers: [prelu, {layers}]" for name, layers in LAYERS.items()}
    for rank, input in RANKS.items():
        for name, layers in OF_ANY_RANK.items():
            behind_prelu[f"{name}-{rank}"] = f"input: {input}\nlayers: [prelu, {layers}]"
    for name, text in behind_prelu.items():
        yield Golden(name, text, "predict")
        yield Golden(name, text, "train")
    for name in OF_ONE_IMAGE:
        yield Golden(name, behind_prelu[name], "train-one-image")
    for name, text in {**FIRST, **LAYOUTS}.items():
        yield Golden(name, text, "predict")
        yield Golden(name, text, "train")
    for name in FROZEN_KERNELS:
        yield Golden(name, behind_prelu[name], "frozen-kernels")
        yield Golden(name, behind_prelu[name], "frozen-kernels-one-image")
    for name in AUTOCAST:
        yield Golden(name, behind_prelu[name], "autocast-train")
    for name in CHECKPOINTED:
        text = f"blocks: {{part: {{layers: [{LAYERS[name]}]}}}}\nlayers: [prelu, part, tanh]"
        yield Golden(name, f"input: 6x9x12\n{text}", "checkpointed")
        if "conv" in LAYERS[name] or "linear" in LAYERS[name]:
            yield Golden(name, f"input: 6x9x12\n{text}", "autocast-checkpointed")
    for name, text in CLASSES.items():
        yield Golden(name, text, "classes")
    for mode, options in MODES.items():
        if options.get("loss") != "none":
            yield Golden("usual", USUAL, mode)


def written() -> dict[str, tuple[int, list[tuple[str, int]]]]:
    """What is in the file, by the id of a row: the bytes at rest, and each operator with the bytes live behind it."""
    found = {}
    for line in DATA.read_text().splitlines():
        if line.startswith("#"):
            continue
        id, at_rest, operators = line.split(" | ")
        pairs = [operator.split(" ") for operator in operators.split(", ")] if operators else []
        found[id] = int(at_rest), [(name, int(at_rest) + int(more)) for name, more in pairs]
    return found


def on_cuda() -> Iterator[Golden]:
    """Every row on CUDA, of each network under autocast a prediction and a step of training; norms in other formats."""
    found = {golden.id: golden for golden in every()}
    texts = {golden.name: golden.text for golden in found.values() if golden.mode in ("predict", "train", "classes")}
    for name, text in texts.items():
        for mode in ("autocast-predict", "autocast-train"):
            golden = Golden(name, text, mode)
            found.setdefault(golden.id, golden)
    for name in OF_NORMS:
        for mode in MODES_ON_CUDA:
            if mode != "bfloat16-frozen" or "batch_norm" in texts[name]:
                golden = Golden(name, texts[name], mode)
                found.setdefault(golden.id, golden)
    yield from found.values()


class Step(NamedTuple):
    """What is live in a step on CUDA: the most at an operator's end, and at the last one's."""

    peak: int
    end: int


def written_on_cuda() -> dict[str, tuple[int, list[Step]]]:
    """The bytes at rest and each step's, by the id of a row."""
    found = {}
    for line in ON_CUDA.read_text().splitlines():
        if not line.startswith("#"):
            id, at_rest, steps = line.split(" | ")
            found[id] = int(at_rest), [Step(*map(int, step.split(" "))) for step in steps.split(", ")]
    return found


def measure() -> Iterator[str]:
    import torch

    from cnncalc.pytorch.memory import measured

    yield f"# torch {torch.__version__}: bytes at rest, and each operator with the bytes above those as it returns"
    for golden in every():
        found = measured(golden.network, golden.setup)
        operators = [f"{operator} {live - found.at_rest}" for step in found.steps for operator, live in step]
        yield f"{golden.id} | {found.at_rest} | {', '.join(operators)}"


def measure_on_cuda() -> Iterator[str]:
    import torch

    from cnncalc.pytorch.memory import Refusal, measured

    device = torch.cuda.get_device_name(0)
    yield f"# torch {torch.__version__}, {device}: bytes at rest, and each step's peak and end at operators' ends"
    for golden in on_cuda():
        try:
            found = measured(golden.network, replace(golden.setup, device="cuda"))
        except Refusal:
            continue
        steps = [f"{peak} {step[-1].live}" for peak, step in zip(found.peaks, found.steps, strict=True)]
        yield f"{golden.id} | {found.at_rest} | {', '.join(steps)}"


if __name__ == "__main__":
    path, lines = (ON_CUDA, measure_on_cuda()) if sys.argv[1:] == ["cuda"] else (DATA, measure())
    sys.stderr.write(f"writing {path}\n")
    path.write_text("".join(f"{line}\n" for line in lines))
