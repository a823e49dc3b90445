"""The search finds a secret however it is written, and shows what surrounds it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus, urlencode

import pytest

from .search import LONGEST, Search

WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded in lower case": lambda secret: re.sub(
        "%..", lambda found: found[0].lower(), quote(secret, safe="")
    ),
    "a URL's path": quote,
    "a form": quote_plus,
    "a query": lambda secret: urlencode({"key": secret}),
    "a repr": repr,
    "JSON": json.dumps,
    "JSON in JSON": lambda secret: json.dumps(json.dumps({"key": secret})),
    "JSON in JSON in JSON": lambda secret: json.dumps(json.dumps(json.dumps([secret]))),
    "JSON with escaped slashes": lambda secret: json.dumps(secret).replace("/", r"\/"),
    "a repr of JSON in JSON": lambda secret: repr(json.dumps(json.dumps([secret]))),
    "HTML": escape,
    "a row of PostgreSQL": lambda secret: secret.replace('"', '""'),
    "hex": lambda secret: secret.encode().hex(),
    "hex in upper case": lambda secret: secret.encode().hex().upper(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 after one byte": lambda secret: base64.b64encode(f":{secret}".encode()).decode(),
    "base64 after two bytes": lambda secret: base64.b64encode(f"u:{secret}".encode()).decode(),
    "base64 of JSON": lambda secret: base64.b64encode(json.dumps({"key": secret}).encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(f"u:{secret}".encode()).decode(),
    "base64 of a signed URL": lambda secret: base64.b64encode(
        f"https://x/{quote(secret, safe='')}".encode()
    ).decode(),
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("part", ["whole", "first half", "second half"])
def test_a_planted_secret_is_found_in_each_form(form: str, part: str) -> None:
    search = Search()
    secret = search.secret("planted")
    half = len(secret) // 2 + 4
    given = {"whole": secret, "first half": secret[:half], "second half": secret[-half:]}[part]
    (hit, *_) = search.find("a log", f"before {WRITTEN[form](given)} after")
    assert hit.place == "a log"
    assert hit.text.startswith("before ")


@pytest.mark.parametrize("form", WRITTEN)
def test_what_is_shown_of_a_hit_is_free_of_the_secret(form: str) -> None:
    search = Search()
    written = WRITTEN[form](search.secret("planted"))
    hits = search.find("a log", f"{written} between {written} and {written}" * 3)
    assert hits
    assert not [again for hit in hits for again in search.find("what is shown", str(hit))]


def test_the_name_of_the_secret_is_shown() -> None:
    search = Search()
    (hit,) = search.find("a log", f"user:{search.secret('tao_password')}@host")
    assert str(hit) == "a log: plain: user:<tao_password>@host"


@pytest.mark.parametrize("text", ["", "***", "a" * 1000, base64.b64encode(bytes(range(256))).decode()])
def test_a_text_without_secrets_has_no_hits(text: str) -> None:
    assert Search().find("a log", text) == []


def test_a_half_has_at_least_twelve_characters_and_a_secret_fits_what_is_cut() -> None:
    search = Search()
    assert len(search.marker) >= 12
    assert len(search.secret("a_name_of_a_secret")) < LONGEST
