"""The demo commands: list the demos, run one and wait for it."""

import os
from typing import Any

import click

from lib.backends.app_files import PROJECT_FOLDER
from lib.cli.context import CommandContext, clock, command, format_main_metrics
from lib.cli.output import print_note
from lib.launch import catalogue


@click.group("demo")
def demo() -> None:
    """The demo experiments."""


@command("list")
def list_demos(context: CommandContext) -> None:
    """List the demos with their parameters."""
    demos = [
        {
            "name": demo.key,
            "title": demo.title,
            "lesson": demo.lesson,
            "script": f"demo_experiments/{demo.script}",
            "parameters": {parameter.name: _to_json(parameter.default) for parameter in demo.parameters},
        }
        for demo in catalogue.list_demos()
    ]
    context.print_result({"demos": demos}, [f"{demo['name']:<10}  {demo['title']}: {demo['lesson']}" for demo in demos])


@command("run", can_create=True)
@click.argument("name")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter, for example n_estimators=1,5,15")
def run_demo(context: CommandContext, name: str, params: tuple[str, ...]) -> int:
    """Run demo NAME and wait until it ends."""
    values = dict(_parse_parameter(text) for text in params)
    demo = catalogue.find_demo(name)
    catalogue.script_arguments(demo, values)
    from lib.jobs import job_queue
    from lib.jobs.job_runs import find_job_runs
    from lib.jobs.job_settings import read_job_settings
    from lib.launch import demo_jobs

    backend, settings = context.open_backend(), read_job_settings(os.environ, PROJECT_FOLDER)
    job = demo_jobs.start_demo_job(settings, demo, values, backend, clock())
    print_note(f"Job {job.id} is running. Its log: {job.folder / 'log.txt'}")
    job = job_queue.wait(settings, job.id)
    runs = find_job_runs(backend, job.id)
    rows = [
        {
            "run_id": run.run_id,
            "name": run.name,
            "experiment_id": run.experiment_id,
            "status": run.status,
            "metrics": dict(run.metrics),
        }
        for run in runs
    ]
    lines = [f"{run.run_id}  {run.name}  {format_main_metrics(dict(run.metrics))}" for run in runs]
    context.print_result({"demo": name, "status": job.state, "runs": rows}, lines or [f"The job ended with status {job.state}."])
    if job.state != "finished":
        print_note(f"podium: The demo ended with status {job.state}. See its log: {job.folder / 'log.txt'}")
    return 0 if job.state == "finished" else 1


demo.add_command(list_demos)
demo.add_command(run_demo)


def _parse_parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"{text!r} is not of the form K=V.", param_hint="--param")
    return name.strip(), value


def _to_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
