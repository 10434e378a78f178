def GET():
    return "/y/%5B...%5D"
