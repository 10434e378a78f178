"""
Turn the name of a folder into the segment of a URL that it means.

Pure: strings in, values out. Vocabulary and brackets are those of Next.js
(https://nextjs.org/docs/app/api-reference/file-conventions/dynamic-routes); a
converter behind ``=`` is one of Django's path converters.
"""

import enum
import keyword
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

_BRACKETED = re.compile(r"(?P<open>\[\[\.\.\.|\[\.\.\.|\[)(?P<inner>[^\[\]]*)(?P<close>\]\]|\])")
_KINDS_BY_BRACKET = {"[": "]", "[...": "]", "[[...": "]]"}
_IGNORED_FOLDERS = frozenset({"node_modules"})
# Dynamic segments as other routers write them: FastAPI's and Express's.
_FOREIGN = re.compile(r"\{.*\}|:.*")
_BUILT_IN_CONVERTERS = frozenset({"int", "path", "slug", "str", "uuid"})
# The one is always Django's request; the other meets the first parameter of asgiref's own calls.
_RESERVED_NAMES = frozenset({"request", "self"})


class SegmentKind(enum.IntEnum):
    """What a folder means; of two that match, the lower number wins."""

    STATIC = 0
    CONVERTER = 1
    DYNAMIC = 2
    CATCH_ALL = 3
    OPTIONAL_CATCH_ALL = 4
    GROUP = 5


@dataclass(frozen=True, slots=True)
class Segment:
    """One folder of a route."""

    folder: str
    """The folder's name as written."""
    kind: SegmentKind
    text: str
    """The URL's text for a static segment, the parameter's name for the others, the label of a group."""
    converter: str | None = None
    """Name of a path converter, where the folder pins one."""

    @property
    def takes_rest(self) -> bool:
        """Whether the segment stands for all that is left of the path."""
        return self.kind in (SegmentKind.CATCH_ALL, SegmentKind.OPTIONAL_CATCH_ALL)

    @property
    def is_parameter(self) -> bool:
        """Whether the segment gives a value to the handler."""
        return self.kind not in (SegmentKind.STATIC, SegmentKind.GROUP)


class SegmentError(ValueError):
    """A folder's name that means nothing."""

    def __init__(self, id: str, what: str, remedy: str) -> None:
        super().__init__(f"{what} {remedy}")
        self.id = id
        self.what = what
        self.remedy = remedy


def is_private(folder: str) -> bool:
    """Return whether nothing in a folder of this name is ever a route."""
    return folder.startswith(("_", ".")) or folder in _IGNORED_FOLDERS


def parse_prefix(path: str) -> tuple[Segment, ...]:
    """
    Return the segments below which an app is served.

    Args:
        path: As the setting ``PREFIXES`` writes it, such as ``"shop/"``.

    Raises:
        SegmentError: A part is malformed, or not static.
    """
    segments = tuple(parse_segment(part) for part in path.strip("/").split("/") if part)
    if any(segment.kind is not SegmentKind.STATIC for segment in segments):
        raise SegmentError("E003", f"{path!r} is not static.", 'Write static segments, such as "shop/".')
    return segments


def parse_segment(folder: str) -> Segment:
    """
    Return what a folder's name means.

    A static name is percent-decoded once, so ``%5Fnext`` serves ``/_next`` and
    ``%2Ewell-known`` serves ``/.well-known``.

    Raises:
        SegmentError: The name is malformed, or cannot be served.
    """
    if folder.startswith("(") and folder.endswith(")") and len(folder) > 2 and folder.count("(") == 1:
        return Segment(folder, SegmentKind.GROUP, folder[1:-1])
    if not set(folder) & set("[]()<>") and not _FOREIGN.fullmatch(folder):
        return Segment(folder, SegmentKind.STATIC, _static_text(folder))
    found = _BRACKETED.fullmatch(folder)
    if found is None or _KINDS_BY_BRACKET[found["open"]] != found["close"] or not found["inner"]:
        raise _malformed(folder)
    return _parameter(folder, found["open"], found["inner"])


def _parameter(folder: str, bracket: str, inner: str) -> Segment:
    # Python normalises identifiers in source to NFKC, so only that form can meet a parameter.
    name, equals, converter = unicodedata.normalize("NFKC", inner).partition("=")
    _check_name(folder, name)
    if bracket == "[":
        if equals and not converter:
            raise _malformed(folder)
        kind = SegmentKind.CONVERTER if equals else SegmentKind.DYNAMIC
        return Segment(folder, kind, name, converter or None)
    if equals:
        what = f"{folder} pins a path converter, which belongs to one segment, to a catch-all segment."
        raise SegmentError("E010", what, f"Rename it to {folder.replace('=' + converter, '')}.")
    kind = SegmentKind.CATCH_ALL if bracket == "[..." else SegmentKind.OPTIONAL_CATCH_ALL
    return Segment(folder, kind, name)


def _check_name(folder: str, name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        reason = "is a Python keyword" if keyword.iskeyword(name) else "is not a Python identifier"
        what = f"the segment name {name!r} {reason}, so no handler can take it as a parameter."
        raise SegmentError("E011", what, f"Rename {folder} to {_meant(folder)}.")
    if name in _RESERVED_NAMES:
        what = f"the segment name {name!r} is reserved: handlers are called with an argument of that name already."
        raise SegmentError("E011", what, f"Rename {folder} to {folder.replace(name, name + '_id', 1)}.")


def _static_text(folder: str) -> str:
    try:
        text = unquote(folder, errors="strict")
    except UnicodeDecodeError:
        what = f"{folder!r} does not percent-decode to UTF-8."
        raise SegmentError("E016", what, "Rename the folder.") from None
    if text in ("", ".", "..") or set(text) & set("/\\\0<>"):
        what = f"the static segment {text!r} cannot be served: no URL reaches '.', '..', '/', '\\\\', '<', '>' or NUL."
        raise SegmentError("E016", what, "Rename the folder, or make it private with a leading '_'.")
    return text


def _malformed(folder: str) -> SegmentError:
    what = (
        f"{folder!r} is no segment. A folder is static (about), dynamic ([id], [id=int]), "
        "a catch-all ([...path]), an optional catch-all ([[...path]]) or a route group ((shop))."
    )
    remedy = f"Rename it, to {_meant(folder)} perhaps. To serve the characters themselves, percent-encode them."
    return SegmentError("E010", what, remedy)


def _meant(folder: str) -> str:
    """Return the segment that a malformed name most likely means."""
    words = [_as_identifier(word) for word in re.findall(r"\w+", folder)]
    name = "_".join(words) or "name"
    if set("()") & set(folder) and not set("[]{}<>") & set(folder):
        return f"({name})"
    if len(words) == 2 and set(":=") & set(folder):
        # Flask and Django write the converter first.
        words.sort(key=_BUILT_IN_CONVERTERS.__contains__)
        if words[1] == "path":
            return f"[...{words[0]}]"
        if words[1] in _BUILT_IN_CONVERTERS:
            return f"[{words[0]}={words[1]}]"
    if ".." in folder:
        return f"[[...{name}]]" if folder.startswith("[[") else f"[...{name}]"
    return f"[{name}]"


def _as_identifier(word: str) -> str:
    return f"{word}_" if keyword.iskeyword(word) else word if word.isidentifier() else f"_{word}"
