"""Keys that are pressed on a channel of the carrier: by the customer or by the agent on it.

Whoever ends calls waits until nobody presses any more. Asterisk falls over (22.10.1, in chan_pjsip: asterisk#377) when
a key begins on a channel that another thread is hanging up, and a flood of keys lasts ten seconds.
"""

from __future__ import annotations

from stasis_dialer.lab.asterisk import Asterisk


def press(carrier: Asterisk, channel_name: str, keys: str) -> None:
    """Begin to press keys, five a second; one half of a Local channel waits while the other one presses."""
    carrier.ari.post(
        "channels",
        {"KEYS": keys, "TARGET": channel_name},
        endpoint="Local/wait@keys",
        context="keys",
        extension="press",
        priority=1,
    )


def is_pressing(carrier: Asterisk) -> bool:
    """Whether keys are being pressed on any channel."""
    return any(channel["name"].startswith("Local/wait@keys") for channel in carrier.ari.get("channels"))
