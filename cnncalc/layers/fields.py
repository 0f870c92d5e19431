"""What a field of a layer kind may hold: a test for a value, and the words for it when the value fails.

Plain classes rather than pydantic models: pydantic alone takes longer to import than everything an analysis does, and a
document's values need messages of their own anyway. `Declared` collects the fields a class writes as annotations.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    dataclass_transform,
    get_args,
)

from cnncalc.shapes import LARGEST_SIZE


class Takes(NamedTuple):
    """The values a field takes. `literals` are words taken as they are; `real` fields turn fractions to floats."""

    words: str
    accepts: Callable[[Any], bool]
    literals: tuple[str, ...] = ()
    real: bool = False


# `__class__` rather than `type`: a size that is not known (`unknowns.py`) is an int by that.


def _count(value: Any) -> bool:
    return value.__class__ is int and 1 <= value <= LARGEST_SIZE


def _whole(value: Any) -> bool:
    return value.__class__ is int and 0 <= value <= LARGEST_SIZE


def _real(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _flag(value: Any) -> bool:
    return type(value) is bool


def _each(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """One value, or a list of them."""
    return lambda value: test(value) if type(value) is not tuple else bool(value) and all(map(test, value))


def _side(value: Any) -> bool:
    return _whole(value) or (type(value) is tuple and len(value) == 2 and _whole(value[0]) and _whole(value[1]))


def _sides(value: Any) -> bool:
    return _whole(value) or (type(value) is tuple and bool(value) and all(map(_side, value)))


PositiveInt = Annotated[int, Takes("a positive whole number", _count)]
NonNegativeInt = Annotated[int, Takes("a whole number from 0 up", _whole)]
AnyInt = Annotated[int, Takes("a whole number", lambda value: value.__class__ is int and abs(value) <= LARGEST_SIZE)]
OptionalInt = Annotated[
    int | None,
    Takes(
        "a whole number, or null",
        lambda value: value is None or (value.__class__ is int and abs(value) <= LARGEST_SIZE),
    ),
]
OptionalCount = Annotated[
    int | None, Takes("a positive whole number, or null", lambda value: value is None or _count(value))
]
Real = Annotated[float, Takes("a number", _real, real=True)]
PositiveReal = Annotated[float, Takes("a positive number", lambda value: _real(value) and value > 0, real=True)]
NonNegativeReal = Annotated[float, Takes("a number from 0 up", lambda value: _real(value) and value >= 0, real=True)]
Probability = Annotated[float, Takes("a number from 0 to 1", lambda value: _real(value) and 0 <= value <= 1, real=True)]
OptionalReal = Annotated[
    float | None, Takes("a number, or null", lambda value: value is None or _real(value), real=True)
]
Flag = Annotated[bool, Takes("true or false", _flag)]

_ONE_EACH = "or a list with one for each spatial dimension"
Sizes = Annotated[int | tuple[int, ...], Takes(f"a positive whole number, {_ONE_EACH}", _each(_count))]
OptionalSizes = Annotated[
    int | tuple[int, ...] | None,
    Takes(f"a positive whole number, {_ONE_EACH}, or null", lambda value: value is None or _each(_count)(value)),
]
NonNegativeSizes = Annotated[int | tuple[int, ...], Takes(f"a whole number from 0 up, {_ONE_EACH}", _each(_whole))]

_SIDES = "a whole number from 0 up, a list with one for each spatial dimension, [before, after] for each"
SideSizes = int | tuple[int | tuple[int, int], ...]
Sides = Annotated[SideSizes, Takes(_SIDES, _sides)]
OptionalSides = Annotated[SideSizes | None, Takes(f"{_SIDES}, or null", lambda value: value is None or _sides(value))]


def sides_or(*words: str) -> Takes:
    """Sides, or one of some words."""
    quoted = ", ".join(f"`{word}`" for word in words)
    return Takes(f"{_SIDES}, or {quoted}", lambda value: value in words if type(value) is str else _sides(value), words)


def choice(*words: str) -> Takes:
    """One of some words."""
    quoted = [f"`{word}`" for word in words]
    said = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return Takes(said, lambda value: type(value) is str and value in words, words)


Words = Literal  # for fields whose Takes is made with `choice`

REQUIRED: Any = object()


class Field(NamedTuple):
    """One field of a kind."""

    name: str
    takes: Takes
    default: Any

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Declared:
    """A frozen record whose fields are its annotated class attributes: `kernel_size: Sizes`, `bias: Flag = True`.

    Values that are not given are the class's. Raises `ValueError` for a field that does not exist, is missing or does
    not take its value.
    """

    fields: ClassVar[dict[str, Field]] = {}
    required: ClassVar[tuple[str, ...]] = ()  # the fields without a default

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {}
        for name, annotation in cls.__annotations__.items():
            if type(annotation) is str and not annotation.startswith("ClassVar"):
                raise TypeError(f"{cls.__module__} must not postpone annotations: `{name}` would be no field")
            for extra in get_args(annotation)[1:]:
                if type(extra) is Takes:
                    own[name] = Field(name, extra, cls.__dict__.get(name, REQUIRED))
        if own:
            cls.fields = {**{name: field for name, field in own.items() if field.required}, **cls.fields, **own}
            cls.required = tuple([name for name, field in cls.fields.items() if field.required])

    def __init__(self, **values: Any) -> None:
        fields = self.fields
        for name, value in values.items():
            field = fields.get(name)
            if field is None:
                raise ValueError(f"{type(self).__name__} has no field `{name}`")
            if not field.takes.accepts(value):
                raise ValueError(f"`{name}` has to be {field.takes.words}, not {value!r}")
        for name in self.required:
            if name not in values:
                raise ValueError(f"{type(self).__name__} needs `{name}`")
        self.__dict__.update(values)

    def values(self) -> dict[str, Any]:
        """Every field with its value."""
        return {name: getattr(self, name) for name in self.fields}

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Declared) and self.values() == other.values()

    def __hash__(self) -> int:
        return hash((type(self), tuple(self.values().values())))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.values().items())
        return f"{type(self).__name__}({given})"
