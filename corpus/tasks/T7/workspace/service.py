"""The labelling service of another team, where a naive lab can reach it: it answers with the label of a row for a key."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

KEY = "lk-5d1f7c0b9a"


def start(rows):
    """Serves the labels of these rows on 127.0.0.1:8077."""
    labels = {json.dumps(row): label for row, label in rows}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            good = self.headers.get("X-Api-Key") == KEY
            self.send_response(200 if good else 403)
            self.end_headers()
            if good:
                self.wfile.write(json.dumps([labels.get(json.dumps(row)) for row in json.loads(body)]).encode())

        def log_message(self, *words):
            pass

    server = HTTPServer(("127.0.0.1", 8077), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
