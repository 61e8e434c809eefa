"""What all settings share: the strict model, and values that are checked in the same way wherever they stand."""

from __future__ import annotations

import string
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, coerce_numbers_to_str=True)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone; use a name such as America/Sao_Paulo") from None
    return name


def template_with(*fields: str) -> AfterValidator:
    def check(text: str) -> str:
        parts = [part[1:] for part in string.Formatter().parse(text) if part[1] is not None]
        used = {str(name) for name, _, _ in parts}
        if not used <= set(fields):
            allowed = ", ".join("{" + name + "}" for name in fields)
            raise ValueError(f"unknown field {{{sorted(used - set(fields))[0]}}}; use {allowed}")
        if any(spec or conversion for _, spec, conversion in parts):
            raise ValueError(f"a field has no format of its own here; use plain {{{fields[0]}}}")
        return text

    return AfterValidator(check)


TimeZone = Annotated[str, AfterValidator(_known_zone)]
