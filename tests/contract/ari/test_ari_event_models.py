"""The event classes against the description that the running Asterisk serves: a renamed field fails here."""

import msgspec
import pytest

from stasis_dialer.ari import events
from stasis_dialer.lab.world import Lab

NOT_EVENTS = {"Event", "Message"}
"""Base models of the description."""
BEYOND_THE_DESCRIPTION = {"RESTResponse", "MissingParams"}
"""An answer to our own requests, and an error that has no application and no time though our base class has."""


@pytest.fixture(scope="module")
def models(lab: Lab) -> dict[str, dict[str, object]]:
    described: dict[str, dict[str, object]] = {}
    for part in ("events", "channels", "bridges", "playbacks", "recordings", "endpoints", "deviceStates"):
        described |= lab.pbx.ari.get(f"api-docs/{part}.json")["models"]
    return described


def fields_of(name: str, models: dict[str, dict[str, object]]) -> set[str]:
    """The fields of a described model, with those of the models it extends."""
    own = set(models[name]["properties"])  # type: ignore[call-overload]
    for base, model in models.items():
        if name in model.get("subTypes", ()):  # type: ignore[operator]
            own |= fields_of(base, models)
    return own


def test_given_asterisks_description_then_every_event_has_a_class(models: dict[str, dict[str, object]]) -> None:
    described = set(models["Event"]["subTypes"]) | {"MissingParams"}  # type: ignore[call-overload]
    assert described - NOT_EVENTS <= set(events.BY_TYPE), "Asterisk sends events that we have no class for"


@pytest.mark.parametrize("name", sorted(set(events.BY_TYPE) - BEYOND_THE_DESCRIPTION))
def test_given_asterisks_description_then_the_class_has_no_other_fields(
    name: str, models: dict[str, dict[str, object]]
) -> None:
    assert name in models, f"Asterisk does not describe {name}"
    ours = {field.encode_name for field in msgspec.structs.fields(events.BY_TYPE[name])}
    assert ours <= fields_of(name, models)


@pytest.mark.parametrize(
    "kind", [events.Channel, events.Bridge, events.Playback, events.LiveRecording, events.Endpoint]
)
def test_given_asterisks_description_then_an_events_object_has_no_other_fields(
    kind: type[events.Json], models: dict[str, dict[str, object]]
) -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(kind)}
    assert ours <= fields_of(kind.__name__, models)
