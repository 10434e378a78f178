def GET():
    return "/shop/[slug]"
