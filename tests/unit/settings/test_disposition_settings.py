"""What a campaign's dispositions and the feature codes may be."""

from typing import Any

import pytest
from pydantic import ValidationError

from stasis_dialer.core.feature_codes import DEFAULT_CODES, Feature
from stasis_dialer.core.options import Choice
from stasis_dialer.settings.campaign import CampaignSettings, DispositionSettings
from stasis_dialer.settings.group import core_value
from stasis_dialer.settings.model import AgentSettings

SALE = {"code": "sale", "digit": "1", "success": True}


def test_given_choices_then_the_core_has_them_as_frozen_values() -> None:
    settings = CampaignSettings.model_validate({"dispositions": {"choices": [SALE], "default": "sale"}})
    dispositions = core_value(settings.dispositions)
    assert dispositions.choices == (Choice("sale", "1", success=True),)
    assert dispositions.find("sale") == Choice("sale", "1", success=True)
    assert (dispositions.find("other"), dispositions.find(None)) == (None, None)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"choices": [SALE, SALE]}, "two choices have the code sale"),
        ({"choices": [SALE, {"code": "b", "digit": "1"}]}, "two choices have the digit 1"),
        ({"choices": [SALE, {"code": "b", "digit": "12"}]}, "the digit 1 begins another"),
        ({"choices": [{"code": "b", "callback": True, "final": True}]}, "a callback does not close"),
        ({"choices": [{"code": "Sale"}]}, "should match pattern"),
        ({"choices": [SALE], "default": "b"}, "no choice has the default's code b"),
        ({"choices": [SALE], "is_forced": True}, "needs a default"),
    ],
)
def test_given_dispositions_that_do_not_fit_together_then_that_is_said(group: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DispositionSettings.model_validate(group)


def test_given_changed_feature_codes_then_the_others_stay() -> None:
    codes = AgentSettings.model_validate({"feature_codes": {"hold": "*1", "unhold": None}}).codes().codes
    assert codes[Feature.HOLD] == "*1"
    assert Feature.UNHOLD not in codes
    assert codes[Feature.PAUSE] == DEFAULT_CODES[Feature.PAUSE]


@pytest.mark.parametrize(("code", "words"), [("1", "must begin"), ("*5", "begins"), ("*53", "begins")])
def test_given_codes_that_cannot_be_told_apart_then_refused(code: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AgentSettings.model_validate({"feature_codes": {"hold": code}})
