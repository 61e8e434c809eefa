"""Every ending has one disposition and one fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.disposition import Q850_CAUSES, SIP_CODES, Ending, classify, from_sip
from stasis_dialer.core.model import Disposition, Fault

D, F = Disposition, Fault

SIP = [
    ("unauthorized", 401, D.ERROR, F.OURS),
    ("payment required", 402, D.ERROR, F.UNKNOWN),
    ("forbidden", 403, D.REJECTED, F.CARRIER),
    ("not found", 404, D.INVALID_NUMBER, F.CALLEE),
    ("proxy authentication", 407, D.ERROR, F.OURS),
    ("request timeout", 408, D.NO_ANSWER, F.CALLEE),
    ("gone", 410, D.INVALID_NUMBER, F.CALLEE),
    ("media type", 415, D.ERROR, F.OURS),
    ("temporarily unavailable", 480, D.NO_ANSWER, F.CALLEE),
    ("address incomplete", 484, D.INVALID_NUMBER, F.CALLEE),
    ("busy here", 486, D.BUSY, F.CALLEE),
    ("terminated", 487, D.NO_ANSWER, F.CALLEE),
    ("not acceptable here", 488, D.ERROR, F.OURS),
    ("server error", 500, D.CONGESTION, F.CARRIER),
    ("bad gateway", 502, D.CONGESTION, F.CARRIER),
    ("service unavailable", 503, D.CONGESTION, F.CARRIER),
    ("gateway timeout", 504, D.CONGESTION, F.CARRIER),
    ("busy everywhere", 600, D.BUSY, F.CALLEE),
    ("decline", 603, D.REJECTED, F.CALLEE),
    ("does not exist anywhere", 604, D.INVALID_NUMBER, F.CALLEE),
    ("not acceptable", 606, D.ERROR, F.OURS),
    ("unwanted", 607, D.REJECTED, F.CALLEE),
    ("rejected by an intermediary", 608, D.REJECTED, F.CARRIER),
]

Q850 = [
    ("timeout without a cause", 0, D.NO_ANSWER, F.CALLEE),
    ("unallocated", 1, D.INVALID_NUMBER, F.CALLEE),
    ("no route to transit network", 2, D.CONGESTION, F.CARRIER),
    ("no route to destination", 3, D.INVALID_NUMBER, F.CARRIER),
    ("normal clearing", 16, D.NO_ANSWER, F.CALLEE),
    ("busy", 17, D.BUSY, F.CALLEE),
    ("no user responding", 18, D.NO_ANSWER, F.CALLEE),
    ("no answer", 19, D.NO_ANSWER, F.CALLEE),
    ("subscriber absent", 20, D.NO_ANSWER, F.CALLEE),
    ("rejected", 21, D.REJECTED, F.CALLEE),
    ("number changed", 22, D.INVALID_NUMBER, F.CALLEE),
    ("destination out of order", 27, D.CONGESTION, F.CARRIER),
    ("invalid number format", 28, D.INVALID_NUMBER, F.CALLEE),
    ("normal, unspecified", 31, D.NO_ANSWER, F.CALLEE),
    ("no circuit", 34, D.CONGESTION, F.CARRIER),
    ("network out of order", 38, D.CONGESTION, F.CARRIER),
    ("temporary failure", 41, D.CONGESTION, F.CARRIER),
    ("switching congestion", 42, D.CONGESTION, F.CARRIER),
    ("channel not available", 44, D.CONGESTION, F.CARRIER),
    ("bearer capability", 58, D.ERROR, F.OURS),
    ("incompatible destination", 88, D.ERROR, F.OURS),
    ("interworking", 127, D.ERROR, F.CARRIER),
    ("a cause we do not know", 99, D.ERROR, F.UNKNOWN),
]


def unanswered(**known: object) -> Ending:
    return Ending(is_dialled=True, is_answered=False, is_bridged=False, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "code", "disposition", "fault"), SIP)
def test_given_a_sip_code_then_it_decides_over_the_cause(
    name: str, code: int, disposition: Disposition, fault: Fault
) -> None:
    assert classify(unanswered(cause=127, tech_cause=code)) == (disposition, fault), name


@pytest.mark.parametrize(("name", "cause", "disposition", "fault"), Q850)
def test_given_no_sip_code_then_the_cause_decides(
    name: str, cause: int, disposition: Disposition, fault: Fault
) -> None:
    assert classify(unanswered(cause=cause)) == (disposition, fault), name


def test_the_tables_have_a_row_for_every_code_and_cause() -> None:
    assert set(SIP_CODES) <= {code for _, code, _, _ in SIP}
    assert set(Q850_CAUSES) <= {cause for _, cause, _, _ in Q850}


@pytest.mark.parametrize("code", [None, 0, 100, 183, 200, 302, 399, 700])
def test_given_a_code_that_ends_no_call_then_it_says_nothing(code: int | None) -> None:
    assert from_sip(code) is None
    assert classify(unanswered(cause=17, tech_cause=code)) == (D.BUSY, F.CALLEE)


@pytest.mark.parametrize(
    ("name", "ending", "outcome"),
    [
        ("bridged, whatever the cause", Ending(True, True, True, cause=34, tech_cause=503), (D.ANSWERED, None)),
        ("bridged, end not seen", Ending(True, True, True, is_seen=False), (D.ANSWERED, None)),
        ("answered, not bridged", Ending(True, True, False, cause=16), (D.ABANDONED, F.OURS)),
        ("a machine", Ending(True, True, False, is_machine=True, cause=16), (D.MACHINE, None)),
        ("a machine that an agent had", Ending(True, True, True, is_machine=True), (D.MACHINE, None)),
        ("answered, given up", Ending(True, True, False, is_given_up_by_us=True), (D.ABANDONED, F.OURS)),
        ("withdrawn", Ending(True, False, False, is_given_up_by_us=True, cause=16), (D.CANCELLED, F.OURS)),
        ("never dialled", Ending(False, False, False, cause=16), (D.ERROR, F.OURS)),
        ("rung out", Ending(True, False, False, is_rung_out=True, cause=127), (D.NO_ANSWER, F.CALLEE)),
        ("end not seen", Ending(True, False, False, is_seen=False), (D.ERROR, F.UNKNOWN)),
        ("a prompt", Ending(True, False, False, prompt_seconds=4.0, cause=19), (D.VOICEMAIL, F.CALLEE)),
        ("announced: busy", Ending(True, False, False, prompt_seconds=4.0, cause=17), (D.BUSY, F.CALLEE)),
        (
            "given up in a prompt",
            Ending(True, False, False, is_rung_out=True, prompt_seconds=4.0),
            (D.NO_ANSWER, F.CALLEE),
        ),
        ("no cause at all", Ending(True, False, False), (D.NO_ANSWER, F.CALLEE)),
    ],
)
def test_what_our_own_clocks_know_comes_first(
    name: str, ending: Ending, outcome: tuple[Disposition, Fault | None]
) -> None:
    assert classify(ending) == outcome, name


flags = st.booleans()
codes = st.one_of(st.none(), st.integers(-1, 800))


endings = st.builds(
    Ending,
    is_dialled=flags,
    is_answered=flags,
    is_bridged=flags,
    is_machine=flags,
    broadcast=st.sampled_from([None, D.MESSAGE_PLAYED, D.OPT_OUT]),
    prompt_seconds=st.one_of(st.none(), st.floats(0, 100)),
    is_given_up_by_us=flags,
    is_rung_out=flags,
    is_seen=flags,
    cause=codes,
    tech_cause=codes,
)


@given(endings)
def test_given_any_ending_then_there_is_an_answer_and_only_what_was_meant_is_nobodys_fault(ending: Ending) -> None:
    disposition, fault = classify(ending)
    was_heard = ending.is_answered and ending.broadcast is not None
    assert (fault is None) == (ending.is_bridged or ending.is_machine or was_heard)
    assert (fault is None) == (disposition in (D.ANSWERED, D.MACHINE, D.MESSAGE_PLAYED, D.OPT_OUT))
