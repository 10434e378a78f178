def GET():
    return "/[b=int]/y"
