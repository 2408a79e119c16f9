"""The demos from a shell: list them, run one and wait for it."""

import os
from typing import Any

import click

from lib.backends.app_files import PROJECT_FOLDER
from lib.cli.context import CommandContext, clock, command, format_main_metrics
from lib.launch import catalogue


@click.group("demo")
def demo() -> None:
    """The demo experiments."""


@command("list")
def list_demos(context: CommandContext) -> None:
    """List the demos with their parameters."""
    found = [
        {
            "name": one.key,
            "title": one.title,
            "lesson": one.lesson,
            "script": f"demo_experiments/{one.script}",
            "parameters": {p.name: _plain(p.default) for p in one.parameters},
        }
        for one in catalogue.list_demos()
    ]
    context.print_result({"demos": found}, [f"{d['name']:<10}  {d['title']}: {d['lesson']}" for d in found])


@command("run", can_create=True)
@click.argument("name")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter, for example n_estimators=1,5,15")
def run_demo(context: CommandContext, name: str, params: tuple[str, ...]) -> int:
    """Run demo NAME and wait until it has ended."""
    values = dict(_pair(text) for text in params)
    chosen = catalogue.find_demo(name)
    catalogue.script_arguments(chosen, values)
    from lib.jobs import job_queue
    from lib.jobs.job_runs import find_job_runs
    from lib.jobs.job_settings import read_job_settings
    from lib.launch import demo_jobs

    here, room = context.open_backend(), read_job_settings(os.environ, PROJECT_FOLDER)
    job = demo_jobs.start_demo_job(room, chosen, values, here, clock())
    click.echo(f"Job {job.id} runs; its log is {job.folder / 'log.txt'}", err=True)
    job = job_queue.wait(room, job.id)
    done = find_job_runs(here, job.id)
    runs = [
        {"run_id": r.run_id, "name": r.name, "experiment_id": r.experiment_id, "status": r.status, "metrics": dict(r.metrics)}
        for r in done
    ]
    lines = [f"{r.run_id}  {r.name}  {format_main_metrics(dict(r.metrics))}" for r in done]
    context.print_result({"demo": name, "status": job.state, "runs": runs}, lines or [f"The job ended as {job.state}."])
    if job.state != "finished":
        click.echo(f"podium: The demo ended as {job.state}. The log says why: {job.folder / 'log.txt'}", err=True)
    return 0 if job.state == "finished" else 1


demo.add_command(list_demos)
demo.add_command(run_demo)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not K=V.", param_hint="--param")
    return name.strip(), value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
