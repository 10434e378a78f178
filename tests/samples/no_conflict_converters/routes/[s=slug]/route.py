def GET():
    return "/[s=slug]"
