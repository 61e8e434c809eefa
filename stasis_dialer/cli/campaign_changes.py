"""What `campaign create|set|apply|diff` are given, as changes of a campaign's fields (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from datetime import time
from typing import Any

import click

from stasis_dialer.core.model import Campaign
from stasis_dialer.errors import Refused
from stasis_dialer.settings import CampaignFile, read_value
from stasis_dialer.settings.group import core_value


def read_pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE as values by their keys; `amd.mode=off` is a value within the group `amd`."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--set")
        group, dot, name = key.strip().partition(".")
        if not dot:
            values[group] = read_value(value)
            continue
        inner = values.setdefault(group, {})
        if not isinstance(inner, dict) or not name:
            raise click.BadParameter(f"{pair!r} is not GROUP.KEY=VALUE", param_hint="--set")
        inner[name] = read_value(value)
    return values


def as_campaign(wanted: CampaignFile) -> Campaign:
    """The file's model as the core's value."""
    columns = wanted.model_dump(exclude={"settings", "start_time", "end_time"})
    whole = Campaign(id=0, **columns, **{name: core_value(value) for name, value in wanted.settings})
    return replace(whole, window_start=wanted.start_time, window_end=wanted.end_time)


def file_changes(wanted: CampaignFile) -> dict[str, Any]:
    """What the file mentions, by the names of a campaign's fields."""
    given = wanted.model_dump(exclude_unset=True, exclude={"name", "settings"})
    return in_core_words(given | wanted.settings.model_dump(exclude_unset=True))


def with_groups_filled(campaign: Campaign, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, a partly given group completed by what the campaign has."""
    filled = dict(changes)
    for key, value in changes.items():
        group = getattr(campaign, key, None)
        if isinstance(value, dict) and is_dataclass(group) and not isinstance(group, type):
            filled[key] = asdict(group) | value
    return filled


def differences(campaign: Campaign | None, changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each field that would change, `group.field` within a group, with its value now and in the file."""
    rows = []
    for name, value in changes.items():
        before = getattr(campaign, name, None)
        if isinstance(value, dict) and not isinstance(before, Mapping):
            rows += [
                {"field": f"{name}.{key}", "now": old, "file": inner}
                for key, inner in value.items()
                if (old := getattr(before, key, None)) != core_value(inner)
            ]
        elif before != core_value(value):
            rows.append({"field": name, "now": before, "file": value})
    return rows


def in_core_words(fields: dict[str, Any]) -> dict[str, Any]:
    """The legacy's column names as a campaign's fields have them, with their values read."""
    words = {"start_time": "window_start", "end_time": "window_end"}
    return {words.get(key, key): _time_of_day(value) if key in words else value for key, value in fields.items()}


def _time_of_day(value: Any) -> time | None:
    if value is None or isinstance(value, time):
        return value
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        raise Refused(f"not a time of day: {value!r}; write it as 09:00") from None
