def GET():
    return "/(a)/(b)/cart"
