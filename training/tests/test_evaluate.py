"""Measuring: edit distance, and the same questions through a folder and a REST API."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import evaluate
from reader import testset


@pytest.mark.parametrize("wanted, given, distance", [
    ("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("a b", "ab", 1)])
def test_edits(wanted: str, given: str, distance: int) -> None:
    assert evaluate.edits(wanted, given) == distance


def test_questions_survive_a_folder(tmp_path) -> None:
    drawn = list(testset.draw(each=5))
    testset.write(iter(drawn), tmp_path)
    assert list(testset.load(tmp_path)) == drawn
    assert [item.set for item in drawn] == ["strings"] * 5 + ["fonts"] * 5 + ["blank", "small", "beyond"]


def test_answers_through_rest() -> None:
    asked = []

    class Parrot(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"choices": [{"message": {"content": "(blank)"}}]}).encode())

        def log_message(self, *args) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Parrot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    items = list(testset.draw(each=5))
    answer = evaluate.through_rest(f"http://127.0.0.1:{server.server_port}/v1", "some-model", None, 10)
    results = evaluate.measure(items, answer, len(items), None)
    server.shutdown()
    assert results["blank"] == {"pictures": 1, "exact": 1.0, "cer": 0.0}
    assert results["strings"]["exact"] == 0.0
    path, body = asked[0]
    assert path == "/v1/chat/completions" and body["model"] == "some-model" and body["temperature"] == 0
    assert [part["type"] for part in body["messages"][0]["content"]] == ["image_url", "text"]
