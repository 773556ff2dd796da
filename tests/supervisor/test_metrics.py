"""The daemon's metrics: the text format, series that come and go with their loop, the price of a scrape."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess

import pytest

from opsd.supervisor.daemon_metrics import DaemonMetrics
from opsd.supervisor.metrics.exposition import MAX_CHILDREN, Family, Histogram, label_value, number
from opsd.supervisor.metrics.loops import LoopSample

SAMPLE = LoopSample(
    state="running",
    health="degraded",
    reasons=(("ingest_stale", "degraded"), ("transport_unreachable", "critical")),
    observation="stream",
    last_event_at=1_790_000_000.5,
    last_heartbeat_at=1_790_000_001,
    last_success_at=1_790_000_002,
    transport_failure_streak=2,
    cursor_offset=17,
)


async def scrape(metrics: DaemonMetrics) -> str:
    return b"".join([piece async for piece in metrics.render()]).decode()


def text_of(metrics: DaemonMetrics) -> str:
    return asyncio.run(scrape(metrics))


def busy_metrics() -> DaemonMetrics:
    metrics = DaemonMetrics("1.2.3")
    metrics.loops.add_loop("alpha")
    metrics.loops.update("alpha", SAMPLE)
    metrics.count_events("alpha", 3)
    metrics.count_escalation("alpha", "health_degraded")
    metrics.count_sprite_request("alpha", "snapshot")
    metrics.count_stream_connect("alpha")
    metrics.count_wakeup("alpha")
    metrics.observe_reconcile(0.02, True)
    metrics.observe_reconcile(200, False, "events_unavailable")
    metrics.observe_event_latency(0.03)
    metrics.set_queue({"fresh": 1, "resync": 4}, 0.25)
    metrics.observe_event_loop_lag(0.002)
    metrics.set_tasks({"running": 5})
    metrics.count_task_failure("hung")
    metrics.registry_reloaded(True, 1_790_000_000)
    metrics.registry_reloaded(False, 1_790_000_009)
    metrics.config_reloaded(True, 1_790_000_000)
    metrics.set_ready(True)
    return metrics


def test_every_fact_about_a_loop_is_a_series() -> None:
    lines = set(text_of(busy_metrics()).splitlines())
    assert lines >= {
        'opsd_loop_state{loop="alpha",state="running"} 1',
        'opsd_loop_health{loop="alpha",status="degraded"} 1',
        'opsd_loop_health_reason{loop="alpha",reason="ingest_stale",severity="degraded"} 1',
        'opsd_loop_health_reason{loop="alpha",reason="transport_unreachable",severity="critical"} 1',
        'opsd_loop_observation{loop="alpha",mode="stream"} 1',
        'opsd_loop_last_event_timestamp_seconds{loop="alpha"} 1790000000.5',
        'opsd_loop_last_heartbeat_timestamp_seconds{loop="alpha"} 1790000001',
        'opsd_loop_last_reconcile_success_timestamp_seconds{loop="alpha"} 1790000002',
        'opsd_loop_transport_failure_streak{loop="alpha"} 2',
        'opsd_loop_cursor_offset_lines{loop="alpha"} 17',
        'opsd_loop_events_ingested_total{loop="alpha"} 3',
        'opsd_loop_escalations_total{loop="alpha",category="health_degraded"} 1',
        'opsd_loop_escalations_total{loop="alpha",category="health_critical"} 0',
        'opsd_loop_sprite_requests_total{loop="alpha",kind="snapshot"} 1',
        'opsd_loop_stream_connects_total{loop="alpha"} 1',
        'opsd_loop_wakeups_total{loop="alpha"} 1',
    }


def test_the_daemon_as_a_whole_is_shown() -> None:
    lines = set(text_of(busy_metrics()).splitlines())
    assert lines >= {
        "opsd_loops 1",
        "opsd_ready 1",
        'opsd_reconciles_total{result="success"} 1',
        'opsd_reconciles_total{result="failure"} 1',
        'opsd_reconcile_failures_total{code="events_unavailable"} 1',
        'opsd_reconcile_duration_seconds_bucket{le="0.025"} 1',
        'opsd_reconcile_duration_seconds_bucket{le="120"} 1',
        'opsd_reconcile_duration_seconds_bucket{le="+Inf"} 2',
        "opsd_reconcile_duration_seconds_sum 200.02",
        "opsd_reconcile_duration_seconds_count 2",
        "opsd_event_to_manager_latency_seconds_count 1",
        'opsd_queue_depth{priority="resync"} 4',
        "opsd_queue_oldest_age_seconds 0.25",
        "opsd_event_loop_last_lag_seconds 0.002",
        'opsd_tasks{state="running"} 5',
        'opsd_task_failures_total{kind="hung"} 1',
        'opsd_registry_reloads_total{result="failure"} 1',
        "opsd_registry_last_reload_success_timestamp_seconds 1790000000",
        "opsd_registry_last_reload_successful 0",
        "opsd_config_last_reload_successful 1",
    }
    assert any(line.startswith('opsd_build_info{version="1.2.3",python="3.') for line in lines)
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def test_promtool_finds_nothing_to_complain_about() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool is missing: install Debian's package prometheus"
        pytest.skip("promtool is missing: install Debian's package prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text_of(busy_metrics()), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_lines_of_a_family_stand_together_under_one_header() -> None:
    metrics = DaemonMetrics("1")
    for index in range(350):
        metrics.loops.add_loop(f"loop-{index}")
        metrics.loops.update(f"loop-{index}", SAMPLE)
    families = [line.split("{")[0] for line in text_of(metrics).splitlines() if line.startswith("opsd_loop_")]
    changes = [name for before, name in zip(["", *families], families, strict=False) if before != name]
    assert len(changes) == len(set(changes)) == 14
    headers = [line for line in text_of(metrics).splitlines() if line.startswith("# TYPE")]
    assert len(headers) == len(set(headers))


def test_all_series_of_a_loop_vanish_with_it() -> None:
    metrics = busy_metrics()
    metrics.loops.forget_loop("alpha")
    assert "alpha" not in text_of(metrics)
    assert "opsd_loop_state" not in text_of(metrics)


def test_what_a_late_pass_reports_about_a_loop_that_has_gone_is_dropped() -> None:
    metrics = busy_metrics()
    metrics.loops.forget_loop("alpha")
    metrics.loops.update("alpha", SAMPLE)
    metrics.count_events("alpha", 3)
    assert "alpha" not in text_of(metrics)


def test_a_state_that_has_passed_has_no_series() -> None:
    metrics = busy_metrics()
    metrics.loops.update("alpha", LoopSample(state="complete", health="healthy"))
    text = text_of(metrics)
    assert 'opsd_loop_state{loop="alpha",state="complete"} 1' in text
    assert "running" not in text.replace('opsd_tasks{state="running"}', "")
    assert "opsd_loop_health_reason{" not in text
    assert "opsd_loop_last_event_timestamp_seconds{" not in text


def test_a_hostile_loop_name_or_word_cannot_forge_a_series() -> None:
    metrics = DaemonMetrics("1")
    name = 'a"} 1\nevil{x="\\'
    metrics.loops.add_loop(name)
    metrics.loops.update(name, LoopSample(state='up"\n', reasons=(("x" * 1000, "degraded"),) * 2))
    text = text_of(metrics)
    assert not any(line.startswith("evil") for line in text.splitlines())
    assert 'opsd_loop_state{loop="a\\"} 1\\nevil{x=\\"\\\\",state="up\\"\\n"} 1' in text
    assert text.count("opsd_loop_health_reason{") == 1


def test_an_escalation_category_that_nobody_knows_is_counted_as_other() -> None:
    metrics = busy_metrics()
    for number_ in range(200):
        metrics.count_escalation("alpha", f"made-up-{number_}")
    assert 'opsd_loop_escalations_total{loop="alpha",category="other"} 200' in text_of(metrics)


def test_a_label_cannot_grow_without_bound() -> None:
    family = Family("counter", "x_total", "x", ("code",))
    for index in range(MAX_CHILDREN + 50):
        family.inc(f"code-{index}")
    assert family.value("other") == 50
    assert family.render().count(b"x_total{") == MAX_CHILDREN + 1


def test_an_observation_on_a_bound_counts_below_it() -> None:
    histogram = Histogram("x_seconds", "x", (1.0, 2.0))
    for value in (1.0, 1.5, 9.0, -3.0):
        histogram.observe(value)
    assert histogram.render().decode().splitlines()[2:] == [
        'x_seconds_bucket{le="1"} 2',
        'x_seconds_bucket{le="2"} 3',
        'x_seconds_bucket{le="+Inf"} 4',
        "x_seconds_sum 11.5",
        "x_seconds_count 4",
    ]


def test_numbers_and_labels_take_the_form_of_the_format() -> None:
    assert [number(v) for v in (1.0, 0.1, float("inf"), float("-inf"), float("nan"), 1e300)] == [
        *("1", "0.1", "+Inf", "-Inf", "NaN", "1e+300"),
    ]
    assert label_value("é\ud800") == "é?"


def test_a_hook_that_raises_does_not_spoil_the_scrape() -> None:
    def broken() -> None:
        raise ValueError("broken hook")

    metrics = DaemonMetrics("1")
    metrics.before_scrape(lambda: metrics.set_queue({"fresh": 9}, None))
    metrics.before_scrape(broken)
    text = text_of(metrics)
    assert 'opsd_queue_depth{priority="fresh"} 9' in text
    assert "opsd_scrape_errors_total 1" in text


async def _turns_beside_a_scrape(metrics: DaemonMetrics) -> int:
    """How often other work of the event loop had its turn while a scrape was written."""
    turns, done = 0, False

    async def other_work() -> None:
        nonlocal turns
        while not done:
            await asyncio.sleep(0)
            turns += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(other_work())
        await asyncio.sleep(0)
        turns = 0
        async for _ in metrics.render():
            pass
        done = True
    return turns


def test_a_scrape_of_a_thousand_changed_loops_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsd.supervisor.metrics.loops.SLICE_SECONDS", 0.0)
    metrics = DaemonMetrics("1")
    for index in range(1000):
        metrics.loops.add_loop(f"loop-{index}")
        metrics.loops.update(f"loop-{index}", LoopSample(state="running"))
    assert asyncio.run(_turns_beside_a_scrape(metrics)) >= 1000
