"""The shell commands: their arguments, for Airflow's parser and for ``python -m``.

Every `airflow` call loads this module (Airflow 3.2 and later), so it imports the standard library only.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

if TYPE_CHECKING:
    from airflow.cli.cli_config import GroupCommand

__all__ = ["build_parser", "get_cli_commands", "main", "run"]

HELP = (
    "Submit files to vendors, poll and cancel their imports, store error reports, and check descriptions of"
    " vendors"
)
EXIT_STATUS = (
    "Exit status: 0 succeeded, 1 failed or cancelled, 3 partial, 4 not finished, 2 wrong usage or an error."
)


class Argument(NamedTuple):
    """An argument, as `argparse` and Airflow's `Arg` take it."""

    flags: tuple[str, ...]
    options: dict[str, Any]


class Command(NamedTuple):
    """A command; `commands.run` has its implementation."""

    name: str
    help: str
    arguments: tuple[Argument, ...]
    epilog: str = EXIT_STATUS


CONN_ID = Argument(("conn_id",), {"metavar": "CONN_ID", "help": "Connection to the vendor"})
IMPORT_ID = Argument(
    ("import_id",), {"metavar": "IMPORT_ID", "help": "What the vendor's submit call returned"}
)
FILE = Argument(
    ("file",),
    {"metavar": "FILE", "help": "Local path, or a URI of an object storage such as s3://conn_id@bucket/key"},
)
PARAM = Argument(
    ("--param",),
    {
        "metavar": "NAME=VALUE",
        "action": "append",
        "default": [],
        "help": "Parameter of the vendor's submission; may be repeated. A value that begins with { is JSON",
    },
)
HOOK_PARAMS = Argument(
    ("--hook-params",),
    {"metavar": "JSON", "help": 'Parameters of the hook, such as {"integration_id": "…"} for Clear'},
)
WAIT = Argument(
    ("--wait",), {"action": "store_true", "help": "Poll until the import has ended, or until Ctrl-C"}
)
TIMEOUT = Argument(
    ("--timeout",), {"metavar": "SECONDS", "help": "With --wait: how long to wait (default: 7 days)"}
)
FOLDER = Argument(
    ("folder",),
    {
        "metavar": "FOLDER",
        "help": "Local folder, or one in an object storage such as s3://conn_id@bucket/key",
    },
)
DESCRIPTION = Argument(
    ("description",),
    {"metavar": "FILE_OR_NAME", "help": "YAML or JSON file, or the name of a bundled description"},
)
ANSWER = Argument(
    ("--answer",), {"metavar": "FILE", "help": "Only print what this answer of the vendor would mean"}
)
ANSWER_STATUS = Argument(
    ("--status",), {"metavar": "N", "help": "With --answer: its HTTP status (default: 200)"}
)
OUTPUT = Argument(
    ("-o", "--output"),
    {"choices": ("table", "json"), "default": "table", "help": "Output format (default: table)"},
)
VERBOSE = Argument(
    ("-v", "--verbose"), {"action": "store_true", "help": "Show Airflow's log, and tracebacks of bugs"}
)

COMMANDS = (
    Command(
        "poll",
        "Show the status of an import",
        (CONN_ID, IMPORT_ID, WAIT, TIMEOUT, HOOK_PARAMS, OUTPUT, VERBOSE),
    ),
    Command(
        "submit",
        "Submit a file, and print the id of its import",
        (CONN_ID, FILE, PARAM, WAIT, TIMEOUT, HOOK_PARAMS, OUTPUT, VERBOSE),
        f"{EXIT_STATUS} Without --wait: 0 submitted.",
    ),
    Command(
        "cancel",
        "Cancel an import",
        (CONN_ID, IMPORT_ID, HOOK_PARAMS, VERBOSE),
        "Exit status: 0 cancelled, 2 wrong usage or an error.",
    ),
    Command(
        "error-reports",
        "Store the error reports of an import, and print their paths",
        (CONN_ID, IMPORT_ID, FOLDER, HOOK_PARAMS, OUTPUT, VERBOSE),
        "Exit status: 0 all have been stored, if there are any; 2 wrong usage or an error.",
    ),
    Command(
        "describe",
        "Check the description of a vendor, and say what it means",
        (DESCRIPTION, ANSWER, ANSWER_STATUS, OUTPUT, VERBOSE),
        "Exit status: 0 valid, 2 invalid.",
    ),
)


def get_cli_commands() -> list[GroupCommand]:
    """Return the command group ``airflow import-status`` (Airflow 3.2 and later)."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    subcommands = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=run,
            args=[Arg(argument.flags, **argument.options) for argument in command.arguments],
            epilog=command.epilog,
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name="import-status", help=HELP, subcommands=subcommands)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments and run the command (any Airflow version)."""
    run(build_parser().parse_args(arguments))


def build_parser() -> argparse.ArgumentParser:
    """Return a parser of the arguments, without Airflow's."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_importstatus", description=HELP, epilog=EXIT_STATUS
    )
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name, help=command.help, description=command.help, epilog=command.epilog
        )
        for argument in command.arguments:
            subparser.add_argument(*argument.flags, **argument.options)
    return parser


def run(options: argparse.Namespace) -> None:
    """Run a command, and end the process with its exit status."""
    # As `airflow connections` does: Airflow 3 then finds connections in the metadata database.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    # Only the result goes to stdout: below Airflow 3.3 logs would, too, and up to 3.0 even at the exit.
    stdout, sys.stdout = sys.stdout, sys.stderr
    with warnings.catch_warnings():
        if not options.verbose:
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
        try:
            _load_runner(options.verbose)(options, stdout)
        except KeyboardInterrupt:
            # Only while Airflow is loading.
            print("import-status: Interrupted. Nothing was sent.", file=sys.stderr)  # noqa: T201
            raise SystemExit(2) from None
        finally:
            logging.disable(logging.NOTSET)


def _load_runner(is_verbose: bool) -> Callable[[argparse.Namespace, TextIO], None]:
    # Airflow 2.11 prints warnings about itself that filters do not stop.
    with redirect_stderr(sys.stderr if is_verbose else io.StringIO()):
        from airflow_provider_importstatus.commands.run import run_command

        return run_command
