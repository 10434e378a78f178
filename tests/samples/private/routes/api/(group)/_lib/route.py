def GET():
    return "/api/(group)/_lib"
