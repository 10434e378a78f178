def GET():
    return "/(a)/posts/[id]"
