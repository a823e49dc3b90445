"""The provider's metadata. Every Airflow process loads this module at startup, so it imports nothing.

It is the only description of the connection forms: Airflow 3.2 and later read it, and for earlier versions
`connection_form` builds the forms from it.
"""

HOOKS = "airflow_provider_importstatus.hooks"

Form = dict[str, object]


def get_provider_info() -> Form:
    """Return the provider's metadata, as defined by Airflow's `provider_info.schema.json`."""
    return {
        "package-name": "airflow-provider-importstatus",
        "name": "Import status",
        "description": "Wait until a vendor has finished importing a file; end the task as the import ended.",
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
                    f"{HOOKS}.{vendor}"
                    for vendor in ("base", "clear", "tao", "zilliant", "thalamus", "described")
                ],
            }
        ],
        "operators": [
            {
                "integration-name": "Import status",
                "python-modules": ["airflow_provider_importstatus.operators.import_file"],
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
        "cli": ["airflow_provider_importstatus.cli.get_cli_commands"],
        "config": {
            "importstatus": {
                "description": "Waits for imports.",
                "options": {
                    "status_writes_per_second": {
                        "description": (
                            "How many statuses of running imports a triggerer writes per second at most, for"
                            " display. New states come first. Results and the ends of waits do not count."
                            " With 0, a triggerer writes none but final statuses."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "5",
                        "default": "1",
                    }
                },
            }
        },
        "connection-types": [
            connection_type(
                "clear",
                f"{HOOKS}.clear.ClearHook",
                "Clear One Integration",
                labels={"login": "Integration ID", "password": "API client secret"},
                placeholders={
                    "host": "https://api.clear.in",
                    "login": "Clear's x-integration-id",
                    "password": "Not needed with an access token",
                },
                fields={
                    "access_token": secret(
                        "Access token",
                        "An existing token, preferably of an API client whose tokens never expire. Empty:"
                        " tokens are requested with the API client secret; each revokes the previous one.",
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
                        "Path of the gateway in front of the API. Empty: /api/v1/upload."
                        " A single / for older deployments without a prefix.",
                    ),
                    "token_url": text(
                        "Token URL",
                        "URL of the token endpoint. Empty: /v1/oauth2/tokens below host and API prefix.",
                    ),
                    "token_request_encoding": text(
                        "Token request encoding",
                        "multipart or urlencoded. Empty: multipart, as in TAO's documentation.",
                    ),
                    "share_token": share_token(),
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
                        "OAuth host of your environment, without https://. Empty: the header is not sent,"
                        " which works only inside Zilliant's network.",
                    ),
                    "token_response": secret(
                        "Token response",
                        "An existing response of the token URL, the complete JSON object. No login takes"
                        " place then: username, password, client ID and client secret are not needed.",
                    ),
                    "share_token": share_token(),
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
            connection_type(
                "import_api",
                f"{HOOKS}.described.DescribedHook",
                "Import API (described)",
                labels={"login": "User or client ID", "password": "Token or password"},
                placeholders={
                    "host": "https://api.your-vendor.example",
                    "login": "For basic and oauth2_client_credentials",
                    "password": "Token, API key, password or client secret",
                    "description": "hubspot",
                },
                fields={
                    "description": text(
                        "Vendor description",
                        "Name of a bundled description, some of which need no host; or the absolute path of a"
                        " YAML or JSON file; or the JSON object. Other extras that it reads go into the extra"
                        " JSON.",
                    ),
                    "token_url": text(
                        "Token URL",
                        "For oauth2_client_credentials: URL of the token endpoint. Empty: that of a bundled"
                        " description.",
                    ),
                    "access_token": secret(
                        "Access token",
                        "For oauth2_client_credentials: an existing token. Empty: tokens are requested with"
                        " client ID and client secret.",
                    ),
                    "share_token": share_token(),
                },
                hides_extra=False,
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
    hides_extra: bool = True,
) -> Form:
    """Return the `connection-types` entry for a vendor, including its form.

    :param name: the connection type
    :param hook: dotted path of the hook class
    :param hook_name: the vendor's display name
    :param labels: the vendor's names for host, login and password
    :param placeholders: example values by field, including extras
    :param fields: the vendor's extras; the common ones are added
    :param hides_extra: whether these are all, so that the JSON of the extras need not be shown
    """
    return {
        "connection-type": name,
        "hook-class-name": hook,
        "hook-name": hook_name,
        "ui-field-behaviour": {
            # The host may include a scheme.
            "hidden-fields": ["schema", "extra"] if hides_extra else ["schema"],
            "relabeling": labels,
            # Airflow 3.3 tests an empty port as port 0, and then does not use the saved password.
            "placeholders": {"port": "443. Airflow 3.3's Test connection fails without it", **placeholders},
        },
        "conn-fields": {
            **fields,
            "timeout": text("Timeout", "Maximum duration of one request, in seconds. Empty: 30."),
            "transfer_timeout": text(
                "Transfer timeout",
                "Maximum duration of one file upload or download, in seconds. Empty: 3600.",
            ),
            "verify": text(
                "Verify",
                "Whether to verify the vendor's certificate: true, false, or the path of a CA file."
                " Empty: true, with the CA certificates of the environment.",
            ),
            "proxy": text("Proxy", "URL of the proxy. Empty: the environment's proxy, if any."),
            "max_concurrency": text(
                "Max concurrency", "Maximum number of concurrent requests per process. Empty: 16."
            ),
        },
    }


def share_token() -> Form:
    """Return a form field for vendors whose processes may share a token or have one each."""
    return text(
        "Share token",
        "true: all processes share one token, in an encrypted Airflow Variable. Empty: each process logs in.",
    )


def text(label: str, help_text: str) -> Form:
    """Return a form field for an extra."""
    return {"label": label, "description": help_text, "schema": {"type": ["string", "null"]}}


def secret(label: str, help_text: str) -> Form:
    """Return a form field for a secret extra."""
    schema = {"type": ["string", "null"], "format": "password"}
    return {"label": label, "description": help_text, "schema": schema}
