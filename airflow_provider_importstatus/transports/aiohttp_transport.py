"""The `aiohttp` transport, used in triggerers."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any, TypeVar

import aiohttp
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from yarl import URL

from airflow_provider_importstatus.exceptions import (
    ImportRequestError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.flow import Flow, Returned, advance
from airflow_provider_importstatus.protocol.messages import Effect, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.transports.body import ACCEPT_ENCODING, MAX_HEADER, Body, plain_headers
from airflow_provider_importstatus.transports.tls import (
    ca_context,
    certificate_error,
    environment_error,
    root_cause,
)
from airflow_provider_importstatus.transports.url_secrecy import without_cause

__all__ = ["RequestOptions", "exchange", "run_flow"]

T = TypeVar("T")


class RequestOptions:
    """TLS, proxy and timeout options of a connection. It reads files: never create it on an event loop."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.timeout = aiohttp.ClientTimeout(total=settings.timeout)
        self.ssl = _ssl_option(settings.verify)
        self._proxy = settings.proxy
        self._proxies: dict[str, str | None] = {}

    def proxy(self, url: str) -> str | None:
        """Return the proxy for a URL: the connection's, else the environment's, chosen as in `requests`."""
        if self._proxy:
            return self._proxy
        site = "/".join(url.split("/", 3)[:3])
        if site not in self._proxies:
            # Cached: it scans the whole environment, too expensive for each request.
            self._proxies[site] = select_proxy(url, get_environ_proxies(url))
        return self._proxies[site]


def _ssl_option(verify: bool | str) -> ssl.SSLContext | bool:
    if verify is False:
        return False
    try:
        return ca_context(verify if isinstance(verify, str) else _environment_bundle())
    except OSError as error:
        raise environment_error(error) from error


def _environment_bundle() -> str:
    # The same variables in the same order as in `requests`.
    chosen = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return chosen or DEFAULT_CA_BUNDLE_PATH


async def run_flow(flow: Flow[T], perform: Callable[[Effect], Awaitable[Any]]) -> T:
    """Run a flow and return its result; `perform` carries out each effect and returns the reply."""
    with closing(flow):
        turn = advance(flow)
        while not isinstance(turn, Returned):
            try:
                reply = await perform(turn)
            except ImportStatusError as error:
                reply = error
            turn = advance(flow, reply)
        return turn.result


async def exchange(request: Request, session: aiohttp.ClientSession, options: RequestOptions) -> Response:
    """Send one request and return the complete response, within the timeout of `options`."""
    try:
        return await _checked_exchange(request, session, options)
    except ImportStatusError as error:
        raise without_cause(error, request)  # noqa: B904 - it keeps its own cause


async def _checked_exchange(
    request: Request, session: aiohttp.ClientSession, options: RequestOptions
) -> Response:
    where = request.label
    try:
        async with session.request(
            request.method,
            # Already encoded: aiohttp would quote it again.
            URL(request.url, encoded=True),
            headers={**request.headers, "Accept-Encoding": ACCEPT_ENCODING},
            data=request.body,
            timeout=options.timeout,
            allow_redirects=False,
            ssl=options.ssl,
            proxy=options.proxy(request.url),
            auto_decompress=False,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
        ) as reply:
            # Raw headers: aiohttp's texts contain surrogates for bytes that are not UTF-8.
            headers = plain_headers(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.raw_headers
            )
            body = await _read(reply, headers, where)
            response = Response(reply.status, headers, body, received_at=time.time())
            if response.is_large:
                # Parsing it would block the event loop for as long as twenty polls.
                await asyncio.to_thread(response.parse)
            return response
    except aiohttp.ClientConnectorCertificateError as error:
        cause = error.certificate_error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise certificate_error(where, cause) from error
        raise ImportUnavailableError(f"{where} got no response: {root_cause(error)}.") from error
    except TimeoutError as error:
        raise ImportUnavailableError(
            f"{where} got no response: timed out after {options.timeout.total:g} seconds."
        ) from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise ImportUnavailableError(f"{where} got no response: {root_cause(error)}.") from error
    except aiohttp.ClientResponseError as error:
        raise ImportUnavailableError(
            f"{where} got an invalid HTTP response: {type(error).__name__}."
        ) from error
    except (aiohttp.ClientError, ValueError) as error:
        # Its text may quote headers and thus credentials.
        raise ImportRequestError(f"{where} cannot be sent: {type(error).__name__}.") from None


async def _read(reply: aiohttp.ClientResponse, headers: dict[str, str], where: str) -> bytes:
    body = Body(headers, where)
    async for chunk in reply.content.iter_any():
        body.add(chunk)
    return body.whole()
