def GET():
    return 1
