"""Every gate, alone and together: what shuts it, when it opens, what becomes of the lead."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from stasis_dialer.core import gates
from stasis_dialer.core.gates import Case, Gate, Phone
from stasis_dialer.core.law import Registry
from stasis_dialer.core.lead_options import Law, LawPack, LeadList, Retry
from stasis_dialer.core.model import Campaign, CampaignStatus, DialMode, Lead, LeadStatus
from stasis_dialer.core.settling import phones_in_turn, settle
from stasis_dialer.core.zones import zone_of

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""Monday noon in São Paulo."""
NUMBER, OTHER = "5511987654321", "5568987654321"
CAMPAIGN = Campaign(1, "spring", CampaignStatus.ACTIVE)
LEAD = Lead(1, 1, "Ana", NUMBER, attempts=1, created_at=NOW - timedelta(days=2))
PHONE = Phone(NUMBER, zone=zone_of(NUMBER))
CASE = Case(CAMPAIGN, LEAD, PHONE)
HOUR = timedelta(hours=1)


def case(**parts: Any) -> Case:
    """The open case with some of its parts changed: fields of the case, or of its campaign, lead or phone."""
    changed = CASE
    for name, given in parts.items():
        is_part = name in ("campaign", "lead", "phone") and isinstance(given, dict)
        changed = replace(changed, **{name: replace(getattr(changed, name), **given) if is_part else given})
    return changed


SHUT: list[tuple[str, Gate, Case, datetime | None, str | None]] = [
    ("a paused campaign", Gate.CAMPAIGN, case(campaign={"status": CampaignStatus.PAUSED}), None, None),
    (
        "outside its hours",
        Gate.WINDOW,
        case(campaign={"window_start": time(14), "window_end": time(18)}),
        NOW + 2 * HOUR,
        None,
    ),
    ("no trunk", Gate.TRUNK, case(trunk="every trunk rests"), None, None),
    ("completed", Gate.STATUS, case(lead={"status": LeadStatus.COMPLETED}), None, None),
    ("its own expiry", Gate.EXPIRY, case(lead={"expires_at": NOW}), None, "expired"),
    ("the campaign's expiry", Gate.EXPIRY, case(campaign={"leads": LeadList(expire_days=2)}), None, "expired"),
    ("no attempt left", Gate.ATTEMPTS, case(lead={"attempts": 3}), None, "max_attempts"),
    ("a callback in an hour", Gate.CALLBACK, case(lead={"callback_at": NOW + HOUR}), NOW + HOUR, None),
    ("not before", Gate.NEXT_ATTEMPT, case(lead={"next_attempt_at": NOW + HOUR}), NOW + HOUR, None),
    (
        "the lead had its calls of the day",
        Gate.LEAD_CAP,
        case(campaign={"retry": Retry(calls_per_lead=2)}, lead_called_at=(NOW - 5 * HOUR, NOW - HOUR)),
        NOW + 19 * HOUR,
        None,
    ),
    ("no number", Gate.NUMBER, case(phone=Phone(refusal="foreign_number")), None, "foreign_number"),
    ("on the list", Gate.DO_NOT_CALL, case(phone={"do_not_call": "listed"}), None, "do_not_call"),
    (
        "on the list for an hour",
        Gate.DO_NOT_CALL,
        case(phone={"do_not_call": "listed", "do_not_call_until": NOW + HOUR}),
        NOW + HOUR,
        None,
    ),
    (
        "a registry of two months ago",
        Gate.REGISTRY,
        case(registries=(Registry("procon", NOW - timedelta(days=60)),)),
        None,
        None,
    ),
    ("retired", Gate.RETIRED, case(phone={"invalid_count": 3}), None, "retired_number"),
    ("taken out for this lead", Gate.RETIRED, case(phone={"is_retired": True}), None, "retired_number"),
    (
        "the phone is used up",
        Gate.PHONE_ATTEMPTS,
        case(campaign={"retry": Retry(attempts_per_phone=2)}, phone={"attempts": 2}),
        None,
        "max_attempts",
    ),
    ("Acre sleeps", Gate.LAW, case(phone=Phone(OTHER, zone=zone_of(OTHER))), None, None),
    (
        "a holiday there",
        Gate.HOLIDAY,
        case(holidays={"BR-SP": {NOW.date(): "Carnival"}}),
        NOW + 21 * HOUR,
        None,
    ),
    (
        "the number had its calls of the day",
        Gate.NUMBER_CAP,
        case(phone={"called_at": (NOW - 5 * HOUR, NOW - 3 * HOUR, NOW - HOUR)}),
        NOW + 19 * HOUR,
        None,
    ),
    (
        "an abandoned call, in a mode that cannot promise an agent",
        Gate.LOCKOUT,
        case(campaign={"mode": DialMode.POWER}, phone={"abandoned_at": NOW - HOUR}),
        NOW + 71 * HOUR,
        None,
    ),
]


@pytest.mark.parametrize(("name", "gate", "found", "opens_at", "ends"), SHUT, ids=[row[0] for row in SHUT])
def test_what_shuts_a_gate(name: str, gate: Gate, found: Case, opens_at: datetime | None, ends: str | None) -> None:
    now = NOW - 2 * HOUR if name == "Acre sleeps" else NOW
    shut = gates.shut(found, now)
    assert [verdict.gate for verdict in shut] == [gate]
    assert shut[0].why
    assert shut[0].ends == ends
    if opens_at is not None:
        assert shut[0].opens_at == opens_at
    assert not gates.may_be_called(found, now)
    opening = gates.opening(found, now)
    if ends is not None or (opens_at is None and name != "Acre sleeps"):
        assert opening is None
    else:
        assert opening is not None and opening > now
        later = replace(found, phone=replace(found.phone, do_not_call=None)) if gate is Gate.DO_NOT_CALL else found
        assert gates.may_be_called(later, opening)
        assert not gates.may_be_called(found, opening - timedelta(seconds=1))


def test_given_an_abandoned_call_when_an_agent_dials_the_number_then_the_lock_out_is_open() -> None:
    lost = case(campaign={"mode": DialMode.PREDICTIVE}, phone={"abandoned_at": NOW - HOUR})
    assert [verdict.gate for verdict in gates.shut(lost, NOW)] == [Gate.LOCKOUT]
    assert gates.may_be_called(replace(lost, has_agent=True), NOW)


def test_given_nothing_shut_then_the_lead_may_be_called_now() -> None:
    assert gates.may_be_called(CASE, NOW)
    assert gates.opening(CASE, NOW) == NOW
    assert [verdict.gate for verdict in gates.verdicts(CASE, NOW)] == list(Gate)


def test_given_a_reservation_then_its_holder_is_named() -> None:
    held = case(lead={"status": LeadStatus.CALLING}, reserved_until=NOW + HOUR, reserved_by="dialer-a")
    first = gates.shut(held, NOW)[0]
    assert first.gate is Gate.RESERVATION and "dialer-a" in first.why


def test_given_several_gates_that_open_in_turn_then_the_opening_passes_all() -> None:
    found = case(
        lead={"next_attempt_at": datetime(2026, 3, 6, 23, 30, tzinfo=UTC)},
        campaign={"window_start": time(20), "window_end": time(20, 45)},
    )
    assert gates.opening(found, NOW) == datetime(2026, 3, 6, 23, 30, tzinfo=UTC)  # Friday 20:30, within both
    late = replace(found, lead=replace(found.lead, next_attempt_at=datetime(2026, 3, 6, 23, 50, tzinfo=UTC)))
    assert gates.opening(late, NOW) == datetime(2026, 3, 9, 23, 0, tzinfo=UTC)  # no Saturday evening, no Sunday


def test_a_promised_callback_has_no_limit_of_attempts_and_no_earlier_next_attempt() -> None:
    promised = case(lead={"callback_at": NOW, "attempts": 9, "next_attempt_at": NOW + HOUR})
    assert gates.may_be_called(promised, NOW)


def test_florida_allows_three_calls_a_day_whatever_the_campaign_says() -> None:
    number = "13055551234"
    calls = (NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR)
    found = case(
        campaign={"retry": Retry(calls_per_number=0)}, phone=Phone(number, zone=zone_of(number), called_at=calls)
    )
    assert [verdict.gate for verdict in gates.shut(found, NOW)] == [Gate.NUMBER_CAP]


@pytest.mark.parametrize(
    ("name", "changes", "order"),
    [
        ("first attempt", {}, (0, 1)),
        ("second attempt: the other phone", {"attempts": 1}, (1, 0)),
        ("third attempt", {"attempts": 2}, (0, 1)),
        ("the same phone again", {"attempts": 1, "next_phone": 0}, (0, 1)),
        ("beyond the last comes the first", {"next_phone": 2}, (0, 1)),
        ("one phone only", {"alternate_phone": None, "attempts": 5}, (0,)),
        ("more phones", {"more_phones": ("+551133334444",), "next_phone": 2}, (2, 0, 1)),
    ],
)
def test_in_which_turn_a_leads_phones_are_called(name: str, changes: dict[str, Any], order: tuple[int, ...]) -> None:
    lead = replace(LEAD, attempts=0, alternate_phone=OTHER)
    assert tuple(index for index, _ in phones_in_turn(replace(lead, **changes))) == order, name


def phone(number: str, **known: Any) -> Phone:
    return Phone(number, zone=zone_of(number), **known)


def test_given_a_phone_that_may_not_be_called_then_the_next_one_is() -> None:
    settled = settle(CASE, [(0, phone(NUMBER, do_not_call="listed")), (1, phone("5511912345678"))], NOW)
    assert settled.case is not None
    assert (settled.case.phone.number, settled.phone_index, settled.zone) == ("5511912345678", 1, "BR-SP")


def test_given_no_phone_that_may_ever_be_called_then_the_lead_is_closed() -> None:
    settled = settle(CASE, [(0, phone(NUMBER, do_not_call="listed")), (1, Phone(refusal="invalid_number"))], NOW)
    assert settled.closed is not None and settled.closed.ends == "do_not_call"


def test_given_a_phone_that_may_be_called_later_then_the_lead_waits_in_its_zone() -> None:
    early = NOW - 2 * HOUR  # 10 in São Paulo, 8 in Acre
    settled = settle(CASE, [(0, phone(OTHER)), (1, phone(NUMBER, do_not_call="listed"))], early)
    assert settled.is_put_off
    assert (settled.until, settled.zone) == (None, "BR-AC")


def test_given_a_number_with_its_calls_of_the_day_then_the_lead_is_put_off_until_the_first_is_a_day_old() -> None:
    calls = (NOW - 5 * HOUR, NOW - 3 * HOUR, NOW - HOUR)
    settled = settle(CASE, [(0, phone(NUMBER, called_at=calls))], NOW)
    assert (settled.until, settled.zone) == (NOW + 19 * HOUR, "BR-SP")


def test_given_a_lead_that_is_not_up_then_it_is_left_alone() -> None:
    waiting = case(lead={"next_attempt_at": NOW + HOUR})
    settled = settle(waiting, [(0, PHONE)], NOW)
    assert settled.case is None and settled.closed is None and not settled.is_put_off


def test_given_no_law_then_a_zone_shuts_nothing() -> None:
    night = NOW - 8 * HOUR
    assert gates.may_be_called(case(campaign={"law": Law(LawPack.OFF)}), night)
    assert not gates.may_be_called(CASE, night)
