def GET():
    return "/(b)/posts/[slug]/edit"
