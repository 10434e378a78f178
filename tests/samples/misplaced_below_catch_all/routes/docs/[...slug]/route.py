def GET():
    return "/docs/[...slug]"
