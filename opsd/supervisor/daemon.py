"""``opsd run``: every part of the daemon, put together, from start to drain.

Long-lived tasks, all owned by one :class:`TaskSupervisor`: the registry watch, the workers, one follower per loop,
the event-loop lag monitor and the service manager's notifier. SIGHUP reads settings and registry again; SIGTERM and
SIGINT let running passes end and close everything in order.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from opsd import __version__, compose
from opsd.contract.errors import OpsError
from opsd.fleet.registry import LoopEntry
from opsd.loop.thresholds import Thresholds
from opsd.supervisor.fleet import Fleet
from opsd.supervisor.follower import LoopFollower, NewsSource
from opsd.supervisor.http_api import ApiLimits, HttpApi
from opsd.supervisor.loop_factory import LoopFactory
from opsd.supervisor.managed_loop import ManagedLoop
from opsd.supervisor.metrics import DaemonMetrics
from opsd.supervisor.news import LocalNews, StreamNews
from opsd.supervisor.notify import ServiceManager
from opsd.supervisor.pass_runner import PassLimits, PassRunner
from opsd.supervisor.registry_source import FleetView, RegistrySource
from opsd.supervisor.settings import LoadedSettings, Settings
from opsd.supervisor.tasks import Heartbeat, RestartPolicy, TaskHandle, TaskSupervisor
from opsd.supervisor.tokens import api_token
from opsd.supervisor.watchdog import BlockDetector, LoopLagMonitor
from opsd.supervisor.workqueue import Priority, WorkQueue

#: Threads beyond the configured ones: passes that hang keep one each until they return.
_SPARE_THREADS = 8
