"""The zoo's table, where its files lie, and downloads from a server that misbehaves."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pooch
import pytest

from napari_pisam import zoo
from napari_pisam.jobs import Progress
from napari_pisam.zoo import DownloadError, ModelNotFoundError, Patience, ZooEntry

CONTENT = bytes(range(256)) * 2000
HASTE = Patience(connect=2.0, read=0.3, attempts=2, pause=0.01)


@dataclass
class Plan:
    """What the server does; ``seen`` lists the Range header of each request."""

    content: bytes = CONTENT
    status: int = 200
    ranges: bool = True
    says_length: bool = True
    kind: str = "application/octet-stream"
    cut_after: int | None = None
    cuts: int = 1_000_000
    stall_at: int | None = None
    slow: float = 0.0
    shift: int = 0
    seen: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan = Plan()

    def handle_error(self, request: object, client_address: object) -> None:
        """Be silent: clients that hang up in mid-answer are what these tests are about."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        plan = self.server.plan
        asked = self.headers.get("Range", "")
        plan.seen.append(asked)
        plan.paths.append(self.path)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and plan.ranges else 0
        if plan.status != 200:
            self.send_response(plan.status)
            self.end_headers()
            return
        if start >= len(plan.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(plan.content)}")
            self.end_headers()
            return
        self.head(plan, start)
        self.body(plan, plan.content[start:])

    def head(self, plan: Plan, start: int) -> None:
        whole = len(plan.content)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start + plan.shift}-{whole - 1}/{whole}")
        self.send_header("Content-Type", plan.kind)
        if plan.says_length:
            self.send_header("Content-Length", str(whole - start))
        self.end_headers()

    def body(self, plan: Plan, rest: bytes) -> None:
        sent = len(rest)
        if plan.cut_after is not None and len(plan.seen) <= plan.cuts:
            sent = plan.cut_after
        if plan.stall_at is not None:
            sent = max(0, plan.stall_at - (len(plan.content) - len(rest)))
        for at in range(0, sent, 40_000):
            self.wfile.write(rest[at : min(at + 40_000, sent)])
            self.wfile.flush()
            plan.released.wait(plan.slow)
        if plan.stall_at is not None:
            plan.released.wait(20)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.plan.released.set()
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(zoo.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(zoo.MIRROR_VARIABLE, raising=False)
    # The way to 127.0.0.1 must not lead through a proxy that the machine may have.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def entry(server: Server) -> ZooEntry:
    return replace(
        zoo.ZOO["sam_vit_b"],
        url=f"{server.address}/models/sam_vit_b_01ec64.pth",
        hash="sha256:" + hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )


@pytest.fixture
def pooch_says() -> Iterator[list[str]]:
    """What pooch's logger lets through, which a person would read in the shell."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    pooch.get_logger().addHandler(handler)
    yield said
    pooch.get_logger().removeHandler(handler)


def part_of(entry: ZooEntry) -> Path:
    path = zoo.local_path(entry)
    return path.with_name(path.name + ".part")


def run(entry: ZooEntry) -> list[Progress]:
    return list(zoo.download(entry, patience=HASTE))


def failure(entry: ZooEntry) -> str:
    with pytest.raises(DownloadError) as error:
        run(entry)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert not zoo.local_path(entry).exists()
    return text


def put_part(entry: ZooEntry, content: bytes) -> None:
    part_of(entry).parent.mkdir(parents=True, exist_ok=True)
    part_of(entry).write_bytes(content)


# --- the table ---


def test_the_table_names_the_official_files_their_checksums_and_licences() -> None:
    sizes = [f"{family}_vit_{size}" for family in ("sam", "hq_sam") for size in "blh"]
    assert list(zoo.ZOO) == ["pisam-tiny", *sizes]
    for name in sizes:
        entry = zoo.ZOO[name]
        algorithm, digest = (entry.hash or "").split(":")
        assert len(digest) == {"sha256": 64, "md5": 32}[algorithm]
        assert entry.licence == "Apache-2.0"
        assert urlsplit(entry.url or "").scheme == "https"
        assert (entry.url or "").endswith("/" + entry.filename)
        assert name == f"{entry.kind}_{entry.encoder}"
    assert zoo.ZOO["sam_vit_b"].size == 375_042_383
    assert "another open project records" in zoo.ZOO["hq_sam_vit_l"].description


def test_models_without_a_pi_decoder_say_so() -> None:
    text = zoo.notice(zoo.ZOO["sam_vit_l"]) or ""
    assert "No Pi-SAM decoder is at hand for ViT-L" in text
    assert "SAM's own decoder" in text
    assert "HQ-SAM's decoder" in (zoo.notice(zoo.ZOO["hq_sam_vit_h"]) or "")
    assert zoo.notice(zoo.ZOO["pisam-tiny"]) is None


# --- where files lie ---


def test_a_path_is_itself_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "my.pth"
    path.write_bytes(b"x")
    assert zoo.resolve(path) == zoo.resolve(str(path)) == path
    with pytest.raises(ModelNotFoundError, match=r"There is no file '.*other\.pth'\."):
        zoo.resolve(tmp_path / "other.pth")


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    with pytest.raises(ModelNotFoundError, match="did you mean sam_vit_b"):
        zoo.resolve("sam_vitb")
    with pytest.raises(ModelNotFoundError, match="the names are pisam-tiny, sam_vit_b"):
        zoo.find("zzz")


def test_a_name_that_is_not_here_says_how_to_get_it(cache: Path) -> None:
    assert not zoo.is_at_hand(zoo.ZOO["sam_vit_b"])
    with pytest.raises(ModelNotFoundError, match="pisam models download sam_vit_b") as error:
        zoo.resolve("sam_vit_b")
    assert str(cache / "sam_vit_b_01ec64.pth") in str(error.value)


def test_a_file_put_into_the_cache_by_hand_is_found(cache: Path) -> None:
    cache.mkdir()
    (cache / "sam_hq_vit_b.pth").write_bytes(b"weights")
    assert zoo.resolve("hq_sam_vit_b") == cache / "sam_hq_vit_b.pth"


def test_a_cached_file_of_the_wrong_length_is_not_taken(cache: Path) -> None:
    cache.mkdir()
    (cache / "sam_vit_b_01ec64.pth").write_bytes(b"half")
    with pytest.raises(ModelNotFoundError, match="is 4 bytes long, not 375042383"):
        zoo.resolve("sam_vit_b")


def test_the_embedded_model_lies_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert zoo.weights_dir() == Path(zoo.__file__).parents[1] / "weights"
    monkeypatch.setattr(zoo.store, "weights_dir", lambda: tmp_path)
    with pytest.raises(ModelNotFoundError, match="missing from this installation"):
        zoo.resolve("pisam-tiny")
    (tmp_path / "pisam-tiny.safetensors").write_bytes(b"weights")
    assert zoo.resolve("pisam-tiny") == tmp_path / "pisam-tiny.safetensors"
    assert zoo.fetch("pisam-tiny") == tmp_path / "pisam-tiny.safetensors"


def test_without_a_variable_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(zoo.CACHE_VARIABLE)
    assert "napari-pisam" in zoo.cache_dir().parts


# --- downloads ---


def test_a_download_yields_its_progress_and_leaves_the_file(
    server: Server, entry: ZooEntry, pooch_says: list[str]
) -> None:
    steps = run(entry)
    assert steps[0] == Progress(0, len(CONTENT))
    assert steps[-1] == Progress(len(CONTENT), len(CONTENT))
    assert [s.done for s in steps] == sorted(s.done for s in steps)
    assert zoo.local_path(entry).read_bytes() == CONTENT
    assert not part_of(entry).exists()
    assert pooch_says == []
    pooch.get_logger().info("as before")
    assert pooch_says == ["as before"]
    assert zoo.is_at_hand(entry)


def test_a_model_that_is_here_is_not_downloaded_again(server: Server, entry: ZooEntry) -> None:
    assert zoo.fetch(entry) == zoo.fetch(entry) == zoo.local_path(entry)
    assert server.plan.seen == [""]


def test_a_damaged_cached_file_is_downloaded_again(server: Server, entry: ZooEntry) -> None:
    zoo.fetch(entry)
    zoo.local_path(entry).write_bytes(b"x" * len(CONTENT))
    assert zoo.fetch(entry).read_bytes() == CONTENT


def test_md5_and_an_unknown_size_suffice(server: Server, entry: ZooEntry) -> None:
    digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    server.plan.says_length = False
    steps = run(replace(entry, hash=f"md5:{digest}", size=None))
    assert steps[-1] == Progress(len(CONTENT), None)


@pytest.mark.parametrize("says_length", [True, False])
def test_a_broken_connection_is_resumed_within_the_download(
    says_length: bool, server: Server, entry: ZooEntry
) -> None:
    server.plan = Plan(cut_after=200_000, cuts=2, says_length=says_length)
    run(entry)
    assert zoo.local_path(entry).read_bytes() == CONTENT
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in server.plan.seen[1:]]
    assert len(starts) == 2
    assert 100_000 < starts[0] < starts[1]


def test_a_later_download_resumes_where_the_last_one_ended(server: Server, entry: ZooEntry) -> None:
    put_part(entry, CONTENT[:300_001])
    assert run(entry)[0] == Progress(300_001, len(CONTENT))
    assert server.plan.seen == ["bytes=300001-"]
    assert zoo.local_path(entry).read_bytes() == CONTENT


def test_a_complete_part_file_needs_no_server(server: Server, entry: ZooEntry) -> None:
    put_part(entry, CONTENT)
    run(entry)
    assert server.plan.seen == []
    digest = hashlib.sha256(CONTENT).hexdigest()
    zoo.local_path(entry).unlink()
    put_part(entry, CONTENT)
    run(replace(entry, size=None, hash=f"sha256:{digest}"))
    assert server.plan.seen == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("known", [True, False])
def test_a_part_longer_than_the_file_is_downloaded_anew(
    known: bool, server: Server, entry: ZooEntry
) -> None:
    put_part(entry, b"x" * (len(CONTENT) + 5))
    run(entry if known else replace(entry, size=None))
    assert zoo.local_path(entry).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_the_whole_file(server: Server, entry: ZooEntry) -> None:
    server.plan.ranges = False
    put_part(entry, b"x" * 1000)
    run(entry)
    assert server.plan.seen == ["bytes=1000-"]
    assert zoo.local_path(entry).read_bytes() == CONTENT


def test_a_server_that_always_breaks_off_is_an_error(server: Server, entry: ZooEntry) -> None:
    server.plan = Plan(cut_after=200_000, ranges=False)
    assert "broke off" in failure(entry)
    assert len(server.plan.seen) <= 4
    assert 0 < part_of(entry).stat().st_size <= 200_000


def test_another_range_than_requested_is_refused(server: Server, entry: ZooEntry) -> None:
    server.plan.shift = 1
    put_part(entry, CONTENT[:1000])
    run(entry)
    assert server.plan.seen == ["bytes=1000-", ""]
    assert zoo.local_path(entry).read_bytes() == CONTENT


@pytest.mark.parametrize("before", [0, 200_000])
def test_a_server_that_stalls_is_one_sentence_and_the_part_is_kept(
    before: int, server: Server, entry: ZooEntry
) -> None:
    server.plan = Plan(stall_at=before)
    text = failure(entry)
    assert "stalls" in text
    assert "offline recipe" in text
    kept = part_of(entry).read_bytes()
    assert len(kept) >= before // 2
    assert kept == CONTENT[: len(kept)]
    assert server.plan.seen[-1] == (f"bytes={len(kept)}-" if kept else "")


def test_attempts_without_new_bytes_are_counted(server: Server, entry: ZooEntry) -> None:
    put_part(entry, CONTENT[:1000])
    server.plan = Plan(stall_at=1000)
    assert "the 1000 bytes that came are kept" in failure(entry)
    assert server.plan.seen == ["bytes=1000-"] * HASTE.attempts


def test_wrong_bytes_are_one_sentence_and_are_removed(server: Server, entry: ZooEntry) -> None:
    server.plan.content = b"?" * len(CONTENT)
    assert "its checksum differs" in failure(entry)
    assert list(part_of(entry).parent.iterdir()) == []


def test_another_file_is_refused_before_it_overwrites_the_part(
    server: Server, entry: ZooEntry
) -> None:
    put_part(entry, CONTENT[:1000])
    server.plan = Plan(content=b"short", ranges=False)
    assert "offers 5 bytes where the file has 512000" in failure(entry)
    server.plan = Plan(content=b"<html>", ranges=False, kind="text/html; charset=utf-8")
    assert "sends a web page" in failure(entry)
    assert part_of(entry).read_bytes() == CONTENT[:1000]


def test_a_body_without_end_is_cut_off(server: Server, entry: ZooEntry) -> None:
    server.plan = Plan(content=CONTENT * 20, says_length=False)
    steps: list[Progress] = []
    with pytest.raises(DownloadError, match="its checksum differs"):
        steps.extend(zoo.download(entry, patience=HASTE))
    assert len(CONTENT) < steps[-1].done < 2 * len(CONTENT)


@pytest.mark.parametrize(
    ("status", "tries", "words"), [(404, 1, "no such file"), (503, 2, "503"), (429, 2, "429")]
)
def test_a_response_without_the_file_is_named(
    status: int, tries: int, words: str, server: Server, entry: ZooEntry
) -> None:
    server.plan.status = status
    assert words in failure(entry)
    assert len(server.plan.seen) == tries


def test_an_unreachable_server_is_named(server: Server, entry: ZooEntry) -> None:
    text = failure(replace(entry, url="http://127.0.0.1:9/file.pth"))
    assert "127.0.0.1:9 cannot be reached" in text


# --- stopping ---


def test_closing_the_generator_keeps_the_part_for_the_next_download(
    server: Server, entry: ZooEntry
) -> None:
    server.plan.slow = 0.12
    work = zoo.download(entry, patience=HASTE)
    while next(work).done == 0:
        pass
    work.close()
    kept = part_of(entry).stat().st_size
    assert 0 < kept < len(CONTENT)
    server.plan = Plan()
    run(entry)
    assert server.plan.seen == [f"bytes={kept}-"]
    assert zoo.local_path(entry).read_bytes() == CONTENT


def test_cancelling_ends_the_download_with_a_sentence(server: Server, entry: ZooEntry) -> None:
    server.plan.slow = 0.12
    steps: list[Progress] = []
    with pytest.raises(zoo.DownloadCancelledError, match="the next one goes on from there"):
        steps.extend(zoo.download(entry, cancelled=lambda: True, patience=HASTE))
    assert steps == []
    assert not zoo.local_path(entry).exists()


# --- the disk ---


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_disk_that_fills_up_is_one_sentence(server: Server, entry: ZooEntry) -> None:
    part_of(entry).parent.mkdir(parents=True)
    part_of(entry).symlink_to("/dev/full")
    text = failure(entry)
    assert "the disk is full" in text
    assert zoo.CACHE_VARIABLE in text
    assert part_of(entry).is_symlink()


def test_a_disk_too_small_is_refused_before_anything_is_written(
    server: Server, entry: ZooEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_part(entry, CONTENT[:1000])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    assert "has 1 MB free" in failure(entry)
    assert part_of(entry).read_bytes() == CONTENT[:1000]


def test_a_cache_that_cannot_be_made_is_named(
    entry: ZooEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(zoo.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    assert "cannot be made" in failure(entry)


# --- mirrors ---


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_replaces_host_and_folder(
    slash: str, server: Server, entry: ZooEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(zoo.MIRROR_VARIABLE, f"{server.address}/mirror{slash}")
    run(replace(entry, url="https://unreachable.invalid/a/b/sam_vit_b_01ec64.pth"))
    assert server.plan.paths == ["/mirror/sam_vit_b_01ec64.pth"]


def test_a_mirror_that_is_no_address_is_named(
    entry: ZooEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(zoo.MIRROR_VARIABLE, "/data/models")
    assert "PISAM_MIRROR is '/data/models'" in failure(entry)
