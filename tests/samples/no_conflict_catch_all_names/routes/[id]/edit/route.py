def GET():
    return "/[id]/edit"
