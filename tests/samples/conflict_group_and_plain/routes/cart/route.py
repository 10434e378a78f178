def GET():
    return "/cart"
