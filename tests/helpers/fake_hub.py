"""A small Hugging Face hub on this machine: what huggingface_hub asks for to make, fill and read models.

Models are kept as on the real one: small files in the commit, large ones beside it by their checksum (Git LFS), under
names of commits that branches point to. A model of another's, or a private one, needs a token.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

TOKENS = {"hf_writer": "ann", "hf_other": "bob"}
"""Each token, and whose it is."""


@dataclass
class Model:
    """A repository: the commit of each branch, and the files of each commit; bytes, or the checksum of a large one."""

    private: bool = False
    gated: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes | str]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes | str], message: str = "") -> str:
        """Add a commit with changed files to a branch."""
        before = self.commits.get(self.branches.get(branch, ""), {})
        sha = hashlib.sha1(f"{branch} {len(self.commits)}".encode()).hexdigest()
        self.commits[sha] = {**before, **files}
        self.branches[branch] = sha
        self.messages.append(message)
        return sha


class Hub(http.server.ThreadingHTTPServer):
    """The hub.

    Attributes:
        models: by `USER/NAME`.
        large: contents of large files by checksum.
        asked: each file that was asked for, by HEAD or GET.
        unknown: requests that the hub has no answer to.
        broken: the status of every answer, if the hub is out of order.
        full: whether no more large files are taken.
        storage: address of the large files, for clients another host.
    """

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.unknown: list[str] = []
        self.broken: HTTPStatus | None = None
        self.full = False
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.storage = f"http://localhost:{self.server_port}/lfs"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"] or 0))
        match self.parts():
            case _ if self.server.broken:
                self.refuse(self.server.broken)
            case ["api", "repos", "create"]:
                self.create(json.loads(content))
            case ["api", "validate-yaml"]:
                self.validate(json.loads(content)["content"])
            case ["api", "models", user, name, action, branch] if self.may_write(user, name):
                model = self.server.models[f"{user}/{name}"]
                getattr(self, action)(f"{user}/{name}", model, urllib.parse.unquote(branch), content)
            case [user, name, "info", "lfs", "objects", "batch"] if self.may_write(user, name.removesuffix(".git")):
                objects = [self.place(one) for one in json.loads(content)["objects"]]
                self.answer({"transfer": "basic", "objects": objects})
            case other:
                self.other(other)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        _, checksum = self.parts()
        if self.server.full:
            self.refuse(HTTPStatus.INSUFFICIENT_STORAGE)
            return
        assert hashlib.sha256(content).hexdigest() == checksum
        self.server.large[checksum] = content
        self.answer({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        match self.parts():
            case _ if self.server.broken:
                self.refuse(self.server.broken)
            case [""]:
                self.answer({})
            case ["lfs", checksum]:
                assert not self.headers["Authorization"]  # large files come from another host, which gets no token
                self.send(self.server.large[checksum])
            case ["api", "models", user, name] if self.may_read(user, name):
                self.answer({"id": f"{user}/{name}", "sha": self.server.models[f"{user}/{name}"].branches["main"]})
            case [user, name, "resolve", revision, file] if self.may_read(user, name):
                self.resolve(self.server.models[f"{user}/{name}"], urllib.parse.unquote(revision), file)
            case other:
                self.other(other)

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if self.user() is None:
            self.refuse(HTTPStatus.UNAUTHORIZED)
        elif self.user() != asked["organization"]:
            self.refuse(HTTPStatus.FORBIDDEN)
        elif name in self.server.models:
            self.answer({"url": f"{self.server.url}/{name}"}, HTTPStatus.CONFLICT)
        else:
            private = asked.get("visibility") == "private" or asked.get("private") is True
            self.server.models[name] = Model(private=private)
            self.server.models[name].commit("main", {".gitattributes": b""}, "initial commit")
            self.answer({"url": f"{self.server.url}/{name}"})

    def validate(self, card: str) -> None:
        """Accept a card whose front matter holds plain values and lists, one a line."""
        _, front, _ = card.split("---\n", 2)
        known = {"library_name", "pipeline_tag", "tags"}
        wrong = [line for line in front.splitlines() if not line.startswith("- ") and line.split(":")[0] not in known]
        self.answer({"errors": [{"message": line} for line in wrong], "warnings": []})

    def branch(self, name: str, model: Model, branch: str, content: bytes) -> None:
        taken = branch in model.branches
        if not taken:
            model.branches[branch] = model.branches["main"]
        self.answer({}, HTTPStatus.CONFLICT if taken else HTTPStatus.OK)

    def preupload(self, name: str, model: Model, branch: str, content: bytes) -> None:
        def mode(path: str) -> str:
            return "lfs" if path.endswith((".safetensors", ".png")) else "regular"

        asked = [file["path"] for file in json.loads(content)["files"]]
        self.answer({"files": [{"path": path, "uploadMode": mode(path), "shouldIgnore": False} for path in asked]})

    def place(self, one: dict[str, Any]) -> dict[str, Any]:
        """Where a large file is uploaded to; nowhere if it is there."""
        upload = {"upload": {"href": f"{self.server.storage}/{one['oid']}", "header": {}}}
        return one if one["oid"] in self.server.large else {**one, "actions": upload}

    def commit(self, name: str, model: Model, branch: str, content: bytes) -> None:
        lines = [json.loads(line) for line in content.splitlines()]
        (header,) = [line["value"] for line in lines if line["key"] == "header"]
        files: dict[str, bytes | str] = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                assert value["oid"] in self.server.large
                files[value["path"]] = value["oid"]
        sha = model.commit(branch, files, header["summary"])
        self.answer({"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha})

    def resolve(self, model: Model, revision: str, file: str) -> None:
        self.server.asked.append(file)
        sha = model.branches.get(revision, revision)
        if sha not in model.commits:
            self.refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        elif file not in model.commits[sha]:
            self.refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
        else:
            content = model.commits[sha][file]
            headers = {"X-Repo-Commit": sha}
            if isinstance(content, bytes):
                self.send(content, {**headers, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'})
                return
            linked = {"X-Linked-Etag": f'"{content}"', "X-Linked-Size": str(len(self.server.large[content]))}
            self.send(b"", {**headers, **linked, "Location": f"{self.server.storage}/{content}"}, HTTPStatus.FOUND)

    def may_read(self, user: str, name: str) -> bool:
        model = self.server.models.get(f"{user}/{name}")
        if model is None or (model.private and self.user() != user):
            # The real one does not say whether a private model exists.
            self.refuse(HTTPStatus.NOT_FOUND if self.user() else HTTPStatus.UNAUTHORIZED, "RepoNotFound")
            return False
        if model.gated and self.user() != user:
            self.refuse(HTTPStatus.FORBIDDEN if self.user() else HTTPStatus.UNAUTHORIZED, "GatedRepo")
            return False
        return True

    def may_write(self, user: str, name: str) -> bool:
        if self.user() != user:
            self.refuse(HTTPStatus.FORBIDDEN if self.user() else HTTPStatus.UNAUTHORIZED)
            return False
        return self.may_read(user, name)

    def user(self) -> str | None:
        return TOKENS.get((self.headers["Authorization"] or "").removeprefix("Bearer "))

    def parts(self) -> list[str]:
        return self.path.partition("?")[0].strip("/").split("/")

    def other(self, parts: list[str]) -> None:
        """Answer what was refused above with nothing more, and what is not known with 404."""
        if not self.refused:
            if parts != ["api", "agent-harnesses"]:  # it asks for names of programs that drive it, and does without
                self.server.unknown.append(f"{self.command} {self.path}")
            self.refuse(HTTPStatus.NOT_FOUND)

    refused = False

    def refuse(self, status: HTTPStatus, code: str = "") -> None:
        self.refused = True
        self.answer({"error": status.phrase}, status, {"X-Error-Code": code} if code else {})

    def answer(self, content: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> None:
        self.send(json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})}, status)

    def send(self, content: bytes, headers: dict[str, str] | None = None, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def handle_one_request(self) -> None:
        self.refused = False
        super().handle_one_request()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    """Run a `Hub` in a thread."""
    with Hub() as hub:
        hub.daemon_threads = True
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
