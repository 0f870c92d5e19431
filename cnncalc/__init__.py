"""cnncalc: a convolutional network on paper. Exact shapes, parameters, multiplies, memory and receptive fields.

>>> import cnncalc
>>> network = cnncalc.load("vgg16")
>>> cnncalc.analyze(network, batch=8).totals.parameters
138357544
"""

from __future__ import annotations

from cnncalc.analysis import analyze
from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.graph import Input, Network, Node
from cnncalc.language.load import loads
from cnncalc.models import load
from cnncalc.passes.receptive_field import receptive_fields
from cnncalc.report import Report, json_schema

__version__ = "0.1.0"

__all__ = [
    "Diagnostic",
    "DocumentError",
    "Input",
    "Network",
    "Node",
    "Report",
    "analyze",
    "json_schema",
    "load",
    "loads",
    "receptive_fields",
]
