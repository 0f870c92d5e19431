"""The layer kinds: one family a file, and `LAYERS`, the written list of all of them."""

from __future__ import annotations

from cnncalc.layers.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    LogSoftmax,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)
from cnncalc.layers.base import Kind
from cnncalc.layers.conv import Conv, ConvTranspose, DepthwiseConv, DynamicConv, LocallyConnected
from cnncalc.layers.linear import Linear, Rbf
from cnncalc.layers.merge import Add, Concat, Divide, Matmul, Mean, Merge, Multiply, Subtract
from cnncalc.layers.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    L2Norm,
    LayerNorm,
    LocalResponseNorm,
    Scale,
)
from cnncalc.layers.pointwise import Arithmetic, Function, Reduce
from cnncalc.layers.pool import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    DepthPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    Maxout,
    MaxPool,
    Subsample,
)
from cnncalc.layers.regularize import Dropout, DropPath
from cnncalc.layers.reshape import (
    ChannelShuffle,
    Crop,
    Flatten,
    Identity,
    Pad,
    Permute,
    PixelShuffle,
    Reshape,
    Slice,
    SpaceToDepth,
)
from cnncalc.layers.resize import Upsample

LAYERS: tuple[type[Kind], ...] = (
    # convolutions and dense layers
    Conv,
    DepthwiseConv,
    ConvTranspose,
    LocallyConnected,
    DynamicConv,
    Linear,
    Rbf,
    # pooling
    MaxPool,
    AvgPool,
    LpPool,
    DepthPool,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    GlobalAvgPool,
    GlobalMaxPool,
    Subsample,
    Maxout,
    # normalisation
    BatchNorm,
    GroupNorm,
    LayerNorm,
    InstanceNorm,
    LocalResponseNorm,
    L2Norm,
    Scale,
    # activations
    Relu,
    Relu6,
    LeakyRelu,
    Prelu,
    Elu,
    Selu,
    Gelu,
    Silu,
    Mish,
    Sigmoid,
    Tanh,
    Softplus,
    HardSwish,
    HardSigmoid,
    Softmax,
    LogSoftmax,
    # arithmetic
    Arithmetic,
    Function,
    Reduce,
    # regularisation
    Dropout,
    DropPath,
    # shape
    Flatten,
    Reshape,
    Permute,
    Pad,
    Crop,
    Upsample,
    PixelShuffle,
    SpaceToDepth,
    ChannelShuffle,
    Slice,
    Identity,
    # merges
    Add,
    Concat,
    Multiply,
    Subtract,
    Divide,
    Mean,
    Matmul,
)

KINDS: dict[str, type[Kind]] = {layer.kind: layer for layer in LAYERS}

__all__ = ["KINDS", "LAYERS", "Kind", "Merge"]
