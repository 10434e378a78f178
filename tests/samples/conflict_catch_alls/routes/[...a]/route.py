def GET():
    return "/[...a]"
