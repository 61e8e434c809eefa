"""The simulated world itself: its books balance, and it refuses what is not lawful."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stasis_dialer.cli.context import Context
from stasis_dialer.cli.simulate import simulate
from stasis_dialer.core.pacing import PacingDecision, PacingEvent, make_pacer
from stasis_dialer.errors import ConfigurationError, Refused
from stasis_dialer.simulate import BUILT_IN, Scenario, built_in, load_scenario, simulate_day
from stasis_dialer.simulate.chance import Chance
from stasis_dialer.simulate.plan import agents_needed
from stasis_dialer.simulate.plot import Point, as_svg, draw
from stasis_dialer.simulate.results import worst_window
from stasis_dialer.simulate.scenario import Times


def invoke(arguments):
    """The command without a configuration: worlds need none."""
    return CliRunner().invoke(simulate, arguments, obj=Context(Path("none.yaml"), is_debugging=False))


class Greedy:
    """Places as much as it can, and gives up everything that rings."""

    def __init__(self, cancels=False):
        self.cancels = cancels
        self.events = []
        self.most = 0

    def observe(self, event):
        self.events.append(event)

    def decide(self, view):
        self.most = max(self.most, view.channels_in_use)
        assert view.agents_logged_in >= view.agents_ready + len(view.talking_since) + len(view.wrap_up_since)
        in_flight = len(view.dialling_since) + len(view.ringing_since) + len(view.detecting_since)
        assert view.channels_in_use == in_flight + view.waiting + len(view.talking_since)
        return PacingDecision(1000, tuple(view.ringing_since) if self.cancels else ())


def test_every_call_placed_has_one_end():
    pacer = Greedy()
    world = built_in("n3_p25").with_changes(hours=1.0, leads=400)
    result = simulate_day(world, pacer, 1)
    kinds = [event.kind for event in pacer.events]
    ends = kinds.count("result") + kinds.count("abandoned") + kinds.count("talk_ended")
    assert kinds.count("placed") == result.attempts == 400
    assert ends == 400
    assert kinds.count("human") == kinds.count("connected") + kinds.count("abandoned")
    assert result.finished_at is not None


def test_the_trunk_holds():
    pacer = Greedy()
    simulate_day(built_in("n3_p25").with_changes(hours=0.2, channels=17), pacer, 1)
    assert pacer.most == 17


def test_calls_that_rang_too_short_are_not_given_up():
    pacer = Greedy(cancels=True)
    result = simulate_day(built_in("n3_p25").with_changes(hours=0.1), pacer, 1)
    assert result.refused_cancels > 0
    assert result.cancelled > 0
    ages = [event.age for event in pacer.events if event.outcome == "cancelled"]
    assert min(ages) >= 15.0


def test_the_same_seed_is_the_same_day():
    days = [
        simulate_day(world, make_pacer("progressive", world.pacing_limits()), 7)
        for world in [built_in("day_n6").with_changes(hours=1.0)] * 2
    ]
    assert (days[0].utilisation, days[0].attempts) == (days[1].utilisation, days[1].attempts)


def test_progressive_abandons_nobody_while_agents_stay():
    world = built_in("n10_p25").with_changes(hours=2.0)
    assert simulate_day(world, make_pacer("progressive", world.pacing_limits()), 0).abandoned == 0


def test_the_world_answers_as_often_as_it_says():
    world = built_in("n50_p25").with_changes(hours=0.5)
    result = simulate_day(world, make_pacer("progressive", world.pacing_limits()), 0)
    assert result.connects / result.attempts == pytest.approx(0.235, abs=0.03)


def test_worst_window_needs_enough_answers():
    assert worst_window([1.0, 2.0], [True, True]) == 0.0
    times = [float(i) for i in range(200)]
    assert worst_window(times, [i >= 190 for i in range(200)]) == pytest.approx(10 / 200)


def test_there_are_enough_worlds():
    assert len(BUILT_IN) >= 15
    assert all(world.name == name for name, world in BUILT_IN.items())


def test_scenario_from_a_file(tmp_path):
    path = tmp_path / "monday.yaml"
    path.write_text(
        "hours: 2\nagents: [[0, 5], [1, 8]]\nanswer: 0.3\ntalk: {mean: 90, cv: 1.2}\nlimits: {abandon_cap: 0.02}\n"
    )
    world = load_scenario(path)
    assert (world.name, world.most_agents, world.answer_share(0.0)) == ("monday", 8, 0.3)
    assert world.talk == Times(90.0, 1.2)
    assert world.pacing_limits().abandon_cap == 0.02


def test_every_problem_of_a_scenario_is_named(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("hours: many\nagnets: 3\namd: 7\nlimits: {cap: 1}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_scenario(path)
    for word in ("hours", "agnets", "amd", "cap"):
        assert word in str(caught.value)


def test_agents_needed_are_fewer_for_more_time():
    world = built_in("n10_p25")
    soon = agents_needed(world, 300, 1.0, "progressive")
    late = agents_needed(world, 300, 3.0, "progressive")
    assert late.agents < soon.agents
    assert soon.finished_hours <= 1.0


def test_more_leads_than_anyone_can_dial_are_refused():
    with pytest.raises(Refused):
        agents_needed(built_in("n10_p25"), 10_000, 0.1, "progressive", most=4)


def test_plot(tmp_path):
    points = [Point("predictive", "a & b", 2.5, 84.0), Point("legacy", "a & b", 31.0, 82.0)]
    assert as_svg(points, 3.0).count("<circle") == 4
    assert "a &amp; b" in as_svg(points, 3.0)
    draw(points, 3.0, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    with pytest.raises(Refused):
        draw(points, 3.0, tmp_path / "plot.gif")


def test_command(tmp_path):
    plot = tmp_path / "day.svg"
    done = invoke(["n3_p25", "--hours", "0.2", "--json", "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    assert '"mode": "predictive"' in done.output
    assert plot.exists()


def test_command_answers_how_many_agents():
    done = invoke(["--leads", "60", "--within", "0.5", "--modes", "progressive", "--json"])
    assert done.exit_code == 0, done.output
    assert '"agents"' in done.output


def test_command_prices_other_caps():
    done = invoke(["--hours", "0.1", "--caps", "1,3", "--modes", "predictive"])
    assert done.exit_code == 0, done.output
    assert "cap percent" in done.output


@pytest.mark.parametrize(
    "arguments", [["--leads", "60"], ["--by", "18:00"], ["--leads", "9", "--by", "18:00", "--within", "2"]]
)
def test_command_wants_leads_and_one_time_together(arguments):
    assert invoke(arguments).exit_code == 2


def test_command_answers_how_many_agents_by_a_time_of_day():
    done = invoke(["--leads", "60", "--by", "10:00", "--start", "9:30", "--modes", "progressive", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["leads"], told["start"]) == (60, "09:30")
    assert "09:30" < told["finished_at"] <= "10:00"
    within = json.loads(invoke(["--leads", "60", "--within", "0.5", "--modes", "progressive", "--json"]).output)
    assert within["agents"] == told["agents"]


@pytest.mark.parametrize("time", ["18", "25:00", "18:60", "six"])
def test_a_time_of_day_is_read_or_refused(time):
    assert invoke(["--leads", "60", "--by", time]).exit_code == 2


def test_a_day_begun_later_goes_on_as_it_would_have():
    day = Scenario(begins=9.0, hours=8.0, agents=((0.0, 4), (2.0, 6)), answer=((0.0, 0.1), (1.0, 0.2), (5.0, 0.3)))
    later = day.starting_at(11.5)
    assert (later.begins, later.hours) == (11.5, 5.5)
    assert later.agents == ((0.0, 6),)
    assert later.answer == ((0.0, 0.2), (2.5, 0.3))


def test_observed_events_have_the_agreed_kinds():
    pacer = Greedy()
    simulate_day(built_in("noamd_n10").with_changes(hours=0.3), pacer, 1)
    assert {event.kind for event in pacer.events} <= {
        "placed", "answered", "human", "result", "connected", "abandoned", "talk_ended", "wrap_up_ended", "agent_in",
        "agent_out",
    }  # fmt: skip
    assert all(isinstance(event, PacingEvent) for event in pacer.events)


def test_where_the_network_gives_up_it_rings_so_long_and_no_longer():
    pacer = Greedy()
    world = built_in("n3_p25").with_changes(
        hours=0.2, answer=((0.0, 0.0),), machine=0.0, busy=0.0, failed=0.0, post_dial=Times(1.0, 0.0),
        unanswered_rings=Times(4.0, samples=(3.0, 5.0)),
    )  # fmt: skip
    simulate_day(world, pacer, 1)
    ages = {round(event.age, 6) for event in pacer.events if event.outcome == "no_answer"}
    assert ages == {4.0, 6.0}


def test_the_start_can_be_left_out_of_the_utilisation():
    whole = built_in("n10_p25").with_changes(hours=0.5, ramp_seconds=0.0)
    worlds = (whole, whole.with_changes(settle_seconds=600.0))
    all_of_it, later = (simulate_day(w, make_pacer("progressive", w.pacing_limits()), 1) for w in worlds)
    assert all_of_it.utilisation < later.utilisation < 1.0
    assert all_of_it.connects == later.connects


def test_streams_do_not_depend_on_which_is_drawn_first():
    first, second = Chance(5), Chance(5)
    a, b = first.uniform(), first.times(Times(10.0))
    c, d = second.uniform(), second.times(Times(10.0))
    drawn_first = next(a)
    assert next(d) == next(b)
    assert next(c) == drawn_first
