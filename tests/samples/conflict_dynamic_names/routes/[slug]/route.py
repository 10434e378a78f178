def GET():
    return "/[slug]"
