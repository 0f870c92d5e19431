"""Storages live as long as a tensor sees them, and a tick tells what is live."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cnncalc.eager.machine import Machine

Event = tuple[str, int]


def test_a_storage_goes_with_its_last_tensor(machine: Machine) -> None:
    x = machine.tensor((3, 5, 7), 4)
    assert machine.live == 3 * 5 * 7 * 4
    same = x
    del x
    assert machine.live == 420
    del same
    assert machine.live == 0


def test_a_view_keeps_the_tensor_that_it_is_of(machine: Machine) -> None:
    x = machine.tensor((3, 35), 4)
    view = x.view((3, 5, 7), (35, 7, 1))
    assert view.base is x
    assert (x.storage.tensors, machine.live) == (2, 420)
    del x
    assert (view.storage.tensors, machine.live) == (2, 420)
    del view
    assert machine.live == 0


def test_a_view_of_a_view_is_one_of_the_first(machine: Machine) -> None:
    x = machine.tensor((3, 35), 4)
    view = x.view((105,), (1,)).view((5, 21), (21, 1))
    assert view.base is x
    assert x.storage.tensors == 2  # the one in between is gone


def test_an_alias_keeps_the_memory_and_no_tensor(machine: Machine) -> None:
    x = machine.tensor((3, 35), 4, (1, 3))
    alias = x.alias()
    assert (alias.base, alias.edge, alias.shape, alias.strides) == (None, None, (3, 35), (1, 3))
    assert x.storage.tensors == 2
    del x
    assert (alias.storage.tensors, machine.live) == (1, 420)


def test_a_new_tensor_is_contiguous_unless_said_otherwise(machine: Machine) -> None:
    x = machine.tensor((3, 5, 7), 2)
    assert (x.strides, x.contiguous) == ((35, 7, 1), True)
    y = x.like(strides=(1, 3, 15))
    assert (y.shape, y.width, y.strides, y.contiguous) == ((3, 5, 7), 2, (1, 3, 15), False)
    assert x.like((2, 9)).strides == (9, 1)
    assert x.like(()).storage.record.bytes == 2  # a number


@pytest.mark.parametrize(
    ("shape", "width", "cpu", "blocks"),
    [
        pytest.param((), 4, 4, 512, id="number"),
        pytest.param((128,), 4, 512, 512, id="one-block"),
        pytest.param((129,), 4, 516, 1024, id="a-little-more"),
        pytest.param((3, 5, 7, 11), 8, 9_240, 19 * 512, id="nineteen-blocks"),
        pytest.param((1_000_000,), 4, 4_000_000, 7813 * 512, id="megabytes"),
        pytest.param((), 0, 0, 0, id="nothing"),  # a Python number on CUDA
    ],
)
def test_cuda_hands_out_blocks_of_512_bytes(shape: tuple[int, ...], width: int, cpu: int, blocks: int) -> None:
    for cuda, bytes in ((False, cpu), (True, blocks)):
        machine = Machine(cuda)
        x = machine.tensor(shape, width)
        assert machine.live == x.storage.record.bytes == bytes
        del x
        assert machine.live == 0


def test_a_copy_in_another_format_has_the_order_and_no_gaps(machine: Machine) -> None:
    """torch.empty(4, 5, 6).permute(1, 0, 2)[:, :, :3].to(torch.bfloat16).stride()"""
    copy = machine.tensor((4, 5, 6), 4).view((5, 4, 3), (6, 30, 1)).cast(2)
    assert (copy.shape, copy.strides, copy.storage.record.bytes) == ((5, 4, 3), (3, 15, 1), 5 * 4 * 3 * 2)


def test_a_tick_sees_what_is_live(machine: Machine, events: Callable[[Machine], list[Event]]) -> None:
    x = machine.tensor((3,), 4)
    machine.phase, machine.layer = "forward", "conv1"
    machine.tick("one")
    y = machine.tensor((5,), 4)
    y.tick("two")
    del x
    machine.tick("three")
    assert events(machine) == [("one", 12), ("two", 12 + 20), ("three", 20)]
    assert {(phase, layer) for _, phase, layer, _ in machine.events} == {("forward", "conv1")}


def test_a_python_number_is_a_tensor_of_8_bytes_on_cpu(
    machine: Machine, cuda: Machine, events: Callable[[Machine], list[Event]]
) -> None:
    for device in (machine, cuda):
        device.tick("add_", scalar=True)
        device.tick("add_")
    assert events(machine) == [("add_", 8), ("add_", 0)]
    assert events(cuda) == [("add_", 0), ("add_", 0)]


def test_a_record_says_when_its_storage_lived(machine: Machine) -> None:
    machine.tick("before")
    x = machine.tensor((3, 2), 4, role="input", name="image")
    record = x.storage.record
    machine.tick("first")  # event 1 is the first that finds it
    machine.tick("second")
    assert (record.born, record.died) == (1, -1)
    del x
    machine.tick("after")
    assert (record.born, record.died) == (1, 3)  # event 3 the first that does not
    assert (record.bytes, record.shape, record.role, record.name) == (24, (3, 2), "input", "image")
    assert machine.records == [record]


def test_a_record_says_while_autograd_kept_its_storage(machine: Machine) -> None:
    storage = (x := machine.tensor((3,), 4)).storage
    record = storage.record
    assert (record.kept, record.released, record.keeper) == (-1, -1, "")
    machine.tick("0")
    machine.layer = "conv1"
    storage.keep()
    machine.tick("1")
    machine.layer = "conv2"
    storage.keep()
    storage.release()
    assert (record.kept, record.released, record.keeper) == (1, -1, "conv1")  # the first that wanted it, still
    machine.tick("2")
    storage.release()
    assert (record.kept, record.released) == (1, 3)
    storage.keep()  # the next step keeps a parameter again
    assert (record.kept, record.released, record.keeper) == (1, -1, "conv1")
    del x
