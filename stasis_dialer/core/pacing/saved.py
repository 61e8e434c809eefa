"""Reads the plain values of a snapshot. It comes from a database and may be spoilt: nothing is taken on trust."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LARGEST: Final = 1e12
"""No count and no sum of a campaign comes near it, and sums of many such numbers are still finite."""


def number(value: Any, name: str, least: float = 0.0, most: float = LARGEST) -> float:
    """A finite number within these bounds.

    Raises: ValueError.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"a spoilt snapshot: {name} is no number from {least:g} to {most:g}")
    return float(value)


def flag(value: Any, name: str) -> bool:
    """True or false.

    Raises: ValueError.
    """
    if not isinstance(value, bool):
        raise ValueError(f"a spoilt snapshot: {name} is neither true nor false")
    return value


def items(value: Any, name: str, most: int, least: int = 0) -> list[Any]:
    """A list of so many values, whatever they are.

    Raises: ValueError.
    """
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ValueError(f"a spoilt snapshot: {name} is no list of {least} to {most} values")
    return value


def table(value: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Counts, none below 0, in a table of this shape.

    Raises: ValueError.
    """
    if len(shape) == 1:
        return np.array([number(each, name) for each in items(value, name, shape[0], shape[0])])
    return np.stack([table(row, name, shape[1:]) for row in items(value, name, shape[0], shape[0])])
