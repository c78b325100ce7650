"""A rule: a promise that a server keeps, the mistake that breaks it, and how that is seen.

::

    @rule("keep-alive", promise="…", mistake="…", hint="…")
    def keep_alive(target: Target) -> None:
        with target.client() as client:
            expect(client.get("/add/1/1"), body=b"2")

A rule returns where all is well, or raises what `calcbench.bench.classroom.conformance.verdict`
makes a verdict of: a `SurpriseError` of the client, `Broken`, `CannotJudge` or `NotOffered`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.raw_client import Response, SurpriseError, shown


@dataclass(frozen=True)
class Start:
    """How a server is to be started for a rule that wants one of its own."""

    workload: str = "add"
    policy: tuple[str, ...] = ()
    eager: bool = False  # its threads take turns as often as they can


@dataclass(frozen=True)
class Rule:
    """A rule; its *mistake* is what most probably breaks it, its *hint* where to look for that.

    *starts* are the servers that it wants, each of its own; without any, it leaves the common one
    as it found it. *needs* are what the server must offer. Where one of the rules *after* which it
    stands is broken, a breach of this one says nothing new. One that is *advice* is told, and
    fails nobody: a good server may decide otherwise. A *dangerous* one may end a server that breaks
    it: where that is a program that somebody runs, it comes last.
    """

    name: str
    promise: str
    mistake: str
    hint: str
    test: Callable[[Target], None]
    needs: tuple[str, ...] = ()
    starts: tuple[Start, ...] = ()
    after: tuple[str, ...] = ()
    advice: bool = False
    dangerous: bool = False


def rule(
    name: str,
    *,
    promise: str,
    mistake: str,
    hint: str,
    needs: tuple[str, ...] = (),
    starts: tuple[Start, ...] = (),
    after: tuple[str, ...] = (),
    advice: bool = False,
    dangerous: bool = False,
) -> Callable[[Callable[[Target], None]], Rule]:
    """Return what makes a function a rule."""

    def make(test: Callable[[Target], None]) -> Rule:
        return Rule(name, promise, mistake, hint, test, needs, starts, after, advice, dangerous)

    return make


def expect(response: Response, body: bytes | None = None, status: int = 200) -> None:
    """Raise SurpriseError unless *response* has this *status* and *body*."""
    if response.status != status:
        raise SurpriseError(f"status {response.status} in place of {status}")
    if body is not None and response.body.strip() != body:
        raise SurpriseError(f"{shown(response.body)} in place of {shown(body)}")
