"""How a call came out and whose doing it was: one table of SIP codes, one of Q.850 causes, one rule on top.

Guarantees an answer for every ending. What happened on our own clocks (bridged, answered, given up) comes first, the
SIP response next, the Q.850 cause last, because timeouts arrive with causes 0 and 16 from some versions.
Source: RFC 3261 §21, RFC 3398 §7.2.4.1, ITU-T Q.850, and ARI as measured on Asterisk 22.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stasis_dialer.core.model import Disposition, Fault

D, F = Disposition, Fault
Outcome = tuple[Disposition, Fault | None]

SIP_CODES: Final[dict[int, Outcome]] = {
    401: (D.ERROR, F.OURS),
    403: (D.REJECTED, F.CARRIER),
    404: (D.INVALID_NUMBER, F.CALLEE),
    407: (D.ERROR, F.OURS),
    408: (D.NO_ANSWER, F.CALLEE),
    410: (D.INVALID_NUMBER, F.CALLEE),
    415: (D.ERROR, F.OURS),
    480: (D.NO_ANSWER, F.CALLEE),
    484: (D.INVALID_NUMBER, F.CALLEE),
    486: (D.BUSY, F.CALLEE),
    487: (D.NO_ANSWER, F.CALLEE),
    488: (D.ERROR, F.OURS),
    600: (D.BUSY, F.CALLEE),
    603: (D.REJECTED, F.CALLEE),
    604: (D.INVALID_NUMBER, F.CALLEE),
    606: (D.ERROR, F.OURS),
    607: (D.REJECTED, F.CALLEE),
    608: (D.REJECTED, F.CARRIER),
}
"""SIP response to disposition and fault; other 5xx are congestion of the carrier (`from_sip`)."""

Q850_CAUSES: Final[dict[int, Outcome]] = {
    0: (D.NO_ANSWER, F.CALLEE),
    1: (D.INVALID_NUMBER, F.CALLEE),
    2: (D.CONGESTION, F.CARRIER),
    3: (D.INVALID_NUMBER, F.CARRIER),
    16: (D.NO_ANSWER, F.CALLEE),
    17: (D.BUSY, F.CALLEE),
    18: (D.NO_ANSWER, F.CALLEE),
    19: (D.NO_ANSWER, F.CALLEE),
    20: (D.NO_ANSWER, F.CALLEE),
    21: (D.REJECTED, F.CALLEE),
    22: (D.INVALID_NUMBER, F.CALLEE),
    27: (D.CONGESTION, F.CARRIER),
    28: (D.INVALID_NUMBER, F.CALLEE),
    31: (D.NO_ANSWER, F.CALLEE),
    34: (D.CONGESTION, F.CARRIER),
    38: (D.CONGESTION, F.CARRIER),
    41: (D.CONGESTION, F.CARRIER),
    42: (D.CONGESTION, F.CARRIER),
    44: (D.CONGESTION, F.CARRIER),
    58: (D.ERROR, F.OURS),
    88: (D.ERROR, F.OURS),
    127: (D.ERROR, F.CARRIER),
}
"""Q.850 cause of an unanswered call to disposition and fault; others are errors of unknown fault."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a call when its customer leg is gone."""

    is_dialled: bool
    is_answered: bool
    is_bridged: bool
    is_machine: bool = False
    """A machine that no agent spoke to, or none should have."""
    broadcast: Disposition | None = None
    """How the broadcast came out for who heard it."""
    prompt_seconds: float | None = None
    """How long the network spoke before it ended the call, when that may have been a voicemail prompt."""
    is_inbound: bool = False
    """The customer called us."""
    is_given_up_by_us: bool = False
    is_rung_out: bool = False
    is_seen: bool = True
    cause: int | None = None
    tech_cause: int | None = None


def classify(ending: Ending) -> Outcome:
    """The disposition and the fault; no fault where the call did what it was made for."""
    if ending.is_machine:
        return D.MACHINE, None
    if ending.is_bridged:
        return D.ANSWERED, None
    if ending.is_inbound:
        return D.MISSED, F.OURS
    if ending.is_answered and ending.broadcast is not None:
        return ending.broadcast, None
    if ending.is_answered:
        return D.ABANDONED, F.OURS
    if ending.is_given_up_by_us:
        return D.CANCELLED, F.OURS
    if not ending.is_dialled:
        return D.ERROR, F.OURS
    if ending.is_rung_out:
        return D.NO_ANSWER, F.CALLEE
    if not ending.is_seen:
        return D.ERROR, F.UNKNOWN
    outcome = from_sip(ending.tech_cause) or Q850_CAUSES.get(ending.cause or 0, (D.ERROR, F.UNKNOWN))
    if outcome[0] is D.NO_ANSWER and ending.prompt_seconds is not None:
        return D.VOICEMAIL, F.CALLEE
    return outcome


def from_sip(code: int | None) -> Outcome | None:
    """What a final SIP response says, or None when it says nothing about an unanswered call."""
    if code is None:
        return None
    if code in SIP_CODES:
        return SIP_CODES[code]
    if 500 <= code <= 599:
        return D.CONGESTION, F.CARRIER
    if 400 <= code <= 699:
        return D.ERROR, F.UNKNOWN
    return None
