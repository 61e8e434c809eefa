"""Why nothing is dialled, as its user reads it: no agent, no message, too many lost."""

from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Dialer, Stage, wait_for


def reasons(dialer: Dialer, campaign: str) -> list[str]:
    """The words of `campaign explain`, the newest first."""
    return [row["reason"] for row in dialer.cli("campaign", "explain", campaign, "--json").json["decisions"]]


def wait_reason(dialer: Dialer, campaign: str, reason: str) -> None:
    wait_for(
        lambda: reason in reasons(dialer, campaign)[:1], f"{campaign} to say {reason}: {reasons(dialer, campaign)}"
    )


def test_given_a_campaign_that_does_not_dial_when_asked_then_the_command_line_says_why(stage: Stage) -> None:
    ledger = stage.ledger
    silent = [number(Fate.NO_ANSWER, ring=4, serial=serial) for serial in range(40)]
    campaign = ledger.campaign(silent, name="spring", mode="power", impulse_factor=4.0, max_attempts=1)
    dialer = stage.dialer(engine={"safe_harbour_media": None}).start()

    wait_reason(dialer, "spring", "no_message")
    metrics = dialer.cli("campaign", "metrics", "spring")
    assert "no_message" in metrics.out
    assert "there is no message for them: set safe_harbour_media" in metrics.out
    assert "set safe_harbour_media" in dialer.cli("campaign", "explain", "spring").out

    assert dialer.cli("campaign", "set", "spring", "safe_harbour_media=sound:stasis-dialer/safe-harbour").code == 0
    wait_reason(dialer, "spring", "no_agents")
    assert "no agent is at work for this campaign" in dialer.cli("campaign", "metrics", "spring").out
    assert ledger.calls() == []

    lost_before(stage, campaign, lost=5, answered=20)
    dialer.log_in("1001")
    wait_reason_among(dialer, "spring", "cap_reached")
    assert "the abandonment cap is reached" in dialer.cli("campaign", "explain", "spring").out
    decisions = dialer.cli("campaign", "explain", "spring", "--json").json["decisions"]
    (row, *_) = [row for row in decisions if row["wanted"]]
    assert (row["wanted"], row["inputs"]["lines"], row["inputs"]["agents_ready"]) == (1, 1.0, 1.0)
    ledger.set_status(campaign, "paused")
    ledger.wait_quiet()


def wait_reason_among(dialer: Dialer, campaign: str, reason: str) -> None:
    """One of them."""
    wait_for(lambda: reason in reasons(dialer, campaign), f"{campaign} to have said {reason}")


def lost_before(stage: Stage, campaign: int, lost: int, answered: int) -> None:
    """Calls of an hour before, in the log that the budget is counted from."""
    for n in range(answered):
        stage.ledger.execute(
            "INSERT INTO discador_chamadas (unique_id, status, campaign_id, disposition, start_time, answer_time, "
            "started_at, answered_at, ended_at) SELECT %s, 'finished', %s, %s, m, m, m, m, m "
            "FROM (SELECT UTC_TIMESTAMP() - INTERVAL 1 HOUR AS m) before_now",
            f"earlier-{n}",
            campaign,
            "abandoned" if n < lost else "answered",
        )
