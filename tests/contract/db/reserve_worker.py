"""One of several dialers that reserve from the same campaign until nothing is left; prints what it took.

Environment: DATABASE_URL, CAMPAIGN_ID, APP.
"""

import asyncio
import itertools
import json
import os
import random

from stasis_dialer.core.lead_options import Law, LawPack, Retry
from stasis_dialer.core.model import Campaign, CampaignStatus
from stasis_dialer.db.database import Database
from stasis_dialer.db.store import Store
from tests.contract.db.conftest import LEASE_SECONDS, NOW, e164


async def main() -> None:
    app = os.environ["APP"]
    ids = itertools.count(1)
    campaign = Campaign(
        int(os.environ["CAMPAIGN_ID"]),
        "Natal",
        CampaignStatus.ACTIVE,
        law=Law(LawPack.OFF),
        retry=Retry(calls_per_number=0),
    )
    chance = random.Random(app)
    taken: list[tuple[str, int]] = []
    async with Store(Database(os.environ["DATABASE_URL"])) as store:
        while True:
            n = chance.randint(1, 100)
            found = await store.leads.reserve(campaign, n, NOW, app, LEASE_SECONDS, e164, lambda: f"{app}-{next(ids)}")
            taken += [(one.call_id, one.lead.id) for one in found.reservations]
            if not found.reservations and not found.refused:
                break
    print(json.dumps(taken))


if __name__ == "__main__":
    asyncio.run(main())
