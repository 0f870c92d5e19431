"""Amounts of memory as people write them: `8GiB` is 8 · 2^30 bytes, `24 GB` is 24 · 10^9."""

from __future__ import annotations

import re

UNITS: dict[str, int] = {
    "B": 1,
    **{f"{prefix}B": 1000 ** (power + 1) for power, prefix in enumerate("kMGT")},
    **{f"{prefix}iB": 1024 ** (power + 1) for power, prefix in enumerate("KMGT")},
}
_AMOUNT = re.compile(r"(\d{1,3}(?:,\d{3})+|\d[\d_]*)(?:\.(\d+))?\s*([A-Za-z]+)", re.ASCII)


def memory_size(text: str) -> int:
    """Whole bytes of an amount with its unit, rounded down; ValueError where it is none, or its unit is unclear."""
    found = _AMOUNT.fullmatch(text.strip())
    unit = {name.lower(): size for name, size in UNITS.items()}.get(found[3].lower()) if found else None
    if found is None or unit is None:
        raise ValueError(f"`{text}` is not an amount of memory")
    whole, part = re.sub("[_,]", "", found[1]), found[2] or ""
    return int(whole + part) * unit // int(10 ** len(part))
