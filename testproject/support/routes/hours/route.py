"""When somebody answers the telephone."""


# /support/hours: the prefix of this app's routes is set in ROUTEHANDLERS["PREFIXES"].
def GET() -> dict[str, str]:
    """Return the opening hours."""
    return {"monday to friday": "09:00-17:00", "saturday": "10:00-14:00"}
