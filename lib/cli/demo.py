"""The demos from a shell: list them, run one and wait for it."""

import os
from typing import Any

import click

from lib.cli.context import PROJECT, Asked, clock, command
from lib.cli.query_commands import scores
from lib.launch import catalogue


@click.group("demo")
def demo() -> None:
    """The demo experiments."""


@command("list")
def list_demos(asked: Asked) -> None:
    """List the demos with their parameters."""
    found = [
        {
            "name": one.key,
            "title": one.title,
            "lesson": one.lesson,
            "script": f"demo_experiments/{one.script}",
            "parameters": {p.name: _plain(p.default) for p in one.parameters},
        }
        for one in catalogue.demos()
    ]
    asked.answer({"demos": found}, [f"{d['name']:<10}  {d['title']}: {d['lesson']}" for d in found])


@command("run", may_create=True)
@click.argument("name")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter, for example n_estimators=1,5,15")
def run(asked: Asked, name: str, params: tuple[str, ...]) -> int:
    """Run demo NAME and wait until it has ended."""
    values = dict(_pair(text) for text in params)
    chosen = catalogue.find(name)
    catalogue.argv(chosen, values)
    from lib.jobs import job_queue as jobs
    from lib.jobs.job_settings import workshop
    from lib.launch import demo_jobs

    here, room = asked.backend(), workshop(os.environ, PROJECT)
    job = demo_jobs.start(room, chosen, values, here, clock())
    click.echo(f"Job {job.id} runs; its log is {job.folder / 'log.txt'}", err=True)
    job = jobs.wait(room, job.id)
    done = jobs.runs_of(here, job.id)
    runs = [
        {"run_id": r.run_id, "name": r.name, "experiment_id": r.experiment_id, "status": r.status, "metrics": dict(r.metrics)}
        for r in done
    ]
    lines = [f"{r.run_id}  {r.name}  {scores(dict(r.metrics))}" for r in done]
    asked.answer({"demo": name, "status": job.state, "runs": runs}, lines or [f"The job ended as {job.state}."])
    if job.state != "finished":
        click.echo(f"podium: The demo ended as {job.state}. The log says why: {job.folder / 'log.txt'}", err=True)
    return 0 if job.state == "finished" else 1


demo.add_command(list_demos)
demo.add_command(run)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not K=V.", param_hint="--param")
    return name.strip(), value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
