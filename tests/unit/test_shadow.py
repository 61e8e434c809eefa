"""What a pacer that only watches hears and sees of another dialer's calls."""

from stasis_dialer.core.model import ExtensionStatus, LineStatus
from stasis_dialer.core.shadow import Watch, WatchedCall, phones_of, view

FREE, BUSY, GONE = LineStatus.FREE, LineStatus.BUSY, LineStatus.UNREGISTERED


def kinds(watch: Watch, *calls: WatchedCall) -> list[tuple[str, float]]:
    return [(event.kind, event.at) for event in watch.news(calls)]


def test_given_a_call_that_goes_on_when_watched_then_each_thing_is_heard_once() -> None:
    watch = Watch()
    assert kinds(watch, WatchedCall("a", 10.0)) == [("placed", 10.0)]
    assert kinds(watch, WatchedCall("a", 10.0)) == []
    assert kinds(watch, WatchedCall("a", 10.0, 15.0)) == [("answered", 15.0), ("human", 15.0)]
    assert kinds(watch, WatchedCall("a", 10.0, 15.0, agent="1001")) == [("connected", 15.0)]
    assert kinds(watch, WatchedCall("a", 10.0, 15.0, 75.0, "1001")) == [("talk_ended", 75.0)]


def test_given_calls_that_are_over_when_first_seen_then_their_ends_are_told_in_order_of_time() -> None:
    lost, unanswered = WatchedCall("a", 10.0, 15.0, 18.0), WatchedCall("b", 11.0, None, 14.0)
    assert kinds(Watch(), lost, unanswered) == [
        ("placed", 10.0), ("placed", 11.0), ("result", 14.0), ("answered", 15.0), ("human", 15.0), ("abandoned", 18.0),
    ]  # fmt: skip


def test_given_the_panel_when_read_then_the_legacy_counts_a_free_second_line_and_we_do_not() -> None:
    phones = phones_of(
        [
            ExtensionStatus("1001", FREE, FREE, True),
            ExtensionStatus("1002", BUSY, FREE, True),
            ExtensionStatus("1003", BUSY, BUSY, True),
            ExtensionStatus("1004", FREE, FREE, False),
            ExtensionStatus("1005", GONE, GONE, True),
        ]
    )
    assert (phones.registered, phones.legacy_ready, phones.ready, phones.busy) == (4, 2, 1, ("1002", "1003"))


def test_given_leads_calling_without_a_call_row_when_seen_then_they_are_calls_on_the_way() -> None:
    calls = [WatchedCall("a", 1.0), WatchedCall("b", 1.0, 2.0), WatchedCall("c", 1.0, 2.0, agent="1001"),
             WatchedCall("d", 1.0, ended_at=2.0)]  # fmt: skip
    seen = view(9.0, calls, calling=5, ready=2, talking_since={"1001": 2.0}, max_channels=10)
    assert (len(seen.dialling_since), len(seen.ringing_since), seen.waiting, seen.channels_in_use) == (2, 1, 1, 5)
    assert (seen.agents_ready, seen.agents_logged_in) == (2, 3)
