"""The repositories over MariaDB and in memory: the same tests for both, each starting with empty tables."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from stasis_dialer.cli.main import main
from stasis_dialer.core.lead_options import Law, LawPack, Retry
from stasis_dialer.core.model import Campaign, CampaignStatus, Lead
from stasis_dialer.db import schema
from stasis_dialer.db.batch import Reserved
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.store import Store
from stasis_dialer.db.tables import Base
from stasis_dialer.errors import NumberRefused
from tests.contract.db.commands import Command
from tests.fakes.database import MemoryStore

NOW = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
APP = "dialer-a"
LEASE_SECONDS = 120.0

AnyStore = Store | MemoryStore


def at(seconds: float) -> datetime:
    """A moment of the story."""
    return NOW + timedelta(seconds=seconds)


def e164(phone: str) -> str:
    """As the numbers' module does it, roughly: digits with the country's code; letters are refused."""
    if not phone.isdigit():
        raise NumberRefused(f"not a number: phone={phone}")
    return f"55{phone}"


@dataclass
class Story:
    """A store with one campaign."""

    store: Any
    campaign: Campaign
    call_ids: Callable[[], str] = field(default_factory=lambda: map("call-{}".format, itertools.count(1)).__next__)

    async def add(self, *numbers: str, max_attempts: int | None = None) -> None:
        leads = [NewLead(f"Zé {number}", number, max_attempts=max_attempts) for number in numbers]
        await self.store.leads.insert_many(self.campaign.id, leads, NOW)

    async def reserve(self, n: int, now: datetime = NOW, app: str = APP) -> Reserved:
        taken: Reserved = await self.store.leads.reserve(self.campaign, n, now, app, LEASE_SECONDS, e164, self.call_ids)
        return taken

    async def lead(self, lead_id: int) -> Lead:
        lead: Lead | None = await self.store.leads.get(lead_id)
        assert lead is not None
        return lead

    async def counters(self) -> tuple[int, int, int]:
        counters = (await self.store.campaigns.get(self.campaign.id)).counters
        return counters.total_contacts, counters.processed_contacts, counters.successful_calls


@pytest.fixture(scope="session")
def upgraded_url(lab: Any) -> str:
    """A database with this release's schema."""
    url: str = lab.create_database("contract")
    asyncio.run(schema.upgrade(url))
    return url


@pytest.fixture
async def mariadb(upgraded_url: str) -> AsyncIterator[Store]:
    """MariaDB with empty tables, whose legacy writes the time of São Paulo."""
    async with Store(Database(upgraded_url, legacy_timezone="America/Sao_Paulo")) as store:
        await store.database.run(_empty)
        yield store


@pytest.fixture(params=["memory", "mariadb"])
def store(request: pytest.FixtureRequest) -> AnyStore:
    """Each of the two."""
    if request.param == "memory":
        return MemoryStore()
    found: Store = request.getfixturevalue("mariadb")
    return found


@pytest.fixture
async def story(store: AnyStore) -> Story:
    """Each of the two, with an active campaign."""
    return await begin(store)


async def begin(store: AnyStore) -> Story:
    """An active campaign in a store."""
    plain = Campaign(0, "Natal", CampaignStatus.ACTIVE, law=Law(LawPack.OFF), retry=Retry(calls_per_number=0))
    stored = await store.campaigns.create(plain, "tests", NOW)
    return Story(store, stored.campaign)


@pytest.fixture
def stasis(mariadb: Store, upgraded_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Command:
    """A command on the test's database. Each runs in a loop of its own, as on the command line.

    Words may hold `{}`: the test's folder. Asterisk is the lab's, whether the command asks for it or not.
    """
    url = make_url(upgraded_url)
    config = tmp_path / "config.yaml"
    lab = request.getfixturevalue("lab")
    settings = yaml.safe_load(Path("config.yaml").read_text())
    settings["database"] |= {"url": url.set(password=None).render_as_string(), "legacy_timezone": "America/Sao_Paulo"}
    settings["ari"] |= {"url": lab.pbx.ari_url, "user": lab.ari_user, "app": APP}
    config.write_text(yaml.safe_dump(settings))
    environment = {
        "STASIS_DIALER_DATABASE_PASSWORD": url.password,
        "STASIS_DIALER_ARI_PASSWORD": lab.ari_password,
        "STASIS_DIALER_API_TOKEN": "x" * 24,
    }

    def run(*words: str, answer: str | None = None) -> Result:
        given = ["--config", str(config), *(word.replace("{}", str(tmp_path)) for word in words)]
        return CliRunner().invoke(main, given, env=environment, input=answer)

    return run


async def _empty(statements: Statements) -> None:
    for table in Base.metadata.tables:
        await statements.execute(f"DELETE FROM `{table}`")
