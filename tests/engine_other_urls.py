"""Another URLconf, for requests that change theirs."""

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse


async def other(request: HttpRequest) -> HttpResponse:
    return HttpResponse("of the other URLconf: " + reverse("echo"))


urlpatterns = [path("echo/", other, name="echo"), path("text/", other)]
