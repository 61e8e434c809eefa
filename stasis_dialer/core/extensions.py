"""Which names are extensions, and which extension an endpoint of Asterisk's is.

An extension is what an agent is known by: letters, digits, `_` and `-`. Its telephone is the endpoint that
`agents.endpoint` makes of it; an endpoint that is a trunk of the configuration is nobody's telephone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

FIELD: Final = "{extension}"
LONGEST: Final = 10
"""Characters. Source: the legacy's column, `painel_ramais.number`."""
PATTERN: Final = rf"^[0-9A-Za-z_-]{{1,{LONGEST}}}$"
IS_EXTENSION: Final = re.compile(PATTERN.removesuffix("$"))
WHAT_IT_IS: Final = f"1 to {LONGEST} letters, digits, _ or -"


def is_extension(name: str) -> bool:
    """Whether a name can be an extension at all."""
    return IS_EXTENSION.fullmatch(name) is not None


def endpoint_of(dial_string: str) -> str:
    """The endpoint of a dial string: `carrier` of `PJSIP/{number}@carrier`, of `PJSIP/carrier` and of
    `PJSIP/carrier/sip:{number}@10.0.0.1`.
    """
    _, _, rest = dial_string.partition("/")
    before, slash, _ = rest.partition("/")
    return before if slash else rest.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions of an Asterisk. `template` is a dial string such as `PJSIP/agent-{extension}`."""

    template: str = f"PJSIP/{FIELD}"
    trunks: frozenset[str] = frozenset()
    """Endpoints that are trunks."""

    @classmethod
    def beside(cls, template: str, trunks: Iterable[str]) -> Extensions:
        """The extensions beside trunks, which are given as dial strings."""
        return cls(template, frozenset(endpoint_of(trunk) for trunk in trunks))

    def of(self, endpoint: str) -> str:
        """The extension of an endpoint such as `agent-1001`; "" when it is no agent's."""
        _, _, name = self.template.partition("/")
        before, _, after = name.partition(FIELD)
        extension = endpoint.removeprefix(before).removesuffix(after)
        is_agents = before + extension + after == endpoint and endpoint not in self.trunks
        return extension if is_agents and is_extension(extension) else ""

    def has(self, extension: str) -> bool:
        """Whether this is an extension, and not for instance the name of a trunk."""
        return self.of(self.template.partition("/")[2].replace(FIELD, extension)) == extension != ""


PLAIN: Final = Extensions()
"""Telephones are named as their extensions are."""
