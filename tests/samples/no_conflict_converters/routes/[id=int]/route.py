def GET():
    return "/[id=int]"
