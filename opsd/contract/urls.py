"""What may be asked of a web address before anything is sent to it."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the loopback addresses, in brackets or not."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or bool(mapped and mapped.is_loopback)


def is_public_endpoint(url: str) -> bool:
    """Whether ``url`` may stand in a configuration that is shown: https, or http to this host (contract 50, R19).

    A user name in it would be a secret; whitespace, backslashes and control characters are read differently by
    every program.
    """
    from urllib.parse import urlsplit  # costs a one-shot command several milliseconds

    if not url.isascii() or not url.isprintable() or any(char in url for char in " \\"):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0 or "@" in parts.netloc:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and is_loopback(host)
