"""Customers who talk with an agent, as the PBX has them, and what the rows must say of them in the end."""

import pytest

from tests.e2e.support import Stage, wait_for


def pairs_of(stage: Stage) -> dict[str, str]:
    """The call ids of customers who talk with an agent now, as the PBX has them, each with its agent's leg."""
    pairs = {}
    for _, legs in stage.talking():
        customers = [leg for leg in legs if "-c-" in leg]
        agents = [leg for leg in legs if "-a-" in leg]
        assert len(customers) == len(agents) == 1, legs
        pairs[customers[0]] = agents[0]
    return pairs


def wait_pairs(stage: Stage, count: int, at_least: bool = False) -> dict[str, str]:
    """Wait until so many pairs talk and the database knows."""

    def found() -> dict[str, str]:
        known = {row["unique_id"] for row in stage.ledger.calls() if row["bridged_at"] is not None}
        pairs = pairs_of(stage)
        is_enough = len(pairs) == count or (at_least and len(pairs) > count)
        return pairs if is_enough and pairs.keys() <= known else {}

    return wait_for(found, f"{count} pairs to talk")


def sessions(stage: Stage) -> dict[str, tuple[str, str]]:
    """Each open session's extension with its id and its leg."""
    rows = stage.ledger.rows("SELECT * FROM dialer_agent_sessions WHERE logged_out_at IS NULL")
    return {row["extension"]: (row["session_id"], row["leg_id"]) for row in rows}


def hear(stage: Stage, pairs: dict[str, str]) -> dict[str, int]:
    """How much the PBX has heard of each side."""
    return {leg: stage.media_of(leg) for pair in pairs.items() for leg in pair}


def wait_heard(stage: Stage, pairs: dict[str, str], before: dict[str, int]) -> None:
    """Wait until every side of every pair was heard again, all of them still together."""
    wait_for(lambda: all(now > before[leg] for leg, now in hear(stage, pairs).items()), "everybody to be heard")
    assert pairs_of(stage).items() >= pairs.items()


def assert_served(stage: Stage, pairs: dict[str, str]) -> None:
    """Every pair has its CDR: with its agent, and an end that was seen."""
    rows = {row["unique_id"]: row for row in stage.ledger.calls()}
    agents = {leg: extension for extension, (_, leg) in sessions(stage).items()}
    for call_id, leg in pairs.items():
        row = rows[call_id]
        assert (row["disposition"], row["agent_leg_id"], row["hung_up_by"]) == ("answered", leg, "customer")
        assert row["source_extension"] == agents[leg]
        assert row["is_end_estimated"] == 0
        assert row["duration"] == pytest.approx((row["ended_at"] - row["answered_at"]).total_seconds(), abs=1.0)
