def GET():
    return "/dash-ed"
