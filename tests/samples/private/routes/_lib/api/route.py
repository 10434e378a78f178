def GET():
    return "/_lib/api"
