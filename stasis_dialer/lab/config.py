"""The dialer's configuration for a lab: what `config.yaml` and `env` of an instance say."""

from dataclasses import dataclass
from typing import Any

from stasis_dialer.lab.mariadb import DATABASE, USER

MAX_CHANNELS = 500
CALLS_PER_SECOND = 50
"""Half of what 2 CPUs carry when they play carrier, PBX and dialer at once. Measured 2026-11."""


@dataclass(frozen=True)
class DialerPlace:
    """Where the lab's servers are, for the dialer."""

    ari_url: str
    ari_user: str
    database_port: int
    api_port: int


def dialer_config(place: DialerPlace) -> dict[str, Any]:
    """The contents of config.yaml; the secrets are names of environment variables."""
    return {
        "ari": {
            "url": place.ari_url,
            "user": place.ari_user,
            "password": "${STASIS_DIALER_ARI_PASSWORD}",
            "app": "stasis_dialer",
        },
        "database": {
            "url": f"mysql+aiomysql://{USER}@127.0.0.1:{place.database_port}/{DATABASE}",
            "password": "${STASIS_DIALER_DATABASE_PASSWORD}",
        },
        "api": {"bind": "127.0.0.1", "port": place.api_port, "token": "${STASIS_DIALER_API_TOKEN}"},
        "trunks": [
            {
                "name": "carrier",
                "endpoint": "PJSIP/{number}@carrier",
                "number_format": "+{e164}",
                "max_channels": MAX_CHANNELS,
                "calls_per_second": CALLS_PER_SECOND,
                "caller_id": "+551130000000",
                "headers": {"X-SD-Attempt": "{attempt_id}"},
            }
        ],
        "agents": {"endpoint": "PJSIP/{extension}"},
    }


def dialer_secrets(ari_password: str, database_password: str, api_token: str) -> dict[str, str]:
    """The environment variables that config.yaml refers to."""
    return {
        "STASIS_DIALER_ARI_PASSWORD": ari_password,
        "STASIS_DIALER_DATABASE_PASSWORD": database_password,
        "STASIS_DIALER_API_TOKEN": api_token,
    }
