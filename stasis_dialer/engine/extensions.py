"""Which extension an endpoint of Asterisk's is: `agents.endpoint` read backwards (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIELD: Final = "{extension}"


def extensions_of(template: str) -> Callable[[str], str]:
    """A function from an endpoint's name, such as `agent-1001`, to its extension; "" for one that is no agent's.

    `template` is a dial string such as `PJSIP/agent-{extension}`.
    """
    _, _, name = template.partition("/")
    before, _, after = name.partition(FIELD)

    def extension_of(endpoint: str) -> str:
        is_agents = endpoint.startswith(before) and endpoint.endswith(after)
        return endpoint[len(before) : len(endpoint) - len(after)] if is_agents else ""

    return extension_of
