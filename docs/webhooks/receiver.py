# A receiver to try webhooks with: it prints each message that is genuine, and answers 400 to any other.
#
#     python3 receiver.py PORT SECRET
#
# Not for production: it remembers no ids, so it would act twice on a message that comes twice.
# Python 3.9 or newer, standard library only; `verify.py` beside it does the work.

import http.server
import sys
import time

from verify import Refused, verify

PORT, SECRET = int(sys.argv[1]), sys.argv[2]


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        try:
            verify([SECRET], *(self.headers[name] for name in names), body, int(time.time()))
        except Refused as reason:
            print(f"refused: {reason}", flush=True)
            status = 400
        else:
            print(self.headers["webhook-id"], body.decode(), flush=True)
            status = 204
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


print(f"listening on http://127.0.0.1:{PORT}/", flush=True)
http.server.HTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()
