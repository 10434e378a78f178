def GET():
    return "/a/[id]"
