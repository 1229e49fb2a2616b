"""Settings that users write into JSON files: dataclasses, which pydantic fills in and checks."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from foundations.errors import InvalidValue, one_of

Settings = TypeVar("Settings")

STRICT: Final = {"extra": "forbid", "strict": True}
"""What a dataclass of settings has as its `__pydantic_config__`: no other fields, and no value of another type."""

_WORDS = {"string_type": "must be text", "tuple_type": "must be a list"}


def read_object(flag: str, path: Path) -> dict[str, Any]:
    """Read one JSON object.

    Args:
        flag: the flag that names the file.

    Raises:
        InvalidValue: naming the file and what is wrong with it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repetition)
    except OSError as error:
        raise InvalidValue(flag, path, f"cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or a key that is there twice
        raise InvalidValue(flag, path, f"is no JSON file: {error}") from None
    if not isinstance(content, dict):
        raise InvalidValue(flag, path, "must hold one JSON object")
    return content


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{repeated} is there twice")
    return found


def checked_settings(content: Mapping[str, Any], settings: type[Settings], flag: str, source: object) -> Settings:
    """Return what an object says, as a dataclass.

    Args:
        source: the file, or whatever the flag says.

    Raises:
        InvalidValue: naming the file, the field and its valid values.
    """
    from pydantic import TypeAdapter, ValidationError  # slow to import, and most commands read no such file

    try:
        return TypeAdapter(settings).validate_json(json.dumps(dict(content)))
    except ValidationError as error:
        raise InvalidValue(flag, source, _complaint(error.errors()[0], settings)) from None


def _complaint(error: Mapping[str, Any], settings: type) -> str:
    where = ": ".join(str(key) if str(key).isprintable() else repr(key) for key in error["loc"])
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "unexpected_keyword_argument":
        return f"{where} is unknown; {one_of(sorted(_fields_at(settings, error['loc'][:-1])))}"
    plain = _WORDS.get(error["type"]) or error["msg"].replace("Input should be", "must be")
    reason = str(error.get("ctx", {}).get("error", plain))
    if where and reason.startswith("must "):
        return f"{where} {reason}, not {error['input']!r}"
    return f"{where}: {reason}" if where else reason


def _fields_at(settings: Any, path: Sequence[str | int]) -> list[str]:
    """Return the names of the fields of the settings at a place within others."""
    for key in path:
        inside = typing.get_type_hints(settings)[str(key)] if is_dataclass(settings) else typing.get_args(settings)[-1]
        settings = inside
    return [f.name for f in fields(settings)]
