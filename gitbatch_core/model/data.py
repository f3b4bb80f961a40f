"""Typed JSON objects: frozen data with named fields, read from a JSON object and written as one.

A `Data` keeps the JSON object that it was read from. So fields that this version does not know, and
which fields there are at all, stay through a round trip; reading one costs next to nothing, as
nested data becomes typed when somebody asks for it. See docs/adr/0025.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from gitbatch_core.errors import FormatError

JsonObject = dict[str, Any]

EMPTY: Mapping[str, Any] = MappingProxyType({})
"""The default of a field that is a mapping."""

_T = TypeVar("_T")
_REQUIRED: Any = object()


class _Field:
    """A field: its value where the document has none, and how its value becomes typed."""

    __slots__ = ("convert", "default")

    def __init__(self, default: Any, convert: Callable[[Any], Any] | None = None) -> None:
        self.default, self.convert = default, convert


def one(kind: type[_T], *, default: Any = _REQUIRED) -> Any:
    """A field with a JSON object of this kind."""
    make: Callable[[Any], _T] = kind.from_dict  # type: ignore[attr-defined]
    return _Field(default, make)


def many(
    kind: type[_T],
    *,
    default: Any = _REQUIRED,
    older: Callable[[Any], Any] | None = None,
) -> Any:
    """A field with a list of such objects: a tuple of `kind`. `older`: makes that list of what
    earlier versions wrote."""
    make: Callable[[Any], _T] = kind.from_dict  # type: ignore[attr-defined]

    def convert(value: Any) -> tuple[_T, ...]:
        if older is not None:
            value = older(value)
        if not isinstance(value, list):
            raise FormatError(f"There should be a list of {kind.__name__}: {value!r:.60}")
        return tuple(map(make, value))

    return _Field(default, convert)


def by_name(kind: type[_T], *, default: Any = _REQUIRED) -> Any:
    """A field with a JSON object of such objects: name -> `kind`."""
    make: Callable[[Any], _T] = kind.from_dict  # type: ignore[attr-defined]

    def convert(value: Any) -> dict[str, _T]:
        if not isinstance(value, Mapping):
            raise FormatError(f"There should be {kind.__name__} by name: {value!r:.60}")
        return {name: make(each) for name, each in value.items()}

    return _Field(default, convert)


def texts(*, default: Any = _REQUIRED) -> Any:
    """A field with a list of texts: a tuple."""
    return _Field(default, tuple)


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(one, many, by_name, texts)
)
class Data:
    """Base of all typed JSON objects; a subclass names its fields as a dataclass does.

    What is passed to the constructor is written; what is not passed has its default and is not
    written, unless the class `is_written_whole`.
    """

    is_written_whole: ClassVar[bool] = False
    _fields: ClassVar[dict[str, _Field]] = {}
    _json: JsonObject

    def __init_subclass__(cls) -> None:
        fields = dict(cls._fields)
        for name, annotation in cls.__annotations__.items():
            if not name.startswith("_") and not annotation.startswith("ClassVar"):
                field = cls.__dict__.get(name, _REQUIRED)
                fields[name] = field if isinstance(field, _Field) else _Field(field)
                if name in cls.__dict__:
                    delattr(cls, name)  # else it would be there before `__getattr__` is asked
        cls._fields = fields

    def __init__(self, **values: Any) -> None:
        fields = self._fields
        if unknown := values.keys() - fields.keys():
            raise TypeError(f"{type(self).__name__} has no fields {sorted(unknown)}")
        needed = {name for name, field in fields.items() if field.default is _REQUIRED}
        if missing := needed - values.keys():
            raise TypeError(f"{type(self).__name__} lacks {sorted(missing)}")
        if self.is_written_whole:
            values = {name: field.default for name, field in fields.items()} | values
        self.__dict__["_json"] = {name: _plain(value) for name, value in values.items()}

    @classmethod
    def from_dict(cls, json: Mapping[str, Any]) -> Self:
        """Of a JSON object, which is not changed from now on. Fields that cannot be what they
        should be, or that must be there and are not, are a FormatError when they are asked for."""
        if type(json) is not dict and not isinstance(json, Mapping):  # the former is quicker
            raise FormatError(f"This should be an object, a {cls.__name__}: {json!r:.60}")
        self = cls.__new__(cls)
        self.__dict__["_json"] = json
        return self

    def to_dict(self) -> JsonObject:
        """The JSON object, fields included that this version does not know."""
        return dict(self._json)

    def replace(self, **changes: Any) -> Self:
        """The same with other values in these fields."""
        if unknown := changes.keys() - self._fields.keys():
            raise TypeError(f"{type(self).__name__} has no fields {sorted(unknown)}")
        changed = {name: _plain(value) for name, value in changes.items()}
        return self.from_dict({**self._json, **changed})

    def only(self, names: Iterable[str], **more: Any) -> Self:
        """The same with no other fields than these, as far as the document has them, and `more`."""
        if unknown := {*(names := tuple(names)), *more} - self._fields.keys():
            raise TypeError(f"{type(self).__name__} has no fields {sorted(unknown)}")
        json = self._json
        fewer = {name: json[name] for name in names if name in json}
        for name, value in more.items():
            fewer[name] = _plain(value)
        return self.from_dict(fewer)

    def __contains__(self, name: str) -> bool:
        """Whether the document itself has the field."""
        return name in self._json

    def __getattr__(self, name: str) -> Any:
        field = self._fields.get(name)
        if field is None:
            raise AttributeError(f"{type(self).__name__} has no field {name}")
        value = self._json.get(name, field.default)
        if value is _REQUIRED:
            raise FormatError(f"A {type(self).__name__} lacks its field {name!r}.")
        if field.convert is not None and name in self._json and value is not None:
            value = field.convert(value)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._json == other._json

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self._json.items())
        return f"{type(self).__name__}({inner})"


def _plain(value: Any) -> Any:
    """As JSON data."""
    if isinstance(value, Data):
        return value._json
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
