def GET():
    return "/fixed/one"
