"""REST endpoints of what agents do: dispositions, the end of the work after a call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

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

    @router.post("/calls/{call_id}/disposition", tags=["calls"])
    async def dispose_call(call_id: str, said: Corrected) -> dict[str, Any]:
        """Correct what came of a call."""
        return await actions.dispose_call(call_id, said.code, said.callback_at)

    return router
