"""The sprite services that Prometheus scrapes: whether they answer, what is asked of them, by whom it is refused."""

from __future__ import annotations

from tools.dashboards.panels import Json, Query, document, graph, listing, stat, variable

#: Names of their own: a link from a manager's dashboard must not carry its job over.
_M = 'job=~"$sprite_job", instance=~"$sprite"'


def dashboard() -> Json:
    """The dashboard."""
    requests, control = (
        f"sprite_service_requests_total{{{_M}}}",
        f'sprite_service_requests_total{{{_M}, path="/ops/control"}}',
    )
    return document(
        "opsd-sprites",
        "opsd / Sprite services",
        "The services inside those sprites that are scraped. A scrape keeps a sprite awake.",
        stat("Sprites", f"count(sprite_service_build_info{{{_M}}})", description="Those that are scraped and answer."),
        stat("Do not answer", f"count(up{{{_M}}} == 0) or vector(0)", red_at=1),
        stat(
            "Requests that fail",
            f"max(instance:sprite_service_requests_5xx:ratio_rate10m{{{_M}}})",
            unit="percentunit",
            red_at=0.05,
            description="Share answered with 5xx within ten minutes, of the sprite where it is highest.",
        ),
        stat("Streams", f"sum(sprite_service_streams{{{_M}}})"),
        stat("Intents that run", f"sum(sprite_service_controls{{{_M}}})"),
        stat("Poll their files", f"count(sprite_service_inotify{{{_M}}} == 0) or vector(0)", red_at=1),
        graph(
            "Requests by path",
            Query(f"sum by (path) (rate({requests}[$__rate_interval]))", "{{path}}"),
            unit="reqps",
            stacked=True,
            width=12,
        ),
        graph(
            "Requests by status",
            Query(f"sum by (status) (rate({requests}[$__rate_interval]))", "{{status}}"),
            unit="reqps",
            stacked=True,
            width=12,
        ),
        graph(
            "Control intents by what came of them, per hour",
            Query(f"sum by (status) (increase({control}[1h]))", "{{status}}"),
            stacked=True,
            description="200: the effect was seen, nobody was to look, or it is a replay. 409: ambiguous. 422: the key"
            " was another request's. 500: it failed. 401, 403: refused for who asked. 503: too many at once.",
        ),
        graph(
            "Share of requests that fail",
            Query(f"instance:sprite_service_requests_5xx:ratio_rate10m{{{_M}}}", "{{instance}}"),
            unit="percentunit",
            description="Answered with 5xx within ten minutes.",
        ),
        graph(
            "Under way",
            Query(f"sum(sprite_service_requests_in_flight{{{_M}}})", "requests"),
            Query(f"sum(sprite_service_connections{{{_M}}})", "connections"),
            Query(f"sum(sprite_service_controls{{{_M}}})", "control intents"),
            description="An open stream is a request under way.",
        ),
        graph(
            "Streams",
            Query(f"sum(sprite_service_streams{{{_M}}})", "open"),
            Query(f"sum(increase(sprite_service_streams_started_total{{{_M}}}[1h]))", "opened per hour"),
            Query(f"sum(increase(sprite_service_streams_dropped_total{{{_M}}}[1h]))", "dropped per hour"),
        ),
        graph(
            "Events sent over streams",
            Query(
                f"sum by (instance) (rate(sprite_service_events_sent_total{{{_M}}}[$__rate_interval]))", "{{instance}}"
            ),
            unit="ops",
        ),
        graph(
            "Requests without a valid token, per hour",
            Query(f"sum by (reason) (increase(sprite_service_refused_tokens_total{{{_M}}}[1h]))", "{{reason}}"),
            Query(f"sum(increase(sprite_service_unauthorized_total{{{_M}}}[1h]))", "all"),
        ),
        graph(
            "Trouble, per hour",
            Query(f"sum(increase(sprite_service_task_failures_total{{{_M}}}[1h]))", "tasks that failed"),
            Query(f"sum(increase(sprite_service_protocol_errors_total{{{_M}}}[1h]))", "no HTTP, or broken off"),
        ),
        graph("Loops whose reader is kept", Query(f"sprite_service_cached_loops{{{_M}}}", "{{instance}}")),
        listing("Do not answer", f"up{{{_M}}} == 0", hide=("Value",)),
        listing("Poll their files", f"sprite_service_inotify{{{_M}}} == 0", hide=("Value",)),
        listing("Versions", f"sprite_service_build_info{{{_M}}}", hide=("Value",)),
        variables=[
            # Not anything: `up` is of every job.
            variable("sprite_job", "label_values(sprite_service_build_info, job)", anything=False),
            variable("sprite", 'label_values(up{job=~"$sprite_job"}, instance)'),
        ],
    )
