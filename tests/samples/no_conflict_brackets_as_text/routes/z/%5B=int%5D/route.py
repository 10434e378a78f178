def GET():
    return "/z/%5B=int%5D"
