"""YAML and the environment's secrets to settings; every problem at once, with its line and a hint, and no secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from stasis_dialer.core.model import ConnectMode, DialMode
from stasis_dialer.core.options import Amd, AmdMode, MachineAction
from stasis_dialer.errors import ConfigurationError
from stasis_dialer.settings import check_campaign, load_campaign, load_settings, read_value
from stasis_dialer.settings.campaign import CampaignSettings

SECRETS = {
    "STASIS_DIALER_ARI_PASSWORD": "ari-secret",
    "STASIS_DIALER_DATABASE_PASSWORD": "db-secret",
    "STASIS_DIALER_API_TOKEN": "0123456789abcdef-token",
}
HOOK = "webhooks: [{{url: {}, secret: {}}}]\nari:\n"
MINIMAL = """\
ari:
  password: ${STASIS_DIALER_ARI_PASSWORD}
database:
  password: ${STASIS_DIALER_DATABASE_PASSWORD}
api:
  token: ${STASIS_DIALER_API_TOKEN}
trunks:
  - name: carrier
    endpoint: PJSIP/{number}@carrier
"""
ROOT = Path(__file__).parents[3]
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def problems(path: Path, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as error:
        load_settings(path, SECRETS if environment is None else environment)
    return str(error.value)


def test_the_annotated_default_is_valid_and_says_the_defaults_of_the_model(write: Write) -> None:
    ours = load_settings(ROOT / "config.yaml", SECRETS)
    minimal = load_settings(write(MINIMAL), SECRETS)
    assert ours.ari == minimal.ari
    assert ours.database == minimal.database
    assert ours.api == minimal.api
    assert ours.agents == minimal.agents
    assert ours.engine == minimal.engine
    assert ours.log == minimal.log


def test_given_secrets_in_the_environment_then_they_are_filled_in_and_never_shown(write: Write) -> None:
    settings = load_settings(write(MINIMAL), SECRETS)
    assert settings.ari.password.get_secret_value() == "ari-secret"
    assert settings.api.token.get_secret_value() == "0123456789abcdef-token"
    shown = repr(settings) + str(settings)
    assert not any(secret in shown for secret in SECRETS.values())


def test_given_no_secrets_then_each_is_named_with_its_line(write: Write) -> None:
    message = problems(write(MINIMAL), {})
    assert "3 problems" in message
    assert "line 2: ari.password needs the environment variable STASIS_DIALER_ARI_PASSWORD, which is not set" in message
    assert "line 4: database.password needs" in message
    assert "line 6: api.token needs" in message


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (
            "a typing error",
            "  - name: carrier\n",
            "  - nmae: carrier\n",
            "trunks[0].nmae is not a setting; did you mean name?",
        ),
        ("a missing key", "  - name: carrier\n    endpoint", "  - endpoint", "trunks[0].name is missing"),
        ("a key of no section", "ari:\n", "arri: 1\nari:\n", "line 1: arri is not a setting; did you mean ari?"),
        ("the same key twice", "ari:\n", "ari:\n  app: x\n  app: y\n", "line 3: ari.app stands twice; keep one"),
        ("a wrong address", "ari:\n", "ari:\n  url: ws://x\n", "line 2: ari.url is 'ws://x': must begin with http://"),
        ("a wrong app", "ari:\n", "ari:\n  app: a,b\n", "only letters, digits, _ and -"),
        ("out of range", "ari:\n", "ari:\n  connections: 0\n", "ari.connections is 0: "),
        ("not a number", "ari:\n", "ari:\n  connections: many\n", "ari.connections is 'many': "),
        ("a short token", "${STASIS_DIALER_API_TOKEN}", "short", "api.token: at least 16 characters"),
        ("no number in the endpoint", "PJSIP/{number}@carrier", "PJSIP/carrier", "must hold {number}"),
        ("an unknown field", "{number}@", "{numbre}@", "unknown field {numbre}; use {number}"),
        ("an attribute of a field", "{number}@", "{number.__class__}@", "unknown field"),
        ("a format of a field", "{number}@", "{number:>9}@", "plain {number}"),
        ("a conversion of a field", "{number}@", "{number!r}@", "plain {number}"),
        ("an open bracket", "{number}@", "{number}{@", "endpoint"),
        ("no trunk", "  - name: carrier\n    endpoint: PJSIP/{number}@carrier\n", "  []\n", "trunks"),
        ("no such zone", "database:\n", "database:\n  legacy_timezone: Mars/Base\n", "no such time zone"),
        ("a path as a zone", "database:\n", "database:\n  legacy_timezone: ../../etc/passwd\n", "no such time zone"),
        ("another database", "database:\n", "database:\n  url: sqlite://x\n", "must begin with mysql+aiomysql://"),
        ("a section that is a list", "ari:\n", "log: [1]\nari:\n", "line 1: log is [1]"),
        ("a section that is empty", "ari:\n", "log:\nari:\n", "log is None"),
        (
            "a carrier code that is missing",
            "@carrier",
            "@carrier\n    number_format: 0{carrier}{national}",
            "no carrier_code",
        ),
        ("a code of success", "@carrier", "@carrier\n    failover: {codes: [200]}", "failover.codes"),
        ("a webhook to nowhere", "ari:\n", HOOK.format("ftp://x/y", "s" * 16), "webhooks[0].url"),
        ("a webhook with a password", "ari:\n", HOOK.format("http://u:p@x/y", "s" * 16), "holds a user or password"),
        ("a webhook's short secret", "ari:\n", HOOK.format("http://x/y", "sss"), "webhooks[0].secret: at least 16"),
    ],
)
def test_given_a_mistake_then_the_message_names_it(write: Write, name: str, old: str, new: str, expected: str) -> None:
    assert old in MINIMAL
    assert expected in problems(write(MINIMAL.replace(old, new))), name


def test_given_several_mistakes_then_all_are_listed_in_the_order_of_their_lines(write: Write) -> None:
    text = MINIMAL.replace("ari:\n", "ari:\n  urll: x\n  connections: -1\n").replace(
        "  - name: carrier\n", "  - name: ''\n"
    )
    message = problems(write(text), {**SECRETS, "STASIS_DIALER_API_TOKEN": ""})
    assert "4 problems" in message
    lines = [int(found) for found in re.findall(r"line (\d+):", message)]
    assert lines == sorted(lines) == [2, 3, 8, 10]


def test_given_two_trunks_with_one_name_then_refused(write: Write) -> None:
    text = MINIMAL + "  - name: carrier\n    endpoint: PJSIP/{number}@other\n"
    assert "two trunks have the name carrier" in problems(write(text))


@pytest.mark.parametrize("secret", ["tooshort", 12345, True])
def test_given_a_wrong_secret_then_it_is_not_repeated(write: Write, secret: object) -> None:
    message = problems(write(MINIMAL.replace("${STASIS_DIALER_API_TOKEN}", f"{secret}")))
    assert "api.token" in message
    assert str(secret) not in message


def test_given_headers_then_line_breaks_and_strange_names_are_refused(write: Write) -> None:
    headers = '    headers: {"X-Good": "{attempt_id}", "X Bad": "1"}\n'
    assert "not a header name: 'X Bad'" in problems(write(MINIMAL + headers))
    assert "holds no line breaks" in problems(write(MINIMAL + '    headers: {"X": "a\\r\\nVia: b"}\n'))
    assert "unknown field {number}" in problems(write(MINIMAL + '    headers: {"X": "{number}"}\n'))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("no YAML", "ari: [", "not YAML"),
        ("a tab", "ari:\n\tapp: x", "not YAML"),
        ("only text", "hello", "must be keys and values"),
        ("a list", "- 1", "must be keys and values"),
        ("nothing", "", "ari is missing"),
        ("an object of Python", "ari: !!python/object/apply:os.system [ls]", "not YAML"),
        ("a day that is none", "ari: 2026-99-99", "not YAML"),
        ("two documents", "a: 1\n---\nb: 2", "not YAML"),
        ("a NUL", "a: \x00", "not YAML"),
        ("a thing that holds itself", "ari: &a [*a]", "holds itself"),
        ("a key that is a list", "? [1, 2]\n: 3", "not YAML"),
        ("very deep", "[" * 3_000, "not YAML"),
        ("deep", "a: " + "[" * 150 + "]" * 150, "not a setting"),
    ],
)
def test_given_a_file_that_is_no_configuration_then_one_message(
    write: Write, name: str, text: str, expected: str
) -> None:
    assert expected in problems(write(text)), name


def test_given_aliases_that_grow_without_end_then_refused_quickly(write: Write) -> None:
    """The laughs of a billion: ten lines that mean gigabytes."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "too many" in problems(write("\n".join(lines)))


def test_given_files_that_cannot_be_read_then_said_so(tmp_path: Path) -> None:
    assert "no such file" in problems(tmp_path / "none.yaml")
    assert "cannot be read" in problems(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"ari: S\xe3o Paulo")
    assert "not UTF-8 at byte 6" in problems(latin)
    huge = tmp_path / "huge.yaml"
    huge.write_text("#" * 1_000_001)
    assert "larger than" in problems(huge)


# --- campaigns ------------------------------------------------------------------------------------------------------


def test_given_a_campaigns_file_then_columns_and_settings_stand_side_by_side(write: Write) -> None:
    text = (
        "name: spring\nmax_channels: 5\nstart_time: 09:00\nend_time: 18:30:15\nmode: progressive\nconnect: on_demand\n"
    )
    campaign = load_campaign(write(text + "settings:\n  wrap_up_seconds: 0\n"))
    assert (campaign.name, campaign.max_channels) == ("spring", 5)
    assert str(campaign.start_time) == "09:00:00"
    assert str(campaign.end_time) == "18:30:15"
    assert campaign.settings.mode is DialMode.PROGRESSIVE
    assert campaign.settings.connect is ConnectMode.ON_DEMAND
    assert campaign.settings.wrap_up_seconds == 0.0


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("no name", {}, "name is missing"),
        ("ringing too short for the law", {"name": "x", "ring_timeout_seconds": 14}, "ring_timeout_seconds is 14"),
        ("no such mode", {"name": "x", "mode": "turbo"}, "mode is 'turbo'"),
        ("a typing error", {"name": "x", "max_chanels": 3}, "did you mean max_channels?"),
        ("a caller id with letters", {"name": "x", "caller_id": "SPAM"}, "caller_id is 'SPAM'"),
        ("settings that are none", {"name": "x", "settings": 3}, "settings is 3"),
        ("a region in small letters", {"name": "x", "default_region": "br"}, "default_region is 'br'"),
    ],
)
def test_given_a_mistake_in_a_campaign_then_the_message_names_it(
    name: str, fields: dict[str, object], expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"the campaign: 1 problem\n") as error:
        check_campaign(fields)
    assert expected in str(error.value), name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("10:30", "10:30"),
        ("'3'", "3"),
        ("[1, 2]", [1, 2]),
        ("on_demand", "on_demand"),
        ("", None),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("+551130000000", "+551130000000"),
        ("[+551130000000, -3]", ["+551130000000", -3]),
    ],
)
def test_a_value_of_the_command_line_is_read_as_yaml(text: str, value: object) -> None:
    assert read_value(text) == value


@pytest.mark.parametrize("text", ["[1", "2026-99-99", "!!python/name:os.system", "[" * 3_000, "9" * 10_000])
def test_given_no_value_then_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a value"):
        read_value(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("off", "off"), ("no", "no"), ("on", "on"), ("true", True), ("False", False), ("null", None), ("10:30", "10:30")],
)
def test_a_word_stays_a_word_and_only_true_and_false_are_truths(text: str, value: object) -> None:
    assert read_value(text) == value


def test_given_digits_without_quotes_then_they_are_text_where_text_is_meant() -> None:
    fields = {"name": 2026, "caller_id": 551130000000, "broadcast": {"media": "sound:offer", "opt_out_digit": 9}}
    campaign = check_campaign(fields)
    assert (campaign.name, campaign.settings.caller_id) == ("2026", "551130000000")
    assert campaign.settings.broadcast.opt_out_digit == "9"


def test_given_a_groups_value_of_the_core_when_read_as_a_setting_then_it_is_the_same_again() -> None:
    amd = Amd(AmdMode.DIALPLAN, MachineAction.MESSAGE, message_media="sound:call-us-back", max_words=5)
    assert CampaignSettings(amd=amd).amd.to_core() == amd  # type: ignore[arg-type]


def test_given_messages_are_to_be_left_when_there_is_none_then_refused() -> None:
    with pytest.raises(ValidationError, match="needs message_media"):
        CampaignSettings.model_validate({"amd": {"mode": "dialplan", "on_machine": "message"}})
