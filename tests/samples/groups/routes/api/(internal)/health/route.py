def GET():
    return "/api/(internal)/health"
