"""An S3 object store in memory, for tests: prints its port, and serves until it is ended.

moto answers as S3 does. Requests are carried out one after the other: what "create only when it is not there"
promises has to hold between two services that ask at the same moment.
"""

import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class OneAtATime:
    """A WSGI application of which each request runs alone."""

    def __init__(self, application):
        self.application = application
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        with self.lock:
            return self.application(environ, start_response)


application = OneAtATime(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
print(f"listening on port {server.server_port}", flush=True)
server.serve_forever()
