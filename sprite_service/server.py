"""The listening side: bounded connections, clients that say nothing, TLS, start and end."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from opsd.net.connections import BoundedServer
from sprite_service.app import Service
from sprite_service.config import Config, Limits
from sprite_service.metrics import ServiceMetrics


class _NoProtocolErrors(logging.Filter):
    """Counts what aiohttp would log, with a stack each, of bytes that are no HTTP: anybody can send them."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a client's mistake."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, (HttpProcessingError, ConnectionError)):
            self._metrics.protocol_errors += 1
            return False
        return True


class ServiceServer(BoundedServer):
    """Keeps to the limit of connections, and closes those that send no request or read no answer in time."""

    def __init__(self, service: Service, limits: Limits) -> None:
        log = logging.getLogger("sprite_service.http")
        log.addFilter(_NoProtocolErrors(service.metrics))
        super().__init__(
            service.handle,
            None,
            limits.max_connections,
            silence_s=limits.header_timeout_s,
            logger=log,
            access_log=None,
            auto_decompress=False,  # what is small on the wire stays small
            handler_cancellation=True,  # a stream or a wait ends with its client
            max_line_size=limits.max_header_bytes,
            max_field_size=limits.max_header_bytes,
            keepalive_timeout=limits.idle_timeout_s,
            lingering_time=1.0,
        )
        self._limits = limits

    async def drop_stalled(self) -> None:
        """Watch for ever: a client that reads nothing of what waits for it is dropped."""
        unread: dict[Any, int] = {}
        while True:
            await asyncio.sleep(self._limits.write_timeout_s)
            before, unread = unread, {}
            for handler in list(self.connections):
                transport = handler.transport
                if transport is None:
                    continue
                size = transport.get_write_buffer_size()
                if size and before.get(handler) == size:
                    transport.abort()
                elif size:
                    unread[handler] = size


def tls_context(certificate: str, key: str | None) -> ssl.SSLContext:
    """Server-side TLS from PEM files.

    Raises:
        OSError, ssl.SSLError: they cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


class RunningServer:
    """A started service and its address."""

    def __init__(self, service: Service, runner: web.ServerRunner, url: str) -> None:
        self.service = service
        self.url = url
        self._runner = runner

    async def stop(self) -> None:
        """Accept nothing more, let streams end in good order, close."""
        for site in list(self._runner.sites):
            await site.stop()
        await self.service.stop()
        await self._runner.cleanup()
        await self.service.close()


async def start(config: Config, tls: ssl.SSLContext | None = None) -> RunningServer:
    """Listen.

    Raises:
        OSError: the address cannot be used, or inotify was demanded and is not there.
        UsageError: the principals file cannot be used.
    """
    service = Service(config)
    service.start()
    server = ServiceServer(service, config.limits)
    service.connections = lambda: len(server.connections)
    service.background.start("stalled-clients", server.drop_stalled)
    runner = web.ServerRunner(server, shutdown_timeout=0.5)
    try:
        await runner.setup()
        site = web.TCPSite(runner, config.host, config.port, ssl_context=tls, backlog=128)
        await site.start()
    except BaseException:
        await runner.cleanup()
        await service.close()
        raise
    host, port = runner.addresses[0][:2]
    shown = f"[{host}]" if ":" in host else host
    return RunningServer(service, runner, f"{'https' if tls else 'http'}://{shown}:{port}")
