"""Which closed leads may be dialled again from the start, and why the others stay closed.

Guarantees that nobody becomes callable who asked not to be called, whose number is listed or retired, whose time is
over, or who was erased: the gates that close a lead are asked before it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from stasis_dialer.core import gates
from stasis_dialer.core.gates import Case, Gate
from stasis_dialer.core.model import Disposition, Lead, LeadStatus

ERASED: Final = "erased"
"""Result of a lead whose person was erased."""
FOR_GOOD: Final = frozenset({Disposition.OPT_OUT.value, "do_not_call", ERASED})
"""Results that no recycling undoes."""
ENDING: Final = frozenset({Gate.EXPIRY, Gate.NUMBER, Gate.DO_NOT_CALL, Gate.RETIRED})
"""Gates that would close the lead again; the other ones open with time."""


@dataclass(frozen=True, slots=True)
class Recycling:
    """Which leads are meant. Units: attempts of the lead, all phones together. None and (): any."""

    dispositions: tuple[str, ...] = ()
    """The lead's last result: a disposition, an agent's own, or why a reservation closed it."""
    idle: timedelta | None = None
    """Since the last attempt at least so long."""
    least_attempts: int | None = None
    most_attempts: int | None = None
    is_completed_too: bool = False
    """Leads that were reached as well; else those that failed."""


def outside(lead: Lead, meant: Recycling, now: datetime) -> str | None:
    """Why a lead is not meant, or must stay as it is; in a word. Units: `now` is aware UTC."""
    if lead.status is LeadStatus.COMPLETED and not meant.is_completed_too:
        return "completed"
    if lead.result in FOR_GOOD:
        return str(lead.result)
    if meant.dispositions and lead.result not in meant.dispositions:
        return "other_disposition"
    if meant.idle is not None and lead.last_attempt_at is not None and lead.last_attempt_at > now - meant.idle:
        return "too_recent"
    if meant.least_attempts is not None and lead.attempts < meant.least_attempts:
        return "fewer_attempts"
    if meant.most_attempts is not None and lead.attempts > meant.most_attempts:
        return "more_attempts"
    return None


def closed_by(cases: Sequence[Case], now: datetime) -> str | None:
    """The result with which a lead would be closed again at all its phones; None: one of them may be called some day.

    `cases` are one for each phone.
    """
    results = [gates.ending(gates.shut(case, now, ENDING)) for case in cases]
    if any(verdict is None for verdict in results):
        return None
    return next((verdict.ends for verdict in results if verdict is not None), "no_number")
