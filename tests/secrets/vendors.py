"""All vendors on one port: each answer quotes the credentials of its request, and holds signed URLs.

How an import goes is in its id: `partial-2-x` is running for two polls, then partial.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from tests.network.servers import Seen, Server, answer
from tests.vendors import SAMPLES

from .search import Search

__all__ = ["EchoingVendors", "connections", "decoded"]

CREDENTIAL_HEADERS = (
    *("authorization", "proxy-authorization", "x-api-key", "x-crashing-key"),
    *("x-clear-auth-token", "x-clear-client-secret", "thalamus-token"),
)
IMPORT_ID = re.compile(r"(succeeds|partial|fails|renews|rejects40[13]|breaks503|drops|holds)-(\d+)-[\w-]+")
#: GET requests that are no polls: of a submission and of error reports.
NO_POLL = re.compile(r"/pre-sign\?|/report$|/errorFile$|/download/")
#: The state of an import after its last poll as running, by its id; partial unless it is here.
STATES = {"succeeds": "succeeded", "renews": "succeeded", "fails": "failed"}
REPORT = "line,message\n2,empty\n"
#: A vendor that a description describes; each connection adds how it authenticates.
DESCRIPTION: dict[str, Any] = {
    "version": 1,
    "name": "echo",
    "status": {"path": "/jobs/{import_id}/status"},
    "state": {
        "path": "job.state",
        "map": {"running": ["loading"], "succeeded": ["done"], "failed": ["broken"]},
    },
    "rows": {"total": "job.rows", "failed": "job.bad"},
    "messages": "job.errors[].text",
    "report": {"url": "job.links[].href"},
    "cancel": {"method": "DELETE", "path": "/jobs/{import_id}"},
}
#: By connection, how a described vendor authenticates.
DESCRIBED: dict[str, dict[str, Any]] = {
    "basic": {"type": "basic"},
    "bearer": {"type": "bearer"},
    "key_header": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
    "key_query": {"type": "api_key", "in": "query", "name": "api_key"},
    "oauth2": {"type": "oauth2_client_credentials"},
    "oauth2_basic": {"type": "oauth2_client_credentials", "encoding": "basic"},
    "oauth2_query": {"type": "oauth2_client_credentials", "method": "GET"},
    "oauth2_ready": {"type": "oauth2_client_credentials"},
    "oauth2_shared": {"type": "oauth2_client_credentials"},
}


def connections(url: str, search: Search) -> dict[str, dict[str, Any]]:
    """Return connections to the vendors at this URL by id, with a secret in each field that may hold one."""
    secret = search.secret
    proxy = url.replace("//", f"//proxy-user:{quote(secret('proxy_password'), safe='')}@")
    token_response = {"access_token": secret("zilliant_ready_token"), "signature": secret("signature")}
    zilliant_app = {"client_id": "app", "client_secret": secret("zilliant_client_secret")}
    oauth = {"token_url": f"{url}/oauth/token"}
    shared = {**oauth, "share_token": "true"}

    def connection(conn_id: str, conn_type: str, **extra: Any) -> dict[str, Any]:
        return {
            "conn_type": conn_type,
            # By the path, the server knows whose answer is wanted.
            "host": f"{url}/{conn_type}",
            "login": f"login-of-{conn_id}",
            "password": secret(f"{conn_id}_password"),
            "extra": {"timeout": 5, "verify": False, **extra},
        }

    def thalamus(conn_id: str, **extra: Any) -> dict[str, Any]:
        return connection(conn_id, "thalamus", touchpoint="shop", token=secret(f"{conn_id}_token"), **extra)

    described = {
        conn_id: connection(
            conn_id,
            "import_api",
            description={**DESCRIPTION, "auth": auth},
            **(shared if conn_id.endswith("shared") else oauth if conn_id.startswith("oauth2") else {}),
            **({"access_token": secret("oauth2_ready_token")} if conn_id.endswith("ready") else {}),
        )
        for conn_id, auth in DESCRIBED.items()
    }
    return {
        "clear": connection("clear", "clear"),
        "clear_ready": connection("clear_ready", "clear", access_token=secret("clear_ready_token")),
        "tao": connection("tao", "tao_advance", **oauth),
        "tao_shared": connection("tao_shared", "tao_advance", **shared),
        "zilliant": connection("zilliant", "zilliant", **zilliant_app, **oauth),
        "zilliant_shared": connection("zilliant_shared", "zilliant", **zilliant_app, **shared),
        "zilliant_ready": connection("zilliant_ready", "zilliant", token_response=json.dumps(token_response)),
        "thalamus": thalamus("thalamus"),
        "thalamus_proxied": {
            **thalamus("thalamus_proxied", proxy=proxy),
            "host": "http://vendor.invalid/thalamus",
        },
        **described,
        **{
            f"{name}_refused": connection(f"{name}_refused", conn_type, **more, **oauth)
            for name, conn_type, more in (
                ("tao", "tao_advance", {}),
                ("zilliant", "zilliant", zilliant_app),
                ("oauth2", "import_api", {"description": {**DESCRIPTION, "auth": DESCRIBED["oauth2"]}}),
            )
        },
        "clear_refused": connection("clear_refused", "clear"),
        "crashing": connection("crashing", "crashing"),
    }


class EchoingVendors(Server):
    """The server. It is a proxy, too, for hosts that it answers for itself."""

    def __init__(self, search: Search) -> None:
        super().__init__(self._respond)
        self.search = search
        #: Until it is set, imports that hold are running.
        self.released = threading.Event()
        self._polls: Counter[str] = Counter()
        self._numbers = count(1)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def signed_url(self) -> str:
        """Return a URL of the storage, on another host than the vendors, whose path and query are secret."""
        path, signature = (quote(self.search.secret(name), safe="") for name in ("path", "query"))
        origin = self.url.replace("127.0.0.1", "localhost")
        return f"{origin}/storage/{path}/report.csv?X-Amz-Signature={signature}&X-Amz-Date=20270101T000000Z"

    def _respond(self, seen: Seen) -> Iterable[bytes | float]:
        path = urlsplit(seen.target).path
        if path.startswith("/storage/"):
            return answer(REPORT if seen.method == "GET" else "", content_type="text/csv")
        if path.endswith(("/oauth/token", "/authz/token")):
            return self._log_in(seen)
        found = IMPORT_ID.search(unquote(seen.target) + seen.body.decode("latin-1"))
        if found is None:
            # An id that no import has, or another request of Test connection.
            return answer(self._rejection(seen), 404)
        return self._report(seen, found[0], found[1], int(found[2]))

    def _log_in(self, seen: Seen) -> Iterable[bytes | float]:
        said = unquote(seen.body.decode("latin-1")) + str(seen.headers) + seen.target + _user(seen)
        if "refused" in said:
            return answer(self._rejection(seen), 401)
        token = self.search.secret(f"issued_token_{next(self._numbers)}")
        lifetime = {"expires_in": 3600, "valid_till": "2099-01-01T00:00:00+00:00"}
        issued = {"access_token": token, "token_type": "Bearer", "signature": self.search.secret("signature")}
        return answer(json.dumps({**issued, **lifetime}))

    def _report(self, seen: Seen, import_id: str, end: str, polls: int) -> Iterable[bytes | float]:
        is_poll = seen.method == "GET" and not NO_POLL.search(seen.target)
        self._polls[import_id] += is_poll
        number = self._polls[import_id]
        if not is_poll and seen.target.endswith("/errorFile"):
            return answer(REPORT, content_type="text/csv")
        status = 401 if end == "renews" and number == 2 else int(end[-3:] if end[-3:].isdigit() else 200)
        if status != 200 and (is_poll or seen.method == "POST"):
            return answer(self._rejection(seen), status)
        if is_poll and end == "drops":
            return [b"HTTP/1.1 200 " + echo(seen).encode("latin-1", "replace")[:200]]
        is_running = number <= polls or (end == "holds" and not self.released.is_set())
        state = "running" if is_running else STATES.get(end, "partial")
        return answer(json.dumps(self._told(seen, import_id, state, is_poll)))

    def _rejection(self, seen: Seen) -> str:
        text = f"{echo(seen)} {self.signed_url()}"
        return json.dumps({"message": text, "error": text, "error_description": text, "errors": {"x": text}})

    def _told(self, seen: Seen, import_id: str, state: str, is_poll: bool) -> dict[str, Any]:
        """Return what the vendor says about an import, or to a request of its submission."""
        # Any answer does for the vendor that crashes.
        vendor = SAMPLES.get(urlsplit(seen.target).path.split("/")[1], SAMPLES["import_api"])
        text = f"{echo(seen)} {self.signed_url()}"
        is_report = seen.target.endswith("/report")
        if is_poll or is_report:
            return vendor.answer(state, text=text, url=self.signed_url(), is_report=is_report)
        ids = dict.fromkeys((vendor.id_name, "uploadId", "mappingId"), import_id)
        return {**ids, "message": text, "url": self.signed_url()}


def echo(seen: Seen) -> str:
    """Return everything that a request carries, its credentials first."""
    headers = (seen.headers.get(name, "") for name in CREDENTIAL_HEADERS)
    carried = [value.rpartition(" ")[2] for value in headers if value]
    body = seen.body.decode("latin-1")
    everything = [*carried, _user(seen), seen.target, body, unquote(body), json.dumps(seen.headers)]
    return " ".join(everything)


def _user(seen: Seen) -> str:
    """Return user and password of Basic authentication."""
    _, _, user = seen.headers.get("authorization", "").partition("Basic ")
    return base64.b64decode(user).decode("latin-1")


def decoded(seen: Seen) -> str:
    """Return a request with all that is percent-encoded or base64 in it decoded."""
    words = [value.rpartition(" ")[2] for value in seen.headers.values()]
    texts = [seen.target, seen.body.decode("latin-1"), *seen.headers.values()]
    for word in words:
        with suppress(ValueError):
            texts.append(base64.b64decode(word, validate=True).decode("latin-1"))
    return " ".join([*texts, *map(unquote, texts)])
