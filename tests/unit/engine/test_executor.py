"""Commands become requests; whatever Asterisk answers becomes events, never an exception."""

import pytest

from stasis_dialer import ari
from stasis_dialer.core import messages as m
from stasis_dialer.engine.executor import Executor
from tests.unit.engine.transports import ScriptedTransport

CREATE = m.CreateLeg(
    "app-c-1", "PJSIP/+5511987654321@carrier", (("TIMEOUT(absolute)", "60"), ("SD_ATTEMPT", "app-c-1"))
)
DIAL, ANSWER, HANG_UP, PROBE = m.DialLeg("c1", 29.6), m.AnswerLeg("c1"), m.HangUp("c1"), m.Probe("c1")
BRIDGE, DESTROY, JOIN = m.CreateBridge("b1"), m.DestroyBridge("b1"), m.Join("c1", "b1")
PLAY = m.PlayMessage("c1", "sound:sorry")
STOP_PLAYING = m.StopMessage("c1", "place-1")
MUSIC, NO_MUSIC, HUSH = m.StartMusic("c1"), m.StopMusic("c1"), m.Hush("c1")
TAKE_OUT, TO_DIALPLAN = m.TakeOut("c1", "b1"), m.SendToDialplan("c1", "sd-amd")
WATCH, STOP_WATCHING = m.WatchTalking("c1", 0.8, 256), m.StopWatching("c1")
LISTEN, RECORD = m.Listen("r1", "c1"), m.Record("r1", "spring/c1", "wav")
PAUSE, RESUME = m.PauseRecording("r1", "spring/c1"), m.ResumeRecording("r1", "spring/c1")
STOP, LOOK = m.StopMessage("c1"), m.ProbeMessage("c1", "confirmation")
MOVE, HOLD_MUSIC = m.Move("c1", "b1"), m.PlayMusic("h1")
PATHS = {
    MOVE: "/bridges/b1/addChannel",
    HOLD_MUSIC: "/bridges/h1/moh",
    LISTEN: "/channels/c1/snoop/r1",
    RECORD: "/channels/r1/record",
    PAUSE: "/recordings/live/spring%2Fc1/pause",
    RESUME: "/recordings/live/spring%2Fc1/pause",
    CREATE: "/channels/create",
    DIAL: "/channels/c1/dial",
    ANSWER: "/channels/c1/answer",
    HANG_UP: "/channels/c1",
    PROBE: "/channels/c1",
    BRIDGE: "/bridges/b1",
    DESTROY: "/bridges/b1",
    JOIN: "/bridges/b1/addChannel",
    PLAY: "/channels/c1/play/c1-message",
    STOP: "/playbacks/c1-message",
    LOOK: "/playbacks/c1-confirmation",
    STOP_PLAYING: "/playbacks/c1-place-1",
    MUSIC: "/channels/c1/moh",
    NO_MUSIC: "/channels/c1/moh",
    HUSH: "/channels/c1/moh",
    TAKE_OUT: "/bridges/b1/removeChannel",
    TO_DIALPLAN: "/channels/c1/continue",
    WATCH: "/channels/c1/variable",
    STOP_WATCHING: "/channels/c1/variable",
}
TIMEOUT, AWAY = ari.AriTimeout(), ari.AriUnavailable()
NOT_FOUND, BAD = ari.AriNotFound(404, message="no"), ari.AriBadRequest(400, message="no")
CONFLICT, WRONG, BROKEN = (
    ari.AriConflict(409, message="no"),
    ari.AriUnprocessable(422, message="no"),
    ari.AriServerError(500, message="no"),
)
LOADING = ari.AriLoading(503, message="no")
FAILURES = [TIMEOUT, AWAY, NOT_FOUND, BAD, CONFLICT, WRONG, BROKEN, LOADING]


async def run(command: m.Command, failure: Exception | None = None) -> tuple[tuple[m.Event, ...], ScriptedTransport]:
    transport = ScriptedTransport()
    if failure is not None:
        transport.answers[PATHS[command]] = failure
    return await Executor(transport, "app").execute(command), transport


@pytest.mark.parametrize(
    ("command", "method", "query"),
    [
        (DIAL, "POST", {"timeout": "30"}),
        (ANSWER, "POST", {}),
        (HANG_UP, "DELETE", {}),
        (PROBE, "GET", {}),
        (BRIDGE, "POST", {"type": "mixing,proxy_media", "name": "b1"}),
        (DESTROY, "DELETE", {}),
        (PLAY, "POST", {"media": "sound:sorry"}),
        (STOP, "DELETE", {}),
        (LOOK, "GET", {}),
        (STOP_PLAYING, "DELETE", {}),
        (MUSIC, "POST", {}),
        (NO_MUSIC, "DELETE", {}),
        (HUSH, "DELETE", {}),
        (TO_DIALPLAN, "POST", {"context": "sd-amd", "extension": "s", "priority": "1"}),
        (WATCH, "POST", {"variable": "TALK_DETECT(set)", "value": "800,256"}),
        (STOP_WATCHING, "POST", {"variable": "TALK_DETECT(remove)", "value": ""}),
        (HOLD_MUSIC, "POST", {}),
        (LISTEN, "POST", {"app": "app", "appArgs": "leg", "spy": "both", "whisper": "none"}),
        (RECORD, "POST", {"name": "spring/c1", "format": "wav", "ifExists": "overwrite"}),
        (PAUSE, "POST", {}),
        (RESUME, "DELETE", {}),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_given_it_works_then_one_request_and_no_event(command: m.Command, method: str, query: object) -> None:
    events, transport = await run(command)
    assert events == ()
    ((sent_method, path, sent_query, _, _),) = transport.sent
    assert (sent_method, path, sent_query) == (method, PATHS[command], query)


async def test_a_leg_is_created_under_its_own_id_with_its_variables() -> None:
    events, transport = await run(CREATE)
    assert events == ()
    ((method, path, query, body, own),) = transport.sent
    assert (method, path, own) == ("POST", "/channels/create", "/channels/app-c-1")
    assert query == {"endpoint": CREATE.endpoint, "app": "app", "appArgs": "leg", "channelId": "app-c-1"}
    assert body == {"variables": {"TIMEOUT(absolute)": "60", "SD_ATTEMPT": "app-c-1"}}


async def test_a_bridge_is_created_under_its_own_id_so_that_it_may_be_repeated() -> None:
    _, transport = await run(BRIDGE)
    assert transport.sent[0][4] == "/bridges/b1"


async def test_a_join_that_works_is_an_event_of_its_own() -> None:
    events, transport = await run(JOIN)
    assert events == (m.Joined("b1"),)
    assert transport.sent[0][2] == {"channel": "c1"}


async def test_a_supervisors_leg_keeps_its_keys_from_the_others() -> None:
    _, transport = await run(m.Join("u1", "w1", absorbs_keys=True))
    assert transport.sent[0][2] == {"channel": "u1", "absorbDTMF": "true"}


async def test_a_leg_that_is_taken_out_of_its_bridge_has_left_it() -> None:
    events, transport = await run(TAKE_OUT)
    assert events == (m.Parted("b1"),)
    assert transport.sent[0][2] == {"channel": "c1"}


async def test_ids_are_quoted_in_paths() -> None:
    transport = ScriptedTransport()
    await Executor(transport, "app").execute(m.HangUp("a/../b?c"))
    assert transport.requests == [("DELETE", "/channels/a%2F..%2Fb%3Fc")]


@pytest.mark.parametrize(
    ("command", "failure", "events"),
    [
        (CREATE, TIMEOUT, (m.RequestUnanswered("create"),)),
        (CREATE, AWAY, (m.RequestUnanswered("create"),)),
        (CREATE, BROKEN, (m.OriginateRejected(500, "no"),)),
        (CREATE, BAD, (m.OriginateRejected(400, "no"),)),
        (CREATE, LOADING, (m.OriginateRejected(503, "no"),)),
        (DIAL, TIMEOUT, (m.RequestUnanswered("dial"),)),
        (DIAL, AWAY, (m.RequestUnanswered("dial"),)),
        (DIAL, CONFLICT, (m.DialRejected(409, "no"),)),
        (DIAL, NOT_FOUND, ()),
        (ANSWER, NOT_FOUND, ()),
        (HANG_UP, NOT_FOUND, ()),
        (HANG_UP, TIMEOUT, ()),
        (PROBE, NOT_FOUND, (m.LegGone(is_seen=False),)),
        (PROBE, TIMEOUT, ()),
        (PROBE, AWAY, ()),
        (PROBE, BROKEN, ()),
        (BRIDGE, CONFLICT, ()),
        (DESTROY, NOT_FOUND, ()),
        (JOIN, TIMEOUT, ()),
        (JOIN, AWAY, ()),
        (JOIN, LOADING, ()),
        (LOOK, NOT_FOUND, (m.MessageEnded("confirmation"),)),
        (LOOK, TIMEOUT, (m.RequestUnanswered("look"),)),
        (LOOK, AWAY, ()),
        (LOOK, BROKEN, ()),
        (STOP, NOT_FOUND, ()),
        (TO_DIALPLAN, CONFLICT, (m.DialplanRefused(),)),
        (TO_DIALPLAN, BROKEN, (m.DialplanRefused(),)),
        (TO_DIALPLAN, NOT_FOUND, ()),
        (TO_DIALPLAN, TIMEOUT, ()),
        (TO_DIALPLAN, AWAY, ()),
        (TAKE_OUT, WRONG, (m.Parted("b1"),)),
        (TAKE_OUT, NOT_FOUND, (m.Parted("b1"),)),
        (TAKE_OUT, TIMEOUT, ()),
        (TAKE_OUT, AWAY, ()),
        (WATCH, CONFLICT, ()),
        (STOP_WATCHING, BROKEN, ()),
        (MOVE, TIMEOUT, ()),
        (MOVE, AWAY, ()),
        (MOVE, NOT_FOUND, (m.MoveFailed("c1", "b1", str(NOT_FOUND)),)),
        (HOLD_MUSIC, NOT_FOUND, ()),
        (MUSIC, TIMEOUT, (m.RequestUnanswered("music"),)),
        (MUSIC, AWAY, ()),
        (MUSIC, NOT_FOUND, ()),
        (LISTEN, TIMEOUT, (m.RequestUnanswered("listen"),)),
        (LISTEN, NOT_FOUND, (m.OriginateRejected(404, "no"),)),
        (RECORD, AWAY, (m.RequestUnanswered("record"),)),
        (RECORD, CONFLICT, ()),
        (PAUSE, NOT_FOUND, (m.PauseRefused(str(NOT_FOUND)),)),
        (PAUSE, TIMEOUT, (m.PauseRefused(str(TIMEOUT)),)),
        (RESUME, BROKEN, (m.RecordingFailed("spring/c1", f"not resumed: {BROKEN}"),)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "",
)
async def test_given_a_failure_then_its_events(
    command: m.Command, failure: Exception, events: tuple[m.Event, ...]
) -> None:
    assert (await run(command, failure))[0] == events


@pytest.mark.parametrize(
    ("name", "failure", "is_bridge_gone"),
    [
        ("the bridge is gone", NOT_FOUND, True),
        ("the customer's channel is gone", BAD, False),
        ("the customer's channel left Stasis", WRONG, False),
        ("the customer's channel is busy otherwise", CONFLICT, False),
    ],
)
async def test_given_a_join_is_refused_then_the_event_says_whether_the_bridge_was_to_blame(
    name: str, failure: Exception, is_bridge_gone: bool
) -> None:
    ((event,), _) = await run(JOIN, failure)
    assert isinstance(event, m.JoinFailed)
    assert (event.bridge_id, event.is_bridge_gone) == ("b1", is_bridge_gone), name


@pytest.mark.parametrize("failure", [TIMEOUT, AWAY, BROKEN], ids=lambda failure: type(failure).__name__)
async def test_given_the_bridge_cannot_be_created_then_the_join_has_failed(failure: Exception) -> None:
    ((event,), _) = await run(BRIDGE, failure)
    assert isinstance(event, m.JoinFailed)
    assert event.bridge_id == "b1"


async def test_given_no_folder_for_recordings_then_the_failure_says_where_to_look() -> None:
    ((event,), _) = await run(RECORD, BROKEN)
    assert isinstance(event, m.RecordingFailed)
    assert event.reason == "refused 500; is there a folder `recording` in Asterisk's spool, and may it be written?"


@pytest.mark.parametrize(
    ("name", "failure", "look", "events"),
    [
        ("it plays without an answer", TIMEOUT, [], ()),
        ("it does not", TIMEOUT, [NOT_FOUND], (m.MessageEnded(is_heard=False),)),
        ("it is seen to play at the second look", TIMEOUT, [TIMEOUT], ()),
        ("nobody knows", TIMEOUT, [TIMEOUT, TIMEOUT], (m.MessageEnded(is_heard=False),)),
        ("it is refused", CONFLICT, [NOT_FOUND], (m.MessageEnded(is_heard=False),)),
        ("Asterisk is away", AWAY, [AWAY], (m.MessageEnded(is_heard=False),)),
    ],
)
async def test_given_a_message_cannot_be_played_then_it_has_ended_unless_it_plays_all_the_same(
    name: str, failure: Exception, look: list[Exception], events: tuple[m.Event, ...]
) -> None:
    transport = ScriptedTransport()
    transport.scripts = {PATHS[PLAY]: [failure], "/playbacks/c1-message": list(look)}
    assert await Executor(transport, "app").execute(PLAY) == events, name


BEGIN, IS_WRITTEN = ("POST", PATHS[RECORD]), ("GET", "/recordings/live/spring%2Fc1")


@pytest.mark.parametrize(
    ("name", "begun", "is_written", "requests", "reason"),
    [
        ("another call made the folder at the same time", [CONFLICT], [NOT_FOUND], [BEGIN, IS_WRITTEN, BEGIN], ""),
        ("it is written already", [CONFLICT], [], [BEGIN, IS_WRITTEN], ""),
        ("it is refused for ever", [CONFLICT] * 9, [NOT_FOUND] * 9, [BEGIN, IS_WRITTEN] * 2, "refused 409"),
        ("then it is refused otherwise", [CONFLICT, BROKEN], [NOT_FOUND], [BEGIN, IS_WRITTEN, BEGIN], "refused 500"),
    ],
)
async def test_given_a_file_is_refused_as_existing_then_it_is_asked_for_again_unless_it_is_being_written(
    name: str, begun: list[Exception], is_written: list[Exception], requests: list[tuple[str, str]], reason: str
) -> None:
    transport = ScriptedTransport()
    transport.scripts = {BEGIN[1]: list(begun), IS_WRITTEN[1]: list(is_written)}
    events = await Executor(transport, "app").execute(RECORD)
    assert transport.requests == requests, name
    assert [event.reason.partition(";")[0] for event in events if isinstance(event, m.RecordingFailed)] == [
        reason for _ in range(bool(reason))
    ]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("command", PATHS, ids=lambda command: type(command).__name__)
async def test_whatever_fails_nothing_is_raised(command: m.Command, failure: Exception) -> None:
    events, _ = await run(command, failure)
    assert all(isinstance(event, m.Event) for event in events)


async def test_given_a_defect_of_ours_then_it_is_an_event_too() -> None:
    assert (await run(JOIN, RuntimeError("a defect")))[0] == (m.RequestUnanswered("Join"),)


def test_every_command_for_asterisk_has_its_test() -> None:
    local = {m.SeekAgent, m.WithdrawSeek, m.TellJoined, m.TellCall, m.Save, m.Finish, m.EndSession, m.Command}
    local |= {m.AskPlace, m.SeekTrunk, m.TellTrunk}
    local |= {m.TellAnnounced, m.TellAnswered, m.TellSought, m.TellDetected, m.Remind}
    local |= {m.DisposeCall, m.CollectKey, m.CallPhone, m.RecordingLost, m.EndRecording}
    local |= {m.SeekTarget, m.ReleaseTarget, m.TargetJoined, m.HandToTarget, m.ReleaseAgent, m.TellTransfer}
    local |= {m.EndTransfer}
    local |= {m.SeekTrunk, m.TellTrunk}
    local |= {m.FetchAgent, m.PauseAgent}
    local |= {m.OpenEar, m.CloseEar, m.TellSupervision, m.EndEar, m.NoteSupervision, m.EndSupervision}
    remote = {item for item in vars(m).values() if isinstance(item, type) and issubclass(item, m.Command)} - local
    assert {type(command) for command in PATHS} == remote


async def test_music_and_message_end_together() -> None:
    transport = ScriptedTransport()
    assert await Executor(transport, "app").execute(m.Hush("c1", "place-0")) == ()
    assert transport.requests == [("DELETE", "/channels/c1/moh"), ("DELETE", "/playbacks/c1-place-0")]
