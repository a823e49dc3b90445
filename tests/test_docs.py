"""README, CONTRIBUTING and docs/: their code runs, their links have targets, their figures are correct."""

from __future__ import annotations

import json
import re
import shlex
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import requests
from airflow.providers.common.compat.sdk import DAG, BaseHook

from airflow_provider_importstatus import cli, exceptions
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.description_files import (
    SCHEMA,
    bundled_names,
    check_document,
    read_text,
)
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.operators.import_file import (
    TaoAdvanceImportOperator,
    ThalamusImportOperator,
)
from airflow_provider_importstatus.polling.schedule import Wait
from airflow_provider_importstatus.protocol import settings
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.scenario import parse_first_line, read_scenario
from airflow_provider_importstatus.sandbox.vendors.registry import VENDORS
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor
from airflow_provider_importstatus.status import ImportState, ImportStatus

from . import reference_pages
from .cli.conftest import Shell, shell  # noqa: F401
from .vendors import HOOKS, VENDOR_MODULES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_importstatus"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
MAKEFILE = (ROOT / "Makefile").read_text()


#: Blocks that are for Sphinx, not code.
DIRECTIVES = ("{eval-rst}", "{toctree}")


class Block(NamedTuple):
    """A code block of a page."""

    page: str
    language: str
    text: str


BLOCKS = [
    Block(page, language, code)
    for page, text in TEXTS.items()
    for language, code in re.findall(r"^```(\S*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    if language not in DIRECTIVES
]
PYTHON = [block for block in BLOCKS if block.language == "python"]
SHELL = [block for block in BLOCKS if block.language == "sh"]
#: Commands in shell blocks; each is covered by a test below, or by the one named here.
COMMANDS = {
    "export": "test_a_connection_can_be_read",
    "make": "test_a_make_target_exists",
    "pip": "test_the_installed_package_is_this_one",
    "curl": "test_the_sandbox_faults_are_set_and_cleared",
    "airflow": "test_a_shown_command_has_valid_arguments",
    "python": "test_a_shown_command_has_valid_arguments, and tests/sandbox/test_command_line.py",
    "cat": "test_the_tutorials_dags_submit_its_files, test_the_described_vendor_is_read_as_shown",
    "printf": "test_the_tutorials_files_choose_a_scenario, test_the_described_vendor_is_played",
    **dict.fromkeys(
        ["cd", "kill", "mkdir", "python3", "sleep", "source", "until"], "The shell's own, and Python's venv."
    ),
}
EXPORT = re.compile(r"^export (AIRFLOW_CONN_\w+)=('.*?')$", re.MULTILINE | re.DOTALL)
CONNECTIONS = [found for block in SHELL for found in EXPORT.findall(block.text)]
#: A file that a shell block creates or appends to: its path and its content.
HEREDOC = re.compile(r"^cat >>? (\S+) <<'EOF'\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)
TUTORIAL = "docs/from-file-to-finished-import.md"
DESCRIBED = "docs/describe-a-vendor.md"
#: The file that this page writes step by step.
ACME = "".join(content for path, content in HEREDOC.findall(TEXTS[DESCRIBED]) if path == "acme.yaml")
#: Where the page puts it in the end.
INSTALLED_ACME = "/opt/airflow/descriptions/acme.yaml"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def _run(code: str) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "shown_in_the_docs"}
    exec(code, names)
    return names


def _run_block(page: str, beginning: str) -> dict[str, object]:
    (block,) = (each for each in PYTHON if each.page == page and each.text.startswith(beginning))
    return _run(block.text)


def _commands(block: Block) -> list[list[str]]:
    # The value of an export may span several lines, and a file's content is no command.
    lines = EXPORT.sub(r"export \1", HEREDOC.sub(r"cat > \1", block.text)).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def _anchors(text: str) -> set[str]:
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_blocks_are_python_shell_or_a_picture() -> None:
    assert {block.language for block in BLOCKS} == {"python", "sh", "text", "yaml"}


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"{block.page}: {block.text.splitlines()[0]}")
def test_python_blocks_run(block: Block) -> None:
    assert _run(block.text)


def test_the_dag_submits_a_file_and_waits() -> None:
    dag = _run_block("README.md", "import pendulum")["dag"]
    assert isinstance(dag, DAG)
    (task,) = dag.tasks
    assert isinstance(task, TaoAdvanceImportOperator)
    assert task.wait_for_completion


def test_an_operator_is_mapped_over_the_files_that_a_task_lists() -> None:
    (block,) = (each for each in PYTHON if "list_files" in each.text)
    dag: Any = _run(block.text)["dag"]
    load = dag.get_task("load")
    assert load.operator_class is ThalamusImportOperator
    assert load.upstream_task_ids == {"list_files"}


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("load", ["invoices", "users"])
def test_rejected_rows_are_counted_where_the_vendor_does_not(tmp_path: Path, load: str) -> None:
    (block,) = (each for each in PYTHON if "MAX_REJECTED" in each.text)
    names: dict[str, Any] = _run(block.text)
    dag = names["dag"]
    operator, check = dag.get_task(load), dag.get_task(f"check_{load}").python_callable
    operator.file = str(tmp_path / "roster.csv")
    operator.error_report_path = str(tmp_path)

    def imported(rejected: int) -> Any:
        Path(operator.file).write_text(f"# sandbox: ends=partial; seconds=0; rejected={rejected}\ncode\n")
        return operator.execute({})

    check(imported(names["MAX_REJECTED"]))
    with pytest.raises(exceptions.AirflowFailException, match="21 rows were rejected"):
        check(imported(names["MAX_REJECTED"] + 1))


def test_a_report_that_is_missing_is_not_counted_as_none() -> None:
    (block,) = (each for each in PYTHON if "MAX_REJECTED" in each.text)
    dag: Any = _run(block.text)["dag"]
    stages = [{"state": "succeeded"}, {"state": "partial"}]
    result = {"import_id": "1", "state": "partial", "stages": stages, "error_reports": []}
    with pytest.raises(exceptions.AirflowFailException, match="a report is missing"):
        dag.get_task("check_invoices").python_callable(result)


def test_uncertain_submissions_are_notified_of(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = _run_block("docs/metrics.md", "import pendulum")
    (load,) = names["dag"].tasks
    callback = names["notify_of_uncertain_submission"]
    # On Airflow 2.11 it is no list.
    assert load.on_failure_callback in (callback, [callback])
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r")
    callback({"ti": ti, "exception": exceptions.ImportAuthError("no")})
    callback({"ti": ti, "exception": exceptions.SubmissionUncertainError("HTTP 502.")})
    assert capsys.readouterr().out == "d.t in r: HTTP 502.\n"


def test_the_tutorials_dags_submit_its_files() -> None:
    ((path, content),) = HEREDOC.findall(TEXTS[TUTORIAL])
    names = _run(content)
    assert path == "dags/tutorial.py"
    for dag_id in ("users", "sales"):
        dag = names[dag_id]
        assert isinstance(dag, DAG)
        assert dag.dag_id == dag_id
        task: Any = dag.get_task("load")
        assert task.file == f"{names['HERE']}/{dag_id}.csv"


def test_the_tutorials_files_choose_a_scenario() -> None:
    support = {vendor.name: vendor.scenario_support for vendor in VENDORS}
    blocks = [block for block in SHELL if block.page == TUTORIAL]
    written = [words for block in blocks for words in _commands(block) if words[0] == "printf"]
    assert written
    for _, content, _, file in written:
        vendor = {"users.csv": "tao_advance", "sales.csv": "thalamus"}[file]
        fields = parse_first_line(content.partition(r"\n")[0])
        assert read_scenario(vendor, fields, support).ended_after > 0


def test_the_zero_worker_dag_waits_for_the_import_it_submits() -> None:
    dag = _run_block("docs/zero-worker-waits.md", "import pendulum")["dag"]
    assert isinstance(dag, DAG)
    assert dag.get_task("wait").upstream_task_ids == {"submit"}


def test_the_described_vendor_is_read_as_shown(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shell: Shell,  # noqa: F811
) -> None:
    """The page's files and `describe` commands in turn; the text after them is a part of their output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dags").mkdir()
    output, compared = "", 0
    for block in (block for block in BLOCKS if block.page == DESCRIBED):
        if block.language == "text" and output:
            lines = [line for line in block.text.splitlines() if line != "…"]
            assert [line for line in lines if line not in output] == []
            compared += len(lines)
        if block.language != "sh":
            continue
        for path, content in HEREDOC.findall(block.text):
            with Path(path).open("a" if f"cat >> {path}" in block.text else "w") as file:
                file.write(content)
        described = [words[2:] for words in _commands(block) if words[2:3] == ["describe"]]
        output = "".join(shell(*words).out for words in described)
    assert compared > 15
    assert (tmp_path / "acme.yaml").read_text() == ACME


def test_the_described_vendor_is_played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (code,) = (text for path, text in HEREDOC.findall(TEXTS[DESCRIBED]) if path == "dags/members.py")
    dag = _run(code.replace("/tmp/acme-demo", str(tmp_path)))["dag"]
    assert isinstance(dag, DAG)
    sensor: Any = dag.get_task("wait")
    assert isinstance(sensor, ImportStatusSensor)
    (tmp_path / "acme.yaml").write_text(ACME)
    blocks = [block for block in SHELL if block.page == DESCRIBED]
    files = [words[1] for block in blocks for words in _commands(block) if words[0] == "printf"]
    states = []
    with Sandbox(port=0, descriptions=[str(tmp_path / "acme.yaml")]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_ACME_DEFAULT", json.dumps(sandbox.connections["acme_default"]))
        for words in (words for block in blocks for words in _commands(block) if words[0] == "curl"):
            sandbox.submit(**json.loads(words[words.index("-d") + 1]))
        for content in files:
            (tmp_path / "members.csv").write_text(
                re.sub(r"seconds=\d+", "seconds=0", content).replace(r"\n", "\n")
            )
            submit: Any = dag.get_task("submit")
            states.append(hook_for(sensor.conn_id).get_import_status(submit.python_callable()).state)
        assert [one["import_id"] for one in sandbox.imports("acme")][:2] == ["a1f0", "a1f1"]
    assert states == [ImportState.SUCCEEDED, ImportState.PARTIAL]


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language == "yaml"],
    ids=lambda block: f"{block.page}: {block.text.splitlines()[0]}",
)
def test_yaml_blocks_are_descriptions_or_parts_of_them(block: Block) -> None:
    document, source = read_text(block.text, "the block")
    if "version" not in document:
        document = {**read_text(ACME, "the page's file")[0], **document}
    assert check_document(document, source).name == "acme"


@pytest.mark.parametrize("page", reference_pages.PAGES, ids=lambda page: page.name)
def test_the_generated_tables_are_up_to_date(page: Path) -> None:
    assert reference_pages.with_tables(page.read_text()) == page.read_text(), "Run `make docs`."


def test_the_format_is_documented_completely() -> None:
    names = re.findall(r"^<!-- keys: (.*) -->$", TEXTS["docs/description-format.md"], re.MULTILINE)
    documented = [name for line in names for name in line.split(", ")]
    assert sorted(documented) == sorted(json.loads(SCHEMA.read_text())["properties"])


def test_every_bundled_description_is_documented() -> None:
    documented = re.findall(r"^<!-- vendor: (\w+) -->$", TEXTS["docs/included-vendors.md"], re.MULTILINE)
    assert documented == bundled_names()


def test_the_result_has_the_fields_of_a_status() -> None:
    result = _run_block("docs/sensors.md", "result = {")["result"]
    assert isinstance(result, dict)
    status = ImportStatus.from_dict(result)
    assert list(result) == list(status.to_dict())
    assert status.state is ImportState.PARTIAL
    assert status.to_dict() == result


def test_all_errors_are_listed() -> None:
    shown = _run_block("docs/errors.md", "from airflow_provider_importstatus.exceptions import")
    ours = {name for name in exceptions.__all__ if name.startswith("Import")}
    assert ours <= shown.keys()


def test_a_dag_is_scheduled_by_the_asset_of_another() -> None:
    imports = "import pendulum\nfrom airflow.providers.common.compat.sdk import DAG, Asset, task"
    names = _run_block("docs/operators.md", imports)
    dag, consumer = names["dag"], names["consumer"]
    assert isinstance(dag, DAG)
    assert isinstance(consumer, DAG)
    assert dag.get_task("load").outlets == [names["customers"]]
    assert type(consumer.timetable).__name__ in ("AssetTriggeredTimetable", "DatasetTriggeredTimetable")


def test_the_custom_vendor_is_complete() -> None:
    hook = _run_block("docs/your-own-vendor.md", "# acme_importstatus.py")["AcmeHook"]
    assert isinstance(hook, type)
    assert issubclass(hook, ImportStatusHook)


def test_the_custom_vendor_submits_cancels_and_has_reports() -> None:
    hook = _run_block("docs/your-own-vendor.md", "# acme_importstatus.py")["AcmeHook"]
    further = _run_block("docs/your-own-vendor.md", "# further methods of AcmeHook")
    members = {name: further[name] for name in ("submit", "cancel", "error_reports")}
    assert isinstance(hook, type)
    complete: Any = type("AcmeHook", (hook,), members)
    complete.check_submit_params({"oven": "stone"})
    with pytest.raises(exceptions.ImportSettingsError, match="pan"):
        complete.check_submit_params({"pan": "iron"})
    assert complete().can_cancel
    with pytest.raises(StopIteration) as stop:
        next(complete().error_reports("7"))
    (report,) = stop.value.value
    assert (report.stage, report.request.url) == ("crumbs", "/loaves/7/crumbs")


def test_the_custom_metadata_names_the_hook() -> None:
    get_provider_info = _run_block("docs/your-own-vendor.md", "# acme_provider.py")["get_provider_info"]
    (connection_type,) = get_provider_info()["connection-types"]  # type: ignore[operator]
    assert connection_type["hook-class-name"] == "acme_importstatus.AcmeHook"


def test_each_connection_is_shown_as_json_and_as_uri() -> None:
    pages = [page for page in TEXTS if page.startswith("docs/vendors/")] + ["docs/connections.md"]
    shown = [name for page in pages for name, _ in EXPORT.findall(TEXTS[page])]
    assert sorted(shown) == sorted(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT" for vendor in [*HOOKS, *HOOKS])


@pytest.mark.parametrize(("name", "quoted"), CONNECTIONS)
def test_a_connection_can_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, quoted: str
) -> None:
    (tmp_path / "acme.yaml").write_text(ACME)
    (value,) = shlex.split(quoted.replace(INSTALLED_ACME, str(tmp_path / "acme.yaml")))
    monkeypatch.setenv(name, value)
    conn_id = name.removeprefix("AIRFLOW_CONN_").lower()
    read = BaseHook.get_connection(conn_id)
    settings = HOOKS[str(read.conn_type)](conn_id=conn_id).read_settings()
    assert read.conn_type == settings.conn_type
    assert settings.base_url.startswith("https://")


@pytest.mark.parametrize("block", SHELL, ids=lambda block: f"{block.page}: {block.text.splitlines()[0]}")
def test_shell_blocks_contain_only_tested_commands(block: Block) -> None:
    assert {words[0].removeprefix(".venv/bin/") for words in _commands(block)} <= COMMANDS.keys()


def test_a_shown_command_has_valid_arguments() -> None:
    prefixes = (["airflow", "import-status"], ["python", "-m", "airflow_provider_importstatus"])
    shown = [
        cli.build_parser().parse_args(words[len(prefix) :]).subcommand
        for block in SHELL
        for words in _commands(block)
        for prefix in prefixes
        if words[: len(prefix)] == prefix
    ]
    assert set(shown) == {command.name for command in cli.COMMANDS}


@pytest.mark.parametrize("page", TEXTS)
def test_a_make_target_exists(page: str) -> None:
    shown = re.findall(r"(?:^|`)make ([a-z-]+)", TEXTS[page], re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert set(shown) <= targets


def test_the_installed_package_is_this_one() -> None:
    installs = [words for block in SHELL for words in _commands(block) if words[0] == "pip"]
    assert installs
    assert all(words[1] == "install" and words[-1] == "airflow-provider-importstatus" for words in installs)


def test_the_sandbox_faults_are_set_and_cleared(sandbox: Sandbox) -> None:
    def curl(words: list[str]) -> None:
        url = next(word for word in words if "localhost:8099" in word).replace("localhost:8099", sandbox.url)
        body = words[words.index("-d") + 1].encode() if "-d" in words else None
        method = words[words.index("-X") + 1] if "-X" in words else "POST"
        requests.request(method, url, data=body, timeout=5).raise_for_status()

    def status() -> int:
        return requests.get(f"{sandbox.url}/api/v1/upload/api/v1/status/none", timeout=5).status_code

    blocks = [block for block in SHELL if block.page == "docs/sandbox.md"]
    make, clear = (words for block in blocks for words in _commands(block) if words[0] == "curl")
    curl(make)
    assert [status(), status()] == [503, 503]
    curl(clear)
    assert status() == 401


@pytest.mark.parametrize("page", TEXTS)
def test_links_have_targets(page: str) -> None:
    for link in LINK.findall(TEXTS[page]):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text()), link


def test_every_page_is_in_the_index() -> None:
    linked = {f"docs/{link.partition('#')[0]}" for link in LINK.findall(TEXTS["docs/index.md"])}
    pages = {page for page in TEXTS if page.startswith("docs/")}
    assert pages - {"docs/index.md"} <= linked
    assert "docs/index.md" in LINK.findall(TEXTS["README.md"])


def test_files_named_in_contributing_exist() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|js|css))`", TEXTS["CONTRIBUTING.md"]))
    assert named
    assert not [name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()]


def test_contributing_describes_every_file() -> None:
    modules = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    ours = {name for name in modules if not name.startswith("sandbox/")}
    vendors = {f"hooks/{module}.py" for module in VENDOR_MODULES.values()}
    table = TEXTS["CONTRIBUTING.md"].partition("### Files")[2].partition("## ")[0]
    assert not [name for name in sorted(ours - vendors) if f"`{name}`" not in table]
    assert "`hooks/<vendor>.py`" in table


def test_the_documented_connection_limits_match_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", TEXTS["docs/connections.md"], re.MULTILINE)
    assert {name: (float(default), float(most)) for name, default, most in rows} == {
        "timeout": (settings.DEFAULT_REQUEST_TIMEOUT, settings.MAX_TIMEOUT),
        "transfer_timeout": (settings.DEFAULT_TRANSFER_TIMEOUT, settings.MAX_TRANSFER_TIMEOUT),
        "max_concurrency": (settings.DEFAULT_MAX_CONCURRENCY, settings.MAX_CONCURRENCY),
    }


def test_the_documented_request_counts_match_the_schedule() -> None:
    def polls(seconds: float) -> float:
        wait, now, count = Wait(first_poll_at=0.0, deadline=7 * 86400.0), 0.0, 1
        while now < seconds:
            now += wait.next_interval(now)
            count += 1
        return count

    def mean(seconds: float) -> float:
        return statistics.mean(polls(seconds) for _ in range(50))

    documented = re.search(
        r"about (\d+) requests\nin the first hour, (\d+) of them", TEXTS["docs/sensors.md"]
    )
    assert documented is not None
    assert mean(3600) == pytest.approx(int(documented[1]), rel=0.1)
    assert mean(600) == pytest.approx(int(documented[2]), rel=0.1)
