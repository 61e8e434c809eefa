"""Answering machine detection on the real stack: our rows say what the carrier put there, and nobody is lost."""

from typing import Any

import pytest

from stasis_dialer.core.options import Amd, AmdMode, MachineAction
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, at_utc, timeline, wait_for

DIALPLAN, TALK = Amd(AmdMode.DIALPLAN), Amd(AmdMode.TALK_DETECT)
HUMANS = [number(Fate.HUMAN, talk=6, serial=serial) for serial in range(2)]
MACHINES = [number(Fate.MACHINE, serial=serial) for serial in range(2)]
PROMPT = number(Fate.VOICEMAIL_PROMPT, serial=1)
PATIENT = Amd(AmdMode.DIALPLAN, initial_silence_seconds=8.0, total_analysis_seconds=20.0)
"""Silence is listened to for longer than a dialer takes to start."""
MEDIA = "sound:beep"
"""Short, and there in every Asterisk."""


def truth(stage: Stage) -> dict[str, dict[str, Any]]:
    """Every row by its number, once all calls are over and the carrier agrees."""
    ledger = stage.ledger
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled", 90)
    ledger.wait_quiet()
    assert ledger.disagreements() == []
    assert ledger.overlaps() == []
    return {f"+{row['destination_extension']}": row for row in ledger.calls()}


def messages(stage: Stage, what: str) -> list[str]:
    """The numbers whose timeline has this."""
    return sorted(
        f"+{row['destination_extension']}" for row in stage.ledger.calls() if row["timeline"] and what in timeline(row)
    )


@pytest.mark.parametrize("amd", [DIALPLAN, TALK], ids=lambda amd: str(amd.mode))
def test_given_people_and_machines_when_dialled_then_people_get_agents_and_machines_are_hung_up(
    floor: Stage, amd: Amd
) -> None:
    floor.dialers[0].log_in("1001", "1002")
    floor.ledger.campaign([*HUMANS, *MACHINES, PROMPT], max_attempts=1, amd=amd)
    rows = truth(floor)
    for each in HUMANS:
        row = rows[each]
        assert (row["disposition"], row["amd_result"], row["source_extension"] != "") == ("answered", "human", True)
        assert any(what.startswith("amd human HUMAN-") for what in timeline(row))
    for each in MACHINES:
        row = rows[each]
        assert (row["disposition"], row["amd_result"], row["hung_up_by"]) == ("machine", "machine", "dialer")
        assert (row["bridged_at"] is None) == (amd is DIALPLAN)
    assert rows[PROMPT]["disposition"] == "voicemail"
    assert {rows[each]["amd_cause"][:5] for each in HUMANS + MACHINES} == {"HUMAN", "LONGG"}


def test_given_detection_in_the_dialplan_then_the_agent_is_there_moments_after_the_verdict(floor: Stage) -> None:
    floor.dialers[0].log_in("1001")
    floor.ledger.campaign(HUMANS[:1], max_attempts=1, amd=DIALPLAN)
    (row,) = truth(floor).values()
    detected, bridged, answered = (at_utc(row, name) for name in ("detected_at", "bridged_at", "answered_at"))
    assert detected is not None and bridged is not None and answered is not None
    assert (bridged - detected).total_seconds() < 0.5
    assert 1.0 < (detected - answered).total_seconds() < 5.0


@pytest.mark.parametrize("mode", [AmdMode.DIALPLAN, AmdMode.TALK_DETECT])
def test_given_messages_are_left_when_a_machine_answers_then_it_hears_the_message_after_its_beep(
    floor: Stage, mode: AmdMode
) -> None:
    floor.dialers[0].log_in("1001")
    floor.ledger.campaign(MACHINES[:1], max_attempts=1, amd=Amd(mode, MachineAction.MESSAGE, message_media=MEDIA))
    (row,) = truth(floor).values()
    assert row["disposition"] == "machine"
    told = timeline(row)
    assert told["silence"] < told["message left"]
    floor.dialers[0].wait_agent("1001", "available")


def test_given_machines_go_to_agents_when_one_answers_then_an_agent_has_it_and_the_row_says_machine(
    floor: Stage,
) -> None:
    floor.dialers[0].log_in("1001")
    numbers = [number(Fate.MACHINE, talk=6, serial=9)]
    floor.ledger.campaign(numbers, max_attempts=1, amd=Amd(AmdMode.DIALPLAN, MachineAction.AGENT))
    (row,) = truth(floor).values()
    assert (row["disposition"], row["amd_result"], row["source_extension"]) == ("answered", "machine", "1001")


def test_given_nobody_is_there_when_a_person_is_detected_then_abandoned_after_the_deadline_of_the_verdict(
    floor: Stage,
) -> None:
    """The only agent has a customer; the second person waits from the verdict on, not from the answer."""
    floor.dialers[0].log_in("1001", "1002")
    numbers = [number(Fate.HUMAN, talk=0, serial=serial) for serial in (11, 12)]
    floor.ledger.campaign(numbers, max_attempts=1, amd=DIALPLAN)
    wait_for(lambda: len(floor.customers("Up")) == 2, "both to have answered")
    floor.dialers[0].ask("POST", "/agents/1002/logout")
    wait_for(lambda: len(messages(floor, "ended abandoned")) == 1, "one of them to be abandoned")
    floor.customers_hang_up()
    rows = truth(floor)
    (row,) = [row for row in rows.values() if row["disposition"] == "abandoned"]
    told = timeline(row)
    waited = (told["given up"] - at_utc(row, "detected_at")).total_seconds()  # type: ignore[operator]
    assert 1.9 < waited < 3.0


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "events cut"])
def test_given_the_dialer_is_away_during_detection_when_it_is_back_then_the_person_gets_an_agent(
    stage: Stage, is_killed: bool
) -> None:
    with stage.lab.ari_proxy() as proxy:
        dialer = stage.dialer(ari={"url": proxy.url}).start()
        dialer.log_in("1001")
        stage.ledger.campaign([number(Fate.DEAD_AIR, talk=8, serial=21)], max_attempts=1, amd=PATIENT)
        wait_for(lambda: any(row["answered_at"] for row in stage.ledger.calls()), "the answer to be written")
        if is_killed:
            dialer.kill()
            dialer.start()
        else:
            proxy.cut_events()
            proxy.restore()
        (row,) = truth(stage).values()
        assert (row["disposition"], row["source_extension"]) == ("answered", "1001")
        assert (row["amd_result"], row["amd_cause"][:14]) == ("not_sure", "INITIALSILENCE")
        dialer.log_all_out()
        assert dialer.stop() == 0
