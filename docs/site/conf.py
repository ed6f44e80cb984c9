"""The documentation as a site: the Markdown of this repository, as GitHub renders it. scripts/site builds it."""

import re
from pathlib import Path

from sphinx.addnodes import pending_xref

HOME = Path(__file__).resolve().parents[2]

project = "Chaperone"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/**", "lab/README.md"]
html_theme = "furo"
html_title = project
html_show_copyright = False
# Headings have the anchors that GitHub gives them.
myst_heading_anchors = 6


def navigation():
    """The table "Documentation" of README.md, row by row: it is the only list of pages."""
    for title, cells in re.findall(r"(?m)^\| ([A-Z][\w ]+) \| (.*) \|$", (HOME / "README.md").read_text()):
        pages = re.findall(r"\[(.+?)]\((.+?)\.md(?:#.*?)?\)", cells)
        # The first link to a page names it.
        names = {page: name for name, page in reversed(pages)}
        entries = [f"{name if name.startswith('kubectl') else name[0].upper() + name[1:]} <{page}>" for page, name in reversed(names.items())]
        yield toctree(f":caption: {title}", *entries)


def toctree(*lines):
    return "\n".join(["", "```{toctree}", ":hidden:", *lines[:1], "", *lines[1:], "```", ""])


def add_navigation(app, page, source):
    if page == "README":
        source[0] += "".join(navigation())
    elif page == "docs/adr/README":
        source[0] += toctree(":glob:", "0*")


def leave_out(app, doctree):
    """Folders and GitHub's templates are no pages: a link to one becomes its text."""
    for link in list(doctree.findall(pending_xref)):
        if link["reftarget"].startswith(".github/") or (HOME / app.env.docname).parent.joinpath(link["reftarget"]).is_dir():
            link.replace_self(link.children)


def setup(app):
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", leave_out)
