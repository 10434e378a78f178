def GET():
    return "/x/(g)/[...b]"
