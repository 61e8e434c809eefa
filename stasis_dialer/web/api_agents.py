"""REST endpoints of what agents do: dispositions, the end of the work after a call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.engine.control_agents import AgentActions


class Said(BaseModel):
    """What came of a call."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=40)
    callback_at: datetime | None = None
    """With the zone; only with a disposition that is a callback."""
    call_id: str | None = Field(default=None, max_length=64)
    """Of an earlier call; else the one that is on, or the last."""


class Corrected(BaseModel):
    """What came of a call, as a supervisor says."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=40)
    callback_at: datetime | None = None


class Typed(BaseModel):
    """A number to be called for an agent."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(max_length=40)
    campaign: int | None = None


class Supervise(BaseModel):
    """Who is to hear an agent, and how."""

    model_config = ConfigDict(extra="forbid")

    supervisor: str = Field(max_length=10)
    """The supervisor's extension, whose telephone is called."""
    mode: SupervisionMode = SupervisionMode.LISTEN


def make_agents_router(actions: AgentActions) -> APIRouter:
    """The endpoints over a running dialer."""
    router = APIRouter()

    @router.post("/agents/{extension}/disposition", tags=["agents"])
    async def dispose(extension: str, said: Said) -> dict[str, Any]:
        """Say what came of the agent's call; a later word corrects an earlier one, and the lead with it."""
        return await actions.dispose(extension, said.code, said.callback_at, said.call_id)

    @router.post("/agents/{extension}/done", tags=["agents"])
    async def wrap_up_done(extension: str) -> dict[str, Any]:
        """The work after the call is done."""
        return actions.wrap_up_done(extension)

    @router.get("/agents/{extension}/lead", tags=["agents"])
    async def lead(extension: str) -> dict[str, Any]:
        """The lead that the agent looks at or talks with, with the number in full."""
        return actions.hand.lead_of(extension)

    @router.post("/agents/{extension}/preview/accept", tags=["agents"])
    async def accept(extension: str) -> dict[str, Any]:
        """Call the lead that is shown."""
        return actions.hand.accept(extension)

    @router.post("/agents/{extension}/preview/skip", tags=["agents"])
    async def skip(extension: str) -> dict[str, Any]:
        """Pass the lead over that is shown."""
        return actions.hand.skip(extension)

    @router.post("/agents/{extension}/dial", tags=["agents"])
    async def dial(extension: str, typed: Typed) -> dict[str, Any]:
        """Call a number for the agent, who hears it ring; hours, do-not-call and attempts hold for it too."""
        return await actions.hand.dial(extension, typed.number, typed.campaign)

    @router.post("/agents/{extension}/supervise", tags=["agents"])
    async def supervise(extension: str, wanted: Supervise) -> dict[str, Any]:
        """Call a supervisor and let them listen to the agent, whisper or barge in; again: change the mode."""
        return actions.supervise(extension, wanted.supervisor, wanted.mode)

    @router.post("/agents/{extension}/unsupervise", tags=["agents"])
    async def unsupervise(extension: str) -> dict[str, Any]:
        """End the agent's supervision."""
        return actions.unsupervise(extension)

    @router.post("/calls/{call_id}/disposition", tags=["calls"])
    async def dispose_call(call_id: str, said: Corrected) -> dict[str, Any]:
        """Correct what came of a call."""
        return await actions.dispose_call(call_id, said.code, said.callback_at)

    return router
