"""The campaigns as the database has them, read again every second, so that the old panel's changes count at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import structlog

from stasis_dialer.core.model import Campaign, CampaignStatus
from stasis_dialer.errors import CampaignNotFound, DatabaseUnavailable

log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 1.0


class CampaignStore(Protocol):
    """The database as this module needs it."""

    async def find(self) -> Sequence[Stored]: ...


class Stored(Protocol):
    """A campaign's row: with problems it has defaults in their place and must not be dialled."""

    @property
    def campaign(self) -> Campaign: ...

    @property
    def problems(self) -> Sequence[str]: ...


class CampaignBook:
    """Every campaign that is not finished, with the configuration's defaults filled in."""

    def __init__(self, store: CampaignStore, safe_harbour_media: str | None) -> None:
        self._store = store
        self._media = safe_harbour_media
        self._by_id: dict[int, Campaign] = {}
        self._known: dict[int, Campaign] = {}
        self._warned: dict[int, tuple[str, ...]] = {}

    def all(self) -> Mapping[int, Campaign]:
        """By id."""
        return self._by_id

    def active(self) -> list[Campaign]:
        """Those that may dial, in the order of their ids."""
        return [c for _, c in sorted(self._by_id.items()) if c.status is CampaignStatus.ACTIVE]

    async def refresh(self) -> bool:
        """Read them again; says whether anything changed.

        Raises: DatabaseUnavailable.
        """
        known = {}
        found = {}
        for stored in await self._store.find():
            campaign = known[stored.campaign.id] = self._filled(stored.campaign)
            if stored.problems:
                self._warn(stored)
            elif campaign.status is not CampaignStatus.FINISHED:
                found[campaign.id] = campaign
        changed = found != self._by_id
        for campaign in found.values():
            before = self._by_id.get(campaign.id)
            if before is None or before.status is not campaign.status:
                log.info("campaign-status", campaign_id=campaign.id, status=str(campaign.status))
        self._by_id, self._known = found, known
        return changed

    async def expect(self, campaign_ids: Iterable[int]) -> None:
        """See that these campaigns are known as they are now: one may have been made a moment ago.

        Raises: CampaignNotFound; DatabaseUnavailable when that leaves one unknown.
        """
        wanted = set(campaign_ids)
        try:
            await self.refresh()
        except DatabaseUnavailable:
            if wanted <= self._known.keys():
                return
            raise
        unknown = sorted(wanted - self._known.keys())
        if unknown:
            raise CampaignNotFound(f"there is no such campaign: id={unknown[0]}")

    def of(self, campaign_id: int | None) -> Campaign:
        """The campaign of a call that outlived its process; a finished one still rules its calls."""
        return self._known.get(campaign_id or 0) or self._filled(Campaign(campaign_id or 0, "unknown"))

    def _warn(self, stored: Stored) -> None:
        """Once for each problem: the book is read every second."""
        if self._warned.get(stored.campaign.id) != tuple(stored.problems):
            self._warned[stored.campaign.id] = tuple(stored.problems)
            log.error("campaign-cannot-dial", campaign_id=stored.campaign.id, why="; ".join(stored.problems))

    def _filled(self, campaign: Campaign) -> Campaign:
        if campaign.safe_harbour_media is None and self._media is not None:
            return replace(campaign, safe_harbour_media=self._media)
        return campaign
