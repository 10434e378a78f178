from beside.project import columns


async def GET(request) -> dict:
    return await columns().aget(pk=7)
