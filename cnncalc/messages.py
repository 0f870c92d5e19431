"""Every word of an explanation, by key: what quantities, units, letters and formulas are called, and the whys.

`text("unit.bytes")` is a word, `text("of-a-layer", layer="conv1")` a sentence with something put in. A language is a
table of the same keys. What English says of a formula is the formula's docstring; another language has a `why.` key.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc

ENGLISH = {
    # quantities
    "quantity.output": "output",
    "quantity.parameters": "parameters",
    "quantity.weights": "weights",
    "quantity.biases": "biases",
    "quantity.buffers": "buffers",
    "quantity.macs": "multiply-accumulates",
    "quantity.flops": "operations of every sort",
    "quantity.multiplies": "multiplies",
    "quantity.adds": "adds",
    "quantity.comparisons": "comparisons",
    "quantity.divisions": "divisions",
    "quantity.exponentials": "exponentials",
    "quantity.logarithms": "logarithms",
    "quantity.roots": "roots",
    "quantity.powers": "powers",
    "quantity.error_functions": "error functions",
    "quantity.activations": "activations",
    "quantity.memory": "memory of outputs",
    "quantity.prediction": "memory for prediction",
    "quantity.training": "memory for training",
    "quantity.connections": "connections",
    "quantity.neurons": "neurons",
    "quantity.depth": "depth",
    "quantity.receptive_field": "receptive field",
    "quantity.jump": "jump",
    "quantity.start": "start",
    "quantity.filter_parameters": "parameters of one filter",
    "quantity.unshared_parameters": "parameters if weights were not shared",
    "quantity.dense_parameters": "parameters if it were dense",
    "quantity.im2col_input": "im2col, X_col",
    "quantity.im2col_weights": "im2col, W_row",
    "quantity.im2col_output": "im2col, W_row times X_col",
    "quantity.im2col_bytes": "im2col, memory of X_col",
    "quantity.convolution_kernel": "the convolution that does the same, its weights",
    "quantity.convolution_weights": "the convolution that does the same, how many weights",
    # formulas that are not called as their functions are
    "formula.output_size_sided": "output size",
    "formula.output_size_ceil": "output size, rounded up",
    "formula.output_size_same": "output size",
    "formula.output_size_transposed": "output size",
    "formula.padding_same": "padding of both sides",
    "formula.adaptive_taps": "inputs read",
    "formula.enlarged_size": "output size",
    "formula.reduced_size": "output size",
    "formula.padded_size": "output size",
    "formula.cropped_size": "output size",
    "formula.crop_before": "cut off before",
    "formula.crop_after": "cut off after",
    "formula.sliced_size": "output size",
    "formula.rest_size": "size written as -1",
    "formula.group_channels": "channels of a group",
    "formula.group_filters": "filters of a group",
    "formula.depthwise_channels": "output channels",
    "formula.joined_channels": "output channels",
    "formula.channels_to_positions": "output channels",
    "formula.positions_to_channels": "output channels",
    "formula.concatenated_size": "joined size",
    "formula.input_elements": "input values",
    "formula.output_elements": "output values",
    "formula.convolution_weights": "weights",
    "formula.partial_weights": "weights",
    "formula.unshared_weights": "weights, not shared",
    "formula.transposed_weights": "weights",
    "formula.dense_weights": "weights",
    "formula.dense_equivalent_weights": "weights, dense",
    "formula.filter_biases": "biases",
    "formula.unshared_biases": "biases, not shared",
    "formula.channel_parameters": "numbers",
    "formula.element_parameters": "numbers",
    "formula.filter_parameters": "parameters of one filter",
    "formula.convolution_macs": "multiply-accumulates",
    "formula.partial_macs": "multiply-accumulates",
    "formula.transposed_macs": "multiply-accumulates",
    "formula.dense_macs": "multiply-accumulates",
    "formula.per_element": "of each value",
    "formula.per_set": "of each set",
    "formula.window_joins": "steps within windows",
    "formula.window_values": "values of windows",
    "formula.window_values_and_one": "values of windows, and one",
    "formula.adaptive_values": "values of windows",
    "formula.joins": "steps that join",
    "formula.channel_joins": "steps that join channels",
    "formula.path_joins": "steps that join paths",
    "formula.total": "sum",
    "formula.tensor_bytes": "bytes",
    "formula.parameter_bytes": "bytes of the parameters",
    "formula.largest_pair": "largest two consecutive outputs",
    "formula.textbook_prediction": "predicting",
    "formula.textbook_training": "training",
    "formula.sum_prediction": "predicting",
    "formula.sum_training": "training",
    "formula.liveness_prediction": "predicting",
    "formula.im2col_rows": "rows of X_col",
    "formula.im2col_columns": "columns of X_col",
    "formula.im2col_elements": "values of X_col",
    "formula.field_size": "field",
    "formula.field_jump": "jump",
    "formula.field_start": "first pixel of the first field",
    "formula.field_span": "field",
    # units
    "unit.parameters": "parameters",
    "unit.weights": "weights",
    "unit.biases": "biases",
    "unit.channels": "channels",
    "unit.positions": "positions",
    "unit.values": "values",
    "unit.MACs": "MACs",
    "unit.multiplies": "multiplies",
    "unit.adds": "adds",
    "unit.operations": "operations",
    "unit.connections": "connections",
    "unit.neurons": "neurons",
    "unit.buffers": "buffers",
    "unit.bytes": "bytes",
    "unit.pixels": "pixels",
    "unit.rows": "rows",
    "unit.columns": "columns",
    "unit.layers": "layers",
    "unit.sum": "",
    "unit.comparisons": "comparisons",
    "unit.divisions": "divisions",
    "unit.exponentials": "exponentials",
    "unit.logarithms": "logarithms",
    "unit.roots": "roots",
    "unit.powers": "powers",
    "unit.error_functions": "error functions",
    # dimensions: of how many, which
    "dimension.1.1": "length",
    "dimension.2.1": "height",
    "dimension.2.2": "width",
    "dimension.3.1": "depth",
    "dimension.3.2": "height",
    "dimension.3.3": "width",
    "dimension": "dimension {position}",
    # letters
    "letter.A": "output padding",
    "letter.B": "images in the batch",
    "letter.b": "bytes of a number",
    "letter.C": "input channels, those that a filter reads",
    "letter.C_all": "input channels of all groups",
    "letter.c": "how many for each",
    "letter.D": "dilation",
    "letter.E": "elements: values of the output",
    "letter.E_in": "values of the input",
    "letter.F": "effective kernel size",
    "letter.G": "groups",
    "letter.I_B": "bytes of the input",
    "letter.J": "values that are joined",
    "letter.K": "kernel size",
    "letter.L": "inputs that windows read",
    "letter.M": "parameters",
    "letter.M_B": "bytes of the parameters",
    "letter.M_b": "biases",
    "letter.M_w": "weights",
    "letter.N": "output channels: filters or units",
    "letter.N_all": "output channels of all groups",
    "letter.O": "output size",
    "letter.P": "padding on each side",
    "letter.P_1": "padding before",
    "letter.P_2": "padding after",
    "letter.P_s": "padding of both sides",
    "letter.Q": "multiply-accumulates",
    "letter.R_B": "bytes of the buffers",
    "letter.S": "stride",
    "letter.T": "pairs of maps that are connected",
    "letter.U": "uses of biases and learned factors",
    "letter.V_1": "values of an output",
    "letter.V_2": "values of the outputs it reads",
    "letter.V_B": "bytes of outputs",
    "letter.W": "input size",
    "letter.X": "others beside",
    "letter.X_r": "rows of X_col",
    "letter.X_c": "columns of X_col",
    "letter.a": "first pixel",
    "letter.i": "first position",
    "letter.j": "jump: pixels between neighbouring fields",
    "letter.k": "end position",
    "letter.m": "how many for a channel",
    "letter.n": "paths, or sizes given",
    "letter.r": "receptive field",
    "letter.s": "first pixel of the first field",
    "letter.t": "a term",
    "letter.u": "factor",
    "letter.z": "last pixel",
    # sentences
    "of-layer": "{layer}, {quantity}",
    "setting": "Counts are for one image; bytes are for {images} in {dtype}.",
    "images.1": "1 image",
    "images": "a batch of {count}",
    "and": "{first} and {last}",
    "colon": "{name}: {rest}",
    "unknown": "no size describes it",
    "nothing-to-count": "There is nothing of the kind in it.",
    "as-given": "No formula: the layer itself gives the sizes, or its input does.",
    "no-window": "Its units see parts of the input that are no window.",
    "sum": "sum over {count} layers, the largest first",
    "sum.1": "of one layer",
    "others": "{count} other layers",
    "comes-from": "{letter} = {value}: {source}",
    "letters": "Letters",
}
CATALOGUES: dict[str, dict[str, str]] = {"en": ENGLISH}


def text(key: str, language: str = "en", **parts: object) -> str:
    """The words of a key, in English where a language lacks them; KeyError where English does, too."""
    words = CATALOGUES[language].get(key)
    words = ENGLISH[key] if words is None else words
    return words.format(**parts) if parts else words


def formula_name(formula: Callable[..., int], language: str = "en") -> str:
    """What a formula is called: a catalogue's `formula.`, or the function's name in words."""
    name = formula.__name__
    return CATALOGUES[language].get(f"formula.{name}") or ENGLISH.get(f"formula.{name}") or name.replace("_", " ")


def why(formula: Callable[..., int], language: str = "en") -> str:
    """Why a formula holds and where it is from, in one line: the first sentence of its docstring."""
    known = CATALOGUES[language].get(f"why.{formula.__name__}")
    return known or cleandoc(formula.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def plain_letter(name: str) -> str:
    """The letter that is explained: K for K_h, t for t_3, but E_in for itself."""
    return name if f"letter.{name}" in ENGLISH else name.partition("_")[0]


def letter(name: str, language: str = "en") -> str:
    """What a letter stands for; KeyError for one that is not explained."""
    return text(f"letter.{plain_letter(name)}", language)


def dimension(position: int, rank: int, language: str = "en") -> str:
    """Which spatial dimension: `height`."""
    key = f"dimension.{rank}.{position + 1}"
    return text(key, language) if key in ENGLISH else text("dimension", language, position=position + 1)
