def GET():
    return "/a b"
