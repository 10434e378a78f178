def GET():
    return "/x"
