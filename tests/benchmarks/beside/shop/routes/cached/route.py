from beside.project import columns


async def GET() -> dict:
    return {"products": [row async for row in columns()]}
