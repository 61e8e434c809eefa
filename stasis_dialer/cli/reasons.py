"""What the one word of a pacing decision means, for whoever asks why a campaign dials, or not."""

from __future__ import annotations

from typing import Final

MEANINGS: Final = {
    "predicted": "calls were placed as far as the risk of losing a person allows",
    "risk": "the next call would lose a person more often than is allowed",
    "free_agents": "one call for each free agent, which is always allowed",
    "lines_per_free_agent": "impulse_factor lines for each free agent",
    "agents_taken": "every free agent has a call on the way",
    "no_agents": "no agent is at work for this campaign: logged in and not paused",
    "no_message": "this mode may lose a person, and there is no message for them: set safe_harbour_media",
    "no_broadcast": "a broadcast needs a message: set broadcast.media",
    "repaying": "the abandonment cap is reached for its window: as good as no risk is taken until it is earned back",
    "hour_spent": "the last hour has taken its part of the abandonment cap: as good as no risk is taken",
    "cap_reached": "the abandonment cap is reached for its window: one line for each free agent only",
    "no_abandonment_allowed": "abandon_cap is 0: one call for each free agent only",
    "budget_unknown": "the abandoned calls cannot be counted: one call for each free agent only",
    "channels": "max_channels is reached",
    "lines_per_agent": "max_lines_per_agent is reached",
    "calls_per_second": "the trunks take no more calls a second",
    "between_batches": "the legacy rule looks every 30 seconds",
    "batch": "a batch of the legacy rule",
    "no_leads_due": "no lead may be dialled now: see `leads list` and `leads explain`",
    "outside_hours": "outside the campaign's hours",
    "stopping": "the dialer is stopping",
    "asterisk_away": "the connection to Asterisk is down",
    "database_away": "the database cannot be reached",
    "trunks_left_alone": "every trunk of the campaign keeps refusing calls; each is tried again by itself",
    "caller_ids_used_up": "every number of caller_ids has had its calls of the day, or rests",
    "unknown_trunk": "the campaign names a trunk that the configuration does not have",
    "unknown_mode": "this release does not dial in this mode",
    "failed": "an error of the dialer's own; its log has the details",
}


def meaning(reason: object) -> str:
    """The word in a sentence; a word of another release stands for itself."""
    return MEANINGS.get(str(reason), str(reason))
