def GET():
    return "/z/[n=int]"
