def GET():
    return "/%2Ewell-known"
