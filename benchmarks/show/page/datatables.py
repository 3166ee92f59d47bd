"""DataTables, which sorts and filters the page's tables, from the package that ships it: itables."""

import base64
import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup


@dataclass(frozen=True)
class Bundle:
    """What a page holds of it.

    Attributes:
        js: a JavaScript module that exports DataTables as its default; gzip in base64, a third of its size.
        css: for a <style>.
    """

    js: str
    css: Markup


@cache
def bundle() -> Bundle:
    """The bundle of the installed version."""
    folder = files("itables") / "html"
    js, css = ((folder / f"dt_bundle.{kind}").read_bytes() for kind in ("js", "css"))
    packed = gzip.compress(js, compresslevel=9, mtime=0)  # no time, so that equal records give equal pages
    return Bundle(base64.b64encode(packed).decode("ascii"), Markup(css.decode("utf-8")))
