"""What a config names: objects by type and fields, and errors that say the nearest known name."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

Built = TypeVar('Built')


def nearest(name: object, names: Collection[str]) -> str:
    """' (did you mean ...?)' for an error, or '' where no name is close; case does not count."""
    lower = {known.lower(): known for known in names}
    close = get_close_matches(str(name).lower(), lower, 1)
    return f" (did you mean '{lower[close[0]]}'?)" if close else ''


def unknown(what: str, name: object, allowed: Collection[str]) -> ValueError:
    """The error for a name that is not among the allowed ones."""
    choice = ', '.join(allowed) or 'none'
    return ValueError(f"unknown {what} '{name}'{nearest(name, allowed)}; choose among {choice}.")


def check_fields(what: str, given: Collection[str], allowed: Collection[str]) -> None:
    """Refuse (ValueError) the first field that `what` does not have."""
    for key in given:
        if key not in allowed:
            raise unknown(f'field of {what}', key, allowed)


def build(
    config: Mapping[str, Any] | Built,
    what: str,
    base: type[Built],
    kinds: Mapping[str, type[Built]],
    example: str,
    default: str | None = None,
) -> Built:
    """The object that a dict describes.

    Args:
        config: `type` is a name among `kinds` or a class, the rest its fields; an object stays.
        what: what errors call it.
        base: of all its classes.
        kinds: classes by name.
        example: a dict that is right, for errors.
        default: the type where none is given.

    Raises:
        TypeError: neither a dict nor a `base`.
        ValueError: an unknown type or field (the nearest is named), a field that has to be given, a
            value out of its range.
    """
    if isinstance(config, base):
        return config
    if not isinstance(config, Mapping):
        raise TypeError(f'{config!r} is no {what}; write {example}.')
    given = {key: value for key, value in config.items() if key != '_scope_'}  # mmengine's mark
    kind = given.pop('type', default)
    kind = kinds.get(kind, kind) if isinstance(kind, str) else kind
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise unknown(what, kind, kinds)
    fields = inspect.signature(kind).parameters
    check_fields(f'{what} {kind.__name__}', given, fields)
    for key, field in fields.items():
        variadic = field.kind in (field.VAR_POSITIONAL, field.VAR_KEYWORD)
        if field.default is field.empty and not variadic and key not in given:
            raise ValueError(f'{what} {kind.__name__} lacks {key}; write {example}.')
    return kind(**given)
