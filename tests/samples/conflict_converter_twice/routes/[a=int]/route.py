def GET():
    return "/[a=int]"
