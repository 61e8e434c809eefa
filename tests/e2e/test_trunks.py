"""Several trunks: what the carrier refuses on one is tried on the other, and one that keeps refusing is left alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import yaml

from stasis_dialer.core.model import Disposition
from stasis_dialer.lab.carrier import Carrier
from stasis_dialer.lab.fates import BACKUP, TRUNK, Fate, number
from stasis_dialer.lab.world import Lab
from tests.e2e.support import Stage, refused_tries, timeline, wait_for


def trunks(lab: Lab, first: dict[str, Any] | None = None, second: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The lab's trunk, and one beside it on which the carrier wants national numbers."""
    own = yaml.safe_load(lab.config_path.read_text())["trunks"][0]
    beside = {"name": BACKUP, "endpoint": f"PJSIP/{{number}}@{BACKUP}", "number_format": "0{national}"}
    return [{**own, **(first or {})}, {**own, **beside, **(second or {})}]


def numbers(count: int, fate: Fate = Fate.HUMAN) -> list[str]:
    return [number(fate, ring=0, talk=2, serial=700 + n) for n in range(count)]


def test_given_one_trunk_refuses_then_each_call_is_made_on_the_other_in_the_same_attempt(
    stage: Stage, carrier: Carrier
) -> None:
    carrier.refuse(TRUNK)
    dialer = stage.dialer(trunks=trunks(stage.lab, {"breaker": {"share": None}})).start()
    stage.ledger.campaign(numbers(3), mode="progressive")
    dialer.log_in("1001")
    wait_for(lambda: len(stage.ledger.calls()) == 3, "three calls")
    stage.ledger.wait_quiet()
    rows = stage.ledger.calls()
    assert {row["disposition"] for row in rows} == {"answered"}
    assert {row["trunk"] for row in rows} == {BACKUP}
    assert [refused_tries(row) for row in rows] == [[TRUNK]] * 3
    assert [lead["attempts"] for lead in stage.ledger.leads()] == [1, 1, 1]
    by_attempt: dict[str, list[tuple[str, str]]] = {}
    for invite in carrier.invites():
        by_attempt.setdefault(invite.attempt, []).append((invite.trunk, invite.number))
    for row in rows:
        wanted = row["destination_extension"]
        assert by_attempt[row["unique_id"]] == [(TRUNK, f"+{wanted}"), (BACKUP, f"0{wanted[2:]}")]
        assert [what for what in timeline(row) if "carrier" in what or "backup" in what] == [
            "refused carrier 503",
            "trunk backup",
        ]
    shown = dialer.cli("calls", "show", rows[0]["unique_id"], "--json").json
    assert shown["tries"] == ["carrier 503"]


def test_given_both_trunks_refuse_then_two_tries_and_the_lead_waits_for_its_retry(
    stage: Stage, carrier: Carrier
) -> None:
    carrier.refuse(TRUNK)
    carrier.refuse(BACKUP)
    dialer = stage.dialer(trunks=trunks(stage.lab)).start()
    stage.ledger.campaign(numbers(1))
    dialer.log_in("1001")
    wait_for(lambda: stage.ledger.calls(), "the call")
    stage.ledger.wait_quiet()
    (row,) = stage.ledger.calls()
    assert (row["disposition"], row["fault"], row["tech_cause"]) == (str(Disposition.CONGESTION), "carrier", 503)
    assert [invite.trunk for invite in carrier.invites()] == [TRUNK, BACKUP]
    (lead,) = stage.ledger.leads()
    assert (lead["status"], lead["attempts"]) == ("pending", 1)


def test_given_the_callee_is_busy_then_the_other_trunk_is_not_tried(stage: Stage, carrier: Carrier) -> None:
    dialer = stage.dialer(trunks=trunks(stage.lab)).start()
    stage.ledger.campaign(numbers(1, Fate.BUSY))
    dialer.log_in("1001")
    wait_for(lambda: stage.ledger.calls(), "the call")
    stage.ledger.wait_quiet()
    assert [invite.trunk for invite in carrier.invites()] == [TRUNK]
    assert stage.ledger.disagreements() == []


def test_given_a_trunk_that_asterisk_cannot_reach_then_the_other_one_takes_the_calls(
    stage: Stage, carrier: Carrier
) -> None:
    dialer = stage.dialer(trunks=trunks(stage.lab, {"endpoint": "PJSIP/{number}@nowhere"})).start()
    stage.ledger.campaign(numbers(1))
    dialer.log_in("1001")
    wait_for(lambda: stage.ledger.calls(), "the call")
    stage.ledger.wait_quiet()
    (row,) = stage.ledger.calls()
    assert (row["disposition"], row["trunk"], refused_tries(row)) == ("answered", BACKUP, [TRUNK])
    assert [invite.trunk for invite in carrier.invites()] == [BACKUP]


def test_given_a_trunk_keeps_refusing_then_it_is_left_alone_tried_again_and_used_again(
    stage: Stage, carrier: Carrier
) -> None:
    carrier.refuse(TRUNK)
    breaker = {"calls": 3, "open_seconds": 3}
    dialer = stage.dialer(trunks=trunks(stage.lab, {"breaker": breaker})).start()
    campaign = stage.ledger.campaign(numbers(40), mode="progressive")
    dialer.log_in("1001", "1002")
    wait_for(lambda: dialer.ask("GET", "/snapshot")["trunks_left_alone"] == [TRUNK], "the trunk to be left alone")
    checked = dialer.cli("check")
    assert "left alone" in checked.out
    assert "trunk-left-alone" in dialer.log
    before = len(carrier.invites())
    wait_for(lambda: len(carrier.invites()) >= before + 4, "calls on the other trunk")
    refused = [invite for invite in carrier.invites() if invite.trunk == TRUNK]
    assert len(refused) <= 5, "three that opened it and at most a trial each three seconds"
    carrier.accept(TRUNK)
    wait_for(lambda: dialer.ask("GET", "/snapshot")["trunks_left_alone"] == [], "the trunk to be used again")
    stage.ledger.set_status(campaign, "paused")
    stage.ledger.wait_quiet()
    assert "trunk-works-again" in dialer.log


def test_given_two_trunks_of_one_order_then_they_share_the_calls_by_weight(stage: Stage, carrier: Carrier) -> None:
    wanted = trunks(stage.lab, {"order": 1, "weight": 3}, {"order": 1, "weight": 1})
    dialer = stage.dialer(trunks=wanted).start()
    stage.ledger.campaign(numbers(16, Fate.BUSY), mode="progressive", retry_delay_seconds=3600)
    dialer.log_in("1001", "1002")
    wait_for(lambda: len(carrier.invites()) == 16, "sixteen calls")
    stage.ledger.wait_quiet()
    shares = Counter(invite.trunk for invite in carrier.invites())
    assert shares[TRUNK] == pytest.approx(12, abs=1)
    assert shares[BACKUP] == pytest.approx(4, abs=1)
