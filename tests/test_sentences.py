"""What the program says has been read: each sentence is in the golden file, in plain words."""

import ast
import re
from pathlib import Path

import pytest
import sentences

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# What readers stumbled over, and what to say instead.
INSTEAD = {
    r"octets?": "byte",
    r"dearer": "costs more",
    r"spelt": "written",
    r"of itself": "name the thing",
    r"nothing at all": "say what did happen",
    r"cannot be told apart": "no measurable difference",
    r"finishing what has begun": "finishing open requests",
    r"did not stop well": "say what it did instead",
    r"where it lies": "95% interval",
    r"where (?:the median|a figure) lies": "95% interval",
    r"not a word": "printed nothing",
    r"times (?:fewer|less)": "a third as many",
    r"nobody is pinned": "nothing is pinned",
    r"open markers aside": "not counting open markers",
    r"nothing happened to them": "say what they did",
    r"strangers?": "other programs",
    r"what there is lies in": "saved in",
}
# A number with a noun behind it, which `units.format_count` writes: it might be one of them.
COUNTED = re.compile(
    r"\{…\} (?:right |wrong )?"
    r"(?:requests|responses|connections|rounds|errors|times|clients|users|measurements|runs)\b"
)
NEVER_ONE = {  # sentences whose number is never one, by what makes sure of it
    "fixed": {
        "an interval needs {…} rounds that count, not {…}",
        "{…} clients, connections {…}; {…}",
        "behaviour {…} should be from 0 to {…} clients",
        "servers with more than {…} connections take no turns",
        "cannot write to {…}: {…} runs began there in this second",
        "calcbench: two servers of each strategy, one of them watched, {…} requests a second",
    },
    "a limit that leaves room for a process": {
        "{…} connections need more than {…} files",
        "no more than about {…} connections can be raced",
        "{…} connections need more files than there may be",
        "with --reuse close, {…} connections a second are all that can last: each port rests {…} s",
    },
    "a ratio that is not said where it is one": {"{…}about {…} times"},
    "some of several": {
        "{…} of {…} clients were not served{…}",
        "in {…} of {…} rounds",
        "one of {…} requests is seen",
        "Of {…} clients {…}; the others got no {…}.",
    },
    "as many as an interval takes, or more": {
        "; {…} rounds or more would tell more",
        "; {…} rounds as noisy as these would show hardly any difference{…}",
        "; {…} rounds would show a difference of {…} or more{…}",
    },
    "constants of the rules of check": {
        "GET /add/{…}/{…}, by one of {…} clients at once",
        "{…} clients asked at the same moments",
        "{…} clients, while its limit of open files was lowered: room for {…} of them",
        "{…} clients, who have left",
        "{…} connections that the client reset",
        "{…} responses",
    },
    "written with decimals": {"most at {…} clients"},
}
AVOID = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)


def advice(text: str) -> list[str]:
    """Return for each word in *text* that readers stumble over what to say instead."""
    return [
        f"{found[0]!r} → {instead}: {text}"
        for found in AVOID.finditer(text)
        for word, instead in INSTEAD.items()
        if re.fullmatch(word, found[0], re.IGNORECASE)
    ]


def test_says_only_what_has_been_read() -> None:
    known = sentences.GOLDEN.read_text(encoding="utf-8")
    now = sentences.golden(known)

    assert [line for line in now.splitlines() if line not in known.splitlines()] == [], (
        "new sentences: would a tired reader understand them? Then run `python tests/sentences.py`"
    )
    assert now == known, "run `python tests/sentences.py`"


def test_asks_for_no_list_of_what_a_strategy_says_that_is_only_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = sentences.golden()
    more = {**sentences.sentences(), "strategies/mine.py": ["A way of mine."]}
    monkeypatch.setattr(sentences, "sentences", lambda: more)

    assert "A way of mine." in sentences.golden()
    assert sentences.golden(known) == known


def test_says_nothing_that_readers_stumbled_over() -> None:
    said = [line for lines in sentences.sentences().values() for line in lines]

    assert [found for line in said for found in advice(line)] == []


def test_says_no_number_of_things_that_may_be_one() -> None:
    never_one = {line for lines in NEVER_ONE.values() for line in lines}
    said = {
        line
        for module, lines in sentences.sentences().items()
        if not module.startswith("bench/validation/")  # its numbers are fixed
        for line in lines
        if COUNTED.search(line)
    }

    assert said == never_one


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_writes_nothing_that_readers_stumbled_over(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    written = [line for line in lines if not re.search("octet.*RFC", line, re.IGNORECASE)]

    assert [found for line in written for found in advice(line)] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('say("two words")', ["two words"]),
        ('say("word")', []),
        ('HEADINGS = ("word",)', ["word"]),
        ('say(f"{count} words of {more}")', ["{…} words of {…}"]),
        ('say("{} words".format(count))', ["{…} words"]),
        ("say(f\"all {', and more' if more else ''}\")", ["all {…}", ", and more"]),
        ('def f():\n    """Not shown to anybody."""', []),
        ('@click.command()\ndef f():\n    """Shown as help."""', ["Shown as help."]),
        ('x: "not a sentence" = say("one of them")', ["one of them"]),
        ('re.compile("not a sentence")', []),
    ],
)
def test_finds_what_is_said_and_not_what_is_only_code(code: str, expected: list[str]) -> None:
    tree = ast.parse(code)
    shown = [node for node in ast.walk(tree) if sentences.is_command(node)]
    docs = {id(doc) for node in shown if (doc := sentences.docstring_of(node))}

    assert list(sentences.texts(tree, docs)) == expected
