"""Redaction: text without control characters, secrets or signed URLs, safe to store and to show."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache, partial
from urllib.parse import unquote

__all__ = ["MAX_TEXT", "clean_text", "is_nothing", "storable"]

#: Maximum length of one vendor message, in characters.
MAX_TEXT = 500
#: Shorter secrets are not redacted: they would blank out ordinary words.
MIN_SECRET = 5
#: Placeholders that vendors send for an empty message.
NOTHING = frozenset({"", "na", "n/a", "null"})
#: Levels of escaping to undo. Text that passes through several services is escaped two or three times.
MAX_ESCAPES = 4

_TERMINAL_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]|\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)")
_LINE_BREAKS = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]+")
#: With those that reverse the direction of what follows on the line (https://www.unicode.org/reports/tr9/).
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")

#: Percent-encoding, JSON (escaped once or more often) and HTML.
_ESCAPE = re.compile(
    r"""(?:%[0-9A-Fa-f]{2})+
    | (?<!\\)\\++(?:u[0-9A-Fa-f]{4}|["'/])?
    | &(?:amp|lt|gt|quot|apos|\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6});""",
    re.VERBOSE,
)
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_SURROGATE = re.compile("[\ud800-\udfff]")

#: Characters that end a link. A space need not: see `_redact_urls`.
_DELIMITERS = re.compile(r"""([\s"'<>`]+)""")
_PARAMETER = re.compile(r"[?&;#]([\w.-]{1,100})=")
_HOST_AND_PATH = re.compile(r"[\w-]\.[A-Za-z]{2,24}(?::\d{1,5})?/")
_AUTHORITY = re.compile(r"[^/?#\\]*")
_HOST = re.compile(r"[\w.-]*(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
#: Parameter names that make a link a credential: Azure's short names, and substrings of other vendors' names.
_SIGNING_NAMES = frozenset({"sig", "se", "sp", "sv", "key-pair-id", "policy", "hmac", "pwd", "auth"})
_SIGNING_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-cos-", "x-obs-")
_SIGNING_PARTS = (
    *("token", "signature", "secret", "password", "passwd", "credential"),
    *("accessid", "accesskey", "access_key", "access-key", "apikey", "api_key", "api-key"),
)


def storable(text: str) -> str:
    """Return the text without control characters and lone surrogates; line breaks and tabs become spaces."""
    if text.isprintable():
        return text
    text = _LINE_BREAKS.sub(" ", _TERMINAL_SEQUENCE.sub("", text))
    # Neither PostgreSQL's JSON columns nor the pipe to the triggerer accept lone surrogates.
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode()


def clean_text(
    text: str,
    length: int = MAX_TEXT,
    secrets: tuple[str, ...] = (),
    *,
    is_cut: bool = False,
    host_only: bool = False,
) -> str:
    """Return the beginning of the text, storable and redacted.

    The cost does not grow with the text: only a window of it is read. A partial secret or link at its end is
    left out.

    :param text: any text
    :param length: number of characters to keep
    :param secrets: the secrets to replace, however they are escaped
    :param is_cut: whether the text was truncated before
    :param host_only: cut every link to its host, not only links that may carry a credential
    """
    spellings = _spellings(secrets)
    longest = len(spellings[0]) if spellings else 0
    window = 2 * (length + longest)
    is_cut = is_cut or len(text) > window
    urls = partial(_redact_urls, is_cut=is_cut, host_only=host_only)
    redacted, plain = _redact(storable(text[:window]), spellings, urls)
    if is_cut:
        # The text may end within a secret, whose length is known only without escapes.
        redacted = urls(plain[: max(len(plain) - longest, 0)])
    return redacted if len(redacted) <= length and not is_cut else f"{redacted[: length - 1]}…"


def _redact(text: str, spellings: tuple[str, ...], urls: Callable[[str], str]) -> tuple[str, str]:
    """Return the redacted text with the escapes that hide nothing, and the same text without escapes."""
    redacted = plain = urls(_without(text, spellings))
    for _ in range(MAX_ESCAPES):
        unescaped = storable(_unescape(plain))
        if unescaped == plain:
            break
        plain = urls(_without(unescaped, spellings))
        if plain != unescaped:
            redacted = plain
    return redacted, plain


def _without(text: str, spellings: tuple[str, ...]) -> str:
    for spelling in spellings:
        text = text.replace(spelling, "***")
    return text


@lru_cache(maxsize=16)
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return all spellings of the secrets, longest first: a short secret may be part of a longer one."""
    found: dict[str, None] = {}
    for secret in secrets:
        # As it is, in JSON, and as what `_unescape` makes of that: a backslash of its own may get lost there.
        for written in (secret, json.dumps(secret)[1:-1]):
            for _ in range(MAX_ESCAPES + 1):
                found |= dict.fromkeys((written, storable(written), written.replace(" ", "+")))
                written = _unescape(written)
    return tuple(sorted((each for each in found if len(each) >= MIN_SECRET), key=len, reverse=True))


def _unescape(text: str) -> str:
    """Return the text with its outermost escapes undone."""
    text = _ESCAPE.sub(_unescaped, text)
    if _SURROGATE.search(text):  # JSON escapes a character beyond 16 bits in two halves
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _unescaped(escape: re.Match[str]) -> str:
    written = escape[0]
    if written[0] == "%":
        return unquote(written)
    if written[0] == "\\":
        meant = written.lstrip("\\")
        return chr(int(meant[1:], 16)) if len(meant) > 1 else meant or "\\"
    name = written[1:-1]
    if name in _NAMED:
        return _NAMED[name]
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return chr(number) if number < 0x110000 else "\ufffd"


def _redact_urls(text: str, is_cut: bool = False, host_only: bool = False) -> str:
    """Return the text with links cut to their host where the rest may carry a credential.

    A credential may be in the user, query or fragment of a URL with a scheme, or in a signed query of any
    link, which may also begin with a semicolon or an ampersand. A link that contains spaces is recognized by
    its beginning and its query.
    """
    if "//" not in text and not _PARAMETER.search(text):
        return text
    words = _DELIMITERS.split(text)
    in_link = False
    for index in range(0, len(words), 2):
        word = words[index]
        is_unfinished = is_cut and index == len(words) - 1
        words[index] = _redact_word(word, in_link, is_unfinished, host_only)
        in_link = in_link or "//" in word or bool(_HOST_AND_PATH.search(word))
    return "".join(words)


def _redact_word(word: str, in_link: bool, is_unfinished: bool, host_only: bool) -> str:
    begin = word.find("//")
    signature = _find_signature(word)
    if signature >= 0 and not 0 <= begin < signature:
        query = word.find("?", 0, signature + 1)
        end = signature if query < 0 else query
        if in_link or "/" in word[:end]:
            return f"{word[:end]}?***"
    if begin < 0:
        return word
    rest = word[begin + 2 :]
    if word[:begin].endswith(":"):
        is_credential = host_only or is_unfinished or any(mark in rest for mark in "@?#")
        is_credential = is_credential or _find_signature(rest) >= 0
    else:
        is_credential = signature >= 0 or "@" in _authority(rest)
    redacted = f"{word[:begin]}//{_host(rest, is_unfinished)}/***" if is_credential else word
    # Redacting twice must change nothing: a status is read back as it was.
    return word if word.rstrip("…") == redacted else redacted


def _find_signature(word: str) -> int:
    for parameter in _PARAMETER.finditer(word):
        name = parameter[1].lower()
        if (
            name in _SIGNING_NAMES
            or name.startswith(_SIGNING_PREFIXES)
            or any(part in name for part in _SIGNING_PARTS)
        ):
            return parameter.start()
    return -1


def _authority(rest: str) -> str:
    found = _AUTHORITY.match(rest)
    return found[0] if found else ""


def _host(rest: str, is_unfinished: bool) -> str:
    authority = _authority(rest)
    host = authority.rpartition("@")[2]
    # A password may contain any character, even a slash or an at sign.
    is_sure = "@" not in rest[len(authority) :] and not (is_unfinished and authority == rest)
    return host if is_sure and _HOST.fullmatch(host) else "***"


def is_nothing(text: str) -> bool:
    """Return whether the text is blank or a placeholder such as "NA"."""
    stripped = text.strip()
    return len(stripped) <= max(map(len, NOTHING)) and stripped.casefold() in NOTHING
