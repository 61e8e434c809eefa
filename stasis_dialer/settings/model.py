"""What can be set, with its unit, its default and the reason for it. Unknown keys are refused.

`Settings` is the file of the process; a campaign's settings are in `settings.campaign`.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from stasis_dialer.core.agent import Manners
from stasis_dialer.core.extensions import PATTERN, Extensions
from stasis_dialer.core.feature_codes import DEFAULT_CODES, Codes, Feature, problems
from stasis_dialer.core.model import Trunk
from stasis_dialer.settings.base import Strict, TimeZone, template_with
from stasis_dialer.settings.trunks import TrunkSettings
from stasis_dialer.settings.webhooks import WebhookSettings


def _app_name(name: str) -> str:
    if not name or not set(name) <= set(string.ascii_letters + string.digits + "_-"):
        raise ValueError("only letters, digits, _ and - may be used: it stands in Stasis() and in channel ids")
    return name


class AriSettings(Strict):
    """Asterisk's REST interface."""

    url: str = "http://127.0.0.1:8088"
    """Address of Asterisk's HTTP server, without /ari."""
    user: str = "dialer"
    password: SecretStr
    app: Annotated[str, AfterValidator(_app_name)] = "stasis_dialer"
    """Name of the Stasis application. One dialer a name: a second one takes over."""
    transport: Literal["http", "websocket"] = "http"
    """How requests travel: over pooled HTTP connections, or over the WebSocket (Asterisk 22.4 and later)."""
    request_timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    connections: int = Field(default=24, ge=1, le=400)
    """HTTP connections kept open; Asterisk's `sessionlimit` must allow them and the WebSocket."""
    ca_file: Path | None = None
    """With https: a PEM file with the authority that signed Asterisk's certificate; null: the system's authorities."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url.rstrip("/").removesuffix("/ari")


class DatabaseSettings(Strict):
    """MariaDB, with the legacy's tables."""

    url: str = "mysql+aiomysql://dialer@127.0.0.1:3306/dialer"
    """mysql+aiomysql://USER@HOST:PORT/DATABASE, without the password."""
    password: SecretStr
    pool_size: int = Field(default=8, ge=2, le=200)
    legacy_timezone: TimeZone = "UTC"
    """The zone in which the legacy panel writes and reads its times; ours are in UTC."""

    @field_validator("url")
    @classmethod
    def _is_mysql(cls, url: str) -> str:
        if not url.startswith("mysql+aiomysql://"):
            raise ValueError("must begin with mysql+aiomysql://")
        return url


class ApiSettings(Strict):
    """The dialer's own HTTP interface, which the command line uses to speak with a running dialer."""

    bind: str = "127.0.0.1"
    port: int = Field(default=8780, ge=1, le=65535)
    token: SecretStr
    """Who has it may do everything; nothing but the health pages is open without."""

    @field_validator("token")
    @classmethod
    def _is_long(cls, token: SecretStr) -> SecretStr:
        if len(token.get_secret_value()) < 16:
            raise ValueError("at least 16 characters; make one with: openssl rand -hex 24")
        return token


class LostLegSettings(Strict):
    """What becomes of an always-on agent whose leg falls: a hang-up, a network, a telephone that starts anew."""

    action: Literal["log_out", "call_back"] = "log_out"
    after_seconds: float = Field(default=2.0, ge=0.5, le=60)
    """From the fall to the call."""
    wait_seconds: float = Field(default=120.0, ge=1, le=3600)
    """How long a telephone that is not registered is waited for; then the agent is logged out."""
    most: int = Field(default=3, ge=1, le=20)
    """Calls back in an hour; one more fall logs out. So does a telephone that is not answered."""


class PinSettings(Strict):
    """PINs asked for when an agent logs in by telephone; who has one is set by `agent pin`."""

    tries: int = Field(default=3, ge=1, le=10)
    """Wrong PINs, then the call is ended."""
    lock_seconds: float = Field(default=60.0, ge=0, le=86_400)
    """How long the extension may not try again."""


class PauseReasonSettings(Strict):
    """A reason to pause."""

    code: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    label: str = Field(default="", max_length=80)
    digit: str | None = Field(default=None, pattern=r"^[0-9]{1,2}$")
    """The keys after `*53`."""
    limit_seconds: float | None = Field(default=None, gt=0, le=86_400)
    """A longer pause is flagged and logged; null: as long as it takes."""


Extension = Annotated[str, Field(pattern=PATTERN)]


class AgentSettings(Strict):
    """The agents' telephones."""

    endpoint: Annotated[str, template_with("extension")] = "PJSIP/{extension}"
    panel_seconds: float = Field(default=0.5, ge=0.1, le=10)
    """How often the telephones' state is read for `painel_ramais`."""
    auto_answer_header: str = "Call-Info: <sip:127.0.0.1>;answer-after=0"
    """SIP header that makes a telephone answer by itself; empty: none."""
    join_tone: str | None = "sound:beep"
    """What an agent hears when a customer comes, as an ARI media URI; null: nothing."""
    waiting: Literal["silence", "music"] = "silence"
    """What an always-on agent hears between customers."""
    lost_leg: LostLegSettings = LostLegSettings()
    pin: PinSettings = PinSettings()
    pause_reasons: tuple[PauseReasonSettings, ...] = ()
    """Why agents may pause; empty: for any reason."""
    feature_codes: dict[Feature, str | None] = Field(default_factory=dict)
    """Codes that differ from the defaults; null: the feature cannot be had by keys."""
    supervisors: tuple[Extension, ...] = ()
    """Extensions that may listen to agents, whisper and barge in; empty: nobody may."""
    supervision_announced: bool = False
    """Whether a short sound is heard first: by the agent, and by the customer too when a supervisor barges in."""
    key_pause_seconds: float = Field(default=2.0, ge=0.5, le=10)
    """After so long without a key a code with digits is complete; `#` completes it at once."""

    @model_validator(mode="after")
    def _can_be_pressed(self) -> Self:
        found = problems(self.codes().codes)
        for name in ("code", "digit"):
            values = [value for reason in self.pause_reasons if (value := getattr(reason, name)) is not None]
            found += [f"two pause reasons have the {name} {v}" for v in sorted(set(values)) if values.count(v) > 1]
        if found:
            raise ValueError("; ".join(found))
        return self

    def manners(self) -> Manners:
        """How the telephones are treated."""
        return Manners(
            join_tone=self.join_tone,
            has_music=self.waiting == "music",
            may_call_back=self.lost_leg.action == "call_back",
            call_back_seconds=self.lost_leg.after_seconds,
            call_back_wait_seconds=self.lost_leg.wait_seconds,
            call_backs=self.lost_leg.most,
        )

    def codes(self) -> Codes:
        """The feature codes in use."""
        wanted = {**DEFAULT_CODES, **self.feature_codes}
        return Codes({feature: code for feature, code in wanted.items() if code is not None}, self.key_pause_seconds)


class EngineSettings(Strict):
    """The engine's own clocks and limits."""

    lease_seconds: float = Field(default=120.0, ge=30, le=3600)
    """How long a lead stays reserved for a dialer that no longer speaks; renewed three times in this time."""
    stop_timeout_seconds: float = Field(default=60.0, ge=0, le=3600)
    """On SIGTERM: how long live calls may take to finish. Talking pairs are left talking after that."""
    safe_harbour_media: str | None = "sound:stasis-dialer/safe-harbour"
    """What a person hears whom no agent could take; null: nothing, the call ends."""
    tick_seconds: float = Field(default=0.5, ge=0.05, le=1.0)
    """Campaigns are looked at this often, and at each event that frees an agent."""


class LogSettings(Strict):
    """Logs to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(Strict):
    """The process's settings."""

    ari: AriSettings
    database: DatabaseSettings
    api: ApiSettings
    trunks: list[TrunkSettings] = Field(min_length=1)
    """In the order in which they are tried, unless they have an `order`."""
    agents: AgentSettings = AgentSettings()
    webhooks: list[WebhookSettings] = Field(default=[])
    """Who is told of calls; empty: nobody."""
    engine: EngineSettings = EngineSettings()
    log: LogSettings = LogSettings()

    @field_validator("trunks")
    @classmethod
    def _names_differ(cls, trunks: list[TrunkSettings]) -> list[TrunkSettings]:
        names = [trunk.name for trunk in trunks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two trunks have the name {twice[0]}")
        return trunks

    def core_trunks(self) -> list[Trunk]:
        """The trunks as the core knows them."""
        return [trunk.to_trunk(place) for place, trunk in enumerate(self.trunks, 1)]

    def extensions(self) -> Extensions:
        """Which endpoints are agents' telephones."""
        return Extensions.beside(self.agents.endpoint, [trunk.endpoint for trunk in self.trunks])
