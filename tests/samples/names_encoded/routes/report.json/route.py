def GET():
    return "/report.json"
