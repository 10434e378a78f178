def GET():
    return "/[a=int]/x"
