"""The daemon itself: its tasks, its queue, its passes, its process, who asks it."""

from __future__ import annotations

from tools.dashboards.panels import MANAGERS as M
from tools.dashboards.panels import Json, Query, document, graph, listing, stat


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{{{M}}}[$__rate_interval])))"


def dashboard() -> Json:
    """The dashboard."""
    reloads = ("opsd_config_last_reload_successful", "opsd_registry_last_reload_successful")
    return document(
        "opsd-daemon",
        "opsd / The daemon",
        "Whether the manager itself does its work.",
        stat("Ready", f"min(opsd_ready{{{M}}})", description="1: every task progresses."),
        stat("Up for", f"min(time() - process_start_time_seconds{{{M}}})", unit="s"),
        stat("Tasks that do not run", f'sum(opsd_tasks{{{M}, state!="running"}}) or vector(0)', red_at=1),
        stat("Oldest work", f"max(opsd_queue_oldest_age_seconds{{{M}}})", unit="s", red_at=60),
        stat("Settings in force", f"min({reloads[0]}{{{M}}})"),
        stat("Registry in force", f"min({reloads[1]}{{{M}}})"),
        graph(
            "Passes",
            Query(f"sum by (result) (rate(opsd_reconciles_total{{{M}}}[$__rate_interval]))", "{{result}}"),
            unit="ops",
        ),
        graph(
            "Duration of a pass",
            Query(_quantile(0.5, "opsd_reconcile_duration_seconds"), "half"),
            Query(_quantile(0.99, "opsd_reconcile_duration_seconds"), "99 of 100"),
            unit="s",
        ),
        graph(
            "Failed passes per hour",
            Query(f"sum by (code) (increase(opsd_reconcile_failures_total{{{M}}}[1h]))", "{{code}}"),
        ),
        graph(
            "From an event to the state",
            Query(_quantile(0.5, "opsd_event_to_manager_latency_seconds"), "half"),
            Query(_quantile(0.99, "opsd_event_to_manager_latency_seconds"), "99 of 100"),
            unit="s",
            description="By the event's own clock, to a second.",
        ),
        graph(
            "Queue",
            Query(f"sum by (priority) (opsd_queue_depth{{{M}}})", "{{priority}}"),
            stacked=True,
        ),
        graph("Age of the oldest work", Query(f"opsd_queue_oldest_age_seconds{{{M}}}", "{{instance}}"), unit="s"),
        graph(
            "Lag of the event loop",
            Query(_quantile(0.5, "opsd_event_loop_lag_seconds"), "half"),
            Query(_quantile(0.99, "opsd_event_loop_lag_seconds"), "99 of 100"),
            Query(f"max(opsd_event_loop_last_lag_seconds{{{M}}})", "last"),
            unit="s",
        ),
        graph("Tasks", Query(f"sum by (state) (opsd_tasks{{{M}}})", "{{state}}"), stacked=True),
        graph(
            "Failures of tasks, per hour",
            Query(f"sum by (kind) (increase(opsd_task_failures_total{{{M}}}[1h]))", "{{kind}}"),
        ),
        graph(
            "CPU",
            Query(f"rate(process_cpu_seconds_total{{{M}}}[$__rate_interval])", "{{instance}}"),
            unit="percentunit",
        ),
        graph("Memory", Query(f"process_resident_memory_bytes{{{M}}}", "{{instance}}"), unit="bytes"),
        graph(
            "Descriptors and threads",
            Query(f"process_open_fds{{{M}}}", "open descriptors"),
            Query(f"opsd_threads{{{M}}}", "threads"),
        ),
        graph(
            "Requests refused for who asked",
            Query(f"sum by (reason) (rate(opsd_http_refusals_total{{{M}}}[$__rate_interval]))", "{{reason}}"),
            unit="reqps",
        ),
        graph(
            "Reloads per hour",
            Query(f"sum by (result) (increase(opsd_config_reloads_total{{{M}}}[1h]))", "settings: {{result}}"),
            Query(f"sum by (result) (increase(opsd_registry_reloads_total{{{M}}}[1h]))", "registry: {{result}}"),
        ),
        listing("Versions", f"opsd_build_info{{{M}}}", hide=("Value",)),
    )
