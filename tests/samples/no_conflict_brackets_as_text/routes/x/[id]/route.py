def GET():
    return "/x/[id]"
