def GET():
    return "/a%20b"
