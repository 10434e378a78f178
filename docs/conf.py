"""Turn the Markdown below ``docs/`` into the project's web pages."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

_package = Path(__file__).parents[1] / "django_routehandlers" / "__init__.py"
_version = re.search(r'^__version__ = "(.+)"$', _package.read_text(encoding="utf-8"), re.MULTILINE)
if _version is None:
    raise RuntimeError(f'{_package}: no line __version__ = "...".')

project = "django-routehandlers"
author = "django_routehandlers contributors"
copyright = f"2026, {author}"
release = version = _version[1]

extensions = ["myst_parser", "index_entries"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_templates"]

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["narrow.css", "index.css"]
templates_path = ["_templates"]
