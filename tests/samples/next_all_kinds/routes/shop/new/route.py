def GET():
    return "/shop/new"
