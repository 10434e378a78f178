def GET():
    return "/docs/[...slug]/edit"
