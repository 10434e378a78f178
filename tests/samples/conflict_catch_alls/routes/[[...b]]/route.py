def GET():
    return "/[[...b]]"
