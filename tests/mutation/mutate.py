"""Break each rule of the parser once, and see that a test fails: `make mutants`.

Each mutation is a text in a file and what is put in its place, by hand, one for each rule. It is
made in a copy of the tree, where the tests of HTTP run until the first failure. A mutant that
they do not notice survives: then a test is missing. Usage::

    python tests/mutation/mutate.py [-j JOBS] [WORD IN THE RULE …]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# The quick ones first: most mutants fall at once.
TESTS = [
    "tests/test_connection.py",
    "tests/test_corpus.py",
    "tests/test_linear.py",
    "tests/test_differential.py",
]
NEEDED = ("core", "strategies", "bench", "tests", "pyproject.toml")
TOO_LONG_S = 300.0  # a mutant that loops for ever is noticed too
PARSER, MESSAGE, RENDER, HEAD, BODY, CONNECTION = (
    f"core/http/{name}.py" for name in ("parser", "message", "render", "head", "body", "connection")
)


@dataclass(frozen=True)
class Mutation:
    """A *rule*, and how to break it: *old* stands in *file* exactly once."""

    rule: str
    file: str
    old: str
    new: str


def mutations() -> list[Mutation]:
    """Return all mutations, by file and in the order of its lines."""
    return [
        Mutation(rule, file, old, new)
        for file, rules in (
            (PARSER, PARSER_RULES),
            (MESSAGE, MESSAGE_RULES),
            (RENDER, RENDER_RULES),
            (HEAD, HEAD_RULES),
            (BODY, BODY_RULES),
            (CONNECTION, CONNECTION_RULES),
        )
        for rule, old, new in rules
    ]


# fmt: off
# ruff: noqa: E501 - one line for each mutation: the rule, and what stands for what
PARSER_RULES = [
    ("a token has no delimiters", 'TOKEN = b"!#$', 'TOKEN = b"(!#$'),
    ("a method has at most 24 octets", "MAX_METHOD = 24", "MAX_METHOD = 25"),
    ("a short target is short", "SHORT_TARGET = 64", "SHORT_TARGET = 9000"),
    ("a field name is a token", '\\r\\n)*)" % TCHAR)', '\\r\\n)*)" % b"[^:\\r\\n]")'),
    ("a field name is not empty", "%b++:[\\t\\x20", "%b*+:[\\t\\x20"),
    ("a value has no control octets", ":[\\t\\x20-\\x7e\\x80-\\xff]*+\\r", ":[^\\r\\n\\0]*+\\r"),
    ("a value has no NUL", ":[\\t\\x20-\\x7e", ":[\\0\\t\\x20-\\x7e"),
    ("a value has no bare CR", ":[\\t\\x20-\\x7e", ":[\\r\\t\\x20-\\x7e"),
    ("a value has no bare LF", ":[\\t\\x20-\\x7e", ":[\\n\\t\\x20-\\x7e"),
    ("a value has no DEL", "\\x20-\\x7e\\x80-\\xff]*+\\r\\n)*)", "\\x20-\\xff]*+\\r\\n)*)"),
    ("a value may have tabs", ":[\\t\\x20-\\x7e", ":[\\x20-\\x7e"),
    ("a value may have obs-text", "\\x7e\\x80-\\xff]*+\\r\\n)*)", "\\x7e]*+\\r\\n)*)"),
    ("an IPv6 address is in brackets", "(?:\\[([0-9A-Fa-f:.]++)\\]|", "(?:\\[?([0-9A-Fa-f:.]++)\\]?|"),
    ("a host has no user", "~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})+)", "~!$&'()*+,;=@]++|%[0-9A-Fa-f]{2})+)"),
    ("a host is not empty", "=]++|%[0-9A-Fa-f]{2})+))", "=]++|%[0-9A-Fa-f]{2})*))"),
    ("a host's percent sign needs digits", ",;=]++|%[0-9A-Fa-f]{2})+)", ",;=%]++|%[0-9A-Fa-f]{2})+)"),
    ("a port is a number", "(?::([0-9]*+))?", "(?::([0-9a-z]*+))?"),
    ("a port may be empty", "(?::([0-9]*+))?", "(?::([0-9]++))?"),
    ("a path begins with a slash", 'PATH = rb"/(?>(?:', 'PATH = rb"/?(?>(?:'),
    ("a path has only URL octets", 'PATH = rb"/(?>(?:[/0-9', 'PATH = rb"/(?>(?:[|/0-9'),
    ("a path has no backslash", 'PATH = rb"/(?>(?:[/0-9', 'PATH = rb"/(?>(?:[\\\\/0-9'),
    ("a path has no non-ASCII octets", 'PATH = rb"/(?>(?:[/0-9', 'PATH = rb"/(?>(?:[\\x80-\\xff/0-9'),
    ("a path may hold any URL octet", 'PATH = rb"/(?>(?:[/0-9A-Za-z\\-._~!', 'PATH = rb"/(?>(?:[/0-9A-Za-z\\-._~'),
    ("a path's percent sign needs digits", '{2})*)"\nQUERY', '{1})*)"\nQUERY'),
    ("a query has only URL octets", 'QUERY = rb"\\?(?>(?:[/?0-9', 'QUERY = rb"\\?(?>(?:[#/?0-9'),
    ("a query may hold a slash", 'QUERY = rb"\\?(?>(?:[/?0-9', 'QUERY = rb"\\?(?>(?:[?0-9'),
    ("a query may hold a question mark", 'QUERY = rb"\\?(?>(?:[/?0-9', 'QUERY = rb"\\?(?>(?:[/0-9'),
    ("a query's percent sign needs digits", '{2})*)"\nORIGIN', '{1})*)"\nORIGIN'),
    ("a query is no part of the path", '(rb"(%b)(?:%b)?" % (P', '(rb"(%b(?:%b)?)" % (P'),
    ("a scheme is case-insensitive", "[Hh][Tt][Tt][Pp]://", "http://"),
    ("the scheme is http", "[Hh][Tt][Tt][Pp]://", "[Hh][Tt][Tt][Pp][Ss]?://"),
    ("an absolute target may have no path", "([^/?#]++)(%b)?(?:", "([^/?#]++)(%b)(?:"),
    ("Host is looked for", 'NEEDED = re.compile(rb"\\n(host|', 'NEEDED = re.compile(rb"\\n(hos|'),
    ("a name is looked for from its beginning", 'rb"\\n(host|', 'rb"(host|'),
    ("a name is looked for to its end", "|expect):([^", "|expect)[^:]*+:([^"),
    ("a version has one digit for the minor", 'VERSION = re.compile(rb"HTTP/([0-9])\\.([0-9])\\r', 'VERSION = re.compile(rb"HTTP/([0-9])\\.([0-9]++)\\r'),
    ("a version has a point", 'VERSION = re.compile(rb"HTTP/([0-9])\\.', 'VERSION = re.compile(rb"HTTP/([0-9])[.,]'),
    ("nothing stands behind the version", '([0-9])\\r\\n")', '([0-9])")'),
    ("remembered entries are bounded", "if len(self.remembered) >= self.REMEMBERED_ENTRIES:", "if False:"),
    ("a remembered fields_text is short", "if len(fields_text) <= self.REMEMBERED_BYTES:", "if True:"),
    ("a good fields_text is remembered", "self.remembered[fields_text] = fields\n        return", "pass\n        return"),
    ("a fields_text is forgotten when there are too many", "self.remembered.clear()", "return fields"),
    ("the last fields_text is the same to the letter", "if last is None or fields_text != last.text:", "if last is None:"),
    ("a fields_text of a whole head ends it", "if fields_text.find(END_OF_HEAD) + 4 != len(fields_text):", "if False:"),
    ("a fields_text of the short cut is short", "if len(fields_text) > self.REMEMBERED_BYTES:", "if False:"),
    ("a whole head announces no body", "                if last.body_length:", "                if False:"),
    ("a target of the short cut is short", "if len(target) > SHORT_TARGET:", "if False:"),
    ("a plain path is of letters and digits", 'if target.replace(b"/", b"").isalnum() and method', "if method"),
    ("a plain path is asked for with GET", 'method == b"GET" and target[0] == SLASH:', "target[0] == SLASH:"),
    ("a plain path begins with a slash", 'method == b"GET" and target[0] == SLASH:', 'method == b"GET":'),
    ("a whole head has two spaces", "except (ValueError, HttpError):", "except HttpError:"),
    ("a method is not empty", "if not method or method.translate(None, TOKEN):", "if method.translate(None, TOKEN):"),
    ("a method is a token", "if not method or method.translate(None, TOKEN):", "if not method:"),
    ("a long method is 501 in one piece too", "if len(method) > MAX_METHOD:\n            raise", "if False:\n            raise"),
    ("CONNECT is refused", 'if method == b"CONNECT":', 'if method == b"CONNEC":'),
    ("CONNECT is 501", 'HttpError(501, "CONNECT is', 'HttpError(400, "CONNECT is'),
    ("* goes with OPTIONS only", 'if method != b"OPTIONS":', 'if method == b"GETS":'),
    ("* goes with OPTIONS", 'if target == b"*":', 'if target == b"**":'),
    ("a target's host is lower-cased", "host = matched[1].lower()", "host = matched[1]"),
    ("a target's host is checked", "        validate_host(host)\n        # RFC", "        # RFC"),
    ("a target's host is the Host", "if fields.host is not None and fields.host != host:", "if False:"),
    ("a target's host need not be the Host of none", "if fields.host is not None and fields.host != host:", "if fields.host != host:"),
    ("an absolute target without a path means /", 'return matched[2] or b"/"', 'return matched[2] or b""'),
    ("HTTP/1.0 is known", ', b"HTTP/1.0\\r\\n": 0}', "}"),
    ("minor 0 is 0", 'b"HTTP/1.0\\r\\n": 0}', 'b"HTTP/1.0\\r\\n": 1}'),
    ("minor 1 is 1", 'b"HTTP/1.1\\r\\n": 1,', 'b"HTTP/1.1\\r\\n": 0,'),
    ("Host alone leaves the version to decide", "return Fields(minor, text, host, 0, minor == 1, False)", "return Fields(minor, text, host, 0, True, False)"),
    ("Host alone is alone", 'if len(found) == 1 and found[0][0] == b"host":', 'if found and found[0][0] == b"host":'),
    ("what is alone is Host", 'if len(found) == 1 and found[0][0] == b"host":', "if len(found) == 1:"),
    ("fields are well-formed to the end", "if matched is None or matched.end() + 2 != len(text):", "if matched is None:"),
    ("a field has a limit", "if longest > policy.max_field_line:", "if False:"),
    ("a field's limit is exact", "if longest > policy.max_field_line:", "if longest >= policy.max_field_line:"),
    ("a field's limit is exact above", "if longest > policy.max_field_line:", "if longest > policy.max_field_line + 1:"),
    ("a field too large is 431", 'HttpError(431, f"a header field', 'HttpError(400, f"a header field'),
    ("fields have a number", 'text.count(b"\\r\\n") - 2 > policy.max_fields:', 'text.count(b"\\r\\n") - 2 > 100000:'),
    ("the number of fields is exact", 'text.count(b"\\r\\n") - 2 > policy', 'text.count(b"\\r\\n") - 1 > policy'),
    ("the number of fields is exact above", 'text.count(b"\\r\\n") - 2 > policy', 'text.count(b"\\r\\n") - 3 > policy'),
    ("many short fields are many", "if len(text) > 4 * policy.max_fields and", "if len(text) > 6 * policy.max_fields and"),
    ("names are case-insensitive", "NEEDED.findall(text.lower())", "NEEDED.findall(text)"),
    ("white space around a value does not count", 'append(value.strip(b" \\t"))', "append(value)"),
    ("only spaces and tabs are white space", 'append(value.strip(b" \\t"))', "append(value.strip(b' \\t\\xa0'))"),
    ("close is a token", 'keep_alive = b"close" not in tokens and', "keep_alive ="),
    ("HTTP/1.0 closes", 'and (minor == 1 or b"keep-alive" in tokens)', ""),
    ("HTTP/1.0 may persist", 'and (minor == 1 or b"keep-alive" in tokens)', "and minor == 1"),
    ("HTTP/1.1 persists", "and (minor == 1 or", "and (minor == 2 or"),
    ("HTTP/1.0 expects nothing", 'b"expect" in needed and minor == 1 and', 'b"expect" in needed and'),
    ("major versions other than 1 are refused", 'if version[1] != b"1":', 'if version[1] == b"x":'),
    ("major versions other than 1 are 505", 'HttpError(505, "this', 'HttpError(400, "this'),
    ("higher minor versions are 1", "return 1  # RFC 9110 §2.5", "return 0  # RFC 9110 §2.5"),
    ("Host is there once", "if len(hosts) > 1:", "if len(hosts) > 2:"),
    ("Host may be missing in HTTP/1.0", "        if minor == 0:\n            return None", "        if minor == 3:\n            return None"),
    ("Host is there in HTTP/1.1", '        raise HttpError(400, "Host is missing")', "        return None"),
    ("Host is checked", "    validate_host(hosts[0])\n", ""),
    ("Host has a form", "if matched is None or len(host) > 300:", "if len(host) > 300:\n        raise HttpError(400, '')\n    if matched is None:\n        return\n    if False:"),
    ("Host has at most 300 octets", "len(host) > 300:", "len(host) > 301:"),
    ("Host may have 300 octets", "len(host) > 300:", "len(host) > 299:"),
    ("an IPv6 address is one", "    if matched[1]:\n", "    if False:\n"),
    ("a port is at most 65535", "int(matched[2]) > 65535", "int(matched[2]) > 65536"),
    ("a port may be 65535", "int(matched[2]) > 65535", "int(matched[2]) > 65534"),
    ("a port has at most five digits", "(len(matched[2]) > 5 or", "(len(matched[2]) > 6 or"),
    ("HTTP/1.0 has no Transfer-Encoding", '        if minor == 0:\n            raise HttpError(400, "HTTP/1.0', '        if minor == 3:\n            raise HttpError(400, "HTTP/1.0'),
    ("Transfer-Encoding and Content-Length exclude each other", "        if lengths:\n            raise", "        if False:\n            raise"),
    ("chunked is the only coding", 'if coding != b"chunked":', 'if not coding.endswith(b"chunked"):'),
    ("all Transfer-Encoding fields count", 'coding = b",".join(codings)', "coding = codings[-1]"),
    ("all Transfer-Encoding fields count, the last too", 'coding = b",".join(codings)', "coding = codings[0]"),
    ("a coding is not empty", "if any(not name or name.translate", "if any(name.translate"),
    ("a coding is a token with parameters", 'if any(not name or name.translate(None, TOKEN + b\' \\t;="\') for name in names):', "if any(not name for name in names):"),
    ("chunked is last", 'if b"chunked" in names[:-1]:', "if False:"),
    ("an unknown coding is 501", 'HttpError(501, "the only transfer', 'HttpError(400, "the only transfer'),
    ("Content-Length is there once", "if len(lengths) > 1:", "if len(set(lengths)) > 1:"),
    ("Content-Length agrees with itself", "if len(lengths) > 1:", "if False:"),
    ("Content-Length is not empty", "if not length or length.translate(None, DIGITS):", "if length.translate(None, DIGITS):"),
    ("Content-Length is of digits", "if not length or length.translate(None, DIGITS):", "if not length:"),
    ("Content-Length is of ASCII digits", "if not length or length.translate(None, DIGITS):", "if not length.decode('latin-1').isdigit():"),
    ("Content-Length has no sign", "length.translate(None, DIGITS):", "length.translate(None, DIGITS + b'+'):"),
    ("Content-Length has no leading zero", 'if length[:1] == b"0" and length != b"0":', "if False:"),
    ("Content-Length may be 0", 'if length[:1] == b"0" and length != b"0":', 'if length[:1] == b"0":'),
    ("Content-Length may have 5000 digits", "if len(length) > 18 or int(length)", "if int(length)"),
    ("a body has a limit", "int(length) > policy.max_body:", "int(length) > 10**9:"),
    ("a body's limit is exact", "int(length) > policy.max_body:", "int(length) >= policy.max_body:"),
    ("a body's limit is exact above", "int(length) > policy.max_body:", "int(length) > policy.max_body + 1:"),
    ("a body too large is 413", "        raise HttpError(413,", "        raise HttpError(400,"),
    ("Connection is a list over all fields", 'b",".join(lists).split(b",")', 'lists[0].split(b",")'),
    ("Connection's tokens have white space around", '(token.strip(b" \\t") for token in', "(token for token in"),
    ("Connection is of tokens", "    if any(token.translate(None, TOKEN) for token in tokens):", "    if False:"),
    ("the only expectation is 100-continue", 'if expectations != [b"100-continue"]:', "if False:"),
    ("the expectation is there once", 'if expectations != [b"100-continue"]:', 'if set(expectations) != {b"100-continue"}:'),
    ("another expectation is 417", "HttpError(417,", "HttpError(400,"),
]
RENDER_RULES = [
    ("204 has no body", "BODILESS = frozenset({204, 304})", "BODILESS = frozenset({304})"),
    ("304 has no body", "BODILESS = frozenset({204, 304})", "BODILESS = frozenset({204})"),
    ("Date is in every response", 'b"HTTP/1.1 %d %b\\r\\n%bContent-Type: %b\\r\\nContent-Length: " % (\n        status,\n        REASONS[status],\n        date_line,', 'b"HTTP/1.1 %d %b\\r\\nContent-Type: %b\\r\\nContent-Length: " % (\n        status,\n        REASONS[status],'),
    ("Date is in a response without a body", "(status, REASONS[status], date_line, more)", '(status, REASONS[status], b"", more)'),
    ("a short response has no further fields", "not (more or head_only or response.headers):", "not (head_only or response.headers):"),
    ("a short response is not to HEAD", "not (more or head_only or response.headers):", "not (more or response.headers):"),
    ("a short response has no headers of its own", " or head_only or response.headers):", " or head_only):"),
    ("headers are sent", 'more += b"%b: %b\\r\\n" % (name, value)', "pass"),
    ("Content-Length is exact", "        length,\n        more,", "        length + 1,\n        more,"),
    ("HEAD has no body", 'b"" if head_only else body', "body"),
]
MESSAGE_RULES = [
    ("headers have lower-case names", "name, value = name.lower(), value.strip", "name, value = name, value.strip"),
    ("headers have no white space around", 'name.lower(), value.strip(b" \\t")', "name.lower(), value"),
    ("headers of one name are joined", 'merged[name] + b", " + value if name in merged else value', "value"),
]
HEAD_RULES = [
    ("four empty lines are overlooked", "MAX_EMPTY_LINES = 4", "MAX_EMPTY_LINES = 3"),
    ("five empty lines are not", "MAX_EMPTY_LINES = 4", "MAX_EMPTY_LINES = 5"),
    ("no octet of a head is looked at twice", "buffer.find(END_OF_HEAD, self.scanned)", "buffer.find(END_OF_HEAD)"),
    ("empty lines are dropped", '        while buffer.startswith(b"\\r\\n"):\n', "        while False:\n"),
    ("empty lines are counted", "            self.empty_lines += 1\n", "            pass\n"),
    ("the end of a head is looked for behind empty lines", "            end = buffer.find(END_OF_HEAD)\n", ""),
    ("empty lines are forgotten", "        self.scanned = self.empty_lines = 0\n", "        self.scanned = 0\n"),
    ("what is dropped is not looked at again", "        self.scanned = self.empty_lines = 0\n", "        self.empty_lines = 0\n"),
    ("a fault is found before the end", "            validate_beginning(buffer, self.scanned, self.policy)\n", ""),
    ("the end of a head may come in pieces", "max(0, len(buffer) - 3)", "len(buffer)"),
    ("a request line has a limit in one piece", "if len(start) + 9 > self.policy.max_request_line or len", "if len"),
    ("the limit of a request line is exact in one piece", "if len(start) + 9 > self", "if len(start) + 8 > self"),
    ("a head has a limit in one piece", " or len(head) > self.policy.max_head:", ":"),
    ("a request line has a version", "            if not separator:\n                raise", "            if False:\n                raise"),
    ("the first fault counts in one piece too", "            validate_beginning(head, 0, self.policy)\n            raise\n", "            raise\n"),
    ("a CR alone may become an empty line", ' and octets != b"\\r":', ":"),
    ("a method too long is 501", "        if end > MAX_METHOD:  # RFC 9112 §3\n", "        if False:\n"),
    ("a method is looked at before its end", "method = METHOD.match(octets, 0, MAX_METHOD + 1)", "method = METHOD.match(octets, 0, MAX_METHOD)"),
    ("a method ends in a space", '(end == 0 or octets[end] != ord(" "))', "end == 0"),
    ("a method is not empty in pieces", '(end == 0 or octets[end] != ord(" "))', 'octets[end] != ord(" ")'),
    ("a bare LF is found", 'if line_end == 0 or octets[line_end - 1] != ord("\\r"):', "if False:"),
    ("a bare LF is found at the beginning", "if line_end == 0 or octets[line_end - 1]", "if octets[line_end - 1]"),
    ("a bare LF is found behind good lines", '        line_end = octets.find(b"\\n", line_end + 1)\n', "        break\n"),
    ("a request line has a limit in pieces", "if scanned < limit <= size and octets", "if False and octets"),
    ("the limit of a request line is exact", "limit = policy.max_request_line + 2", "limit = policy.max_request_line + 1"),
    ("the limit of a request line is exact above", "limit = policy.max_request_line + 2", "limit = policy.max_request_line + 3"),
    ("a request line too long is 414", "faults.append((limit - 1, 414,", "faults.append((limit - 1, 400,"),
    ("a fault behind the limit comes too late", "faults.append((limit - 1, 414,", "faults.append((limit + 1, 414,"),
    ("a head has a limit", "    if size > policy.max_head:\n", "    if False:\n"),
    ("the limit of a head is exact", "    if size > policy.max_head:\n", "    if size >= policy.max_head:\n"),
    ("the limit of a head is exact above", "    if size > policy.max_head:\n", "    if size > policy.max_head + 1:\n"),
    ("a head too large is 431", "(policy.max_head, 431,", "(policy.max_head, 400,"),
    ("the first fault counts", "_, status, message = min(faults)", "_, status, message = max(faults)"),
]
BODY_RULES = [
    ("a size line has at most 256 octets", "MAX_SIZE_LINE = 256", "MAX_SIZE_LINE = 257"),
    ("a size line may have 256 octets", "MAX_SIZE_LINE = 256", "MAX_SIZE_LINE = 255"),
    ("extensions have at most 4096 octets", "MAX_EXTENSIONS = 4096", "MAX_EXTENSIONS = 4098"),
    ("extensions may have 4096 octets", "MAX_EXTENSIONS = 4096", "MAX_EXTENSIONS = 4095"),
    ("a size is hexadecimal", "([0-9A-Fa-f]{1,16}+)", "([0-9A-Fa-fx]{1,16}+)"),
    ("a size may have capitals", "([0-9A-Fa-f]{1,16}+)", "([0-9a-f]{1,16}+)"),
    ("a size has no sign", "([0-9A-Fa-f]{1,16}+)", "([+]?[0-9A-Fa-f]{1,16}+)"),
    ("a size has no underscore", "([0-9A-Fa-f]{1,16}+)", "([0-9A-Fa-f_]{1,16}+)"),
    ("a size has at most 16 digits", "{1,16}+)", "{1,17}+)"),
    ("a size may have 16 digits", "{1,16}+)", "{1,15}+)"),
    ("a size is there", "([0-9A-Fa-f]{1,16}+)", "([0-9A-Fa-f]{0,16}+)"),
    ("a size has no space before it", "([0-9A-Fa-f]{1,16}+)", "[ ]?([0-9A-Fa-f]{1,16}+)"),
    ("a size has no space behind it", ')*))\\r\\n"""', ')*))[\\t ]*+\\r\\n"""'),
    ("an extension begins with ;", "(?>(?:[\\t ]*+;[\\t ]*+", "(?>(?:[\\t ]*+[;,][\\t ]*+"),
    ("an extension may have white space before ;", "(?>(?:[\\t ]*+;[\\t ]*+", "(?>(?:;[\\t ]*+"),
    ("an extension may have white space behind ;", "(?>(?:[\\t ]*+;[\\t ]*+", "(?>(?:[\\t ]*+;"),
    ("an extension has a name", "%b++\n             (?:[\\t ]*+=", "%b*+\n             (?:[\\t ]*+="),
    ("an extension may have white space before =", "(?:[\\t ]*+=[\\t ]*+(?:", "(?:=[\\t ]*+(?:"),
    ("an extension may have white space behind =", "(?:[\\t ]*+=[\\t ]*+(?:", "(?:[\\t ]*+=(?:"),
    ("an extension has a value behind =", '%b++\n                |"', '%b*+\n                |"'),
    ("a quoted value has no control octets", '|"(?>(?:[\\t \\x21', '|"(?>(?:[\\x00-\\x08\\t \\x21'),
    ("a quoted value has no DEL", "\\x5d-\\x7e\\x80-\\xff]|\\\\", "\\x5d-\\xff]|\\\\"),
    ("a quoted value may have obs-text", "\\x5d-\\x7e\\x80-\\xff]|\\\\", "\\x5d-\\x7e]|\\\\"),
    ("a quoted value ends at a quotation mark", '|"(?>(?:[\\t \\x21\\x23-', '|"(?>(?:[\\t \\x21-'),
    ("a quoted value has a backslash only for a pair", "\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\", "\\x23-\\x7e\\x80-\\xff]|\\\\"),
    ("a quoted pair is of visible octets", "|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*)", "|\\\\[\\x01\\t \\x21-\\x7e\\x80-\\xff])*)"),
    ("a quoted value may have quoted pairs", "|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*)", ")*)"),
    ("a quoted value may be empty", '\\x7e\\x80-\\xff])*)"))?', '\\x7e\\x80-\\xff])+)"))?'),
    ("an extension may have no value", '])*)"))?\n', '])*)"))\n'),
    ("a body of known length is no longer", "self.content += buffer[:missing]\n", "self.content += buffer\n"),
    ("a body of known length leaves what follows", "        del buffer[:missing]\n", "        del buffer[:]\n"),
    ("a body of known length is complete", "return len(self.content) == self.length", "return True"),
    ("chunk data ends where its size says", "data = buffer[: self.missing - 2]", "data = buffer[: self.missing]"),
    ("chunk data ends in CR", 'if buffer[0] != b"\\n\\r"[self.missing - 1]:', "if self.missing == 1 and buffer[0] != 10:"),
    ("chunk data ends in LF", 'if buffer[0] != b"\\n\\r"[self.missing - 1]:', "if self.missing == 2 and buffer[0] != 13:"),
    ("a trailer has the limit of a field", "(self.policy.max_field_line if self.in_trailers else MAX_SIZE_LINE)", "(9000 if self.in_trailers else MAX_SIZE_LINE)"),
    ("a size line has a limit of its own", "(self.policy.max_field_line if self.in_trailers else MAX_SIZE_LINE)", "self.policy.max_field_line"),
    ("CRLF does not count to a line", "limit = 2 + (self", "limit = 1 + (self"),
    ("CRLF alone does not count to a line", "limit = 2 + (self", "limit = 3 + (self"),
    ("a line without end is not waited for", "            if len(buffer) >= limit:\n", "            if False:\n"),
    ("no octet of a line is looked at twice", "            self.scanned = len(buffer)\n", "            self.scanned = 0\n"),
    ("a trailer too long is 431", 'HttpError(431, f"a trailer', 'HttpError(400, f"a trailer'),
    ("a line does not end in a bare LF", 'if not line.endswith(b"\\r\\n"):', "if False:"),
    ("a line is looked for from its beginning", "        del buffer[: end + 1]\n        self.scanned = 0\n", "        del buffer[: end + 1]\n"),
    ("a size line has its form", '        if matched is None:\n            raise HttpError(400, "a chunk\'s', '        if matched is None:\n            matched = SIZE_LINE.fullmatch(b\'0\\r\\n\')\n        if matched is None:\n            raise HttpError(400, "a chunk\'s'),
    ("extensions are added up", "self.extensions += len(matched[2])", "self.extensions = len(matched[2])"),
    ("extensions have a limit", "if self.extensions > MAX_EXTENSIONS:", "if False:"),
    ("a size is read as hexadecimal", "size = int(matched[1], 16)", "size = int(matched[1], 16) % (1 << 64) % (1 << 32)"),
    ("a body in chunks has a limit", "if len(self.content) + size > self.policy.max_body:", "if False:"),
    ("a body in chunks is added up", "if len(self.content) + size > self", "if size > self"),
    ("the limit of a body in chunks is exact", "+ size > self.policy.max_body:", "+ size >= self.policy.max_body:"),
    ("the limit of a body in chunks is exact above", "+ size > self.policy.max_body:", "+ size > self.policy.max_body + 1:"),
    ("a body in chunks too large is 413", "HttpError(413,", "HttpError(400,"),
    ("the last chunk has size 0", "        if size:\n            self.missing = size + 2", "        if True:\n            self.missing = size + 2"),
    ("a trailer has the form of a field", "if not FIELD_LINES.fullmatch(line):", "if False:"),
    ("a trailer does not frame or route", 'if NEEDED.match(b"\\n" + line.lower()):', "if False:"),
    ("a trailer's name is case-insensitive", 'NEEDED.match(b"\\n" + line.lower())', 'NEEDED.match(b"\\n" + line)'),
    ("trailers are added up", "self.trailer_bytes += len(line)", "self.trailer_bytes = len(line)"),
    ("trailers have a limit", "if self.trailer_bytes > self.policy.max_head:", "if False:"),
    ("the limit of trailers is exact", "if self.trailer_bytes > self.policy.max_head:", "if self.trailer_bytes >= self.policy.max_head:"),
    ("the limit of trailers is exact above", "if self.trailer_bytes > self.policy.max_head:", "if self.trailer_bytes > self.policy.max_head + 1:"),
    ("trailers have a number", "if self.trailer_lines > self.policy.max_fields:", "if False:"),
    ("the number of trailers is exact", "if self.trailer_lines > self.policy.max_fields:", "if self.trailer_lines >= self.policy.max_fields:"),
    ("the number of trailers is exact above", "if self.trailer_lines > self.policy.max_fields:", "if self.trailer_lines > self.policy.max_fields + 1:"),
    ("trailers too large are 431", 'HttpError(431, f"the trailers', 'HttpError(400, f"the trailers'),
    ("too many trailers are 431", 'HttpError(431, f"there are over {self', 'HttpError(400, f"there are over {self'),
]
CONNECTION_RULES = [
    ("unsent responses have a limit", "OUTPUT_ENOUGH = 16 * 1024", "OUTPUT_ENOUGH = 16 * 1024 * 1024"),
    ("it says that it closes", 'CLOSE = b"Connection: close\\r\\n"', 'CLOSE = b""'),
    ("it says that it keeps HTTP/1.0", 'KEEP_ALIVE = b"Connection: keep-alive\\r\\n"', 'KEEP_ALIVE = b""'),
    ("lingering begins when all is sent", "return self.state is CLOSING and not self.output", "return self.state is CLOSING"),
    ("unsent responses stop the reading", "        if self.output:\n            return WRITE\n", "        if False:\n            return WRITE\n"),
    ("nothing is read behind the end", "self.state is CLOSED or self.ended:", "self.state is CLOSED:"),
    ("nothing is read while handling", "if self.state is HANDLING or self.state is CLOSED or", "if self.state is CLOSED or"),
    ("nothing is read once closed", "if self.state is HANDLING or self.state is CLOSED or", "if self.state is HANDLING or"),
    ("time runs for each state", "(self.state, self.requests_out, bool(self.output))", "(self.requests_out, bool(self.output))"),
    ("time runs for each request", "(self.state, self.requests_out, bool(self.output))", "(self.state, bool(self.output))"),
    ("time runs for each response", "(self.state, self.requests_out, bool(self.output))", "(self.state, self.requests_out)"),
    ("time runs for all of a response", "self.requests_out, bool(self.output))", "self.requests_out, len(self.output))"),
    ("drips do not prolong", "if waiting_for != self.waiting_for:", "if True:"),
    ("a response has a deadline", "return policy.send_timeout", "return inf"),
    ("an idle connection has a deadline", "return policy.idle_timeout", "return inf"),
    ("a lingering connection has a deadline", "return policy.linger_timeout", "return inf"),
    ("a head has a deadline", "return policy.head_timeout", "return inf"),
    ("a body has a deadline", "return policy.body_timeout + self", "return inf + self"),
    ("a body earns time", "+ self.body.received / policy.body_rate", "+ 0 * self.body.received"),
    ("a drain has a deadline", "return min(left, self.deadline - now)", "return left"),
    ("a drain is a deadline at most", "return min(left, self.deadline - now)", "return self.deadline - now"),
    ("a deadline is not for the handler", "if self.deadline == inf or left == inf:", "if self.deadline == inf:"),
    ("a drain sets its deadline", "        self.deadline = deadline\n", ""),
    ("giving way ends with the next response", "if not self.buffer or now >", "if now >"),
    ("giving way is for what is here, first", "if not self.buffer or now > self.giving_way_since + GIVE_WAY_S:", "if True:"),
    ("giving way is for a moment", "if not self.buffer or now > self.giving_way_since + GIVE_WAY_S:", "if not self.buffer:"),
    ("giving way counts from the first time", "min(self.giving_way_since, now)", "now"),
    ("giving way comes behind one more read", "if self.giving_way_since < inf:", "if False:"),
    ("giving way is for who was asked to", "if self.giving_way_since < inf:", "if True:"),
    ("the end is noticed", "            self.ended = True\n", "            pass\n"),
    ("the end closes what lingers", "            if self.lingering:\n                self.state = CLOSED", "            if False:\n                self.state = CLOSED"),
    ("nothing is kept once closing", "        elif self.state not in (CLOSING, CLOSED):", "        else:"),
    ("octets are put behind those before", "            self.buffer += data\n", "            self.buffer = data\n"),
    ("the end lets a conversation go on", "if not self.buffer and not self.ended:", "if not self.buffer:"),
    ("the short cut is for the idle only", "if self.state is IDLE and not (self.buffer", "if not (self.buffer"),
    ("the short cut is for when nothing came before", "not (self.buffer or self.output):\n            request", "not self.output:\n            request"),
    ("the short cut is for when all is sent", "not (self.buffer or self.output):\n            request", "not self.buffer:\n            request"),
    ("requests are counted in the short cut", "                self.requests_out += 1\n", ""),
    ("the last read of the short cut was not full", "                self.read_was_full = False ", "                pass"),
    ("empty lines are forgotten in the short cut", "                self.head_reader = None ", "                pass"),
    ("one request at a time", "if self.state not in LISTENING or len", "if len"),
    ("responses wait for a reader", " or len(self.output) >= OUTPUT_ENOUGH:", ":"),
    ("one response for each request", "if request is None or self.state is not HANDLING:", "if request is None:"),
    ("a response is for a request", "if request is None or self.state is not HANDLING:", "if False:"),
    ("a drain closes behind a response", "and not (self.draining or response.close)", "and not response.close"),
    ("close closes", "            fields.keep_alive\n            and not", "            not"),
    ("a response may close", "and not (self.draining or response.close)", "and not self.draining"),
    ("a half-close closes behind the last", "and (not self.ended or self.buffer)\n", "and (True or self.buffer)\n"),
    ("a half-close keeps the requests before", "and (not self.ended or self.buffer)\n", "and not self.ended\n"),
    ("HTTP/1.1 needs no keep-alive", 'connection_line = b"" if fields.minor else KEEP_ALIVE', "connection_line = KEEP_ALIVE"),
    ("nothing is unread when nothing is", "self.nothing_unread = not (self.buffer or self.read_was_full)\n", "self.nothing_unread = False\n"),
    ("something is unread when something is", "self.nothing_unread = not (self.buffer or self.read_was_full)\n", "self.nothing_unread = not self.read_was_full\n"),
    ("something may be unread behind a full read", "self.nothing_unread = not (self.buffer or self.read_was_full)\n", "self.nothing_unread = not self.buffer\n"),
    ("a read is full when it is", "len(data) >= READ_SIZE", "len(data) > READ_SIZE"),
    ("nothing is kept behind a close", "            self.buffer.clear()\n            connection_line = CLOSE", "            connection_line = CLOSE"),
    ("HEAD gets a response without a body", 'head_only = request.method == b"HEAD"', "head_only = False"),
    ("what is sent is dropped", "unsent = self.output[count:]", "unsent = self.output[count + 1 :]"),
    ("a close follows the last octet", "if not unsent and (self.draining or self.state is CLOSING):", "if not unsent and self.draining:"),
    ("a drain closes once all is sent", "if not unsent and (self.draining or self.state is CLOSING):", "if not unsent and self.state is CLOSING:"),
    ("a drain closes the idle at once", "        self.deadline = deadline\n        self.close_if_done()\n", "        self.deadline = deadline\n"),
    ("408 is for a head", "if self.state in (HEAD, BODY) and", "if self.state is BODY and"),
    ("408 is for a body", "if self.state in (HEAD, BODY) and", "if self.state is HEAD and"),
    ("408 is not for the idle", "if self.state in (HEAD, BODY) and", "if self.state in (IDLE, HEAD, BODY) and"),
    ("408 is for who listens", "in (HEAD, BODY) and not self.output:", "in (HEAD, BODY):"),
    ("408 is 408", "HttpError(408,", "HttpError(400,"),
    ("who is gone gets nothing more", "        self.output = b\"\"\n        self.buffer.clear()\n", "        self.buffer.clear()\n"),
    ("who is gone keeps nothing", "        self.output = b\"\"\n        self.buffer.clear()\n", "        self.output = b\"\"\n"),
    ("who is gone keeps no request", "        self.request = self.body = None\n        self.state = CLOSED", "        self.state = CLOSED"),
    ("who is gone needs no response", "            if self.state is CLOSED:\n                return\n", ""),
    ("a close waits for what is unsent", "        if self.output:\n            return\n", "        if False:\n            return\n"),
    ("behind a refusal it lingers", "(self.nothing_unread or self.ended)", "True"),
    ("behind the end it does not linger", "(self.nothing_unread or self.ended)", "self.nothing_unread"),
    ("where nothing is unread it does not linger", "(self.nothing_unread or self.ended)", "self.ended"),
    ("a drain leaves who has begun", "self.draining and not self.buffer):", "self.draining):"),
    ("HEAD is refused without a body", 'head_only = self.request.method == b"HEAD"', "head_only = False"),
    ("HEAD is refused without a body before it is known", 'head_only = self.buffer.startswith(b"HEAD ")', "head_only = False"),
    ("a method like HEAD is not HEAD", 'self.buffer.startswith(b"HEAD ")', 'self.buffer.startswith(b"HEAD")'),
    ("a refusal closes", "self.date_line(), CLOSE, head_only)", 'self.date_line(), b"", head_only)'),
    ("a refusal forgets the request", "        self.request = self.body = None\n        self.buffer.clear()\n        self.nothing", "        self.body = None\n        self.buffer.clear()\n        self.nothing"),
    ("a refusal forgets the octets", "        self.buffer.clear()\n        self.nothing_unread = False\n", "        self.nothing_unread = False\n"),
    ("a refusal leaves something unread", "        self.nothing_unread = False\n        self.state = CLOSING", "        self.state = CLOSING"),
    ("a refusal ends the conversation", "        self.nothing_unread = False\n        self.state = CLOSING", "        self.nothing_unread = False\n        self.state = IDLE"),
    ("a body cut off is refused", '                if self.ended:\n                    raise HttpError(400, "the client stopped in the middle of a body', '                if False:\n                    raise HttpError(400, "the client stopped in the middle of a body'),
    ("a body comes out", "request.body = bytes(body.content)", "pass"),
    ("a body is of one request", "            self.body = None\n        self.requests_out", "        self.requests_out"),
    ("requests are counted", "        self.requests_out += 1\n        self.state = HANDLING\n        return request\n\n    def consume_head", "        self.state = HANDLING\n        return request\n\n    def consume_head"),
    ("a client that waits is invited", "if fields.expects_continue and not buffer:", "if False:"),
    ("a client that does not wait is not invited", "if fields.expects_continue and not buffer:", "if fields.expects_continue:"),
    ("nobody is invited who has not asked", "if fields.expects_continue and not buffer:", "if not buffer:"),
    ("a body that nobody wants is not asked for", "if fields.expects_continue and not self.wants_body(request):", "if False:"),
    ("a body is read where it is wanted", "if fields.expects_continue and not self.wants_body(request):", "if fields.expects_continue:"),
    ("a body is read of who does not wait", "if fields.expects_continue and not self.wants_body(request):", "if not self.wants_body(request):"),
    ("a request without its body is the last", "self.draining = self.read_was_full = True", "self.read_was_full = True"),
    ("a body that nobody wants may still come", "self.draining = self.read_was_full = True", "self.draining = True"),
    ("an empty line begins no request", "self.state = IDLE if not buffer or buffer == b\"\\r\" else HEAD", "self.state = HEAD"),
    ("a head that has begun has begun", "self.state = IDLE if not buffer or buffer == b\"\\r\" else HEAD", "self.state = IDLE"),
    ("half an empty line begins no request", "IDLE if not buffer or buffer == b\"\\r\" else HEAD", "IDLE if not buffer else HEAD"),
    ("a head cut off is refused", '                if buffer:\n                    raise HttpError(400, "the client stopped in the middle of a head', '                if False:\n                    raise HttpError(400, "the client stopped in the middle of a head'),
    ("the end between requests closes", "                self.state = CLOSING\n                self.close_if_done()", "                pass"),
]
# fmt: on


def copy_tree(target: Path) -> None:
    """Copy what the tests need to *target*, where `calcbench` is a folder of links."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name)  # with what pytest compiled: it is slow
        else:
            shutil.copy(source, target / name)
    package = target / "package" / "calcbench"
    package.mkdir(parents=True)
    for name in ("core", "strategies", "bench"):
        (package / name).symlink_to(target / name)
    for file in (target / "bench" / "_root").iterdir():
        if file.is_file():
            (package / file.name).symlink_to(file)


def verdict_on(tree: Path) -> str:
    """Run the tests in *tree*; return what became of the mutant there."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "package")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", *TESTS]
    try:
        finished = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, timeout=TOO_LONG_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "killed"
    # 0: all passed; 1: some failed; anything else: not even imported, which proves nothing.
    return {0: "SURVIVED", 1: "killed"}.get(finished.returncode, "BROKEN")


def judge(mutation: Mutation) -> str:
    """Make *mutation* in a copy of the tree, and return what became of it."""
    with tempfile.TemporaryDirectory(prefix="calcbench-mutant-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        file = tree / mutation.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            return "STALE"  # the code has changed: so must the mutation
        file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        shutil.rmtree(tree / "core" / "__pycache__", ignore_errors=True)  # not this one's
        return verdict_on(tree)


def main() -> int:
    """Run the mutations that are asked for, or all; return 1 unless all of them are killed."""
    parser = argparse.ArgumentParser(description="break each rule once; a test must notice")
    parser.add_argument("-j", type=int, default=2, help="how many at once")
    parser.add_argument("words", nargs="*", help="only rules with one of these texts in them")
    given = parser.parse_args()
    nothing = Mutation("nothing is broken", PARSER, "METHODS = frozenset", "METHODS = frozenset")
    if judge(nothing) != "SURVIVED":
        sys.exit("the tests fail without any mutation")
    chosen = [
        mutation
        for mutation in mutations()
        if not given.words or any(word in mutation.rule for word in given.words)
    ]
    killed = 0
    with ThreadPoolExecutor(given.j) as pool:
        for mutation, verdict in zip(chosen, pool.map(judge, chosen), strict=True):
            print(f"{verdict:8} {mutation.file}: {mutation.rule}", flush=True)
            killed += verdict == "killed"
    print(f"{killed} of {len(chosen)} killed")
    return int(killed < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
