"""The principals file, strictly read: anything that is unknown, missing, doubled or out of bounds refuses the whole.

A file that was misread would give rights away, so there is no default for a right. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from opsd.access.model import MAX_LIVE_TOKENS, Principal, Principals, Scope, Token
from opsd.access.token_format import TokenPurpose, holds_token
from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc, parse_epoch

MAX_BYTES = 4 * 1024 * 1024
MAX_PRINCIPALS = 256
MAX_TOKENS = 16
MAX_LOOP_PATTERNS = 64
MAX_TEXT_CHARS = 200

_Word = TypeVar("_Word", Scope, TokenPurpose)

#: Names that stand for somebody without an entry in the file.
RESERVED_NAMES = frozenset({"api_token", "shared_token", "local", "anonymous"})

#: What a principal's name and a token's id look like.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"
TOKEN_ID_PATTERN = r"tok_[0-9a-f]{16}"  # noqa: S105 - a pattern
_NAME = re.compile(NAME_PATTERN, re.ASCII)
_TOKEN_ID = re.compile(TOKEN_ID_PATTERN, re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TOP = ("schemaVersion", "principals")
_PRINCIPAL = ("name", "scopes", "loops", "tokens")
_TOKEN = ("id", "purpose", "sha256", "createdAt", "createdBy", "expiresAt", "revokedAt", "note")


def parse_principals(data: bytes, now: float) -> Principals:
    """Everybody in the file's bytes. What was valid once stays so: time only makes tokens die.

    Raises:
        UsageError: the file is not as it has to be; the message names the place in it.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(f"it is larger than {MAX_BYTES} bytes")
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        raise UsageError("it is not JSON") from None
    top = _object(document, _TOP, "the document")
    if top["schemaVersion"] != "v1":
        raise UsageError('schemaVersion must be "v1"')
    items = _list(top["principals"], "principals", MAX_PRINCIPALS)
    principals = tuple(_principal(item, f"principals[{index}]", now) for index, item in enumerate(items))
    _unique((principal.name for principal in principals), "the name")
    tokens = [token for principal in principals for token in principal.tokens]
    _unique((token.id for token in tokens), "the token id")
    _unique((token.sha256 for token in tokens), "the sha256")
    return principals


def document_of(principals: Principals) -> JsonObject:
    """The document that holds ``principals``."""
    return {"schemaVersion": "v1", "principals": [_principal_json(principal) for principal in principals]}


def checked_name(text: str, where: str) -> str:
    """A principal's name.

    Raises:
        UsageError: it is none, or one that is reserved.
    """
    if _NAME.fullmatch(text) is None or holds_token(text):
        raise UsageError(f"{where} must be 1 to 64 letters, digits, dots, dashes, underscores or @")
    if text in RESERVED_NAMES:
        raise UsageError(f"{where}: the name {text} is reserved")
    return text


def checked_pattern(text: str, where: str) -> str:
    """A glob over loop ids.

    Raises:
        UsageError: it is none.
    """
    if not 0 < len(text) <= MAX_TEXT_CHARS or not text.isprintable():
        raise UsageError(f"{where} must be 1 to {MAX_TEXT_CHARS} printable characters")
    return text


def checked_text(text: str, where: str) -> str:
    """A note or the name of a person; never a token.

    Raises:
        UsageError: it is none.
    """
    if len(text) > MAX_TEXT_CHARS or not text.isprintable():
        raise UsageError(f"{where} must be at most {MAX_TEXT_CHARS} printable characters")
    if holds_token(text):
        raise UsageError(f"{where} must not hold a token")
    return text


def in_order(scopes: Iterable[Scope]) -> list[Scope]:
    """Scopes in the order in which they are always written."""
    return [scope for scope in Scope if scope in frozenset(scopes)]


def token_json(token: Token) -> JsonObject:
    """What the file and the commands show of a token, in the file's key order, without the hash."""
    return {
        "id": token.id,
        "purpose": token.purpose.value,
        "createdAt": format_utc(token.created_at),
        "createdBy": token.created_by,
        "expiresAt": None if token.expires_at is None else format_utc(token.expires_at),
        "revokedAt": None if token.revoked_at is None else format_utc(token.revoked_at),
        "note": token.note,
    }


def _principal_json(principal: Principal) -> JsonObject:
    return {
        "name": principal.name,
        "scopes": in_order(principal.scopes),
        "loops": list(principal.loops),
        "tokens": [token_json(token) | {"sha256": token.sha256} for token in principal.tokens],
    }


def _principal(item: JsonValue, where: str, now: float) -> Principal:
    fields = _object(item, _PRINCIPAL, where)
    scopes = [
        _word(scope, Scope, f"{where}.scopes") for scope in _list(fields["scopes"], f"{where}.scopes", len(Scope))
    ]
    loops = _list(fields["loops"], f"{where}.loops", MAX_LOOP_PATTERNS)
    if not scopes or not loops:
        raise UsageError(f"{where} needs at least one scope and one loop pattern")
    tokens = _list(fields["tokens"], f"{where}.tokens", MAX_TOKENS)
    principal = Principal(
        name=checked_name(_text(fields["name"], f"{where}.name"), f"{where}.name"),
        scopes=frozenset(scopes),
        loops=tuple(checked_pattern(_text(loop, f"{where}.loops"), f"{where}.loops") for loop in loops),
        tokens=tuple(_token(token, f"{where}.tokens[{index}]") for index, token in enumerate(tokens)),
    )
    if len(principal.live_tokens(now)) > MAX_LIVE_TOKENS:
        raise UsageError(f"{where} has more than {MAX_LIVE_TOKENS} live tokens")
    return principal


def _token(item: JsonValue, where: str) -> Token:
    fields = _object(item, _TOKEN, where)
    token_id, sha256 = _text(fields["id"], f"{where}.id"), _text(fields["sha256"], f"{where}.sha256")
    if _TOKEN_ID.fullmatch(token_id) is None:
        raise UsageError(f"{where}.id must be tok_ and 16 hexadecimal digits")
    if _SHA256.fullmatch(sha256) is None:
        raise UsageError(f"{where}.sha256 must be 64 lower-case hexadecimal digits")
    return Token(
        id=token_id,
        purpose=_word(fields["purpose"], TokenPurpose, f"{where}.purpose"),
        sha256=sha256,
        created_at=_moment(fields["createdAt"], f"{where}.createdAt"),
        created_by=checked_text(_text(fields["createdBy"], f"{where}.createdBy"), f"{where}.createdBy"),
        expires_at=_optional_moment(fields["expiresAt"], f"{where}.expiresAt"),
        revoked_at=_optional_moment(fields["revokedAt"], f"{where}.revokedAt"),
        note=checked_text(_text(fields["note"], f"{where}.note"), f"{where}.note"),
    )


def _object(value: JsonValue, keys: tuple[str, ...], where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be an object")
    unknown = sorted(value.keys() - set(keys))
    if unknown:
        raise UsageError(f"{where} has an unknown key: {unknown[0][:MAX_TEXT_CHARS]}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise UsageError(f"{where} lacks {missing[0]}")
    return value


def _list(value: JsonValue, where: str, most: int) -> list[JsonValue]:
    if not isinstance(value, list):
        raise UsageError(f"{where} must be a list")
    if len(value) > most:
        raise UsageError(f"{where} has more than {most} entries")
    return value


def _text(value: JsonValue, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where} must be a text")
    return value


def _word(value: JsonValue, words: type[_Word], where: str) -> _Word:
    try:
        return words(_text(value, where))
    except ValueError:
        raise UsageError(f"{where} must be one of: {', '.join(words)}") from None


def _moment(value: JsonValue, where: str) -> int:
    moment = parse_epoch(value)
    if moment is None:
        raise UsageError(f"{where} must be a time like 2026-01-31T08:00:00Z")
    return moment


def _optional_moment(value: JsonValue, where: str) -> int | None:
    return None if value is None else _moment(value, where)


def _unique(values: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise UsageError(f"{what} occurs twice: {value}")
        seen.add(value)
