def GET():
    return "/%5Funder"
