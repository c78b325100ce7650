"""How drivers report: messages of a kind, a length and a content.

Samples are native integers, the rest is JSON.
"""

import struct

# A sample is these integers of 64 bits: intended, sent, first, done, and the client, whether it
# had to wait for a free connection, and the outcome in one: client << TAG_BITS | waited | outcome.
SAMPLE = 5
WAITED = 8
TAG_BITS = 4
NOBODY = -1  # the client of a request that never got a connection
PACK = 256  # samples that are packed at once: 20 µs in which nobody is served
MESSAGE = struct.Struct("=cq")
READY, OPENED, SAMPLES, REPORT, ERROR = b"r", b"o", b"s", b"j", b"e"
