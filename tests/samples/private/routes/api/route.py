def GET():
    return "/api"
