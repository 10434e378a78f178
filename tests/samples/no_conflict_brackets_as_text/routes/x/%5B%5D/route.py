def GET():
    return "/x/%5B%5D"
