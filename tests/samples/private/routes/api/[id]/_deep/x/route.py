def GET():
    return "/api/[id]/_deep/x"
