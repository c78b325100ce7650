"""What reaches a terminal: nothing that it would obey, and nothing that its encoding lacks."""

import ast
import dataclasses
import errno
import io
import json
import sys
from pathlib import Path

import pytest

from calcbench.bench.system.terminal import (
    PLAIN,
    OutputError,
    Styled,
    console,
    echo,
    echo_json,
    never_fail_for_a_letter,
    one_line,
    overwrite,
    painted,
    printable,
    printable_record,
)

ROOT = Path(__file__).parent.parent
COMMANDS = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


class Terminal(io.StringIO):
    """A terminal of 60 columns that keeps what was written to it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COMMANDS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("±5 µs – «×» 中 é 😀", "±5 µs – «×» 中 é 😀"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("over\rwritten\x08", r"over\rwritten\x08"),
        ("\x9b2J \x85 \x7f \x00", r"\x9b2J \x85 \x7f \x00"),  # C1 begins sequences as well
        ("\u202eabc\u202c \u2066x\u2069 \u200f", r"\u202eabc\u202c \u2066x\u2069 \u200f"),
        ("\u061c\u200e", r"\u061c\u200e"),
        ("one\u2028two\u2029", r"one\u2028two\u2029"),
        ("\udc9b2J", r"\x9b2J"),  # a byte that is no text
        ("\ud800 \udfff", r"\ud800 \udfff"),
    ],
)
def test_shows_control_characters(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_shows_every_control_character_there_is() -> None:
    controls = {chr(n) for n in (*range(32), *range(0x7F, 0xA0), *range(0xD800, 0xE000))}

    assert [c for c in controls - {"\n", "\t"} if printable(c) == c] == []
    assert not any(ord(c) < 32 or ord(c) > 126 for c in printable("".join(controls - set("\n\t"))))


def test_keeps_what_must_be_one_line_in_one() -> None:
    assert (
        one_line("fork\ncalcbench: all is well\t\x1b[A") == r"fork\ncalcbench: all is well\t\x1b[A"
    )


@dataclasses.dataclass(frozen=True)
class Record:
    name: str
    several: tuple[str, ...]
    counted: dict[str, int]
    inner: "Record | None" = None


def test_makes_every_text_of_a_record_printable() -> None:
    inner = Record("\x1b", ("\r", "b"), {"\n": 1})
    shown = Record(r"\x1b", (r"\r", "b"), {r"\n": 1})

    assert printable_record(Record("a", (), {}, inner)) == Record("a", (), {}, shown)
    assert printable_record([{"\x9b": [1, 2.5, None, True]}]) == [{r"\x9b": [1, 2.5, None, True]}]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16"])
def test_writes_in_plain_letters_what_an_encoding_lacks(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    never_fail_for_a_letter()
    echo("±5 µs – 3 × 中 … \udce4")
    text = raw.getvalue().decode(encoding)

    if encoding == "ascii":
        assert text == "+/-5 us - 3 x \\u4e2d ... \\xe4\n"
    elif encoding.startswith("utf"):
        assert text == "±5 µs – 3 × 中 … \\xe4\n"
    else:
        assert text.startswith("±5 µs ")
        assert "\\u4e2d" in text


def test_knows_how_to_say_plainly_all_that_we_say() -> None:
    """Every letter that is not ASCII in a text of ours that is no docstring can be printed."""
    lacking = set()
    for folder in ("bench", "core", "strategies"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    lacking |= {char for char in node.value if 127 < ord(char) < 0x2500}

    assert {char for char in lacking if char == printable(char)} - set(PLAIN) == set()
    assert "".join(PLAIN.values()).isascii()


@pytest.mark.parametrize(
    ("stream", "name", "value", "codes"),
    [
        (Terminal, "TERM", "xterm", True),
        (Terminal, "NO_COLOR", "", True),
        (Terminal, "NO_COLOR", "1", False),
        (Terminal, "TERM", "dumb", False),
        (Terminal, "TERM", "unknown", False),
        (io.StringIO, "TERM", "xterm", False),
        (io.StringIO, "FORCE_COLOR", "1", False),
    ],
)
def test_writes_escapes_only_where_they_are_wanted(
    stream: type[io.StringIO], name: str, value: str, codes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    file = stream()
    echo(Styled("fork", "bold"), ": a process", file=file)
    console(file).print(painted("warn\x1b]0;x\x07", "bold yellow"))
    monkeypatch.setattr(sys, "stderr", file)
    overwritten = overwrite("round 2")

    text = file.getvalue()
    assert ("\x1b" in text) is codes
    assert overwritten is codes
    assert r"warn\x1b]0;x\x07" in text
    assert "\x07" not in text
    assert ("\x1b[1mfork\x1b[0m: a process\n" in text) is codes


def test_makes_styled_texts_printable_too() -> None:
    file = Terminal()
    echo(Styled("\x1b[2J", "yellow"), "\x1b[A", file=file)

    assert file.getvalue() == "\x1b[33m\\x1b[2J\x1b[0m\\x1b[A\n"


def test_prints_json_that_every_encoding_has(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "±\x9b\u2028\u202e\ud800 \x7f 中 😀"}
    echo_json(value)
    out = capsys.readouterr().out

    assert out.isascii()
    assert json.loads(out) == value


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_says_that_a_reader_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Broken())
    with pytest.raises(OutputError) as error:
        echo("a")

    assert error.value.reader_gone


@pytest.mark.parametrize("stream", [None, Broken()])
def test_needs_nobody_who_reads_its_errors(
    stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    echo("a", err=True)

    assert overwrite("b") is False
