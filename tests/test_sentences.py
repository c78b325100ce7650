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
    known = set(sentences.GOLDEN.read_text(encoding="utf-8").splitlines())
    now = sentences.golden()

    assert [line for line in now.splitlines() if line not in known] == [], (
        "new sentences: would a tired reader understand them? Then run `python tests/sentences.py`"
    )
    assert now == sentences.GOLDEN.read_text(encoding="utf-8"), "run `python tests/sentences.py`"


def test_says_nothing_that_readers_stumbled_over() -> None:
    said = [line for lines in sentences.sentences().values() for line in lines]

    assert [found for line in said for found in advice(line)] == []


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
