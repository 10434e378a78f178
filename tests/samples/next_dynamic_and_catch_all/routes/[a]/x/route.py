def GET():
    return "/[a]/x"
