"""The base class of all vendors' hooks."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import requests
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection

from airflow_provider_importstatus.clients import metrics
from airflow_provider_importstatus.clients.readings import Reading, only_our_errors
from airflow_provider_importstatus.clients.sync_client import SyncClient
from airflow_provider_importstatus.exceptions import ImportSettingsError, ImportUnavailableError
from airflow_provider_importstatus.hooks import connection_form
from airflow_provider_importstatus.hooks.connection_form import Advice
from airflow_provider_importstatus.polling.validation import read_import_id
from airflow_provider_importstatus.protocol.credentials import CredentialCache
from airflow_provider_importstatus.protocol.flow import Flow
from airflow_provider_importstatus.protocol.messages import Credential, Request, Response
from airflow_provider_importstatus.protocol.reports import ErrorReport, SavedReports, save_reports
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.protocol.transfers import SourceFile
from airflow_provider_importstatus.status import ImportStatus
from airflow_provider_importstatus.transports.deadline import all_within
from airflow_provider_importstatus.transports.tls import ca_context
from airflow_provider_importstatus.transports.user_agent import USER_AGENT

if TYPE_CHECKING:
    from airflow_provider_importstatus.clients.storage import Location

__all__ = ["ImportStatusHook", "read_connection"]


class ImportStatusHook(BaseHook):
    """Base class for a vendor's hook.

    A subclass sets `conn_type`, `default_conn_name` and `hook_name`, and implements `apply_auth`, `poll`, and
    `static_credential` or `authenticate`. `poll`, `authenticate` and `probe` are flows: generators that yield
    effects and are sent the replies (see `protocol.flow`), so that the same code runs on workers and in
    triggerers.

    :param conn_id: the connection; defaults to the vendor's default connection
    """

    conn_type: ClassVar[str] = ""
    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str] = ""
    hook_name: ClassVar[str] = ""
    #: Host used if the connection has none.
    default_host: ClassVar[str] = ""
    #: An id that no import has; `probe` polls it.
    no_import: ClassVar[str] = "00000000-0000-0000-0000-000000000000"
    #: Whether a login revokes the tokens of earlier ones: `test_connection` then prefers the shared token.
    login_revokes_tokens: ClassVar[bool] = False
    #: What `test_connection` advises to check.
    advice: ClassVar[Advice] = Advice()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Otherwise it would fail later, in the triggerer.
        super().__init_subclass__(**kwargs)
        missing = [name for name in ("conn_type", "default_conn_name", "hook_name") if not getattr(cls, name)]
        missing += [
            name for name in ("apply_auth", "poll") if getattr(cls, name) is getattr(ImportStatusHook, name)
        ]
        if (
            cls.static_credential is ImportStatusHook.static_credential
            and cls.authenticate is ImportStatusHook.authenticate
        ):
            missing.append("static_credential or authenticate")
        if missing:
            raise TypeError(f"{cls.__name__} is not a complete hook: it lacks {', '.join(missing)}.")
        # Airflow up to 3.1 requires these on the class itself.
        for name in ("get_connection_form_widgets", "get_ui_field_behaviour"):
            setattr(cls, name, inspect.getattr_static(cls, name))

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id or self.default_conn_name
        self._connection: Connection | None = None
        self._reading: Reading | None = None

    # The vendor's protocol: see `protocol.flow.Vendor`.

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:  # noqa: ARG002 - used by overrides
        """Return the credential that the connection contains, if any."""
        return None

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Obtain a credential from the vendor and return it.

        :raises ImportSettingsError: the connection lacks what the login needs
        :raises ImportAuthError: the vendor rejected the login
        """
        raise ImportSettingsError(
            f"{self.hook_name} needs a credential: add one to connection {settings.conn_id!r}."
        )
        yield

    def token_url(self, settings: ConnectionSettings) -> str:
        """Return the URL of `authenticate`'s request. Login rejections are shared by this URL."""
        return settings.base_url

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:  # noqa: ARG002 - used by overrides
        """Return the name under which processes share one credential; None if each may have its own."""
        return None

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Return the request with the credential added."""
        raise NotImplementedError

    def effective_status(self, response: Response) -> int:
        """Return the HTTP status that the response stands for, which may differ from its own."""
        return response.status

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Poll an import once and return its status.

        :raises ImportNotFoundError: the vendor knows no such import
        :raises ImportStatusError: another subclass for the kind of failure
        """
        raise NotImplementedError

    def submit(self, file: SourceFile, *_: Any, **__: Any) -> Flow[str]:  # noqa: ARG002 - used by overrides
        """Submit a file and return the id of its import. Overrides have the vendor's own parameters.

        :raises SubmissionUncertainError: the import may have been started
        :raises ImportStatusError: another subclass for the kind of failure; no import was started
        """
        raise ImportSettingsError(
            f"{self.hook_name} cannot submit files through this provider. Submit with get_conn() in a task of"
            " your own, and wait with a sensor. Nothing was sent."
        )
        yield

    def cancel(self, import_id: str) -> Flow[None]:
        """Cancel an import.

        :raises ImportSettingsError: the vendor cannot cancel
        :raises ImportStatusError: another subclass for the kind of failure
        """
        raise ImportSettingsError(
            f"{self.hook_name} cannot cancel import {import_id!r}: it has no such call. Nothing was sent."
        )
        yield

    @property
    def can_cancel(self) -> bool:
        """Whether `cancel` is possible."""
        return type(self).cancel is not ImportStatusHook.cancel

    def error_reports(self, import_id: str) -> Flow[Sequence[ErrorReport]]:  # noqa: ARG002 - used by overrides
        """Return the error reports of an import that has ended. The vendor's credential must be able to read
        those that are not signed.
        """
        return ()
        yield

    def probe(self) -> Flow[object]:
        """Send a cheap, read-only request that succeeds only with the right host and credential.

        :raises ImportNotFoundError: the vendor knows no such import. With a JSON body this counts as success;
            without, the response is not the vendor's
        """
        return self.poll(self.no_import)

    # For Airflow's connection form.

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields for extras (Airflow 2.11 to 3.1)."""
        return connection_form.form_widgets(connection_form.metadata_entry(cls))

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return hidden fields, labels and placeholders of the form (Airflow 2.11 to 3.1)."""
        return connection_form.field_behaviour(connection_form.metadata_entry(cls))

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, and a message that says what to fix.

        It sends at most one login and the `probe`, within the timeout, and replaces no shared token.
        """
        # Needed in Airflow's servers only.
        from airflow_provider_importstatus.hooks.connection_test import ConnectionTest

        return ConnectionTest(self).run()

    # For DAGs.

    @property
    def settings(self) -> ConnectionSettings:
        """The connection's settings, as last read."""
        return (self._reading or self.read_again()).settings

    @settings.setter
    def settings(self, settings: ConnectionSettings) -> None:
        self._keep(settings)

    @property
    def credentials(self) -> CredentialCache:
        """The cache of the credential that belongs to `settings`."""
        return (self._reading or self.read_again()).credentials

    @property
    def min_interval(self) -> float:
        """The vendor's minimum time between two polls of one import, in seconds."""
        return 0.0

    @property
    def base_url(self) -> str:
        """The vendor's base URL without a trailing slash: scheme, host, port and path."""
        return self.settings.base_url

    def get_import_status(self, import_id: str | int) -> ImportStatus:
        """Poll an import once and return its status.

        :param import_id: the str or int that the vendor's submit call returned
        :raises ImportStatusError: a subclass for the kind of failure
        """
        import_id = read_import_id(import_id)
        with metrics.PollTimer(self.conn_type, self.conn_id) as poll, only_our_errors(self.hook_name):
            return poll.record(SyncClient(self).run(lambda hook: hook.poll(import_id)))

    def get_status_within(self, seconds: float, import_id: str | int) -> ImportStatus:
        """Poll an import once like `get_import_status`, with a limit for all requests together."""
        with all_within(seconds):
            return self.get_import_status(import_id)

    async def aget_import_status(self, import_id: str | int) -> ImportStatus:
        """Poll an import once without blocking the event loop, and return its status.

        :param import_id: the str or int that the vendor's submit call returned
        :raises ImportStatusError: a subclass for the kind of failure
        """
        import_id = read_import_id(import_id)
        # Imported here: workers do not need aiohttp.
        from airflow_provider_importstatus.clients.async_client import shared_client

        async with shared_client(self.conn_id) as client:
            return await client.poll(client.own(self), import_id)

    def submit_import(self, path: Location, **vendor_params: Any) -> str:
        """Submit a file and return the id of its import. The file is streamed.

        :param path: a local path, or a URI or `ObjectStoragePath` of an object storage that Airflow knows
        :param vendor_params: see the vendor's `submit`
        :raises SubmissionUncertainError: the import may have been started
        :raises ImportStatusError: another subclass for the kind of failure; no import was started
        """
        # Needed for submitting and reports only: fsspec takes a while to import.
        from airflow_provider_importstatus.clients.storage import StoredFile

        self.check_submit_params(vendor_params)
        file = StoredFile(path)
        with only_our_errors(self.hook_name):
            return SyncClient(self).run(lambda hook: hook.submit(file, **vendor_params))

    def cancel_import(self, import_id: str | int) -> None:
        """Cancel an import.

        :param import_id: the str or int that the vendor's submit call returned
        :raises ImportSettingsError: the vendor cannot cancel
        :raises ImportStatusError: another subclass for the kind of failure
        """
        import_id = read_import_id(import_id)
        with only_our_errors(self.hook_name):
            SyncClient(self).run(lambda hook: hook.cancel(import_id))

    def cancel_at_hand(self, import_id: str | int) -> None:
        """Cancel an import without calling Airflow, with the settings and the credential of the latest poll.

        :raises ImportStatusError: a subclass for the kind of failure
        """
        import_id = read_import_id(import_id)
        with only_our_errors(self.hook_name):
            SyncClient(self).run_at_hand(copy.copy(self).cancel(import_id))

    def download_error_reports(self, import_id: str | int, to: Location) -> list[str]:
        """Store the error reports of an import that has ended, and return their paths.

        A report that cannot be stored is logged and left out.

        :param import_id: the str or int that the vendor's submit call returned
        :param to: a local folder, or one in an object storage that Airflow knows
        :raises ImportStatusError: a subclass for the kind of failure, if the vendor cannot be asked
        """
        saved = self.save_error_reports(read_import_id(import_id), to)
        for error in saved.errors:
            self.log.warning("%s", error)
        return list(saved.paths)

    def save_error_reports(self, import_id: str, to: Location) -> SavedReports:
        """Store the error reports of an import below ``<to>/<vendor>/<conn_id>/<import_id>``."""
        from airflow_provider_importstatus.clients.storage import ReportFolder

        folder = ReportFolder(to, self.vendor, self.conn_id, import_id)
        with only_our_errors(self.hook_name):
            return SyncClient(self).run(lambda hook: save_reports(hook, import_id, folder))

    def get_conn(self) -> requests.Session:
        """Return a session for the vendor's other calls, such as submitting a file.

        It resolves URLs without a scheme against the base URL, authenticates requests to the connection's own
        origin only, and refreshes a rejected credential once.
        """
        from airflow_provider_importstatus.transports.authenticated_session import AuthenticatedSession

        return AuthenticatedSession(self.bound, SyncClient(self).credential, USER_AGENT)

    def bound(self) -> Self:
        """Return a copy that is bound to one reading of the connection. It may call Airflow."""
        if self._reading is None or self._reading.is_old:
            self.read_again(or_keep=True)
        return copy.copy(self)

    def read_again(self, *, or_keep: bool = False) -> Reading:
        """Read the connection again and return the reading. It calls Airflow: never use it on an event loop.

        :param or_keep: whether to keep the latest settings if Airflow is unreachable
        """
        try:
            settings = self.read_settings()
        except ImportUnavailableError:
            if self._reading is None or not or_keep:
                raise
            settings = self._reading.settings
        return self._keep(settings)

    def _keep(self, settings: ConnectionSettings) -> Reading:
        self._reading = self._reading.again(settings) if self._reading else Reading(settings)
        return self._reading

    def read_settings(self) -> ConnectionSettings:
        """Return the connection's current settings. It calls Airflow: never use it on an event loop."""
        # The connection that determined the hook is used once.
        connection, self._connection = self._connection or read_connection(self.conn_id), None
        # Airflow returns what JSON it finds; forms save objects only, secrets backends anything.
        extra: Any = connection.extra_dejson
        settings = ConnectionSettings(
            conn_id=self.conn_id,
            conn_type=self.conn_type,
            host=connection.host or self.default_host,
            schema=connection.schema or "",
            port=connection.port or None,
            login=connection.login or "",
            password=connection.password or "",
            extra=extra if isinstance(extra, Mapping) else {},
        )
        if not isinstance(extra, Mapping | None):
            remedy = 'give a JSON object, such as {"timeout": 30}; nothing was sent'
            raise settings.error("extra", f"is of type {type(extra).__name__}", remedy)
        settings.check()
        if isinstance(settings.verify, str):
            try:
                ca_context(settings.verify)
            except OSError:
                remedy = "give true, false or the path of a CA file"
                raise settings.error("verify", "is not a file of CA certificates", remedy) from None
        return settings

    def check_conn_type(self, wanted: str) -> None:
        """Raise an error for another vendor's connection, whose imports may have the same ids.

        :param wanted: the expected connection type; empty for any
        :raises ImportSettingsError: the types differ
        """
        if wanted not in ("", self.conn_type):
            raise ImportSettingsError(
                f"Connection {self.conn_id!r} is of type {self.conn_type!r}; this task requires {wanted!r}."
                " ImportStatusSensor and ImportFileOperator accept any type. Nothing was sent."
            )

    @property
    def vendor(self) -> str:
        """The vendor's name in an `ImportStatus`."""
        return self.conn_type

    @property
    def title(self) -> str:
        """The vendor's name in messages, once the settings have been read."""
        return self.hook_name

    def check_can_cancel(self) -> None:
        """Raise an error if the vendor cannot cancel imports.

        :raises ImportSettingsError: it cannot
        """
        if not self.can_cancel:
            raise ImportSettingsError(
                f"cancel_on_kill is set, but {self.title} cannot cancel imports. Leave it out."
                " Nothing was sent."
            )

    @classmethod
    def check_submit_params(cls, params: Mapping[str, Any]) -> None:
        """Check that these are parameters of `submit`.

        :raises ImportSettingsError: with the unknown and the valid names
        """
        if cls.submit is not ImportStatusHook.submit:
            _check_names(params, cls.submit, "file", f"{cls.hook_name}'s submission")

    @classmethod
    def portable_params(cls, hook_params: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return `hook_params` without references to this machine, for a triggerer on another one."""
        return hook_params

    @classmethod
    def check_params(cls, hook_params: Mapping[str, Any]) -> None:
        """Check that `hook_params` are parameters of this hook.

        :raises ImportSettingsError: with the unknown and the valid names
        """
        _check_names(hook_params, cls.__init__, "conn_id", f"hook_params: {cls.__name__}")


def _check_names(given: Mapping[str, Any], method: Callable[..., Any], first: str, subject: str) -> None:
    """Raise an error for names that are no parameters of a method.

    :param first: its first parameter, which is not among them
    :param subject: whose parameters they are, for the error
    """
    known = [name for name in inspect.signature(method).parameters if name not in ("self", first)]
    if unknown := [name for name in given if name not in known]:
        valid = f"Valid parameters: {', '.join(known)}." if known else "It has no parameters."
        raise ImportSettingsError(
            f"{subject} has no parameter {', '.join(map(repr, unknown))}. {valid} Nothing was sent."
        )


def read_connection(conn_id: str) -> Connection:
    """Return a connection. It calls Airflow: never use it on an event loop.

    :raises ImportSettingsError: there is no such connection
    :raises ImportUnavailableError: Airflow is unreachable
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ImportSettingsError(
            f"There is no connection {conn_id!r}. Create it where workers and triggerers find it; no request"
            " was sent."
        ) from None
    except Exception as error:
        # Airflow's database or API is unreachable, which must not end the wait.
        raise ImportUnavailableError(
            f"Connection {conn_id!r} cannot be read: {type(error).__name__}."
        ) from error
