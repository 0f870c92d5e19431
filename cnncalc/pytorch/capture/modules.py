"""Modules that are one layer, whatever operators their code is made of: `WHOLE`, by the name of the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnncalc.layers import Kind
from cnncalc.layers.norm import LocalResponseNorm
from cnncalc.layers.pool import LpPool
from cnncalc.layers.regularize import DropPath


def local_response_norm(module: Any) -> Kind:
    return LocalResponseNorm(size=module.size, alpha=float(module.alpha), beta=float(module.beta), k=float(module.k))


def lp_pool(module: Any) -> Kind:
    return LpPool(
        norm_type=float(module.norm_type),
        kernel_size=module.kernel_size,
        stride=module.stride,
        rounding="ceil" if module.ceil_mode else "floor",
    )


WHOLE: dict[str, Callable[[Any], Kind]] = {
    "LocalResponseNorm": local_response_norm,
    "LPPool1d": lp_pool,
    "LPPool2d": lp_pool,
    "LPPool3d": lp_pool,
    "StochasticDepth": lambda module: DropPath(p=float(module.p)),  # torchvision's
    "DropPath": lambda module: DropPath(p=float(module.drop_prob or 0)),  # timm's
}
