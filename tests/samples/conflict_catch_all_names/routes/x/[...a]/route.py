def GET():
    return "/x/[...a]"
