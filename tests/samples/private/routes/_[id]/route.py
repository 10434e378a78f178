def GET():
    return "/_[id]"
