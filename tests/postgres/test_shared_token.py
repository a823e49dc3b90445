"""Clear's shared token in several processes: in any order of responses, all end with the valid one."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from tests.network.servers import Seen, Server

from .pollers import Job, Pollers

#: The prefix of the Variables of all races.
PREFIX = "importstatus_token_clear_"
#: Age in seconds from which a rejection indicates a revocation.
OLD = 600.0
TRIES, POLLS = 10, 3


class Race(NamedTuple):
    """A race of processes that each request a token.

    :param order: the position at which the response to the first request, the second and so on is sent
    :param late: the process whose token is written only after another's, since both found no newer one
    """

    order: tuple[int, ...]
    late: int | None = None

    @property
    def name(self) -> str:
        late = "" if self.late is None else f"-{self.late}-writes-late"
        return f"answers-{'-'.join(map(str, self.order))}{late}"


RACES = [
    *(Race(order, late) for order in itertools.permutations(range(2)) for late in (None, 0, 1)),
    *(Race(order) for order in itertools.permutations(range(3))),
]


class Gate:
    """A server script in front of a sandbox that sends token responses in a chosen order."""

    #: Seconds between two responses, and seconds after which no other request is expected.
    pause, patience = 0.7, 10.0

    def __init__(self, sandbox: Sandbox) -> None:
        self._address = urlsplit(sandbox.url).netloc
        self._changed = threading.Condition()
        self._order: Sequence[int] = ()
        self._turn = 0
        self.tokens: list[str] = []

    def begin(self, order: Sequence[int]) -> None:
        """Hold responses from now on."""
        with self._changed:
            self._order, self._turn, self.tokens = order, 0, []

    def __call__(self, seen: Seen) -> Iterable[bytes | float]:
        """Forward a request, and return its response."""
        if "/authz/token" not in seen.target:
            return [_raw(*self._passed_on(seen))]
        with self._changed:
            status, body = self._passed_on(seen)
            self.tokens.append(json.loads(body)["access_token"])
            number = len(self.tokens) - 1
            self._changed.notify_all()
        self._wait_for_turn(number)
        return [_raw(status, body)]

    def _wait_for_turn(self, number: int) -> None:
        if number >= len(self._order):
            return
        with self._changed:
            self._changed.wait_for(lambda: len(self.tokens) >= len(self._order), self.patience)
            self._changed.wait_for(lambda: self._turn >= self._order[number], self.patience)
        time.sleep(self.pause)
        with self._changed:
            self._turn += 1
            self._changed.notify_all()

    def _passed_on(self, seen: Seen) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            connection.request(seen.method, seen.target, seen.body, seen.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _raw(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nConnection: close"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Ended(NamedTuple):
    """The outcome of a race."""

    race: Race
    outcomes: list[list[str]]
    newcomer: list[str]
    tokens: list[str]
    requests: int
    requests_later: int
    variables: list[str]


class Track:
    """A separate Clear server behind a separate gate."""

    def __init__(self, race: Race, servers: ExitStack) -> None:
        self.race = race
        self.sandbox = servers.enter_context(Sandbox())
        self.gate = Gate(self.sandbox)
        self._url = servers.enter_context(Server(self.gate)).url
        self._import_id = self.sandbox.submit("clear", seconds=3600)

    def job(self, **more: Any) -> Job:
        """Return the job of a process that polls the import."""
        connection = {**self.sandbox.connections["clear_default"], "host": self._url}
        return {"connection": connection, "import_id": self._import_id, **more}

    def jobs(self) -> list[Job]:
        """Return the jobs of the race, including those of triggerers."""
        # Far enough apart that tokens are requested in this order: the delay before a request is shorter.
        apart = 2.5 if len(self.race.order) == 2 else 0.0
        return [
            self.job(
                tries=TRIES,
                polls=POLLS,
                interval=1.0,
                start_after=place * apart,
                writes="late" if place == self.race.late else "at_once",
                transport=("requests", "aiohttp")[place % 2],
            )
            for place in range(len(self.race.order))
        ]

    def revoke(self) -> None:
        """Revoke the shared token and start the race."""
        self.sandbox.revoke("clear")
        self.gate.begin(self.race.order)

    def requests(self) -> int:
        """Return the number of requested tokens."""
        return self.sandbox.requests("clear")["token"]


@pytest.fixture(scope="module")
def races(processes: Pollers) -> Iterator[dict[str, Ended]]:
    """Return all races by name. They run concurrently, since they mostly wait."""
    with ExitStack() as servers:
        tracks = [Track(race, servers) for race in RACES]
        processes.poll(*(track.job() for track in tracks))
        processes.age(PREFIX, OLD)
        before = [track.requests() for track in tracks]
        for track in tracks:
            track.revoke()
        outcomes = iter(processes.poll(*(job for track in tracks for job in track.jobs())))
        after = [track.requests() for track in tracks]
        newcomers = processes.poll(*(track.job(tries=TRIES) for track in tracks))
        variables = list(processes.variables(PREFIX).values())
        yield {
            track.race.name: Ended(
                race=track.race,
                outcomes=list(itertools.islice(outcomes, len(track.race.order))),
                newcomer=newcomers[place],
                tokens=track.gate.tokens,
                requests=after[place] - before[place],
                requests_later=track.requests() - after[place],
                variables=[text for text in variables if any(token in text for token in track.gate.tokens)],
            )
            for place, track in enumerate(tracks)
        }


every_race = pytest.mark.parametrize("name", [race.name for race in RACES])


@every_race
def test_every_process_ends_with_the_valid_token(races: dict[str, Ended], name: str) -> None:
    for outcomes in races[name].outcomes:
        assert outcomes[-POLLS:] == ["queued"] * POLLS, outcomes


@every_race
def test_no_process_requests_more_than_one_token(races: dict[str, Ended], name: str) -> None:
    ended = races[name]
    assert 1 <= ended.requests <= len(ended.race.order)


@every_race
def test_the_valid_token_is_the_shared_one(races: dict[str, Ended], name: str) -> None:
    ended = races[name]
    assert len(ended.variables) == 1
    assert ended.tokens[-1] in ended.variables[0]


@every_race
def test_a_new_process_polls_with_the_shared_token(races: dict[str, Ended], name: str) -> None:
    ended = races[name]
    assert ended.newcomer == ["queued"]
    assert ended.requests_later == 0
