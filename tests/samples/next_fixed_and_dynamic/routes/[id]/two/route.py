def GET():
    return "/[id]/two"
