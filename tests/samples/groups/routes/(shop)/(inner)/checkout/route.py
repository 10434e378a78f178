def GET():
    return "/(shop)/(inner)/checkout"
