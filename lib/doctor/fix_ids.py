"""Ids of all fixes. Checks offer a fix by id without importing it; reports and pages contain the ids, so they never change. Pure."""

UPGRADE_DATABASE = "upgrade_database"
RESTORE_BACKUP = "restore_backup"
MIGRATE_FILE_STORE = "migrate_file_store"

END_FAILED = "end_failed"
END_KILLED = "end_killed"

RESTORE_RUNS = "restore_runs"
REMOVE_RUNS = "remove_runs"
RESTORE_EXPERIMENT = "restore_experiment"
REMOVE_EXPERIMENT = "remove_experiment"

DELETE_SECRET_TAGS = "delete_secret_tags"  # noqa: S105 - an id, no secret

# For artifact locations: the guide's four options, and reading from a mapped folder.
NEW_EXPERIMENT = "fresh_experiment"
START_SERVER = "local_server"
SET_TRACKING_URI = "tracking_variable"
NEW_STORE = "local_store"
MAP_FOLDER = "mapped_folder"
