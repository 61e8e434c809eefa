"""A list's rows as leads: the file read and every row judged, batch by batch, before the database sees any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stasis_dialer.core.lists import (
    Columns,
    ListedLead,
    RowRefused,
    columns_by_content,
    columns_by_heading,
    has_headings,
    read_lead,
)
from stasis_dialer.core.model import Campaign
from stasis_dialer.errors import Refused
from stasis_dialer.files.delimited import BadRow, Row
from stasis_dialer.files.reading import Table, open_table

SAMPLE_ROWS: Final = 200
TITLE_ROWS: Final = 10
"""Rows above the headings, as reports have them."""
MAX_LEADS: Final = 2000
"""Leads of one batch. Source: measured, 500 to 5000 are equally fast; a batch's statements stay below 1 MiB."""
MAX_WEIGHT: Final = 1 << 20
"""Characters of one batch: a few rows may be as long as the file's longest lines."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the caller knows better than what the file shows; None: as it looks."""

    mapping: Mapping[str, str] | None = None
    has_headings: bool | None = None
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class ListBatch:
    """Some rows of a list: leads, and those that are none, in the order of their lines."""

    leads: list[ListedLead]
    refused: list[BadRow]
    share: float
    """How much of the file was read so far, 0 to 1."""


@dataclass(frozen=True, slots=True)
class LeadList:
    """A file whose columns are known."""

    table: Table
    columns: Columns
    heading_line: int
    """The line with the headings; 0: none. Rows before it are titles."""
    campaign: Campaign

    def batches(self) -> Iterator[ListBatch]:
        """All rows, judged. Raises: Refused when the file cannot be read to its end."""
        region, rules, columns = self.campaign.default_region, self.campaign.numbers, self.columns
        leads: list[ListedLead] = []
        refused: list[BadRow] = []
        weight = 0
        share = 0.0
        for rows, share in self.table.batches():
            for row in rows:
                if row.line <= self.heading_line:
                    continue
                if isinstance(row, BadRow):
                    refused.append(row)
                    continue
                try:
                    leads.append(read_lead(row.line, row.cells, columns, region, rules))
                except RowRefused as error:
                    refused.append(BadRow(row.line, error.reason, str(error)))
                    continue
                weight += sum(map(len, row.cells))
                if len(leads) >= MAX_LEADS or weight >= MAX_WEIGHT:
                    yield ListBatch(leads, refused, share)
                    leads, refused, weight = [], [], 0
            if len(refused) >= MAX_LEADS:
                yield ListBatch(leads, refused, share)
                leads, refused, weight = [], [], 0
        yield ListBatch(leads, refused, 1.0)


def open_list(path: Path, campaign: Campaign, options: ReadOptions) -> LeadList:
    """A list of leads for a campaign. Raises: Refused when it has no column with phone numbers, or is no table."""
    table = open_table(path, options.encoding, options.delimiter)
    sample = _sample(table)
    region, rules = campaign.default_region, campaign.numbers
    if not sample:
        raise Refused(f"the file is empty: file={path.name}")
    with_headings = options.has_headings
    if with_headings is None:
        with_headings = any(has_headings(row.cells, region, rules) for row in sample[:1])
    if not with_headings:
        cells = [row.cells for row in sample]
        return LeadList(table, columns_by_content(cells, region, rules, options.mapping), 0, campaign)
    problem: Refused | None = None
    for row in sample[: TITLE_ROWS + 1]:
        try:
            columns = columns_by_heading(row.cells, options.mapping)
            return LeadList(table, columns, row.line, campaign)
        except Refused as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _sample(table: Table) -> list[Row]:
    sample: list[Row] = []
    for rows, _ in table.batches():
        sample += [row for row in rows if isinstance(row, Row)]
        if len(sample) >= SAMPLE_ROWS:
            break
    return sample[:SAMPLE_ROWS]
