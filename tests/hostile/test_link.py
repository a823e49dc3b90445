"""Hostile ids of DAGs, runs and tasks in the link of a task."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from ..hostile_texts import HOSTILE, params
from ..test_plugin import needs_page

#: Ids that Airflow's database holds. A segment of dots is another path to every browser, whoever quotes it.
IDS = {
    name: text
    for name, text in HOSTILE.items()
    if text == text.encode("utf-8", "replace").decode() and text not in (".", "..")
}


@needs_page
@pytest.mark.parametrize("text", params(IDS))
def test_an_id_is_one_segment_of_the_link(text: str) -> None:
    from airflow.models.taskinstancekey import TaskInstanceKey

    from airflow_provider_importstatus.links import ImportLink

    key: Any = TaskInstanceKey(dag_id=text, run_id=text, task_id=text, try_number=1, map_index=3)
    link = urljoin("https://airflow.example/prefix/", ImportLink().get_link(None, ti_key=key))
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "airflow.example", "", "")
    segments = parts.path.split("/")
    assert segments[:3] == ["", "prefix", "dags"]
    assert segments[4:7:2] == ["runs", "tasks"]
    assert [unquote(segment) for segment in segments[3:8:2]] == [text] * 3
    assert segments[8:] == ["mapped", "3", "plugin", "import"]
