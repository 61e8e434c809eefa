"""Why agents may pause, and how long: the configured reasons, by code and by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stasis_dialer.errors import Refused


@dataclass(frozen=True, slots=True)
class PauseReason:
    """A reason to pause. `limit_seconds` None: as long as it takes."""

    code: str
    label: str = ""
    digit: str | None = None
    limit_seconds: float | None = None


class PauseReasons:
    """The reasons of one installation; without any, every reason is good."""

    def __init__(self, reasons: Sequence[PauseReason] = ()) -> None:
        self.all = tuple(reasons)

    def checked(self, code: str) -> str:
        """A reason that may be given. Raises: Refused for one that is not configured."""
        if not code or not self.all or any(reason.code == code for reason in self.all):
            return code
        known = ", ".join(reason.code for reason in self.all)
        raise Refused(f"no such reason to pause: reason={code[:40]!r}; one of {known}")

    def by_digits(self, digits: str, otherwise: str) -> str:
        """The reason of the keys pressed after the code; without keys `otherwise`. Raises: Refused."""
        if not digits:
            return otherwise
        for reason in self.all:
            if reason.digit == digits:
                return reason.code
        raise Refused(f"no reason to pause has these digits: digits={digits[:10]}")

    def limit_seconds(self, code: str | None) -> float | None:
        """How long a pause of this reason may last."""
        return next((reason.limit_seconds for reason in self.all if reason.code == code), None)
