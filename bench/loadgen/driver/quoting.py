"""Bytes that a server has sent, as text for who reads a result: printable, and not too long."""

QUOTED = 60  # bytes that a reason shows of what was wrong


def printable_bytes(data: bytes) -> str:
    """Return *data* in printable ASCII, with an escape for each byte that is none."""
    return repr(data)[2:-1]


def quote(data: bytes) -> str:
    """Return *data* as a reason shows it: printable, in quotes, and not too long."""
    return repr(data[:QUOTED])[1:] + ("..." if len(data) > QUOTED else "")


def quote_list(elements: list[bytes]) -> str:
    """Return the *elements* of a field as a reason shows them."""
    return quote(b", ".join(elements)) if elements else "there is none"
