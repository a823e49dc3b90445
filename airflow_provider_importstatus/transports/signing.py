"""A `requests` session for whatever else a DAG asks of a vendor: submitting files, above all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
from requests.utils import rewind_body

from airflow_provider_importstatus.conversation import Credential, Request, Response, Vendor
from airflow_provider_importstatus.settings import origin
from airflow_provider_importstatus.transports.blocking import Session

__all__ = ["SigningSession"]


class SigningSession(Session):
    """Signs requests to the connection's own origin and to no other.

    Submitting often ends in a PUT to somebody else's storage, which must not see the vendor's credential.

    :param vendor: whose requests these are
    :param credential: gives the credential, and another one for the refused one
    """

    def __init__(
        self, vendor: Vendor, credential: Callable[[Credential | None], Credential], user_agent: str
    ) -> None:
        super().__init__(vendor.settings, user_agent)
        self._vendor = vendor
        self._credential = credential
        self._signatures: set[str] = set()

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; a URL that begins with a slash is below the connection's base."""
        if isinstance(url, str) and url.startswith("/"):
            url = self._vendor.settings.base_url + url
        kwargs.setdefault("timeout", self._vendor.settings.timeout)
        return super().request(method, url, *args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send one prepared request; `requests` calls this for each hop of a redirect, too."""
        for name in self._signatures:
            request.headers.pop(name, None)
        if origin(request.url or "") != origin(self._vendor.settings.base_url):
            return super().send(request, **kwargs)
        credential = self._credential(None)
        self._sign(request, credential)
        reply = super().send(request, **kwargs)
        if not self._is_refused(reply) or not _is_rewound(request):
            return reply
        self._sign(request, self._credential(credential))
        reply.close()
        return super().send(request, **kwargs)

    def _sign(self, request: requests.PreparedRequest, credential: Credential) -> None:
        plain = Request(request.method or "GET", request.url or "")
        headers = self._vendor.sign(plain, credential).headers
        self._signatures.update(headers)
        request.headers.update(headers)

    def _is_refused(self, reply: requests.Response) -> bool:
        if reply.status_code in (401, 403):
            return True
        if reply.status_code != 400:
            return False
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return self._vendor.meant_status(Response(reply.status_code, headers, reply.content)) in (401, 403)


def _is_rewound(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent once more, from its beginning."""
    if request.body is None or isinstance(request.body, str | bytes | bytearray):
        return True
    # A generator has no position: it is used up, and would be sent as an empty file.
    if getattr(request, "_body_position", None) is None:
        return False
    try:
        rewind_body(request)
    except requests.exceptions.UnrewindableBodyError:
        return False
    return True
