"""Broadcasting on the real stack: a message without agents, keys that reach an agent, a list or a later time."""

from typing import Any

import pytest

from stasis_dialer.core.model import DialMode
from stasis_dialer.core.options import Amd, AmdMode, Broadcast
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, timeline, wait_for

SHORT, LONG = "sound:beep", "sound:demo-congrats"
"""There in every Asterisk: under a second, and about half a minute."""
OPTIONS = Broadcast(
    LONG, agent_digit="1", opt_out_digit="9", callback_digit="2", opt_out_media=SHORT, callback_media=SHORT
)
"""Every key is answered: the lab may keep the channel of a callee who is hung up while the key still sounds."""
PEOPLE = [number(Fate.HUMAN, serial=serial) for serial in range(40, 46)]
MACHINE = number(Fate.MACHINE, serial=46)


def begin(stage: Stage, numbers: list[str], options: Broadcast, **settings: Any) -> int:
    """A broadcast campaign with these leads."""
    return stage.ledger.campaign(numbers, mode=DialMode.BROADCAST, broadcast=options, **settings)


def over(stage: Stage) -> dict[str, dict[str, Any]]:
    """Every row by its number, once all calls are over and the carrier agrees."""
    ledger = stage.ledger
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled", 90)
    ledger.wait_quiet()
    assert ledger.disagreements() == []
    return {f"+{row['destination_extension']}": row for row in ledger.calls()}


def test_given_nobody_is_logged_in_when_broadcasting_then_everybody_hears_the_message_and_is_done_with(
    floor: Stage,
) -> None:
    begin(floor, PEOPLE, Broadcast(SHORT), max_channels=3)
    rows = over(floor)
    assert {row["disposition"] for row in rows.values()} == {"message_played"}
    assert all("message played" in timeline(row) for row in rows.values())
    assert {lead["status"] for lead in floor.ledger.leads()} == {"completed"}
    assert all(row["source_extension"] == "" for row in rows.values())


def test_given_they_hang_up_while_it_plays_or_it_cannot_be_played_then_nobody_has_heard_it(floor: Stage) -> None:
    impatient = number(Fate.HUMAN, talk=2, serial=47)
    begin(floor, [impatient], Broadcast(LONG), max_attempts=1)
    begin(floor, [PEOPLE[0]], Broadcast("sound:no-such-sound"), max_attempts=1)
    rows = over(floor)
    assert {row["disposition"] for row in rows.values()} == {"partly_played"}
    assert rows[impatient]["hung_up_by"] == "customer"
    assert rows[PEOPLE[0]]["hung_up_by"] == "dialer"
    assert "message-not-played" in floor.dialers[0].log


def test_given_detection_when_broadcasting_then_people_hear_the_message_and_machines_are_hung_up(floor: Stage) -> None:
    begin(floor, [PEOPLE[0], MACHINE], Broadcast(SHORT), max_attempts=1, amd=Amd(AmdMode.DIALPLAN))
    rows = over(floor)
    assert rows[PEOPLE[0]]["disposition"] == "message_played"
    assert rows[MACHINE]["disposition"] == "machine"


@pytest.mark.parametrize(
    ("key", "disposition", "status"), [("9", "opt_out", "completed"), ("2", "callback", "pending")]
)
def test_given_a_message_plays_when_a_key_is_pressed_then_the_wish_is_granted(
    floor: Stage, key: str, disposition: str, status: str
) -> None:
    begin(floor, PEOPLE[:1], OPTIONS)
    wait_for(lambda: floor.customers("Up"), "the customer to answer")
    wait_for(lambda: any(row["answered_at"] for row in floor.ledger.calls()), "the message to have begun")
    floor.customers_press(key)
    (row,) = over(floor).values()
    (lead,) = floor.ledger.leads()
    assert (row["disposition"], row["wish"], lead["status"]) == (disposition, disposition, status)
    assert (lead["next_attempt"] is not None) == (status == "pending")
    listed = floor.ledger.rows("SELECT number FROM dialer_do_not_call WHERE number = %s", PEOPLE[0].removeprefix("+"))
    assert bool(listed) == (disposition == "opt_out")
    floor.ledger.execute("DELETE FROM dialer_do_not_call")


def test_given_a_message_plays_when_an_agent_is_asked_for_then_they_talk_and_the_message_is_silent(
    floor: Stage,
) -> None:
    floor.dialers[0].log_in("1001")
    begin(floor, PEOPLE[:1], OPTIONS)
    wait_for(lambda: any(row["answered_at"] for row in floor.ledger.calls()), "the message to have begun")
    floor.customers_press("1")
    wait_for(floor.talking, "customer and agent to be in one bridge")
    (row,) = floor.ledger.calls()
    assert floor.playback(f"{row['unique_id']}-message") is None
    floor.customers_hang_up()
    (row,) = over(floor).values()
    assert (row["disposition"], row["source_extension"], row["wish"]) == ("answered", "1001", "agent")


def test_given_an_agent_is_asked_for_when_nobody_is_there_then_abandoned_after_the_patience_of_the_campaign(
    floor: Stage,
) -> None:
    begin(floor, PEOPLE[:1], Broadcast(LONG, "1", agent_wait_seconds=1.0), max_attempts=1)
    wait_for(lambda: any(row["answered_at"] for row in floor.ledger.calls()), "the message to have begun")
    floor.customers_press("1")
    (row,) = over(floor).values()
    assert (row["disposition"], row["wish"]) == ("abandoned", "agent")


def test_given_no_message_when_a_broadcast_is_started_then_it_is_refused(floor: Stage) -> None:
    floor.ledger.campaign(PEOPLE[:1], is_active=False, name="silent", mode=DialMode.BROADCAST)
    done = floor.dialers[0].cli("campaign", "start", "silent")
    assert done.code == 1
    assert "broadcast.media" in done.err


def test_given_the_dialer_is_killed_while_a_message_plays_when_it_is_back_then_the_message_goes_on_to_its_end(
    stage: Stage,
) -> None:
    dialer = stage.dialer().start()
    begin(stage, PEOPLE[:1], OPTIONS, max_attempts=1)
    wait_for(lambda: any(row["answered_at"] for row in stage.ledger.calls()), "the message to have begun")
    dialer.kill()
    assert stage.customers("Up")
    dialer.start()
    stage.customers_press("2")
    (row,) = over(stage).values()
    assert row["disposition"] == "callback"
