"""Words of other frameworks, and the word of this language that is meant. They are refused, with the answer."""

from __future__ import annotations

from collections.abc import Collection

FIELDS = {
    "filters": "out_channels",
    "nb_filter": "out_channels",
    "num_filters": "out_channels",
    "num_output": "out_channels",
    "outputs": "out_channels",
    "channels": "out_channels",
    "out": "out_channels",
    "n": "out_channels",
    "units": "out_features",
    "features": "out_features",
    "kernel": "kernel_size",
    "ksize": "kernel_size",
    "kernel_shape": "kernel_size",
    "filter_size": "kernel_size",
    "pool_size": "kernel_size",
    "k": "kernel_size",
    "strides": "stride",
    "subsample": "stride",
    "s": "stride",
    "pad": "padding",
    "pads": "padding",
    "border_mode": "padding",
    "auto_pad": "padding",
    "p": "padding",
    "dilation_rate": "dilation",
    "dilations": "dilation",
    "group": "groups",
    "use_bias": "bias",
    "bias_term": "bias",
    "act": "activation",
    "nonlinearity": "activation",
    "ceil_mode": "rounding",
    "rate": "p",
    "prob": "p",
    "dropout_ratio": "p",
    "depth_multiplier": "multiplier",
    "axis": "axes",
    "epsilon": "eps",
    "target_shape": "shape",
    "interpolation": "mode",
    "factor": "scale_factor",
    "dim": "axis",
    "inputs": "paths",
    "layers": "paths",
}

# Words for what the language reads off the input, so that no field says it.
NEEDLESS_FIELDS = {
    "in_channels": "the channels that enter are known",
    "in_features": "the values that enter are known",
    "input_shape": "the shape that enters is known",
    "num_features": "the channels that enter are known",
    "num_channels": "the channels that enter are known",
}

KINDS = {
    "conv1d": "conv",
    "conv2d": "conv",
    "conv3d": "conv",
    "convolution": "conv",
    "convolution2d": "conv",
    "convolutional": "conv",
    "separable_conv": "depthwise_conv",
    "depthwise": "depthwise_conv",
    "depthwiseconv2d": "depthwise_conv",
    "deconv": "conv_transpose",
    "deconvolution": "conv_transpose",
    "conv2dtranspose": "conv_transpose",
    "convtranspose2d": "conv_transpose",
    "upconv": "conv_transpose",
    "locallyconnected2d": "locally_connected",
    "dense": "linear",
    "fc": "linear",
    "fully_connected": "linear",
    "fullyconnected": "linear",
    "inner_product": "linear",
    "innerproduct": "linear",
    "maxpool": "max_pool",
    "maxpool2d": "max_pool",
    "maxpooling2d": "max_pool",
    "maxpooling": "max_pool",
    "pool": "max_pool",
    "pooling": "max_pool",
    "avgpool": "avg_pool",
    "avgpool2d": "avg_pool",
    "averagepooling2d": "avg_pool",
    "average_pool": "avg_pool",
    "mean_pool": "avg_pool",
    "adaptiveavgpool2d": "adaptive_avg_pool",
    "gap": "global_avg_pool",
    "globalaveragepooling2d": "global_avg_pool",
    "global_average_pool": "global_avg_pool",
    "globalmaxpooling2d": "global_max_pool",
    "bn": "batch_norm",
    "batchnorm": "batch_norm",
    "batchnorm2d": "batch_norm",
    "batchnormalization": "batch_norm",
    "batch_normalization": "batch_norm",
    "lrn": "local_response_norm",
    "localresponsenorm": "local_response_norm",
    "normalize": "l2_norm",
    "cat": "concat",
    "concatenate": "concat",
    "merge": "concat",
    "route": "concat",
    "residual": "add",
    "shortcut": "add",
    "sum": "add",
    "eltwise": "add",
    "skip": "add",
    "mul": "multiply",
    "average": "mean",
    "swish": "silu",
    "lrelu": "leaky_relu",
    "hswish": "hard_swish",
    "zeropadding2d": "pad",
    "zero_padding": "pad",
    "zero_pad": "pad",
    "upsampling2d": "upsample",
    "interpolate": "upsample",
    "unpool": "upsample",
    "pixel_unshuffle": "space_to_depth",
    "depth_to_space": "pixel_shuffle",
    "reorg": "space_to_depth",
    "stochastic_depth": "drop_path",
    "view": "reshape",
    "transpose": "permute",
}


def field_meant(word: str, known: Collection[str]) -> str:
    """The one of a kind's fields that another framework's word stands for, or nothing."""
    meant = FIELDS.get(word, "")
    if meant == "out_channels" and "out_features" in known:
        return "out_features"
    return meant if meant in known else ""


def kind_meant(word: str) -> str | None:
    """The kind another framework's word stands for: `Conv2D` is `conv`."""
    plain = word.lower()
    return KINDS.get(plain) or KINDS.get(plain.replace("_", "").replace("-", ""))
