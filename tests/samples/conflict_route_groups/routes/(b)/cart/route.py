def GET():
    return "/(b)/cart"
