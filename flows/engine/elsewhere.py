"""Stages on other machines: workers of a Prefect work pool that have a clone and a DVC remote.

`flows.pipeline --pool POOL` sends each stage that is to run to the deployment `stage/elsewhere` of
prefect.yaml. A worker (`python -m flows.worker POOL --limit 1`, in its clone) fetches from the
remote what the stage needs, runs it as `dvc repro` does, and pushes what it made; the pipeline
takes over its entry in dvc.lock and its products. Data go by the remote, words by the server.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import Stage
from dvc.utils.serialize import dumps_yaml, load_yaml, modify_yaml
from filelock import FileLock
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelling, Completed, Crashed, State

from flows.engine.dag import hold_repo, open_repo
from flows.engine.dead_runs import signed
from flows.engine.inputs import overlap
from flows.engine.lock import LOCK
from flows.engine.logged import StageError, reproduce_logged, set_surroundings
from flows.engine.server import logged_in, refuse_nameless
from tasks.errors import UserError
from tasks.files import atomic
from tasks.git import GitError, git

BUSY = Path(".dvc/tmp/elsewhere.lock")
NAME = "elsewhere"

BEAT = "lesionflow.beat"
"""Label of a run that its process counts up as long as it lives."""

PAUSE = 2.0  # seconds between looks at a run
EVERY = 10.0  # seconds between beats
PATIENCE = 90.0  # seconds without a beat, or without a start, after which a run counts as dead
ATTEMPTS = 3
WAITS = (
    "waits for a worker; if none is at work, start one in a clone: `python -m flows.worker {pool} "
    "--limit 1`"
)

ending = threading.Event()
"""Set when the pipeline is about to end: what workers still do for it is cancelled."""


# What a worker does.


@signed
@flow(name="stage", flow_run_name="{address}")
def stage(address: str, commit: str, lock: str, force: bool = False) -> State[Any]:
    """Run one stage in the clone that this process works in, one at a time.

    commit: that of the pipeline's clone; lock: its dvc.lock, what the stage needs of it. The final
    state has the stage's entry in dvc.lock as its message, in JSON.
    """
    with beating(), FileLock(BUSY):
        go_to(commit)
        with atomic(LOCK) as beside:
            beside.write_text(lock, encoding="utf-8")
        with open_repo() as repo:
            fetch(repo, needed(repo, one(repo, address)))
        set_surroundings()
        reproduce_logged(address, force=force)
        with open_repo() as repo:
            push(repo, one(repo, address).outs)
        entry = load_yaml(str(LOCK))["stages"][address]
    return Completed(message=json.dumps(entry))


@contextmanager
def beating() -> Iterator[None]:
    """Tell the server that this run lives, every EVERY seconds, for as long as the block runs."""
    over = threading.Event()
    identity = UUID(flow_run.id)

    def beat() -> None:
        count = 0
        while not over.wait(EVERY):
            count += 1
            try:
                with get_client(sync_client=True) as client:
                    client.update_flow_run_labels(identity, {BEAT: count})
            except Exception:  # the server is away: the next beat will do
                continue

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def go_to(commit: str) -> None:
    """Have the clone at `commit`, and drop results of earlier stages that git tracks.

    Raises UserError where the clone has other changes (then somebody works in it), or the commit
    is not to be had.
    """
    with open_repo() as repo:
        made = results(repo)
    changed = [line[3:] for line in git("status", "--porcelain", "-z", "-uno").split("\0") if line]
    own = [path for path in changed if not any(Path(path).is_relative_to(it) for it in made)]
    if own:
        raise UserError(f"the worker's clone has changes that are not committed: {own[0]}")
    if changed:
        git("checkout", "--quiet", "HEAD", "--", *changed)
    if git("rev-parse", "HEAD") != commit:
        # What it made here, later commits may track: git would not write over it.
        git("clean", "--force", "-d", "--quiet", "--", *made)
        git("fetch", "--quiet")
        try:
            git("checkout", "--quiet", "--detach", commit)
        except GitError as error:
            raise UserError(
                f"the worker's clone cannot go to commit {commit}: `git push` it to where the "
                f"clone fetches from ({error})"
            ) from None


# What both do.


def one(repo: Repo, address: str) -> Stage:
    """The stage of this address."""
    (found,) = repo.stage.collect(address)
    return found


def results(repo: Repo) -> list[str]:
    """dvc.lock and the products of all stages: what a run changes, and not whoever works here."""
    return [str(LOCK), *(repo.fs.relpath(out.fs_path) for out in repo.index.outs)]


def needed(repo: Repo, of: Stage) -> list[Output]:
    """The products of earlier stages that a stage depends on."""
    return [
        out for out in repo.index.outs if any(overlap(out.fs_path, dep.fs_path) for dep in of.deps)
    ]


def push(repo: Repo, outs: Iterable[Output]) -> None:
    """Bring products to the remote, also those that git tracks: workers have no later commit."""
    outs = list(outs)
    for out in outs:
        if not out.use_cache:
            out.use_cache = True
            out.commit(relink=False)
    for odb, objects in used(outs).items():
        repo.cloud.push(objects, odb=odb)


def fetch(repo: Repo, outs: Iterable[Output]) -> None:
    """Bring products from the remote, as dvc.lock has them."""
    outs = [out for out in outs if out.status()]
    for out in outs:
        out.use_cache = True
    for odb, objects in used(outs).items():
        repo.cloud.pull(objects, odb=odb)
    for out in outs:
        out.checkout(force=True)


def used(outs: Iterable[Output]) -> dict[Any, set[Any]]:
    """The objects of products, by the store that they go to or come from."""
    found: dict[Any, set[Any]] = {}
    for out in outs:
        for odb, objects in out.get_used_objs().items():
            found.setdefault(odb, set()).update(objects)
    return found


# What the pipeline does.


def check_elsewhere(pool: str) -> str:
    """The commit that workers are to be at.

    Raises UserError unless there are a server that workers reach, a DVC remote, the deployment on
    `pool`, and a commit with all code and settings.
    """
    refuse_nameless("--pool needs a server that the workers reach too")
    with open_repo() as repo:
        if not repo.config["core"].get("remote"):
            raise UserError(
                "--pool needs a DVC remote: `dvc remote add --local --default NAME URL`"
            )
        excluded = [f":(exclude){path}" for path in results(repo)]
    if changed := git("status", "--porcelain", "-uno", "--", ".", *excluded):
        raise UserError(f"commit first, since workers have only what is committed:\n{changed}")
    with logged_in(), get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(f"stage/{NAME}").work_pool_name
        except ObjectNotFound:
            found = None
    if found != pool:
        raise UserError(f"no deployment stage/{NAME} on the work pool {pool}: `make deploy`")
    return git("rev-parse", "HEAD")


def reproduce_elsewhere(address: str, commit: str, *, force: bool) -> bool:
    """Have a worker run one stage if it is not up to date here; whether one did.

    Raises StageError when the stage fails there, or ATTEMPTS workers die of it.
    """
    with hold_repo() as repo:
        mine = one(repo, address)
        if not force and not mine.changed():
            return False
        inputs = needed(repo, mine)
        push(repo, inputs)
        lock = part_of_lock(address, {out.stage.addressing for out in inputs})
    parameters = {"address": address, "commit": commit, "lock": lock, "force": force}
    with get_client(sync_client=True) as client:
        entry = json.loads(ended_well(client, parameters))
    with hold_repo():
        if not LOCK.exists():
            LOCK.write_text(lock_of({}), encoding="utf-8")
        with modify_yaml(str(LOCK)) as content:
            content["stages"][address] = entry
    with hold_repo() as repo:
        fetch(repo, one(repo, address).outs)
    return True


def part_of_lock(address: str, makers: set[str]) -> str:
    """What of dvc.lock a worker is to know: of the stage, and of those that make its inputs.

    All of it may be more than Prefect takes as a parameter, which is 512 KiB.
    """
    known = load_yaml(str(LOCK))["stages"] if LOCK.exists() else {}
    sent = {address, *makers}
    return lock_of({name: entry for name, entry in known.items() if name in sent})


def lock_of(stages: dict[str, Any]) -> str:
    """A dvc.lock of these stages."""
    return str(dumps_yaml({"schema": "2.0", "stages": stages}))


def ended_well(client: SyncPrefectClient, parameters: dict[str, Any]) -> str:
    """What the run of a stage says that a worker completed, after others that died if need be."""
    address = parameters["address"]
    deployment = client.read_deployment_by_name(f"stage/{NAME}").id
    for _ in range(ATTEMPTS):
        run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
        state = final(client, run.id, address)
        if state.is_completed():
            return str(state.message)
        if not state.is_crashed():
            raise StageError(f"on a worker: {state.message}")
        print(f"{address}: its worker died ({state.message}); sent again", flush=True)
    raise StageError(f"{address}: {ATTEMPTS} workers died of it")


def final(client: SyncPrefectClient, identity: UUID, address: str) -> State[Any]:
    """The final state of a run; one that shows no life for PATIENCE seconds is set to Crashed.

    One that no worker takes for as long waits on, and the user is told what it waits for. When the
    pipeline ends, the run is cancelled, and its state is not final.
    """
    seen: tuple[Any, ...] = ()
    since = began = time.monotonic()
    told = False
    while True:
        run = client.read_flow_run(identity)
        assert run.state is not None
        if run.state.is_final():
            return run.state
        if ending.is_set():
            cancelling: State[Any] = Cancelling(message="the pipeline ends")
            client.set_flow_run_state(identity, cancelling)
            return cancelling
        now = run.state.type, run.state.timestamp, run.labels.get(BEAT)
        if now != seen or run.state.type == StateType.SCHEDULED:  # no worker is free yet
            seen, since = now, time.monotonic()
            if not told and since - began > PATIENCE:
                told = True
                print(f"{address}: {WAITS.format(pool=run.work_pool_name)}", flush=True)
        elif time.monotonic() - since > PATIENCE:
            dead: State[Any] = Crashed(message=f"no sign of life for {PATIENCE:.0f} seconds")
            client.set_flow_run_state(identity, dead, force=True)
        ending.wait(PAUSE)
