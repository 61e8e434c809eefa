"""The way of a list into a campaign: rows are read and judged while the database takes those before them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from stasis_dialer.db.imports import ListFile, Verdict
from stasis_dialer.db.store import Store
from stasis_dialer.errors import Refused
from stasis_dialer.files.delimited import BadRow
from stasis_dialer.files.listing import LeadList
from stasis_dialer.files.writing import TableWriter

T = TypeVar("T")

KEPT_REFUSALS: Final = 1000
"""Refused rows that the summary holds; the file of results has all."""
RESULT_HEADINGS: Final = ("line", "result", "reason", "detail")
COLLECT_EVERY: Final = 100_000
"""New objects between two looks of the collector: a few batches' worth."""


@dataclass
class Summary:
    """What became of a list's rows."""

    imported: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    is_dry_run: bool = False
    was_imported_at: str | None = None
    """When this file was imported before, for a campaign that dedupes inside the file only."""

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "imported": self.imported,
            "refused": self.refused,
            "reasons": dict(sorted(self.reasons.items())),
            "dry_run": self.is_dry_run,
            "imported_before_at": self.was_imported_at,
            "refusals": self.refusals,
        }


async def import_list(
    store: Store,
    leads: LeadList,
    *,
    actor: str,
    is_dry_run: bool = False,
    results: TableWriter | None = None,
    show: Callable[[float, int], None] = lambda share, rows: None,
) -> Summary:
    """Import a list, all or nothing; `show` is told the share of the file and the rows done.

    Raises: Refused when the file cannot be read to its end, or changes meanwhile; DatabaseUnavailable. Nothing was
    imported then.
    """
    path, campaign = leads.table.path, leads.campaign
    summary = Summary(is_dry_run=is_dry_run)
    state = _state_of(path)
    file = ListFile(path.name, await asyncio.to_thread(digest_of, path))
    if campaign.numbers.dedupe == "file":
        summary.was_imported_at = await store.imports.imported_at(campaign.id, file.digest)
        if summary.was_imported_at is not None:
            return summary
    if results is not None:
        results.write(RESULT_HEADINGS)
    regions = {each.campaign.id: each.campaign.default_region for each in await store.campaigns.find()}
    async with store.imports.begin(campaign, datetime.now(UTC), regions, is_dry_run=is_dry_run) as transaction:
        async for batch in read_ahead(leads.batches()):
            verdicts = await transaction.add(batch.leads)
            _account(summary, verdicts, batch.refused, results)
            show(batch.share, summary.imported + summary.refused)
        if _state_of(path) != state:
            raise Refused(f"the file changed while it was read: file={path.name}; nothing was imported")
        if not is_dry_run:
            await transaction.commit(file, summary.refused, actor, datetime.now(UTC))
    return summary


async def import_registry(
    store: Store,
    numbers: LeadList,
    source: str,
    campaign_id: int | None,
    *,
    registry_at: datetime,
    expires_at: datetime | None = None,
    is_whole: bool = False,
    results: TableWriter | None = None,
    show: Callable[[float, int], None] = lambda share, rows: None,
) -> tuple[Summary, int]:
    """Import a do-not-call registry's file, all or nothing; the numbers dropped that it no longer has, when whole.

    Raises: Refused when the file cannot be read to its end, or has no valid number; DatabaseUnavailable.
    """
    summary = Summary()
    if results is not None:
        results.write(RESULT_HEADINGS)
    async with store.dnc.registry(source, campaign_id, datetime.now(UTC), expires_at) as transaction:
        async for batch in read_ahead(numbers.batches()):
            await transaction.add([phone.number for lead in batch.leads for phone in lead.phones])
            verdicts = [Verdict(lead, None, "; ".join(lead.remarks)) for lead in batch.leads]
            _account(summary, verdicts, batch.refused, results)
            show(batch.share, summary.imported + summary.refused)
        if not transaction.entries:
            raise Refused(f"no valid number: file={numbers.table.path.name}; nothing was changed")
        dropped = await transaction.commit(registry_at, is_whole=is_whole)
    return summary, dropped


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Python's collector looks at what is there once and then seldom: it took half of the time of reading a list.

    Source: 100 k rows of the benchmark's list, CPython 3.11: 14.9 us of CPU a row to read them, 7.4 so.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def read_ahead(source: Iterator[T]) -> AsyncIterator[T]:
    """What an iterator gives, the next one already being made in a thread."""
    reading = asyncio.create_task(asyncio.to_thread(next, source, None))
    with undisturbed():
        try:
            while (found := await reading) is not None:
                reading = asyncio.create_task(asyncio.to_thread(next, source, None))
                yield found
        finally:
            await asyncio.wait([reading])


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state_of(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _account(summary: Summary, verdicts: list[Verdict], bad_rows: list[BadRow], results: TableWriter | None) -> None:
    rows: list[tuple[int, str | None, str]] = [(row.line, row.reason, row.detail) for row in bad_rows]
    refused = [verdict for verdict in verdicts if verdict.reason is not None]
    summary.imported += len(verdicts) - len(refused)
    summary.refused += len(refused) + len(bad_rows)
    rows += [(one.lead.line, one.reason, one.detail) for one in (refused if results is None else verdicts)]
    rows.sort(key=lambda row: row[0])
    for line, reason, detail in rows:
        if reason is not None:
            summary.reasons[reason] += 1
            if len(summary.refusals) < KEPT_REFUSALS:
                summary.refusals.append({"line": line, "reason": reason, "detail": detail})
        if results is not None:
            results.write((line, "refused" if reason else "imported", reason or "", detail))
