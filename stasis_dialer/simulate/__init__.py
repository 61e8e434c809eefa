"""A telephone world in fast motion, to judge a pacing policy before an agent or a customer meets it.

Imports the core only. The policy is driven exactly as the live engine drives it: events to `observe`, the campaign's
state to `decide`.
"""

from stasis_dialer.simulate.results import DayResult, Summary, summarise
from stasis_dialer.simulate.run import simulate_day
from stasis_dialer.simulate.scenario import Scenario, load_scenario
from stasis_dialer.simulate.worlds import BUILT_IN, built_in

__all__ = ["BUILT_IN", "DayResult", "Scenario", "Summary", "built_in", "load_scenario", "simulate_day", "summarise"]
