"""The fleet's steps, what the policy proposes, what autonomy may do and did, and until when it is permitted."""

from __future__ import annotations

from tools.dashboards.panels import MANAGERS as M
from tools.dashboards.panels import Json, Query, document, graph, listing, stat, words


def dashboard() -> Json:
    """The dashboard."""
    return document(
        "opsd-autonomy",
        "opsd / Autonomy and promotion",
        "Who is in trouble, what waits for a person, what the manager may do by itself, and what it did.",
        words("Mode", f"opsd_fleet_policy_mode{{{M}}} == 1", "{{mode}}"),
        stat("Kill switch", f"max(opsd_fleet_kill_switch{{{M}}})", red_at=1),
        stat("Paused", f"max(opsd_fleet_rollout_paused{{{M}}})", red_at=1),
        stat("Canary", f"max(opsd_fleet_rollout_canary_percent{{{M}}})", unit="percent"),
        stat("Review due in", f"min(opsd_fleet_governance_days_left{{{M}}})", unit="d"),
        stat(
            "Wait for a person", f'sum(opsd_fleet_intents{{{M}, state="pending_operator_confirmation"}}) or vector(0)'
        ),
        graph(
            "Candidates",
            Query(f"sum by (category) (opsd_fleet_candidates{{{M}, suppression=''}})", "{{category}}"),
            Query(f"sum by (suppression) (opsd_fleet_candidates{{{M}, suppression!=''}})", "{{suppression}}"),
            stacked=True,
            width=12,
        ),
        graph("Intents", Query(f"sum by (state) (opsd_fleet_intents{{{M}}})", "{{state}}"), stacked=True, width=12),
        graph(
            "Autonomous dispatches per hour",
            Query(f"sum by (outcome) (increase(opsd_fleet_autonomous_dispatches_total{{{M}}}[1h]))", "{{outcome}}"),
            stacked=True,
            width=12,
        ),
        graph(
            "What holds autonomy back",
            Query(f"sum by (reason) (opsd_fleet_autonomy_reasons{{{M}}})", "{{reason}}"),
            Query(f"sum(opsd_fleet_autonomous_eligible{{{M}}})", "eligible"),
            width=12,
        ),
        graph(
            "The rollout",
            Query(f"max(opsd_fleet_rollout_canary_percent{{{M}}})", "canary, percent"),
            Query(f"sum by (cohort) (opsd_fleet_rollout_candidates{{{M}}})", "candidates {{cohort}}"),
        ),
        graph(
            "Brakes",
            Query(f"max(opsd_fleet_kill_switch{{{M}}})", "kill switch"),
            Query(f"max by (cause) (opsd_fleet_rollout_paused{{{M}}})", "paused: {{cause}}"),
            Query(f"max(opsd_fleet_review_expired{{{M}}})", "review expired"),
        ),
        graph("Days until the review", Query(f"opsd_fleet_governance_days_left{{{M}}}", "{{instance}}"), unit="d"),
        listing("Reason codes", f"opsd_fleet_reason{{{M}}} == 1", hide=("Value",)),
        listing("Warnings of the policy", f"opsd_fleet_policy_warnings{{{M}}} > 0"),
        graph(
            "Loops in the rollup",
            Query(f"sum by (status, source) (opsd_fleet_results{{{M}}})", "{{status}}, {{source}}"),
            stacked=True,
        ),
        graph(
            "Runs of the steps, per hour",
            Query(f"sum by (result) (increase(opsd_fleet_runs_total{{{M}}}[1h]))", "{{result}}"),
            Query(f"sum by (step) (increase(opsd_fleet_step_failures_total{{{M}}}[1h]) > 0)", "failed: {{step}}"),
        ),
        graph(
            "Duration of the steps",
            Query(f"max by (step) (opsd_fleet_step_last_duration_seconds{{{M}}})", "{{step}}"),
            unit="s",
        ),
        graph(
            "Age of the steps",
            Query(f"time() - max by (step) (opsd_fleet_step_last_success_timestamp_seconds{{{M}}})", "{{step}}"),
            unit="s",
        ),
        graph(
            "Decision of the promotion gates",
            Query(f"max by (decision) (opsd_promotion_decision{{{M}}})", "{{decision}}"),
            stacked=True,
        ),
        listing("Gates that do not pass", f'opsd_promotion_gate{{{M}, outcome!="pass"}} == 1', hide=("Value",)),
        listing("Why", f"opsd_promotion_reason{{{M}}} == 1", hide=("Value",)),
        graph(
            "Days since each drill",
            Query(f"max by (drill) (opsd_promotion_drill_age_days{{{M}}})", "{{drill}}"),
            Query(f"min(opsd_promotion_drill_max_age_days{{{M}}})", "refused from"),
            unit="d",
        ),
        listing("Drills", f"opsd_promotion_drill_passed{{{M}}}"),
        graph(
            "Passes of the controller, per day",
            Query(f"sum by (status) (increase(opsd_promotion_controller_passes_total{{{M}}}[1d]))", "{{status}}"),
            stacked=True,
        ),
        listing("The controller's reasons", f"opsd_promotion_controller_reason{{{M}}} == 1", hide=("Value",)),
        graph(
            "Horizon",
            Query(f"sum(opsd_horizon_pending_intents{{{M}}})", "intents that wait"),
            Query(f"sum(increase(opsd_horizon_envelopes_queued_total{{{M}}}[1h]))", "queued per hour"),
            Query(f"sum(increase(opsd_horizon_files_rejected_total{{{M}}}[1h]))", "files rejected per hour"),
        ),
        graph(
            "Jobs that failed, per hour",
            Query(f'sum by (name) (increase(opsd_job_runs_total{{{M}, result="failure"}}[1h]))', "{{name}}"),
        ),
    )
