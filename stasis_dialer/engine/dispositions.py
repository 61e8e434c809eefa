"""What agents say of their calls: to the call that is on, to the database, to those who listen.

Guarantees that a disposition reaches its call's row and lead whether the call is on, has just ended, or ended long ago.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import Call
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import CallRecord, Campaign, DisposedCall
from stasis_dialer.core.options import Choice
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.journal import Journal

log = structlog.get_logger(__name__)

KEPT_CALLS: Final = 500
"""Calls whose end is remembered for what is said of them in the work after it: one for each agent of a large desk. Some
4 KiB each; of those before them the call log tells."""


class Hearer(Protocol):
    """Somebody who is told what agents say."""

    def disposed(self, call: Call, disposition: Mapping[str, Any]) -> None: ...

    def disposed_late(self, record: CallRecord, campaign: str, disposition: Mapping[str, Any]) -> None: ...


class Dispositions:
    """Takes dispositions and passes them on."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        journal: Journal,
        clock: Clock,
        campaign_of: Callable[[int | None], Campaign],
        hearers: Sequence[Hearer] = (),
    ) -> None:
        self._dispatcher = dispatcher
        self._journal = journal
        self._clock = clock
        self._campaign_of = campaign_of
        self._hearers = hearers
        self._over: OrderedDict[str, Call] = OrderedDict()

    def call_ended(self, call: Call) -> None:
        """Remember a call of which an agent may still say something."""
        if call.bridged_at is None:
            return
        self._over[call.call_id] = call
        if len(self._over) > KEPT_CALLS:
            self._over.popitem(last=False)

    def give(
        self,
        call_id: str,
        campaign_id: int | None,
        choice: Choice,
        by: str,
        callback_at: datetime | None = None,
        record: CallRecord | None = None,
    ) -> DisposedCall:
        """A call gets a disposition; the last one counts. `record`: of a call that ended long ago."""
        campaign = self._campaign_of(campaign_id)
        made = DisposedCall(call_id, campaign, choice, by, self._clock.utc_now(), callback_at)
        actor = self._dispatcher.find(call_id)
        if actor is not None and actor.kind == "call":
            self._dispatcher.post(actor, m.Disposed(choice.code, callback_at))
        self._journal.dispose(made)
        log.info("call-disposed", call_id=call_id, campaign_id=campaign_id, code=choice.code, by=by)
        call = actor.machine if actor is not None else self._over.get(call_id)
        self._tell(made, call, record)
        return made

    def _tell(self, made: DisposedCall, call: Call | None, record: CallRecord | None) -> None:
        said = {**asdict(made.choice), "by": made.by}
        said["callback_at"] = made.callback_at.isoformat() if made.callback_at else None
        for hearer in self._hearers:
            if call is not None:
                hearer.disposed(evolve(call, agent_disposition=made.choice.code), said)
            elif record is not None:
                hearer.disposed_late(record, made.campaign.name, said)
