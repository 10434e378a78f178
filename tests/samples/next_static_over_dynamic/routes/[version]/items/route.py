def GET():
    return "/[version]/items"
