"""The provider's metadata. Every Airflow process runs this at start: it imports nothing."""


def get_provider_info() -> dict[str, object]:
    """What this package adds to Airflow, as `provider_info.schema.json` wants it."""
    return {
        "package-name": "airflow-provider-importstatus",
        "name": "Import status",
        "description": "Wait until a vendor has really imported a file; end the task as the import ended.",
        "integrations": [
            {
                "integration-name": "Import status",
                "external-doc-url": "https://pypi.org/project/airflow-provider-importstatus/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Import status",
                "python-modules": [
                    f"airflow_provider_importstatus.hooks.{vendor}"
                    for vendor in ("base", "clear", "tao", "zilliant", "thalamus")
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Import status",
                "python-modules": ["airflow_provider_importstatus.sensors.import_status"],
            }
        ],
        "triggers": [
            {
                "integration-name": "Import status",
                "python-modules": ["airflow_provider_importstatus.triggers.import_status"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "clear",
                "hook-class-name": "airflow_provider_importstatus.hooks.clear.ClearHook",
                "hook-name": "Clear One Integration",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "extra"],
                    "relabeling": {"login": "Integration id", "password": "API client secret"},
                    "placeholders": {"host": "https://api.clear.in"},
                },
                "conn-fields": {
                    "access_token": _secret("Access token", "A ready token: none is minted then."),
                    **_common(),
                },
            },
            {
                "connection-type": "tao_advance",
                "hook-class-name": "airflow_provider_importstatus.hooks.tao.TaoAdvanceHook",
                "hook-name": "TAO Advance",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "extra"],
                    "relabeling": {"login": "Client id", "password": "Client secret"},
                    "placeholders": {"host": "https://example.taocloud.org"},
                },
                "conn-fields": {
                    "api_prefix": _text("API prefix", "The gateway's path. Default: /api/v1/upload"),
                    "token_url": _text("Token URL", "Where tokens come from, if not from the host."),
                    "token_request_encoding": {
                        "label": "Token request encoding",
                        "description": "multipart, as TAO's page shows, or urlencoded",
                        "schema": {"type": ["string", "null"], "enum": ["multipart", "urlencoded", None]},
                    },
                    **_common(),
                },
            },
            {
                "connection-type": "zilliant",
                "hook-class-name": "airflow_provider_importstatus.hooks.zilliant.ZilliantHook",
                "hook-name": "Zilliant",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "extra"],
                    "relabeling": {"login": "Username"},
                    "placeholders": {"host": "https://mycompany.zilliant.com"},
                },
                "conn-fields": {
                    "client_id": _text("Client id", "The connected app's consumer key."),
                    "client_secret": _secret("Client secret", "The connected app's consumer secret."),
                    "token_url": _text(
                        "Token URL", "Default: https://login.salesforce.com/services/oauth2/token"
                    ),
                    "x_forwarded_host": _text("X-Forwarded-Host", "The OAuth host of your environment."),
                    "token_response": _secret(
                        "Token response", "Salesforce's whole JSON answer: no login then."
                    ),
                    **_common(),
                },
            },
            {
                "connection-type": "thalamus",
                "hook-class-name": "airflow_provider_importstatus.hooks.thalamus.ThalamusHook",
                "hook-name": "Thalamus",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "extra"],
                    "relabeling": {"login": "Principal"},
                    "placeholders": {"host": "https://thalamus.example.com/thalamus"},
                },
                "conn-fields": {
                    "touchpoint": _text("Touchpoint", "The touchpoint's code."),
                    "token": _secret("Token", "The touchpoint's API token."),
                    **_common(),
                },
            },
        ],
    }


def _common() -> dict[str, object]:
    return {
        "timeout": _text("Timeout", "Seconds that one request may take. Default: 30"),
        "verify": _text("Verify", "true, false, or the path of a file of trusted certificates"),
        "proxy": _text("Proxy", "The proxy's URL, in place of the environment's"),
        "max_concurrency": _text("Max concurrency", "Requests under way at once in one process. Default: 16"),
    }


def _text(label: str, description: str) -> dict[str, object]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


def _secret(label: str, description: str) -> dict[str, object]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["string", "null"], "format": "password"},
    }
