"""/support/hours: the prefix of this app's routes is set in ROUTEHANDLERS["PREFIXES"]."""


def GET() -> dict[str, str]:
    """Return when somebody answers the telephone."""
    return {"monday to friday": "09:00-17:00", "saturday": "10:00-14:00"}
