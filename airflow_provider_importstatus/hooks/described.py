"""The hook for vendors that a description stands for, in place of a hook of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast
from urllib.parse import quote, urlencode

from airflow_provider_importstatus.exceptions import ImportAuthError, ImportSettingsError
from airflow_provider_importstatus.hooks import description_files
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.connection_form import Advice
from airflow_provider_importstatus.protocol.credentials import refresh_at, token_variable_name
from airflow_provider_importstatus.protocol.described_status import (
    check_cancelled,
    effective_status,
    read_status,
)
from airflow_provider_importstatus.protocol.description import Auth, Description, is_name
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Request,
    Response,
    basic_credentials,
    form_request,
)
from airflow_provider_importstatus.protocol.reports import ErrorReport
from airflow_provider_importstatus.protocol.request_template import IMPORT_ID, RequestTemplate
from airflow_provider_importstatus.protocol.responses import access_token, parse_count, parse_token_response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings, origin
from airflow_provider_importstatus.status import ImportStatus

__all__ = ["DescribedHook", "DescribedSettings", "read_answer"]


@dataclass(frozen=True, kw_only=True)
class DescribedSettings(ConnectionSettings):
    """The settings of a connection, and the description of its vendor.

    They belong together: a credential that was obtained as one description says must not be used by another.
    """

    description: Description


class DescribedHook(ImportStatusHook):
    """Polls imports of a vendor that has a description.

    :param conn_id: a connection of type ``import_api``
    :param description: the name of a bundled description, an object, or the path of a YAML or JSON file;
        defaults to the connection's extra ``description``
    """

    conn_type = "import_api"
    default_conn_name = "import_api_default"
    hook_name = "Import API (described)"
    advice = Advice(
        login="Check {login}, {password} and {token_url}.",
        refusal="Check {login} and {password}, their permissions, and that {description} is the vendor's.",
        address="Check {host}, {description} and the extras that it reads.",
    )

    def __init__(
        self, conn_id: str | None = None, description: str | Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(conn_id)
        self._given = description

    def read_settings(self) -> ConnectionSettings:
        """Return the connection's current settings with the description. It calls Airflow and reads files."""
        settings = super().read_settings()
        description = self._load_description(settings)
        plain = {each.name: getattr(settings, each.name) for each in fields(settings)}
        if description.is_bundled and not settings.host.strip():
            plain["host"] = description.base_url
        elif not settings.host.strip():
            remedy = "give the vendor's base URL; only the connection decides where its credential is sent"
            raise settings.error("host", "is empty", remedy)
        return DescribedSettings(**plain, description=description)

    def _load_description(self, settings: ConnectionSettings) -> Description:
        if self._given is not None:
            return description_files.load_description(self._given)
        given = settings.extra.get("description")
        if given is None or given == "":
            remedy = "give the name of a bundled description, an object, or the absolute path of a file"
            raise settings.error("description", "is empty", remedy)
        return description_files.load_description(given, self.conn_id)

    @property
    def description(self) -> Description:
        """The vendor's description, as last read."""
        return _description(self.settings)

    @property
    def min_interval(self) -> float:
        """The vendor's minimum time between two polls of one import, in seconds."""
        return self.description.min_interval

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        """Return the credential in the connection; None if a token must be requested."""
        auth = _description(settings).auth
        match auth.kind:
            case "none":
                return Credential("")
            case "basic":
                settings.require("login", "password")
                return Credential(basic_credentials(settings.get_str("login"), settings.get_str("password")))
            case "oauth2_client_credentials":
                token = settings.get_header("access_token")
                return Credential(token) if token else None
        key = (settings.get_str if auth.place == "query" else settings.get_header)("password").strip()
        if not key:
            raise settings.error("password", "is empty", "give the token or key; nothing was sent")
        # Logs may contain it as it is in a URL.
        return Credential(key, secrets=(quote(key, safe=""),))

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Request a token with the client credentials (RFC 6749, section 4.4)."""
        settings.require("login", "password")
        description = _description(settings)
        what = f"{description.title}'s token request"
        response = yield _token_request(settings, self.token_url(settings), description.auth)
        data = parse_token_response(response, what)
        token, lifetime = access_token(data, what), parse_count(data.get("expires_in"))
        expires_at = None if lifetime is None else refresh_at(response.received_at, lifetime)
        return Credential(token, response.received_at, expires_at)

    def token_url(self, settings: ConnectionSettings) -> str:
        """Return the connection's extra `token_url`, or that of a bundled description."""
        description = _description(settings)
        url = settings.get_str("token_url") or (description.auth.token_url if description.is_bundled else "")
        if url.startswith("/") and not url.startswith("//"):
            return f"{settings.base_url}{url}"
        if description.auth.kind != "oauth2_client_credentials":
            return settings.base_url
        if not url.startswith(("https://", "http://")):
            raise settings.error("token_url", "is not a URL", "give the URL of the vendor's token endpoint")
        return url

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:
        """Return the name of the token that processes share if the connection says so."""
        auth = _description(settings).auth
        if not settings.share_token or auth.kind != "oauth2_client_credentials":
            return None
        owner = (self.token_url(settings), settings.get_str("login"), auth.scope)
        return token_variable_name(self.conn_type, settings.base_url, *owner)

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Return the request with the credential as the description says."""
        auth = self.description.auth
        match auth.kind:
            case "none":
                return request
            case "basic":
                return request.with_headers({"Authorization": f"Basic {credential.value}"})
            case "api_key" if auth.place == "query":
                return replace(request, url=_with_query(request.url, {auth.name: credential.value}))
            case "api_key":
                return request.with_headers({auth.name: f"{auth.prefix}{credential.value}"})
        return request.with_headers({"Authorization": f"Bearer {credential.value}"})

    def effective_status(self, response: Response) -> int:
        """Return 401 for a rejected credential, however the vendor says so; 503 for an outage."""
        return effective_status(self.description, response)

    def probe(self) -> Flow[object]:
        """Poll an id that no import has."""
        return self.poll(self.description.missing_id or self.no_import)

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Poll the import once and return its status."""
        description = self.description
        response = yield from send_authenticated(self, self._request(description.status, import_id))
        return read_status(description, import_id, response)

    @property
    def can_cancel(self) -> bool:
        """Whether the description says how to cancel an import."""
        return self.description.cancel is not None

    def cancel(self, import_id: str) -> Flow[None]:
        """Cancel the import."""
        description = self.description
        if description.cancel is None:
            raise ImportSettingsError(
                f"The description of {description.title} does not say how to cancel an import. Add the key"
                " cancel to it. Nothing was sent."
            )
        response = yield from send_authenticated(self, self._request(description.cancel, import_id))
        check_cancelled(description, import_id, response)

    def error_reports(self, import_id: str) -> Flow[Sequence[ErrorReport]]:
        """Return the error reports: those that the status links to, or that of the description's request."""
        report = self.description.report
        if report is None:
            return ()
        if report.request:
            return [ErrorReport("errors", self._request(report.request, import_id), report.ext)]
        status = yield from self.poll(import_id)
        own = origin(self.base_url)
        return [
            ErrorReport("errors", Request("GET", url, is_signed=origin(url) != own), report.ext)
            for url in status.error_report_urls
        ]

    @property
    def vendor(self) -> str:
        """The description's name."""
        return self.description.name

    @property
    def title(self) -> str:
        """The description's title."""
        return self.description.title

    @classmethod
    def portable_params(cls, hook_params: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return `hook_params` with the document in place of the path of a file."""
        given = (hook_params or {}).get("description")
        if hook_params is None or not isinstance(given, str) or is_name(given.strip()):
            return hook_params
        document, _ = description_files.read_document(given)
        return {**hook_params, "description": document}

    def _request(self, template: RequestTemplate, import_id: str) -> Request:
        values = {IMPORT_ID: import_id}
        for name, extra in self.description.extras.items():
            value = self.settings.get_str(name, extra.default or "")
            if not value:
                about = f" ({extra.help})" if extra.help else ""
                fact = f"is empty, but description {self.description.name!r} needs it"
                raise self.settings.error(name, fact, f"add this extra{about}; nothing was sent")
            if not value.isprintable():
                raise self.settings.error(name, "contains a control character", "remove it; nothing was sent")
            values[f"extra.{name}"] = value
        return template.render(values)


def read_answer(description: Description, import_id: str, status: int, body: bytes) -> ImportStatus:
    """Return the status that a vendor's answer to a poll contains, or raise what it means instead."""
    response = Response(status, {}, body)
    response = replace(response, status=effective_status(description, response))
    if response.status in (401, 403):
        raise ImportAuthError(
            f"{description.title} rejected the credential: HTTP {status} ({response.excerpt()})."
        )
    return read_status(description, import_id, response)


def _description(settings: ConnectionSettings) -> Description:
    return cast(DescribedSettings, settings).description


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters, quote_via=quote, safe='')}"


def _token_request(settings: ConnectionSettings, url: str, auth: Auth) -> Request:
    parameters = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
    headers, client_id, secret = {}, settings.get_str("login"), settings.get_str("password")
    if auth.encoding == "basic":
        headers["Authorization"] = f"Basic {basic_credentials(client_id, secret)}"
    else:
        parameters |= {"client_id": client_id, "client_secret": secret}
    if auth.method == "GET":
        return Request("GET", _with_query(url, parameters), {"Accept": "application/json", **headers})
    return form_request(url, parameters).with_headers(headers)
