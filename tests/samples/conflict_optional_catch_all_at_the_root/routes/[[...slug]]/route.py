def GET():
    return "/[[...slug]]"
