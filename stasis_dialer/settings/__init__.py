"""Settings: one YAML file and the environment's secrets to validated models; every problem at once, with its line."""

from stasis_dialer.settings.campaign import CampaignFile, CampaignSettings
from stasis_dialer.settings.load import check_campaign, load_campaign, load_settings, read_value
from stasis_dialer.settings.model import (
    AgentSettings,
    ApiSettings,
    AriSettings,
    DatabaseSettings,
    EngineSettings,
    LogSettings,
    Settings,
)
from stasis_dialer.settings.trunks import TrunkSettings
from stasis_dialer.settings.webhooks import WebhookSettings

__all__ = [
    "AgentSettings",
    "ApiSettings",
    "AriSettings",
    "CampaignFile",
    "CampaignSettings",
    "DatabaseSettings",
    "EngineSettings",
    "LogSettings",
    "Settings",
    "TrunkSettings",
    "WebhookSettings",
    "check_campaign",
    "load_campaign",
    "load_settings",
    "read_value",
]
