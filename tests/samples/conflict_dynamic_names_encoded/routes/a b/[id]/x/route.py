def GET():
    return "/a b/[id]/x"
