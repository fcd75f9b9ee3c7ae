"""One picture or video in, an answer out. Each task is a file and a line in this table."""

TASKS = {
    "classify": "seesay.tasks.classify:classify",
    "actions": "seesay.tasks.actions:actions",
}
