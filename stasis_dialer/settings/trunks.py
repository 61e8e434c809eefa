"""The trunks of the configuration: where calls go, what the carrier wants to see, and what is done when it refuses."""

from __future__ import annotations

import string
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from stasis_dialer.core.model import Trunk
from stasis_dialer.core.trunks import Breaker, Failover
from stasis_dialer.settings.base import Strict, template_with

SipCode = Annotated[int, Field(ge=400, le=699)]


class FailoverSettings(Strict):
    """Which refusals are tried once on the campaign's next trunk."""

    codes: frozenset[SipCode] = Failover().codes
    """SIP responses that speak of the carrier and not of the callee; empty: no call is tried again."""
    seconds: float = Field(default=Failover().seconds, ge=0, le=60)
    """How long after the dialling; later refusals, and those of calls that rang, end the call."""

    def to_core(self) -> Failover:
        """As the core knows it."""
        return Failover(self.codes, self.seconds)


class BreakerSettings(Strict):
    """When the trunk is left alone: too large a share of its calls was refused by the carrier."""

    share: float | None = Field(default=Breaker().share, gt=0, le=1)
    """Share of refused calls; null: never left alone."""
    calls: int = Field(default=Breaker().calls, ge=1, le=10_000)
    """Calls that there must be in the window. Not measured."""
    window_seconds: float = Field(default=Breaker().window_seconds, ge=1, le=3600)
    open_seconds: float = Field(default=Breaker().open_seconds, ge=1, le=3600)
    """How long it is left alone until one call shows whether it works again. Not measured."""

    def to_core(self) -> Breaker:
        """As the core knows it."""
        return Breaker(self.share, self.calls, self.window_seconds, self.open_seconds)


class TrunkSettings(Strict):
    """A way to the telephone network."""

    name: str = Field(min_length=1, max_length=64)
    endpoint: Annotated[str, template_with("number")]
    """The channel to create, such as PJSIP/{number}@carrier."""
    number_format: Annotated[str, template_with("e164", "national", "carrier")] = "+{e164}"
    """What the carrier wants to see: {e164} has country code and no plus, {national} neither, {carrier} is the
    `carrier_code`: `0{carrier}{national}` is how Brazil dials by a chosen carrier."""
    carrier_code: str = Field(default="", pattern=r"^[0-9]{0,5}$")
    country_code: str = Field(default="55", pattern=r"^[1-9][0-9]{0,2}$")
    """Where {national} numbers are understood: those of other countries are not dialled on this trunk."""
    order: int | None = Field(default=None, ge=0, le=1000)
    """The lowest is tried first; null: the trunk's place in the list. Trunks of one order share the calls."""
    weight: float = Field(default=1.0, gt=0, le=1000)
    """Share of the calls among trunks of the same order."""
    failover: FailoverSettings = FailoverSettings()
    breaker: BreakerSettings = BreakerSettings()
    max_channels: int = Field(default=30, ge=1, le=10_000)
    calls_per_second: float = Field(default=10.0, gt=0, le=1000)
    """New calls a second that the carrier allows."""
    caller_id: str | None = Field(default=None, pattern=r"^\+?[0-9]{3,15}$")
    """The number shown to the callee, unless the campaign has its own."""
    headers: dict[str, Annotated[str, template_with("attempt_id", "campaign_id")]] = Field(default={})
    """SIP headers added to each INVITE."""

    @model_validator(mode="after")
    def _has_its_code(self) -> TrunkSettings:
        if "{carrier}" in self.number_format and not self.carrier_code:
            raise ValueError("number_format has {carrier}, but there is no carrier_code")
        return self

    @field_validator("endpoint")
    @classmethod
    def _has_number(cls, endpoint: str) -> str:
        if "{number}" not in endpoint:
            raise ValueError("must hold {number}")
        return endpoint

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not name or not set(name) <= set(string.ascii_letters + string.digits + "-"):
                raise ValueError(f"not a header name: {name!r}")
            if any(sign in value for sign in "\r\n"):
                raise ValueError(f"a header holds no line breaks: {name}")
        return headers

    def to_trunk(self, place: int = 1) -> Trunk:
        """The trunk as the core knows it. `place` is where it stands in the list, from 1."""
        return Trunk(
            name=self.name,
            endpoint=self.endpoint,
            number_format=self.number_format,
            max_channels=self.max_channels,
            calls_per_second=self.calls_per_second,
            caller_id=self.caller_id,
            headers=tuple(self.headers.items()),
            carrier_code=self.carrier_code,
            country_code=self.country_code,
            order=place if self.order is None else self.order,
            weight=self.weight,
            failover=self.failover.to_core(),
            breaker=self.breaker.to_core(),
        )
