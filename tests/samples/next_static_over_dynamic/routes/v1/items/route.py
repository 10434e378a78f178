def GET():
    return "/v1/items"
