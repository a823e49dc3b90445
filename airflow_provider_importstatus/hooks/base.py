"""What every vendor's hook has in common, and what a further vendor subclasses."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

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
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportStatus
from airflow_provider_importstatus.transports.tls import ca_context
from airflow_provider_importstatus.transports.user_agent import USER_AGENT

__all__ = ["ImportStatusHook", "read_connection"]


class ImportStatusHook(BaseHook):
    """Asks one vendor how its imports are going.

    A vendor is one subclass: three class attributes, `sign`, `look`, and `given` or `log_in`. Its methods are
    scripts that yield what they need and are sent the answer (see `conversation`), so that the same lines
    run on workers and in triggerers.

    :param conn_id: the connection; the vendor's default connection unless given
    """

    conn_type: ClassVar[str] = ""
    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str] = ""
    hook_name: ClassVar[str] = ""
    #: The vendor's address where the connection has none.
    default_host: ClassVar[str] = ""
    #: An id that no import has: `probe` asks for it.
    no_import: ClassVar[str] = "00000000-0000-0000-0000-000000000000"
    #: What `test_connection` tells people to check.
    advice: ClassVar[Advice] = Advice()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Otherwise it would fail later, out of sight, in the triggerer.
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
            raise TypeError(f"{cls.__name__} is no complete vendor: it lacks {', '.join(missing)}.")
        # Airflow up to 3.1 asks for the form only where the class itself has these.
        for name in ("get_connection_form_widgets", "get_ui_field_behaviour"):
            setattr(cls, name, inspect.getattr_static(cls, name))

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id or self.default_conn_name
        self._connection: Connection | None = None
        self._reading: Reading | None = None

    # What a vendor is: see `conversation.Vendor`.

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:  # noqa: ARG002 - for those who override it
        """The credential that stands ready in the connection, if one does."""
        return None

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Get a credential from the vendor."""
        raise ImportSettingsError(f"{self.hook_name} needs a credential in connection {settings.conn_id!r}.")
        yield

    def token_url(self, settings: ConnectionSettings) -> str:
        """Where `log_in` gets a credential. A rejected login there is repeated by no process."""
        return settings.base_url

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:  # noqa: ARG002 - for those who override it
        """The name under which processes must share one credential; None where each may have its own."""
        return None

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """The request with the credential presented."""
        raise NotImplementedError

    def effective_status(self, response: Response) -> int:
        """The HTTP status that an answer means, whatever it was sent with."""
        return response.status

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Ask once how an import is going."""
        raise NotImplementedError

    def probe(self) -> Flow[object]:
        """Ask what the vendor answers only if address and credential are right; cheap, and changes nothing.

        :raises ImportNotFoundError: the vendor knows no such import, and so answers; where it does not say so
            in JSON, it is taken for somebody else
        """
        return self.poll(self.no_import)

    # What Airflow's connection form uses.

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's fields for extras, for Airflow 2.11 to 3.1."""
        return connection_form.form_widgets(connection_form.metadata_entry(cls))

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """What the form makes of host, login and the like, for Airflow 2.11 to 3.1."""
        return connection_form.field_behaviour(connection_form.metadata_entry(cls))

    def test_connection(self) -> tuple[bool, str]:
        """Whether the connection works, and in words what is wrong with it.

        At most one login and the `probe`, within the timeout. It replaces no token that processes share.
        """
        # Airflow's servers only.
        from airflow_provider_importstatus.hooks.connection_test import ConnectionTest

        return ConnectionTest(self).run()

    # What a DAG uses.

    @property
    def settings(self) -> ConnectionSettings:
        """The connection as it was last read."""
        return (self._reading or self.read_again()).settings

    @settings.setter
    def settings(self, settings: ConnectionSettings) -> None:
        self._reading = Reading(settings)

    @property
    def credentials(self) -> CredentialCache:
        """What holds the credential that belongs to `settings`."""
        return (self._reading or self.read_again()).credentials

    @property
    def base_url(self) -> str:
        """The vendor's address: scheme, host, port and path, without a slash at the end."""
        return self.settings.base_url

    def get_import_status(self, import_id: str | int) -> ImportStatus:
        """Look at an import once.

        :param import_id: what the vendor's submit call returned, a str or an int
        :raises ImportStatusError: one of its subclasses, by what went wrong
        """
        import_id = read_import_id(import_id)
        with metrics.PollTimer(self.conn_type) as poll, only_our_errors(self.hook_name):
            return poll.answered(SyncClient(self).converse(lambda hook: hook.poll(import_id)))

    async def aget_import_status(self, import_id: str | int) -> ImportStatus:
        """Look at an import once, without blocking the event loop."""
        import_id = read_import_id(import_id)
        # Workers that only block need no aiohttp.
        from airflow_provider_importstatus.clients.async_client import shared_client

        async with shared_client(self.conn_id) as client:
            return await client.poll(client.own(self), import_id)

    def get_conn(self) -> requests.Session:
        """A session for the vendor's other calls, such as submitting a file.

        It resolves URLs that begin with a slash against the connection's base, signs requests to the
        connection's own origin and no other, and renews a refused credential once.
        """
        from airflow_provider_importstatus.transports.authenticated_session import AuthenticatedSession

        owner = SyncClient(self)
        return AuthenticatedSession(self.bound, owner.credential_for, USER_AGENT)

    def bound(self) -> Self:
        """A copy that keeps to one reading of the connection. It may talk to Airflow."""
        if self._reading is None or self._reading.is_old:
            self.read_again(or_keep=True)
        return copy.copy(self)

    def read_again(self, *, or_keep: bool = False) -> Reading:
        """Read the connection now. Talks to Airflow: never on an event loop.

        :param or_keep: whether the latest reading stands where Airflow is out of reach
        """
        before = self._reading
        try:
            settings = self.read_settings()
        except ImportUnavailableError:
            if before is None or not or_keep:
                raise
            settings = before.settings
        self._reading = before.again(settings) if before else Reading(settings)
        return self._reading

    def read_settings(self) -> ConnectionSettings:
        """The connection as it is now. Talks to Airflow: never on an event loop."""
        # The one that the hook was chosen by is used once.
        connection, self._connection = self._connection or read_connection(self.conn_id), None
        settings = ConnectionSettings(
            conn_id=self.conn_id,
            conn_type=self.conn_type,
            host=connection.host or self.default_host,
            schema=connection.schema or "",
            port=connection.port or None,
            login=connection.login or "",
            password=connection.password or "",
            extra=connection.extra_dejson,
        )
        if isinstance(settings.verify, str):
            try:
                ca_context(settings.verify)
            except OSError:
                remedy = "give true, false or the path of a CA file"
                raise settings.error("verify", "names no file of certificates", remedy) from None
        return settings

    def check_conn_type(self, wanted: str) -> None:
        """Refuse a connection of another vendor than a sensor is for: its import may well have the same id.

        :param wanted: the connection type; empty for any
        :raises ImportSettingsError: naming both
        """
        if wanted not in ("", self.conn_type):
            raise ImportSettingsError(
                f"Connection {self.conn_id!r} is of the type {self.conn_type!r}; this sensor takes"
                f" {wanted!r}. Use ImportStatusSensor for any type. Nothing was sent."
            )

    @classmethod
    def check_params(cls, hook_params: Mapping[str, Any]) -> None:
        """Refuse what is no parameter of this hook.

        :raises ImportSettingsError: naming what is unknown, and what there is
        """
        known = [
            name for name in inspect.signature(cls.__init__).parameters if name not in ("self", "conn_id")
        ]
        if unknown := [name for name in hook_params if name not in known]:
            there_is = f"It takes {', '.join(known)}." if known else "It takes none."
            raise ImportSettingsError(
                f"hook_params: {cls.__name__} has no parameter {', '.join(map(repr, unknown))}. {there_is}"
            )


def read_connection(conn_id: str) -> Connection:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ImportSettingsError(
            f"There is no connection {conn_id!r}. Create it; nothing was sent."
        ) from None
    except Exception as error:
        # Airflow's own database or API was out of reach: the wait must outlive that.
        raise ImportUnavailableError(
            f"Connection {conn_id!r} cannot be read: {type(error).__name__}."
        ) from error
