def GET():
    return "/[...rest]"
