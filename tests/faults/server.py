"""The vendors of a campaign, in a process of their own: each request is answered as its wait's plan says.

It reads the plans from its standard input, writes its two addresses, and serves until its input ends. What it
has seen is answered at `/seen`.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.vendors import SAMPLES

from .answers import answer
from .kinds import CLOSE, KINDS, RESET, STALL, Asked, Part, whole
from .oracle import may_have_started
from .plan import Plan, Step

WAIT = re.compile(rb"w\d{5}")
#: Targets of the requests of submissions that come before the one that starts an import.
PREPARATIONS = re.compile(r"/pre-sign\?|/EntityImport/[^/]+/upload$")
#: Lifetimes of tokens, some of a wrong type or past.
LIFETIMES = (3600, "3600", 0, -5, None, "soon", 1e300, [3600])


@dataclass
class Course:
    """How far a wait has come.

    :param left: the answers that are left, by place
    :param told: the latest state that could be read
    :param not_before: when the next poll may come (monotonic)
    :param lost: what befell the latest report
    """

    plan: Plan
    left: dict[str, list[Step]] = field(default_factory=dict)
    told: str = "running"
    not_before: float = 0.0
    lost: Step | None = None
    starts: int = 0
    polls: int = 0
    early: int = 0
    served: list[str] = field(default_factory=list)

    def next_poll(self) -> Step:
        """Return the next answer to a poll; the last one is repeated."""
        polls = self.left["poll"]
        return polls.pop(0) if len(polls) > 1 else polls[0]


class Vendors:
    """Answers requests."""

    def __init__(self, plans: Iterable[Plan], elsewhere: str, mistakes: list[str]) -> None:
        self.courses = {plan.wait: Course(plan) for plan in plans}
        for course in self.courses.values():
            for place in ("login", "prepare", "submit"):
                course.left[place] = course.plan.at(place)
            course.left["poll"] = course.plan.at("poll", "report")
        self.elsewhere = elsewhere
        #: Requests that must not come, and errors of the servers.
        self.mistakes = mistakes

    def respond(self, method: str, target: str, head: bytes, body: bytes) -> Iterable[Part]:
        """Return the answer to a request."""
        if target == "/seen":
            return [whole(self.seen())]
        found = WAIT.search(target.encode()) or WAIT.search(body)
        course = self.courses[found[0].decode()] if found else None
        if "oauth" in target:
            return self._login(course)
        if course is None:
            self.mistakes.append(f"{method} {target} belongs to no wait")
            return [whole({"message": "This belongs to no wait."}, 500)]
        credential = re.search(rb"(?im)^(?:authorization|x-clear-auth-token): *(?:\w+ )?(\S+)", head)
        asked = (course, credential[1].decode() if credential else "")
        if method == "GET" and "pre-sign" not in target:
            return self._poll(*asked, is_report=target.endswith("/report"))
        return self._submission(*asked, target)

    def seen(self) -> dict[str, Any]:
        """Return what was served and submitted."""
        waits = {
            name: {"served": each.served, "starts": each.starts, "polls": each.polls, "early": each.early}
            for name, each in self.courses.items()
        }
        return {"waits": waits, "mistakes": self.mistakes}

    def _login(self, course: Course | None) -> Iterable[Part]:
        if course and course.left["login"]:
            return self._fault(course, course.left["login"].pop(0))
        lifetime = LIFETIMES[sum(map(ord, course.plan.wait)) % len(LIFETIMES)] if course else 3600
        return [whole({"access_token": f"token-{time.time_ns()}", "expires_in": lifetime})]

    def _poll(self, course: Course, credential: str, is_report: bool) -> Iterable[Part]:
        now = time.monotonic()
        course.early += now < course.not_before
        course.polls += 1
        if is_report and course.lost:
            # A client may repeat a request whose connection was closed.
            return self._fault(course, course.lost, credential, is_report)
        upcoming, course.lost = course.left["poll"][0], None
        if is_report and upcoming.place != "report":
            return [whole(answer(course.plan.vendor, course.told, is_report=True))]
        if not is_report and upcoming.place == "report":
            return [whole(answer(course.plan.vendor, course.plan.lie))]
        step = course.next_poll()
        course.not_before = now + 0.95 if KINDS[step.kind].is_announced else 0.0
        course.lost = step if is_report else None
        if step.means == "good":
            course.told = step.state
        return self._fault(course, step, credential, is_report)

    def _submission(self, course: Course, credential: str, target: str) -> Iterable[Part]:
        name = course.plan.wait
        if PREPARATIONS.search(target):
            if course.left["prepare"]:
                return self._fault(course, course.left["prepare"].pop(0), credential)
            return [whole({"uploadId": name, "url": f"{self.elsewhere}/storage/{name}.csv"})]
        if course.left["submit"]:
            step = course.left["submit"].pop(0)
            course.starts += may_have_started(step)
            return self._fault(course, step, credential)
        course.starts += 1
        import_id = f"{name}-{course.starts}"
        return [whole({SAMPLES[course.plan.vendor].id_name: import_id})]

    def _fault(
        self, course: Course, step: Step, credential: str = "", is_report: bool = False
    ) -> Iterable[Part]:
        plan = course.plan
        course.served.append(step.kind)
        asked = Asked(
            plan.vendor,
            step.state,
            plan.lie,
            step.variant,
            is_report,
            credential,
            self.elsewhere,
            time.time(),
        )
        return KINDS[step.kind].answer(asked)


class Elsewhere:
    """Another server: of Clear's storage, and of redirects, which nobody may follow."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def respond(self, method: str, target: str, head: bytes, _body: bytes) -> Iterable[Part]:
        """Answer an upload, which carries no credential of the vendor."""
        if not target.startswith("/storage/") or b"x-clear" in head.lower():
            self.mistakes.append(f"{method} {target} must not come")
        return [whole(b"")]


async def _serve(
    respond: Any, mistakes: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while request := await _read(reader):
            for part in respond(*request):
                if part == STALL:
                    await reader.read()
                elif isinstance(part, float):
                    await asyncio.sleep(part)
                elif part == RESET:
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                elif part == CLOSE:
                    return
                else:
                    assert isinstance(part, bytes)
                    writer.write(part)
                    await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    except Exception as error:
        mistakes.append(repr(error))
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, bytes, bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head.decode("latin-1").split(" ", 2)
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    if re.search(rb"(?im)^transfer-encoding: *chunked", head):
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return method, target, head, body


async def main() -> None:
    """Serve until the standard input ends."""
    plans = [Plan.from_dict(each) for each in json.loads(sys.stdin.readline())]
    elsewhere = Elsewhere()
    other = await _listen(elsewhere.respond, elsewhere.mistakes)
    vendors = Vendors(plans, _url(other), elsewhere.mistakes)
    server = await _listen(vendors.respond, vendors.mistakes)
    sys.stdout.write(f"{_url(server)}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


async def _listen(respond: Any, mistakes: list[str]) -> asyncio.Server:
    return await asyncio.start_server(partial(_serve, respond, mistakes), "127.0.0.1", 0, backlog=1000)


def _url(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


if __name__ == "__main__":
    asyncio.run(main())
