"""How much of a client a server puts up with: sizes in bytes, deadlines in seconds."""

from dataclasses import dataclass

from calcbench.core.options import option

DAY = 86_400.0  # seconds
MIB = 1024 * 1024  # bytes


@dataclass(frozen=True)
class Policy:
    """The limits and deadlines of every connection, whatever the strategy."""

    # Sizes. 8,000 octets is the least request line that RFC 9112 §3 recommends to support.
    max_request_line: int = option(8192, "longest request line, bytes (414)", least=256, most=MIB)
    max_field_line: int = option(8192, "longest header field, bytes (431)", least=256, most=MIB)
    max_fields: int = option(100, "most header fields in one request (431)", least=1, most=10_000)
    max_head: int = option(
        32768, "longest head, or trailers, bytes (431)", least=4096, most=16 * MIB
    )
    max_body: int = option(65536, "longest request body, bytes (413)", least=0, most=1024 * MIB)
    max_connections: int = option(
        16_384,  # an active one holds up to 40 KiB
        "connections that an event loop keeps open; more wait to be accepted",
        least=1,
        most=1_000_000,
    )
    # Deadlines: for the whole of a thing, so that a steady drip of octets does not help.
    head_timeout: float = option(
        10.0, "seconds for a whole request head (408)", least=0.01, most=DAY, seconds=True
    )
    body_timeout: float = option(
        10.0, "seconds for a request body (408)", least=0.01, most=DAY, seconds=True
    )
    body_rate: float = option(
        500.0, "bytes of body for which the sender gets one more second", least=1.0, most=1e9
    )
    idle_timeout: float = option(
        5.0, "seconds an idle connection is kept open", least=0.01, most=DAY, seconds=True
    )
    send_timeout: float = option(
        10.0, "seconds a client may take to read its response", least=0.01, most=DAY, seconds=True
    )
    linger_timeout: float = option(
        2.0, "seconds to linger, reading on, after an error", least=0.01, most=DAY, seconds=True
    )
    drain_timeout: float = option(
        3.0,
        "seconds for open requests at a stop, on top of the workload's",
        least=0.01,
        most=DAY,
        seconds=True,
    )
