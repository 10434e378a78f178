def GET():
    return "/posts/[id]/edit"
