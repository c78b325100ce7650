r"""What the head of an HTTP/1.1 request must look like.

A request's head, as it comes from the client::

    GET /add/2/3 HTTP/1.1\r\n        method, target, version    RFC 9112 §3
    Host: localhost:8080\r\n         field: name ":" value      RFC 9112 §5
    Accept: text/plain\r\n
    \r\n                             the empty line ends the head

A head that comes whole is cut at its first two spaces (one that comes in pieces is read by
`calcbench.core.http.head`). Method and target change from request to request; version
and header section, here called the *fields_text*, a client repeats to the letter. So the parser
parses a fields_text once, and remembers what it says.

Rules are matched octet by octet against the grammar, never with `int()`, `strip()` or
`isdigit()` of text, which accept more than the grammar does. Where the RFC lets a server
choose, this one refuses.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from calcbench.core.errors import HttpError
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import CHUNKED, Fields, Request

END_OF_HEAD = b"\r\n\r\n"

DIGITS = b"0123456789"
LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOKEN = b"!#$%&'*+-.^_`|~" + DIGITS + LETTERS  # RFC 9110 §5.6.2: the octets of a token
TCHAR = b"[%b]" % re.escape(TOKEN)  # any one of them, as a pattern

MAX_METHOD = 24  # octets; the longest registered method has 17
SHORT_TARGET = 64  # octets; `parse_whole_head` says why it is so short
SLASH = ord("/")

# No match can go back into what has matched: a class is repeated possessively (the second +), a
# group in an atomic one, (?>…). A second + behind a group would say the same, but up to CPython
# 3.11.4 lets the last, failed round count (gh-100061, gh-106052).
# RFC 9110 §5.5: visible octets, space, tab, and obs-text, which is carried as it is.
FIELD_LINES = re.compile(rb"(?>(?:%b++:[\t\x20-\x7e\x80-\xff]*+\r\n)*)" % TCHAR)
HOST = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]++)\]|(?>(?:[0-9A-Za-z\-._~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})+))"
    rb"(?::([0-9]*+))?"
)
# RFC 3986 §3.3 and §3.4. The absolute form has a host first, which `validate_host` looks at.
PATH = rb"/(?>(?:[/0-9A-Za-z\-._~!$&'()*+,;=:@]++|%[0-9A-Fa-f]{2})*)"
QUERY = rb"\?(?>(?:[/?0-9A-Za-z\-._~!$&'()*+,;=:@]++|%[0-9A-Fa-f]{2})*)"
ORIGIN_FORM = re.compile(rb"(%b)(?:%b)?" % (PATH, QUERY))
ABSOLUTE_FORM = re.compile(rb"[Hh][Tt][Tt][Pp]://([^/?#]++)(%b)?(?:%b)?" % (PATH, QUERY))
# The fields that framing and routing need, in a fields_text in lower case.
NEEDED = re.compile(rb"\n(host|content-length|transfer-encoding|connection|expect):([^\r]*+)")
BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])\r\n")

MINOR = {b"HTTP/1.1\r\n": 1, b"HTTP/1.0\r\n": 0}  # the versions that are spoken
METHODS = frozenset({b"GET", b"HEAD", b"POST", b"OPTIONS"})


class Parser:
    """Turns heads into requests, under one policy; shared by all connections of a server.

    `remembered` maps a fields_text to what it was parsed to. It is bounded: so many entries of at
    most so many bytes, and forgotten as a whole when full.
    """

    REMEMBERED_ENTRIES = 64  # what clients have in common; each connection has its last one beside
    REMEMBERED_BYTES = 2048

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.remembered: dict[bytes, Fields] = {}

    # The short cut, for most reads are one whole request with the fields_text of the one before.
    #
    # - What qualifies: octets that are one head, valid, and end where it ends; that announce no
    #   body, so that nobody waits for 100 Continue either. *last*, if any, came from here: what
    #   equals its text has qualified already.
    # - No limit can be passed: at most MAX_METHOD octets of method, SHORT_TARGET of target and
    #   REMEMBERED_BYTES of fields_text stay below the least request line (256) and the least head
    #   (4096) that a Policy can demand; the limits of fields are `parse_fields`'s own.
    # - None means «parse it the slow way», not that the octets are bad. If they are, the slow way
    #   says so.
    # - tests/test_differential.py holds both ways equal:
    #   test_decides_the_same_by_the_short_cut_and_by_the_slow_way.
    def parse_whole_head(self, octets: bytes, last: Fields | None) -> Request | None:
        """Return the request that *octets* are, or None; *last* is the fields of the one before."""
        try:
            method, target, fields_text = octets.split(b" ", 2)
            if last is None or fields_text != last.text:
                if fields_text.find(END_OF_HEAD) + 4 != len(fields_text):
                    return None
                if len(fields_text) > self.REMEMBERED_BYTES:
                    return None
                last = self.fields_of(fields_text)
                if last.body_length:
                    return None
            if len(target) > SHORT_TARGET:
                return None
            if target.replace(b"/", b"").isalnum() and method == b"GET" and target[0] == SLASH:
                return Request(method, target, target, last)  # as most are: a path and no more
            return parse_request_line(method, target, last)
        except (ValueError, HttpError):  # ValueError: there are less than two spaces
            return None

    def fields_of(self, fields_text: bytes) -> Fields:
        """Return what `parse_fields` makes of *fields_text*, from memory where that has it.

        Raises HttpError; what is refused is not remembered.
        """
        fields = self.remembered.get(fields_text)
        if fields is None:
            fields = parse_fields(fields_text, self.policy)
            if len(fields_text) <= self.REMEMBERED_BYTES:
                if len(self.remembered) >= self.REMEMBERED_ENTRIES:
                    self.remembered.clear()
                self.remembered[fields_text] = fields
        return fields


def parse_request_line(method: bytes, target: bytes, fields: Fields) -> Request:
    """Return the request that *method*, *target* and *fields* make. Raises HttpError."""
    if method not in METHODS:
        if not method or method.translate(None, TOKEN):
            raise HttpError(400, "the method is not a token")
        if len(method) > MAX_METHOD:
            raise HttpError(501, "the method is too long")
    return Request(method, target, parse_path(method, target, fields), fields)


def parse_path(method: bytes, target: bytes, fields: Fields) -> bytes:
    """Return the path of a *target* in any of its four forms (RFC 9112 §3.2)."""
    if method == b"CONNECT":
        # RFC 9110 §9.3.6: what follows is a tunnel, and this is no proxy.
        raise HttpError(501, "CONNECT is for proxies")
    if matched := ORIGIN_FORM.fullmatch(target):
        return matched[1]
    if target == b"*":
        if method != b"OPTIONS":
            raise HttpError(400, "the target * is for OPTIONS only")
        return target
    if matched := ABSOLUTE_FORM.fullmatch(target):
        host = matched[1].lower()
        validate_host(host)
        # RFC 9112 §3.2.2 prefers the target's host; two names for one request are refused here.
        if fields.host is not None and fields.host != host:
            raise HttpError(400, "Host differs from the host in the target")
        return matched[2] or b"/"
    if BAD_PERCENT.search(target):
        raise HttpError(400, "in the target, % is not followed by two hexadecimal digits")
    if not target.startswith((b"/", b"http://")):
        raise HttpError(400, "the target is neither a path nor an http URL")
    raise HttpError(400, "the target holds a byte that a URL must percent-encode")


def parse_fields(text: bytes, policy: Policy) -> Fields:
    """Return what *text* says, from the version to the empty line. Raises HttpError."""
    minor = MINOR.get(text[:10])
    if minor is None:
        minor = parse_version(text)
    matched = FIELD_LINES.match(text, 10)
    if matched is None or matched.end() + 2 != len(text):
        raise HttpError(400, describe_bad_field(text))
    if len(text) > policy.max_field_line:
        longest = max(len(line) for line in text.split(b"\r\n"))
        if longest > policy.max_field_line:
            raise HttpError(431, f"a header field is over {policy.max_field_line} bytes")
    # The shortest field line has four octets.
    if len(text) > 4 * policy.max_fields and text.count(b"\r\n") - 2 > policy.max_fields:
        raise HttpError(431, f"there are over {policy.max_fields} header fields")
    found = NEEDED.findall(text.lower())
    if len(found) == 1 and found[0][0] == b"host":  # as mostly: nothing else matters here
        host = parse_host([found[0][1].strip(b" \t")], minor)
        return Fields(minor, text, host, 0, minor == 1, False)
    needed: dict[bytes, list[bytes]] = {}
    for name, value in found:
        needed.setdefault(name, []).append(value.strip(b" \t"))
    host = parse_host(needed.get(b"host", []), minor)
    codings, lengths = needed.get(b"transfer-encoding"), needed.get(b"content-length")
    body_length = parse_framing(codings, lengths, minor, policy) if codings or lengths else 0
    tokens = parse_connection(*needed[b"connection"]) if b"connection" in needed else frozenset()
    # RFC 9112 §9.3: 1.1 persists unless told otherwise, 1.0 closes unless told otherwise.
    keep_alive = b"close" not in tokens and (minor == 1 or b"keep-alive" in tokens)
    expects_continue = b"expect" in needed and minor == 1 and parse_expectation(needed[b"expect"])
    return Fields(minor, text, host, body_length, keep_alive, expects_continue)


def parse_version(text: bytes) -> int:
    """Return the minor version to speak for a version other than 1.0 and 1.1."""
    version = VERSION.match(text)
    if version is None:
        raise HttpError(400, "the version is not HTTP/1.1")
    if version[1] != b"1":
        raise HttpError(505, "this server speaks HTTP/1.1")
    return 1  # RFC 9110 §2.5: a higher minor version is served as the highest we know


def parse_host(hosts: list[bytes], minor: int) -> bytes | None:
    """Return the one valid Host; None where HTTP/1.0 sends none (RFC 9112 §3.2)."""
    if len(hosts) > 1:
        raise HttpError(400, "there is more than one Host")
    if not hosts:
        if minor == 0:
            return None
        raise HttpError(400, "Host is missing")
    validate_host(hosts[0])
    return hosts[0]


def validate_host(host: bytes) -> None:
    """Raise HttpError unless *host* is a name or address with an optional port."""
    matched = HOST.fullmatch(host)  # RFC 3986 §3.2.2
    if matched is None or len(host) > 300:
        raise HttpError(400, "Host is not a host name with an optional port")
    if matched[1]:
        try:
            IPv6Address(matched[1].decode("ascii"))
        except AddressValueError:
            raise HttpError(400, "Host is not an IPv6 address") from None
    if matched[2] and (len(matched[2]) > 5 or int(matched[2]) > 65535):
        raise HttpError(400, "the port in Host is over 65535")


def parse_framing(
    codings: list[bytes] | None, lengths: list[bytes] | None, minor: int, policy: Policy
) -> int:
    """Return the length of the body in bytes, or CHUNKED (RFC 9112 §6.3).

    *codings* and *lengths* are the values of Transfer-Encoding and Content-Length. Two parties
    that see different ends of a body can be made to see different requests, so whatever could
    be read in two ways is refused, where the RFC would allow a repair too.
    """
    if codings:
        if minor == 0:
            raise HttpError(400, "HTTP/1.0 has no Transfer-Encoding")  # RFC 9112 §6.1
        if lengths:
            raise HttpError(400, "there are both Transfer-Encoding and Content-Length")
        coding = b",".join(codings)
        if coding != b"chunked":
            names = [name.strip(b" \t") for name in coding.split(b",")]
            if any(not name or name.translate(None, TOKEN + b' \t;="') for name in names):
                raise HttpError(400, "Transfer-Encoding is not a list of codings")
            if b"chunked" in names[:-1]:
                raise HttpError(400, "chunked must be the last coding, and only once")
            raise HttpError(501, "the only transfer coding supported is chunked")
        return CHUNKED
    if not lengths:
        return 0
    length = lengths[0]
    if len(lengths) > 1:
        raise HttpError(400, "there is more than one Content-Length")
    if not length or length.translate(None, DIGITS):
        raise HttpError(400, "Content-Length is not a number of ASCII digits")
    if length[:1] == b"0" and length != b"0":
        raise HttpError(400, "Content-Length has a leading zero")
    if len(length) > 18 or int(length) > policy.max_body:
        raise HttpError(413, f"the body is over {policy.max_body} bytes")
    return int(length)


@lru_cache(maxsize=64)
def parse_connection(*lists: bytes) -> frozenset[bytes]:
    """Return the tokens of all Connection fields, in lower case (RFC 9110 §7.6.1)."""
    tokens = frozenset(token.strip(b" \t") for token in b",".join(lists).split(b","))
    if any(token.translate(None, TOKEN) for token in tokens):
        raise HttpError(400, "Connection is not a list of tokens")
    return tokens


def parse_expectation(expectations: list[bytes]) -> bool:
    """Tell whether the client waits for 100 Continue (RFC 9110 §10.1.1)."""
    if expectations != [b"100-continue"]:
        raise HttpError(417, "the only expectation supported is 100-continue")
    return True


def describe_bad_field(text: bytes) -> str:
    """Say what is wrong with the first bad field line of *text*."""
    for line in text[10:-4].split(b"\r\n"):
        if FIELD_LINES.fullmatch(line + b"\r\n"):
            continue
        name, colon, _ = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            return "a header field is folded over two lines"  # RFC 9112 §5.2
        if not colon:
            return "a header field has no colon"
        if name != name.rstrip(b" \t"):
            return "there is a space before a header field's colon"  # RFC 9112 §5.1
        if not name or name.translate(None, TOKEN):
            return "the name of a header field is not a token"
        break
    return "a header field holds a control character"
