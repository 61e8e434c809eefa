"""What an agent's channel is given at its creation: limits, who is shown, the header that makes it answer by itself."""

from __future__ import annotations

from typing import Final

from stasis_dialer.core.agent import Agent

LONGEST_SHIFT_SECONDS: Final = 57_600
"""Dead-man limit of an always-on leg: 16 hours, longer than any shift that the law allows."""


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
