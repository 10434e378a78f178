async def GET(request) -> dict:
    return {"id": 7, "name": "Oak Chair"}
