def GET():
    return "/[x=int]/[z]"
