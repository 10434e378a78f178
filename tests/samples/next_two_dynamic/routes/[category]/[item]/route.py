def GET():
    return "/[category]/[item]"
