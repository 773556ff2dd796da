"""Reads a Dockerfile, and carries out its instructions without an engine.

Only what ours uses is known; anything else is refused, so that the test cannot pass over an instruction. A stage is a
root folder; the base image is this machine's programs in an empty root; ``RUN`` runs inside it as root, with the
network, and everything it writes outside the stage's own folders fails, since they are read-only.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.machine import PATH, Root

_META = {"VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its name in capitals and what follows."""

    name: str
    rest: str


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, continued lines joined and comments dropped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines) + "\n")
    return [Instruction(*line.strip().split(None, 1)) for line in joined.splitlines()]


def stages(instructions: list[Instruction]) -> list[list[Instruction]]:
    """The instructions from each ``FROM`` on."""
    found: list[list[Instruction]] = []
    for instruction in instructions:
        if instruction.name == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


class Context:
    """The build's context: what ``.dockerignore`` lets through. Knows patterns with ``*``, ``**/`` and ``!``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = (folder / ".dockerignore").read_text().splitlines()
        self._rules = [line for line in lines if line and not line.startswith("#")]

    def holds(self, path: str) -> bool:
        """Whether a path, relative to the context, is part of it."""
        kept = True
        parts = path.split("/")
        for rule in self._rules:
            pattern = rule.removeprefix("!")
            if pattern.startswith("**/"):
                matches = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
            else:
                matches = fnmatch.fnmatch(parts[0], pattern)
            if matches:
                kept = rule.startswith("!")
        return kept

    def copy(self, source: str, target: Path) -> None:
        """Copy a file or what a folder holds, as ``COPY`` does."""
        found = self.folder / source
        assert self.holds(source), f"{source} is not in the context"
        if found.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, target / found.name if target.is_dir() else target)
            return
        for file in self._files(found):
            to = target / file.relative_to(found)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)

    def _files(self, folder: Path) -> Iterator[Path]:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and self.holds(file.relative_to(self.folder).as_posix()):
                yield file


@dataclass
class Image:
    """What a stage has become."""

    root: Root
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    cwd: str = "/"
    user: str = "0:0"
    meta: dict[str, str] = field(default_factory=dict)

    def argv(self, name: str) -> list[str]:
        """An ``ENTRYPOINT``, ``CMD`` or the command of a ``HEALTHCHECK``, which ours give as lists."""
        text = self.meta[name]
        argv: list[str] = json.loads(text[text.index("[") :])
        return argv


def build(folder: Path, work: Path) -> Image:
    """Build ``folder/Dockerfile`` below ``work``; the last stage."""
    context, known = Context(folder), {}
    image: Image | None = None
    for number, stage in enumerate(stages(parse((folder / "Dockerfile").read_text()))):
        _, *alias = re.split(r"\s+AS\s+", stage[0].rest)
        image = Image(Root.made(work / f"stage-{number}"))
        for instruction in stage[1:]:
            _apply(instruction, image, context, known)
        if alias:
            known[alias[0]] = image
    assert image is not None
    return image


def _apply(instruction: Instruction, image: Image, context: Context, known: dict[str, Image]) -> None:
    rest = instruction.rest
    if instruction.name == "RUN":
        image.root.run(["/bin/sh", "-ec", rest], env=image.env, cwd=image.cwd)
    elif instruction.name == "COPY":
        _copy(rest, image, context, known)
    elif instruction.name == "ENV":
        for word in shlex.split(rest):
            name, _, value = word.partition("=")
            image.env[name] = re.sub(r"\$\{(\w+)\}", lambda match: image.env[match[1]], value)
    elif instruction.name == "WORKDIR":
        image.cwd = rest
        (image.root.path / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif instruction.name == "USER":
        image.user = rest
    elif instruction.name in _META:
        image.meta[instruction.name] = rest
    else:
        raise AssertionError(f"unknown instruction: {instruction.name}")


def _copy(rest: str, image: Image, context: Context, known: dict[str, Image]) -> None:
    *sources, target = shlex.split(rest)
    to = image.root.path / (target if target.startswith("/") else f"{image.cwd}/{target}").lstrip("/")
    if sources[0].startswith("--from="):
        stage = known[sources.pop(0).removeprefix("--from=")]
        for source in sources:
            shutil.copytree(stage.root.path / source.lstrip("/"), to, symlinks=True, dirs_exist_ok=True)
        return
    for source in sources:
        context.copy(source, to)
