"""Who of several campaigns may use a trunk's room: by weight, and what one does not want goes to the others."""

from __future__ import annotations

from collections.abc import Mapping


def share_room(room: int, wants: Mapping[int, int], weights: Mapping[int, float] | None = None) -> dict[int, int]:
    """How many of `room` places each campaign gets: never more than it wants, all of them while someone wants more.

    One place at a time goes to whoever has least for the weight; a campaign's weight is 1 unless given. Equal ones
    take turns by id.
    """
    given = dict.fromkeys(wants, 0)
    weight = {campaign: max(1e-9, (weights or {}).get(campaign, 1.0)) for campaign in wants}
    left = max(0, room)
    while left > 0:
        hungry = [campaign for campaign, want in wants.items() if given[campaign] < want]
        if not hungry:
            break
        chosen = min(hungry, key=lambda campaign: ((given[campaign] + 1) / weight[campaign], campaign))
        given[chosen] += 1
        left -= 1
    return given
