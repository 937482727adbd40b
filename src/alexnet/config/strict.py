"""Strict reading and writing of frozen dataclass trees: no unknown key, no wrong type, nothing rounded."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import ConfigError, nearest

T = TypeVar("T")


def to_plain(tree: Any) -> dict[str, Any]:
    """The tree as dictionaries, lists, numbers and text, ready for JSON."""
    return {
        field.name: to_plain(value)
        if dataclasses.is_dataclass(value)
        else list(value)
        if isinstance(value, tuple)
        else value
        for field in dataclasses.fields(tree)
        for value in [getattr(tree, field.name)]
    }


def _fits(value: object, hint: Any) -> bool:
    if isinstance(value, bool):  # Python's booleans are whole numbers too; ours are not
        return hint is bool
    if hint is float:
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return hint is not Any and isinstance(value, hint)  # what has no type here is never plain


def describe(hint: Any) -> str:
    """What a type expects, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f"«{choice}»" for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(choice) for choice in arguments)
    if origin is tuple:
        return "numbers separated by commas"
    if hint is types.NoneType:
        return "«none»"
    return {float: "a number", int: "a whole number", str: "text", bool: "«true» or «false»"}.get(hint, str(hint))


def convert(value: object, hint: Any, path: str) -> Any:
    """`value`, as it comes from JSON or TOML, as the type that the setting has.

    Raises:
        ConfigError: it does not fit; names the path and what was expected.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path} must hold settings, not {value!r}.")
        return read(hint, value, path)  # type: ignore[arg-type]  # the dataclass type itself
    if origin in (Union, types.UnionType):
        for choice in arguments:
            try:
                return convert(value, choice, path)
            except ConfigError:
                continue
    elif origin is Literal:
        if value in arguments:
            return value
    elif origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        if all(_fits(item, arguments[0]) for item in items):
            return tuple(convert(item, arguments[0], path) for item in items)
    elif origin is dict:
        if isinstance(value, Mapping):
            return {str(key): convert(item, arguments[1], path) for key, item in value.items()}
    elif _fits(value, hint):
        return float(value) if hint is float and isinstance(value, int) else value
    raise ConfigError(f"{path} cannot be {value!r}.", f"Give {describe(hint)}.")


def read(kind: type[T], values: Mapping[str, Any], path: str = "") -> T:
    """A dataclass tree from plain values.

    Raises:
        ConfigError: an unknown key (the hint names the nearest), a missing one, or a wrong type.
    """
    hints = get_type_hints(kind)
    prefix = f"{path}." if path else ""
    for key in values:
        if key not in hints:
            raise ConfigError(f"There is no setting «{prefix}{key}».", nearest(key, hints, prefix))
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]  # every `kind` is a dataclass
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.name not in values and not has_default:
            raise ConfigError(f"The setting «{prefix}{field.name}» is missing.")
    return kind(**{key: convert(value, hints[key], prefix + key) for key, value in values.items()})
