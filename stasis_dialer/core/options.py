"""A campaign's options by topic: frozen values with the meaning of their settings (`settings.campaign`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AmdMode(StrEnum):
    """How a machine is told from a person."""

    OFF = "off"


@dataclass(frozen=True, slots=True)
class Amd:
    """Answering machine detection."""

    mode: AmdMode = AmdMode.OFF


class Dedupe(StrEnum):
    """Where else a number may not be, to be imported."""

    FILE = "file"
    CAMPAIGN = "campaign"
    EVERYWHERE = "everywhere"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers may be imported and dialled, and how short ones are completed."""

    area_code: str | None = None
    may_be_foreign: bool = False
    may_be_premium: bool = False
    dedupe: Dedupe = Dedupe.CAMPAIGN
