"""The provider's metadata. Every Airflow process runs this at start: it imports nothing.

Connection forms are described here and nowhere else: Airflow 3.2 and later read them from here, and for
earlier ones `connection_form` makes them of the same description.
"""

HOOKS = "airflow_provider_importstatus.hooks"

Form = dict[str, object]


def get_provider_info() -> Form:
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
                    f"{HOOKS}.{vendor}" for vendor in ("base", "clear", "tao", "zilliant", "thalamus")
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
        "extra-links": ["airflow_provider_importstatus.links.ImportLink"],
        "connection-types": [
            connection_type(
                "clear",
                f"{HOOKS}.clear.ClearHook",
                "Clear One Integration",
                labels={"login": "Integration ID", "password": "API client secret"},
                placeholders={
                    "host": "https://api.clear.in",
                    "login": "What Clear calls x-integration-id",
                    "password": "Not needed with an access token",
                },
                fields={
                    "access_token": secret(
                        "Access token",
                        "A ready token, best from an API client whose tokens never expire: nothing is minted"
                        " then. Empty: tokens are minted with the API client secret; each revokes the last.",
                    )
                },
            ),
            connection_type(
                "tao_advance",
                f"{HOOKS}.tao.TaoAdvanceHook",
                "TAO Advance",
                labels={"login": "Client ID", "password": "Client secret"},
                placeholders={
                    "host": "https://your-deployment.example",
                    "api_prefix": "/api/v1/upload",
                    "token_request_encoding": "multipart",
                },
                fields={
                    "api_prefix": text(
                        "API prefix",
                        "The gateway's path in front of the API. Empty: /api/v1/upload."
                        " A single / for older deployments, which have none.",
                    ),
                    "token_url": text(
                        "Token URL",
                        "Where tokens come from. Empty: /v1/oauth2/tokens below host and API prefix.",
                    ),
                    "token_request_encoding": text(
                        "Token request encoding",
                        "multipart or urlencoded. Empty: multipart, as TAO's page shows.",
                    ),
                },
            ),
            connection_type(
                "zilliant",
                f"{HOOKS}.zilliant.ZilliantHook",
                "Zilliant",
                labels={"login": "Username"},
                placeholders={
                    "host": "https://your-company.zilliant.com",
                    "login": "The Salesforce user",
                    "password": "That user's password",
                    "token_url": "https://login.salesforce.com/services/oauth2/token",
                    "x_forwarded_host": "your-company.my.salesforce.com",
                },
                fields={
                    "client_id": text("Client ID", "The connected app's consumer key, from Zilliant."),
                    "client_secret": secret("Client secret", "The connected app's consumer secret."),
                    "token_url": text(
                        "Token URL",
                        "Empty: https://login.salesforce.com/services/oauth2/token"
                        " (sandboxes: https://test.salesforce.com/services/oauth2/token).",
                    ),
                    "x_forwarded_host": text(
                        "X-Forwarded-Host",
                        "The OAuth host of your environment, without https://. Empty: the header is not sent,"
                        " which works only within Zilliant's network.",
                    ),
                    "token_response": secret(
                        "Token response",
                        "A ready answer of the token URL, the whole JSON object: then nobody logs in, and"
                        " username, password, client ID and client secret are not needed.",
                    ),
                },
            ),
            connection_type(
                "thalamus",
                f"{HOOKS}.thalamus.ThalamusHook",
                "Thalamus",
                labels={"login": "Principal"},
                placeholders={
                    "host": "https://your-server.example/thalamus",
                    "login": "User name, e-mail address or type:number of a document",
                },
                fields={
                    "touchpoint": text("Touchpoint", "The touchpoint's code. Required."),
                    "token": secret("Token", "The touchpoint's API token. Required."),
                },
            ),
        ],
    }


def connection_type(
    name: str,
    hook: str,
    hook_name: str,
    *,
    labels: dict[str, str],
    placeholders: dict[str, str],
    fields: dict[str, Form],
) -> Form:
    """A vendor's connection type with its form, as `connection-types` of a provider's metadata wants it.

    :param name: the connection type
    :param hook: the hook's class with its module
    :param hook_name: the vendor's name, for people
    :param labels: what the vendor calls host, login and password
    :param placeholders: examples by field, those of extras too
    :param fields: the vendor's extras; those that all vendors have are added
    """
    return {
        "connection-type": name,
        "hook-class-name": hook,
        "hook-name": hook_name,
        "ui-field-behaviour": {
            # The host may carry a scheme.
            "hidden-fields": ["schema", "extra"],
            "relabeling": labels,
            # Airflow 3.3 tests an empty port as port 0, and then refuses to use the saved password.
            "placeholders": {"port": "443. Airflow 3.3's Test connection fails without", **placeholders},
        },
        "conn-fields": {
            **fields,
            "timeout": text("Timeout", "Seconds that one request may take in all. Empty: 30."),
            "transfer_timeout": text(
                "Transfer timeout", "Seconds that one request with a file may take in all. Empty: 3600."
            ),
            "verify": text(
                "Verify",
                "Whether the vendor's certificate is verified: true, false, or the path of a file of trusted"
                " certificates. Empty: true, with the environment's certificates.",
            ),
            "proxy": text("Proxy", "The proxy's URL. Empty: the environment's proxy, if it has one."),
            "max_concurrency": text(
                "Max concurrency", "How many requests one process may have under way at once. Empty: 16."
            ),
        },
    }


def text(label: str, help_text: str) -> Form:
    """A field of a form for an extra."""
    return {"label": label, "description": help_text, "schema": {"type": ["string", "null"]}}


def secret(label: str, help_text: str) -> Form:
    """A field of a form for an extra that nobody may read."""
    schema = {"type": ["string", "null"], "format": "password"}
    return {"label": label, "description": help_text, "schema": schema}
