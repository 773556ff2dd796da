"""Which URLs and addresses a request may go to (contract 30, section 5; 50, W9 and W10). Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

#: Where a host's link and a cloud's metadata service answer: nothing that an operator wants told of alerts. Some of
#: the latter lie outside the link-local ranges.
_BLOCKED = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "fd00:ec2::/32",
            "fd20:ce::254/128",
        ),
    )
)
#: Prefixes of IPv6 addresses that carry an IPv4 address in their last 32 bits.
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96")))


def is_blocked(address: str) -> bool:
    """True for a link-local address and for one of a cloud's metadata service, in whatever form it is written.

    A text that is no address is not blocked: it is a name, and what it resolves to has to be asked about.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    forms: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [found]
    if isinstance(found, ipaddress.IPv6Address) and any(found in network for network in _TRANSLATED):
        forms.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    return any(form in network for form in forms for network in _BLOCKED if form.version == network.version)


def travels_in_clear(url: str) -> bool:
    """True for plain HTTP to a host that is not this one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False  # no request can be made of it either
    return parts.scheme.lower() == "http" and not names_this_host(host) and not is_loopback(host)


def names_this_host(host: str) -> bool:
    """True for a name that has to mean this host, whatever a name server says (RFC 6761, 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def is_loopback(address: str) -> bool:
    """True for an address of this host alone; false also for a text that is no address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def shown_url(url: str) -> str:
    """All of a URL that may be shown when the rest of it is a secret: ``https://hooks.example``."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        return "an address that is no URL"
    if not scheme or not host or not host.isprintable():
        return "an address that is no URL"
    return f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"


def is_public_endpoint(url: str) -> bool:
    """True for an address that may stand in a configuration which is shown: https, or http to this host (50, R19).

    A user name in it would be a secret; whitespace, backslashes and control characters are read differently by
    every program.
    """
    if not url.isascii() or not url.isprintable() or any(char in url for char in " \\"):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0 or "@" in parts.netloc or parts.scheme not in ("http", "https"):
        return False
    return not travels_in_clear(url)
