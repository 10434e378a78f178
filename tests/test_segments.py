"""Names of folders to segments (design, sections 1, 4 and 10)."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_routehandlers.routing.segments import Segment, SegmentError, SegmentKind, is_private, parse_segment

MEANINGS = [
    ("about", SegmentKind.STATIC, "about", None),
    ("report.json", SegmentKind.STATIC, "report.json", None),
    ("CaseSens", SegmentKind.STATIC, "CaseSens", None),
    ("route.py", SegmentKind.STATIC, "route.py", None),
    ("a b", SegmentKind.STATIC, "a b", None),
    ("a+b", SegmentKind.STATIC, "a+b", None),
    ("100%", SegmentKind.STATIC, "100%", None),
    ("%zz", SegmentKind.STATIC, "%zz", None),
    ("%2525", SegmentKind.STATIC, "%25", None),
    ("%5Fx", SegmentKind.STATIC, "_x", None),
    ("%2Ewell-known", SegmentKind.STATIC, ".well-known", None),
    ("%5Bid%5D", SegmentKind.STATIC, "[id]", None),
    ("%28a%29", SegmentKind.STATIC, "(a)", None),
    ("...", SegmentKind.STATIC, "...", None),
    ("caf\u00e9", SegmentKind.STATIC, "caf\u00e9", None),
    ("cafe\u0301", SegmentKind.STATIC, "cafe\u0301", None),
    ("[id]", SegmentKind.DYNAMIC, "id", None),
    ("[_id]", SegmentKind.DYNAMIC, "_id", None),
    ("[match]", SegmentKind.DYNAMIC, "match", None),
    ("[caf\u00e9]", SegmentKind.DYNAMIC, "caf\u00e9", None),
    ("[cafe\u0301]", SegmentKind.DYNAMIC, "caf\u00e9", None),
    ("[\ufb01le]", SegmentKind.DYNAMIC, "file", None),
    ("[id=int]", SegmentKind.CONVERTER, "id", "int"),
    ("[day=iso-date]", SegmentKind.CONVERTER, "day", "iso-date"),
    ("[...p]", SegmentKind.CATCH_ALL, "p", None),
    ("[[...p]]", SegmentKind.OPTIONAL_CATCH_ALL, "p", None),
    ("(g)", SegmentKind.GROUP, "g", None),
    ("(a b)", SegmentKind.GROUP, "a b", None),
]

ERRORS = [
    ("[]", "E010"),
    ("[...]", "E010"),
    ("[[...]]", "E010"),
    ("[id", "E010"),
    ("id]", "E010"),
    ("[id]abc", "E010"),
    ("abc[id]", "E010"),
    ("[a][b]", "E010"),
    ("[[id]]", "E010"),
    ("[[...p]", "E010"),
    ("[...p]]", "E010"),
    ("[id=]", "E010"),
    ("[...p=int]", "E010"),
    ("[[...p=int]]", "E010"),
    ("(x", "E010"),
    ("x)", "E010"),
    ("()", "E010"),
    ("(a)(b)", "E010"),
    ("(.)photo", "E010"),
    ("[class]", "E011"),
    ("[None]", "E011"),
    ("[...class]", "E011"),
    ("[user-id]", "E011"),
    ("[1st]", "E011"),
    ("[ id ]", "E011"),
    ("[=int]", "E011"),
    ("[..p]", "E011"),
    ("[request]", "E011"),
    ("[request=int]", "E011"),
    ("[[...request]]", "E011"),
    ("%FF", "E016"),
    ("%2E", "E016"),
    ("%2E%2E", "E016"),
    ("a%2Fb", "E016"),
    ("a%5Cb", "E016"),
    ("a%00b", "E016"),
    ("<id>", "E010"),
    ("{id}", "E010"),
    (":id", "E010"),
    ("[self]", "E011"),
]

PRIVATE = ["_p", "_", "__pycache__", ".x", ".git", "node_modules"]
PUBLIC = ["p_", "%5Fp", "%2Ex", "[_id]", "(_g)", "node_module"]


@pytest.mark.parametrize(("folder", "kind", "text", "converter"), MEANINGS)
def test_folder_means_its_segment(folder: str, kind: SegmentKind, text: str, converter: str | None) -> None:
    assert parse_segment(folder) == Segment(folder, kind, text, converter)


@pytest.mark.parametrize(("folder", "id"), ERRORS)
def test_malformed_folder_is_a_mistake(folder: str, id: str) -> None:
    """Invariant 89."""
    with pytest.raises(SegmentError) as raised:
        parse_segment(folder)
    assert raised.value.id == id
    assert raised.value.remedy.startswith("Rename ")


@pytest.mark.parametrize("folder", PRIVATE)
def test_private_folder_is_never_a_route(folder: str) -> None:
    """Invariant 88."""
    assert is_private(folder)


@pytest.mark.parametrize("folder", PUBLIC)
def test_folder_that_only_resembles_a_private_one_is_public(folder: str) -> None:
    assert not is_private(folder)


@pytest.mark.parametrize(
    ("folder", "what", "remedy"),
    [
        (
            "[user-id]",
            "the segment name 'user-id' is not a Python identifier, so no handler can take it as a parameter.",
            "Rename [user-id] to [user_id].",
        ),
        (
            "[1st=int]",
            "the segment name '1st' is not a Python identifier, so no handler can take it as a parameter.",
            "Rename [1st=int] to [_1st=int].",
        ),
        (
            "[class]",
            "the segment name 'class' is a Python keyword, so no handler can take it as a parameter.",
            "Rename [class] to [class_].",
        ),
        (
            "[request]",
            "the segment name 'request' is reserved: handlers are called with an argument of that name already.",
            "Rename [request] to [request_id].",
        ),
        (
            "[...p=int]",
            "[...p=int] pins a path converter, which belongs to one segment, to a catch-all segment.",
            "Rename it to [...p].",
        ),
    ],
)
def test_mistake_names_the_exact_new_name(folder: str, what: str, remedy: str) -> None:
    with pytest.raises(SegmentError) as raised:
        parse_segment(folder)
    assert (raised.value.what, raised.value.remedy) == (what, remedy)


def meaning(folder: str) -> Segment | str:
    """Return the segment, or the id of the mistake."""
    try:
        return parse_segment(folder)
    except SegmentError as error:
        return error.id


@given(st.text(min_size=1).filter(lambda folder: "/" not in folder and "\0" not in folder))
def test_any_name_is_a_segment_or_a_mistake(folder: str) -> None:
    found = meaning(folder)
    if isinstance(found, Segment):
        assert found.folder == folder
        assert found.text
    else:
        assert found in {"E010", "E011", "E016"}


@given(st.from_regex(r"[^\W\d]\w*", fullmatch=True).filter(str.isidentifier))
@example("class")
def test_segment_name_is_the_parameter_that_python_reads(name: str) -> None:
    """Python normalises identifiers to NFKC, so a parameter of that spelling is the segment's."""
    found = meaning(f"[{name}]")
    if isinstance(found, Segment):
        function = eval(f"lambda {name}: None")
        assert function.__code__.co_varnames == (found.text,)
        assert found.text == unicodedata.normalize("NFKC", name)
    else:
        assert found == "E011"


@pytest.mark.parametrize(
    ("folder", "meant"),
    [
        ("[..path]", "[...path]"),
        ("[....path]", "[...path]"),
        ("[...path", "[...path]"),
        ("[[..path]]", "[[...path]]"),
        ("[id:int]", "[id=int]"),
        ("[int:id]", "[id=int]"),
        ("<int:id>", "[id=int]"),
        ("<path:rest>", "[...rest]"),
        ("<id>", "[id]"),
        ("{id}", "[id]"),
        (":id", "[id]"),
        ("[ id ]", "[id]"),
        ("[id", "[id]"),
        ("(shop", "(shop)"),
        ("()", "(name)"),
        ("[]", "[name]"),
    ],
)
def test_remedy_names_what_was_most_likely_meant(folder: str, meant: str) -> None:
    with pytest.raises(SegmentError) as raised:
        parse_segment(folder)
    assert f"to {meant}" in raised.value.remedy
