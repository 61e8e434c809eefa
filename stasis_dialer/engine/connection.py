"""The ARI client that the settings describe, for the dialer and for `check` alike."""

from __future__ import annotations

import ssl

from stasis_dialer import ari
from stasis_dialer.errors import ConfigurationError
from stasis_dialer.settings import AriSettings


def connect(settings: AriSettings) -> ari.Client:
    """A client; nothing is sent yet.

    Raises: ConfigurationError when the certificates of `ari.ca_file` cannot be read.
    """
    return ari.connect(
        settings.url,
        settings.user,
        settings.password.get_secret_value(),
        transport=settings.transport,
        timeout_seconds=settings.request_timeout_seconds,
        connections=settings.connections,
        ssl=_trusting(settings),
    )


def _trusting(settings: AriSettings) -> ssl.SSLContext | None:
    """The context that trusts the settings' own authority; None: the system's."""
    if settings.ca_file is None or not settings.url.startswith("https://"):
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigurationError(
            f"ari.ca_file cannot be read: path={settings.ca_file} why={error}; it must be a PEM file"
        ) from error
