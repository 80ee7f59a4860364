"""Stands between the clients and the gateway, and writes down what each client sends.

    recorder.py GATEWAY_PORT CA_FILE CERTIFICATE KEY FOLDER

Listens on a free port of the loopback with the certificate, prints that port, and passes everything on. Each request is
one line of FOLDER/CLIENT.jsonl; CLIENT is what stands in FOLDER/now. Keys are not written down.
"""

import http.client
import http.server
import json
import pathlib
import ssl
import sys
import threading

# What tells clients apart, or changes what a gateway does.
KEPT = ("accept", "anthropic-beta", "anthropic-version", "content-type", "user-agent")
LOCK = threading.Lock()


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        gateway = http.client.HTTPSConnection("localhost", self.server.gateway, context=self.server.trust)
        hop = ("connection", "host", "transfer-encoding", "accept-encoding")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in hop}
        gateway.request(self.command, self.path, body, headers)
        answer = gateway.getresponse()
        self.write_down(body, answer.status)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            while piece := answer.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True  # the client has left, or the gateway has cut the answer off
        finally:
            gateway.close()

    do_GET = do_POST = pass_on

    def write_down(self, body, status):
        headers = {name: self.headers[name] for name in KEPT if name in self.headers}
        line = {"method": self.command, "path": self.path, "headers": headers, "status": status}
        if body:
            line["body"] = json.loads(body)
        with LOCK:
            client = (self.server.folder / "now").read_text().strip()
            with open(self.server.folder / f"{client}.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def main(gateway, ca_file, certificate, key, folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.gateway, server.folder = int(gateway), pathlib.Path(folder)
    server.trust = ssl.create_default_context(cafile=ca_file)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(certificate, key)
    server.socket = shown.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
