"""Serves moto on a port of 127.0.0.1, one request at a time.

moto looks for an object and puts it in two steps (`If-None-Match: *`), and its own server has a thread for each
connection: of two that create the same object, both could succeed. S3 does it in one step.
"""

import sys
from threading import Lock

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
turn = Lock()


def one_at_a_time(environ, start_response):
    with turn:
        return moto(environ, start_response)


run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
