def GET():
    return "/(shop)/cart"
