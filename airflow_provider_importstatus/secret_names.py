"""Names whose values are secrets, as far as a name can tell."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["is_literal", "names_secret"]

#: Words in names of secrets. Names are compared without case, hyphens, underscores and spaces.
_SECRET = re.compile(
    r"password|passwd|passphrase|secret(?!ar)|token(?!iz)|credential|apikey|accesskey|privatekey"
    r"|(authorization|cookies?|pwd)$"
)
#: Words at the end of names whose values only tell something about a secret: where it is, or how it is used.
_ABOUT = re.compile(
    r"(url|uri|endpoint|host|path|file|field|header|name|ref|location|type|kind|format|encoding|method|scope"
    r"|audience|issuer|prefix|policy|backend|manager|provider|source|(?<!secret)id|count|length|limit|ttl"
    r"|lifetime|timeout|seconds|expiry|expires|expiresin|expiration)s?$"
)
#: Tokens that are places in a list, or parts of a text.
_NO_CREDENTIAL = re.compile(r"(page|next|continuation|cursor|sync)token$|^max\w*tokens$")
#: Names that mean a secret in what is sent to a vendor; elsewhere they may count what has passed.
_SENT = frozenset({"pass", "pw", "pin"})
#: Ends of names of headers and query parameters that carry a credential.
_PARAMETERS = ("_key", "_auth", "_sig", "_signature", "_hmac")
_SEPARATORS = re.compile(r"[-_ ]+")
_PLACEHOLDER = re.compile(r"\{(import_id|extra\.\w+)\}")


def names_secret(name: Any, *, is_sent: bool = True, is_parameter: bool = False) -> bool:
    """Return whether a name says that its value is a secret.

    :param is_sent: whether the value is sent to a vendor
    :param is_parameter: whether it is the name of a header or a query parameter
    """
    words = _SEPARATORS.sub("_", str(name).lower())
    if is_parameter and f"_{words}".endswith(_PARAMETERS):
        return True
    compact = words.replace("_", "")
    if is_sent and compact in _SENT:
        return True
    is_about_secret = bool(_ABOUT.search(compact) or _NO_CREDENTIAL.search(compact))
    return bool(_SECRET.search(compact)) and not is_about_secret


def is_literal(value: Any) -> bool:
    """Return whether a value is a text or a number, and stands neither for another nor for nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    if not isinstance(value, str):
        return True
    is_template = "{{" in value or "{%" in value or _PLACEHOLDER.fullmatch(value)
    return bool(value.strip()) and not is_template
