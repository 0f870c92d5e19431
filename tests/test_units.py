from __future__ import annotations

import pytest

from cnncalc.units import memory_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("100_000 B", 100_000),
        ("8GiB", 8 * 2**30),
        ("8 gib", 8 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("24GB", 24 * 10**9),
        ("0.1kB", 100),
        ("1,024 KiB", 2**20),
        ("0.3B", 0),
        ("1TiB", 2**40),
        ("2TB", 2 * 10**12),
        ("512MiB", 2**29),
        ("512MB", 512 * 10**6),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert memory_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "8", "8G", "8Gb it", "-3GB", "1e9B", "1.2.3GB", ".5GB", "GiB", "_1GB", "8GiBs", "8,5GiB", "1,00kB"]
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of memory"):
        memory_size(text)
