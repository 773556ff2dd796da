"""The environment variables that programs read beside the daemon's settings.

Nothing declares them in one place, so they are described here; a test finds every name that the sources hold.
"""

from __future__ import annotations

from typing import NamedTuple


class Variable(NamedTuple):
    """One variable: who reads it, and what it means."""

    name: str
    where: str
    meaning: str


def _program(name: str, where: str, step: str) -> Variable:
    return Variable(f"OPS_MANAGER_{name}_SCRIPT", where, f"a program that is run in place of {step}")


VARIABLES = (
    Variable(
        "OPSD_CONFIG",
        "`run`, `ping`, `config`, commands that ask this host's daemon",
        "the configuration file, where `--config` is not given",
    ),
    Variable("OPSD_SERVER", "commands with `--server`", "the daemon that they work through, by address or profile"),
    Variable("OPSD_API_TOKEN", "commands that ask a daemon", "the token for it"),
    Variable("OPSD_API_TOKEN_FILE", "commands that ask a daemon", "a file that holds the token for it"),
    Variable("OPSD_DEBUG", "every command", "`1`: the trace of an internal error on standard error"),
    Variable(
        "OPSD_INSTALL_ROOT", "every command", "where `config/` and `superloop.sh` are looked for; the scripts set it"
    ),
    Variable("CREDENTIALS_DIRECTORY", "`run`, `ping`, `sprite-service`", "a folder whose files stand for variables"),
    Variable("SUPERLOOP_BIN", "`control`, `sprite-service`", "the runtime's program; default `superloop.sh` there"),
    Variable("OPS_MANAGER_SERVICE_TOKEN", "whatever speaks to a sprite", "the token of sprite services"),
    Variable("OPS_MANAGER_TRACE_ID", "commands with `--trace-id`", "the trace id, where the flag is not given"),
    Variable("OPS_MANAGER_THRESHOLD_PROFILE", "`reconcile`, `run`", "the threshold profile by name"),
    Variable("OPS_MANAGER_THRESHOLD_PROFILES_FILE", "commands that judge", "the catalog of threshold profiles"),
    Variable("OPS_MANAGER_DRIFT_MIN_CONFIDENCE", "`reconcile`", "default of `--drift-min-confidence`"),
    Variable("OPS_MANAGER_DRIFT_REQUIRED_STREAK", "`reconcile`", "default of `--drift-required-streak`"),
    Variable("OPS_MANAGER_DRIFT_SUMMARY_WINDOW", "`reconcile`", "default of `--drift-summary-window`"),
    Variable("OPS_MANAGER_ALERTS_ENABLED", "`reconcile`, `run`", "`false`: nothing is delivered"),
    Variable("OPS_MANAGER_ALERT_SINKS_FILE", "`alerts`, `reconcile`, `run`", "the catalog of sinks"),
    Variable("OPS_MANAGER_ALERT_DELIVERY_FILE", "`alerts`, `reconcile`, `run`", "grouping, repeats, inhibition"),
    Variable("OPS_MANAGER_ALERT_WEBHOOK_URL", "delivery of alerts", "address of the shipped catalog's webhook"),
    Variable("OPS_MANAGER_ALERT_WEBHOOK_TOKEN", "delivery of alerts", "bearer token of the shipped catalog's webhook"),
    Variable(
        "OPS_MANAGER_ALERT_SLACK_WEBHOOK_URL", "delivery of alerts", "address of the shipped catalog's Slack sink"
    ),
    Variable(
        "OPS_MANAGER_ALERT_PAGERDUTY_ROUTING_KEY", "delivery of alerts", "key of the shipped catalog's PagerDuty sink"
    ),
    Variable("OPSD_DRILL_TOKEN", "`drill run`", "set by it: the token between the sandbox's processes"),
    Variable("OPSD_DEMO_ALERTS_URL", "`demo`", "set by it: where the demo's alerts go"),
    _program("ALERT_DISPATCH", "`reconcile`, `run`", "the delivery of a loop's alerts"),
    _program("ALERT_SINK_CONFIG", "`alerts`, `run`", "the resolver of sinks"),
    _program("CONFIRM", "`control`", "the look for an intent's effect"),
    _program("CONTROL", "`fleet handoff`, `run`", "one control intent"),
    _program("FLEET_REGISTRY", "`fleet`, `promotion`", "the check of the registry"),
    _program("FLEET_STATUS", "`promotion gates`", "the fleet's status"),
    _program("HEALTH", "`reconcile`", "the judgement of a loop's health"),
    _program("PROFILE_DRIFT", "`reconcile`", "the evaluation of profile drift"),
    _program("PROMOTION_APPLY", "`promotion orchestrate`", "one change of the rollout"),
    _program("PROMOTION_CI", "`promotion orchestrate`, `controller`", "the gates with their summary"),
    _program("PROMOTION_GATES", "`promotion ci`", "the gates"),
    _program("PROMOTION_ORCHESTRATE", "`promotion controller`", "evaluation and change of the rollout"),
    _program("RECONCILE", "`fleet reconcile`", "the pass over one loop"),
    _program("SERVICE_CLIENT", "`reconcile`, `control`", "one request to a sprite service"),
    _program("SNAPSHOT", "`confirm-intent`", "the snapshot that is looked at"),
    _program("TELEMETRY_SUMMARY", "`reconcile`, `status`", "the figures over a loop's newest passes"),
    _program("THRESHOLD_PROFILE", "`reconcile`", "the resolver of threshold profiles"),
)
