def GET():
    return "/posts/[slug]/comments"
