"""What a campaign's call log says of its days: shares by the hour, and samples of how long things take.

Plain frozen values. Units: seconds; `at` is the aware UTC beginning of an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HourOfLog:
    """One hour in which the campaign dialled."""

    at: datetime
    calls: int = 0
    """Calls dialled whose end is known."""
    people: int = 0
    """Of those, the calls that a person answered."""
    agents: float = 0.0
    """Agents at work for the campaign, on average over the time between the hour's first and last call."""


@dataclass(frozen=True, slots=True)
class CallHistory:
    """A campaign's calls of some days. The samples are taken evenly over the log and have a bounded number."""

    hours: tuple[HourOfLog, ...] = ()
    machines: int = 0
    busy: int = 0
    failed: int = 0
    """Neither rung out nor answered nor busy: refused, unallocated, congestion."""
    rang_share: float = 1.0
    """Of the calls that were answered or rang out, those whose ringing the carrier told."""
    busy_after: float | None = None
    failed_after: float | None = None
    post_dial: tuple[float, ...] = ()
    """From placing to ringing; where ringing is not told, nothing."""
    person_rings: tuple[float, ...] = ()
    """From ringing (or placing, where ringing is not told) to a person's answer."""
    machine_rings: tuple[float, ...] = ()
    unanswered_rings: tuple[float, ...] = ()
    """How long it rang where nobody answered, until the network or we ended it."""
    withdrawn: int = 0
    """Ringing calls that the pacing gave up: what they would have done is not known."""
    talks: tuple[float, ...] = ()
    wrap_ups: tuple[float, ...] = ()
    """One for each talk, 0 where there was none."""
    lost: int = 0
    """People who found no agent."""
    patience: tuple[float, ...] = ()
    """From the answer until a person who was not joined hung up themselves."""

    @property
    def calls(self) -> int:
        """Calls dialled whose end is known."""
        return sum(hour.calls for hour in self.hours)

    @property
    def people(self) -> int:
        """Calls that a person answered."""
        return sum(hour.people for hour in self.hours)
