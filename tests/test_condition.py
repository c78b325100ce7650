"""The points of a grid: what files call them, and how they are grouped."""

import re

from builders import make_condition
from hypothesis import given
from hypothesis import strategies as st

from calcbench.bench.schema.condition import AGAIN, SLUG_LENGTH, Condition, group_by
from calcbench.bench.schema.plan import REUSES

TEXTS = st.sampled_from(
    ["", "a", "A", "a-b", "a.b", "a--b", "-a", "a b", "a=1ms", "add", "wait=1.5ms", "wait=1-5ms"]
) | st.text(max_size=100)
CONDITIONS = st.builds(
    Condition, TEXTS, TEXTS, st.sampled_from(REUSES), st.integers(0, 99), TEXTS, TEXTS, TEXTS
)
PLAIN = st.builds(Condition, TEXTS, TEXTS, st.sampled_from(REUSES), st.integers(0, 99))


def test_has_a_readable_name_for_files() -> None:
    assert make_condition("thread-per-request", 32).slug == "thread-per-request-add-keep-alive-32"
    assert make_condition("fork", 1, "wait=1.5ms", "close").slug == "fork-wait-1-5ms-close-1"
    assert re.fullmatch(
        "fork-again-add-keep-alive-8-[0-9a-f]{8}", make_condition("fork" + AGAIN, 8).slug
    )


@given(CONDITIONS | PLAIN)
def test_has_a_name_that_every_file_system_takes(condition: Condition) -> None:
    assert re.fullmatch("[a-z0-9-]+", condition.slug)
    assert len(condition.slug) <= SLUG_LENGTH


@given(CONDITIONS | PLAIN, CONDITIONS | PLAIN)
def test_gives_no_two_conditions_one_name(one: Condition, other: Condition) -> None:
    assert (one.slug == other.slug) == (one == other)


def test_tells_the_same_text_on_other_axes_apart() -> None:
    conditions = [
        make_condition(interpreter="pypy"),
        make_condition(target="pypy"),
        make_condition(application="pypy"),
        make_condition(interpreter="a", target="b"),
        make_condition(interpreter="b", target="a"),
        make_condition(interpreter="a", application="b"),
        make_condition(target="a", application="b"),
    ]
    conditions += [make_condition("a.b"), make_condition("a-b"), make_condition("a--b")]

    assert len({condition.slug for condition in conditions}) == len(conditions)


def test_groups_what_differs_only_in_the_named_axes() -> None:
    one, two = make_condition("a", 1), make_condition("b", 8)
    other = make_condition("a", 1, interpreter="pypy")
    groups = group_by([one, other, two], lambda condition: condition, "strategy", "connections")

    assert list(groups.values()) == [[one, two], [other]]
    assert group_by([one, two], lambda condition: condition) == {one: [one], two: [two]}


def test_makes_a_key_of_a_condition_without_some_axes() -> None:
    condition = make_condition("a", 8, interpreter="pypy", target="host")

    assert condition.without() == condition
    assert condition.without("strategy", "connections") == Condition(
        "", "add", "keep-alive", 0, "pypy", target="host"
    )
    assert condition.without("interpreter") == make_condition("a", 8, target="host")
