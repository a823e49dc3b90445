"""Configuration of a separate Airflow: its airflow.cfg and its environment."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from configparser import RawConfigParser
from importlib.metadata import version
from pathlib import Path

Settings = dict[str, dict[str, object]]

#: The minor version of the Airflow that is installed beside this.
AIRFLOW = tuple(map(int, version("apache-airflow").split(".")[:2]))
#: Whether it has a web server in place of the API server, and other names for settings.
IS_AIRFLOW_2 = AIRFLOW < (3, 0)


def settings(home: Path, dags_folder: Path) -> Settings:
    """Return settings for an Airflow that is fast, small, and uses free ports."""
    api_port, worker_log_port, trigger_log_port = free_ports(3)
    url = f"http://127.0.0.1:{api_port}"
    common: Settings = {
        "core": {
            "dags_folder": dags_folder,
            "execution_api_server_url": f"{url}/execution/",
            "executor": "LocalExecutor",
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "load_examples": False,
            "parallelism": 8,
            "simple_auth_manager_all_admins": True,
            "test_connection": "Enabled",
        },
        "api": {
            "base_url": url,
            "host": "127.0.0.1",
            "port": api_port,
            "secret_key": secrets.token_hex(16),
            # Airflow before 3.1 starts four, and again each that takes more than 5 seconds to start.
            "workers": 1,
        },
        "api_auth": {"jwt_secret": secrets.token_hex(32)},
        "dag_processor": {
            "bundle_refresh_check_interval": 1,
            "min_file_process_interval": 5,
            "parsing_processes": 1,
            "refresh_interval": 3,
        },
        # Only one process at a time can write to SQLite; by default the others fail after 5 seconds.
        "database": {"sql_alchemy_conn": f"sqlite:///{home}/airflow.db?timeout=30"},
        "logging": {
            "colored_console_log": False,
            "trigger_log_server_port": trigger_log_port,
            "worker_log_server_port": worker_log_port,
        },
        "scheduler": {"scheduler_idle_sleep_time": 0.5, "trigger_timeout_check_interval": 3},
    }
    return merged(common, _settings_of_version(url, api_port))


def _settings_of_version(url: str, port: int) -> Settings:
    if IS_AIRFLOW_2:
        return _settings_of_airflow_2(url, port)
    if AIRFLOW == (3, 0):
        # Its LocalExecutor gets tasks before the scheduler has committed that they are queued, and those that
        # start sooner fail (apache/airflow#56010). One at a time is committed soon enough.
        return {"scheduler": {"max_tis_per_query": 1}}
    return {}


def _settings_of_airflow_2(url: str, port: int) -> Settings:
    return {
        "scheduler": {
            "dag_dir_list_interval": 3,
            "min_file_process_interval": 5,
            "parsing_processes": 1,
            "standalone_dag_processor": True,
        },
        "webserver": {
            "base_url": url,
            "config_file": Path(__file__).with_name("webserver_config.py"),
            "secret_key": secrets.token_hex(16),
            "web_server_host": "127.0.0.1",
            "web_server_port": port,
            "workers": 1,
        },
    }


def merged(defaults: Settings, overrides: Mapping[str, Mapping[str, object]]) -> Settings:
    """Return the settings of both; overrides take precedence."""
    names = {*defaults, *overrides}
    return {name: defaults.get(name, {}) | dict(overrides.get(name, {})) for name in names}


def write(path: Path, values: Settings) -> None:
    """Write an airflow.cfg."""
    config = RawConfigParser()
    for section, keys in values.items():
        # Airflow interpolates values when it reads them.
        config[section] = {key: str(value).replace("%", "%%") for key, value in keys.items()}
    with path.open("w") as file:
        config.write(file)


def environment(home: Path) -> dict[str, str]:
    """Return the current environment without variables that configure another Airflow or Python."""
    foreign = ("AIRFLOW", "_AIRFLOW", "PYTHONHOME", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "AIRFLOW_HOME": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        # Without this, a process that sets its title overwrites its environment in /proc, and is not found.
        "SPT_NOENV": "1",
    }


def free_ports(count: int) -> list[int]:
    """Return as many ports that nobody listens on, and that Linux gives to nobody else while we live."""
    held = [_bound() for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        if sys.platform == "linux":
            # Airflow takes seconds until it listens. Until then a bound socket that does not listen keeps the
            # port from being given to whoever asks for any port; a server that names it gets it all the same.
            one.detach()
        else:
            one.close()
    return ports


def _bound() -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
    return one
