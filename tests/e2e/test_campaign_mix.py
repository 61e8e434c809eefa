"""A whole campaign against the carrier: what our rows say of each attempt is what the carrier's log says."""

import itertools
from collections import Counter

from stasis_dialer.lab.fates import Fate, fate_of, number
from tests.e2e.support import DISPOSITIONS, Stage, wait_for

LEADS = 500
PROMPTS = 25
"""Voicemail prompts last 2.5 s each, several times a whole call of another fate: the mix has more of them."""


def mix(seed: int) -> list[str]:
    """Numbers of the seeded mix: short ringing, short talks, every fate among them."""
    prompts = itertools.count()
    every = (number(None, ring=0, talk=1, serial=serial) for serial in itertools.count())
    fitting = (n for n in every if fate_of(n, seed).fate is not Fate.VOICEMAIL_PROMPT or next(prompts) < PROMPTS)
    numbers = list(itertools.islice(fitting, LEADS))
    assert {fate_of(each, seed).fate for each in numbers} == set(Fate)
    return numbers


def test_given_500_leads_of_the_mix_and_10_phones_when_all_are_dialled_then_rows_and_carrier_agree(
    stage: Stage,
) -> None:
    lab, ledger = stage.lab, stage.ledger
    numbers = mix(lab.seed)
    campaign = ledger.campaign(numbers[::2], is_active=False, max_attempts=3)
    ledger.add_leads(campaign, numbers[1::2], max_attempts=1)
    dialer = stage.dialer().start()
    dialer.log_in(*lab.extensions)

    ledger.set_status(campaign, "active")
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled", 150)
    ledger.wait_quiet()

    assert ledger.disagreements() == []
    assert ledger.overlaps() == []
    truth = {each: DISPOSITIONS[fate_of(each, lab.seed).fate] for each in numbers}
    ours = {f"+{row['destination_extension']}": row["disposition"] for row in ledger.calls()}
    assert ours == truth
    assert Counter(ours.values()) == Counter(DISPOSITIONS[it.fate] for it in lab.carrier.invites())
    leads = {lead["phone_number"]: lead for lead in ledger.leads()}
    for each in numbers:
        lead, is_once = leads[each], leads[each]["max_attempts"] == 1
        expected = "completed" if truth[each] == "answered" else "failed" if is_once else "pending"
        assert (lead["status"], lead["result"], lead["attempts"]) == (expected, truth[each], 1)
        assert (lead["next_attempt"] is not None) == (expected == "pending")
    row = ledger.rows("SELECT * FROM discador_campanhas WHERE id = %s", campaign)[0]
    counts = Counter(lead["status"] for lead in leads.values())
    assert row["total_contacts"] == LEADS
    assert row["processed_contacts"] == counts["completed"] + counts["failed"]
    assert row["successful_calls"] == counts["completed"]
    dialer.log_all_out()
    stage.wait_empty()
