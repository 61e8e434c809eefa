"""Recordings, with tones as the referee: both sides are in the file, a pause is not, and a failure leaves the call."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from stasis_dialer.core.options import Recording, RecordingChannels, RecordingMode
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.audio import AGENT, CUSTOMER, Ear, channels, recorded
from tests.e2e.support import Stage, timeline, wait_for

ALL = Recording(RecordingMode.ALL)
PHONE = "1001"
BOTH = {"agent", "customer"}


@pytest.fixture
def ears(floor: Stage, tmp_path: Path) -> Iterator[tuple[Ear, Ear]]:
    """What the agent and the customers of this test hear; both send their tones."""
    agent, customer = Ear(tmp_path / "agent"), Ear(tmp_path / "customer")
    floor.lab.phone(PHONE).hums(AGENT, agent.path)
    for serial in (1, 2):
        floor.lab.carrier.hums(number(Fate.HUMAN, serial=serial), CUSTOMER, customer.path)
    yield agent, customer
    for serial in (1, 2):
        floor.lab.carrier.hums(number(Fate.HUMAN, serial=serial), None)


def spool(stage: Stage) -> Path:
    """Where the PBX keeps recordings."""
    return stage.lab.pbx.folder / "spool" / "recording"


def files_of(stage: Stage, call_id: str) -> list[Path]:
    """The call's files, as `calls show` gives them."""
    shown = stage.dialers[0].cli("calls", "show", call_id, "--json").json
    return [spool(stage) / file for file in shown["recordings"]]


def snapshot(stage: Stage) -> dict[str, object]:
    found: dict[str, object] = stage.dialers[0].ask("GET", "/snapshot")["recordings"]
    return found


def test_given_a_recorded_campaign_when_both_have_spoken_then_both_are_in_the_file_and_heard_each_other(
    floor: Stage, ears: tuple[Ear, Ear], tmp_path: Path
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customers = [number(Fate.HUMAN, serial=serial) for serial in (1, 2)]
    dialer.log_in(PHONE, campaign=ledger.campaign(customers, name="Verão 1", recording=ALL))
    rows = []
    for customer in customers:
        wait_for(lambda it=customer: (ledger.only_call(it) or {}).get("bridged_at"), "the customer to talk")
        ears[0].hears("customer")
        ears[1].hears("agent")
        floor.customers_hang_up()
        rows.append(ledger.ended_call(customer))

    first, second = (files_of(floor, row["unique_id"]) for row in rows)
    assert [file.parent.parent.name for file in first] == ["Verao_1"]
    assert first != second
    for (file,) in (first, second):
        wait_for(lambda it=file: BOTH in recorded(it), "both to be in the file")
    assert snapshot(floor) == {"live": 0, "failed": 0, "last_failure": None}

    fetched = tmp_path / "fetched.wav"
    assert dialer.cli("calls", "recording", rows[0]["unique_id"], str(fetched)).code == 0
    assert fetched.read_bytes() == first[0].read_bytes()


def test_given_a_pause_then_what_was_said_meanwhile_is_not_in_the_file(floor: Stage, ears: tuple[Ear, Ear]) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, serial=1)
    dialer.log_in(PHONE, campaign=ledger.campaign([customer], recording=Recording(RecordingMode.ON_DEMAND)))
    dialer.wait_agent(PHONE, "on_call")
    call_id = ledger.only_call(customer)["unique_id"]
    wait_for(lambda: dialer.agent(PHONE)["recording"] == "paused", "the recording to wait for the agent")
    assert dialer.cli("agent", "recording", "resume", PHONE).code == 0
    wait_for(lambda: dialer.agent(PHONE)["recording"] == "recording", "the recording to run")
    (file,) = wait_for(lambda: files_of(floor, call_id), "the file to be known")
    wait_for(lambda: file.is_file() and file.stat().st_size > 20_000, "a second to be recorded")
    assert dialer.cli("agent", "recording", "pause", PHONE).code == 0
    wait_for(lambda: dialer.agent(PHONE)["recording"] == "paused", "the recording to pause")
    ears[1].samples()
    size = file.stat().st_size
    ears[0].hears("customer")
    ears[1].hears("agent")
    assert file.stat().st_size == size
    assert dialer.cli("agent", "recording", "resume", PHONE).code == 0
    wait_for(lambda: file.stat().st_size > size + 10_000, "the file to grow again")
    floor.customers_hang_up()
    ledger.ended_call(customer)

    assert [what for what in timeline(ledger.call(call_id)) if what.startswith("recording")] == [
        "recording",
        "recording paused",
        "recording resumed",
    ]


def test_given_the_sides_apart_then_each_file_has_one_side_and_the_stereo_file_one_in_each_channel(
    floor: Stage, ears: tuple[Ear, Ear], tmp_path: Path
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, serial=1)
    options = Recording(RecordingMode.ALL, RecordingChannels.SEPARATE)
    dialer.log_in(PHONE, campaign=ledger.campaign([customer], recording=options))
    dialer.wait_agent(PHONE, "on_call")
    ears[0].hears("customer")
    ears[1].hears("agent")
    floor.customers_hang_up()
    row = ledger.ended_call(customer)

    said = {file.stem.rpartition("-")[2]: file for file in files_of(floor, row["unique_id"])}
    wait_for(lambda: all(file.is_file() for file in said.values()), "Asterisk to have closed both files")
    wait_for(lambda: {"agent"} in recorded(said["agent"]), "the agent's side")
    wait_for(lambda: {"customer"} in recorded(said["customer"]), "the customer's side")
    assert all("customer" not in heard for heard in recorded(said["agent"]))
    assert all("agent" not in heard for heard in recorded(said["customer"]))

    both = tmp_path / "both.wav"
    done = dialer.cli("calls", "recording", row["unique_id"], str(both))
    assert (done.code, both.stat().st_mode & 0o077) == (0, 0), done.err
    left, right = channels(both)
    assert {"customer"} in left
    assert {"agent"} in right
    assert all("agent" not in heard for heard in left)
    assert all("customer" not in heard for heard in right)


def test_given_an_announcement_then_the_customer_hears_it_before_the_agent(floor: Stage, ears: tuple[Ear, Ear]) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, serial=1)
    options = Recording(RecordingMode.ALL, announcement="sound:vm-goodbye")
    dialer.log_in(PHONE, campaign=ledger.campaign([customer], recording=options))
    dialer.wait_agent(PHONE, "on_call")
    ears[1].hears("agent")
    floor.customers_hang_up()
    row = ledger.ended_call(customer)

    at = timeline(row)
    assert list(at).index("announced") < list(at).index(f"bridged {PHONE}")
    assert row["disposition"] == "answered"


def test_given_an_announcement_that_asterisk_does_not_have_then_they_talk_and_nothing_is_recorded(
    floor: Stage, ears: tuple[Ear, Ear]
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, serial=1)
    options = Recording(RecordingMode.ALL, announcement="sound:no-such-sound")
    dialer.log_in(PHONE, campaign=ledger.campaign([customer], recording=options))
    dialer.wait_agent(PHONE, "on_call")
    ears[1].hears("agent")
    ears[0].hears("customer")
    floor.customers_hang_up()
    row = ledger.ended_call(customer)

    assert "announcement not played" in timeline(row)
    assert files_of(floor, row["unique_id"]) == []
    assert str(snapshot(floor)["last_failure"]).count(row["unique_id"]) == 1


@pytest.mark.parametrize("trouble", ["folder missing", "disk full"])
def test_given_nothing_can_be_written_then_the_call_goes_on_and_the_trouble_is_seen(
    floor: Stage, ears: tuple[Ear, Ear], trouble: str
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer, failed = number(Fate.HUMAN, serial=1), snapshot(floor)["failed"]
    campaign = ledger.campaign([customer], recording=ALL)
    folder, away, process = spool(floor), spool(floor).with_name("away"), floor.lab.pbx.process.pid
    assert process is not None
    limits = resource.prlimit(process, resource.RLIMIT_FSIZE)
    if trouble == "folder missing":
        folder.rename(away)
    else:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        dialer.log_in(PHONE, campaign=campaign)
        wait_for(lambda: snapshot(floor)["failed"] != failed, "the failure to be seen")
        ears[0].hears("customer")
        ears[1].hears("agent")
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)
        if away.is_dir():
            away.rename(folder)
    floor.customers_hang_up()
    row = ledger.ended_call(customer)

    assert (row["disposition"], row["hung_up_by"]) == ("answered", "customer")
    assert "recording-failed" in dialer.log
    assert "stasis_dialer_recordings_failed_total" in dialer.metrics()
    assert str(snapshot(floor)["last_failure"]).count(row["unique_id"]) == 1


@pytest.mark.parametrize("trouble", ["no such folder", "a file in its place"])
def test_given_recordings_cannot_be_written_then_check_warns_and_leaves_nothing_behind(
    floor: Stage, trouble: str
) -> None:
    folder, away = spool(floor), spool(floor).with_name("away")
    before = sorted(folder.iterdir())

    def check() -> tuple[int, str]:
        done = floor.dialers[0].cli("check", "--json")
        return done.code, next(row["result"] for row in done.json if row["check"] == "recordings")

    assert check() == (0, "ok")
    folder.rename(away)
    try:
        if trouble == "a file in its place":
            folder.write_text("")
        assert check() == (0, "warning")
    finally:
        folder.unlink(missing_ok=True)
        away.rename(folder)
    assert check() == (0, "ok")
    assert sorted(folder.iterdir()) == before
    assert not [bridge for bridge in floor.lab.pbx.ari.get("bridges") if "check" in bridge["id"]]
