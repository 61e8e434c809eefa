"""Logs and metrics: their format, their names, their owner.

Log texts are constant and facts are fields; labels of metrics are few and bounded, never a number or an id.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from stasis_dialer.core.call import Call
from stasis_dialer.core.trunks import CircuitState

AMD_BUCKETS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)
ANSWER_TO_AGENT_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds; the goal is 0.05, the lawful limit 2."""


def configure_logs(level: str, format_: str) -> None:
    """Send structlog's and the standard library's logs to standard error, in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if format_ == "json":
        shared += [structlog.processors.format_exc_info, _ecs]
        renderer: Any = structlog.processors.JSONRenderer()
    else:
        # Not structlog's own traceback: that one shows local variables, and with them secrets and telephone numbers.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiohttp.access", "uvicorn", "asyncio", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _ecs(_logger: object, _name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The names of the Elastic Common Schema for what it has names for."""
    fields["@timestamp"] = fields.pop("timestamp", None)
    fields["log.level"] = fields.pop("level", None)
    fields["message"] = fields["event.action"] = fields.pop("event", "")
    return fields


class Metrics:
    """The one owner of all metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._placed = Counter(
            "stasis_dialer_calls_placed_total", "Calls placed", ["campaign", "trunk"], registry=self.registry
        )
        self._ended = Counter(
            "stasis_dialer_calls_ended_total",
            "Calls ended",
            ["campaign", "disposition", "fault"],
            registry=self.registry,
        )
        self._answer_to_agent = Histogram(
            "stasis_dialer_answer_to_agent_seconds",
            "From the customer's answer to both in one bridge",
            ["campaign"],
            buckets=ANSWER_TO_AGENT_BUCKETS,
            registry=self.registry,
        )
        self._amd = Counter(
            "stasis_dialer_amd_results_total",
            "What answered, as detection found",
            ["campaign", "result"],
            registry=self.registry,
        )
        self._amd_seconds = Histogram(
            "stasis_dialer_amd_seconds",
            "From the answer to the verdict",
            ["campaign", "result"],
            buckets=AMD_BUCKETS,
            registry=self.registry,
        )
        self.agents = Gauge("stasis_dialer_agents", "Agents by state", ["state"], registry=self.registry)
        self.journal_depth = Gauge(
            "stasis_dialer_journal_depth", "Records that wait for the database", registry=self.registry
        )
        self.events_depth = Gauge(
            "stasis_dialer_events_depth", "Events of Asterisk that wait to be handled", registry=self.registry
        )
        self.loop_lag_seconds = Gauge(
            "stasis_dialer_loop_lag_seconds", "How late the event loop was at its last tick", registry=self.registry
        )
        self.tasks = Gauge(
            "stasis_dialer_tasks", "Tasks of the event loop; grows only with calls in progress", registry=self.registry
        )
        self.gaps = Counter(
            "stasis_dialer_event_gaps_total", "Times that events may have been lost", registry=self.registry
        )

        self._webhooks = Counter(
            "stasis_dialer_webhooks_total",
            "Messages to other systems: delivered, failed (and repeated), given_up, dropped",
            ["outcome"],
            registry=self.registry,
        )
        self.webhook_depth = Gauge(
            "stasis_dialer_webhook_depth", "Messages that wait for their receivers", registry=self.registry
        )
        self._trunk_refusals = Counter(
            "stasis_dialer_trunk_refusals_total", "Calls that the carrier refused", ["trunk"], registry=self.registry
        )
        self._trunk_reroutes = Counter(
            "stasis_dialer_trunk_reroutes_total",
            "Refused calls that were tried on another trunk",
            ["trunk", "refused_by"],
            registry=self.registry,
        )
        self._trunk_left_alone = Gauge(
            "stasis_dialer_trunk_left_alone",
            "1 while a trunk is not used because the carrier refuses its calls",
            ["trunk"],
            registry=self.registry,
        )

        self._recordings_failed = Counter(
            "stasis_dialer_recordings_failed_total",
            "Recordings that could not be made, or ended before their call",
            ["campaign"],
            registry=self.registry,
        )

    def webhook(self, outcome: str) -> None:
        """A message to another system was sent, failed or was lost."""
        self._webhooks.labels(outcome).inc()

    def recording_failed(self, campaign: str) -> None:
        """A call goes on without its recording."""
        self._recordings_failed.labels(campaign).inc()

    def trunk_told(self, trunk: str, is_fault: bool) -> None:
        """A call shows whether its trunk works."""
        if is_fault:
            self._trunk_refusals.labels(trunk).inc()

    def trunk_rerouted(self, before: str, after: str) -> None:
        """A refused call is tried on another trunk."""
        self._trunk_reroutes.labels(after, before).inc()

    def trunk_circuit(self, trunk: str, state: CircuitState) -> None:
        """A trunk is left alone, or used again."""
        self._trunk_left_alone.labels(trunk).set(0 if state is CircuitState.CLOSED else 1)

    def placed(self, call: Call) -> None:
        """A call is on its way."""
        self._placed.labels(call.campaign.name, call.trunk.name if call.trunk else "").inc()

    def answered(self, call: Call) -> None:
        """Somebody picked up; counted when it is clear what came of it."""

    def sought(self, call: Call) -> None:
        """An agent is wanted."""

    def detected(self, call: Call) -> None:
        """It was decided what had answered."""
        result = str(call.amd_result)
        self._amd.labels(call.campaign.name, result).inc()
        if call.answered_at is not None and call.detected_at is not None:
            self._amd_seconds.labels(call.campaign.name, result).observe(call.detected_at - call.answered_at)

    def joined(self, call: Call) -> None:
        """A customer is with an agent."""
        if call.answered_at is not None and call.bridged_at is not None and not call.is_inbound:
            self._answer_to_agent.labels(call.campaign.name).observe(call.bridged_at - call.answered_at)

    def announced(self, call: Call) -> None:
        """The customer of a call by hand was told that it is recorded."""

    def lost(self, call: Call) -> None:
        """No agent came in time; counted at the end."""

    def ended(self, call: Call) -> None:
        """A call is over."""
        self._ended.labels(call.campaign.name, str(call.disposition), str(call.fault or "none")).inc()

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
