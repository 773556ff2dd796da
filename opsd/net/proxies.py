"""Which proxy the usual variables of the environment name (contract 50, 5.1)."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass


class Proxies:
    """Looks up ``http_proxy``, ``https_proxy`` and ``no_proxy`` once per origin.

    aiohttp's own ``trust_env`` would read a netrc file in a thread for every request.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def for_url(self, url: str) -> str | None:
        """The URL of the proxy for ``url``'s host; None when it is reached directly."""
        try:
            parts = urlsplit(url)
            origin = f"{parts.scheme}://{parts.netloc}"
            if origin not in self._known:
                bypassed = proxy_bypass(parts.hostname or "")
                self._known[origin] = None if bypassed else getproxies_environment().get(parts.scheme)
            return self._known[origin]
        except ValueError:
            return None
