def GET():
    return "/(a)/cart"
