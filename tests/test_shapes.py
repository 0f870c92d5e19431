from __future__ import annotations

import pytest

from cnncalc.shapes import DTYPE_BYTES, Layout, Shape, elements, shape_text, sizes_text


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        pytest.param((96, 55, 55), 290_400, id="alexnet-layer1"),
        pytest.param((10,), 10, id="vector"),
        pytest.param((3, 16, 112, 100), 3 * 16 * 112 * 100, id="video"),
        pytest.param((), 1, id="scalar"),
    ],
)
def test_elements(shape: Shape, count: int) -> None:
    assert elements(shape) == count


@pytest.mark.parametrize(("sizes", "text"), [((56, 64), "56x64"), ((7,), "7"), ((1, 2, 3), "1x2x3")])
def test_sizes_text(sizes: tuple[int, ...], text: str) -> None:
    assert sizes_text(sizes) == text


@pytest.mark.parametrize(
    ("shape", "layout", "text"),
    [
        pytest.param((64, 56, 48), "hwc", "56x48x64", id="height-width-channels"),
        pytest.param((64, 56, 48), "chw", "[64, 56, 48]", id="channels-height-width"),
        pytest.param((1, 16000), "hwc", "16000x1", id="sound"),
        pytest.param((3, 16, 112, 100), "hwc", "16x112x100x3", id="video"),
        pytest.param((10,), "hwc", "10", id="vector"),
        pytest.param((10,), "chw", "[10]", id="vector-channels-first"),
    ],
)
def test_shape_text(shape: Shape, layout: Layout, text: str) -> None:
    assert shape_text(shape, layout) == text


def test_every_dtype_has_torchs_size() -> None:
    torch = pytest.importorskip("torch")
    for name, size in DTYPE_BYTES.items():
        assert getattr(torch, name).itemsize == size
