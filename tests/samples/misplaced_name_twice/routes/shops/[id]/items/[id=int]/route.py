def GET():
    return "/shops/[id]/items/[id=int]"
