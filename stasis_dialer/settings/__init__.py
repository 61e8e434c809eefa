"""Settings: one YAML file and the environment's secrets to validated models; every problem at once, with its line."""

from stasis_dialer.settings.load import load_campaign, load_settings
from stasis_dialer.settings.model import (
    AgentSettings,
    ApiSettings,
    AriSettings,
    CampaignSettings,
    DatabaseSettings,
    EngineSettings,
    LogSettings,
    Settings,
    TrunkSettings,
)

__all__ = [
    "AgentSettings",
    "ApiSettings",
    "AriSettings",
    "CampaignSettings",
    "DatabaseSettings",
    "EngineSettings",
    "LogSettings",
    "Settings",
    "TrunkSettings",
    "load_campaign",
    "load_settings",
]
