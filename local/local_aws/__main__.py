"""Start the local AWS: `PYTHONPATH=local .tools/python/bin/python -m local_aws --port 0 --ready-file ready.json`.

Listens on 127.0.0.1 only, needs no Docker and no account, and leaves nothing behind when it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from local_aws import patches, scope


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="local_aws", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (default) takes a free one")
    parser.add_argument("--ready-file", type=Path, help="written with endpoint and process id once requests are answered")
    parser.add_argument("--log", type=Path, help="where the log goes (default: standard error, warnings only)")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the process that started this one ends")
    parser.add_argument("--auth", action="store_true", help="enforce IAM policies (see the known falsehoods in README.md)")
    return parser.parse_args()


def environment(port: int, scratch: str, auth: bool) -> None:
    """ministack reads its settings from the environment, when it is imported."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "LAMBDA_", "MINISTACK_", "LOCALSTACK_", "DOCKER_")) or name.lower().endswith("_proxy"):
            del os.environ[name]  # A profile or proxy of the person who starts this must not reach a function.
    os.environ.update({
        "GATEWAY_PORT": str(port), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost", "MINISTACK_REGION": scope.REGION, "MINISTACK_ACCOUNT_ID": scope.ACCOUNT,
        "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "PERSIST_STATE": "0", "S3_PERSIST": "0",
        "LAMBDA_EXECUTOR": "local", "AUTH": "true" if auth else "false", "TMPDIR": scratch,
        # No Docker is needed. If a Docker client is installed, it must find no server, and fail immediately.
        "DOCKER_HOST": f"unix://{scratch}/no-docker.sock",
    })
    tempfile.tempdir = scratch


def watch_parent(stop: threading.Event) -> None:
    """End with the parent. Polled, because the kernel's own signal fires when only the starting *thread* ends."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        stop.set()

    threading.Thread(target=watch, daemon=True, name="local-aws-parent").start()


async def serve(listener: socket.socket, ready_file: Path | None, endpoint: str, stop: threading.Event) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    from local_aws import gateway

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.2
    config.shutdown_timeout = 2
    config.loglevel = "WARNING"
    config.accesslog = None

    async def stopped() -> None:
        # Not polled: the tests have a dozen of these servers, and each of them mostly waits.
        await asyncio.to_thread(stop.wait)

    async def announce() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
                writer.write(b"GET /_local/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
                writer.close()
                if answer.startswith(b"HTTP/1.1 200"):
                    break
            except OSError:
                pass
            await asyncio.sleep(0.02)
        ready = json.dumps({"endpoint": endpoint, "pid": os.getpid()})
        if ready_file:
            unfinished = ready_file.with_name(ready_file.name + ".new")
            unfinished.write_text(ready)
            unfinished.replace(ready_file)  # a reader of the file never sees half of it
        else:
            print(ready, flush=True)

    announcing = asyncio.create_task(announce())
    try:
        await hypercorn_serve(gateway.application, config, shutdown_trigger=stopped)  # type: ignore[arg-type]
    finally:
        announcing.cancel()
        stop.set()


def main() -> None:
    patches.check_version()
    options = arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    if options.die_with_parent:
        watch_parent(stop)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", options.port))
    except OSError as error:
        sys.exit(f"cannot listen on 127.0.0.1:{options.port}: {error.strerror}")
    port = listener.getsockname()[1]
    scratch = tempfile.mkdtemp(prefix="local-aws-")
    exit_code = 0
    try:
        environment(port, scratch, options.auth)
        logging.basicConfig(
            level=logging.INFO if options.log else logging.WARNING, filename=options.log, force=True,
            format="%(asctime)s %(levelname)s [%(name)s] %(message)s")
        from local_aws import (
            alarms,
            buckets,
            change_sets,
            delivery,
            existing,
            functions,
            gateway,
            metrics,
            mwaa,
            mwaa_stack,
            networks,
            parameter_store,
            resources,
            stack_events,
        )

        for part in (parameter_store, delivery, functions, metrics, alarms, mwaa, resources, networks, buckets, mwaa_stack,
                     change_sets, existing, stack_events, gateway):
            part.install()
        asyncio.run(serve(listener, options.ready_file, f"http://127.0.0.1:{port}", stop))
    except SystemExit as refusal:
        print(refusal, file=sys.stderr)
        exit_code = 1
    finally:
        if "local_aws.functions" in sys.modules:
            sys.modules["local_aws.functions"].stop_all()
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
    # ministack's timers and request threads still run; a normal exit would only wait for them.
    sys.stdout.flush()
    os._exit(exit_code)


if __name__ == "__main__":
    main()
