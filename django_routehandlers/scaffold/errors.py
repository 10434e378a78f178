"""What is wrong with a request for a new route file, as the one error of this room."""

from django_routehandlers.documentation import Documented, Section


class CannotStart(Documented, ValueError):
    """No file can be started as asked for; nothing was changed. The message says where, what and the remedy."""

    section = Section("reference/commands", "What is refused")
