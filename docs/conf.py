"""How Sphinx builds the documentation (`make docs`).

The source folder is the repository, not docs/: README.md, CONTRIBUTING.md, CHANGELOG.md and the notebook are pages
too, so a relative link between any two of them works here as it does on a code host. Nothing is fetched while
building, and the pages load nothing from elsewhere.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
API = HERE / "api"
PAGES = {"docs", "examples"}
sys.path.insert(0, str(REPOSITORY))

project = "wsi-haloae"
release = version = installed_version("wsi-haloae")
extensions = ["docs.site.docstrings", "myst_nb", "sphinx.ext.autosummary", "sphinx_click", "sphinx_copybutton"]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "examples/*.ipynb"]
exclude_patterns = [entry.name for entry in REPOSITORY.iterdir() if entry.is_dir() and entry.name not in PAGES]
exclude_patterns += ["docs/site"]
templates_path = [str(HERE / "site/templates")]

myst_heading_anchors = 4
nb_execution_mode = "off"  # the notebook keeps its outputs; a test runs it
suppress_warnings = [
    "misc.highlighting_failure",  # commands in docstrings and in the notebook are not Python
    "ref.python",  # what a notebook asks for has two homes: wsi_haloae, and the module that defines it
]

default_role = "py:obj"  # single backticks in docstrings name code, and link where it is ours
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "model_config"}
autodoc_type_aliases = {"NDArray": "NDArray"}  # as it is written, not what it stands for
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = project
html_theme_options = {
    "collapse_navigation": True,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
}
html_sidebars = {"docs/index": []}
html_static_path = ["site/static"]
html_css_files = ["pages.css"]
html_extra_path = ["site/root"]  # index.html there leads to the landing page
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False


def forget_old_pages(_app: Sphinx) -> None:
    """The pages of the API are generated; those of modules that have gone must not stay."""
    shutil.rmtree(API, ignore_errors=True)


def setup(app: Sphinx) -> None:
    """Sphinx calls this; autosummary generates at the same event, with the priority 500."""
    app.connect("builder-inited", forget_old_pages, priority=400)
