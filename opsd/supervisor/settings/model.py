"""What can be set: one model, every field followed by its own text with unit and default.

Guarantees: a value that is accepted can be worked with (bounds, finite numbers, thresholds in order); an unknown
key is refused; a secret is a :class:`pydantic.SecretStr` and never appears in a repr. ``Settings()`` reads neither
the environment nor a file: that is the business of :mod:`opsd.supervisor.settings.load`.
"""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from opsd.supervisor.settings.group import Count, Group, Period, Seconds, no_boolean_for_a_number
from opsd.supervisor.settings.jobs import ControllerSettings, HorizonSettings, PromotionSettings
from opsd.supervisor.settings.loop import (
    DriftSettings,
    LimitSettings,
    ObserveSettings,
    ReconcileSettings,
    ThresholdSettings,
    TransportSettings,
)


class HttpSettings(Group):
    """The daemon's own listener: metrics, probes, API."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; elsewhere than on loopback the API needs tokens. Default 127.0.0.1."""
    port: int = Field(default=9464, ge=0, le=65535)
    """TCP port; 0 takes a free one. Default 9464."""
    api_token: SecretStr | None = None
    """Bearer token of the API, with every right. Default: none."""
    api_token_file: Path | None = None
    """File that holds the API token, used when `http.api_token` is not set. Default: none."""
    principals_file: Path | None = None
    """Principals and the hashes of their tokens; the API asks everybody for one then. Default: none."""
    principals_look_seconds: Period = 1.0
    """Seconds between looks at the principals file, whose changes take effect by themselves. Default 1."""
    wrong_tokens: Count = 10
    """Wrong tokens that an address may send before it has to wait between them. Default 10."""
    max_body_bytes: Count = 65_536
    """Largest request body, in bytes. Default 65536 (64 KiB)."""
    max_header_bytes: int = Field(default=8_192, ge=1_024, le=1_048_576)
    """Longest request line or header, in bytes. Default 8192 (8 KiB)."""
    max_requests: Count = 64
    """Requests answered at the same time, and as many changes, 32 at most; half for one principal; more are told 503.
    Default 64."""
    max_streams: Count = 1_024
    """Streams of changes open at the same time, half of them of one principal; more are told 503. Default 1024."""


class LogSettings(Group):
    """What is logged and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged. Default info."""
    format: Literal["auto", "json", "console"] = "auto"
    """JSON lines, or console form; auto takes console on a terminal. Default auto."""


class RegistrySettings(Group):
    """The fleet registry."""

    file: Path | None = None
    """Registry to read. Default: `.superloop/ops-manager/fleet/registry.v1.json` under the repo."""
    reload_seconds: Period = 2.0
    """Seconds between looks at the registry file. Default 2."""


class FleetSettings(Group):
    """The fleet's steps on a timer: rollup, policy, handoff plan, and what the registry permits of autonomy."""

    enabled: bool = True
    """Run the steps where there is a fleet registry. Default true."""
    autonomous: bool = True
    """Dispatch what the registry's `guarded_auto` permits; off, this host only proposes. Default true."""
    interval_seconds: Period = 60.0
    """Seconds between runs. Policy is evaluated at new trouble, else once per dedupe window. Default 60."""
    max_pass_age_seconds: Period = 1_800.0
    """Age of a loop's last pass, in seconds, beyond which a run makes a new one. One below
    `observe.idle_resync_seconds` wakes idle sprites. Default 1800."""
    step_deadline_seconds: Period = 180.0
    """Seconds after which a step counts as late: it is told, and no dispatch starts any more. A rollup may have to wait
    for a pass, `reconcile.deadline_seconds`. Default 180."""
    execute_deadline_seconds: Period = 600.0
    """The same for the step that dispatches, which waits for effects. Default 600."""
    lock_wait_seconds: Seconds = 30.0
    """Seconds a run waits for a command by hand that works on the fleet. Default 30."""
    confirm_timeout_seconds: int = Field(default=30, ge=0, le=86_400)
    """Seconds that the effect of a dispatch is looked for. Default 30."""
    confirm_interval_seconds: int = Field(default=2, ge=0, le=3_600)
    """Seconds between two looks for it. Default 2."""
    requested_by: str = Field(default="opsd", min_length=1, max_length=200)
    """Who autonomous dispatches are recorded as requested by. Default opsd."""
    skip_empty_executions: bool = False
    """Executions that attempted nothing do not count for auto-pause (contract 70, weakness 9). Default false."""


class AlertSettings(Group):
    """Delivery of alerts (contract 50): what is escalated goes to the sinks of a catalog."""

    enabled: bool = True
    """Deliver alerts. Off, escalations pile up and are delivered once it is on again. Default true."""
    catalog_file: Path | None = None
    """Catalog of sinks and routes. Default: `$OPS_MANAGER_ALERT_SINKS_FILE`, else the one installed with opsd."""
    delivery_file: Path | None = None
    """Grouping, repeats, inhibition. Default: `$OPS_MANAGER_ALERT_DELIVERY_FILE`, else the installed one, if any."""
    budget_seconds: Period = 10.0
    """Seconds after which an escalation's telemetry row is written, delivered or not. Default 10."""
    max_parallel: int = Field(default=64, ge=1, le=10_000)
    """Loops whose alerts are delivered at the same time. Default 64."""
    threads: int = Field(default=4, ge=1, le=256)
    """Threads for the file work of deliveries. Default 4."""
    look_seconds: Period = 2.0
    """Seconds between looks at catalog, delivery file and silences, which take effect without a signal. Default 2."""
    sweep_seconds: Period = 30.0
    """Seconds between looks for work that other processes left in any loop. Default 30."""


class WatchdogSettings(Group):
    """How the daemon watches itself."""

    loop_block_seconds: Period = 5.0
    """Seconds without a turn of the event loop after which it counts as blocked. Default 5."""
    task_deadline_seconds: Period = 60.0
    """Seconds without progress after which a long-lived task counts as hung. Default 60."""
    lag_interval_seconds: Period = 0.5
    """Seconds between measurements of the event loop's lag. Default 0.5."""


class Settings(BaseSettings):
    """Everything `opsd run` can be told."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        env_prefix="OPSD_",
        env_nested_delimiter="__",
    )

    repo: Path = Path()
    """Repository whose loops are supervised. Default: the working directory."""
    service_token: SecretStr | None = None
    """Token of sprite services whose registry entry names no `tokenEnv`. Default: none."""
    service_token_file: Path | None = None
    """File that holds the service token, used when `service_token` is not set. Default: none."""
    drain_seconds: Seconds = 15.0
    """Seconds that running passes have to end after SIGTERM. Default 15."""
    http: HttpSettings = HttpSettings()
    """The daemon's own listener."""
    log: LogSettings = LogSettings()
    """Logging."""
    observe: ObserveSettings = ObserveSettings()
    """How loops are watched."""
    reconcile: ReconcileSettings = ReconcileSettings()
    """Passes over loops."""
    transport: TransportSettings = TransportSettings()
    """Requests to sprite services."""
    limits: LimitSettings = LimitSettings()
    """Bounds on what is read from outside."""
    registry: RegistrySettings = RegistrySettings()
    """The fleet registry."""
    thresholds: ThresholdSettings = ThresholdSettings()
    """When a loop counts as degraded or critical."""
    drift: DriftSettings = DriftSettings()
    """When a threshold profile counts as no longer fitting."""
    fleet: FleetSettings = FleetSettings()
    """The fleet's steps on a timer."""
    promotion: PromotionSettings = PromotionSettings()
    """The promotion gates on a timer."""
    controller: ControllerSettings = ControllerSettings()
    """The guarded promotion controller."""
    horizon: HorizonSettings = HorizonSettings()
    """The bridge from a Horizon outbox."""
    alerts: AlertSettings = AlertSettings()
    """Delivery of alerts."""
    watchdog: WatchdogSettings = WatchdogSettings()
    """How the daemon watches itself."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object, info: ValidationInfo) -> object:
        return no_boolean_for_a_number(cls, value, info)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given: the loader merges the sources itself and remembers their names."""
        return (init_settings,)


#: What is fixed for the life of a process: a reload does not change it.
_FIXED = (
    "repo",
    "http",
    "transport",
    "watchdog",
    "limits.max_response_bytes",
    "reconcile.max_parallel",
    "reconcile.worker_threads",
    "alerts.enabled",
    "alerts.max_parallel",
    "alerts.threads",
    "alerts.look_seconds",
    "alerts.sweep_seconds",
)


def needs_restart(started: Settings, wanted: Settings) -> list[str]:
    """The settings that differ and take effect only at the next start, as keys or tables of the file."""
    return [key for key in _FIXED if attrgetter(key)(started) != attrgetter(key)(wanted)]


def is_fixed(key: str) -> bool:
    """A change of this setting, by its dotted key, takes effect only at the next start."""
    return any(key == fixed or key.startswith(f"{fixed}.") for fixed in _FIXED)
