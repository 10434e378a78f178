def GET():
    return "/[...path]"
