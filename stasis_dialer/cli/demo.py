"""`stasis-dialer lab demo`: the demonstration's live view and its report."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from stasis_dialer.errors import LabError
from stasis_dialer.lab.demo import Demo, Progress, Report

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINE_SECONDS = 5.0
"""Between two lines of progress where there is no terminal."""
SHOWN_FAULTS = 20


@click.command()
@click.option("--phones", default=5, show_default=True, type=click.IntRange(1, 100), help="Agents' phones.")
@click.option(
    "--examples",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=EXAMPLES,
    help="Folder with leads.csv and campaign.yaml.",
)
def demo(phones: int, examples: Path) -> None:
    """Run one progressive campaign from its leads to its CDRs on a lab of its own.

    Exit code 0 only when every lead has ended, our count of calls is the carrier's, and nothing is left running.

    \b
    Example: stasis-dialer lab demo --phones 10
    """
    console = Console(stderr=True)
    view = LiveView(console)
    try:
        with view:
            report = Demo(examples, phones, lambda text: console.print(f"lab: {text}"), view.show).run()
    except LabError as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(3)
    except KeyboardInterrupt:
        click.echo("demo: interrupted, everything that was started has been ended", err=True)
        sys.exit(130)
    print_report(report)
    sys.exit(1 if problems(report) else 0)


class LiveView:
    """The campaign's progress: one line that changes on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._said_at = float("-inf")

    def __enter__(self) -> LiveView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        share = progress.ended / progress.total if progress.total else 0.0
        bar = "█" * round(share * 30)
        leads = "  ".join(f"{status} {count}" for status, count in progress.leads.items())
        line = f"{bar:░<30} {share:4.0%}  {leads}  calls {progress.calls}  {progress.seconds:.0f} s"
        if self._console.is_terminal:
            self._live.update(line, refresh=True)
        elif progress.seconds - self._said_at >= LINE_SECONDS or share == 1:
            self._said_at = progress.seconds
            click.echo(line, err=True)


def problems(report: Report) -> list[str]:
    """Why the demo is not a success."""
    open_leads = {status: count for status, count in report.leads.items() if status in ("pending", "calling") and count}
    found = [f"{count} leads are {status}" for status, count in open_leads.items()]
    if report.ours != report.carriers:
        found.append("our count of calls is not the carrier's")
    return found + report.faults


def print_report(report: Report) -> None:
    """The whole outcome on standard output."""
    console = Console(highlight=False)
    calls = Table("calls by outcome", "ours", "the carrier's", box=None, header_style="bold", pad_edge=False)
    for name in sorted(report.ours | report.carriers):
        calls.add_row(name, str(report.ours[name]), str(report.carriers[name]))
    calls.add_row("all", str(report.ours.total()), str(report.carriers.total()), style="bold")
    console.print()
    console.print(calls)
    answer = report.campaign.answer_to_agent_seconds
    facts = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "leads": ", ".join(f"{count} {status}" for status, count in report.leads.items() if count),
        "calls placed": report.ours.total(),
        "answered": report.campaign.answered,
        "connected to an agent": report.campaign.connected,
        "abandoned": report.ours["abandoned"],
        "answer to agent": "  ".join(f"p{p} {s * 1000:.0f} ms" for p, s in answer.items() if p != 95) or "-",
        "agents' talk share": f"{report.talk_share:.0%}",
        "took": f"{report.seconds:.0f} s",
    }
    for name, value in rows.items():
        facts.add_row(name, str(value))
    console.print()
    console.print(facts)
    found = problems(report)
    for problem in found[:SHOWN_FAULTS]:
        console.print(f"FAULT  {problem}", style="red")
    if len(found) > SHOWN_FAULTS:
        console.print(f"and {len(found) - SHOWN_FAULTS} more", style="red")
    if not found:
        console.print("\nevery lead has ended, both counts agree, nothing is left running")
