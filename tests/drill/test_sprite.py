"""A sprite of a drill, with a real service: it comes back where it was, whatever happened meanwhile."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from opsd.drill.sprite import Sprite


def test_a_service_that_failed_comes_back_where_it_was_and_nobody_else_is_given_its_place(tmp_path: Path) -> None:
    sprite = Sprite(tmp_path, "a", dict(os.environ), "hush")
    try:
        sprite.start()
        sprite.listens()
        url = sprite.url
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        sprite.fail()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(place)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place, timeout=60)
        sprite.start()
        sprite.listens()
        assert sprite.url == url
        socket.create_connection(place, timeout=60).close()
    finally:
        sprite.close()
    socket.create_server(place).close()
