"""Where a secret might be left: files, processes, the database, and the answers of the REST API."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import requests
from cryptography.fernet import Fernet

from demo.postgres import Postgres
from demo.rest import PAGE

__all__ = ["RestAnswers", "Text", "command_lines", "files", "rows", "without_known"]

#: A place and a text that was found there.
Text = tuple[str, str]
#: At DEBUG, Airflow's supervisors log what a task asks for, such as to write a Variable with a token.
#: They mask texts, but not the objects in their log (seen on Airflow 3.3.2).
_WRITES_TOKEN = r"Received message from task runner .*PutVariable\(key='importstatus_token_"
KNOWN = re.compile(f"^.*{_WRITES_TOKEN}.*$", re.MULTILINE)
#: Values of these columns are encrypted, and hold secrets on purpose.
KEPT_ENCRYPTED = ("connection.password", "connection.extra", "variable.val")


def files(folder: Path) -> Iterator[Text]:
    """Return the names and contents of all files."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place = str(path.relative_to(folder))
            yield "name of a file", place
            yield place, path.read_bytes().decode("utf-8", "replace")


def without_known(text: str) -> str:
    """Return a log without the lines in which Airflow shows the Variables that tasks write."""
    return KNOWN.sub("", text)


def rows(server: Postgres, database: str, fernet: Fernet) -> Iterator[Text]:
    """Return all values in all tables of a database; encrypted ones that should hold no secret decrypted."""
    tables = server.query(
        database,
        "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'm', 'p') AND nspname = 'public' ORDER BY 1",
    )
    for (table,) in tables:
        columns = [
            name
            for (name,) in server.query(
                database,
                "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
                f" AND attrelid = '\"{table}\"'::regclass ORDER BY attnum",
            )
        ]
        for row in server.query(database, f'SELECT * FROM "{table}"'):
            for column, value in zip(columns, row, strict=True):
                place = f"{table}.{column}"
                for text in _texts(value):
                    yield place, text
                    if text.startswith("gAAAAA") and place not in KEPT_ENCRYPTED:
                        yield f"{place} decrypted", fernet.decrypt(text).decode("utf-8", "replace")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, memoryview):
        data = bytes(value)
        yield data.decode("latin-1")
        with suppress(zlib.error):
            yield zlib.decompress(data).decode("latin-1")
    elif isinstance(value, dict | list):
        yield json.dumps(value)
    elif value is not None:
        yield str(value)


@contextmanager
def command_lines(pause: float = 0.1) -> Iterator[set[str]]:
    """Collect the command lines of all processes during a `with` block."""
    seen: set[str] = set()
    over = threading.Event()

    def collect() -> None:
        while not over.wait(pause):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    seen.add(path.read_bytes().decode("utf-8", "replace"))

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


class RestAnswers:
    """The answers of Airflow's API server to all GET requests that it describes.

    :param url: its URL
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        token = self._session.get(f"{url}/auth/token", timeout=30).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """Return the answer to a POST request."""
        return self._session.post(f"{self._url}/{path}", json=body, timeout=60)

    def get(self, path: str, **query: Any) -> Text:
        """Return the answer to a GET request, with all pages of a list."""
        texts, offset, total = [], 0, 1
        while offset < total:
            answer = self._session.get(
                f"{self._url}/{path}", params={"limit": PAGE, "offset": offset, **query}, timeout=60
            )
            texts.append(f"{answer.status_code} {answer.text}")
            offset += PAGE
            with suppress(ValueError, AttributeError, TypeError):
                total = int(answer.json().get("total_entries") or 1)
        return f"GET {path}", "\n".join(texts)

    def all(self, values: Mapping[str, list[Any]]) -> Iterator[Text]:
        """Return the answers to all GET requests whose parameters are among these."""
        described = json.loads(self.get("openapi.json")[1].partition(" ")[2])["paths"]
        paths = [
            template.strip("/").format(**dict(zip(names, chosen, strict=True)))
            for template, methods in described.items()
            # Logging out would end the sweep.
            if "get" in methods and "logout" not in template
            for names in [[name.partition("}")[0] for name in template.split("{")[1:]]]
            if all(name in values for name in names)
            for chosen in product(*(values[name] for name in names))
        ]
        with ThreadPoolExecutor(3) as pool:
            yield from pool.map(self.get, paths)
