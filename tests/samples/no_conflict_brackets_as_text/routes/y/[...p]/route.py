def GET():
    return "/y/[...p]"
