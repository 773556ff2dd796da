"""Matchers over labels: each form, several values, missing labels, and input that is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.muting.matchers import LABEL_NAMES, Matcher, matches, parse_matcher_text, parse_matchers
from opsd.alerts.muting.patterns import MAX_LABEL_CHARS
from opsd.contract.errors import UsageError

ROW = {"loopId": ("demo",), "category": ("health_critical",), "reasonCode": ("stale", "lagging")}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("loopId=demo", True),
        ("loopId=dem", False),
        ("loopId!=demo", False),
        ("loopId!=other", True),
        ("category=~health_.*", True),
        ("category=~health", False),
        ("category=~a|health_critical", True),
        ("category!~health_.*", False),
        ("category!~critical", True),
        ("reasonCode=lagging", True),
        ("reasonCode!=lagging", False),
        ("reasonCode!~other.*", True),
        ("sinkId=", True),
        ("sinkId!=", False),
        ("transport=~.*", True),
        ("transport=~.+", False),
        ("category=~(?i)HEALTH_CRITICAL", True),
    ],
)
def test_a_matcher_holds_for_any_value_and_its_negation_for_none(text: str, holds: bool) -> None:
    assert matches([parse_matcher_text(text)], ROW) is holds


def test_all_matchers_have_to_hold() -> None:
    both = [Matcher("loopId", "demo"), Matcher("category", "other")]
    assert not matches(both, ROW)
    assert matches(both[:1], ROW)


@given(
    name=st.sampled_from(LABEL_NAMES),
    value=st.text(alphabet="ab=~!\n ", max_size=6),
    is_equal=st.booleans(),
    labels=st.dictionaries(st.sampled_from(LABEL_NAMES), st.lists(st.text(max_size=3), max_size=3).map(tuple)),
)
def test_a_matcher_and_its_negation_never_agree(
    name: str, value: str, is_equal: bool, labels: dict[str, tuple[str, ...]]
) -> None:
    one = Matcher(name, value, is_equal=is_equal)
    assert one.holds(labels) is not one._replace(is_equal=not is_equal).holds(labels)
    assert parse_matchers([one.as_json()], "matchers") == (one,)


@pytest.mark.parametrize("text", ["loopId=a=b", "loopId!=x", "category=~a\nb", "sinkId!~z"])
def test_a_matcher_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_matcher_text(text)) == text


def test_kind_and_sense_may_be_left_out_of_a_document() -> None:
    assert parse_matchers([{"name": "loopId", "value": "a"}], "m") == (Matcher("loopId", "a"),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "m must be a list of at least one matcher"),
        ([], "m must be a list of at least one matcher"),
        (["a=b"], "m[0] must be an object"),
        ([{"name": "loopId"}], "m[0] needs a name and a value, both texts"),
        ([{"name": "loopId", "value": 1}], "m[0] needs a name and a value, both texts"),
        ([{"name": "loopId", "value": "a", "isRegex": 1}], "m[0]: isRegex and isEqual must be true or false"),
        ([{"name": "loopId", "value": "a", "regex": True}], "m[0] has an unknown key: regex"),
        ([{"name": "host", "value": "a"}], f"m[0]: name must be one of: {', '.join(LABEL_NAMES)}"),
        ([{"name": "loopId", "value": "a" * 1025}], "m[0]: value is longer than 1024 characters"),
    ],
)
def test_what_is_no_list_of_matchers_is_refused_at_its_place(value: object, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_matchers(value, "m")
    assert refused.value.message == message


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "[z-a]", "*"])
def test_a_broken_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        parse_matcher_text(f"loopId=~{pattern}")


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+!",
        r"((\w|\w)|(\w|\w))*!",
        "(aa|a)*!",
        "(?:a?){30}a{30}",
        "a?" * 30 + "a" * 30,
        "(ab|a)" * 30,
        ".*.*.*.*!",
        "(?=(a+)+!)a",
        "(?>a*)*!",
        "(?P<x>a*)*!",
        "(a)?(?(1)(b+)+|c)",
    ],
)
def test_a_regular_expression_that_could_stop_the_daemon_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="it could be tried for too long"):
        parse_matcher_text(f"loopId=~{pattern}")


@pytest.mark.parametrize(
    "pattern",
    ["web-.*", ".*-(eu|us)-.*", "(?:alpha|beta|gamma)", "[a-z]+-[0-9]{1,3}", "(?i)WEB-A-1", "(?!db).*-1", "(web-)+a-1"],
)
def test_what_people_write_is_taken(pattern: str) -> None:
    matcher = parse_matcher_text(f"loopId=~{pattern}")
    assert matcher.holds({"loopId": ("web-a-1",)}) is (re.compile(pattern).fullmatch("web-a-1") is not None)


def test_of_a_label_no_more_is_compared_than_was_counted_with() -> None:
    longest = "a" * MAX_LABEL_CHARS
    assert parse_matcher_text("loopId=~a*").holds({"loopId": (longest + "b" * 1_000_000,)})
    assert not parse_matcher_text("loopId=~a*").holds({"loopId": ("b" + longest,)})


@pytest.mark.parametrize("text", ["", "loopId", "=a", "loop-id=a", "category~a"])
def test_a_text_that_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a matcher is name=value"):
        parse_matcher_text(text)
