"""What agents and their supervisors may ask for, beside logging in and out: dispositions, the work's end.

Every way in (keys, command line, HTTP) ends here or at the desk.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from stasis_dialer.core import messages as m
from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.core.model import CallRecord
from stasis_dialer.core.options import Choice
from stasis_dialer.core.options import Dispositions as Choices
from stasis_dialer.engine.by_hand import HandCalls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dispositions import Dispositions
from stasis_dialer.engine.supervision import Supervisions, shown
from stasis_dialer.errors import Refused

LATEST_CALLBACK: Final = timedelta(days=366)
SUPERVISOR: Final = "supervisor"


class CallReader(Protocol):
    """The database's calls, as dispositions need them."""

    async def get(self, call_id: str) -> CallRecord | None: ...

    async def last_of(self, agent: str) -> CallRecord | None: ...


class AgentActions:
    """An agent's own actions, by whatever way they come."""

    def __init__(
        self,
        clock: Clock,
        desk: Desk,
        book: CampaignBook,
        dispositions: Dispositions,
        calls: CallReader,
        hand: HandCalls,
        supervisions: Supervisions,
    ) -> None:
        self._clock = clock
        self._desk = desk
        self._book = book
        self._dispositions = dispositions
        self._calls = calls
        self.hand = hand
        self._supervisions = supervisions

    async def dispose(
        self, extension: str, code: str, callback_at: datetime | None = None, call_id: str | None = None
    ) -> dict[str, Any]:
        """What came of an agent's call: the one that is on, the last one, or `call_id`, however long ago.

        Raises: Refused when the agent had no such call, or the campaign has no such disposition.
        """
        agent = self._desk.find(extension)
        if agent is not None and agent.last_call_id is not None and call_id in (None, agent.last_call_id):
            choice = self._chosen(agent.dispositions, code, callback_at)
            self._desk.tell(extension, m.DispositionGiven(choice.code, callback_at))
            return _said(agent.last_call_id, choice, callback_at)
        record = await (self._calls.get(call_id) if call_id else self._calls.last_of(extension))
        if record is None or record.agent != extension:
            raise Refused(f"the agent had no such call: extension={extension} call_id={call_id or 'the last'}")
        return self._correct(record, code, callback_at, extension)

    async def dispose_call(self, call_id: str, code: str, callback_at: datetime | None = None) -> dict[str, Any]:
        """A supervisor corrects what came of a call. Raises: Refused."""
        record = await self._calls.get(call_id)
        if record is None:
            raise Refused(f"there is no such call: call_id={call_id}")
        return self._correct(record, code, callback_at, SUPERVISOR)

    def wrap_up_done(self, extension: str) -> dict[str, Any]:
        """The work after the call is done. Raises: Refused, while a disposition is still to be given, too."""
        agent = self._desk.find(extension)
        if agent is not None and agent.must_dispose:
            codes = ", ".join(choice.code for choice in agent.dispositions.choices)
            raise Refused(f"a disposition is to be given first: extension={extension} one_of={codes}")
        after = self._desk.tell(extension, m.WrapUpDone())
        return {"extension": extension, "state": str(after.state)}

    def supervise(self, extension: str, supervisor: str, mode: SupervisionMode) -> dict[str, Any]:
        """Let a supervisor hear an agent. Raises: Refused; NotSupervisor without the role."""
        return {"extension": extension, **shown(self._supervisions.supervise(extension, supervisor, mode))}

    def unsupervise(self, extension: str) -> dict[str, Any]:
        """End an agent's supervision. Raises: Refused when there is none."""
        self._supervisions.stop(extension)
        return {"extension": extension, **shown(self._supervisions.of_agent(extension))}

    def supervision_of(self, extension: str) -> dict[str, Any]:
        """Who supervises an agent, and how."""
        return shown(self._supervisions.of_agent(extension))

    def _correct(self, record: CallRecord, code: str, callback_at: datetime | None, by: str) -> dict[str, Any]:
        if record.bridged_at is None:
            raise Refused(f"no agent spoke in this call: call_id={record.call_id} disposition={record.disposition}")
        choices = self._book.of(record.campaign_id).dispositions
        choice = self._chosen(choices, code, callback_at)
        self._dispositions.give(record.call_id, record.campaign_id, choice, by, callback_at, record)
        return _said(record.call_id, choice, callback_at)

    def _chosen(self, choices: Choices, code: str, callback_at: datetime | None) -> Choice:
        choice = choices.find(code)
        if choice is None:
            known = ", ".join(choice.code for choice in choices.choices) or "none: set dispositions.choices"
            raise Refused(f"the campaign has no such disposition: code={code[:40]}; it has {known}")
        if callback_at is None:
            return choice
        if not choice.callback:
            raise Refused(f"not a disposition with a time to call back: code={code}")
        now = self._clock.utc_now()
        if callback_at.tzinfo is None or not now < callback_at < now + LATEST_CALLBACK:
            raise Refused(
                f"not a time to call back: callback_at={callback_at.isoformat()}; within a year, with its zone"
            )
        return choice


def _said(call_id: str, choice: Choice, callback_at: datetime | None) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "disposition": choice.code,
        "callback_at": callback_at.isoformat() if callback_at else None,
    }
