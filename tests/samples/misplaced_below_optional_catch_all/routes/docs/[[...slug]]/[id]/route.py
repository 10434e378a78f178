def GET():
    return "/docs/[[...slug]]/[id]"
