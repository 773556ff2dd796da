"""How blocking work leaves the event loop: whoever reads files there is handed a function of this form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

InThread: TypeAlias = Callable[..., "asyncio.Future[Any]"]
"""``loop.run_in_executor`` without its first argument."""
