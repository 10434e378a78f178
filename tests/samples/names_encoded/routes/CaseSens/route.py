def GET():
    return "/CaseSens"
