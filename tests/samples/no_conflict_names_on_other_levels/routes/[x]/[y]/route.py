def GET():
    return "/[x]/[y]"
