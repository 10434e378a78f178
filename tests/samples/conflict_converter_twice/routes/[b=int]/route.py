def GET():
    return "/[b=int]"
