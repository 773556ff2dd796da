"""The contract's argument rules (contract 10, 1.3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.cli.arguments import CommandSpec, Flag, require_non_negative_int, require_positive_int
from opsd.contract.errors import UsageError
from opsd.runtime.layout import absolute_repo

SPEC = CommandSpec(
    "opsd probe",
    "Probes.",
    (Flag("--path", "a path", "<path>"), Flag("--count", "a number", "<n>"), Flag("--pretty", "indent")),
)


def test_a_value_flag_takes_the_next_token_as_it_is() -> None:
    assert SPEC.parse(["--path", "--pretty"]).given("--path") == "--pretty"
    assert SPEC.parse(["--count", "-1"]).given("--count") == "-1"
    assert not SPEC.parse(["--path", "--pretty"]).switch("--pretty")


def test_the_last_repetition_wins_also_when_it_is_empty() -> None:
    assert SPEC.parse(["--path", "a", "--path", "b"]).required("--path") == "b"
    assert SPEC.parse(["--path", "a", "--path", ""]).optional("--path") is None


def test_every_repetition_of_a_flag_can_be_asked_for() -> None:
    assert SPEC.parse(["--path", "a", "--path", "", "--path", "--count"]).all("--path") == ["a", "", "--count"]
    assert SPEC.parse([]).all("--path") == []
    with pytest.raises(KeyError):
        SPEC.parse([]).all("--other")


@pytest.mark.parametrize("token", ["--path=x", "--pat", "--PATH", "stray", "", "-p", "--"])
def test_anything_unknown_is_refused_after_the_usage(token: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError) as refused:
        SPEC.parse(["--pretty", token, "--help"])
    assert refused.value.message == f"unknown argument: {token}"
    assert capsys.readouterr() == (SPEC.usage(), "")


@pytest.mark.parametrize("token", ["--help", "-h"])
def test_help_ends_at_once_and_ignores_what_follows(token: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        SPEC.parse(["--pretty", token, "--nonsense"])
    assert ended.value.code == 0
    assert capsys.readouterr() == (SPEC.usage(), "")


def test_what_stands_before_help_has_been_consumed() -> None:
    with pytest.raises(UsageError, match="unknown argument: --nonsense"):
        SPEC.parse(["--nonsense", "--help"])
    assert SPEC.parse(["--path", "--help"]).given("--path") == "--help"


def test_a_value_flag_at_the_end_names_itself() -> None:
    with pytest.raises(UsageError, match=r"^--count requires a value$"):
        SPEC.parse(["--pretty", "--count"])


def test_an_empty_required_value_is_a_missing_one() -> None:
    for argv in ([], ["--path", ""]):
        with pytest.raises(UsageError, match=r"^--path is required$"):
            SPEC.parse(argv).required("--path")


def test_an_empty_number_is_a_bad_one_and_an_absent_one_the_default() -> None:
    assert SPEC.parse([]).non_negative("--count", 7) == 7
    assert SPEC.parse([]).positive("--count", 7) == 7
    with pytest.raises(UsageError, match=r"^--count must be a non-negative integer$"):
        SPEC.parse(["--count", ""]).non_negative("--count", 7)
    with pytest.raises(UsageError, match=r"^--count must be an integer >= 1$"):
        SPEC.parse(["--count", "0"]).positive("--count", 7)


def test_an_optional_value_falls_back_to_a_variable_that_is_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_PATH", "from-env")
    assert SPEC.parse([]).optional("--path", "PROBE_PATH") == "from-env"
    assert SPEC.parse(["--path", ""]).optional("--path", "PROBE_PATH") == "from-env"
    assert SPEC.parse(["--path", "flag"]).optional("--path", "PROBE_PATH") == "flag"
    monkeypatch.setenv("PROBE_PATH", "")
    assert SPEC.parse([]).optional("--path", "PROBE_PATH") is None


@given(st.integers(0, 10**30), st.integers(0, 5))
def test_integers_are_decimal_whatever_their_leading_zeros(number: int, zeros: int) -> None:
    assert require_non_negative_int("0" * zeros + str(number), "bad") == number


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1 ", "1.5", "1e3", "٣", "²", "0x1", "1_0", "9" * 5000])
def test_everything_else_is_no_integer(text: str) -> None:
    with pytest.raises(UsageError, match=r"^bad$"):
        require_non_negative_int(text, "bad")
    with pytest.raises(UsageError, match=r"^bad$"):
        require_positive_int(text, "bad")


def test_a_repo_keeps_the_name_of_the_link_it_is_reached_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert absolute_repo("link/sub/..//./") == f"{tmp_path}/link"
    assert absolute_repo(f"/{tmp_path}/link") == f"{tmp_path}/link"


def test_a_missing_repo_is_named_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for text in ("nowhere/", "file"):
        with pytest.raises(UsageError, match=f"^repo path not found: {text}$"):
            absolute_repo(text)


def test_a_flag_that_was_never_declared_is_a_mistake_in_the_code() -> None:
    with pytest.raises(KeyError):
        SPEC.parse([]).given("--nope")


def test_a_command_may_take_one_word_beside_its_flags() -> None:
    spec = CommandSpec("opsd probe", "Probes.", SPEC.flags, operand="<name>")
    assert spec.usage().startswith("usage: opsd probe <name> [--flag value ...]\n")
    assert spec.parse(["--path", "p", "one", "--pretty"]).operand() == "one"
    assert spec.parse([]).operand() is None
    for argv in (["one", "two"], ["-x"], ["one", "--nonsense"]):
        with pytest.raises(UsageError, match=r"unknown argument: (two|-x|--nonsense)"):
            spec.parse(argv)
