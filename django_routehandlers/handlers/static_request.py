"""The request that ``dynamic = "force-static"`` shows: where it went, and nothing of who sent it."""

from django.http import HttpRequest

from django_routehandlers.handlers.host import normal_host


class _StaticRequest(HttpRequest):
    def __init__(self, scheme: str) -> None:
        super().__init__()
        self._own_scheme = scheme

    def _get_scheme(self) -> str:
        return self._own_scheme


def static_request(request: HttpRequest) -> HttpRequest:
    """
    Return a request that holds what the key of its entry holds: scheme, host and path.

    It has no header, no cookies, no query string and no content, and neither a user nor a session.

    Source: https://nextjs.org/docs/app/api-reference/file-conventions/route-segment-config#dynamic
    """
    shown = _StaticRequest(request.scheme or "http")
    shown.method, shown.path, shown.path_info = "GET", request.path, request.path_info
    shown.resolver_match = request.resolver_match
    # As the key has it: of all its spellings one would be shown to those who use another.
    scheme = request.scheme or "http"
    host = normal_host(request, scheme)
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    shown.META = {
        "HTTP_HOST": host,
        "PATH_INFO": request.path_info,
        "QUERY_STRING": "",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": request.path.removesuffix(request.path_info),
        "SERVER_NAME": name,
        "SERVER_PORT": port or {"https": "443"}.get(scheme, "80"),
    }
    return shown
