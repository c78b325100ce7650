"""Which of two media types a client would rather have: its Accept field (RFC 9110 §12.5.1)."""

import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED = rb'"(?:[^"\\]|\\.)*"'
# One parameter behind a media range: its name, and its value, which may be quoted. Possessive: what
# a space has been matched with is never tried again, or many spaces would take for ever.
PARAMETER = re.compile(rb"[ \t]*+;[ \t]*+(?:(%b)=(%b|%b))?" % (TOKEN, TOKEN, QUOTED))
MEDIA_RANGE = re.compile(
    rb"(?:^|,)[ \t]*+(%b)/(%b)((?:%b)*+)[ \t]*+(?=,|$)" % (TOKEN, TOKEN, PARAMETER.pattern)
)
QUALITY = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")  # §12.4.2
REFUSED = 0.0


def quality(accept: bytes, media_type: bytes) -> float:
    """Return how much a client wants *media_type*, in 0–1, by what its field *accept* says.

    *media_type* is in lower case, with parameters if it has some: ``text/html; charset=utf-8``.
    Of several ranges that it is in, the most specific counts. One that is malformed says nothing.
    """
    name, *own = [part.strip() for part in media_type.split(b";")]
    kind, subkind = name.split(b"/")
    best = (-1, REFUSED)  # how specific the range is, and its quality
    for given_kind, given_subkind, parameters in ranges(accept):
        wanted = [text for text in parameters if not text.startswith(b"q=")]
        if (given_kind, given_subkind) == (kind, subkind) and all(text in own for text in wanted):
            specific = 2 + len(wanted)
        elif (given_kind, given_subkind) == (kind, b"*") and not wanted:
            specific = 1
        elif (given_kind, given_subkind) == (b"*", b"*") and not wanted:
            specific = 0
        else:
            continue
        best = max(best, (specific, weight(parameters)))
    return best[1]


def ranges(accept: bytes) -> list[tuple[bytes, bytes, list[bytes]]]:
    """Return the media ranges of *accept*: type, subtype and parameters, in lower case."""
    found = []
    for kind, subkind, rest, *_ in MEDIA_RANGE.findall(accept.lower()):
        pairs = PARAMETER.findall(rest)
        found.append((kind, subkind, [b"%b=%b" % (n, v.strip(b'"')) for n, v in pairs if n]))
    return found


def weight(parameters: list[bytes]) -> float:
    """Return the quality that *parameters* of a media range give it: 1 without one."""
    for text in parameters:
        if text.startswith(b"q="):
            return float(text[2:]) if QUALITY.fullmatch(text[2:]) else REFUSED
    return 1.0
