"""Principals, tokens and files of them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsd.access.document import document_of
from opsd.access.model import Principal, Principals, Scope, Token
from opsd.access.token_format import TokenPurpose, digest_of, mint

NOW = 1_800_000_000


def secret(seed: int = 0, purpose: TokenPurpose = TokenPurpose.DAEMON) -> str:
    """A token: always the same one for a seed."""
    return mint(purpose, random.Random(seed).randrange)


def token(seed: int = 0, **fields: Any) -> Token:
    """What is known of :func:`secret` with the same seed."""
    purpose = fields.get("purpose", TokenPurpose.DAEMON)
    made = Token(f"tok_{seed:016x}", purpose, digest_of(secret(seed, purpose)), NOW - 60, "ann")
    return replace(made, **fields)


def principal(name: str = "ci", *scopes: Scope, loops: tuple[str, ...] = ("*",), tokens: Any = None) -> Principal:
    """Somebody with one token, :func:`secret`."""
    return Principal(name, frozenset(scopes or (Scope.READ,)), loops, (token(),) if tokens is None else tuple(tokens))


def write(path: Path, principals: Principals) -> Path:
    """Put a principals file in place as an editor does it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(document_of(principals)))
    new.chmod(0o600)
    new.replace(path)
    return path
