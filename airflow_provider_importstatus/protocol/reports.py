"""Error reports: where a vendor keeps those of an import, and how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from airflow_provider_importstatus.exceptions import ImportSettingsError, ImportStatusError
from airflow_provider_importstatus.protocol.flow import Flow, Vendor, send_authenticated
from airflow_provider_importstatus.protocol.messages import Request, Response
from airflow_provider_importstatus.protocol.responses import is_missing, raise_for_status, raise_for_storage
from airflow_provider_importstatus.protocol.transfers import Sink

__all__ = ["ErrorReport", "ReportFolder", "SavedReports", "save_reports"]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """One of a vendor's error reports.

    :param stage: the stage of the import that the report is about, for its file name
    :param request: signed, or sent with the vendor's credential
    :param extension: the extension of the file name; empty if the response or the URL tells it
    """

    stage: str
    request: Request = field(repr=False)
    extension: str = ""


class Reporting(Vendor, Protocol):
    """A vendor that may have error reports."""

    def error_reports(self, import_id: str) -> Flow[Sequence[ErrorReport]]:
        """Return the error reports of an import."""


class StoringSink(Sink, Protocol):
    """A sink that tells where it has stored the body."""

    @property
    def path(self) -> str:
        """Return the path of the file, once it is stored."""


class ReportFolder(Protocol):
    """The folder in which the reports of one import are stored."""

    def sink(self, report: ErrorReport, number: int) -> StoringSink:
        """Return the sink of the report with this number in its stage."""


@dataclass(frozen=True, slots=True)
class SavedReports:
    """The paths of the reports that were stored, and the errors of those that were not."""

    paths: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def save_reports(vendor: Reporting, import_id: str, folder: ReportFolder) -> Flow[SavedReports]:
    """Store all error reports of an import. A report that cannot be stored does not prevent the others."""
    reports = yield from vendor.error_reports(import_id)
    paths, errors, numbers = [], [], dict[str, int]()
    for index, report in enumerate(reports):
        # File names are in lower case.
        stage = report.stage.lower()
        numbers[stage] = numbers.get(stage, 0) + 1
        sink = folder.sink(report, numbers[stage])
        try:
            if (yield from _save(vendor, import_id, index, report, sink)):
                paths.append(sink.path)
        except ImportStatusError as error:
            errors.append(str(error))
    return SavedReports(tuple(paths), tuple(errors))


def _save(vendor: Reporting, import_id: str, index: int, report: ErrorReport, sink: Sink) -> Flow[bool]:
    try:
        return (yield from _fetch(vendor, report, sink))
    except ImportSettingsError:
        raise
    except ImportStatusError:
        # The URL may have expired, or the transfer may have been interrupted.
        reports = yield from vendor.error_reports(import_id)
        if index >= len(reports):
            raise
        return (yield from _fetch(vendor, reports[index], sink))


def _fetch(vendor: Reporting, report: ErrorReport, sink: Sink) -> Flow[bool]:
    """Store a report; return False if the vendor says that it has no report."""
    what = f"{vendor.hook_name}'s error report ({report.stage})"
    request = replace(report.request, sink=sink)
    if request.is_signed:
        response: Response = yield request
        raise_for_storage(response, what)
        return True
    response = yield from send_authenticated(vendor, request)
    if is_missing(response, what):
        return False
    raise_for_status(response, what)
    return True
