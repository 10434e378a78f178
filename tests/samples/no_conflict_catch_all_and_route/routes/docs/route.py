def GET():
    return "/docs"
