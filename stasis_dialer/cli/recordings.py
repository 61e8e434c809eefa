"""A call's recording as a file of one's own (`calls recording`): fetched from Asterisk, two sides as stereo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from stasis_dialer.cli.context import Context, actor_name, command, pass_context
from stasis_dialer.cli.private import write_private
from stasis_dialer.core.call.recorded import BEGUN
from stasis_dialer.core.model import CallRecord
from stasis_dialer.core.recording import Part, parts
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.errors import Refused
from stasis_dialer.files.stereo import interleaved

FETCH_SECONDS: Final = 300.0
"""For one file: an hour of a call is 58 MB."""


@click.command()
@click.argument("call_id")
@click.argument("target", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--part", "number", type=click.IntRange(1), help="Which, when the customer spoke with several people.")
@pass_context
@command
async def recording(context: Context, call_id: str, target: Path, number: int | None) -> None:
    """Fetch a call's recording from Asterisk into FILE, which nobody else may read.

    Where the sides were recorded apart (recording.channels=separate), FILE is one stereo WAV: the customer in the left
    channel, the agent in the right one.

    \b
    Example: stasis-dialer calls recording app-c-mwymm07j-157d473f9b9e call.wav
    """
    async with context.store() as store:
        call = await store.calls.get(call_id)
        if call is None:
            raise Refused(f"there is no such call: call_id={call_id}")
        part = chosen(call, context.settings.ari.app, number)
        contents = await _fetch(context, part.files)
        both = len(contents) == 2
        write_private(target, interleaved(contents[0], contents[1], part.agent_late_seconds) if both else contents[0])
        after = {"files": list(part.files)}
        await store.audit.write(
            AuditEntry(datetime.now(UTC), actor_name(), "recording-fetched", f"call:{call_id}", None, after)
        )
    click.echo(f"{target}: {' and '.join(part.files)}", err=True)


def chosen(call: CallRecord, app: str, number: int | None) -> Part:
    """The part that is meant. Raises: Refused when it cannot be had, and why."""
    if call.ended_at is None:
        raise Refused(f"the call is not over: call_id={call.call_id}")
    if not call.recordings:
        raise Refused(f"the call has no recording, or none any more: call_id={call.call_id}")
    if call.app != app:
        raise Refused(f"the call is of another dialer: app={call.app} this={app}; use its configuration")
    found = parts(call.recordings, [at for at, what in call.timeline if what == BEGUN])
    if number is None and len(found) > 1:
        raise Refused(f"the recording has {len(found)} parts, one with each party: choose by --part 1 to {len(found)}")
    if number is not None and number > len(found):
        raise Refused(f"there is no such part: part={number} parts={len(found)}")
    part = found[(number or 1) - 1]
    if len(part.files) > 1 and not part.files[0].endswith(".wav"):
        raise Refused(
            f"only wav can be put together: file={part.files[0]}; record with recording.format=wav, "
            "or take the two files from Asterisk's recording folder"
        )
    return part


async def _fetch(context: Context, files: Sequence[str]) -> list[bytes]:
    """Raises: Refused when a file is gone; AriError, AriUnavailable."""
    from stasis_dialer.ari import AriNotFound
    from stasis_dialer.engine import connection

    patient = context.settings.ari.model_copy(update={"request_timeout_seconds": FETCH_SECONDS})
    contents: list[bytes] = []
    async with connection.connect(patient) as client:
        for file in files:
            try:
                contents.append(await client.call("recordings.getStoredFile", recordingName=file.rpartition(".")[0]))
            except AriNotFound as error:
                raise Refused(f"Asterisk has no such file any more: file={file}") from error
    return contents
