"""The network in PyTorch: `build` makes a module of it, `verify` compares every number with what torch gives,
`verify_memory` what the model of eager torch says is live with what is.

Importing this without torch raises `DocumentError`, which says what to install.
"""

from __future__ import annotations

from importlib.util import find_spec

from cnncalc.diagnostics import Diagnostic, DocumentError

if find_spec("torch") is None:
    raise DocumentError(Diagnostic("torch-missing", "torch is not installed", help="pip install 'cnncalc[torch]'"))

from cnncalc.pytorch.build import NetworkModule, TorchRefuses, build
from cnncalc.pytorch.memory import MemoryVerification, verify_memory
from cnncalc.pytorch.verify import Comparison, LayerVerification, Verification, diagnostics, verify

__all__ = [
    "Comparison",
    "LayerVerification",
    "MemoryVerification",
    "NetworkModule",
    "TorchRefuses",
    "Verification",
    "build",
    "diagnostics",
    "verify",
    "verify_memory",
]
