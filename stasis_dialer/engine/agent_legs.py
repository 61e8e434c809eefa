"""What an agent's channel is given at its creation: limits, who is shown, the header that makes it answer by itself."""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.model import Campaign
from stasis_dialer.engine.ids import AGENT_LEG, BRIDGE, Ids

LONGEST_SHIFT_SECONDS: Final = 57_600
"""Dead-man limit of an always-on leg: 16 hours, longer than any shift that the law allows."""

DIALLING_SLACK_SECONDS: Final = 60.0
"""Beside the ring time of a call by hand, for other trunks that are tried, and for the way to the customer. Not
measured.
"""


def assigned(ids: Ids, call_id: str, campaign: Campaign, *, is_by_hand: bool = False) -> m.Assigned:
    """What an agent is told of a customer; the ids are for a telephone that must ring first."""
    return m.Assigned(
        call_id=call_id,
        leg_id=ids.new(AGENT_LEG),
        bridge_id=ids.new(BRIDGE),
        wrap_up_seconds=campaign.wrap_up_seconds,
        ring_seconds=campaign.agent_ring_seconds,
        campaign_id=campaign.id,
        dispositions=campaign.dispositions,
        reserved_seconds=campaign.ring_timeout_seconds + DIALLING_SLACK_SECONDS if is_by_hand else None,
    )


def leg_variables(
    agent: Agent, limit_seconds: float, name: str = "", number: str = "", header: str = ""
) -> tuple[tuple[str, str], ...]:
    """The variables; `name` and `number` are shown on the telephone, `header` is `Name: value`."""
    variables = [("TIMEOUT(absolute)", str(round(limit_seconds))), ("SD_AGENT", agent.extension)]
    if number:
        variables.append(("CONNECTEDLINE(num,i)", number))
    if name:
        variables.append(("CONNECTEDLINE(name,i)", displayable(name)))
    if header:
        title, _, value = header.partition(":")
        variables.append((f"PJSIP_HEADER(add,{title.strip()})", value.strip()))
    return tuple(variables)


def displayable(name: str) -> str:
    """A name as a telephone may show it: no signs that mean something in SIP or in the dialplan."""
    cleaned = "".join(sign for sign in name if sign.isalnum() or sign in " .-'")
    return cleaned[:40].strip()
