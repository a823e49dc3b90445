"""Whole tasks whose vendor sends hostile texts: log, XComs, asset events, templates and the link."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_importstatus.exceptions import ImportFailedError, ImportSettingsError
from airflow_provider_importstatus.version_compat import is_airflow

from ..hostile_texts import HOSTILE, TEMPLATES, is_line, params
from ..network.servers import Seen, Server, answer
from ..sensors.tasks import TaskInstance, defer, run, sensor

#: Bytes of an XCom, with the paths of all reports that are stored.
MAX_XCOM = 64 * 1024


class Clear(Server):
    """Clear, which puts one text wherever it can, and in the names of error reports."""

    def __init__(self) -> None:
        super().__init__(self._respond)
        self.text = ""
        self.word = "SUCCESS"

    def _respond(self, seen: Seen) -> Any:
        if seen.target == "/report":
            return answer("a,b", content_type="text/csv")
        text = self.text[:1500]  # Or the response is too large.
        activity = {"stage": text, "ingestionTemplate": text, "status": text, "errorMessage": text}
        activities = [{**activity, "errorReportPreSign": f"{self.url}/report"}] * 60
        result = {
            "workflowStatus": self.word,
            "taskId": text,
            "message": text,
            "activityStatusList": activities,
        }
        return answer(json.dumps({"success": True, "result": result}))


@pytest.fixture
def clear(connect: Callable[..., str]) -> Iterator[Clear]:
    clear = Clear()
    with clear:
        connect("clear", host=clear.url, extra={"access_token": "Zq-token"})
        yield clear


def texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts_in(part)]


@dataclass
class OutletEvents:
    """Airflow's accessor of the asset events. Assets of some versions are no keys of a dictionary."""

    extra: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, _: Asset) -> OutletEvents:
        return self


@pytest.mark.parametrize("text", params(HOSTILE))
def test_a_task_tells_hostile_texts_as_lines(
    clear: Clear, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    clear.text = text
    asset, ti, events = Asset("s3://a/b"), TaskInstance(), OutletEvents()
    more = {"on_partial": "succeed", "error_report_path": str(tmp_path / "reports"), "outlets": [asset]}
    context: Any = {"ti": ti, "outlet_events": events}
    result = sensor("clear_default", **more).execute(context)
    assert len(result["error_reports"]) == 50
    for value in (result, ti.xcoms["import_status"], events.extra):
        assert all(map(is_line, texts_in(value)))
        assert len(json.dumps(value, allow_nan=False)) < MAX_XCOM
    logged = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert any("partial" in line for line in logged)
    assert all(map(is_line, logged))
    assert {path.parents[3] for path in (tmp_path / "reports").rglob("*.csv")} == {tmp_path / "reports"}


@pytest.mark.parametrize("text", params(HOSTILE))
def test_a_failed_task_ends_with_a_line(clear: Clear, capsys: pytest.CaptureFixture[str], text: str) -> None:
    clear.text, clear.word = text, "FAILED"
    with pytest.raises(ImportFailedError) as caught:
        run(sensor("clear_default"))
    assert is_line(str(caught.value))
    clear.word = text
    task = sensor("clear_default", timeout=0)
    with pytest.raises(Exception, match=r".") as ended:
        run(task)
    assert is_line(str(ended.value))
    assert all(map(is_line, capsys.readouterr().out.removesuffix("\n").split("\n")))


IDS = {"a signed link": "https://files.example/r?sig=1", "a query": "a.example/x?token=1", "a path": "../x"}


@pytest.mark.parametrize("import_id", params(IDS))
def test_the_reports_are_those_of_the_import_that_was_polled(
    clear: Clear, tmp_path: Path, import_id: str
) -> None:
    """A status has its id redacted, which is another id."""
    clear.text = "x"
    run(sensor("clear_default", import_id, on_partial="succeed", error_report_path=str(tmp_path)))
    asked = [seen.target for seen in clear.seen if seen.target != "/report"]
    assert len(asked) == 2
    assert [parse_qs(urlsplit(target).query)["taskId"] for target in asked] == [[import_id]] * 2
    assert {unquote(path.parent.name) for path in tmp_path.rglob("*.csv")} == {import_id}


@pytest.mark.parametrize("text", params(TEMPLATES))
def test_a_rendered_id_is_not_rendered_again(clear: Clear, text: str) -> None:
    clear.text, clear.word = "x", "PROCESSING"
    task = sensor(
        "clear_default", "{{ submitted }}", hook_params={"integration_id": "{{ submitted }}"}, deferrable=True
    )
    context: Any = {"submitted": text}
    task.render_template_fields(context)
    assert (task.import_id, task.hook_params) == (text, {"integration_id": text})
    if "{{" in text or "{%" in text:
        with pytest.raises(ImportSettingsError, match="import_id is a template that was not rendered"):
            defer(task)
        return
    trigger: Any = defer(task).trigger
    assert (trigger.import_id, trigger.hook_params) == (text, {"integration_id": text})
    # Airflow renders a trigger's arguments from 3.3 on, if it takes them from the task as it is written.
    if is_airflow(3, 3):
        ti: Any = TaskInstance()
        ti.task = task
        trigger.task_instance = ti
        assert not trigger.template_fields
    asked = {parse_qs(urlsplit(seen.target).query)["taskId"][0] for seen in clear.seen}
    assert asked == {text}
