"""The configuration of the documentation site, which `make docs` builds with Sphinx."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

from airflow_provider_importstatus import __version__

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/airflow-provider-importstatus/airflow-provider-importstatus"
#: Pages whose text is a file of the repository's root: their own files in docs/ are for readers on GitHub.
ROOT_PAGES = {"contributing": "CONTRIBUTING.md", "security": "SECURITY.md", "changelog": "CHANGELOG.md"}
#: Files of the root as pages of the site.
PAGES_OF_FILES = {file: f"{page}.md" for page, file in ROOT_PAGES.items()}
LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")

project = "airflow-provider-importstatus"
author = copyright = "The airflow-provider-importstatus authors"  # noqa: A001 - Sphinx' name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]

myst_heading_anchors = 4  # GitHub's anchors, so that links work in both places
nitpicky = True
#: Only our own names have pages here: Airflow's and Python's would need the network to build the site.
nitpick_ignore_regex = [("py:.*", r"(?!airflow_provider_importstatus).*")]

default_role = "py:obj"  # `Name` in a docstring is a link where the name has a page, otherwise code
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures would be longer than what they say
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "Import status for Apache Airflow"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
# Read the Docs says where the site is.
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")


def read_source(app: Sphinx, docname: str, content: list[str]) -> None:
    """Take the pages of the root's files from there, and resolve links to files outside of docs/."""
    folder = ROOT / "docs" / Path(docname).parent
    if docname in ROOT_PAGES:
        file, folder = ROOT / ROOT_PAGES[docname], ROOT
        app.env.note_dependency(str(file))
        content[0] = file.read_text()
    page = ROOT / "docs" / Path(docname).parent

    def resolved(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link[1]))
        if not target.exists():
            return link[0]  # Sphinx warns
        return f"]({_url(target, page)}{link[2] or ''})"

    content[0] = LINK.sub(resolved, content[0])


def _url(target: Path, page: Path) -> str:
    """Return the link to a file: relative to the page's folder, or to the repository."""
    name = str(target.relative_to(ROOT))
    if name in PAGES_OF_FILES:
        target = ROOT / "docs" / PAGES_OF_FILES[name]
    if target.is_relative_to(ROOT / "docs"):
        return os.path.relpath(target, page)
    return f"{REPOSITORY}/{'tree' if target.is_dir() else 'blob'}/main/{name}"


def setup(app: Sphinx) -> None:
    """Connect what Sphinx calls."""
    app.connect("source-read", read_source)
