def GET():
    return "/[id]"
