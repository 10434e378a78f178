def GET():
    return "/b/[slug]"
