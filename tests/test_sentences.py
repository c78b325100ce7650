"""What the program says has been read: each sentence is in the golden file."""

import ast

import pytest
import sentences


def test_says_only_what_has_been_read() -> None:
    known = set(sentences.GOLDEN.read_text(encoding="utf-8").splitlines())
    now = sentences.golden()

    assert [line for line in now.splitlines() if line not in known] == [], (
        "new sentences: would a tired reader understand them? Then run `python tests/sentences.py`"
    )
    assert now == sentences.GOLDEN.read_text(encoding="utf-8"), "run `python tests/sentences.py`"


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
