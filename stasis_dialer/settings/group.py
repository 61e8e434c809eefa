"""Settings of one topic, as one nested model whose value in the core is a frozen one of the same fields."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from pydantic import model_validator

from stasis_dialer.settings.base import Strict


class Group(Strict):
    """Settings of one topic; `core` is their frozen value in the core."""

    core: ClassVar[type[Any]]

    @model_validator(mode="before")
    @classmethod
    def _from_core(cls, raw: Any) -> Any:
        """A campaign that is written again brings the core's own value."""
        return asdict(raw) if isinstance(raw, cls.core) else raw

    def to_core(self) -> Any:
        """The group as the core knows it."""
        return self.core(**{name: core_value(getattr(self, name)) for name in type(self).model_fields})


def core_value(value: Any) -> Any:
    """A setting's value as the core knows it: a group, alone or in a tuple, becomes its frozen value."""
    if isinstance(value, Group):
        return value.to_core()
    if isinstance(value, tuple):
        return tuple(core_value(part) for part in value)
    return value
