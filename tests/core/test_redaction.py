"""Redaction of secrets and signed URLs in vendor texts, in any encoding."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.protocol.responses import extract_messages
from airflow_provider_importstatus.redaction import clean_text
from airflow_provider_importstatus.status import ImportState, ImportStatus

from ..hooks.playing import raw

steadily = settings(deadline=None, derandomize=True, max_examples=300)


def message(text: str) -> str:
    return ImportStatus("clear", "1", ImportState.FAILED, "X", messages=(text,)).messages[0]


#: The places where a signed URL could appear.
PLACES: dict[str, Callable[[str], str]] = {
    "message": message,
    "error": lambda text: str(ImportStatusError(text)),
    "excerpt": lambda text: raw(text).excerpt(),
    "what a vendor says": lambda text: "; ".join(extract_messages(raw(""), text)),
}

SIGNED = [
    pytest.param("https%3A%2F%2Fs3.example%2Fr.csv%3Fsig%3D5igned", id="percent-encoded"),
    pytest.param("https%3a%2f%2fs3.example%2fr.csv%3fsig%3d5igned", id="percent-encoded, lower case"),
    pytest.param("https%253A%252F%252Fs3.example%252Fr.csv%253Fsig%253D5igned", id="percent-encoded twice"),
    pytest.param("s3.example/r.csv?X-Amz-Signature=5igned", id="no scheme"),
    pytest.param("s3.example:8443/r.csv?a=1&Signature=5igned", id="no scheme, a port"),
    pytest.param("//s3.example/r.csv?sig=5igned", id="two slashes"),
    pytest.param(r"https:\u002F\u002Fs3.example\u002Fr.csv?sig=5igned", id="JSON escapes"),
    pytest.param(r"https:\\u002F\\u002Fs3.example\\u002Fr.csv\\u003Fsig\\u003D5igned", id="JSON twice"),
    pytest.param(r"s3.example\/r.csv?sig=5igned", id="no scheme, escaped slashes"),
    pytest.param("https://s3.example/my report.csv?sig=5igned", id="a blank in the path"),
    pytest.param("https://s3.example/a b/c d.csv?X-Amz-Date=1&X-Amz-Signature=5igned", id="blanks"),
    pytest.param("s3.example/a b.csv?sig=5igned", id="no scheme, a blank in the path"),
    pytest.param("https://s3.example/r.csv?a=b c&sig=5igned", id="a blank in the query"),
    pytest.param("https://s3.example/r.csv?a=1&amp;sig=5igned", id="HTML"),
    pytest.param("https:&#x2F;&#47;s3.example/r.csv?a=1&amp;sig=5igned", id="HTML numbers"),
    pytest.param("s3.example/r.csv?a=1&amp;sig=5igned", id="HTML, no scheme"),
    pytest.param("b.blob.example/c/r.csv?se=2026-01-01&sp=r&sig=5igned", id="Azure"),
    pytest.param("b.example/r.csv?AWSAccessKeyId=AKIA5igned&Expires=1&Signature=x", id="AWS, version 2"),
    pytest.param("storage.example/r.csv?X-Goog-Signature=5igned", id="Google"),
    pytest.param("files.example/r.csv?token=5igned", id="token"),
    pytest.param("files.example/r.csv?access_token=5igned", id="access_token"),
    pytest.param("https://me:5igned@files.example/r.csv", id="a password"),
    pytest.param("https://me:5/igned@files.example/r.csv 5/igned@", id="a password with a slash"),
    pytest.param("https://files.example/r.csv;sig=5igned", id="a path parameter"),
    pytest.param("https://files.example/r.csv&sig=5igned", id="an ampersand without a question mark"),
    pytest.param("https://files.example/a b.csv;x=1;token=5igned", id="path parameters, a blank"),
    pytest.param("https%3A%2F%2Ffiles.example%2Fr.csv%3Bsig%3D5igned", id="an encoded path parameter"),
    pytest.param("from;token=https://files.example/r;X-Amz-Signature=5igned", id="a parameter before"),
    pytest.param("jdbc:postgresql://h.example/db?password=5igned", id="another scheme"),
    pytest.param("a.example/p?sig=5igned&next=https://b.example/", id="another link in the query"),
    pytest.param('{"url": "https://s3.example/r.csv?sig=5igned"}', id="in JSON"),
    pytest.param(json.dumps(json.dumps({"url": "https://s3.example/r?sig=5igned"})), id="in JSON twice"),
]


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("signed", SIGNED)
def test_a_signed_url_is_redacted_everywhere(place: Callable[[str], str], signed: str) -> None:
    text = place(f"The report is at {signed} for an hour.")
    assert text.startswith("The report is at ")
    assert not [part for part in ("5igned", "5/igned@files") if part in text]


@pytest.mark.parametrize(
    "sentence",
    [
        "token= is missing in line 3",
        "the parameter sig=... is wrong",
        "Expires=1 must not stand before Signature=2",
        "give ?token=abc to the call",
        "rows 3/4 failed & 2 skipped: see R&D=1",
        "see https://docs.example/errors/17 for more",
        "100%25 of 5 rows at C:\\new\\files; a & b &amp; c",
        "column a?b is unknown",
        "see https://docs.example/errors/17;version=2;page=3 for more",
        "see https://docs.example/errors/17&lang=en for more",
        "see https://docs.example/token/signature=17 for more",
        "see;token=https://docs.example/errors/17 for more",
        "sftp://files.example/in;type=a, then https://docs.example/b",
    ],
)
def test_ordinary_text_is_unchanged(sentence: str) -> None:
    assert message(sentence) == sentence


@pytest.mark.parametrize("length", [480, 490, 495, 499, 990, 1000, 1010])
def test_a_password_in_a_truncated_url_is_redacted(length: int) -> None:
    text = "x" * (length - 20) + " https://me:" + "p4ssword" * 400 + "@files.example/"
    assert "p4ss" not in message(text)


SECRET = "p\"ä/ss+w&rd=<1>\\'t"

#: Encodings in which secrets are echoed.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON twice": lambda text: json.dumps(json.dumps(text))[3:-3],
    "PHP's JSON": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON, careful": lambda text: "".join(
        char if char.isalnum() and char.isascii() else f"\\u{ord(char):04X}" for char in text
    ),
    "JSON, careful, lower case": lambda text: "".join(
        char if char.isalnum() and char.isascii() else f"\\u{ord(char):04x}" for char in text
    ),
    "JSON, every character": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "URL": lambda text: quote(text, safe=""),
    "URL, lower case": lambda text: "".join(
        f"%{byte:02x}" if not chr(byte).isalnum() or byte > 127 else chr(byte) for byte in text.encode()
    ),
    "URL, every byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "HTML": escape,
    "HTML twice": lambda text: escape(escape(text)),
    "HTML numbers": lambda text: "".join(
        char if char.isalnum() and char.isascii() else f"&#{ord(char)};" for char in text
    ),
    "HTML hexadecimals": lambda text: "".join(
        char if char.isalnum() and char.isascii() else f"&#x{ord(char):x};" for char in text
    ),
    "URL in JSON": lambda text: json.dumps(quote(text, safe=""))[1:-1],
    "HTML in JSON": lambda text: json.dumps(escape(text))[1:-1].replace("&", "\\u0026"),
}


def all_quotes(text: str, secret: str) -> str:
    """Return everything quoted from a response with this text, for a client with this secret."""
    answer = replace(raw(text), secrets=(secret,))
    return " ".join(
        [answer.excerpt(), *extract_messages(answer, text), *extract_messages(answer, {"why": text})]
    )


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_redacted_in_every_encoding(spell: Callable[[str], str]) -> None:
    spelled = spell(SECRET)
    quoted = all_quotes(f"you said {spelled} to me", SECRET)
    assert (SECRET in quoted, spelled in quoted, "***" in quoted) == (False, False, True)


@steadily
@given(
    secret=st.text(
        st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=["C", "Z"]), min_size=6
    )
    .map("Zq".__add__)
    .filter(lambda secret: len(secret) < 60),
    spell=st.sampled_from(sorted(SPELLINGS)),
    before=st.sampled_from([0, 1, 150, 190, 198, 480, 495, 499, 900, 995, 1005]),
    after=st.sampled_from([0, 10, 3000]),
)
@example(secret="Zq0000\\\u00a1", spell="JSON", before=0, after=0)
def test_a_secret_is_redacted_at_every_position(secret: str, spell: str, before: int, after: int) -> None:
    spelled = SPELLINGS[spell](secret)
    quoted = all_quotes(f"{'x' * before} {spelled} {'y' * after}", secret)
    assert secret not in quoted
    assert spelled not in quoted


@pytest.mark.parametrize("copies", [1, 5, 40])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_redaction_does_not_shift_part_of_a_secret_into_the_excerpt(
    spell: Callable[[str], str], copies: int
) -> None:
    """Text beyond the limit moves forward when something before it is replaced."""
    secret = "".join(f"{number:03d}" for number in range(200))
    for before in range(0, 600, 37):
        quoted = all_quotes("x" * before + (spell(secret) + " ") * copies + "z" * 5000, secret)
        assert "000001" not in quoted
        assert spell("000001") not in quoted


@steadily
@given(
    path=st.text("abc./-_ ", max_size=20),
    name=st.sampled_from(["sig", "Signature", "X-Amz-Signature", "token", "x-goog-signature", "se"]),
    spell=st.sampled_from(sorted(SPELLINGS)),
    scheme=st.sampled_from(["https:", "HTTP:", "", "s3:"]),
    before=st.sampled_from([0, 100, 170, 450, 480]),
)
def test_a_signature_is_redacted_in_every_encoding(
    path: str, name: str, spell: str, scheme: str, before: int
) -> None:
    url = f"{scheme}//files.example/{path}?x=1&{name}=5igned"
    text = "y" * before + " " + SPELLINGS[spell](url)
    for place in PLACES.values():
        assert "5igned" not in place(text)
        assert SPELLINGS[spell]("5igned") not in place(text)


@steadily
@given(
    st.lists(
        st.sampled_from(
            [
                *("http", "s:", "//", "a.bb", "/", "?", "sig=", "x", "@", "%", "25", "2F", "\\", "u002F"),
                *("&", "amp;", "#", " ", '"', "token=", "\x1b[", "\n", "&#x2F;", "\ud83d", "***", "…", ";"),
            ]
        ),
        max_size=40,
    ).flatmap(lambda parts: st.sampled_from(["".join(parts), "".join(parts) * 30]))
)
def test_redaction_is_idempotent(text: str) -> None:
    text = message(f"said {text}")
    assert message(text) == text


def test_a_longer_secret_is_redacted_before_a_shorter_one_in_it() -> None:
    assert clean_text("abcdefgh", secrets=("abcde", "abcdefgh")) == "***"


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param('p"ä/ss+word', id="as it is"),
        pytest.param(r"p\"\u00e4/ss+word", id="in JSON"),
        pytest.param(r"p\"\u00e4\/ss+word", id="in PHP's JSON"),
        pytest.param("p%22%C3%A4%2Fss%2Bword", id="in a URL"),
    ],
)
def test_an_encoded_secret_is_redacted(echo: str) -> None:
    assert clean_text(f"said {echo}!", secrets=('p"ä/ss+word',)) == "said ***!"


def test_a_short_secret_does_not_redact_ordinary_words() -> None:
    assert clean_text("the test", secrets=("test",)) == "the test"


@pytest.mark.parametrize("secret", ["hunter2\\/\\", "hunter2\\", 'hunter2"\\'], ids=repr)
def test_a_secret_with_backslashes_at_its_end_is_redacted_in_json(secret: str) -> None:
    """Its last backslash and the quotation mark after it look like an escaped quotation mark."""
    assert clean_text(json.dumps({"you": secret}), secrets=(secret,)) == '{"you": "***"}'
