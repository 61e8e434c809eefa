"""Who is told of calls by HTTP."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from stasis_dialer.core.webhooks import HookEvent
from stasis_dialer.settings.base import Strict

SHORTEST_SECRET = 16


class WebhookSettings(Strict):
    """One receiver of signed messages (docs/webhooks.md)."""

    url: str
    """http:// or https://; redirects are not followed."""
    events: frozenset[HookEvent] = Field(default=frozenset(HookEvent), min_length=1)
    """answer, connect, end, disposition."""
    secret: SecretStr
    """Signs each message; at least 16 characters: openssl rand -hex 24."""
    shows_numbers: bool = False
    """Whether customers' numbers are sent whole; off: their last four digits."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    tries: int = Field(default=8, ge=1, le=100)
    """How often a message is sent in all; the pauses grow from 1 s to 60 s."""
    queue: int = Field(default=1000, ge=1, le=1_000_000)
    """Messages that may wait; when there are more, the oldest is dropped."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be http://HOST/... or https://HOST/...")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds a user or password, which would be in the log; the secret signs the messages")
        return url

    @field_validator("secret")
    @classmethod
    def _is_long(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"at least {SHORTEST_SECRET} characters; make one with: openssl rand -hex 24")
        return secret
