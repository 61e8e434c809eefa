"""A campaign's `settings` column: one JSON object with what the legacy has no column for.

Reading never fails: a setting that is unknown or of the wrong kind is reported and its default is used, so that one
broken campaign does not hide the others. Whoever dials must not dial a campaign with problems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from stasis_dialer.core.model import Campaign, ConnectMode, DialMode

LEGACY_COLUMNS: Final[Mapping[str, str]] = {
    "name": "name",
    "status": "status",
    "max_channels": "max_channels",
    "impulse_factor": "impulse_factor",
    "max_multiplier": "max_multiplier",
    "average_call_time": "average_call_time",
    "window_start": "start_time",
    "window_end": "end_time",
}
"""A campaign's fields that have a column of their own, with its name."""


def read_settings(text: str | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings as fields of a Campaign, and the problems found on the way."""
    if not text:
        return {}, ()
    try:
        stored = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return {}, (f"settings are not JSON: {error}",)
    if not isinstance(stored, dict):
        return {}, (f"settings are not an object: seen={type(stored).__name__}",)
    return checked_settings(stored)


def checked_settings(stored: Mapping[str, object]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """As `read_settings`, for settings that are already an object."""
    settings: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in stored.items():
        convert = _CONVERTERS.get(key)
        if convert is None:
            problems.append(f"unknown setting: {key}")
            continue
        try:
            settings[key] = convert(value)
        except (TypeError, ValueError) as error:
            problems.append(f"bad setting: {key}={value!r}; {error}")
    return settings, tuple(problems)


def settings_of(campaign: Campaign) -> dict[str, Any]:
    """What of a campaign is kept in the column: every setting that differs from its default."""
    return {
        item.name: getattr(campaign, item.name)
        for item in fields(Campaign)
        if item.name in _CONVERTERS and getattr(campaign, item.name) != item.default
    }


def settings_text(settings: Mapping[str, Any]) -> str | None:
    """Settings as the column keeps them; None when all are at their defaults."""
    return msgspec.json.encode(dict(settings)).decode() if settings else None


def _number(least: float, is_open: bool = False) -> Callable[[object], float]:
    def convert(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError("a number is needed")
        if value < least or (is_open and value == least):
            raise ValueError(f"must be {'more than' if is_open else 'at least'} {least:g}")
        return float(value)

    return convert


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a whole number of at least 1 is needed")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text is needed")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false is needed")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError("a list of texts is needed")
    return tuple(_text(item) for item in value)


def _zone(value: object) -> str:
    try:
        return ZoneInfo(_text(value)).key
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError("no such time zone") from error


_CONVERTERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "mode": lambda value: DialMode(_text(value)),
    "connect": lambda value: ConnectMode(_text(value)),
    "timezone": _zone,
    "trunks": _texts,
    "caller_id": _optional_text,
    "ring_timeout_seconds": _number(0, is_open=True),
    "answer_deadline_seconds": _number(0),
    "safe_harbour_media": _optional_text,
    "wrap_up_seconds": _number(0),
    "agent_ring_seconds": _number(0, is_open=True),
    "auto_answer": _flag,
    "max_call_seconds": _number(0, is_open=True),
    "max_attempts": _count,
    "retry_delay_seconds": _number(0),
    "default_region": _text,
}

SETTINGS: Final = frozenset(_CONVERTERS)
"""Names of the fields of a Campaign that are kept in the column."""
