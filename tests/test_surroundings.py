"""Language and time zone in the key: those that are active, by whatever means, and else the project's own."""

from contextvars import copy_context
from typing import Any

from django.utils import timezone, translation

from django_routehandlers.caching.surroundings import surroundings_key


def language_and_time_zone() -> tuple[Any, ...]:
    return surroundings_key(None, ())[2:4]


def test_project_has_its_own_where_nothing_is_active(settings: Any) -> None:
    settings.LANGUAGE_CODE, settings.TIME_ZONE = "de", "Europe/Vienna"

    assert copy_context().run(language_and_time_zone) == ("de", "Europe/Vienna")


def test_what_is_active_counts_and_ends_with_its_block() -> None:
    def look() -> list[tuple[Any, ...]]:
        before = language_and_time_zone()
        with translation.override("fr"), timezone.override("Asia/Tokyo"):
            within = language_and_time_zone()
        return [before, within, language_and_time_zone()]

    before, within, after = copy_context().run(look)

    assert (within, after) == (("fr", "Asia/Tokyo"), before)


def test_no_language_at_all_is_not_the_projects_own() -> None:
    def look() -> tuple[Any, ...]:
        with translation.override(None):
            return language_and_time_zone()

    assert copy_context().run(look)[0] is None


def test_language_counts_after_a_test_has_put_another_default_in_place(settings: Any) -> None:
    def look() -> tuple[Any, ...]:
        # Django's receiver of this change puts another object in the place of the one that keeps the language.
        settings.LANGUAGE_CODE = "de"
        with translation.override("fr"):
            return language_and_time_zone()

    language_and_time_zone()

    assert copy_context().run(look)[0] == "fr"
