"""REST endpoints under `/api`: agents, calls, telephones, the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from stasis_dialer.core.model import ConnectMode
from stasis_dialer.core.transfer import ACTIONS
from stasis_dialer.engine.control import Control


class LogIn(BaseModel):
    """How an agent wants to work."""

    model_config = ConfigDict(extra="forbid")

    campaigns: list[int] = Field(default=[], max_length=1000)
    connect: ConnectMode | None = None


class Pause(BaseModel):
    """Why an agent takes a break."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=64)


class TransferTo(BaseModel):
    """Whom an agent's customer is to talk with."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=80)
    """A number, an extension, or queue:CAMPAIGN."""
    attended: bool = False
    """Whether the agent speaks with the target first."""


class Recording(BaseModel):
    """What is to become of the recording of an agent's call."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["pause", "resume"]


def make_router(control: Control) -> APIRouter:
    """The endpoints over a running dialer."""
    router = APIRouter()

    @router.get("/snapshot", tags=["dialer"])
    async def snapshot() -> dict[str, Any]:
        """Connections, calls and agents by state, pacing's reasons."""
        return control.snapshot()

    @router.get("/calls", tags=["calls"])
    async def calls() -> list[dict[str, Any]]:
        """Live calls, the oldest first; numbers are masked."""
        return control.calls()

    @router.get("/extensions", tags=["agents"])
    async def extensions() -> list[dict[str, Any]]:
        """The telephones: registered, lines free or busy."""
        return control.extensions()

    @router.get("/agents", tags=["agents"])
    async def agents() -> list[dict[str, Any]]:
        """Agents who are logged in."""
        return control.agents()

    @router.post("/agents/{extension}/login", tags=["agents"])
    async def log_in(extension: str, wanted: LogIn | None = None) -> dict[str, Any]:
        """Open a session; an always-on agent's telephone is called."""
        wanted = wanted or LogIn()
        return await control.log_in(extension, wanted.campaigns, wanted.connect)

    @router.post("/agents/{extension}/logout", tags=["agents"])
    async def log_out(extension: str) -> dict[str, Any]:
        """Close the session, after the call that is on."""
        return control.log_out(extension)

    @router.post("/agents/{extension}/pause", tags=["agents"])
    async def pause(extension: str, wanted: Pause | None = None) -> dict[str, Any]:
        """No more customers, after the call that is on."""
        return control.pause(extension, (wanted or Pause()).reason)

    @router.post("/agents/{extension}/unpause", tags=["agents"])
    async def unpause(extension: str) -> dict[str, Any]:
        """Customers again."""
        return control.unpause(extension)

    @router.post("/agents/{extension}/transfer", tags=["agents"])
    async def transfer(extension: str, wanted: TransferTo) -> dict[str, Any]:
        """Put the customer on hold and call a target; what fails brings the customer back."""
        return await control.parties.transfer(extension, wanted.to, is_attended=wanted.attended)

    @router.post("/agents/{extension}/recording", tags=["agents"])
    async def recording(extension: str, wanted: Recording) -> dict[str, Any]:
        """Pause the recording of the agent's call, or record it (again)."""
        if wanted.action == "pause":
            return control.pause_recording(extension)
        return control.resume_recording(extension)

    @router.post("/agents/logout", tags=["agents"])
    async def log_all_out() -> dict[str, int]:
        """Close every session."""
        return {"logged_out": control.log_all_out()}

    for action, meaning in ACTIONS.items():
        router.add_api_route(
            f"/agents/{{extension}}/{action}",
            _party_action(control, action),
            methods=["POST"],
            tags=["agents"],
            name=action,
            description=meaning,
        )
    return router


def _party_action(control: Control, action: str) -> Callable[[str], Coroutine[Any, Any, dict[str, Any]]]:
    async def act(extension: str) -> dict[str, Any]:
        return control.parties.act(extension, action)

    return act
