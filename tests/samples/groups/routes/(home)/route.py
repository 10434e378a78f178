def GET():
    return "/(home)"
