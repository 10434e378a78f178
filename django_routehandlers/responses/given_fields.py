"""
Judge the header fields that a project's own code gives to an answer, where it gives them.

A server that is handed what HTTP cannot say drops the connection, so that the client gets nothing, or sends it.
Sources: names and values (RFC 9110, sections 5.1, 5.5 and 5.6.2), what frames the content (RFC 9112, section 6).
"""

import re
from collections.abc import Mapping

from django.http.response import BadHeaderError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# The content is ours, and so is what says where it ends.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


def checked_fields(fields: Mapping[str, object], where: str) -> dict[str, str]:
    """
    Return fields as they can be sent: values are text, without the spaces around them, which mean nothing.

    Args:
        where: What errors call the place, such as ``Problem(409, headers=…)``.

    Raises:
        BadHeaderError: A name is no token, a value has a control character, or a field is not the project's to say.
    """
    return {_checked_name(name, where): _checked_value(name, value, where) for name, value in fields.items()}


def _checked_name(name: object, where: str) -> str:
    if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
        what = "A name is of ASCII letters, digits and !#$%&'*+-.^_`|~"
        raise BadHeaderError(f"{where} names a field {name!r}. {what} (RFC 9110, section 5.6.2).")
    if name.lower() in _FRAMING:
        raise BadHeaderError(f"{where} has {name!r}, which the server says itself. Remove it.")
    return name


def _checked_value(name: object, value: object, where: str) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if _CONTROL.search(text) is not None:
        what = "A value has no line breaks, no NUL and no other control characters but tabs"
        raise BadHeaderError(f"{where} gives the field {name!r} the value {text!r}. {what} (RFC 9110, section 5.5).")
    return text.strip(" \t")
