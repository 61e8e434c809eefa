"""All that the dialer keeps in MariaDB, in one place: each repository over the same pool."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from stasis_dialer.db import schema
from stasis_dialer.db.agenda import Agenda
from stasis_dialer.db.agents import Agents
from stasis_dialer.db.audit import Audit
from stasis_dialer.db.by_hand import ByHand
from stasis_dialer.db.calls import Calls
from stasis_dialer.db.campaigns import Campaigns
from stasis_dialer.db.database import Database
from stasis_dialer.db.decisions import PacingDecisions
from stasis_dialer.db.dnc import DoNotCallList
from stasis_dialer.db.explain import Explain
from stasis_dialer.db.exports import Exports
from stasis_dialer.db.history import History
from stasis_dialer.db.imports import LeadImports
from stasis_dialer.db.leads import Leads
from stasis_dialer.db.persons import Persons
from stasis_dialer.db.pins import Pins
from stasis_dialer.db.recycling import LeadRecycling
from stasis_dialer.db.reports import Reports
from stasis_dialer.errors import DatabaseUnavailable


class Store:
    """The repositories. `async with Store(Database(...))` opens and closes the pool."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.campaigns = Campaigns(database)
        self.leads = Leads(database)
        self.imports = LeadImports(database)
        self.exports = Exports(database)
        self.calls = Calls(database)
        self.agents = Agents(database)
        self.dnc = DoNotCallList(database)
        self.agenda = Agenda(database)
        self.explain = Explain(database, self.leads.holidays)
        self.recycling = LeadRecycling(database, self.leads.holidays)
        self.audit = Audit(database)
        self.persons = Persons(database)
        self.pins = Pins(database)
        self.by_hand = ByHand(database)
        self.decisions = PacingDecisions(database)
        self.reports = Reports(database)
        self.history = History(database)

    async def open(self) -> None:
        """Connect, and see that the schema is this release's.

        Raises: DatabaseUnavailable with the reason and what to do.
        """
        await self.database.open()
        found, needed = await schema.revision_of(self.database), schema.head()
        if found != needed:
            raise DatabaseUnavailable(
                f"the schema does not fit this release: database={self.database.address} revision={found} "
                f"needed={needed}; run `stasis-dialer db upgrade`"
            )

    async def close(self) -> None:
        """Close all connections."""
        await self.database.close()

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
