from beside.work import RECORDS


async def GET():
    for one in RECORDS:
        yield one
