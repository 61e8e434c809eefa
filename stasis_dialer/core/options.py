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
