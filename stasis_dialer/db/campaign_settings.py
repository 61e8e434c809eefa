"""A campaign's `settings` column: one JSON object with what the legacy has no column for, as `CampaignSettings` has it.

Reading never fails: a setting that is unknown or refused is reported and its default is used, so that one broken
campaign does not hide the others. Whoever dials must not dial a campaign with problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ValidationError

from stasis_dialer.core.model import Campaign
from stasis_dialer.settings.campaign import CampaignFile, CampaignSettings
from stasis_dialer.settings.group import core_value

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

SETTINGS: Final = frozenset(CampaignSettings.model_fields)
"""Names of the fields of a Campaign that are kept in the column."""


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


def checked_settings(stored: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """As `read_settings`, for settings that are already an object; only those given come back."""
    try:
        return _given(CampaignSettings.model_validate(stored)), ()
    except ValidationError as error:
        bad = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        sound = {key: value for key, value in stored.items() if key not in bad}
        return _given(CampaignSettings.model_validate(sound)), _problems(error)


def column_problems(changes: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with values for the legacy's columns, given by their names in Campaign."""
    columns = {LEGACY_COLUMNS[name]: value for name, value in changes.items() if name in LEGACY_COLUMNS}
    columns.pop("status", None)
    try:
        CampaignFile.model_validate({"name": "unchanged", **columns})
    except ValidationError as error:
        return _problems(error)
    return ()


def settings_of(campaign: Campaign) -> dict[str, Any]:
    """What of a campaign is kept in the column: every setting that differs from its default."""
    defaults = CampaignSettings()
    kept = {name: getattr(campaign, name) for name in CampaignSettings.model_fields}
    return {name: value for name, value in kept.items() if value != core_value(getattr(defaults, name))}


def settings_text(settings: Mapping[str, Any]) -> str | None:
    """Settings as the column keeps them; None when all are at their defaults."""
    return msgspec.json.encode(dict(settings)).decode() if settings else None


def _given(model: BaseModel) -> dict[str, Any]:
    return {name: core_value(getattr(model, name)) for name in model.model_fields_set}


def _problems(error: ValidationError) -> tuple[str, ...]:
    return tuple(
        f"bad setting: {'.'.join(str(part) for part in problem['loc'])}={problem['input']!r}; {problem['msg']}"
        for problem in error.errors()
    )
