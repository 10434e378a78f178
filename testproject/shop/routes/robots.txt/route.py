"""For crawlers."""

from django.http import HttpResponse

openapi = False


# A folder may be named as a file is; a response of Django's own goes out as it is.
def GET() -> HttpResponse:
    """Return what crawlers may read."""
    return HttpResponse("User-agent: *\nDisallow: /api/\n", content_type="text/plain; charset=utf-8")
