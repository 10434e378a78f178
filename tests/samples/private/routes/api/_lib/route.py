def GET():
    return "/api/_lib"
