def GET():
    return "/.hidden/x"
