"""The status page of a run: an ASGI app for one transcriber, and a server for it on the loopback.

    page = StatusPage(transcriber)                   # mount it in an app of your own, or:
    tasks.start_soon(serve, page, listen(0), log)    # in the loop of the transcriber

Nothing here runs unless it is asked for. `transcriber run` asks for it.
"""
